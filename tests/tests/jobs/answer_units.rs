use super::demands::{Asked, OUTPUTS, TRACES, UNITS, graph, ops};
use ::jobs::error::JobsError;
use protocol::batch::{batch_from_root, unit_leaves};
use protocol::demand::{Item, MIN_PIECE, PAGE};
use protocol::merkle;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use protocol::testing::{Constants, Graph, Rng, Run, honest};
use solana_signer::Signer;
use tests::{PARAMETERS, key, substituted};

#[test]
fn hashes_that_lead_to_the_revealed_roots_answer_and_earn_the_fee() {
    for item in [TRACES, OUTPUTS] {
        let mut asked = Asked::new();
        let demand = asked.ask(item);
        let [answer] = &asked.answers(item)[..] else {
            panic!("five units are one piece");
        };
        asked.world.sweep(answer, &[&asked.worker.key], &[]);
        let before = asked.world.lamports(&asked.worker.wallet());
        asked.world.send(answer.clone(), &[&asked.worker.key]);
        let fee = u64::from(PARAMETERS.demand_fee);
        assert_eq!(asked.world.lamports(&asked.worker.wallet()) - before, fee);
        assert!(asked.world.demand(&demand).answered.get());
        assert_eq!(
            (asked.world.job(&asked.job).open_demands, asked.world.demand(&demand).streamed.get()),
            (0, UNITS)
        );
        asked.world.refuse(answer.clone(), &[&asked.worker.key], JobsError::DemandAnswered);
    }
}

#[test]
fn more_than_a_page_of_units_is_shown_page_by_page() {
    let op = OpDescriptor {
        inputs: Inputs::new(&[0]).unwrap(),
        kind: OpKind::Upsample { factor: 2 },
        output: Shape::new(2, 2, 1),
    };
    let graph = Graph {
        inputs: vec![Shape::new(1, 1, 1)],
        ops: vec![op],
        constants: vec![Constants::default()],
        ..Graph::default()
    };
    let units = 2 * PAGE + 3;
    // A job of so many units costs more than the kit's consumer has.
    let run = Run::new(&graph, &Rng::new(3), units, &honest);
    let mut asked = Asked::rich(run);
    for of_page in [Item::traces, Item::outputs] {
        for page in 0..3 {
            let item = of_page(page);
            let demand = asked.shown(item);
            assert!(asked.world.demand(&demand).answered.get(), "{item:?}");
        }
    }
    let beyond = asked.asking(Item::traces(3));
    asked.world.refuse(beyond, &[&asked.challenger], JobsError::InvalidDemand);
}

#[test]
fn fails_for_anyone_but_the_devices_key_and_for_another_kind() {
    let mut asked = Asked::new();
    asked.ask(TRACES);
    asked.ask(OUTPUTS);
    asked.ask(ops(0));
    let answer = asked.answers(TRACES)[0].clone();
    for thief in [asked.other.key.clone(), asked.worker.owner.clone()] {
        let stolen = substituted(&answer, &asked.worker.key.pubkey(), &thief.pubkey());
        asked.world.refuse(stolen, &[&thief], JobsError::NotAssignedDevice);
    }
    let other = substituted(&answer, &asked.worker.device, &asked.other.device);
    let other = substituted(&other, &asked.worker.key.pubkey(), &asked.other.key.pubkey());
    asked.world.refuse(other, &[&asked.other.key], JobsError::NotAssignedDevice);
    let of = |item| chain::market::demand::address(&asked.job, item);
    let crossed = substituted(&answer, &of(TRACES), &of(ops(0)));
    asked.world.refuse(crossed, &[&asked.worker.key], JobsError::WrongDemand);
    // Traces do not answer a demand for outputs.
    let crossed = substituted(&answer, &of(TRACES), &of(OUTPUTS));
    asked.world.refuse(crossed, &[&asked.worker.key], JobsError::AnswerMismatch);
    let robbed = substituted(&answer, &asked.worker.wallet(), &key("thief").pubkey());
    asked.world.refuse(robbed, &[&asked.worker.key], JobsError::WrongPayoutAccount);
}

#[test]
fn fails_when_it_leads_elsewhere_and_nothing_is_lost_by_trying() {
    let mut asked = Asked::new();
    let demand = asked.ask(TRACES);
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let traces = asked.run.traces.clone();
    let mut altered = traces.clone();
    altered[4][31] ^= 1;
    let mut swapped = traces.clone();
    swapped.swap(0, 1);
    for (hashes, above) in [
        (altered, vec![]),
        (swapped, vec![]),
        (asked.run.outputs.clone(), vec![]),
        (traces.clone(), vec![[0; 32]]),
    ] {
        let wrong = by.units(&job, TRACES, 0, hashes, Some(above));
        asked.world.refuse(wrong, &[&key], JobsError::AnswerMismatch);
        assert_eq!(asked.world.demand(&demand).streamed.get(), 0);
    }
    asked.world.send(by.units(&job, TRACES, 0, traces, Some(vec![])), &[&key]);
}

#[test]
fn an_answer_ends_with_all_its_units_in_order() {
    let mut asked = Asked::new();
    asked.ask(TRACES);
    let by = asked.answerer();
    let (job, traces) = (asked.job, asked.run.traces.clone());
    let send = |asked: &mut Asked, offset, hashes: &[[u8; 32]], end: bool, failure: Option<JobsError>| {
        let answer = by.units(&job, TRACES, offset, hashes.to_vec(), end.then(Vec::new));
        match failure {
            None => {
                asked.world.send(answer, &[&asked.worker.key]);
            }
            Some(failure) => asked.world.refuse(answer, &[&asked.worker.key], failure),
        }
    };
    send(&mut asked, 0, &traces[..2], true, Some(JobsError::AnswerMismatch));
    send(&mut asked, 1, &traces[1..], true, Some(JobsError::AnswerOutOfOrder));
    send(&mut asked, 0, &traces[..2], false, None);
    send(&mut asked, 3, &traces[3..], true, Some(JobsError::AnswerOutOfOrder));
    // Garbage may come in; offset 0 starts over.
    send(&mut asked, 2, &[[9; 32]; MIN_PIECE], false, None);
    send(&mut asked, 14, &traces[4..], true, Some(JobsError::AnswerMismatch));
    send(&mut asked, 0, &traces[..4], false, None);
    send(&mut asked, 4, &[traces[4], [0; 32]], true, Some(JobsError::AnswerMismatch));
    send(&mut asked, 4, &traces[4..], false, Some(JobsError::PieceTooShort));
    send(&mut asked, 0, &traces, false, None);
    // The end may come in a piece without hashes.
    send(&mut asked, 5, &[], true, None);
}

#[test]
fn an_answer_after_its_time_counts_as_long_as_nobody_convicts() {
    let mut asked = Asked::new();
    asked.ask(TRACES);
    asked.ask(OUTPUTS);
    asked.world.wait(10_000);
    asked.answer(TRACES);
    let silence = asked.silence(&asked.challenger.pubkey(), OUTPUTS);
    asked.world.send(silence, &[&asked.challenger]);
    let late = asked.answers(OUTPUTS)[0].clone();
    asked.world.refuse(late, &[&asked.worker.key], JobsError::WrongStatus);
}

/// A worker whose batch ends with the padding leaf in place of a unit's.
#[test]
fn an_answer_cannot_skip_a_missing_unit() {
    let mut run = Run::new(&graph(), &Rng::new(7), 3, &honest);
    let leaves = unit_leaves(0, &run.traces);
    run.claim.traces = batch_from_root(3, &merkle::root(&[&leaves[..2], &[merkle::pad(), merkle::pad()]].concat()));
    let mut asked = Asked::of(run);
    asked.ask(TRACES);
    let short = asked
        .answerer()
        .units(&asked.job, TRACES, 0, asked.run.traces[..2].to_vec(), Some(Vec::new()));
    asked.world.refuse(short, &[&asked.worker.key], JobsError::AnswerMismatch);
}

use super::demands::{Asked, OPS, TRACES, graph, ops};
use ::jobs::error::JobsError;
use ::jobs::state::demand_space;
use protocol::batch::{batch_root, unit_leaves};
use protocol::demand::MIN_PIECE;
use protocol::merkle;
use protocol::testing::{Rng, Run, honest};
use protocol::trace::{Checkpoints, op_leaves};
use solana_signer::Signer;
use tests::{PARAMETERS, substituted};

#[test]
fn all_op_outputs_of_a_unit_answer() {
    let mut asked = Asked::new();
    let item = ops(3);
    let address = asked.ask(item);
    let answers = asked.answers(item);
    assert_eq!(answers.len(), 2, "30 hashes are two pieces");
    asked.world.sweep(&answers[0], &[&asked.worker.key], &[]);
    let before = asked.world.lamports(&asked.worker.wallet());
    asked.world.send(answers[0].clone(), &[&asked.worker.key]);
    assert_eq!(asked.world.lamports(&asked.worker.wallet()), before, "half an answer earns nothing");
    asked.world.send(answers[1].clone(), &[&asked.worker.key]);
    assert_eq!(
        asked.world.lamports(&asked.worker.wallet()) - before,
        u64::from(PARAMETERS.demand_fee)
    );
    let demand = asked.world.demand(&address);
    assert_eq!(
        (demand.answered.get(), demand.shown, demand.streamed.get()),
        (true, merkle::root(&op_leaves(&asked.run.tensors[3])), OPS)
    );
    asked
        .world
        .refuse(answers[0].clone(), &[&asked.worker.key], JobsError::DemandAnswered);
}

#[test]
fn fails_out_of_order_beyond_the_ops_short_of_them_and_for_another_unit() {
    let mut asked = Asked::new();
    let item = ops(3);
    asked.ask(item);
    let (by, job, tensors) = (asked.answerer(), asked.job, asked.run.tensors[3].clone());
    let path = merkle::path(&unit_leaves(0, &asked.run.traces), 3);
    let key = asked.worker.key.clone();
    let world = &mut asked.world;
    let refused = [
        (by.ops(&job, item, 1, tensors[1..20].to_vec(), None), JobsError::AnswerOutOfOrder),
        (
            by.ops(&job, item, 0, tensors[..20].to_vec(), Some(path.clone())),
            JobsError::AnswerMismatch,
        ),
    ];
    for (answer, failure) in refused {
        world.refuse(answer, &[&key], failure);
    }
    world.send(by.ops(&job, item, 0, tensors[..20].to_vec(), None), &[&key]);
    let too_many: Vec<_> = tensors[20..].iter().copied().chain([[1; 32]; 2]).collect();
    let mut swapped = tensors[20..].to_vec();
    swapped.swap(0, 1);
    let other_unit = asked.run.tensors[2][20..].to_vec();
    let mut shorter = path.clone();
    shorter.pop();
    let mut wrong = path.clone();
    wrong[0][0] ^= 1;
    let refused = [
        (by.ops(&job, item, 20, too_many, None), JobsError::AnswerMismatch),
        // All op outputs of a unit have equal values in this graph, but their ops differ.
        (by.ops(&job, item, 20, other_unit, Some(path.clone())), JobsError::AnswerMismatch),
        (
            by.ops(&job, item, 20, tensors[20..].to_vec(), Some(shorter)),
            JobsError::AnswerMismatch,
        ),
        (
            by.ops(&job, item, 20, tensors[20..].to_vec(), Some(wrong)),
            JobsError::AnswerMismatch,
        ),
        (by.ops(&job, item, 20, swapped, Some(path.clone())), JobsError::AnswerMismatch),
        (
            by.ops(&job, item, 0, tensors[20..].to_vec(), Some(path.clone())),
            JobsError::AnswerMismatch,
        ),
        (
            by.ops(&job, TRACES, 20, tensors[20..].to_vec(), Some(path.clone())),
            JobsError::WrongDemand,
        ),
    ];
    asked.world.ask(&asked.challenger.clone(), &job, TRACES);
    for (answer, failure) in refused {
        asked.world.refuse(answer, &[&key], failure);
    }
    let end = by.ops(&job, item, 20, tensors[20..].to_vec(), Some(path));
    let foreign = substituted(&end, &key.pubkey(), &asked.other.key.pubkey());
    asked.world.refuse(foreign, &[&asked.other.key], JobsError::NotAssignedDevice);
    asked.world.send(end, &[&key]);
}

/// If pieces could be a single hash, a worker could spread an answer over any number of slots and fill those with other transactions that
/// name the demand.
#[test]
fn pieces_between_the_first_and_the_last_are_not_short() {
    let mut asked = Asked::new();
    let item = ops(3);
    asked.ask(item);
    let (by, job, key, tensors) = (asked.answerer(), asked.job, asked.worker.key.clone(), asked.run.tensors[3].clone());
    let piece = |at: usize, to: usize, path| by.ops(&job, item, at as u32, tensors[at..to].to_vec(), path);
    asked.world.send(piece(0, 1, None), &[&key]);
    asked.world.refuse(piece(1, MIN_PIECE, None), &[&key], JobsError::PieceTooShort);
    asked.world.send(piece(1, MIN_PIECE + 1, None), &[&key]);
    asked.world.refuse(piece(20, 20, None), &[&key], JobsError::PieceTooShort);
    asked.world.send(piece(MIN_PIECE + 1, 29, None), &[&key]);
    asked.world.refuse(piece(29, 30, None), &[&key], JobsError::PieceTooShort);
    let path = merkle::path(&unit_leaves(0, &asked.run.traces), 3);
    asked.world.send(piece(29, 30, Some(path)), &[&key]);
}

/// If a trace commits only to checkpoints, an answer is checked against those; for the ops between them a worker may claim anything, and is
/// bound by it.
#[test]
fn beyond_checkpoints_an_answer_binds_and_at_checkpoints_it_is_bound() {
    let run = Run::new(&graph(), &Rng::new(7), 3, &honest).every(7);
    let mut asked = Asked::of(run);
    let item = ops(1);
    let address = asked.ask(item);
    let rent = asked.world.rent(demand_space(item.kind as u8, Checkpoints::new(OPS, 7)));
    assert_eq!(asked.world.lamports(&address), rent + u64::from(PARAMETERS.demand_fee));
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let tensors = asked.run.tensors[1].clone();
    let path = merkle::path(&unit_leaves(0, &asked.run.traces), 1);
    let lies_at = |op: usize| {
        let mut said = tensors.clone();
        said[op][0] ^= 1;
        said
    };
    let send = |world: &mut tests::World, said: &[[u8; 32]]| {
        world.send(by.ops(&job, item, 0, said[..10].to_vec(), None), &[&key]);
        world.send(by.ops(&job, item, 10, said[10..22].to_vec(), None), &[&key]);
        by.ops(&job, item, 22, said[22..].to_vec(), Some(path.clone()))
    };
    for checkpoint in [6, 13, 20, 27, 29] {
        let last = send(&mut asked.world, &lies_at(checkpoint));
        asked.world.refuse(last, &[&key], JobsError::AnswerMismatch);
    }
    let said = lies_at(14);
    let last = send(&mut asked.world, &said);
    asked.world.send(last, &[&key]);
    let demand = asked.world.demand(&address);
    assert_eq!((demand.answered.get(), demand.shown), (true, merkle::root(&op_leaves(&said))));
    // The answer is final.
    let again = by.ops(&job, item, 0, tensors[..11].to_vec(), None);
    asked.world.refuse(again, &[&key], JobsError::DemandAnswered);
}

/// Numbers of checkpoints on both sides of each power of two: the account has exactly the room that each needs.
#[test]
fn any_number_of_checkpoints_is_answered_for() {
    for interval in [2, 3, 4, 5, 7, 8, 9, 10, 14, 15, 29] {
        let run = Run::new(&graph(), &Rng::new(u64::from(interval)), 2, &honest).every(interval);
        let mut asked = Asked::of(run);
        let address = asked.shown(ops(1));
        let demand = asked.world.demand(&address);
        let shown = merkle::root(&op_leaves(&asked.run.tensors[1]));
        assert_eq!((demand.answered.get(), demand.shown), (true, shown), "every {interval} ops");
    }
}

/// A worker whose trace ends with the padding leaf in place of an op's.
#[test]
fn an_answer_cannot_skip_a_missing_output() {
    let mut run = Run::new(&graph(), &Rng::new(7), 1, &honest);
    let short = merkle::root(&op_leaves(&run.tensors[0][..29]));
    run.claim.traces = batch_root(&[Checkpoints::all(OPS).trace_from_root(&short)]);
    let mut asked = Asked::of(run);
    asked.ask(ops(0));
    let tensors = &asked.run.tensors[0];
    let (by, key) = (asked.answerer(), asked.worker.key.clone());
    let first = by.ops(&asked.job, ops(0), 0, tensors[..20].to_vec(), None);
    let last = by.ops(&asked.job, ops(0), 20, tensors[20..29].to_vec(), Some(Vec::new()));
    asked.world.send(first, &[&key]);
    asked.world.refuse(last, &[&key], JobsError::AnswerMismatch);
}

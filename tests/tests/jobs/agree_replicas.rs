use super::replicas::{OTHER, PRICE, Replicas};
use ::jobs::error::JobsError;
use ::jobs::{JobTerms, Status};
use chain::market;
use protocol::demand::Item;
use protocol::testing::Run;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{Work, terms, tiny_run};

#[test]
fn equal_results_are_paid_at_once() {
    for replicas in [2, 3] {
        let mut all = Replicas::revealed(&vec![Work::SAMPLE; replicas]);
        let cranker = all.world.wallet("cranker");
        let early = all.settle(&cranker.pubkey(), 0);
        all.world.refuse(early, &[&cranker], JobsError::DeadlineNotPassed);
        let agree = all.agree();
        all.world.sweep(&agree, &[], &[]);
        // All agree and are paid in one transaction.
        let mut instructions = vec![agree];
        instructions.extend((0..replicas).map(|replica| all.settle(&cranker.pubkey(), replica)));
        let before: Vec<u64> = all.workers.iter().map(|worker| all.world.balance(&worker.tokens)).collect();
        all.world.send_all(&instructions, &[&cranker]);
        for (worker, before) in all.workers.iter().zip(before).take(replicas) {
            let gained = all.world.balance(&worker.tokens) - before;
            assert_eq!(gained, 10 * PRICE - 10 * PRICE / 400);
            assert_eq!(all.world.device(&worker.device).jobs_done.get(), 1);
        }
        assert!(all.jobs.iter().all(|job| all.world.account(job).is_none()));
    }
}

/// Colluding devices could otherwise be paid before anybody can convict them.
#[test]
fn replicas_with_a_value_at_risk_keep_their_windows() {
    let mut all = Replicas::open_on(JobTerms {
        replicas: 2,
        value_at_risk: 1,
        ..terms()
    });
    all.world.open_doors();
    for replica in 0..2 {
        all.claim(replica);
        all.commit(replica, Work::SAMPLE);
    }
    all.world.send(all.call(), &[]);
    for replica in 0..2 {
        all.reveal(replica, Work::SAMPLE);
    }
    all.world.refuse(all.agree(), &[], JobsError::ValueAtRisk);
}

#[test]
fn fails_when_results_differ() {
    let outputs = Work {
        outputs: [0x0C; 32],
        ..Work::SAMPLE
    };
    for other in [OTHER, outputs] {
        let mut all = Replicas::revealed(&[Work::SAMPLE, Work::SAMPLE, other]);
        all.world.refuse(all.agree(), &[], JobsError::ReplicasDiffer);
    }
}

#[test]
fn fails_before_all_have_revealed_and_for_one_alone() {
    let mut all = Replicas::committed(&[Work::SAMPLE, Work::SAMPLE]);
    all.world.refuse(all.agree(), &[], JobsError::WrongStatus);
    all.world.send(all.call(), &[]);
    all.reveal(0, Work::SAMPLE);
    all.world.refuse(all.agree(), &[], JobsError::WrongStatus);
    all.time_out(1);
    all.world.refuse(all.agree(), &[], JobsError::TooFewReplicas);
    // It keeps its own window, like a single job.
    let cranker = all.world.wallet("cranker");
    all.world.wait_for_deadline(&all.jobs[0].clone());
    all.world.send(all.settle(&cranker.pubkey(), 0), &[&cranker]);

    let single = all.world.open(&all.consumer, 20, terms());
    all.world.work(&all.workers[2], &single);
    all.world
        .refuse(market::job::agree_replicas(&[(single, true)]), &[], JobsError::TooFewReplicas);
}

#[test]
fn fails_while_a_demand_is_open() {
    let mut all = Replicas::revealed(&[Work::SAMPLE, Work::SAMPLE]);
    let challenger = all.world.wallet("carol");
    let job = all.jobs[1];
    all.world.ask(&challenger, &job, Item::traces(0));
    all.world.refuse(all.agree(), &[], JobsError::DemandsOpen);
}

#[test]
fn two_of_three_stand_under_their_windows_when_the_third_has_timed_out() {
    let mut all = Replicas::claimed(3);
    all.commit(0, Work::SAMPLE);
    all.commit(2, Work::SAMPLE);
    all.time_out(1);
    all.world.send(all.call(), &[]);
    all.reveal(0, Work::SAMPLE);
    all.reveal(2, Work::SAMPLE);
    let living = all.world.living(&all.jobs);
    assert_eq!(living.iter().map(|(_, lives)| *lives).collect::<Vec<_>>(), [true, false, true]);
    // Two colluding workers could have kept the third from answering.
    all.world.refuse(all.agree(), &[], JobsError::TooFewReplicas);
    let cranker = all.world.wallet("cranker");
    let last = all.jobs[2];
    all.world.wait_for_deadline(&last);
    let instructions = [0, 2].map(|replica| all.settle(&cranker.pubkey(), replica));
    all.world.send_all(&instructions, &[&cranker]);
}

#[test]
fn a_liar_is_convicted_and_the_others_agree_and_the_consumer_can_pay_another_run() {
    let (honest, lie) = (tiny_run(1, None), tiny_run(1, Some((3, 17))));
    let works = [Work::of(&honest), Work::of(&lie), Work::of(&honest)];
    let mut all = {
        let mut all = Replicas::open(3);
        let inputs = honest.claim.inputs;
        let terms = ::jobs::JobTerms {
            inputs,
            replicas: 3,
            ..terms()
        };
        all.jobs = all.world.open_replicas(&all.consumer, 30, terms);
        all.world.open_doors();
        for (replica, work) in works.iter().enumerate() {
            all.claim(replica);
            all.commit(replica, *work);
        }
        all.world.send(all.call(), &[]);
        for (replica, work) in works.iter().enumerate() {
            all.reveal(replica, *work);
        }
        all
    };
    all.world.refuse(all.agree(), &[], JobsError::ReplicasDiffer);
    let challenger = all.world.wallet("carol");
    let convict = |all: &mut Replicas, replica: usize, run: &Run| {
        let job = all.jobs[replica];
        let evidence = all.world.show(&challenger, &job, &run.element(3, 0, 17));
        let model = all.world.model;
        let (escrow, device) = (all.consumer.escrow, all.workers[replica].device);
        market::job::convict(
            &challenger.pubkey(),
            &job,
            &model,
            &escrow,
            &device,
            &evidence,
            &all.consumer.tokens,
        )
    };
    // The evidence that convicts the liar does not convict the honest workers.
    let false_proof = convict(&mut all, 0, &honest);
    all.world.refuse(false_proof, &[&challenger], JobsError::NotConvicted);
    let wallet = all.world.balance(&all.consumer.tokens);
    let proof = convict(&mut all, 1, &lie);
    all.world.send(proof, &[&challenger]);
    let price = 10 * PRICE;
    let compensation = all.world.balance(&all.consumer.tokens) - wallet;
    assert_eq!(compensation, (5 * price).max(10 * IO) / 5);
    assert!(compensation >= price, "another run");
    assert_eq!(all.world.job(&all.jobs[1]).status, Status::Convicted);

    let cranker = all.world.wallet("cranker");
    let instructions = [all.agree(), all.settle(&cranker.pubkey(), 0), all.settle(&cranker.pubkey(), 2)];
    all.world.send_all(&instructions, &[&cranker]);
}

#[test]
fn replicas_of_another_group_do_not_agree_with_this_one() {
    let mut all = Replicas::revealed(&[Work::SAMPLE, Work::SAMPLE]);
    // Another group, opened in another slot on the same input.
    let first = all.jobs.clone();
    all.world.pass(0, 1);
    let terms = ::jobs::JobTerms { replicas: 2, ..terms() };
    all.jobs = all.world.open_replicas(&all.consumer, 7, terms);
    all.world.open_doors();
    for replica in 0..2 {
        all.claim(replica);
        all.commit(replica, Work::SAMPLE);
    }
    all.world.send(all.call(), &[]);
    all.reveal(0, Work::SAMPLE);
    all.reveal(1, Work::SAMPLE);
    let crossed = [(first[0], true), (all.jobs[1], true)];
    all.world
        .refuse(market::job::agree_replicas(&crossed), &[], JobsError::AccountMismatch);
}

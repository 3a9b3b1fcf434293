use super::replicas::{OTHER, Replicas};
use ::jobs::error::JobsError;
use ::jobs::state::MAX_DURATION;
use ::jobs::{JobTerms, Status};
use chain::market;
use solana_signer::Signer;
use tests::{Failure, Work, revealing, terms};

#[test]
fn starts_the_reveals_time_of_all_at_once() {
    let mut all = Replicas::committed(&[Work::SAMPLE, OTHER]);
    let call = all.call();
    all.world.sweep(&call, &[], &[]);
    let early = revealing(&all.workers[0], &all.jobs[0], Work::SAMPLE);
    all.world.refuse(early.clone(), &[&all.workers[0].key], JobsError::RevealsNotCalled);
    all.world.wait(1_000);
    let now = all.world.now();
    all.world.send(call.clone(), &[]);
    for job in &all.jobs {
        assert_eq!(all.world.deadline(job), now.after(60));
    }
    // A second call fails, so nobody can postpone a reveal.
    all.world.wait(30);
    all.world.refuse(call, &[], JobsError::RevealsCalled);
    all.world.send(early, &[&all.workers[0].key]);
    let late = revealing(&all.workers[1], &all.jobs[1], OTHER);
    for (mut world, reached) in all.world.around(now.after(60)) {
        if reached {
            world.refuse(late.clone(), &[&all.workers[1].key], JobsError::DeadlinePassed);
        } else {
            world.send(late.clone(), &[&all.workers[1].key]);
        }
    }
}

#[test]
fn fails_until_every_replica_has_committed_or_ended() {
    let mut all = Replicas::open(3);
    all.world.open_doors();
    all.claim(0);
    all.commit(0, Work::SAMPLE);
    // The other replicas are open, then assigned.
    all.world.refuse(all.call(), &[], JobsError::WrongStatus);
    all.claim(1);
    all.claim(2);
    all.commit(1, Work::SAMPLE);
    all.world.refuse(all.call(), &[], JobsError::WrongStatus);
    // An overdue replica must be ended first, since a restart could make it no longer overdue.
    all.world.wait(10_000);
    all.world.refuse(all.call(), &[], JobsError::WrongStatus);
    all.time_out(2);
    all.world.send(all.call(), &[]);
    // Waiting has cost the worker that committed nothing.
    all.reveal(0, Work::SAMPLE);
    all.reveal(1, Work::SAMPLE);
}

/// A consumer cannot hold a worker's bond by opening a different job next to its replica: that job is not in the group.
#[test]
fn a_job_with_other_times_is_no_replica_and_nobody_waits_for_it() {
    let base = JobTerms { replicas: 2, ..terms() };
    let unlike = [
        JobTerms {
            open_seconds: MAX_DURATION,
            start_price: 1,
            max_price: 1,
            ..base
        },
        JobTerms {
            run_seconds: MAX_DURATION,
            ..base
        },
        JobTerms {
            window_seconds: MAX_DURATION,
            ..base
        },
    ];
    for (id, other) in (10..).step_by(2).zip(unlike) {
        let mut all = Replicas::open(1);
        let opening = [base, JobTerms { replica: 1, ..other }].map(|terms| {
            let id = id + u64::from(terms.replica);
            market::job::open_job(&all.consumer.wallet(), &all.consumer.mint, &all.world.model, id, terms)
        });
        all.world.send_all(&opening, &[&all.consumer.owner]);
        all.jobs = [id, id + 1].map(|id| all.consumer.job(id)).into();
        all.world.open_doors();
        all.claim(0);
        all.commit(0, Work::SAMPLE);
        let [alone, beside] = all.jobs[..] else { panic!("two") };
        // The other job exists, but is not one of the replicas.
        all.world.refuse(all.call(), &[], JobsError::AccountMismatch);
        all.world.send(market::job::call_reveals(&[(alone, true), (beside, false)]), &[]);
        all.reveal(0, Work::SAMPLE);
    }
}

#[test]
fn nobody_is_late_before_the_call() {
    let mut all = Replicas::claimed(2);
    all.commit(0, Work::SAMPLE);
    all.world.wait(1_000_000);
    let cranker = all.world.wallet("cranker");
    let parties = tests::ending(&all.consumer, &all.workers[0], &all.jobs[0]);
    all.world.refuse(
        market::job::timeout_job(&cranker.pubkey(), &parties),
        &[&cranker],
        JobsError::DeadlineNotPassed,
    );
    let restart = all.world.now().slot - 1;
    all.world.restarted_in(restart);
    all.world.refuse(
        market::job::timeout_job(&cranker.pubkey(), &parties),
        &[&cranker],
        JobsError::DeadlineNotPassed,
    );
}

#[test]
fn fails_for_replicas_that_are_left_out_or_of_other_jobs() {
    let mut all = Replicas::committed(&[Work::SAMPLE, Work::SAMPLE]);
    let [first, second] = all.jobs[..] else { panic!("two") };
    let single = all.world.open(&all.consumer, 1, terms());
    let world = &mut all.world;
    // A replica that exists is declared to have ended, in its own place or in another.
    world.refuse(
        market::job::call_reveals(&[(first, true), (second, false)]),
        &[],
        JobsError::AccountMismatch,
    );
    world.refuse(market::job::call_reveals(&[(first, true)]), &[], JobsError::AccountMismatch);
    world.refuse(
        market::job::call_reveals(&[(first, true), (single, false)]),
        &[],
        JobsError::AccountMismatch,
    );
    world.refuse(
        market::job::call_reveals(&[(second, true), (first, true)]),
        &[],
        JobsError::AccountMismatch,
    );
    world.refuse(market::job::call_reveals(&[(first, true), (first, true)]), &[], Failure::DUPLICATE);
    let all_of_two = [(first, true), (second, true), (single, true)];
    world.refuse(market::job::call_reveals(&all_of_two), &[], JobsError::AccountMismatch);
    world.refuse(
        market::job::call_reveals(&[(first, true), (second, true), (single, false)]),
        &[],
        JobsError::AccountMismatch,
    );
    world.refuse(market::job::call_reveals(&[]), &[], JobsError::AccountMismatch);
    // A single job waits for nobody.
    world.claim(&all.workers[2], &single);
    world.refuse(market::job::call_reveals(&[(single, true)]), &[], JobsError::WrongStatus);
    world.commit(&all.workers[2], &single);
    world.refuse(market::job::call_reveals(&[(single, true)]), &[], JobsError::RevealsCalled);
}

#[test]
fn a_commitment_copied_from_another_replica_cannot_be_opened() {
    let mut all = Replicas::claimed(2);
    all.commit(0, Work::SAMPLE);
    let stolen = all.world.job(&all.jobs[0]).commitment;
    let thief = all.workers[1].clone();
    let commit = market::job::commit_result(&thief.key.pubkey(), &all.jobs[1], &thief.device, stolen);
    all.world.send(commit, &[&thief.key]);
    all.world.send(all.call(), &[]);
    all.reveal(0, Work::SAMPLE);
    // The first device's reveal does not open the second device's copy of its commitment.
    let reveal = revealing(&thief, &all.jobs[1], Work::SAMPLE);
    all.world.refuse(reveal, &[&thief.key], JobsError::CommitmentMismatch);
    all.time_out(1);
    let job = all.world.job(&all.jobs[0]);
    assert_eq!(job.status, Status::Revealed);
}

use super::audits::{Audited, auditing};
use ::jobs::error::JobsError;
use ::jobs::{AuditStage, JobTerms};
use chain::market;
use protocol::audit;
use protocol::units::Bps;
use solana_signer::Signer;
use tests::{Work, ending, revealing, slot_hash, terms};

#[test]
fn the_eighth_slot_after_the_commitment_decides() {
    let mut drawn = 0;
    for skipped in 0..12 {
        let mut all = Audited::claimed(5_000);
        all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
        let committed = all.world.now().slot;
        // Skipped slots have no hash, so the next hash counts.
        (0..skipped).for_each(|slot| all.world.skip_slot(committed + 8 + slot));
        all.world.pass(0, 8 + skipped);
        let draw = market::audit::draw(&all.job);
        all.world.refuse(draw.clone(), &[], JobsError::SeedNotReady);
        all.world.pass(0, 1);
        all.world.sweep(&draw, &[], &[]);
        let now = all.world.now();
        all.world.send(draw.clone(), &[]);
        let seed = slot_hash(committed + 8 + skipped).to_bytes();
        let expected = audit::is_drawn(&seed, all.job.as_array(), all.worker.device.as_array(), Bps::new(5_000).unwrap());
        drawn += u32::from(expected);
        let (stage, seconds) = if expected {
            (AuditStage::Drawn, 60)
        } else {
            (AuditStage::Cleared, 60)
        };
        all.assert_stage(stage);
        assert_eq!(all.world.deadline(&all.job), now.after(seconds));
        all.world.refuse(draw, &[], JobsError::AuditNotDue);
    }
    assert!((1..12).contains(&drawn), "{drawn} of 12 drawn: the test must see both outcomes");
}

#[test]
fn no_result_is_revealed_before_its_draw_and_none_that_is_drawn_before_its_audit() {
    let mut all = Audited::committed(10_000);
    let reveal = revealing(&all.worker, &all.job, Work::of(&all.run));
    all.world.refuse(reveal.clone(), &[&all.worker.key], JobsError::AuditNotDrawn);
    all.world.send(market::audit::draw(&all.job), &[]);
    all.assert_stage(AuditStage::Drawn);
    all.world.refuse(reveal.clone(), &[&all.worker.key], JobsError::AuditRunning);
    all.world.open_doors();
    all.world.send(all.claim(), &[&all.auditor.key]);
    all.world.refuse(reveal, &[&all.worker.key], JobsError::AuditRunning);
    let mut cleared = Audited::committed(1);
    cleared.world.send(market::audit::draw(&cleared.job), &[]);
    cleared.assert_stage(AuditStage::Cleared);
    cleared.reveal();
}

#[test]
fn fails_where_there_is_nothing_to_draw() {
    let mut all = Audited::committed(0);
    all.world.refuse(market::audit::draw(&all.job), &[], JobsError::AuditNotDue);
    all.reveal();
    let admin = all.world.admin.clone();
    all.world
        .send(market::job::set_parameters(&admin.pubkey(), auditing(10_000)), &[&admin]);
    // A revealed and an open job.
    all.world.refuse(market::audit::draw(&all.job), &[], JobsError::WrongStatus);
    let open = all.world.open(&all.consumer, 2, terms());
    all.world.refuse(market::audit::draw(&open), &[], JobsError::WrongStatus);
    // Replicas check each other.
    let replicas = JobTerms { replicas: 2, ..terms() };
    let jobs = all.world.open_replicas(&all.consumer, 5, replicas);
    all.world.open_doors();
    let claim = all.world.claiming_replica(&all.third, &jobs, 0);
    all.world.send(claim, &[&all.third.key]);
    all.world.commit(&all.third, &jobs[0]);
    all.world.pass(0, 9);
    all.world.refuse(market::audit::draw(&jobs[0]), &[], JobsError::AuditNotDue);
}

#[test]
fn a_worker_whose_draw_is_not_made_in_time_is_late() {
    let mut all = Audited::claimed(5_000);
    let commit_at = all.world.now();
    all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
    // The minute for the reveal, plus time for the draw.
    let deadline = commit_at.after(70);
    assert_eq!(all.world.deadline(&all.job), deadline);
    all.world.go_to(deadline);
    all.world.refuse(market::audit::draw(&all.job), &[], JobsError::DeadlinePassed);
    let timeout = market::job::timeout_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.worker, &all.job));
    all.world.send(timeout, &[&all.cranker]);
}

/// A liar knows the draw before it has to reveal, and need not have it recorded.
#[test]
fn leaving_an_audit_without_recording_its_draw_costs_a_fifth_of_the_bond() {
    let mut all = Audited::claimed(5_000);
    let stake = |all: &Audited| all.world.device(&all.worker.device).own_stake.get();
    let mut costs = Vec::new();
    for id in 2..8 {
        all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
        let (job, before) = (all.world.job(&all.job), stake(&all));
        all.world.wait_for_deadline(&all.job);
        let timeout = market::job::timeout_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.worker, &all.job));
        all.world.send(timeout, &[&all.cranker]);
        let drawn = job.is_drawn(&all.job, &slot_hash(job.since_slot.get() + 8).to_bytes());
        let cost = before - stake(&all);
        assert_eq!(cost, job.bond.get() / if drawn { 5 } else { 20 });
        costs.push(cost);
        all.open(id);
    }
    costs.dedup();
    assert!(costs.len() > 1, "the test must see both outcomes");
    // A hash that is no longer kept draws an audit here too.
    let mut all = Audited::claimed(1);
    all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
    let (bond, before) = (all.world.job(&all.job).bond.get(), stake(&all));
    all.world.pass(70, 521);
    let timeout = market::job::timeout_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.worker, &all.job));
    all.world.send(timeout, &[&all.cranker]);
    assert_eq!(before - stake(&all), bond / 5);
}

#[test]
fn a_worker_that_waits_until_the_hash_is_forgotten_is_audited() {
    let mut all = Audited::claimed(1);
    all.world.commit_to(&all.worker, &all.job, Work::of(&all.run));
    all.world.pass(0, 521);
    all.world.send(market::audit::draw(&all.job), &[]);
    all.assert_stage(AuditStage::Drawn);
}

#[test]
fn a_new_device_is_always_audited_and_one_with_a_record_rarely() {
    let mut all = Audited::claimed(0);
    let admin = all.world.admin.clone();
    let parameters = ::jobs::Parameters {
        audit_jobs: 2,
        ..auditing(500)
    };
    all.world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    // Clean jobs in a row, and the audit rate that follows.
    for (id, rate) in [(10, 10_000), (11, 10_000), (12, 5_000), (13, 4_000), (14, 3_334)] {
        let job = all.world.open(&all.consumer, id, terms());
        all.world.claim(&all.third, &job);
        assert_eq!(all.world.job(&job).audit_bps.get(), rate, "job {id}");
        all.world.commit(&all.third, &job);
        all.world.pass(4, 9);
        all.world.send(market::audit::draw(&job), &[]);
        if all.world.job(&job).audit == AuditStage::Drawn {
            all.world.wait_for_deadline(&job);
            all.world.send(market::audit::skip(&job), &[]);
        }
        all.world.reveal(&all.third, &job);
        all.world.wait_for_deadline(&job);
        let settle = market::job::settle_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.third, &job), &all.third.tokens);
        all.world.send(settle, &[&all.cranker]);
    }
    // The consumer's own audit rate comes on top.
    let careful = JobTerms {
        audit_bps: 5_000,
        ..terms()
    };
    let job = all.world.open(&all.consumer, 20, careful);
    all.world.claim(&all.third, &job);
    assert_eq!(all.world.job(&job).audit_bps.get(), 6_429);
}

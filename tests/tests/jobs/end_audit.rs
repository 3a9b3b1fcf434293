//! The ways an audit ends: skipped, timed out, paid, unpaid, or with the job.

use super::audits::{Audited, PRICE, UNITS, auditing};
use super::demands::graph;
use ::jobs::error::JobsError;
use ::jobs::{AuditStage, Parameters};
use chain::market;
use protocol::demand::Item;
use protocol::testing::{Rng, Run, honest};
use protocol::units::IO;
use solana_signer::Signer;
use tests::{Fault, World, ending, key, substituted};

/// Alice's pay without an auditor.
const EARNED: u64 = UNITS as u64 * PRICE - UNITS as u64 * PRICE / 400;

/// Raises the penalty to four times its value, for jobs opened from now on.
fn raise_penalty(world: &mut World) {
    let admin = world.admin.clone();
    let raised = Parameters {
        penalty_bps: 2_000,
        ..auditing(10_000)
    };
    world.send(market::job::set_parameters(&admin.pubkey(), raised), &[&admin]);
}

#[test]
fn an_audit_that_nobody_takes_is_skipped_after_its_time() {
    let all = Audited::drawn();
    let deadline = all.world.deadline(&all.job);
    let skip = market::audit::skip(&all.job);
    for (mut world, reached) in all.world.around(deadline) {
        if reached {
            world.sweep(&skip, &[], &[]);
            let now = world.now();
            world.send(skip.clone(), &[]);
            assert_eq!(world.deadline(&all.job), now.after(60));
            world.refuse(skip.clone(), &[], JobsError::WrongAudit);
            let mut all = all.clone();
            all.world = world;
            all.reveal();
        } else {
            world.refuse(skip.clone(), &[], JobsError::DeadlineNotPassed);
        }
    }
    // The worker has no deadline meanwhile, and a restart gives auditors their time again.
    let mut all = all;
    all.world.go_to(deadline);
    let timeout = market::job::timeout_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.worker, &all.job));
    all.world.refuse(timeout, &[&all.cranker], JobsError::AuditRunning);
    let restart = all.world.now().slot;
    all.world.restarted_in(restart);
    all.world.refuse(skip, &[], JobsError::DeadlineNotPassed);
}

#[test]
fn a_late_auditor_loses_a_share_of_its_bond_and_the_worker_reveals() {
    let mut all = Audited::taken();
    raise_penalty(&mut all.world);
    let timeout = market::audit::timeout(&all.world.audit_of(&all.job));
    for (mut world, reached) in all.world.around(all.world.deadline(&all.job)) {
        if !reached {
            world.refuse(timeout.clone(), &[], JobsError::DeadlineNotPassed);
            continue;
        }
        world.sweep(&timeout, &[], &[]);
        let (now, rent) = (world.now(), world.lamports(&market::audit::address(&all.job)));
        let before = world.lamports(&all.auditor.key.pubkey());
        world.send(timeout.clone(), &[]);
        assert_eq!(world.lamports(&all.auditor.key.pubkey()) - before, rent);
        assert_eq!(world.deadline(&all.job), now.after(60));
        let device = world.device(&all.auditor.device);
        assert_eq!((device.locked_bond.get(), device.forfeited.get()), (0, IO / 20));
        assert_eq!((device.jobs_missed.get(), device.clean_jobs.get()), (1, 0));
        let mut all = all.clone();
        all.world = world;
        all.assert_stage(AuditStage::Cleared);
        all.reveal();
    }
    let mut early = Audited::drawn();
    early.world.send(early.claim(), &[&early.auditor.key]);
    let commit = early.commit(&early.run);
    early.world.send(commit, &[&early.auditor.key]);
    early.world.wait(10_000);
    // Once the auditor has committed, the worker is late, not the auditor.
    early.world.refuse(timeout, &[], JobsError::WrongAudit);
    let timeout = market::job::timeout_job(&early.cranker.pubkey(), &ending(&early.consumer, &early.worker, &early.job));
    early.world.send(timeout, &[&early.cranker]);
    let close = market::audit::close(&early.world.audit_of(&early.job));
    early.world.send(close, &[]);
    let device = early.world.device(&early.auditor.device);
    assert_eq!(
        (device.locked_bond.get(), device.jobs_missed.get(), device.jobs_done.get()),
        (0, 0, 1)
    );
}

#[test]
fn an_auditor_that_proves_the_result_is_paid_out_of_the_jobs_price() {
    let mut all = Audited::proven();
    all.world.wait_for_deadline(&all.job.clone());
    let settle = all.settle(Some(all.auditor.tokens));
    all.world.sweep(&settle, &[&all.cranker], &[]);
    let plain = market::job::settle_job(
        &all.cranker.pubkey(),
        &ending(&all.consumer, &all.worker, &all.job),
        &all.worker.tokens,
    );
    // Nobody can leave out the auditor or be paid in its place.
    all.world.refuse(plain, &[&all.cranker], JobsError::AccountMismatch);
    let usd = all.world.mint("usd", 6);
    let worthless = all.world.give_tokens(&all.auditor.wallet(), &usd, 0);
    for tokens in [None, Some(all.third.tokens), Some(worthless)] {
        let unpaid = all.settle(tokens);
        all.world.refuse(unpaid, &[&all.cranker], JobsError::WrongAuditorAccount);
    }
    let close = market::audit::close(&all.world.audit_of(&all.job));
    all.world.refuse(close.clone(), &[], JobsError::AuditStands);

    let before = [&all.worker, &all.auditor].map(|worker| all.world.balance(&worker.tokens));
    all.world.send(settle, &[&all.cranker]);
    let after = [&all.worker, &all.auditor].map(|worker| all.world.balance(&worker.tokens));
    let pay = EARNED * 8_000 / 10_000;
    assert_eq!([after[0] - before[0], after[1] - before[1]], [EARNED - pay, pay]);
    let elsewhere = (all.job, Fault::Elsewhere, Some(JobsError::AccountMismatch.into()));
    all.world.sweep(&close, &[], &[elsewhere]);
    all.world.send(close, &[]);
    let device = all.world.device(&all.auditor.device);
    assert_eq!(
        (device.locked_bond.get(), device.jobs_done.get(), device.jobs_missed.get()),
        (0, 1, 0)
    );
}

#[test]
fn the_audit_of_another_job_cannot_stand_in_for_a_jobs_own() {
    let mut all = Audited::proven();
    let (settle, own) = (all.settle(Some(all.auditor.tokens)), market::audit::address(&all.job));
    all.worker = all.third.clone();
    all.open(2);
    all.commit_work();
    all.draw();
    all.world.send(all.claim(), &[&all.auditor.key]);
    all.world.wait(300);
    let swapped = substituted(&settle, &own, &market::audit::address(&all.job));
    all.world.refuse(swapped, &[&all.cranker], JobsError::AccountMismatch);
    all.world.send(settle, &[&all.cranker]);
}

#[test]
fn an_audit_that_outlives_its_job_is_not_of_the_next_one_at_that_address() {
    let mut all = Audited::agreed();
    all.world.wait_for_deadline(&all.job.clone());
    all.world.send(all.settle(None), &[&all.cranker]);
    all.open(1);
    let (run, left) = (all.run.clone(), all.world.audit_of(&all.job));
    for step in [all.commit(&run), all.reveal_audit(&run)] {
        all.world.refuse(step, &[&all.auditor.key], JobsError::AccountMismatch);
    }
    for step in [all.prove(&[0; 10]), market::audit::timeout(&left)] {
        all.world.refuse(step, &[], JobsError::AccountMismatch);
    }
    all.world.send(market::audit::close(&left), &[]);
}

#[test]
fn a_supplier_that_names_its_auditors_wallet_holds_nothing_up() {
    let mut all = Audited::proven();
    all.world.wait_for_deadline(&all.job.clone());
    let (worker, wallet) = (all.worker.clone(), all.auditor.wallet());
    all.world.send(
        market::stake::set_payout(&worker.wallet(), &worker.device, &wallet),
        &[&worker.owner],
    );
    // The account of their common wallet gets both payments.
    let settle = market::job::settle_audited(
        &all.cranker.pubkey(),
        &ending(&all.consumer, &all.worker, &all.job),
        &all.auditor.tokens,
        None,
    );
    let before = all.world.balance(&all.auditor.tokens);
    all.world.send(settle, &[&all.cranker]);
    assert_eq!(all.world.balance(&all.auditor.tokens) - before, EARNED);
    let close = market::audit::close(&all.world.audit_of(&all.job));
    all.world.send(close, &[]);
    assert_eq!(all.world.device(&all.auditor.device).locked_bond.get(), 0);
}

#[test]
fn an_auditor_with_another_result_or_without_the_trace_gets_nothing() {
    let other = Run::new(&graph(), &Rng::new(8), UNITS, &honest);
    let mut disagrees = Audited::sealed_to(&other);
    disagrees.reveal();
    let reveal = disagrees.reveal_audit(&other);
    disagrees.world.send(reveal, &[&disagrees.auditor.key]);
    let lazy = Audited::agreed();
    for mut all in [disagrees, lazy] {
        all.world.wait_for_deadline(&all.job.clone());
        let settle = all.settle(None);
        let before = all.world.balance(&all.worker.tokens);
        all.world.send(settle, &[&all.cranker]);
        assert_eq!(all.world.balance(&all.worker.tokens) - before, EARNED);
        raise_penalty(&mut all.world);
        let close = market::audit::close(&all.world.audit_of(&all.job));
        all.world.send(close, &[]);
        let device = all.world.device(&all.auditor.device);
        // It has held up the worker for nothing, like a late auditor, and pays the penalty that was in force when it began.
        assert_eq!((device.locked_bond.get(), device.forfeited.get()), (0, IO / 20));
        assert_eq!((device.jobs_done.get(), device.jobs_missed.get()), (0, 1));
    }
}

#[test]
fn an_auditor_outlives_the_conviction_of_the_worker() {
    let mut all = Audited::agreed();
    let challenger = all.world.wallet("carol");
    all.world.ask(&challenger, &all.job.clone(), Item::traces(0));
    all.world.wait(300);
    let demand = market::demand::address(&all.job, Item::traces(0));
    let silence = market::demand::convict_silence(
        &challenger.pubkey(),
        &all.job,
        &all.consumer.escrow,
        &all.worker.device,
        &demand,
        &all.consumer.tokens,
    );
    let close = market::audit::close(&all.world.audit_of(&all.job));
    all.world.refuse(close.clone(), &[], JobsError::AuditStands);
    all.world.send(silence, &[&challenger]);
    let stolen = substituted(&close, &all.auditor.key.pubkey(), &key("thief").pubkey());
    all.world.refuse(stolen, &[], JobsError::AccountMismatch);
    all.world.send(close, &[]);
    let device = all.world.device(&all.auditor.device);
    assert_eq!((device.locked_bond.get(), device.jobs_missed.get()), (0, 0));
}

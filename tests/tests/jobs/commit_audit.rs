use super::audits::Audited;
use ::jobs::AuditStage;
use ::jobs::error::JobsError;
use chain::market;
use solana_signer::Signer;
use tests::{ending, substituted};

#[test]
fn binds_result_and_tree_and_starts_the_workers_reveal() {
    let mut all = Audited::taken();
    let commit = all.commit(&all.run);
    all.world.sweep(&commit, &[&all.auditor.key], &[]);
    let now = all.world.now();
    all.world.send(commit.clone(), &[&all.auditor.key]);
    all.assert_stage(AuditStage::Sealed);
    assert_eq!(all.world.deadline(&all.job), now.after(60));
    let audit = all.world.audit_of(&all.job);
    assert!(audit.commitment != [0; 32] && audit.custody != [0; 32] && !audit.agrees.get());
    // A second commitment fails.
    all.world.refuse(commit, &[&all.auditor.key], JobsError::WrongAudit);
}

#[test]
fn fails_for_anyone_else_and_after_its_time() {
    let mut all = Audited::taken();
    let commit = all.commit(&all.run);
    let foreign = substituted(&commit, &all.auditor.key.pubkey(), &all.third.key.pubkey());
    all.world.refuse(foreign.clone(), &[&all.third.key], JobsError::NotAssignedDevice);
    let foreign = substituted(&foreign, &all.auditor.device, &all.third.device);
    all.world.refuse(foreign, &[&all.third.key], JobsError::NotAssignedDevice);
    for (mut world, reached) in all.world.around(all.world.deadline(&all.job)) {
        if reached {
            world.refuse(commit.clone(), &[&all.auditor.key], JobsError::DeadlinePassed);
        } else {
            world.send(commit.clone(), &[&all.auditor.key]);
        }
    }
}

#[test]
fn the_worker_is_late_only_after_its_auditor() {
    let mut all = Audited::taken();
    all.world.wait(60);
    let commit = all.commit(&all.run);
    all.world.send(commit, &[&all.auditor.key]);
    all.world.wait(59);
    all.reveal();
}

/// A liar sees who audits before it has to reveal.
#[test]
fn not_revealing_to_an_auditor_costs_a_fifth_of_the_bond() {
    let run = Audited::claimed(0).run;
    let mut all = Audited::sealed_to(&run);
    let stake = |all: &Audited| all.world.device(&all.worker.device).own_stake.get();
    let (bond, before) = (all.world.job(&all.job).bond.get(), stake(&all));
    all.world.wait_for_deadline(&all.job.clone());
    let timeout = market::job::timeout_job(&all.cranker.pubkey(), &ending(&all.consumer, &all.worker, &all.job));
    all.world.send(timeout, &[&all.cranker]);
    assert_eq!(before - stake(&all), bond / 5);
}

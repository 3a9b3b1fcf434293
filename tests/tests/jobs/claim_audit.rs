use super::audits::Audited;
use ::jobs::AuditStage;
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{Failure, GPU, GPU_WITHOUT_MULTIPLIER, Worker, ending, key, substituted};

#[test]
fn locks_the_smallest_bond_and_gives_the_auditor_the_workers_time() {
    let mut all = Audited::drawn();
    let claim = all.claim();
    all.world.sweep(&claim, &[&all.auditor.key], &[]);
    let now = all.world.now();
    all.world.send(claim, &[&all.auditor.key]);
    all.assert_stage(AuditStage::Taken);
    assert_eq!(all.world.deadline(&all.job), now.after(120));
    let audit = all.world.audit_of(&all.job);
    assert_eq!(
        (audit.device, audit.payout, audit.payer),
        (all.auditor.device, all.auditor.wallet(), all.auditor.key.pubkey())
    );
    assert_eq!((audit.bond.get(), audit.share_bps.get()), (IO, 8_000));
    let device = all.world.device(&all.auditor.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (IO, 1));
    // An audit takes one auditor only.
    let second = all.claim_by(&all.third);
    all.world.refuse(second, &[&all.third.key], Failure::ALREADY_IN_USE);
}

#[test]
fn fails_for_the_result_of_another_job_at_the_same_address() {
    let mut all = Audited::drawn();
    let decided = all.claim();
    // Nobody takes the audit: the result is revealed and paid, and an audit is drawn for the next job with this id, too.
    all.world.wait_for_deadline(&all.job);
    all.world.send(market::audit::skip(&all.job), &[]);
    all.reveal();
    all.world.wait_for_deadline(&all.job);
    let parties = ending(&all.consumer, &all.worker, &all.job);
    let settle = market::job::settle_job(&all.cranker.pubkey(), &parties, &all.worker.tokens);
    all.world.send(settle, &[&all.cranker.clone()]);
    all.open(1);
    all.commit_work();
    all.draw();
    all.assert_stage(AuditStage::Drawn);
    all.world.refuse(decided, &[&all.auditor.key], JobsError::TermsChanged);
    all.world.send(all.claim(), &[&all.auditor.key]);
}

#[test]
fn fails_for_the_worker_and_for_devices_linked_to_it() {
    let mut all = Audited::drawn();
    // The audited device itself is passed twice.
    let own = all.claim_by(&all.worker);
    all.world.refuse(own, &[&all.worker.key], Failure::DUPLICATE);
    // Payout wallets do not link devices: otherwise a worker could keep any auditor out by naming its wallet.
    let named = market::stake::set_payout(&all.worker.wallet(), &all.worker.device, &all.auditor.wallet());
    all.world.send(named, &[&all.worker.owner]);
    all.world.clone().send(all.claim(), &[&all.auditor.key]);
    let (owner, io) = (all.worker.owner.clone(), all.world.io);
    let hot = key("a second device of alice's");
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1);
    all.world.send(register, &[&owner, &hot]);
    all.world.give_sol(&hot.pubkey(), IO);
    let second = Worker {
        owner: owner.clone(),
        device: market::stake::device(&hot.pubkey()),
        key: hot,
        tokens: all.worker.tokens,
    };
    let linked = all.claim_by(&second);
    all.world.refuse(linked, &[&second.key], JobsError::LinkedAuditor);
}

#[test]
fn fails_before_the_draw_after_its_time_and_for_what_is_not_drawn() {
    let mut undrawn = Audited::committed(10_000);
    undrawn
        .world
        .refuse(undrawn.claim(), &[&undrawn.auditor.key.clone()], JobsError::WrongAudit);
    let mut cleared = Audited::committed(1);
    cleared.world.send(market::audit::draw(&cleared.job), &[]);
    cleared.world.open_doors();
    cleared
        .world
        .refuse(cleared.claim(), &[&cleared.auditor.key.clone()], JobsError::WrongAudit);

    let all = Audited::drawn();
    for (mut world, reached) in all.world.around(all.world.deadline(&all.job)) {
        if reached {
            world.refuse(all.claim(), &[&all.auditor.key], JobsError::DeadlinePassed);
        } else {
            world.send(all.claim(), &[&all.auditor.key]);
        }
    }
}

#[test]
fn fails_until_the_devices_ticket_is_admitted() {
    let mut all = Audited::committed(10_000);
    all.world.send(market::audit::draw(&all.job), &[]);
    let claim = all.claim();
    for _ in 0..2 {
        all.world.refuse(claim.clone(), &[&all.auditor.key], JobsError::SeedNotReady);
        all.world.pass(0, 1);
    }
    let (mut waited, key) = (0, all.auditor.key.clone());
    let admitted = loop {
        let mut world = all.world.clone();
        if let Ok(receipt) = world.attempt(std::slice::from_ref(&claim), &[&key]) {
            break receipt;
        }
        all.world.refuse(claim.clone(), &[&key], JobsError::NotAdmittedYet);
        all.world.pass(0, 1);
        waited += 1;
    };
    assert!((1..=20).contains(&waited) && admitted.units > 0, "{waited} slots");
}

#[test]
fn fails_for_a_device_below_the_jobs_requirements() {
    let mut all = Audited::drawn();
    let slow = all.world.supplier("gina", GPU_WITHOUT_MULTIPLIER, 1, 0);
    let facts = all.world.job(&all.job);
    let claim = market::audit::claim(&slow.key.pubkey(), &all.job, &facts, &slow.device, GPU_WITHOUT_MULTIPLIER);
    all.world.refuse(claim, &[&slow.key], JobsError::RequirementsNotMet);
}

#[test]
fn fails_for_a_device_unfit_for_hire_and_while_paused() {
    let mut all = Audited::drawn();
    let poor = all.world.newcomer("gina");
    all.world.give_sol(&poor.key.pubkey(), IO);
    let claim = all.claim_by(&poor);
    all.world.refuse(claim, &[&poor.key], StakingError::OnProbation);
    let crossed = substituted(&all.claim(), &all.auditor.key.pubkey(), &all.third.key.pubkey());
    all.world.refuse(crossed, &[&all.third.key], JobsError::NotAssignedDevice);
    let admin = all.world.admin.clone();
    all.world.send(market::job::set_paused(&admin.pubkey(), true), &[&admin]);
    let claim = all.claim();
    all.world.refuse(claim, &[&all.auditor.key], JobsError::Paused);
}

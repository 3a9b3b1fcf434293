use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{World, ending, terms};

#[test]
fn the_authority_pauses_and_resumes() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let pause = market::job::set_paused(&admin.pubkey(), true);
    world.sweep(&pause, &[&admin], &[]);
    world.send(pause, &[&admin]);
    assert!(world.books().jobs_config.unwrap().paused.get());
    world.send(market::job::set_paused(&admin.pubkey(), false), &[&admin]);
    assert!(!world.books().jobs_config.unwrap().paused.get());
}

#[test]
fn the_guardian_pauses_but_cannot_resume() {
    let mut world = World::new();
    let (admin, guardian, treasury) = (world.admin.clone(), world.wallet("guardian"), world.treasury);
    let name = market::job::set_authorities(&admin.pubkey(), &admin.pubkey(), &guardian.pubkey(), &treasury);
    world.send(name, &[&admin]);
    world.send(market::job::set_paused(&guardian.pubkey(), true), &[&guardian]);
    world.refuse(
        market::job::set_paused(&guardian.pubkey(), false),
        &[&guardian],
        JobsError::NotGuardian,
    );
    world.send(market::job::set_paused(&admin.pubkey(), false), &[&admin]);
}

#[test]
fn fails_for_anyone_else() {
    let mut world = World::new();
    let thief = world.wallet("thief");
    for paused in [true, false] {
        world.refuse(market::job::set_paused(&thief.pubkey(), paused), &[&thief], JobsError::NotGuardian);
    }
}

#[test]
fn stops_new_jobs_and_claims_while_jobs_in_progress_refunds_and_withdrawals_go_on() {
    let mut world = World::new();
    let (admin, cranker) = (world.admin.clone(), world.wallet("carol"));
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let [paid, late, cancelled, expired] = [1, 2, 3, 4].map(|id| world.open(&consumer, id, terms()));
    world.claim(&worker, &paid);
    world.claim(&worker, &late);
    world.send(market::job::set_paused(&admin.pubkey(), true), &[&admin]);

    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 5, terms());
    world.refuse(open, &[&consumer.owner], JobsError::Paused);
    let claim = world.claiming(&worker, &expired, 0);
    world.refuse(claim, &[&worker.key], JobsError::Paused);

    world.send(
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &cancelled),
        &[&consumer.owner],
    );
    world.send(
        market::job::extend_job(&consumer.wallet(), &consumer.escrow, &paid, 60),
        &[&consumer.owner],
    );
    world.commit(&worker, &paid);
    world.reveal(&worker, &paid);
    world.wait(600);
    let who = cranker.pubkey();
    world.send(market::job::timeout_job(&who, &ending(&consumer, &worker, &late)), &[&cranker]);
    world.send(market::job::expire_job(&who, &ending(&consumer, &worker, &expired)), &[&cranker]);
    world.send(
        market::job::settle_job(&who, &ending(&consumer, &worker, &paid), &worker.tokens),
        &[&cranker],
    );
    world.send(
        market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, IO),
        &[&consumer.owner],
    );
    let all = world.escrow(&consumer.escrow).free.get();
    world.send(
        market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, all),
        &[&consumer.owner],
    );
}

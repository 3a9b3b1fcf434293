use chain::market;
use jobs::error::JobsError;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{World, ending, key, terms};

#[test]
fn job_payments_go_to_the_new_wallet_from_now_on() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);

    let (cold, io) = (key("cold wallet").pubkey(), world.io);
    let set = market::stake::set_payout(&worker.wallet(), &worker.device, &cold);
    world.sweep(&set, &[&worker.owner], &[]);
    world.send(set, &[&worker.owner]);
    assert_eq!(world.device(&worker.device).payout, cold);

    world.wait_for_deadline(&job);
    let payout = world.give_tokens(&cold, &io, 0);
    let (cranker, parties) = (world.wallet("carol"), ending(&consumer, &worker, &job));
    let to_old = market::job::settle_job(&cranker.pubkey(), &parties, &worker.tokens);
    world.refuse(to_old, &[&cranker], JobsError::WrongPayoutAccount);
    world.send(market::job::settle_job(&cranker.pubkey(), &parties, &payout), &[&cranker]);
    assert_eq!(world.balance(&payout), 10 * IO - 2_500_000);
}

#[test]
fn fails_for_anyone_but_the_owner_even_the_hot_key() {
    let mut world = World::new();
    let (worker, thief) = (world.worker("alice"), world.wallet("thief"));
    for signer in [&worker.key, &thief] {
        let set = market::stake::set_payout(&signer.pubkey(), &worker.device, &thief.pubkey());
        world.refuse(set, &[signer], StakingError::NotOwner);
    }
}

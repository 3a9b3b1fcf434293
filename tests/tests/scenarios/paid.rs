//! A job that is done and paid, with all balances before and after.

use chain::market;
use jobs::Status;
use protocol::fees::quote;
use protocol::units::{Amount, Bps, IO};
use solana_signer::Signer;
use tests::{World, ending, terms};

#[test]
fn a_job_in_io_pays_everyone_to_the_base_unit() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let supply = world.supply(&world.io);

    let job_rent = world.rent(size_of::<jobs::Job>() + 8);
    let before_opening = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 7, terms());
    // 10 units at no more than 2 $IO each, plus 0.25 %.
    let highest = 20 * IO + 5_000_000;
    assert_eq!(world.escrow(&consumer.escrow).locked.get(), highest);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO - highest);
    assert_eq!(
        before_opening - world.lamports(&consumer.wallet()),
        job_rent + 10_000,
        "rent and bounty"
    );
    assert_eq!(world.lamports(&job), job_rent + 10_000);

    // Half-way through the auction the price is 1.5 $IO.
    world.wait(30);
    world.claim(&worker, &job);
    let claimed = world.job(&job);
    assert_eq!(
        (claimed.status, claimed.price.get(), claimed.device),
        (Status::Assigned as u8, IO * 3 / 2, worker.device)
    );
    assert_eq!(world.device(&worker.device).locked_bond.get(), 10 * IO);
    world.wait(60);
    world.commit(&worker, &job);
    world.reveal(&worker, &job);
    world.wait_for_deadline(&job);

    let parties = [cranker.pubkey(), consumer.wallet(), worker.wallet(), worker.key.pubkey()];
    let sol = parties.map(|party| world.lamports(&party));
    let wallet = world.balance(&worker.tokens);
    world.send(
        market::job::settle_job(&cranker.pubkey(), &ending(&consumer, &worker, &job), &worker.tokens),
        &[&cranker],
    );

    // Of 15 $IO each side bears 0.0375 $IO of fees.
    let side = 3_750_000;
    assert_eq!(world.balance(&worker.tokens) - wallet, 15 * IO - side);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!(
        (escrow.free.get(), escrow.locked.get(), escrow.fees.get()),
        (1_000 * IO - 15 * IO - side, 0, 2 * side)
    );
    let after = parties.map(|party| world.lamports(&party));
    assert_eq!(after[0] - sol[0], 10_000, "the bounty is the cranker's");
    assert_eq!(after[1] - sol[1], job_rent, "the rent is the consumer's");
    assert_eq!(after[2..], sol[2..], "nobody else's SOL moves");
    assert!(world.account(&job).is_none(), "the job is gone in the same transaction");
    let device = world.device(&worker.device);
    assert_eq!(
        (
            device.locked_bond.get(),
            device.open_jobs.get(),
            device.jobs_done.get(),
            device.jobs_missed.get()
        ),
        (0, 0, 1, 0)
    );
    assert_eq!(device.own_stake.get(), 1_000 * IO);

    // Half of the fees burn, half go to the treasury.
    let treasury = world.give_tokens(&world.treasury.clone(), &world.io.clone(), 0);
    world.send(market::job::sweep_fees(&consumer.escrow, &world.io, &treasury), &[]);
    assert_eq!(world.balance(&treasury), side);
    assert_eq!(supply - world.supply(&world.io), side);

    // The consumer withdraws all the rest.
    let rest = world.escrow(&consumer.escrow).free.get();
    world.send(
        market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, rest),
        &[&consumer.owner],
    );
    assert_eq!(world.balance(&consumer.tokens), 2_000 * IO - 15 * IO - side);
    world.send(
        market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens),
        &[&consumer.owner],
    );
}

#[test]
fn a_job_in_another_mint_costs_each_side_two_percent_more() {
    let mut world = World::new();
    let usd = world.mint("usd", 6);
    let (worker, consumer) = (world.worker("alice"), world.consumer_in("bob", &usd));
    let payout = world.give_tokens(&worker.wallet(), &usd, 0);
    let job = world.open(&consumer, 0, terms());
    world.wait(60);
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    world.send(
        market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &payout),
        &[&worker.owner],
    );

    // Each side bears 0.25 % and 2 % of 20 tokens.
    let side = 20 * IO * 225 / 10_000;
    assert_eq!(world.balance(&payout), 20 * IO - side);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.fees.get()), (980 * IO - side, 2 * side));
    let published = quote(Amount(20 * IO), Bps::saturating(25), Bps::saturating(200)).unwrap();
    assert_eq!(published.fees.0, 2 * side);

    // Fees in another mint are not burned.
    let (treasury, supply) = (world.give_tokens(&world.treasury.clone(), &usd, 0), world.supply(&usd));
    world.send(market::job::sweep_fees(&consumer.escrow, &usd, &treasury), &[]);
    assert_eq!((world.balance(&treasury), world.supply(&usd)), (2 * side, supply));
    assert_eq!(
        world.device(&worker.device).jobs_done.get(),
        1,
        "the bond stays in $IO whatever the job pays in"
    );
}

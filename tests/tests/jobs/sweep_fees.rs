use ::jobs::Parameters;
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use spl_token_interface::error::TokenError;
use tests::{Consumer, Failure, World, ending, substituted, terms};

/// A consumer whose escrow owes 0.05 $IO of fees.
fn owing(world: &mut World, name: &str) -> Consumer {
    let (worker, consumer) = (world.worker(&format!("{name}'s worker")), world.consumer(name));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&worker.owner]);
    consumer
}

fn treasury(world: &mut World) -> solana_address::Address {
    let (wallet, io) = (world.treasury, world.io);
    world.give_tokens(&wallet, &io, 0)
}

#[test]
fn burns_the_burn_share_and_moves_the_rest_to_the_treasury() {
    let mut world = World::new();
    let (consumer, treasury) = (owing(&mut world, "bob"), treasury(&mut world));
    let sweep = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury);
    world.sweep(&sweep, &[], &[]);
    let (supply, free) = (world.supply(&consumer.mint), world.escrow(&consumer.escrow).free.get());
    world.send(sweep, &[]);
    assert_eq!(
        (world.balance(&treasury), supply - world.supply(&consumer.mint)),
        (2_500_000, 2_500_000)
    );
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.fees.get()), (free, 0));
}

#[test]
fn the_burn_is_rounded_up() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let (consumer, treasury) = (owing(&mut world, "bob"), treasury(&mut world));
    for (burn_bps, burned) in [(5_000, 2_500_000), (5_001, 2_500_500), (6_667, 3_333_500), (10_000, 5_000_000)] {
        let mut world = world.clone();
        let parameters = Parameters {
            burn_bps,
            ..Parameters::PUBLISHED
        };
        world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
        let supply = world.supply(&consumer.mint);
        world.send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
        assert_eq!(
            (supply - world.supply(&consumer.mint), world.balance(&treasury)),
            (burned, 5_000_000 - burned)
        );
    }
}

#[test]
fn fails_when_no_fees_are_owed() {
    let mut world = World::new();
    let (consumer, treasury) = (owing(&mut world, "bob"), treasury(&mut world));
    let sweep = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury);
    world.send(sweep.clone(), &[]);
    world.refuse(sweep, &[], JobsError::NoFees);
}

#[test]
fn fails_for_an_account_that_is_not_the_treasurys() {
    let mut world = World::new();
    let (consumer, thief, usd) = (owing(&mut world, "bob"), world.consumer("thief"), world.mint("usd", 6));
    let to_thief = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &thief.tokens);
    world.refuse(to_thief, &[], JobsError::AccountMismatch);
    let into_itself = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &consumer.vault());
    world.refuse(into_itself, &[], Failure::DUPLICATE);
    let in_usd = world.give_tokens(&world.treasury.clone(), &usd, 0);
    let to_usd = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &in_usd);
    world.refuse(to_usd, &[], TokenError::MintMismatch);
}

#[test]
fn fails_for_another_mint_or_vault() {
    let mut world = World::new();
    let (consumer, other) = (owing(&mut world, "bob"), owing(&mut world, "carol"));
    let (treasury, usd) = (treasury(&mut world), world.mint("usd", 6));
    let sweep = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury);
    world.refuse(substituted(&sweep, &consumer.mint, &usd), &[], JobsError::AccountMismatch);
    world.refuse(
        substituted(&sweep, &consumer.vault(), &other.vault()),
        &[],
        InstructionError::InvalidSeeds,
    );
    assert_eq!(world.escrow(&other.escrow).fees.get(), 2 * IO / 40);
}

use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use staking::error::StakingError;
use tests::{Worker, World, ending, substituted, terms};

/// A device that forfeited 0.5 $IO.
fn late(world: &mut World, name: &str) -> Worker {
    let (worker, consumer) = (world.worker(name), world.consumer(&format!("{name}'s consumer")));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.wait_for_deadline(&job);
    world.send(
        market::job::timeout_job(&worker.wallet(), &ending(&consumer, &worker, &job)),
        &[&worker.owner],
    );
    worker
}

#[test]
fn anyone_may_call_and_the_supply_falls() {
    let mut world = World::new();
    let (worker, io) = (late(&mut world, "alice"), world.io);
    let burn = market::stake::burn_forfeited(&worker.device, &io);
    world.sweep(&burn, &[], &[]);
    let supply = world.supply(&io);
    world.send(burn, &[]);
    assert_eq!(supply - world.supply(&io), IO / 2);
    let device = world.device(&worker.device);
    assert_eq!((device.forfeited.get(), device.own_stake.get()), (0, 1_000 * IO - IO / 2));
    assert_eq!(world.balance(&worker.vault()), 1_000 * IO - IO / 2);
}

#[test]
fn fails_when_nothing_was_forfeited() {
    let mut world = World::new();
    let (worker, io) = (late(&mut world, "alice"), world.io);
    let burn = market::stake::burn_forfeited(&worker.device, &io);
    world.send(burn.clone(), &[]);
    world.refuse(burn, &[], StakingError::NothingForfeited);
}

#[test]
fn burns_from_no_other_vault_and_of_no_other_mint() {
    let mut world = World::new();
    let (worker, other) = (late(&mut world, "alice"), world.worker("bob"));
    let (io, usd) = (world.io, world.mint("usd", 6));
    let burn = market::stake::burn_forfeited(&worker.device, &io);
    world.refuse(
        substituted(&burn, &worker.vault(), &other.vault()),
        &[],
        InstructionError::InvalidSeeds,
    );
    world.refuse(substituted(&burn, &io, &usd), &[], StakingError::WrongMint);
}

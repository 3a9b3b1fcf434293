use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use staking::error::StakingError;
use tests::{Failure, Worker, World, ending, substituted, terms};

fn retired(world: &mut World, name: &str) -> Worker {
    let worker = world.newcomer(name);
    world.send(market::stake::terminate_device(&worker.wallet(), &worker.device), &[&worker.owner]);
    worker
}

#[test]
fn returns_both_accounts_rent_and_what_was_sent_to_the_vault_unasked() {
    let mut world = World::new();
    let (worker, io) = (retired(&mut world, "alice"), world.io);
    world.donate(&io, &worker.vault(), 5 * IO);
    let close = market::stake::close_device(&worker.wallet(), &worker.device, &worker.tokens);
    world.sweep(&close, &[&worker.owner], &[]);
    let before = world.lamports(&worker.wallet());
    world.send(close.clone(), &[&worker.owner]);
    let rents = world.rent(size_of::<staking::Device>() + 8) + world.rent(165);
    assert_eq!(world.lamports(&worker.wallet()) - before, rents);
    assert_eq!(world.balance(&worker.tokens), 2_005 * IO);
    assert!(world.account(&worker.device).is_none() && world.account(&worker.vault()).is_none());
    world.refuse(close, &[&worker.owner], Failure::GONE);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (worker, thief) = (retired(&mut world, "alice"), world.newcomer("thief"));
    let steal = market::stake::close_device(&thief.wallet(), &worker.device, &thief.tokens);
    world.refuse(steal, &[&thief.owner], StakingError::NotOwner);
}

#[test]
fn fails_while_the_device_lives() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    let close = market::stake::close_device(&worker.wallet(), &worker.device, &worker.tokens);
    world.refuse(close, &[&worker.owner], StakingError::DeviceNotEmpty);
}

#[test]
fn fails_while_the_device_holds_stake_cooldown_or_forfeits() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.wait_for_deadline(&job);
    world.send(
        market::job::timeout_job(&worker.wallet(), &ending(&consumer, &worker, &job)),
        &[&worker.owner],
    );

    let (wallet, owner, io) = (worker.wallet(), &worker.owner, world.io);
    let close = market::stake::close_device(&wallet, &worker.device, &worker.tokens);
    world.send(market::stake::terminate_device(&wallet, &worker.device), &[owner]);
    world.refuse(close.clone(), &[owner], StakingError::DeviceNotEmpty);
    world.send(market::stake::unstake(&wallet, &worker.device), &[owner]);
    world.refuse(close.clone(), &[owner], StakingError::DeviceNotEmpty);
    world.wait(14 * 86_400);
    world.send(market::stake::withdraw(&wallet, &worker.device, &worker.tokens), &[owner]);
    assert_eq!(world.device(&worker.device).forfeited.get(), IO / 2);
    world.refuse(close.clone(), &[owner], StakingError::DeviceNotEmpty);
    world.send(market::stake::burn_forfeited(&worker.device, &io), &[]);
    world.send(close, &[owner]);
}

#[test]
fn closes_no_other_devices_vault_and_pays_only_to_tokens_of_the_owner() {
    let mut world = World::new();
    let (worker, other) = (retired(&mut world, "alice"), world.worker("bob"));
    let close = market::stake::close_device(&worker.wallet(), &worker.device, &worker.tokens);
    world.refuse(
        substituted(&close, &worker.vault(), &other.vault()),
        &[&worker.owner],
        InstructionError::InvalidSeeds,
    );
    world.refuse(
        substituted(&close, &worker.tokens, &other.tokens),
        &[&worker.owner],
        InstructionError::InvalidAccountData,
    );
}

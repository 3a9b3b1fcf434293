use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::state::STATUS_ACTIVE;
use tests::{Failure, GPU, GPU_UNLISTED, World, key, substituted};

#[test]
fn the_device_starts_on_probation_without_stake_and_pays_its_owner() {
    let mut world = World::new();
    let (owner, hot, io) = (world.wallet("alice"), key("device"), world.io);
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 8);
    world.sweep(&register, &[&owner, &hot], &[]);
    let before = world.lamports(&owner.pubkey());
    world.send(register, &[&owner, &hot]);

    let address = market::stake::device(&hot.pubkey());
    let device = world.device(&address);
    assert_eq!((device.owner, device.payout), (owner.pubkey(), owner.pubkey()));
    assert_eq!((device.key, device.first_key), (hot.pubkey(), hot.pubkey()));
    assert_eq!((device.gpu_model.get(), device.quantity, device.status), (GPU, 8, STATUS_ACTIVE));
    assert_eq!((device.registered_at.get(), device.total().unwrap()), (world.now().unix, 0));
    assert_eq!(world.books().device_keys[&market::stake::device_key(&hot.pubkey())].device, address);
    let rents = [size_of::<staking::Device>() + 8, size_of::<staking::DeviceKey>() + 8, 165].map(|bytes| world.rent(bytes));
    assert_eq!(before - world.lamports(&owner.pubkey()), rents.iter().sum::<u64>());
}

#[test]
fn fails_while_paused() {
    let mut world = World::new();
    let (admin, owner, hot, io) = (world.admin.clone(), world.wallet("alice"), key("device"), world.io);
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1);
    world.refuse(register, &[&owner, &hot], StakingError::Paused);
}

#[test]
fn fails_when_the_gpu_model_is_not_listed_or_does_not_exist() {
    let mut world = World::new();
    let (owner, hot, io) = (world.wallet("alice"), key("device"), world.io);
    let unlisted = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU_UNLISTED, 1);
    world.refuse(unlisted, &[&owner, &hot], StakingError::GpuModelNotListed);
    let unknown = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, 999, 1);
    world.refuse(unknown, &[&owner, &hot], InstructionError::UninitializedAccount);
}

#[test]
fn fails_when_the_quantity_is_not_1_to_8() {
    let mut world = World::new();
    let (owner, hot, io) = (world.wallet("alice"), key("device"), world.io);
    for quantity in [0, 9, 255] {
        let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, quantity);
        world.refuse(register, &[&owner, &hot], StakingError::InvalidQuantity);
    }
}

#[test]
fn fails_when_the_key_was_ever_registered_by_anyone() {
    let mut world = World::new();
    let (worker, thief, io) = (world.worker("alice"), world.wallet("thief"), world.io);
    let again = market::stake::register_device(&worker.wallet(), &worker.key.pubkey(), &io, GPU, 1);
    world.refuse(again, &[&worker.owner, &worker.key], Failure::ALREADY_IN_USE);
    let by_other = market::stake::register_device(&thief.pubkey(), &worker.key.pubkey(), &io, GPU, 1);
    world.refuse(by_other, &[&thief, &worker.key], Failure::ALREADY_IN_USE);
}

#[test]
fn a_closed_devices_key_and_a_rotated_key_stay_used_for_ever() {
    let mut world = World::new();
    let (worker, io) = (world.newcomer("alice"), world.io);
    let spare = key("spare");
    let wallet = worker.wallet();
    world.send(
        market::stake::rotate_device_key(&wallet, &worker.device, &spare.pubkey()),
        &[&worker.owner, &spare],
    );
    world.send(market::stake::terminate_device(&wallet, &worker.device), &[&worker.owner]);
    world.send(
        market::stake::close_device(&wallet, &worker.device, &worker.tokens),
        &[&worker.owner],
    );
    for hot in [&worker.key, &spare] {
        let register = market::stake::register_device(&wallet, &hot.pubkey(), &io, GPU, 1);
        world.refuse(register, &[&worker.owner, hot], Failure::ALREADY_IN_USE);
    }
}

#[test]
fn the_owner_and_the_key_must_be_two() {
    let mut world = World::new();
    let (owner, io) = (world.wallet("alice"), world.io);
    let register = market::stake::register_device(&owner.pubkey(), &owner.pubkey(), &io, GPU, 1);
    world.refuse(register, &[&owner], Failure::DUPLICATE);
}

#[test]
fn the_stake_is_in_io_alone() {
    let mut world = World::new();
    let (owner, hot, usd) = (world.wallet("alice"), key("device"), world.mint("usd", 6));
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &usd, GPU, 1);
    world.refuse(register, &[&owner, &hot], StakingError::WrongMint);
}

#[test]
fn without_sol_for_the_rent_nothing_is_registered() {
    let mut world = World::new();
    let (owner, hot, io) = (key("poor"), key("device"), world.io);
    world.give_sol(&owner.pubkey(), 1_000_000);
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1);
    world.refuse(register, &[&owner, &hot], Failure::TOO_LITTLE_SOL);
    assert!(world.books().devices.is_empty());
}

#[test]
fn a_vault_of_another_device_is_refused() {
    let mut world = World::new();
    let (worker, owner, hot, io) = (world.worker("alice"), world.wallet("bob"), key("device"), world.io);
    let register = market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1);
    let vault = market::stake::vault(&market::stake::device(&hot.pubkey()));
    let borrowed = substituted(&register, &vault, &worker.vault());
    world.refuse(borrowed, &[&owner, &hot], InstructionError::InvalidSeeds);
    assert_eq!(world.balance(&worker.vault()), 1_000 * IO);
}

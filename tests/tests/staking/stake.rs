use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use spl_token_interface::error::TokenError;
use staking::error::StakingError;
use tests::{Failure, World, substituted};

#[test]
fn moves_the_amount_from_the_owners_tokens_into_the_devices_vault() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, 400 * IO);
    world.sweep(&stake, &[&worker.owner], &[]);
    world.send(stake.clone(), &[&worker.owner]);
    world.send(stake, &[&worker.owner]);
    assert_eq!(world.device(&worker.device).own_stake.get(), 800 * IO);
    assert_eq!(world.balance(&worker.vault()), 800 * IO);
    assert_eq!(world.balance(&worker.tokens), 1_200 * IO);
}

#[test]
fn fails_while_paused() {
    let mut world = World::new();
    let (admin, worker) = (world.admin.clone(), world.newcomer("alice"));
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, IO);
    world.refuse(stake, &[&worker.owner], StakingError::Paused);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (worker, other) = (world.newcomer("alice"), world.newcomer("bob"));
    let stake = market::stake::stake(&other.wallet(), &worker.device, &other.tokens, IO);
    world.refuse(stake, &[&other.owner], StakingError::NotOwner);
}

#[test]
fn fails_for_a_zero_amount() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, 0);
    world.refuse(stake, &[&worker.owner], StakingError::ZeroAmount);
}

#[test]
fn fails_for_more_than_the_owner_has_or_than_can_be_counted() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    let stake = |amount| market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
    for amount in [2_000 * IO + 1, u64::MAX] {
        world.refuse(stake(amount), &[&worker.owner], TokenError::InsufficientFunds);
    }
    world.send(stake(IO), &[&worker.owner]);
    world.refuse(stake(u64::MAX), &[&worker.owner], StakingError::BooksBroken);
}

#[test]
fn fails_when_the_device_is_terminated() {
    let mut world = World::new();
    let worker = world.newcomer("alice");
    world.send(market::stake::terminate_device(&worker.wallet(), &worker.device), &[&worker.owner]);
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, IO);
    world.refuse(stake, &[&worker.owner], StakingError::DeviceTerminated);
}

#[test]
fn fails_while_an_earlier_stake_is_cooling_down() {
    let mut world = World::new();
    let worker = world.worker("alice");
    world.send(market::stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, IO);
    world.refuse(stake.clone(), &[&worker.owner], StakingError::CoolingDown);
    world.wait(14 * 86_400);
    world.refuse(stake.clone(), &[&worker.owner], StakingError::CoolingDown);
    world.send(
        market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens),
        &[&worker.owner],
    );
    world.send(stake, &[&worker.owner]);
}

#[test]
fn nobody_elses_tokens_and_no_other_mints_tokens_can_be_staked() {
    let mut world = World::new();
    let (worker, victim, usd) = (world.newcomer("alice"), world.newcomer("bob"), world.mint("usd", 6));
    let stake = |from| market::stake::stake(&worker.wallet(), &worker.device, from, IO);
    world.refuse(stake(&victim.tokens), &[&worker.owner], TokenError::OwnerMismatch);
    let usd_tokens = world.give_tokens(&worker.wallet(), &usd, 5 * IO);
    world.refuse(stake(&usd_tokens), &[&worker.owner], TokenError::MintMismatch);
}

#[test]
fn the_vault_must_be_the_devices_own_and_not_the_source() {
    let mut world = World::new();
    let (worker, other) = (world.newcomer("alice"), world.newcomer("bob"));
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, IO);
    let elsewhere = substituted(&stake, &worker.vault(), &other.vault());
    world.refuse(elsewhere, &[&worker.owner], InstructionError::InvalidSeeds);
    let to_itself = substituted(&stake, &worker.tokens, &worker.vault());
    world.refuse(to_itself, &[&worker.owner], Failure::DUPLICATE);
}

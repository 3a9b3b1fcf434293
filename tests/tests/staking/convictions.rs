//! The bond of a convicted device and the reward that it owes, with a key of the test's in place of the jobs program's signer.

use super::bonds::{instruction, lock, release, slash, world};
use chain::market;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use spl_token_interface::error::TokenError;
use staking::error::StakingError;
use std::sync::Arc;
use tests::{Failure, GPU, Worker, World, substituted};

pub(super) fn convict(authority: &Address, device: &Address, to: &Address, [bond, compensation]: [u64; 2]) -> Instruction {
    let accounts = staking::accounts::ConvictBond {
        jobs_authority: *authority,
        config: market::stake::config(),
        device: *device,
        vault: market::stake::vault(device),
        to: *to,
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::ConvictBond { bond, compensation })
}

pub(super) fn pay(authority: &Address, device: &Address, to: &Address, [reward, burned]: [u64; 2]) -> Instruction {
    let accounts = staking::accounts::PayReward {
        jobs_authority: *authority,
        config: market::stake::config(),
        device: *device,
        vault: market::stake::vault(device),
        to: *to,
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::PayReward { reward, burned })
}

/// A device with a locked bond of 10 $IO, and an empty token account of somebody else.
fn bonded() -> (World, Arc<Keypair>, Worker, Address) {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    world.send(lock(&jobs.pubkey(), &worker.device, GPU, 10 * IO), &[&jobs]);
    let (somebody, io) = (world.wallet("bob").pubkey(), world.io);
    let tokens = world.give_tokens(&somebody, &io, 0);
    (world, jobs, worker, tokens)
}

#[test]
fn a_conviction_takes_the_whole_bond_pays_the_compensation_and_owes_the_rest() {
    let (mut world, jobs, worker, tokens) = bonded();
    world.send(lock(&jobs.pubkey(), &worker.device, GPU, 7 * IO), &[&jobs]);
    let convict = convict(&jobs.pubkey(), &worker.device, &tokens, [10 * IO, 2 * IO]);
    world.sweep(&convict, &[&jobs], &[]);
    world.send(convict, &[&jobs]);
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (7 * IO, 1));
    assert_eq!(
        (device.own_stake.get(), device.owed.get(), device.forfeited.get()),
        (990 * IO, 8 * IO, 0)
    );
    assert_eq!(
        (device.jobs_done.get(), device.jobs_missed.get(), device.jobs_convicted.get()),
        (0, 0, 1)
    );
    assert_eq!((world.balance(&tokens), world.balance(&worker.vault())), (2 * IO, 998 * IO));
}

#[test]
fn without_a_compensation_nothing_leaves_the_vault() {
    let (mut world, jobs, worker, tokens) = bonded();
    let convict = convict(&jobs.pubkey(), &worker.device, &tokens, [10 * IO, 0]);
    world.send(convict, &[&jobs]);
    assert_eq!((world.balance(&tokens), world.balance(&worker.vault())), (0, 1_000 * IO));
    assert_eq!(world.device(&worker.device).owed.get(), 10 * IO);
}

#[test]
fn a_reward_is_paid_out_of_the_vault_the_rest_burns_and_never_more_than_is_owed() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (authority, device) = (jobs.pubkey(), worker.device);
    world.refuse(pay(&authority, &device, &tokens, [1, 0]), &[&jobs], StakingError::NotOwed);
    world.send(convict(&authority, &device, &tokens, [10 * IO, 0]), &[&jobs]);
    world.sweep(&pay(&authority, &device, &tokens, [3 * IO, 4 * IO]), &[&jobs], &[]);
    world.send(pay(&authority, &device, &tokens, [3 * IO, 4 * IO]), &[&jobs]);
    let state = |world: &World| {
        let now = world.device(&device);
        (world.balance(&tokens), now.owed.get(), now.forfeited.get())
    };
    assert_eq!(state(&world), (3 * IO, 3 * IO, 4 * IO));
    for beyond in [[3 * IO + 1, 0], [0, 3 * IO + 1], [IO, 2 * IO + 1], [u64::MAX, 0], [u64::MAX, 1]] {
        world.refuse(pay(&authority, &device, &tokens, beyond), &[&jobs], StakingError::NotOwed);
    }
    world.send(pay(&authority, &device, &tokens, [IO, 2 * IO]), &[&jobs]);
    assert_eq!(state(&world), (4 * IO, 0, 6 * IO));
    let (supply, io) = (world.supply(&world.io), world.io);
    world.send(market::stake::burn_forfeited(&device, &io), &[]);
    assert_eq!(supply - world.supply(&io), 6 * IO);
}

#[test]
fn fails_for_any_caller_but_the_jobs_program() {
    let (mut world, _, worker, tokens) = bonded();
    let admin = world.admin.clone();
    for thief in [&worker.owner, &worker.key, &admin] {
        let calls = [
            convict(&thief.pubkey(), &worker.device, &tokens, [10 * IO, IO]),
            pay(&thief.pubkey(), &worker.device, &tokens, [0, 0]),
        ];
        for call in calls {
            world.refuse(call, &[thief], StakingError::NotJobsProgram);
        }
    }
}

#[test]
fn nothing_is_convicted_beyond_what_is_locked_and_no_parts_beyond_the_bond() {
    let (mut world, jobs, worker, tokens) = bonded();
    let convict = |parts| convict(&jobs.pubkey(), &worker.device, &tokens, parts);
    for parts in [[10 * IO + 1, 0], [10 * IO, 10 * IO + 1], [10 * IO, u64::MAX], [u64::MAX, 0]] {
        world.refuse(convict(parts), &[&jobs], StakingError::BondNotLocked);
    }
    // Taking a part of the only bond would leave a bond without a job.
    world.refuse(convict([IO, 0]), &[&jobs], StakingError::BooksBroken);
    world.send(convict([10 * IO, 2 * IO]), &[&jobs]);
    world.refuse(convict([10 * IO, 0]), &[&jobs], StakingError::BondNotLocked);
}

#[test]
fn the_vault_is_the_devices_and_the_receiver_holds_the_same_mint() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (other, usd) = (world.worker("carol"), world.mint("usd", 6));
    let foreign = world.give_tokens(&worker.wallet(), &usd, 0);
    world.send(lock(&jobs.pubkey(), &worker.device, GPU, IO), &[&jobs]);
    world.send(convict(&jobs.pubkey(), &worker.device, &tokens, [IO, 0]), &[&jobs]);
    let valid = [
        convict(&jobs.pubkey(), &worker.device, &tokens, [10 * IO, 2 * IO]),
        pay(&jobs.pubkey(), &worker.device, &tokens, [IO, 0]),
    ];
    for instruction in valid {
        let refused: [(Instruction, Failure); 3] = [
            (
                substituted(&instruction, &worker.vault(), &other.vault()),
                InstructionError::InvalidSeeds.into(),
            ),
            (substituted(&instruction, &tokens, &worker.vault()), Failure::DUPLICATE),
            (substituted(&instruction, &tokens, &foreign), TokenError::MintMismatch.into()),
        ];
        for (instruction, failure) in refused {
            world.refuse(instruction, &[&jobs], failure);
        }
        world.send(instruction, &[&jobs]);
    }
}

#[test]
fn clean_jobs_are_those_since_the_last_conviction_or_missed_deadline() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    let (authority, device, io) = (jobs.pubkey(), worker.device, world.io);
    let somebody = world.wallet("bob").pubkey();
    let tokens = world.give_tokens(&somebody, &io, 0);
    let done = release(&authority, &device, IO);
    let steps = [
        (done.clone(), 1),
        (done.clone(), 2),
        (slash(&authority, &device, IO, 0), 0),
        (done.clone(), 1),
        (convict(&authority, &device, &tokens, [IO, 0]), 0),
        (done, 1),
    ];
    for (step, clean) in steps {
        world.send(lock(&authority, &device, GPU, IO), &[&jobs]);
        world.send(step, &[&jobs]);
        assert_eq!(world.device(&device).clean_jobs.get(), clean);
    }
    assert_eq!(world.device(&device).jobs_done.get(), 4);
}

#[test]
fn a_device_that_owes_cannot_be_closed() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (authority, device, owner, io) = (jobs.pubkey(), worker.device, &worker.owner, world.io);
    world.send(convict(&authority, &device, &tokens, [10 * IO, 2 * IO]), &[&jobs]);
    world.send(pay(&authority, &device, &tokens, [0, 5 * IO]), &[&jobs]);
    world.send(market::stake::burn_forfeited(&device, &io), &[]);
    world.send(market::stake::unstake(&owner.pubkey(), &device), &[owner]);
    world.wait(14 * 86_400);
    world.send(market::stake::withdraw(&owner.pubkey(), &device, &worker.tokens), &[owner]);
    world.send(market::stake::terminate_device(&owner.pubkey(), &device), &[owner]);
    let close = market::stake::close_device(&owner.pubkey(), &device, &worker.tokens);
    world.refuse(close.clone(), &[owner], StakingError::DeviceNotEmpty);
    world.send(pay(&authority, &device, &tokens, [3 * IO, 0]), &[&jobs]);
    world.send(close, &[owner]);
    assert_eq!(world.balance(&tokens), 5 * IO);
}

#[test]
fn a_convicted_devices_stake_may_fall_below_its_minimum_and_then_it_takes_no_jobs() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (authority, device) = (jobs.pubkey(), worker.device);
    world.send(lock(&authority, &device, GPU, 700 * IO), &[&jobs]);
    world.send(convict(&authority, &device, &tokens, [700 * IO, 140 * IO]), &[&jobs]);
    world.refuse(lock(&authority, &device, GPU, IO), &[&jobs], StakingError::BelowMinimumStake);
    // The other job runs to its end.
    world.send(release(&authority, &device, 10 * IO), &[&jobs]);
}

pub(super) fn pardon(
    authority: &Address,
    device: &Address,
    (from, funder): (&Address, &Address),
    [returned, jackpot]: [u64; 2],
) -> Instruction {
    let accounts = staking::accounts::Pardon {
        jobs_authority: *authority,
        config: market::stake::config(),
        device: *device,
        vault: market::stake::vault(device),
        from: *from,
        funder: *funder,
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::Pardon { returned, jackpot })
}

#[test]
fn a_pardon_returns_what_was_to_burn_and_owes_the_jackpot_it_took_in() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (authority, device, io) = (jobs.pubkey(), worker.device, world.io);
    let funder = world.wallet("treasury");
    let purse = world.give_tokens(&funder.pubkey(), &io, 50 * IO);
    let pardon = |parts| pardon(&authority, &device, (&purse, &funder.pubkey()), parts);
    // There is no conviction to pardon yet.
    world.refuse(pardon([0, IO]), &[&jobs, &funder], StakingError::NotOwed);
    world.send(convict(&authority, &device, &tokens, [10 * IO, 2 * IO]), &[&jobs]);
    world.refuse(pardon([8 * IO + 1, 0]), &[&jobs, &funder], StakingError::NotOwed);
    world.refuse(pardon([5 * IO, 50 * IO + 1]), &[&jobs, &funder], TokenError::InsufficientFunds);
    let valid = pardon([5 * IO, 40 * IO]);
    world.sweep(&valid, &[&jobs, &funder], &[]);
    world.send(valid, &[&jobs, &funder]);
    let now = world.device(&device);
    assert_eq!((now.own_stake.get(), now.owed.get(), now.forfeited.get()), (995 * IO, 43 * IO, 0));
    assert_eq!((now.jobs_convicted.get(), now.clean_jobs.get()), (0, 0));
    assert_eq!((world.balance(&purse), world.balance(&worker.vault())), (10 * IO, 1_038 * IO));
    // There was only one conviction to pardon.
    world.refuse(pardon([0, 0]), &[&jobs, &funder], StakingError::NotOwed);
    let thief = worker.owner.clone();
    let stolen = self::pardon(&thief.pubkey(), &device, (&purse, &funder.pubkey()), [IO, 0]);
    world.refuse(stolen, &[&thief, &funder], StakingError::NotJobsProgram);
}

#[test]
fn a_pardon_after_the_owner_has_unstaked_cools_down_with_the_rest() {
    let (mut world, jobs, worker, tokens) = bonded();
    let (authority, device, owner, io) = (jobs.pubkey(), worker.device, worker.owner.clone(), world.io);
    let funder = world.wallet("treasury");
    let purse = world.give_tokens(&funder.pubkey(), &io, IO);
    world.send(convict(&authority, &device, &tokens, [10 * IO, 2 * IO]), &[&jobs]);
    world.send(market::stake::unstake(&owner.pubkey(), &device), &[&owner]);
    let ends = world.device(&device).cooldown_ends.get();
    world.send(
        pardon(&authority, &device, (&purse, &funder.pubkey()), [5 * IO, IO]),
        &[&jobs, &funder],
    );
    let now = world.device(&device);
    assert_eq!(
        (now.own_stake.get(), now.cooling.get(), now.cooldown_ends.get()),
        (0, 995 * IO, ends)
    );
}

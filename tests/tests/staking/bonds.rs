//! Locking, releasing and slashing bonds, with a key of the test's in place of the jobs program's signer.

use anchor_lang::{InstructionData, ToAccountMetas};
use chain::market;
use protocol::units::{IO, Moment};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use std::sync::Arc;
use tests::{GPU, GPU_MINIMUM, GPU_UNLISTED, GPU_WITHOUT_MULTIPLIER, Worker, World, add_gpu_table, gpu_spec, key, substituted};

const PROBATION: u32 = 43_200;

pub(super) fn lock(authority: &Address, device: &Address, gpu: u16, bond: u64) -> Instruction {
    let accounts = staking::accounts::LockBond {
        jobs_authority: *authority,
        config: market::stake::config(),
        gpu_model: market::stake::gpu_model(gpu),
        device: *device,
    };
    instruction(accounts, staking::instruction::LockBond { bond })
}

pub(super) fn release(authority: &Address, device: &Address, bond: u64) -> Instruction {
    instruction(settling(authority, device), staking::instruction::ReleaseBond { bond })
}

pub(super) fn slash(authority: &Address, device: &Address, bond: u64, penalty: u64) -> Instruction {
    instruction(settling(authority, device), staking::instruction::SlashBond { bond, penalty })
}

fn settling(authority: &Address, device: &Address) -> staking::accounts::SettleBond {
    staking::accounts::SettleBond {
        jobs_authority: *authority,
        config: market::stake::config(),
        device: *device,
    }
}

pub(super) fn instruction(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: staking::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

/// A world in which the test may sign for the jobs program, and the key with which it does.
pub(super) fn world() -> (World, Arc<Keypair>) {
    let mut world = World::bare();
    let (admin, payer, jobs) = (world.admin.clone(), world.payer.pubkey(), key("jobs"));
    let initialize = market::stake::initialize(&payer, &admin.pubkey(), &world.io, Parameters::PUBLISHED);
    world.send(substituted(&initialize, &market::job::authority(), &jobs.pubkey()), &[&admin]);
    add_gpu_table(&mut world);
    (world, jobs)
}

fn staked(world: &mut World, worker: &Worker, amount: u64) {
    let stake = market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
    world.send(stake, &[&worker.owner]);
}

#[test]
fn a_bond_is_locked_and_released_and_counts_a_job_done() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    let lock = lock(&jobs.pubkey(), &worker.device, GPU, 10 * IO);
    world.sweep(&lock, &[&jobs], &[]);
    world.send(lock.clone(), &[&jobs]);
    world.send(lock, &[&jobs]);
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (20 * IO, 2));

    let release = release(&jobs.pubkey(), &worker.device, 10 * IO);
    world.sweep(&release, &[&jobs], &[]);
    world.send(release, &[&jobs]);
    let device = world.device(&worker.device);
    assert_eq!(
        (device.locked_bond.get(), device.open_jobs.get(), device.jobs_done.get()),
        (10 * IO, 1, 1)
    );
    assert_eq!(device.own_stake.get(), 1_000 * IO);
}

#[test]
fn a_slash_frees_the_bond_forfeits_the_penalty_and_counts_a_job_missed() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    world.send(lock(&jobs.pubkey(), &worker.device, GPU, 10 * IO), &[&jobs]);
    let slash = slash(&jobs.pubkey(), &worker.device, 10 * IO, 3 * IO);
    world.sweep(&slash, &[&jobs], &[]);
    world.send(slash, &[&jobs]);
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (0, 0));
    assert_eq!((device.own_stake.get(), device.forfeited.get()), (997 * IO, 3 * IO));
    assert_eq!((device.jobs_done.get(), device.jobs_missed.get()), (0, 1));
}

#[test]
fn fails_for_any_caller_but_the_jobs_program() {
    let mut world = World::new();
    let (worker, admin) = (world.worker("alice"), world.admin.clone());
    for thief in [&worker.owner, &worker.key, &admin] {
        let calls = [
            lock(&thief.pubkey(), &worker.device, GPU, IO),
            release(&thief.pubkey(), &worker.device, IO),
            slash(&thief.pubkey(), &worker.device, IO, IO),
        ];
        for call in calls {
            world.refuse(call, &[thief], StakingError::NotJobsProgram);
        }
    }
}

#[test]
fn no_bond_when_terminated() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    world.send(market::stake::terminate_device(&worker.wallet(), &worker.device), &[&worker.owner]);
    world.refuse(
        lock(&jobs.pubkey(), &worker.device, GPU, IO),
        &[&jobs],
        StakingError::DeviceTerminated,
    );
}

#[test]
fn no_bond_on_probation() {
    let (mut world, jobs) = world();
    let worker = world.newcomer("alice");
    staked(&mut world, &worker, GPU_MINIMUM);
    let (lock, slot) = (lock(&jobs.pubkey(), &worker.device, GPU, IO), world.now().slot);
    let hireable = world.now().unix + i64::from(PROBATION);
    world.go_to(Moment {
        unix: hireable - 1,
        slot: slot + 1_000_000,
    });
    world.refuse(lock.clone(), &[&jobs], StakingError::OnProbation);
    world.go_to(Moment { unix: hireable, slot });
    world.send(lock, &[&jobs]);
}

#[test]
fn no_bond_below_the_minimum_stake() {
    let (mut world, jobs) = world();
    let worker = world.newcomer("alice");
    world.wait(PROBATION);
    staked(&mut world, &worker, GPU_MINIMUM - 1);
    let lock = lock(&jobs.pubkey(), &worker.device, GPU, 1);
    world.refuse(lock.clone(), &[&jobs], StakingError::BelowMinimumStake);
    staked(&mut world, &worker, 1);
    world.send(lock, &[&jobs]);
}

#[test]
fn no_bond_for_a_gpu_model_without_multiplier_or_another_one() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    world.refuse(
        lock(&jobs.pubkey(), &worker.device, GPU_UNLISTED, IO),
        &[&jobs],
        StakingError::WrongGpuModel,
    );

    let (owner, hot, io) = (world.wallet("bob"), key("bob's device"), world.io);
    world.send(
        market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU_WITHOUT_MULTIPLIER, 1),
        &[&owner, &hot],
    );
    let device = market::stake::device(&hot.pubkey());
    world.refuse(
        lock(&jobs.pubkey(), &device, GPU_WITHOUT_MULTIPLIER, IO),
        &[&jobs],
        StakingError::GpuModelNotListed,
    );
}

#[test]
fn a_device_stays_hireable_when_its_gpu_model_leaves_the_list() {
    let (mut world, jobs) = world();
    let (worker, admin) = (world.worker("alice"), world.admin.clone());
    let unlist = market::stake::update_gpu_model(&admin.pubkey(), GPU, gpu_spec("RTX 4090", 200, false));
    world.send(unlist, &[&admin]);
    world.send(lock(&jobs.pubkey(), &worker.device, GPU, IO), &[&jobs]);
}

#[test]
fn no_bond_beyond_the_free_own_stake() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    let lock = |bond| lock(&jobs.pubkey(), &worker.device, GPU, bond);
    world.refuse(lock(1_000 * IO + 1), &[&jobs], StakingError::InsufficientFreeStake);
    world.send(lock(999 * IO), &[&jobs]);
    world.refuse(lock(IO + 1), &[&jobs], StakingError::InsufficientFreeStake);
    world.refuse(lock(u64::MAX), &[&jobs], StakingError::BooksBroken);
    world.refuse(lock(0), &[&jobs], StakingError::ZeroAmount);
    world.send(lock(IO), &[&jobs]);
}

#[test]
fn nothing_is_settled_beyond_what_is_locked() {
    let (mut world, jobs) = world();
    let worker = world.worker("alice");
    let authority = jobs.pubkey();
    world.refuse(release(&authority, &worker.device, 0), &[&jobs], StakingError::BondNotLocked);
    world.send(lock(&authority, &worker.device, GPU, 10 * IO), &[&jobs]);
    world.refuse(
        release(&authority, &worker.device, 10 * IO + 1),
        &[&jobs],
        StakingError::BondNotLocked,
    );
    world.refuse(
        slash(&authority, &worker.device, 10 * IO + 1, 0),
        &[&jobs],
        StakingError::BondNotLocked,
    );
    world.refuse(
        slash(&authority, &worker.device, 10 * IO, 10 * IO + 1),
        &[&jobs],
        StakingError::BondNotLocked,
    );
    // Settling a part of the only bond would leave a bond without a job.
    world.refuse(release(&authority, &worker.device, IO), &[&jobs], StakingError::BooksBroken);
    world.send(slash(&authority, &worker.device, 10 * IO, 10 * IO), &[&jobs]);
    world.refuse(release(&authority, &worker.device, 10 * IO), &[&jobs], StakingError::BondNotLocked);
}

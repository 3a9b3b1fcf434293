use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use staking::error::StakingError;
use tests::{Failure, GPU, GPU_MINIMUM, GPU_UNLISTED, World, substituted, terms};

#[test]
fn pays_out_what_lies_above_the_minimum_at_once() {
    let mut world = World::new();
    let worker = world.worker("alice");
    let overflow = |amount| market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, amount);
    world.sweep(&overflow(IO), &[&worker.owner], &[]);
    let most = 1_000 * IO - GPU_MINIMUM;
    world.refuse(overflow(most + 1), &[&worker.owner], StakingError::ExceedsOverflow);
    world.send(overflow(most), &[&worker.owner]);
    assert_eq!(world.device(&worker.device).own_stake.get(), GPU_MINIMUM);
    assert_eq!(world.balance(&worker.tokens), 1_000 * IO + most);
    world.refuse(overflow(1), &[&worker.owner], StakingError::ExceedsOverflow);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (worker, thief) = (world.worker("alice"), world.worker("thief"));
    let steal = market::stake::withdraw_overflow(&thief.wallet(), &worker.device, GPU, &thief.tokens, IO);
    world.refuse(steal, &[&thief.owner], StakingError::NotOwner);
}

#[test]
fn fails_for_a_zero_amount() {
    let mut world = World::new();
    let worker = world.worker("alice");
    let nothing = market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, 0);
    world.refuse(nothing, &[&worker.owner], StakingError::ZeroAmount);
}

#[test]
fn fails_for_the_wrong_gpu_model() {
    let mut world = World::new();
    let worker = world.worker("alice");
    let cheaper = market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU_UNLISTED, &worker.tokens, IO);
    world.refuse(cheaper, &[&worker.owner], StakingError::WrongGpuModel);
}

#[test]
fn fails_for_stake_that_stands_for_jobs() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, jobs::JobTerms { bond: 900 * IO, ..terms() });
    world.claim(&worker, &job);
    let overflow = |amount| market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, amount);
    world.refuse(overflow(100 * IO + 1), &[&worker.owner], StakingError::ExceedsOverflow);
    world.send(overflow(100 * IO), &[&worker.owner]);
}

#[test]
fn pays_only_to_tokens_of_the_owner() {
    let mut world = World::new();
    let (worker, other) = (world.worker("alice"), world.worker("bob"));
    let overflow = market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, IO);
    world.refuse(
        substituted(&overflow, &worker.tokens, &other.tokens),
        &[&worker.owner],
        InstructionError::InvalidAccountData,
    );
    world.refuse(
        substituted(&overflow, &worker.vault(), &other.vault()),
        &[&worker.owner],
        InstructionError::InvalidSeeds,
    );
    world.refuse(
        substituted(&overflow, &worker.tokens, &worker.vault()),
        &[&worker.owner],
        Failure::DUPLICATE,
    );
}

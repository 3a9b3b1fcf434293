use chain::market;
use protocol::units::{IO, Moment};
use solana_instruction::error::InstructionError;
use staking::error::StakingError;
use tests::{Failure, Worker, World, substituted};

fn cooling(world: &mut World, name: &str) -> Worker {
    let worker = world.worker(name);
    world.send(market::stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    worker
}

#[test]
fn pays_out_once_the_cooldown_has_ended_and_only_once() {
    let mut world = World::new();
    let worker = cooling(&mut world, "alice");
    let ends = world.device(&worker.device).cooldown_ends.get();
    let withdraw = market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens);
    let slot = world.now().slot;
    world.go_to(Moment {
        unix: ends - 1,
        slot: slot + 10_000_000,
    });
    world.refuse(withdraw.clone(), &[&worker.owner], StakingError::CooldownNotOver);
    // A cooldown lasts days, so only unix time counts.
    world.go_to(Moment { unix: ends, slot });
    world.sweep(&withdraw, &[&worker.owner], &[]);
    world.send(withdraw.clone(), &[&worker.owner]);
    assert_eq!(world.balance(&worker.tokens), 2_000 * IO);
    assert_eq!(world.balance(&worker.vault()), 0);
    world.refuse(withdraw, &[&worker.owner], StakingError::NothingToWithdraw);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (worker, thief) = (cooling(&mut world, "alice"), world.newcomer("thief"));
    world.wait(14 * 86_400);
    let steal = market::stake::withdraw(&thief.wallet(), &worker.device, &thief.tokens);
    world.refuse(steal, &[&thief.owner], StakingError::NotOwner);
}

#[test]
fn fails_with_nothing_cooling_down() {
    let mut world = World::new();
    let worker = world.worker("alice");
    let withdraw = market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens);
    world.refuse(withdraw, &[&worker.owner], StakingError::NothingToWithdraw);
}

#[test]
fn pays_only_from_the_devices_vault_to_tokens_of_the_owner() {
    let mut world = World::new();
    let (worker, other) = (cooling(&mut world, "alice"), world.worker("bob"));
    world.wait(14 * 86_400);
    let withdraw = market::stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens);
    world.refuse(
        substituted(&withdraw, &worker.vault(), &other.vault()),
        &[&worker.owner],
        InstructionError::InvalidSeeds,
    );
    world.refuse(
        substituted(&withdraw, &worker.tokens, &other.tokens),
        &[&worker.owner],
        InstructionError::InvalidAccountData,
    );
    world.refuse(
        substituted(&withdraw, &worker.tokens, &worker.vault()),
        &[&worker.owner],
        Failure::DUPLICATE,
    );
}

use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{GPU, GPU_UNLISTED, World, gpu_spec};

const GRACE: u32 = 30 * 86_400;

fn set_multiplier(world: &mut World, multiplier_x100: u16) {
    let admin = world.admin.clone();
    let spec = gpu_spec("RTX 4090", multiplier_x100, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
}

fn required(world: &World) -> u16 {
    world.books().gpu_models[&market::stake::gpu_model(GPU)].required_multiplier(world.now().unix)
}

#[test]
fn changes_the_row() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let spec = gpu_spec("RTX 4090 D", 150, false);
    let update = market::stake::update_gpu_model(&admin.pubkey(), GPU, spec);
    world.sweep(&update, &[&admin], &[]);
    world.send(update, &[&admin]);
    let row = world.books().gpu_models[&market::stake::gpu_model(GPU)];
    assert_eq!((row.name, row.multiplier_x100.get(), row.listed.get()), (spec.name, 150, false));
    assert!(world.books().gpu_models.contains_key(&market::stake::gpu_model(GPU_UNLISTED)));
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let thief = world.wallet("thief");
    let update = market::stake::update_gpu_model(&thief.pubkey(), GPU, gpu_spec("RTX 4090", 65_535, true));
    world.refuse(update, &[&thief], StakingError::NotAuthority);
}

#[test]
fn fails_when_the_name_is_unreadable_or_the_pool_unknown() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let update = market::stake::update_gpu_model(&admin.pubkey(), GPU, gpu_spec("", 200, true));
    world.refuse(update, &[&admin], StakingError::InvalidGpuSpec);
}

#[test]
fn a_raised_multiplier_raises_minimum_stakes_only_after_the_grace_time() {
    let mut world = World::new();
    let worker = world.worker("alice");
    set_multiplier(&mut world, 500);
    // Of 1,000 $IO staked, 600 are above the old minimum and none above the new one.
    let overflow = |amount| market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, amount);
    world.wait(GRACE - 1);
    assert_eq!(required(&world), 200);
    world.clone().send(overflow(600 * IO), &[&worker.owner]);
    world.wait(1);
    assert_eq!(required(&world), 500);
    world.refuse(overflow(1), &[&worker.owner], StakingError::ExceedsOverflow);
    // The next raise starts from there.
    set_multiplier(&mut world, 600);
    assert_eq!(required(&world), 500);
}

#[test]
fn a_cut_frees_overflow_at_once() {
    let mut world = World::new();
    let worker = world.worker("alice");
    set_multiplier(&mut world, 100);
    let overflow = |amount| market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, amount);
    world.refuse(overflow(800 * IO + 1), &[&worker.owner], StakingError::ExceedsOverflow);
    world.send(overflow(800 * IO), &[&worker.owner]);
}

#[test]
fn a_second_raise_within_the_grace_time_does_not_pull_the_first_one_forward() {
    let mut world = World::new();
    set_multiplier(&mut world, 500);
    world.wait(GRACE / 2);
    set_multiplier(&mut world, 600);
    assert_eq!(required(&world), 200);
    world.wait(GRACE - 1);
    assert_eq!(required(&world), 200);
    world.wait(1);
    assert_eq!(required(&world), 600);
}

#[test]
fn a_change_of_the_name_alone_does_not_restart_the_grace_time() {
    let mut world = World::new();
    set_multiplier(&mut world, 500);
    world.wait(GRACE);
    set_multiplier(&mut world, 500);
    assert_eq!(required(&world), 500);
}

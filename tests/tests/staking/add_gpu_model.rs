use chain::market;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::state::{GpuSpec, POOL_COMMUNITY};
use tests::{Failure, GPU, World, gpu_spec};

#[test]
fn adds_a_row_whose_multiplier_counts_at_once() {
    let mut world = World::new();
    let (admin, payer) = (world.admin.clone(), world.payer.pubkey());
    let spec = gpu_spec("H100 80GB", 1_000, true);
    let add = market::stake::add_gpu_model(&payer, &admin.pubkey(), 40, spec);
    world.sweep(&add, &[&admin], &[]);
    world.send(add.clone(), &[&admin]);
    let row = world.books().gpu_models[&market::stake::gpu_model(40)];
    assert_eq!(
        (row.id.get(), row.multiplier_x100.get(), row.vram_gb.get(), row.pool),
        (40, 1_000, 24, POOL_COMMUNITY)
    );
    assert_eq!(
        (row.name, row.listed.get(), row.required_multiplier(world.now().unix)),
        (spec.name, true, 1_000)
    );
    world.refuse(add, &[&admin], Failure::ALREADY_IN_USE);
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let (thief, payer) = (world.wallet("thief"), world.payer.pubkey());
    let add = market::stake::add_gpu_model(&payer, &thief.pubkey(), 40, gpu_spec("H100", 1_000, true));
    world.refuse(add, &[&thief], StakingError::NotAuthority);
}

#[test]
fn fails_when_the_id_is_taken() {
    let mut world = World::new();
    let (admin, payer) = (world.admin.clone(), world.payer.pubkey());
    let add = market::stake::add_gpu_model(&payer, &admin.pubkey(), GPU, gpu_spec("H100", 1_000, true));
    world.refuse(add, &[&admin], Failure::ALREADY_IN_USE);
}

#[test]
fn fails_when_the_name_is_unreadable_or_the_pool_unknown() {
    let mut world = World::new();
    let (admin, payer) = (world.admin.clone(), world.payer.pubkey());
    let named = |name: &str| gpu_spec(name, 100, true);
    let mut gap = named("A 100");
    gap.name[1] = 0;
    let bad = [
        named(""),
        named("tab\t"),
        named("Größe"),
        gap,
        GpuSpec {
            pool: POOL_COMMUNITY + 1,
            ..named("A100")
        },
    ];
    for spec in bad {
        let add = market::stake::add_gpu_model(&payer, &admin.pubkey(), 40, spec);
        world.refuse(add, &[&admin], StakingError::InvalidGpuSpec);
    }
    let longest = market::stake::add_gpu_model(&payer, &admin.pubkey(), 40, named(&"~".repeat(32)));
    world.send(longest, &[&admin]);
}

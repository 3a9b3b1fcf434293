use chain::market;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use tests::World;

#[test]
fn replaces_both_keys() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let (next, guardian) = (world.wallet("governance"), world.wallet("guardian"));
    let set = market::stake::set_authorities(&admin.pubkey(), &next.pubkey(), &guardian.pubkey());
    world.sweep(&set, &[&admin], &[]);
    world.send(set.clone(), &[&admin]);
    let config = world.books().staking_config.unwrap();
    assert_eq!((config.authority, config.guardian), (next.pubkey(), guardian.pubkey()));
    // The old authority has no more power, not even to repeat the instruction.
    world.refuse(set, &[&admin], StakingError::NotAuthority);
    world.send(market::stake::set_parameters(&next.pubkey(), Parameters::PUBLISHED), &[&next]);
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let (admin, guardian) = (world.admin.clone(), world.wallet("guardian"));
    world.send(
        market::stake::set_authorities(&admin.pubkey(), &admin.pubkey(), &guardian.pubkey()),
        &[&admin],
    );
    let take_over = market::stake::set_authorities(&guardian.pubkey(), &guardian.pubkey(), &guardian.pubkey());
    world.refuse(take_over, &[&guardian], StakingError::NotAuthority);
}

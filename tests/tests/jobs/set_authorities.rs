use ::jobs::Parameters;
use ::jobs::error::JobsError;
use chain::market;
use solana_signer::Signer;
use tests::World;

#[test]
fn replaces_both_keys_and_the_treasury() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let (next, guardian, treasury) = (world.wallet("governance"), world.wallet("guardian"), world.wallet("next treasury"));
    let set = market::job::set_authorities(&admin.pubkey(), &next.pubkey(), &guardian.pubkey(), &treasury.pubkey());
    world.sweep(&set, &[&admin], &[]);
    world.send(set.clone(), &[&admin]);
    let config = world.books().jobs_config.unwrap();
    assert_eq!(
        (config.authority, config.guardian, config.treasury),
        (next.pubkey(), guardian.pubkey(), treasury.pubkey())
    );
    // The old authority has no more power, not even to repeat the instruction.
    world.refuse(set, &[&admin], JobsError::NotAuthority);
    world.send(market::job::set_parameters(&next.pubkey(), Parameters::PUBLISHED), &[&next]);
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let (admin, guardian, treasury) = (world.admin.clone(), world.wallet("guardian"), world.treasury);
    let name = market::job::set_authorities(&admin.pubkey(), &admin.pubkey(), &guardian.pubkey(), &treasury);
    world.send(name, &[&admin]);
    let take_over = market::job::set_authorities(&guardian.pubkey(), &guardian.pubkey(), &guardian.pubkey(), &guardian.pubkey());
    world.refuse(take_over, &[&guardian], JobsError::NotAuthority);
}

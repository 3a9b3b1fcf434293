use ::jobs::error::JobsError;
use chain::market;
use protocol::tensor::Shape;
use solana_signer::Signer;
use tests::{Failure, World, substituted};

const HASH: [u8; 32] = [7; 32];

#[test]
fn returns_the_drafts_rent() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let before = world.lamports(&registrar.pubkey());
    world.send(
        market::job::create_draft(&registrar.pubkey(), HASH, 100, &[Shape::new(4, 4, 3)]),
        &[&registrar],
    );
    let discard = market::job::discard_draft(&registrar.pubkey(), &HASH);
    world.sweep(&discard, &[&registrar], &[]);
    world.send(discard.clone(), &[&registrar]);
    assert_eq!(world.lamports(&registrar.pubkey()), before);
    world.refuse(discard, &[&registrar], Failure::GONE);
}

#[test]
fn fails_for_anyone_but_the_registrar() {
    let mut world = World::new();
    let (registrar, thief) = (world.wallet("rita"), world.wallet("thief"));
    world.send(
        market::job::create_draft(&registrar.pubkey(), HASH, 1, &[Shape::new(4, 4, 3)]),
        &[&registrar],
    );
    let steal = substituted(
        &market::job::discard_draft(&registrar.pubkey(), &HASH),
        &registrar.pubkey(),
        &thief.pubkey(),
    );
    world.refuse(steal, &[&thief], JobsError::NotRegistrar);
}

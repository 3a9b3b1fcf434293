use chain::market;
use solana_signer::Signer;
use tests::{Failure, World};

#[test]
fn any_mint_of_the_token_program_will_do() {
    let mut world = World::new();
    let (owner, usd, io) = (world.wallet("bob"), world.mint("usd", 6), world.io);
    for mint in [io, usd] {
        let open = market::job::open_escrow(&owner.pubkey(), &mint);
        world.sweep(&open, &[&owner], &[]);
        world.send(open, &[&owner]);
        let escrow = world.escrow(&market::job::escrow(&owner.pubkey(), &mint));
        assert_eq!((escrow.owner, escrow.mint, escrow.total().unwrap()), (owner.pubkey(), mint, 0));
    }
}

#[test]
fn fails_when_the_escrow_exists() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let again = market::job::open_escrow(&consumer.wallet(), &consumer.mint);
    world.refuse(again, &[&consumer.owner], Failure::ALREADY_IN_USE);
}

use chain::market::referee as market;
use referee::error::RefereeError;
use solana_signer::Signer;
use tests::{World, key};

#[test]
fn returns_the_rent_whether_complete_or_not() {
    for written in [&b""[..], b"evid", b"evidence"] {
        let mut world = World::new();
        let challenger = world.wallet("challenger");
        let before = world.lamports(&challenger.pubkey());
        let seal = world.seal(&challenger, &key("a job").pubkey(), b"evidence");
        world.pass(0, 1);
        if !written.is_empty() {
            world.send(
                market::write_evidence(&challenger.pubkey(), &seal, 0, written.to_vec()),
                &[&challenger],
            );
        }
        world.send(market::close_evidence(&challenger.pubkey(), &seal), &[&challenger]);
        assert_eq!(world.lamports(&challenger.pubkey()), before);
        assert!(world.books().evidence.is_empty());
    }
}

#[test]
fn fails_for_anyone_but_the_challenger() {
    let mut world = World::new();
    let (challenger, thief) = (world.wallet("challenger"), world.wallet("thief"));
    let seal = world.seal(&challenger, &key("a job").pubkey(), b"evidence");
    let mut close = market::close_evidence(&challenger.pubkey(), &seal);
    close.accounts[0].pubkey = thief.pubkey();
    world.refuse(close, &[&thief], RefereeError::NotChallenger);
}

#[test]
fn every_account_is_checked() {
    let mut world = World::new();
    let challenger = world.wallet("challenger");
    let seal = world.seal(&challenger, &key("a job").pubkey(), b"evidence");
    world.sweep(&market::close_evidence(&challenger.pubkey(), &seal), &[&challenger], &[]);
}

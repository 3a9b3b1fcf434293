use chain::market::referee as market;
use protocol::referee::MAX_EVIDENCE_BYTES;
use referee::error::RefereeError;
use solana_signer::Signer;
use tests::{Failure, World, key};

#[test]
fn nothing_of_the_evidence_is_shown() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let seal = world.seal(&challenger, &subject, b"evidence");
    let (evidence, bytes) = world.evidence(&market::evidence(&challenger.pubkey(), &seal));
    assert_eq!((evidence.challenger, evidence.subject), (challenger.pubkey(), subject));
    assert_eq!((evidence.seal, evidence.length.get(), bytes.len()), (seal, 8, 0));
    assert_eq!(evidence.sealed_slot.get(), world.now().slot);
    assert!(!evidence.complete.get());
}

#[test]
fn the_challenger_pays_the_rent_of_the_announced_length() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let before = world.lamports(&challenger.pubkey());
    let bytes = vec![7; 5_000];
    let address = world.show(&challenger, &subject, &bytes);
    let paid = before - world.lamports(&challenger.pubkey());
    let whole = world.account(&address).unwrap().data.len();
    assert_eq!((paid, paid), (world.lamports(&address), world.rent(whole)));
    // With less SOL the seal fails.
    let mut poor = world.account(&challenger.pubkey()).unwrap();
    poor.lamports = paid - 1;
    world.plant(challenger.pubkey(), poor);
    let seal = market::seal_evidence(&challenger.pubkey(), &subject, [7; 32], 5_000);
    world.refuse(seal, &[&challenger], Failure::TOO_LITTLE_SOL);
}

#[test]
fn fails_for_no_or_too_many_bytes() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let seal = |length| market::seal_evidence(&challenger.pubkey(), &subject, [7; 32], length);
    for length in [0, MAX_EVIDENCE_BYTES as u32 + 1, u32::MAX] {
        world.refuse(seal(length), &[&challenger], RefereeError::InvalidLength);
    }
    world.send(seal(MAX_EVIDENCE_BYTES as u32), &[&challenger]);
}

#[test]
fn fails_for_a_seal_in_use_and_is_nobody_elses() {
    let mut world = World::new();
    let (challenger, copier, subject) = (world.wallet("challenger"), world.wallet("copier"), key("a job").pubkey());
    let seal = world.seal(&challenger, &subject, b"evidence");
    let again = market::seal_evidence(&challenger.pubkey(), &subject, seal, 8);
    world.refuse(again, &[&challenger], Failure::ALREADY_IN_USE);
    // A copier can use the same seal, but never complete it, since it binds the challenger's key.
    world.send(market::seal_evidence(&copier.pubkey(), &subject, seal, 8), &[&copier]);
    world.pass(0, 1);
    let write = market::write_evidence(&copier.pubkey(), &seal, 0, b"evidence".to_vec());
    world.refuse(write, &[&copier], RefereeError::SealMismatch);
}

#[test]
fn every_account_is_checked() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let seal = market::seal_evidence(&challenger.pubkey(), &subject, [7; 32], 8);
    world.sweep(&seal, &[&challenger], &[]);
}

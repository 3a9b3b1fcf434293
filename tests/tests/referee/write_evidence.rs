use chain::market::referee as market;
use protocol::referee::MAX_EVIDENCE_BYTES;
use protocol::testing::Rng;
use referee::error::RefereeError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{World, key};

/// Evidence of two and a half pieces, sealed one slot ago.
fn sealed(bytes: &[u8]) -> (World, Arc<Keypair>, [u8; 32]) {
    let mut world = World::new();
    let challenger = world.wallet("challenger");
    let seal = world.seal(&challenger, &key("a job").pubkey(), bytes);
    world.pass(0, 1);
    (world, challenger, seal)
}

#[test]
fn after_a_crash_the_challenger_goes_on_at_the_accounts_number_of_bytes() {
    let bytes: Vec<u8> = (0..2_500).map(|i| i as u8).collect();
    let (mut world, challenger, seal) = sealed(&bytes);
    let address = market::evidence(&challenger.pubkey(), &seal);
    world.send(
        market::write_evidence(&challenger.pubkey(), &seal, 0, bytes[..700].to_vec()),
        &[&challenger],
    );
    let (_, written) = world.evidence(&address);
    assert_eq!(written, bytes[..700], "what a restarted client reads");
    world.write(&challenger, &seal, written.len(), &bytes);
    let (evidence, written) = world.evidence(&address);
    assert_eq!((written.as_slice(), evidence.complete.get()), (bytes.as_slice(), true));
}

/// However the bytes are cut into pieces, they arrive unchanged.
#[test]
fn pieces_of_any_length_follow_each_other() {
    let rng = Rng::new(20_261_128);
    for _ in 0..40 {
        let bytes: Vec<u8> = (0..rng.within(1, 400)).map(|_| rng.within(0, 255) as u8).collect();
        let (mut world, challenger, seal) = sealed(&bytes);
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + rng.within(1, 70) as usize);
            let piece = bytes[at..end].to_vec();
            world.send(
                market::write_evidence(&challenger.pubkey(), &seal, at as u32, piece),
                &[&challenger],
            );
            at = end;
            let (evidence, written) = world.evidence(&market::evidence(&challenger.pubkey(), &seal));
            assert_eq!((written.as_slice(), evidence.complete.get()), (&bytes[..at], at == bytes.len()));
        }
    }
}

#[test]
fn the_largest_evidence_fits() {
    let bytes = vec![0x5A; MAX_EVIDENCE_BYTES];
    let (mut world, challenger, seal) = sealed(&bytes);
    world.write(&challenger, &seal, 0, &bytes);
    assert!(world.evidence(&market::evidence(&challenger.pubkey(), &seal)).0.complete.get());
}

#[test]
fn fails_in_the_slot_of_the_seal() {
    let mut world = World::new();
    let challenger = world.wallet("challenger");
    let seal = world.seal(&challenger, &key("a job").pubkey(), b"evidence");
    let write = market::write_evidence(&challenger.pubkey(), &seal, 0, b"evidence".to_vec());
    world.refuse(write.clone(), &[&challenger], RefereeError::TooEarly);
    world.pass(0, 1);
    world.send(write, &[&challenger]);
}

#[test]
fn fails_for_anyone_but_the_challenger() {
    let (mut world, challenger, seal) = sealed(b"evidence");
    let thief = world.wallet("thief");
    let mut write = market::write_evidence(&challenger.pubkey(), &seal, 0, b"evidence".to_vec());
    write.accounts[0].pubkey = thief.pubkey();
    world.refuse(write, &[&thief], RefereeError::NotChallenger);
}

#[test]
fn fails_out_of_order_and_beyond_the_announced_length() {
    let (mut world, challenger, seal) = sealed(b"evidence");
    let write = |offset, bytes: &[u8]| market::write_evidence(&challenger.pubkey(), &seal, offset, bytes.to_vec());
    world.refuse(write(1, b"v"), &[&challenger], RefereeError::OutOfOrder);
    world.send(write(0, b"evid"), &[&challenger]);
    world.refuse(write(0, b"evid"), &[&challenger], RefereeError::OutOfOrder);
    world.refuse(write(3, b"dence"), &[&challenger], RefereeError::OutOfOrder);
    world.refuse(write(4, b"ence!"), &[&challenger], RefereeError::BeyondLength);
    world.refuse(write(4, b""), &[&challenger], RefereeError::BeyondLength);
    world.refuse(write(u32::MAX, b"en"), &[&challenger], RefereeError::BeyondLength);
    world.send(write(4, b"ence"), &[&challenger]);
    world.refuse(write(8, b"!"), &[&challenger], RefereeError::BeyondLength);
}

#[test]
fn fails_with_the_last_piece_when_the_whole_is_not_what_was_sealed() {
    let (mut world, challenger, seal) = sealed(b"evidence");
    let write = |offset, bytes: &[u8]| market::write_evidence(&challenger.pubkey(), &seal, offset, bytes.to_vec());
    world.send(write(0, b"evid"), &[&challenger]);
    world.refuse(write(4, b"ents"), &[&challenger], RefereeError::SealMismatch);
    world.send(write(4, b"ence"), &[&challenger]);
}

#[test]
fn every_account_is_checked() {
    let (world, challenger, seal) = sealed(b"evidence");
    let write = market::write_evidence(&challenger.pubkey(), &seal, 0, b"evid".to_vec());
    world.sweep(&write, &[&challenger], &[]);
}

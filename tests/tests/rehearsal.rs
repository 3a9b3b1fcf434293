//! A rehearsal of an upgrade: the present programs continue with accounts that an older version wrote.
//!
//! The dump in `tests/fixtures` is of a market with something of everything in progress. If an account's layout changes, this test fails
//! until a step of `migrations/` converts it, which then runs here first. `REHEARSAL_WRITE=1` writes the dump of a new version next to the
//! old ones, which stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market::{self, costake, govern, job, reward, slash, stake};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{CoStaker, Consumer, OFFER, Proposer, Stake, Worker, World, ending, terms};

const DUMP: &str = include_str!("../fixtures/accounts-1.txt");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/accounts-1.txt");
const HOUR: i64 = 3_600;
const DAY: u32 = 86_400;

/// The parties of the market, and what they have in progress.
struct Cast {
    alice: Worker,
    bob: Worker,
    consumer: Consumer,
    carol: CoStaker,
    stakes: [Stake; 2],
    judges: [Arc<Keypair>; 2],
    revealed: Address,
    open: Address,
    hour: i64,
    proposer: Proposer,
    proposal: Address,
    change: Instruction,
}

/// Two devices, one with co-stakers of whom one is leaving; hours that wait to be paid; a slash that can be appealed; a revealed job and an
/// open one; a proposal that is voted on.
fn play(world: &mut World) -> Cast {
    let [alice, bob] = ["alice", "bob"].map(|name| world.worker(name));
    let (consumer, carol) = (world.consumer("consumer"), world.co_staker("carol"));
    let judges = [world.wallet("proposing judge"), world.wallet("approving judge")];
    let admin = world.admin.clone();
    let name = slash::set_judges(&admin.pubkey(), &judges[0].pubkey(), &judges[1].pubkey());
    world.send(name, &[&admin]);
    let proposer = world.proposer("paul");
    // Stake younger than a week has no vote.
    world.wait(7 * DAY);
    world.govern();

    let offer = world.offer(&alice, OFFER);
    let stakes = [0, 1].map(|id| world.join(&carol, &offer, id, 50 * IO));
    let both = [&alice, &bob];
    for _ in 0..3 {
        world.live(&both);
    }
    let hour = world.live(&both);
    world.send(stakes[1].leaving(0, 50 * IO), &[&carol.wallet]);
    world.send(slash::propose(&judges[0].pubkey(), &bob.device, 1, 2, 500, [3; 32]), &[&judges[0]]);
    world.send(slash::approve(&judges[1].pubkey(), &bob.device, 1, 500, [3; 32]), &[&judges[1]]);

    let change = job::set_parameters(
        &govern::authority(),
        jobs::ParameterChanges {
            bounty: Some(9_000),
            ..Default::default()
        },
    );
    let proposal = world.propose(&proposer, std::slice::from_ref(&change));
    world.vote(&alice, &proposal, 0);
    world.vote(&bob, &proposal, 0);
    let revealed = world.open(&consumer, 1, terms());
    world.work(&alice, &revealed);
    let open = world.open(&consumer, 2, terms());
    Cast {
        alice,
        bob,
        consumer,
        carol,
        stakes,
        judges,
        revealed,
        open,
        hour,
        proposer,
        proposal,
        change,
    }
}

/// Brings everything to its end and checks that all parties get what is theirs. The kit checks all invariants after each transaction.
fn finish(world: &mut World, cast: &Cast) {
    let Cast {
        alice,
        bob,
        consumer,
        carol,
        stakes,
        ..
    } = cast;
    world.wait_for_deadline(&cast.revealed);
    let cranker = world.wallet("cranker");
    let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, alice, &cast.revealed), &alice.tokens);
    world.send(settle, &[&cranker]);
    let cancel = job::cancel_job(&consumer.wallet(), &consumer.escrow, &cast.open);
    world.send(cancel, &[&consumer.owner]);

    world.settle_and_collect(&[alice, bob], cast.hour - HOUR);
    world.go_to_second(cast.hour, 2 * HOUR);
    world.settle_and_collect(&[alice, bob], cast.hour);
    world.note_rewards();
    world.send(stakes[0].claiming(), &[&carol.wallet]);
    world.send(reward::claim(&bob.wallet(), &bob.device, &bob.tokens), &[&bob.owner]);

    world.count_votes(&cast.proposal);
    world.go_to_time(world.proposal(&cast.proposal).eta.get());
    world.send(govern::execute(&cast.proposal, 0, &cast.change), &[]);
    assert_eq!(world.books().jobs_config.unwrap().bounty.get(), 9_000);
    let release = govern::release_deposit(&cast.proposal, &cast.proposer.address(), &world.io);
    world.send(release, &[]);

    world.send(stakes[1].cooling(0), &[]);
    world.wait(14 * DAY);
    let before = world.balance(&carol.tokens);
    world.send(stakes[1].withdrawing(0), &[&carol.wallet]);
    assert!(world.balance(&carol.tokens) >= before + 50 * IO);
    world.wait(30 * DAY);
    world.send(slash::finish(&cast.judges[0].pubkey(), &bob.device, 1), &[]);

    let retract = costake::retract(&alice.wallet(), &alice.device, &stakes[0].offer);
    world.send(retract, &[&alice.owner]);
    for worker in [alice, bob] {
        world.send(stake::unstake(&worker.wallet(), &worker.device), &[&worker.owner]);
    }
    world.wait(14 * DAY);
    for worker in [alice, bob] {
        let withdraw = stake::withdraw(&worker.wallet(), &worker.device, &worker.tokens);
        world.send(withdraw, &[&worker.owner]);
    }
    assert_eq!(world.device(&alice.device).own_stake.get(), 0);
}

#[test]
fn a_market_with_everything_in_progress_continues_under_new_code() {
    let mut now = World::new();
    let cast = play(&mut now);
    if std::env::var_os("REHEARSAL_WRITE").is_some() {
        std::fs::write(PATH, now.dump()).unwrap();
    }
    finish(&mut now, &cast);
    let mut restored = World::restore(DUMP);
    finish(&mut restored, &cast);
}

use super::convict::{LIE, Lie, delivered};
use ::jobs::error::JobsError;
use chain::market;
use protocol::testing::Run;
use protocol::units::{IO, Moment};
use referee::error::RefereeError;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Failure, World, substituted, tiny_run};

/// A second challenger of the same lie.
struct Rival {
    wallet: Arc<Keypair>,
    tokens: Address,
    seal: [u8; 32],
    bytes: Vec<u8>,
}

impl Rival {
    /// Seals evidence now, and writes it later.
    fn sealing(world: &mut World, name: &str, job: &Address, bytes: Vec<u8>) -> Self {
        let wallet = world.wallet(name);
        let io = world.io;
        let tokens = world.give_tokens(&wallet.pubkey(), &io, 0);
        let seal = world.seal(&wallet, job, &bytes);
        Self {
            wallet,
            tokens,
            seal,
            bytes,
        }
    }

    fn show(&self, world: &mut World) {
        world.write(&self.wallet, &self.seal, 0, &self.bytes);
    }

    fn evidence(&self) -> Address {
        market::referee::evidence(&self.wallet.pubkey(), &self.seal)
    }

    fn overtake(&self, lie: &Lie) -> Instruction {
        market::job::overtake(
            &self.wallet.pubkey(),
            &lie.job,
            &lie.world.model,
            &lie.worker.device,
            &self.evidence(),
        )
    }
}

fn element(run: &Run) -> Vec<u8> {
    run.element(LIE.0, 0, LIE.1 as u32)
}

/// A lie convicted by frank, who sealed after carol and hank, in the same slot as dave, and before gina.
struct Race {
    lie: Lie,
    hank: Rival,
    frank: Rival,
    dave: Rival,
    gina: Rival,
}

fn race() -> Race {
    let mut lie = Lie::new();
    let (world, job, bytes) = (&mut lie.world, lie.job, element(&lie.run));
    world.pass(0, 1);
    let hank = Rival::sealing(world, "hank", &job, bytes.clone());
    world.pass(0, 1);
    let frank = Rival::sealing(world, "frank", &job, bytes.clone());
    let dave = Rival::sealing(world, "dave", &job, bytes.clone());
    world.pass(0, 1);
    let gina = Rival::sealing(world, "gina", &job, bytes);
    world.pass(0, 1);
    for rival in [&hank, &frank, &dave, &gina] {
        rival.show(world);
    }
    let convict = lie.convict_by(&frank.wallet.pubkey(), &frank.evidence());
    lie.world.send(convict, &[&frank.wallet]);
    Race {
        lie,
        hank,
        frank,
        dave,
        gina,
    }
}

/// The overtaking by carol, who sealed first of all.
fn carols(lie: &Lie) -> Instruction {
    market::job::overtake(
        &lie.challenger.pubkey(),
        &lie.job,
        &lie.world.model,
        &lie.worker.device,
        &lie.evidence,
    )
}

#[test]
fn an_earlier_seal_takes_the_reward_and_the_rent_returns_to_its_payer() {
    let Race { mut lie, frank, .. } = race();
    let overtake = carols(&lie);
    lie.world.sweep(&overtake, &[&lie.challenger], &[]);
    let before = lie.world.conviction(&lie.job);
    let deadline = lie.world.deadline(&lie.job);
    lie.world.send(overtake, &[&lie.challenger]);
    let conviction = lie.world.conviction(&lie.job);
    assert_eq!(
        (conviction.challenger, conviction.payer),
        (lie.challenger.pubkey(), frank.wallet.pubkey())
    );
    assert_eq!(before.sealed_slot.get() - conviction.sealed_slot.get(), 3);
    assert_eq!((conviction.reward.get(), lie.world.deadline(&lie.job)), (3 * IO, deadline));

    lie.world.wait(30);
    let cranker = lie.world.wallet("cranker");
    let to_frank = market::job::award(&cranker.pubkey(), &lie.job, &conviction, &frank.tokens);
    lie.world.refuse(to_frank, &[&cranker], JobsError::WrongRewardAccount);
    let lamports = lie.world.lamports(&frank.wallet.pubkey());
    lie.world.send(lie.award(&cranker.pubkey()), &[&cranker]);
    assert_eq!((lie.world.balance(&lie.tokens), lie.world.balance(&frank.tokens)), (3 * IO, 0));
    let rent = lie.world.rent(size_of::<::jobs::Conviction>() + 8);
    assert_eq!(lie.world.lamports(&frank.wallet.pubkey()) - lamports, rent);
}

#[test]
fn a_seal_of_the_same_slot_or_a_later_one_takes_nothing() {
    let Race {
        mut lie,
        frank,
        dave,
        gina,
        ..
    } = race();
    for late in [&dave, &gina, &frank] {
        lie.world.refuse(late.overtake(&lie), &[&late.wallet], JobsError::SealNotEarlier);
    }
    assert_eq!(lie.world.conviction(&lie.job).challenger, frank.wallet.pubkey());
}

#[test]
fn the_earliest_of_several_seals_gets_the_reward() {
    let Race { mut lie, hank, .. } = race();
    {
        let mut lie = Lie {
            world: lie.world.clone(),
            ..lie.clone()
        };
        lie.world.send(carols(&lie), &[&lie.challenger]);
        lie.world.refuse(hank.overtake(&lie), &[&hank.wallet], JobsError::SealNotEarlier);
    }
    lie.world.send(hank.overtake(&lie), &[&hank.wallet]);
    lie.world.send(carols(&lie), &[&lie.challenger]);
    lie.world.refuse(carols(&lie), &[&lie.challenger], JobsError::SealNotEarlier);
    assert_eq!(lie.world.conviction(&lie.job).challenger, lie.challenger.pubkey());
}

#[test]
fn a_conviction_names_the_fault_of_the_evidence_that_is_rewarded() {
    let mut lie = Lie::new();
    let mut run = tiny_run(1, Some(LIE));
    run.units[5].last_mut().unwrap()[2] ^= 1;
    run.commit();
    lie.job = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &run, 10 * IO);
    let (world, job) = (&mut lie.world, lie.job);
    let early = Rival::sealing(world, "dave", &job, run.element(5, 0, 2));
    world.pass(0, 1);
    let late = Rival::sealing(world, "erin", &job, element(&run));
    world.pass(0, 1);
    for rival in [&early, &late] {
        rival.show(world);
    }
    let place = |lie: &Lie| {
        let conviction = lie.world.conviction(&lie.job);
        (conviction.unit.get(), conviction.index.get())
    };
    let convict = lie.convict_by(&late.wallet.pubkey(), &late.evidence());
    lie.world.send(convict, &[&late.wallet]);
    assert_eq!(place(&lie), (LIE.0, LIE.1 as u32));
    // The kit compares what the events say with the account.
    lie.world.send(early.overtake(&lie), &[&early.wallet]);
    assert_eq!(place(&lie), (5, 2));
}

#[test]
fn fails_once_the_priority_has_passed_by_both_clocks() {
    let Race { mut lie, .. } = race();
    let check = |lie: &Lie, deadline| {
        for (mut world, reached) in lie.world.around(deadline) {
            if reached {
                world.refuse(carols(lie), &[&lie.challenger], JobsError::DeadlinePassed);
            } else {
                world.send(carols(lie), &[&lie.challenger]);
            }
        }
    };
    let deadline = lie.world.deadline(&lie.job);
    check(&lie, deadline);
    // A restart gives the 30 seconds again.
    let restart = lie.world.now().slot + 1;
    lie.world.restarted_in(restart);
    let deadline = Moment {
        unix: deadline.unix + 30,
        slot: restart + 75,
    };
    check(&lie, deadline);
}

#[test]
fn earlier_evidence_must_convict_by_itself() {
    let mut lie = Lie::new();
    let (world, job) = (&mut lie.world, lie.job);
    let beside = Rival::sealing(world, "dave", &job, lie.run.element(LIE.0, 0, 18));
    let foreign = Rival::sealing(world, "erin", &job, element(&tiny_run(2, Some(LIE))));
    world.pass(0, 1);
    let frank = Rival::sealing(world, "frank", &job, element(&lie.run));
    world.pass(0, 1);
    for rival in [&beside, &foreign, &frank] {
        rival.show(world);
    }
    let convict = lie.convict_by(&frank.wallet.pubkey(), &frank.evidence());
    lie.world.send(convict, &[&frank.wallet]);
    lie.world.refuse(beside.overtake(&lie), &[&beside.wallet], JobsError::NotConvicted);
    lie.world
        .refuse(foreign.overtake(&lie), &[&foreign.wallet], RefereeError::TraceMismatch);
}

#[test]
fn nothing_is_taken_with_evidence_of_somebody_else_or_about_another_job() {
    let Race { mut lie, gina, .. } = race();
    // Gina passes carol's evidence, which was sealed earlier.
    let stolen = substituted(&gina.overtake(&lie), &gina.evidence(), &lie.evidence);
    lie.world.refuse(stolen, &[&gina.wallet], JobsError::NotChallenger);
    let twin = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, 10 * IO);
    let elsewhere = lie.world.show(&gina.wallet, &twin, &element(&lie.run));
    let foreign = substituted(&gina.overtake(&lie), &gina.evidence(), &elsewhere);
    lie.world.refuse(foreign, &[&gina.wallet], JobsError::EvidenceMismatch);
    // Nor can the conviction of another job be changed.
    let others = substituted(&carols(&lie), &lie.job, &twin);
    lie.world.refuse(others, &[&lie.challenger], JobsError::AccountMismatch);
}

#[test]
fn the_worker_cannot_take_the_reward() {
    let mut lie = Lie::new();
    let owner = lie.worker.owner.clone();
    let own = Rival {
        wallet: owner.clone(),
        tokens: lie.worker.tokens,
        seal: lie.world.seal(&owner, &lie.job, &element(&lie.run)),
        bytes: element(&lie.run),
    };
    lie.world.pass(0, 1);
    let frank = Rival::sealing(&mut lie.world, "frank", &lie.job.clone(), element(&lie.run));
    lie.world.pass(0, 1);
    own.show(&mut lie.world);
    frank.show(&mut lie.world);
    let convict = lie.convict_by(&frank.wallet.pubkey(), &frank.evidence());
    lie.world.send(convict, &[&frank.wallet]);
    lie.world.refuse(own.overtake(&lie), &[&owner], JobsError::WorkerCannotChallenge);
}

#[test]
fn fails_before_a_conviction_and_after_the_award() {
    let mut lie = Lie::new();
    lie.world.refuse(carols(&lie), &[&lie.challenger], Failure::GONE);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    lie.world.wait(30);
    lie.world.send(lie.award(&lie.challenger.pubkey()), &[&lie.challenger]);
    lie.world
        .refuse(carols(&lie), &[&lie.challenger], InstructionError::UninitializedAccount);
    assert_eq!(lie.world.balance(&lie.tokens), 3 * IO);
}

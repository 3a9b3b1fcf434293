use ::jobs::Status;
use ::jobs::error::JobsError;
use ::jobs::{JobTerms, Parameters};
use chain::market;
use protocol::testing::Run;
use protocol::units::IO;
use referee::error::RefereeError;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, Failure, Worker, World, ending, key, substituted, terms, tiny_run};

/// Position of the liar's error: a unit and an element of its only op.
pub(super) const LIE: (u32, usize) = (3, 17);

/// A revealed lie, and a challenger with evidence of it on chain.
#[derive(Clone)]
pub(super) struct Lie {
    pub world: World,
    pub worker: Worker,
    pub consumer: Consumer,
    pub challenger: Arc<Keypair>,
    /// The challenger's $IO account.
    pub tokens: Address,
    pub job: Address,
    pub run: Arc<Run>,
    pub evidence: Address,
}

/// Opens a job on a run's inputs and delivers the run's result.
#[track_caller]
pub(super) fn delivered(world: &mut World, consumer: &Consumer, worker: &Worker, id: u64, run: &Run, bond: u64) -> Address {
    let inputs = run.claim.inputs;
    let job = world.open(consumer, id, JobTerms { inputs, bond, ..terms() });
    world.deliver(worker, &job, run);
    job
}

impl Lie {
    pub fn new() -> Self {
        Self::between(World::new(), |world| world.worker("alice"), |world| world.consumer("bob"))
    }

    /// A lie by this worker to this consumer, with a bond of 10 $IO.
    pub fn between(mut world: World, worker: impl Fn(&mut World) -> Worker, consumer: impl Fn(&mut World) -> Consumer) -> Self {
        let (worker, consumer) = (worker(&mut world), consumer(&mut world));
        let challenger = world.wallet("carol");
        let tokens = world.give_tokens(&challenger.pubkey(), &world.io.clone(), 0);
        let run = Arc::new(tiny_run(1, Some(LIE)));
        let job = delivered(&mut world, &consumer, &worker, 1, &run, 10 * IO);
        let evidence = world.show(&challenger, &job, &run.element(LIE.0, 0, LIE.1 as u32));
        Self {
            world,
            worker,
            consumer,
            challenger,
            tokens,
            job,
            run,
            evidence,
        }
    }

    /// The conviction by `challenger`'s evidence at `evidence`, with the compensation to the consumer's $IO account.
    pub fn convict_by(&self, challenger: &Address, evidence: &Address) -> Instruction {
        let compensated = market::token_account(&self.consumer.wallet(), &self.world.io);
        let model = &self.world.model;
        market::job::convict(
            challenger,
            &self.job,
            model,
            &self.consumer.escrow,
            &self.worker.device,
            evidence,
            &compensated,
        )
    }

    pub fn convict(&self) -> Instruction {
        self.convict_by(&self.challenger.pubkey(), &self.evidence)
    }

    #[track_caller]
    pub fn convicted() -> Self {
        let mut lie = Self::new();
        lie.world.send(lie.convict(), &[&lie.challenger]);
        lie
    }

    pub fn award(&self, cranker: &Address) -> Instruction {
        market::job::award(cranker, &self.job, &self.world.conviction(&self.job), &self.tokens)
    }
}

#[test]
fn the_consumer_is_whole_and_the_bond_splits_thirty_twenty_fifty() {
    let mut lie = Lie::new();
    let convict = lie.convict();
    // Staking checks the vault, and any account of the consumer's may receive the compensation.
    lie.world.sweep(&convict, &[&lie.challenger], &[]);
    let (now, before) = (lie.world.now(), lie.world.lamports(&lie.challenger.pubkey()));
    lie.world.send(convict, &[&lie.challenger]);
    let Lie { world, worker, job, .. } = &lie;

    let escrow = world.escrow(&lie.consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get(), escrow.fees.get()), (1_000 * IO, 0, 0));
    assert_eq!(world.balance(&lie.consumer.tokens), 1_000 * IO + 2 * IO);
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (0, 0));
    assert_eq!(
        (device.own_stake.get(), device.owed.get(), device.forfeited.get()),
        (990 * IO, 8 * IO, 0)
    );
    assert_eq!((device.jobs_done.get(), device.jobs_convicted.get()), (0, 1));
    assert_eq!(
        (world.job(job).status, world.deadline(job)),
        (Status::Convicted as u8, now.after(30))
    );

    let conviction = world.conviction(job);
    let challenger = lie.challenger.pubkey();
    assert_eq!(
        (conviction.job, conviction.device, conviction.consumer),
        (*job, worker.device, lie.consumer.wallet())
    );
    assert_eq!((conviction.challenger, conviction.payer), (challenger, challenger));
    assert_eq!((conviction.reward.get(), conviction.burned.get()), (3 * IO, 5 * IO));
    assert_eq!(conviction.sealed_slot.get(), now.slot - 1);
    assert_eq!((conviction.unit.get(), conviction.op.get(), conviction.index.get()), (3, 0, 17));
    let claimed = lie.run.units[3][1][17];
    assert_eq!(
        (conviction.fault, conviction.expected, conviction.claimed),
        (0, claimed ^ 1, claimed)
    );
    let rent = world.rent(size_of::<jobs::Conviction>() + 8);
    assert_eq!(before - world.lamports(&challenger), rent);
}

#[test]
fn the_parts_of_a_bond_that_does_not_divide_are_exact() {
    // 30 % and 20 % rounded down, the rest burned.
    for (bond, reward, compensation, burned) in [
        (IO + 1, 30_000_000, 20_000_000, 50_000_001),
        (IO + 7, 30_000_002, 20_000_001, 50_000_004),
        (IO + 9, 30_000_002, 20_000_001, 50_000_006),
    ] {
        let mut lie = Lie::new();
        let job = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, bond);
        lie.evidence = lie.world.show(&lie.challenger, &job, &lie.run.element(LIE.0, 0, LIE.1 as u32));
        lie.job = job;
        let before = lie.world.device(&lie.worker.device).own_stake.get();
        lie.world.send(lie.convict(), &[&lie.challenger]);
        let device = lie.world.device(&lie.worker.device);
        assert_eq!(before - device.own_stake.get(), bond);
        let conviction = lie.world.conviction(&job);
        assert_eq!(
            (
                conviction.reward.get(),
                lie.world.balance(&lie.consumer.tokens) - 1_000 * IO,
                conviction.burned.get()
            ),
            (reward, compensation, burned)
        );
    }
}

#[test]
fn a_consumer_linked_to_the_worker_gets_its_money_back_but_no_part_of_the_bond() {
    let rotated = |world: &mut World| {
        let mut worker = world.worker("alice");
        let spare = key("spare");
        let rotate = market::stake::rotate_device_key(&worker.wallet(), &worker.device, &spare.pubkey());
        world.send(rotate, &[&worker.owner, &spare]);
        worker.key = spare;
        worker
    };
    let plain = |world: &mut World| world.worker("alice");
    type Register<'a> = &'a dyn Fn(&mut World) -> Worker;
    let cases: [(Register<'_>, &str); 4] = [
        (&plain, "alice"),
        (&plain, "alice's device"),
        (&rotated, "spare"),
        (&rotated, "alice's device"),
    ];
    for (worker, consumer) in cases {
        let mut lie = Lie::between(World::new(), worker, |world| world.consumer(consumer));
        let before = lie.world.balance(&lie.consumer.tokens);
        lie.world.send(lie.convict(), &[&lie.challenger]);
        assert_eq!(lie.world.balance(&lie.consumer.tokens), before, "{consumer}");
        assert_eq!(lie.world.escrow(&lie.consumer.escrow).free.get(), 1_000 * IO);
        let conviction = lie.world.conviction(&lie.job);
        assert_eq!((conviction.reward.get(), conviction.burned.get()), (3 * IO, 7 * IO), "{consumer}");
    }
}

#[test]
fn the_worker_cannot_challenge_itself() {
    let mut lie = Lie::new();
    let (worker, spare) = (lie.worker.clone(), key("spare"));
    let rotate = market::stake::rotate_device_key(&worker.wallet(), &worker.device, &spare.pubkey());
    lie.world.send(rotate, &[&worker.owner, &spare]);
    let bytes = lie.run.element(LIE.0, 0, LIE.1 as u32);
    for own in [&worker.owner, &worker.key, &spare] {
        lie.world.give_sol(&own.pubkey(), 1_000_000_000);
        let evidence = lie.world.show(own, &lie.job, &bytes);
        let convict = lie.convict_by(&own.pubkey(), &evidence);
        lie.world.refuse(convict, &[own], JobsError::WorkerCannotChallenge);
    }
    // The consumer may challenge, and gets both parts.
    let consumer = lie.consumer.owner.clone();
    lie.evidence = lie.world.show(&consumer, &lie.job, &bytes);
    lie.world.send(lie.convict_by(&consumer.pubkey(), &lie.evidence), &[&consumer]);
    lie.world.wait(30);
    lie.tokens = lie.consumer.tokens;
    lie.world.send(lie.award(&consumer.pubkey()), &[&consumer]);
    assert_eq!(lie.world.balance(&lie.tokens), 1_000 * IO + 5 * IO);
}

/// A device names its payout wallet without that wallet's consent. So this must neither silence a challenger nor cost the consumer its
/// compensation.
#[test]
fn a_liars_payout_wallet_keeps_all_rights() {
    for silenced in ["challenger", "consumer"] {
        let mut lie = Lie::new();
        let wallet = match silenced {
            "challenger" => lie.challenger.pubkey(),
            _ => lie.consumer.wallet(),
        };
        let payout = market::stake::set_payout(&lie.worker.wallet(), &lie.worker.device, &wallet);
        lie.world.send(payout, &[&lie.worker.owner]);
        let before = lie.world.balance(&lie.consumer.tokens);
        lie.world.send(lie.convict(), &[&lie.challenger]);
        assert_eq!(lie.world.balance(&lie.consumer.tokens), before + 2 * IO, "{silenced}");
    }
}

#[test]
fn an_honest_result_is_not_convicted() {
    let mut lie = Lie::new();
    let honest = tiny_run(1, None);
    let job = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &honest, 10 * IO);
    for (unit, element) in [(0, 0), (3, 17), (9, 191)] {
        let evidence = lie.world.show(&lie.challenger, &job, &honest.element(unit, 0, element));
        let convict = substituted(&substituted(&lie.convict(), &lie.evidence, &evidence), &lie.job, &job);
        let convict = substituted(&convict, &market::job::conviction(&lie.job), &market::job::conviction(&job));
        lie.world.refuse(convict, &[&lie.challenger], JobsError::NotConvicted);
    }
    // Evidence against the liar's result is none against the honest one, though both are of the same inputs.
    let evidence = lie.world.show(&lie.challenger, &job, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    let convict = substituted(&substituted(&lie.convict(), &lie.evidence, &evidence), &lie.job, &job);
    let convict = substituted(&convict, &market::job::conviction(&lie.job), &market::job::conviction(&job));
    lie.world.refuse(convict, &[&lie.challenger], RefereeError::TraceMismatch);
    // Nor does an element that the liar got right convict the liar.
    let evidence = lie.world.show(&lie.challenger, &lie.job, &lie.run.element(LIE.0, 0, 18));
    let convict = lie.convict_by(&lie.challenger.pubkey(), &evidence);
    lie.world.refuse(convict, &[&lie.challenger], JobsError::NotConvicted);
}

#[test]
fn evidence_about_another_job_is_refused_even_when_it_would_convict() {
    let mut lie = Lie::new();
    let twin = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, 10 * IO);
    let evidence = lie.world.show(&lie.challenger, &twin, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    let convict = lie.convict_by(&lie.challenger.pubkey(), &evidence);
    lie.world.refuse(convict, &[&lie.challenger], JobsError::EvidenceMismatch);
}

#[test]
fn evidence_of_somebody_else_is_refused() {
    let mut lie = Lie::new();
    let thief = lie.world.wallet("thief");
    let convict = lie.convict_by(&thief.pubkey(), &lie.evidence);
    lie.world.refuse(convict, &[&thief], JobsError::NotChallenger);
}

#[test]
fn incomplete_evidence_is_refused() {
    let mut lie = Lie::new();
    let bytes = lie.run.element(LIE.0, 0, LIE.1 as u32);
    let late = lie.world.wallet("dave");
    let seal = lie.world.seal(&late, &lie.job, &bytes);
    lie.world.pass(0, 1);
    let piece = market::referee::write_evidence(&late.pubkey(), &seal, 0, bytes[..40].to_vec());
    lie.world.send(piece, &[&late]);
    let evidence = market::referee::evidence(&late.pubkey(), &seal);
    let convict = lie.convict_by(&late.pubkey(), &evidence);
    lie.world.refuse(convict, &[&late], RefereeError::Incomplete);
}

#[test]
fn fails_in_every_state_but_revealed() {
    let mut lie = Lie::new();
    let (worker, consumer) = (&lie.worker, &lie.consumer);
    let job = lie.world.open(consumer, 2, terms());
    let evidence = lie.world.show(&lie.challenger, &job, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    let convict = substituted(&substituted(&lie.convict(), &lie.evidence, &evidence), &lie.job, &job);
    let convict = substituted(&convict, &market::job::conviction(&lie.job), &market::job::conviction(&job));
    lie.world.refuse(convict.clone(), &[&lie.challenger], JobsError::AccountMismatch);
    lie.world.claim(worker, &job);
    lie.world.refuse(convict.clone(), &[&lie.challenger], JobsError::WrongStatus);
    lie.world.commit(worker, &job);
    lie.world.refuse(convict, &[&lie.challenger], JobsError::WrongStatus);

    let mut settled = lie.clone();
    settled.world.wait_for_deadline(&lie.job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(consumer, worker, &lie.job), &worker.tokens);
    settled.world.send(settle, &[&worker.owner]);
    settled.world.refuse(lie.convict(), &[&lie.challenger], Failure::GONE);

    lie.world.send(lie.convict(), &[&lie.challenger]);
    lie.world.refuse(lie.convict(), &[&lie.challenger], Failure::ALREADY_IN_USE);
}

#[test]
fn a_lie_is_convicted_until_it_is_paid() {
    let mut lie = Lie::new();
    lie.world.wait_for_deadline(&lie.job);
    lie.world.wait(86_400);
    lie.world.send(lie.convict(), &[&lie.challenger]);
}

#[test]
fn a_convicted_job_is_neither_paid_nor_ended_otherwise() {
    let mut lie = Lie::convicted();
    let (worker, consumer, job) = (lie.worker.clone(), lie.consumer.clone(), lie.job);
    let cranker = lie.world.wallet("cranker");
    let parties = ending(&consumer, &worker, &job);
    let by_worker = [
        lie.world.claiming(&worker, &job, 0),
        market::job::commit_result(&worker.key.pubkey(), &job, &worker.device, [1; 32]),
        market::job::reveal_result(&worker.key.pubkey(), &job, &worker.device, [1; 32], [1; 32], [1; 32]),
    ];
    let by_consumer = [
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
        market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 60),
    ];
    let by_anyone = [
        market::job::settle_job(&cranker.pubkey(), &parties, &worker.tokens),
        market::job::timeout_job(&cranker.pubkey(), &parties),
        market::job::expire_job(&cranker.pubkey(), &parties),
    ];
    for seconds in [0, 1_000_000] {
        lie.world.wait(seconds);
        for instruction in &by_worker {
            lie.world.refuse(instruction.clone(), &[&worker.key], JobsError::WrongStatus);
        }
        for instruction in &by_consumer {
            lie.world.refuse(instruction.clone(), &[&consumer.owner], JobsError::WrongStatus);
        }
        for instruction in &by_anyone {
            lie.world.refuse(instruction.clone(), &[&cranker], JobsError::WrongStatus);
        }
    }
}

#[test]
fn other_jobs_of_the_device_and_the_consumer_go_on() {
    let mut lie = Lie::new();
    let (worker, consumer) = (lie.worker.clone(), lie.consumer.clone());
    let other = lie.world.consumer("dave");
    let honest = tiny_run(2, None);
    let same = delivered(&mut lie.world, &consumer, &worker, 2, &honest, 20 * IO);
    let foreign = delivered(&mut lie.world, &other, &worker, 1, &honest, 30 * IO);
    let open = lie.world.open(&consumer, 3, terms());
    lie.world.send(lie.convict(), &[&lie.challenger]);
    let device = lie.world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (50 * IO, 2));
    assert_eq!(device.own_stake.get(), 990 * IO);

    for (consumer, job) in [(&consumer, same), (&other, foreign)] {
        lie.world.wait_for_deadline(&job);
        let settle = market::job::settle_job(&worker.wallet(), &ending(consumer, &worker, &job), &worker.tokens);
        lie.world.send(settle, &[&worker.owner]);
    }
    lie.world.claim(&worker, &open);
    let device = lie.world.device(&worker.device);
    assert_eq!(
        (device.locked_bond.get(), device.open_jobs.get(), device.jobs_done.get()),
        (10 * IO, 1, 2)
    );
    assert_eq!(device.clean_jobs.get(), 2);
    // The reward is still available, and only to the challenger.
    let cranker = lie.world.wallet("cranker");
    lie.world.send(lie.award(&cranker.pubkey()), &[&cranker]);
    assert_eq!(lie.world.balance(&lie.tokens), 3 * IO);
}

#[test]
fn two_lies_of_one_device_are_convicted_one_by_one() {
    let mut lie = Lie::new();
    let second = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, 10 * IO);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    let first = lie.clone();
    lie.evidence = lie.world.show(&lie.challenger, &second, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    lie.job = second;
    lie.world.send(lie.convict(), &[&lie.challenger]);
    let device = lie.world.device(&lie.worker.device);
    assert_eq!(
        (
            device.own_stake.get(),
            device.owed.get(),
            device.forfeited.get(),
            device.jobs_convicted.get()
        ),
        (980 * IO, 16 * IO, 0, 2)
    );
    lie.world.wait(30);
    let cranker = lie.world.wallet("cranker");
    for job in [first.job, second] {
        let award = market::job::award(&cranker.pubkey(), &job, &lie.world.conviction(&job), &lie.tokens);
        lie.world.send(award, &[&cranker]);
    }
    assert_eq!(lie.world.balance(&lie.tokens), 6 * IO);
}

#[test]
fn the_compensation_is_in_io_whatever_the_job_was_paid_in() {
    let mut world = World::new();
    let usd = world.mint("usd", 6);
    let mut lie = Lie::between(
        world,
        |world| world.worker("alice"),
        |world| {
            let consumer = world.consumer_in("bob", &usd);
            let io = world.io;
            world.give_tokens(&consumer.wallet(), &io, 0);
            consumer
        },
    );
    // The consumer's account in the escrow's mint is refused.
    let io = market::token_account(&lie.consumer.wallet(), &lie.world.io);
    let in_usd = substituted(&lie.convict(), &io, &lie.consumer.tokens);
    lie.world.refuse(in_usd, &[&lie.challenger], JobsError::WrongCompensationAccount);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    assert_eq!(lie.world.balance(&io), 2 * IO);
    let escrow = lie.world.escrow(&lie.consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get()), (1_000 * IO, 0));
}

#[test]
fn fails_with_an_account_of_somebody_else() {
    let mut lie = Lie::new();
    let (other, thief) = (lie.world.worker("dave"), lie.world.consumer("thief"));
    let convict = lie.convict();
    let refused: [(Instruction, Failure); 6] = [
        (
            substituted(&convict, &lie.consumer.escrow, &thief.escrow),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&convict, &lie.worker.device, &other.device),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&convict, &lie.worker.vault(), &other.vault()),
            InstructionError::InvalidSeeds.into(),
        ),
        (
            substituted(&convict, &lie.consumer.tokens, &thief.tokens),
            JobsError::WrongCompensationAccount.into(),
        ),
        (substituted(&convict, &lie.consumer.tokens, &lie.worker.vault()), Failure::DUPLICATE),
        (
            substituted(&convict, &market::job::conviction(&lie.job), &key("elsewhere").pubkey()),
            InstructionError::InvalidSeeds.into(),
        ),
    ];
    for (instruction, failure) in refused {
        lie.world.refuse(instruction, &[&lie.challenger], failure);
    }
}

#[test]
fn lamports_sent_ahead_do_not_block_a_conviction() {
    for lamports in [1, 10_000_000] {
        let mut lie = Lie::new();
        lie.world.give_sol(&market::job::conviction(&lie.job), lamports);
        lie.world.send(lie.convict(), &[&lie.challenger]);
        assert_eq!(lie.world.conviction(&lie.job).challenger, lie.challenger.pubkey());
    }
}

#[test]
fn pause_does_not_protect_a_liar() {
    let mut lie = Lie::new();
    let admin = lie.world.admin.clone();
    lie.world.send(market::job::set_paused(&admin.pubkey(), true), &[&admin]);
    lie.world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    lie.world.wait(30);
    lie.world.send(lie.award(&lie.challenger.pubkey()), &[&lie.challenger]);
}

#[test]
fn a_whole_stake_can_be_lost() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let parameters = Parameters {
        min_bond: 1,
        ..tests::PARAMETERS
    };
    world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    let mut lie = Lie::between(world, |world| world.worker("alice"), |world| world.consumer("bob"));
    let job = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, 990 * IO);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    lie.evidence = lie.world.show(&lie.challenger, &job, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    lie.job = job;
    lie.world.send(lie.convict(), &[&lie.challenger]);
    assert_eq!(lie.world.device(&lie.worker.device).own_stake.get(), 0);
}

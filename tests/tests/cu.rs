//! What every instruction costs: compute units against their budgets, and lamports by wallet.
//!
//! `BENCH_WRITE=1` writes `bench/cu.md`; otherwise the test fails above a budget, or when the committed table is off by more than 5 %.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market;
use chain::market::referee::PIECE;
use chain::market::{costake, govern, reward, slash};
use governance::Rules;
use jobs::JobTerms;
use protocol::ballot::MIN_AGE;
use protocol::demand::Item;
use protocol::merkle;
use protocol::ops::OpKind;
use protocol::permit;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run, honest};
use protocol::units::{IO, Moment};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use tests::{CLUSTER, Consumer, GPU, OFFER, RULES, Work, Worker, World, claim, ending, gpu_spec, key, terms, tiny_model};

const BUDGETS: &str = include_str!("../../bench/cu.toml");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/cu.md");

/// A job may bind this much SOL at most, at the rent of 6,960 lamports a byte that clusters started with; it has been falling since.
const JOB_RENT_LIMIT: u64 = 4_000_000;
const HIGHEST_RENT: u64 = 6_960;

/// The published parameters without audits, which have rows of their own.
const UNAUDITED: jobs::Parameters = jobs::Parameters {
    audit_jobs: 0,
    audit_floor_bps: 0,
    ..jobs::Parameters::PUBLISHED
};

struct Row {
    name: String,
    units: u64,
    /// Lamports that came (+) or went (−), by wallet, fees aside.
    flows: Vec<(&'static str, i64)>,
}

/// A job, its model, the bytes of evidence about it and where they are.
type Shown = (Address, Address, Vec<u8>, Address);

/// A world that writes down what each instruction costs.
struct Bench {
    world: World,
    wallets: Vec<(&'static str, Address)>,
    rows: Vec<Row>,
}

impl Bench {
    fn new(world: World) -> Self {
        let wallets = ["consumer", "supplier", "challenger", "cranker", "registrar", "admin", "payer"]
            .map(|name| (name, key(name).pubkey()))
            .into();
        let mut bench = Self {
            world,
            wallets,
            rows: Vec::new(),
        };
        bench.world.wallet("cranker");
        bench
    }

    fn measure(&mut self, name: &str, instruction: Instruction, signers: &[&Keypair]) {
        let before: Vec<u64> = self.wallets.iter().map(|(_, wallet)| self.world.lamports(wallet)).collect();
        let receipt = self.world.send(instruction, signers);
        let flows = self.wallets.iter().zip(before).filter_map(|((name, wallet), before)| {
            let fee = if *name == "payer" { receipt.fee } else { 0 };
            let flow = self.world.lamports(wallet) as i64 + fee as i64 - before as i64;
            (flow != 0).then_some((*name, flow))
        });
        let flows = flows.collect();
        self.rows.push(Row {
            name: name.to_owned(),
            units: receipt.units,
            flows,
        });
    }

    fn initialize(&mut self) {
        let (payer, admin) = (self.world.payer.clone(), self.world.admin.clone());
        let (payer, authority, io) = (payer.pubkey(), admin.pubkey(), self.world.io);
        self.measure(
            "staking initialize",
            market::stake::initialize(&payer, &authority, &io, staking::Parameters::PUBLISHED),
            &[&admin],
        );
        let initialize = market::job::initialize(
            &payer,
            &authority,
            &io,
            CLUSTER,
            &self.world.treasury.clone(),
            jobs::Parameters::PUBLISHED,
        );
        self.measure("jobs initialize", initialize, &[&admin]);
        let initialize = costake::initialize(&payer, &authority, &io, costaking::Parameters::PUBLISHED);
        self.measure("costaking initialize", initialize, &[&admin]);
    }

    fn staking_admin(&mut self) {
        let (payer, admin) = (self.world.payer.pubkey(), self.world.admin.clone());
        let authority = admin.pubkey();
        self.measure(
            "set_parameters",
            market::stake::set_parameters(&authority, staking::Parameters::PUBLISHED),
            &[&admin],
        );
        self.measure(
            "set_authorities",
            market::stake::set_authorities(&authority, &authority, &authority),
            &[&admin],
        );
        self.measure("set_paused", market::stake::set_paused(&authority, false), &[&admin]);
        self.measure(
            "add_gpu_model",
            market::stake::add_gpu_model(&payer, &authority, 9, gpu_spec("H100 80GB", 1_000, true)),
            &[&admin],
        );
        self.measure(
            "update_gpu_model",
            market::stake::update_gpu_model(&authority, 9, gpu_spec("H100 80GB", 1_100, true)),
            &[&admin],
        );
    }

    fn staking_supplier(&mut self) -> Worker {
        let (owner, hot, spare) = (
            self.world.wallet("supplier"),
            self.world.wallet("device"),
            self.world.wallet("spare key"),
        );
        let (wallet, io) = (owner.pubkey(), self.world.io);
        let tokens = self.world.give_tokens(&wallet, &io, 5_000 * IO);
        let device = market::stake::device(&hot.pubkey());
        self.measure(
            "register_device",
            market::stake::register_device(&wallet, &hot.pubkey(), &io, GPU, 1),
            &[&owner, &hot],
        );
        self.measure("stake", market::stake::stake(&wallet, &device, &tokens, 1_000 * IO), &[&owner]);
        self.measure(
            "withdraw_overflow",
            market::stake::withdraw_overflow(&wallet, &device, GPU, &tokens, IO),
            &[&owner],
        );
        self.measure("set_payout", market::stake::set_payout(&wallet, &device, &wallet), &[&owner]);
        self.measure(
            "rotate_device_key",
            market::stake::rotate_device_key(&wallet, &device, &spare.pubkey()),
            &[&owner, &spare],
        );
        self.world.wait(43_200);
        Worker {
            owner,
            key: spare,
            device,
            tokens,
        }
    }

    /// Two hours of rewards; every beacon calls the device.
    fn rewards(&mut self, worker: &Worker) {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.clone(), self.world.io);
        let (key, device) = (worker.key.clone(), worker.device);
        self.world.wait((3_600 - self.world.now().unix % 3_600) as u32);
        let genesis = self.world.hour();
        let rules = staking::RewardRules {
            call_bps: 10_000,
            ..tests::RULES
        };
        let start = reward::start(&payer, &admin.pubkey(), &io, genesis, rules, admin.pubkey());
        self.measure("start_emission", start, &[&admin]);
        self.measure(
            "set_reward_rules",
            reward::set_rules(&admin.pubkey(), rules, Some(admin.pubkey())),
            &[&admin],
        );
        self.measure("set_tier", reward::set_tier(&admin.pubkey(), &device, 4), &[&admin]);
        self.world.donate(&io, &reward::vault(), 1_000_000 * IO);
        let paid = genesis + 3_600;
        self.world.live(&[worker]);
        self.measure("open_block", reward::open_block(&payer, paid), &[]);
        self.measure("open_tally", reward::open_tally(&payer, paid, 0), &[]);
        for index in 0..12u8 {
            self.world.go_to_second(paid, 300 * i64::from(index) + 1);
            let record = reward::record_beacon(paid, index);
            if index == 11 {
                self.measure("record_beacon", record, &[]);
                self.measure("answer_call", self.world.answering(worker, paid, index), &[&key]);
            } else {
                self.world.send(record, &[]);
                self.world.answer_call(worker, paid, index);
            }
        }
        // The hour before was presence: its check-in comes first.
        self.world.go_to_second(paid, 3_599);
        self.world.check_in(worker, genesis);
        self.world.draw(paid);
        self.world.send(reward::settle(genesis, [0]), &[]);
        self.world.show_work(worker, paid);
        self.measure("check_in", self.world.checking_in(worker, paid), &[&key]);
        self.world.go_to_second(paid, 7_200);
        self.measure("settle_block", reward::settle(paid, [0]), &[]);
        self.measure("collect_reward", reward::collect(&device, paid, 0), &[]);
        let claim = reward::claim(&worker.wallet(), &device, &worker.tokens);
        self.measure("claim_rewards", claim, &[&worker.owner]);
        self.measure("close_tally", reward::close_tally(&payer, paid, 0), &[]);
        self.world.wait(7_200);
        self.world.send(reward::settle(paid + 3_600, [0]), &[]);
        self.measure("skip_hour", reward::skip(paid + 7_200), &[]);
        self.world.wait(7 * 86_400);
        self.measure("close_block", reward::close_block(&payer, paid), &[]);
    }

    /// An offer from its start to its end, with one co-staker, an hour shared and an owner that leaves.
    fn co_staking(&mut self) {
        let admin = self.world.admin.clone();
        let authority = admin.pubkey();
        let published = costaking::Parameters::PUBLISHED;
        self.measure("set_parameters", costake::set_parameters(&authority, published), &[&admin]);
        self.measure(
            "set_authorities",
            costake::set_authorities(&authority, &authority, &authority),
            &[&admin],
        );
        self.measure("set_paused", costake::set_paused(&authority, false), &[&admin]);
        let alice = self.world.worker("an owner");
        let carol = self.world.co_staker("a co-staker");
        self.wallets.push(("owner", alice.wallet()));
        self.wallets.push(("co-staker", carol.address()));
        self.world.wait((3_600 - self.world.now().unix % 3_600) as u32);
        // The hours nobody lived through.
        while self.world.books().emission.unwrap().next_hour.get() < self.world.hour() {
            let hour = self.world.books().emission.unwrap().next_hour.get();
            self.world.send(reward::skip(hour), &[]);
        }
        let (offer, wallet) = (costake::offer(&alice.device, 0), carol.wallet.clone());
        self.measure("create_offer", self.world.offering(&alice, 0, OFFER), &[&alice.owner]);
        self.measure("join_offer", self.world.joining(&carol, &offer, 0, 100 * IO), &[&wallet]);
        let stake = self.world.join(&carol, &offer, 1, 100 * IO);
        self.world.live(&[&alice]);
        let hour = self.world.live(&[&alice]);
        self.world.draw(hour);
        self.world.settle_and_collect(&[&alice], hour - 3_600);
        self.world.check_in(&alice, hour);
        self.world.go_to_second(hour, 7_200);
        self.world.send(reward::settle(hour, [0]), &[]);
        self.world.send(stake.leaving(0, 10 * IO), &[&wallet]);
        self.measure("distribute", costake::distribute(&alice.device, &offer, hour, 0), &[]);
        self.measure("settle_position", costake::settle_position(&offer, &stake.position), &[]);
        self.measure("settle_exit", costake::settle_exit(&offer, &stake.exit(0)), &[]);
        self.measure("claim_position", stake.claiming(), &[&wallet]);
        self.measure("request_exit", stake.leaving(1, 90 * IO), &[&wallet]);
        self.world.wait(7 * 86_400);
        self.world.send(stake.cooling(0), &[]);
        self.measure("cool_exit", stake.cooling(1), &[]);
        self.world.wait(14 * 86_400);
        self.measure("withdraw_exit", stake.withdrawing(0), &[&wallet]);
        self.world.send(stake.withdrawing(1), &[&wallet]);
        let close = stake.closing_by(&carol.address());
        self.measure("close_position", close, &[&wallet]);
        let (owner, device) = (alice.wallet(), alice.device);
        self.measure("retract_offer", costake::retract(&owner, &device, &offer), &[&alice.owner]);
        self.world.send(market::stake::unstake(&owner, &device), &[&alice.owner]);
        self.measure("force_exit", costake::force(&device, &offer), &[]);
        self.measure("end_offer", costake::end(&owner, &device, &offer), &[&alice.owner]);
        let first = tests::Stake {
            position: costake::position(&offer, &carol.address(), 0),
            ..stake
        };
        self.world.send(first.leaving(0, 100 * IO), &[&wallet]);
        self.world.wait(14 * 86_400);
        self.world.send(first.withdrawing(0), &[&wallet]);
        let close = first.closing_by(&carol.address());
        self.world.send(close, &[&wallet]);
        self.measure("close_offer", costake::close(&owner, &offer, &alice.tokens), &[]);
    }

    /// A proposal that is executed, one that is taken back, and the guardian.
    fn governing(&mut self) {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.clone(), self.world.io);
        let mut fresh = Self::new(self.world.clone());
        fresh.world.start_emission(RULES, 1_000_000 * IO);
        let (guardian, until) = (key("guardian").pubkey(), fresh.world.now().unix);
        let initialize = govern::initialize(&payer, &admin.pubkey(), &io, Rules::PUBLISHED, guardian, until);
        fresh.measure("initialize", initialize, &[&admin]);
        self.rows.extend(fresh.take());

        let (alice, bob) = (self.world.worker("a voter"), self.world.worker("another voter"));
        let carol = self.world.co_staker("a co-staker");
        let offer = self.world.offer(&alice, OFFER);
        let stake = self.world.join(&carol, &offer, 0, 100 * IO);
        let guardian = self.world.govern();
        let proposer = self.world.proposer("proposer");
        self.wallets = vec![
            ("proposer", proposer.address()),
            ("voter", alice.wallet()),
            ("co-staker", carol.address()),
        ];
        self.world.wait(3_600 + MIN_AGE);
        let (who, signer) = (proposer.address(), proposer.wallet.clone());
        let proposal = govern::proposal(&who, 0);
        let parameters = market::job::set_parameters(&govern::authority(), jobs::Parameters::PUBLISHED);
        self.measure(
            "create_proposal",
            govern::create(&who, 0, tests::title("a proposal"), [7; 32]),
            &[&signer],
        );
        let parts = govern::include(&who, &proposal, 0, &parameters).expect("it is short");
        let [open, write] = <[Instruction; 2]>::try_from(parts).expect("it fits one piece");
        self.measure("open_payload", open, &[&signer]);
        self.measure("write_payload (set_parameters of jobs)", write, &[&signer]);
        self.world.wait(1);
        self.measure("submit_proposal", govern::submit(&who, &proposal, &io), &[&signer]);

        let wallet = alice.wallet();
        let vote = govern::vote_stake(&wallet, (&proposal, 0), &alice.device, None, 0);
        self.measure("vote_stake", vote, &[&alice.owner]);
        let position = [&alice.device, &offer, &stake.position];
        let vote = govern::vote_co_stake(&carol.address(), (&proposal, 0), position, None, 0);
        self.measure("vote_co_stake", vote, &[&carol.wallet]);
        let change = govern::change_vote(&wallet, (&proposal, 0), &alice.device, None, 2);
        self.measure("change_vote", change, &[&alice.owner]);
        let close = govern::close_ballot(&wallet, &proposal, &alice.device, &wallet, None);
        self.measure("close_ballot", close, &[&alice.owner]);
        let representative = bob.wallet();
        self.measure("set_delegate", govern::set_delegate(&wallet, representative), &[&alice.owner]);
        let vote = govern::vote_stake(&representative, (&proposal, 0), &alice.device, Some(&wallet), 0);
        self.measure("vote_stake (by a representative)", vote, &[&bob.owner]);
        self.measure("clear_delegate", govern::clear_delegate(&wallet), &[&alice.owner]);
        self.world.go_to_time(self.world.proposal(&proposal).voting_ends.get());
        self.measure("advance_proposal", govern::advance(&proposal), &[]);
        self.world.go_to_time(self.world.proposal(&proposal).eta.get());
        let execute = govern::execute(&proposal, 0, &parameters);
        self.measure("execute_instruction (set_parameters of jobs)", execute, &[]);
        self.measure("release_deposit", govern::release_deposit(&proposal, &who, &io), &[]);
        self.measure("close_payload", govern::close_payload(&proposal, &who, 0), &[]);
        for (source, payer) in [(&alice.device, &representative), (&stake.position, &carol.address())] {
            let anyone = self.world.payer.pubkey();
            self.world.send(govern::close_ballot(&anyone, &proposal, source, payer, None), &[]);
        }
        self.measure("close_proposal", govern::close(&proposal, &who), &[]);

        let other = self.world.draft(&proposer, &[]);
        self.measure("cancel_proposal", govern::cancel(&who, &other), &[&signer]);
        self.measure("pause", govern::pause(&guardian.pubkey(), jobs::ID), &[&guardian]);
        let until = self.world.now().unix;
        let (buffer, code) = (key("buffer").pubkey(), self.world.code(governance::ID));
        self.world.write_buffer(buffer, govern::authority(), &code);
        let hash = solana_sha256_hasher::hash(&code).to_bytes();
        for (name, what) in [
            (
                "upgrade_program (executed, governance)",
                govern::upgrade(&governance::ID, &buffer, hash),
            ),
            ("set_rules (executed)", govern::set_rules(Rules::PUBLISHED)),
            ("set_guardian (executed)", govern::set_guardian(guardian.pubkey(), until)),
        ] {
            let proposal = self.world.propose(&proposer, std::slice::from_ref(&what));
            self.world.vote(&alice, &proposal, 0);
            self.world.vote(&bob, &proposal, 0);
            self.world.count_votes(&proposal);
            self.world.go_to_time(self.world.proposal(&proposal).eta.get());
            self.measure(name, govern::execute(&proposal, 0, &what), &[]);
            // For the next one.
            self.world.send(govern::release_deposit(&proposal, &who, &io), &[]);
        }
    }

    /// A slash that is overturned, and one that stands and reaches into a bond.
    fn slashes(&mut self, worker: &Worker) {
        let (admin, device) = (self.world.admin.clone(), worker.device);
        let (proposer, approver) = (self.world.wallet("a proposer"), self.world.wallet("an approver"));
        let (first, second, authority) = (proposer.pubkey(), approver.pubkey(), admin.pubkey());
        self.measure("set_judges", slash::set_judges(&authority, &first, &second), &[&admin]);
        let propose = |number| slash::propose(&first, &device, number, 0, 100, [1; 32]);
        self.measure("propose_slash", propose(1), &[&proposer]);
        self.measure("approve_slash", slash::approve(&second, &device, 1, 100, [1; 32]), &[&approver]);
        self.measure(
            "appeal_slash",
            slash::appeal(&worker.wallet(), &device, 1, [2; 32]),
            &[&worker.owner],
        );
        self.measure("overturn_slash", slash::overturn(&authority, &first, &device, 1), &[&admin]);
        self.world.send(propose(2), &[&proposer]);
        self.measure("drop_slash", slash::withdraw(&first, &first, &device, 2), &[&proposer]);
        let stake = market::stake::stake(&worker.wallet(), &device, &worker.tokens, 1_000 * IO);
        self.world.send(stake, &[&worker.owner]);
        let consumer = self.world.consumer("a consumer");
        let bond = self.world.device(&device).own_stake.get() - IO;
        let job = self.world.open(&consumer, 1, JobTerms { bond, ..terms() });
        self.world.claim(worker, &job);
        self.world.send(propose(3), &[&proposer]);
        self.world.send(slash::approve(&second, &device, 3, 100, [1; 32]), &[&approver]);
        self.world.wait_for_deadline(&job);
        let (cranker, ending) = (key("cranker"), ending(&consumer, worker, &job));
        let timeout = market::job::timeout_job(&cranker.pubkey(), &ending);
        self.world.send(timeout, &[&cranker]);
        self.measure("collect_due", slash::collect(&device, 3), &[]);
        self.world.wait(30 * 86_400);
        self.measure("finish_slash", slash::finish(&first, &device, 3), &[]);
    }

    fn staking_exit(&mut self, worker: &Worker) {
        let (wallet, device, owner) = (worker.wallet(), worker.device, &worker.owner);
        self.measure(
            "burn_forfeited",
            market::stake::burn_forfeited(&device, &self.world.io.clone()),
            &[],
        );
        self.measure("unstake", market::stake::unstake(&wallet, &device), &[owner]);
        self.world.wait(14 * 86_400);
        self.measure("withdraw", market::stake::withdraw(&wallet, &device, &worker.tokens), &[owner]);
        self.measure("terminate_device", market::stake::terminate_device(&wallet, &device), &[owner]);
        self.measure(
            "close_device",
            market::stake::close_device(&wallet, &device, &worker.tokens),
            &[owner],
        );
    }

    fn jobs_admin(&mut self) {
        let (admin, treasury) = (self.world.admin.clone(), self.world.treasury);
        let authority = admin.pubkey();
        self.measure("set_parameters", market::job::set_parameters(&authority, UNAUDITED), &[&admin]);
        self.measure(
            "set_authorities",
            market::job::set_authorities(&authority, &authority, &authority, &treasury),
            &[&admin],
        );
        self.measure("set_paused", market::job::set_paused(&authority, false), &[&admin]);
    }

    fn registrar(&mut self) {
        let (input, op, hash) = tiny_model();
        let registrar = self.world.wallet("registrar");
        let wallet = registrar.pubkey();
        self.measure("create_draft", market::job::create_draft(&wallet, hash, 1, &[input]), &[&registrar]);
        self.measure(
            "append_ops (one op)",
            market::job::append_ops(&wallet, &hash, vec![op.to_bytes()]),
            &[&registrar],
        );
        self.measure("seal_model", market::job::seal_model(&wallet, &hash, 1), &[&registrar]);
        self.world
            .send(market::job::create_draft(&wallet, [7; 32], 1, &[input]), &[&registrar]);
        self.measure("discard_draft", market::job::discard_draft(&wallet, &[7; 32]), &[&registrar]);
        self.world.model = market::job::model(&hash);
    }

    fn consumer(&mut self) -> Consumer {
        let owner = self.world.wallet("consumer");
        let (wallet, mint) = (owner.pubkey(), self.world.io);
        let tokens = self.world.give_tokens(&wallet, &mint, 5_000 * IO);
        let escrow = market::job::escrow(&wallet, &mint);
        self.measure("open_escrow", market::job::open_escrow(&wallet, &mint), &[&owner]);
        self.measure("deposit", market::job::deposit(&wallet, &escrow, &tokens, 1_000 * IO), &[&owner]);
        self.measure("withdraw", market::job::withdraw(&wallet, &escrow, &tokens, IO), &[&owner]);
        Consumer {
            owner,
            mint,
            escrow,
            tokens,
        }
    }

    fn paid_job(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let (owner, hot, job) = (&consumer.owner, worker.key.clone(), consumer.job(1));
        let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &self.world.model, 1, terms());
        self.measure("open_job", open, &[owner]);
        let extend = market::job::extend_job(&consumer.wallet(), &consumer.escrow, &job, 60);
        self.measure("extend_job", extend, &[owner]);
        self.world.open_doors();
        self.measure("claim_job", self.world.claiming(worker, &job, 0), &[&hot]);
        let Work { traces, outputs, nonce } = Work::SAMPLE;
        let commitment = Work::SAMPLE.commitment(&self.world.job(&job).job_hash, &worker.device);
        self.measure(
            "commit_result",
            market::job::commit_result(&hot.pubkey(), &job, &worker.device, commitment),
            &[&hot],
        );
        let reveal = market::job::reveal_result(&hot.pubkey(), &job, &worker.device, traces, outputs, nonce);
        self.measure("reveal_result", reveal, &[&hot]);
        self.world.wait_for_deadline(&job);
        let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, worker, &job), &worker.tokens);
        self.measure("settle_job", settle, &[cranker]);
        let treasury = self.world.give_tokens(&self.world.treasury.clone(), &consumer.mint, 0);
        self.measure(
            "sweep_fees",
            market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury),
            &[],
        );
    }

    fn unpaid_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let job = self.world.open(consumer, 2, terms());
        self.measure(
            "cancel_job",
            market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
            &[&consumer.owner],
        );
        let job = self.world.open(consumer, 3, terms());
        self.world.wait_for_deadline(&job);
        self.measure(
            "expire_job",
            market::job::expire_job(&cranker.pubkey(), &ending(consumer, worker, &job)),
            &[cranker],
        );
        let job = self.world.open(consumer, 4, terms());
        self.world.claim(worker, &job);
        self.world.wait_for_deadline(&job);
        self.measure(
            "timeout_job",
            market::job::timeout_job(&cranker.pubkey(), &ending(consumer, worker, &job)),
            &[cranker],
        );
    }

    /// Opens a job on a run's model, has it answered with that run, and puts evidence on chain that an element of its last op is wrong.
    fn lie(&mut self, (consumer, worker): (&Consumer, &Worker), id: u64, (run, element): (&Run, u32), challenger: &Keypair) -> Shown {
        let job = self.world.run_job(consumer, worker, id, run);
        let model = self.world.job(&job).model;
        let bytes = run.element(0, run.graph.ops.len() - 1, element);
        let evidence = self.world.show(challenger, &job, &bytes);
        (job, model, bytes, evidence)
    }

    fn convicted_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let challenger = self.world.wallet("challenger");
        let (wallet, device) = (challenger.pubkey(), worker.device);
        let tokens = self.world.give_tokens(&wallet, &consumer.mint, 0);
        let convict = |(job, model, _, evidence): &Shown, by: &Address| {
            market::job::convict(by, job, model, &consumer.escrow, &device, evidence, &consumer.tokens)
        };
        let parties = (consumer, worker);
        let small = self.lie(parties, 5, (&false_product(4_096), 0), &challenger);
        self.measure("convict (K = 4,096)", convict(&small, &wallet), &[&challenger]);
        // Its window spans nine chunks of the input.
        let window = self.lie(parties, 10, (&false_convolution(), 204_751), &challenger);
        self.measure("convict (3×3 of 455, K = 4,095)", convict(&window, &wallet), &[&challenger]);
        let large = self.lie(parties, 6, (&false_product(16_384), 0), &challenger);
        // A rival seals later and convicts first.
        let rival = self.world.wallet("rival");
        let evidence = self.world.show(&rival, &large.0, &large.2);
        let later = (large.0, large.1, Vec::new(), evidence);
        self.measure("convict (K = 16,384)", convict(&later, &rival.pubkey()), &[&rival]);
        let overtake = market::job::overtake(&wallet, &large.0, &large.1, &device, &large.3);
        self.measure("overtake (K = 16,384)", overtake, &[&challenger]);
        self.world.wait(30);
        let award = |world: &World, job| market::job::award(&cranker.pubkey(), job, &world.conviction(job), &tokens);
        self.measure("award", award(&self.world, &small.0), &[cranker]);
        self.world.send(award(&self.world, &window.0), &[cranker]);
        self.world.send(award(&self.world, &large.0), &[cranker]);
    }

    /// Two errors by permit: one is found, one is confessed.
    fn forced_errors(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.clone(), self.world.io);
        let purse = self.world.give_tokens(&admin.pubkey(), &io, 2 * IO);
        let (device, secret) = (worker.device, [9; 32]);
        let seal = permit::seal(device.as_array(), &secret);
        let issue = market::permit::issue(&payer, &admin.pubkey(), &device, &io, &purse, seal, 10_000, IO);
        let close = market::permit::close(&admin.pubkey(), &payer, &device, &purse);
        let challenger = key("challenger");
        for (id, found) in [(50, true), (51, false)] {
            if found {
                self.measure("issue_permit", issue.clone(), &[&admin]);
            } else {
                self.world.send(issue.clone(), &[&admin]);
            }
            let run = tests::tiny_run(1, Some((3, 17)));
            let inputs = run.claim.inputs;
            let job = self.world.open(consumer, id, JobTerms { inputs, ..terms() });
            let work = Work {
                nonce: permit::nonce(&secret, &self.world.job(&job).job_hash),
                ..Work::of(&run)
            };
            self.world.claim(worker, &job);
            self.world.commit_to(worker, &job, work);
            self.world.send(tests::revealing(worker, &job, work), &[&worker.key]);
            if found {
                let evidence = self.world.show(&challenger, &job, &run.element(3, 0, 17));
                let model = self.world.job(&job).model;
                let escrow = consumer.escrow;
                let convict = market::job::convict(&challenger.pubkey(), &job, &model, &escrow, &device, &evidence, &consumer.tokens);
                self.world.send(convict, &[&challenger]);
                self.measure("open_permit", market::permit::open(&job, &device, secret), &[]);
                self.world.wait(30);
                let tokens = market::token_account(&challenger.pubkey(), &io);
                let award = market::job::award(&cranker.pubkey(), &job, &self.world.conviction(&job), &tokens);
                self.world.send(award, &[cranker]);
            } else {
                self.world.wait(150);
                let confess = market::permit::confess(&cranker.pubkey(), &ending(consumer, worker, &job), secret);
                self.measure("confess", confess, &[cranker]);
            }
            if found {
                self.measure("close_permit", close.clone(), &[&admin]);
            } else {
                self.world.send(close.clone(), &[&admin]);
            }
        }
    }

    /// A result that is audited, from the draw to the payment of its auditor; and one whose auditor never comes, or comes and is late.
    fn audited_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let admin = self.world.admin.clone();
        let all = jobs::Parameters {
            audit_floor_bps: 10_000,
            // Three bonds at a time.
            watch_bps: 10_000,
            ..UNAUDITED
        };
        self.world.send(market::job::set_parameters(&admin.pubkey(), all), &[&admin]);
        let auditor = self.world.worker("an auditor");
        let hot = auditor.key.clone();
        self.world.give_sol(&hot.pubkey(), 1_000_000_000);
        self.wallets.push(("auditor", hot.pubkey()));
        let run = tables();
        let model = self.world.register(&run.graph);
        let terms = JobTerms {
            inputs: run.claim.inputs,
            units: run.claim.units,
            ..terms()
        };
        let jobs: Vec<Address> = (40..43).map(|id| consumer.job(id)).collect();
        for (id, job) in (40..).zip(&jobs) {
            let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &model, id, terms);
            self.world.send(open, &[&consumer.owner]);
            self.world.claim(worker, job);
            self.world.commit_to(worker, job, Work::of(&run));
        }
        self.world.pass(4, 9);
        let [proven, skipped, late] = jobs[..] else { panic!("three") };
        self.measure("draw_audit", market::audit::draw(&proven), &[]);
        self.world.send(market::audit::draw(&skipped), &[]);
        self.world.send(market::audit::draw(&late), &[]);
        self.world.open_doors();
        let claim = |world: &World, job: &Address| market::audit::claim(&hot.pubkey(), job, &world.job(job), &auditor.device, GPU);
        self.measure("claim_audit", claim(&self.world, &proven), &[&hot]);
        self.world.send(claim(&self.world, &late), &[&hot]);
        let (job_hash, party) = (self.world.job(&proven).job_hash, auditor.device.as_array());
        let custody = run.custody(party, &job_hash);
        let roots: Vec<_> = custody.iter().map(|unit| unit.root()).collect();
        let commitment = Work::of(&run).commitment(&job_hash, &auditor.device);
        let commit = market::audit::commit(&hot.pubkey(), &proven, &auditor.device, commitment, merkle::root(&roots));
        self.measure("commit_audit", commit, &[&hot]);
        let Work { traces, outputs, nonce } = Work::of(&run);
        self.world.send(tests::revealing(worker, &proven, Work::of(&run)), &[&worker.key]);
        let reveal = market::audit::reveal(&hot.pubkey(), &proven, &auditor.device, traces, outputs, nonce);
        self.measure("reveal_audit", reveal, &[&hot]);
        let seed = tests::slot_hash(self.world.now().slot + 1).to_bytes();
        self.world.pass(0, 1);
        let proof = run.custody_proof(&custody, party, &seed);
        let shown = self.world.show(&hot, &market::audit::address(&proven), &proof);
        self.measure("prove_custody", market::audit::prove(&proven, &model, &shown), &[]);
        self.world.wait(300);
        self.measure("skip_audit", market::audit::skip(&skipped), &[]);
        let timeout = market::audit::timeout(&self.world.audit_of(&late));
        self.measure("timeout_audit", timeout, &[]);
        for job in [&skipped, &late] {
            self.world.send(tests::revealing(worker, job, Work::of(&run)), &[&worker.key]);
        }
        let settle = market::job::settle_audited(
            &cranker.pubkey(),
            &ending(consumer, worker, &proven),
            &worker.tokens,
            Some(auditor.tokens),
        );
        self.measure("settle_job (audited)", settle, &[cranker]);
        let close = market::audit::close(&self.world.audit_of(&proven));
        self.measure("close_audit", close, &[]);
        self.world.wait(300);
        for job in [&skipped, &late] {
            let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, worker, job), &worker.tokens);
            self.world.send(settle, &[cranker]);
        }
        let treasury = market::token_account(&self.world.treasury, &consumer.mint);
        self.world
            .send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
        self.world.send(market::job::set_parameters(&admin.pubkey(), UNAUDITED), &[&admin]);
    }

    /// Two replicas, from the claim to the payment.
    fn replicated_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let other = self.world.worker("another supplier");
        let terms = JobTerms { replicas: 2, ..terms() };
        let jobs = self.world.open_replicas(consumer, 20, terms);
        self.world.open_doors();
        let first = self.world.claiming_replica(worker, &jobs, 0);
        self.measure("claim_job (one of two)", first, &[&worker.key]);
        let second = self.world.claiming_replica(&other, &jobs, 1);
        self.measure("claim_job (the other)", second, &[&other.key]);
        let both = [(worker, jobs[0]), (&other, jobs[1])];
        for (worker, job) in both {
            self.world.commit(worker, &job);
        }
        self.measure("call_reveals", market::job::call_reveals(&self.world.living(&jobs)), &[]);
        for (worker, job) in both {
            self.world.reveal(worker, &job);
        }
        self.measure("agree_replicas", market::job::agree_replicas(&self.world.living(&jobs)), &[]);
        for (worker, job) in both {
            let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, worker, &job), &worker.tokens);
            self.world.send(settle, &[cranker]);
        }
        let treasury = market::token_account(&self.world.treasury, &consumer.mint);
        self.world
            .send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
    }

    /// What is demanded of a worker, what it answers, and what silence costs it.
    fn demanded_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let challenger = self.world.wallet("challenger");
        let (wallet, hot) = (challenger.pubkey(), worker.key.clone());
        let tokens = self.world.give_tokens(&wallet, &consumer.mint, 0);
        // Where every second op is a checkpoint there are two trees to grow.
        let (some, item) = (tables().every(2), Item::ops(0));
        let another = self.world.run_job(consumer, worker, 9, &some);
        let open = self.world.asking(&challenger, &another, item);
        self.measure("open_demand (ops, of checkpoints)", open, &[&challenger]);
        let answers = tests::answers(worker, &another, &some, item);
        self.measure("answer_ops (first, of checkpoints)", answers[0].clone(), &[&hot]);
        self.measure("answer_ops (last, of checkpoints)", answers[1].clone(), &[&hot]);
        self.world.wait_for_deadline(&another);
        let settle = market::job::settle_job(&cranker.pubkey(), &ending(consumer, worker, &another), &worker.tokens);
        self.world.send(settle, &[cranker]);
        let treasury = self.world.give_tokens(&self.world.treasury.clone(), &consumer.mint, 0);
        self.world
            .send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
        let run = tables();
        let job = self.world.run_job(consumer, worker, 7, &run);
        for (name, of, item) in [
            ("traces", "units", Item::traces(0)),
            ("ops", "ops", Item::ops(0)),
            ("page", "page", Item::page(0, 0, 0)),
            ("chunk", "chunk", Item::chunk(0, 0, 0)),
        ] {
            let open = self.world.asking(&challenger, &job, item);
            self.measure(&format!("open_demand ({name})"), open, &[&challenger]);
            let answers = tests::answers(worker, &job, &run, item);
            let [first, .., last] = &answers[..] else {
                panic!("{name} are several pieces")
            };
            self.measure(&format!("answer_{of} (first)"), first.clone(), &[&hot]);
            for answer in &answers[1..answers.len() - 1] {
                self.world.send(answer.clone(), &[&hot]);
            }
            self.measure(&format!("answer_{of} (last)"), last.clone(), &[&hot]);
        }
        let silent = Item::outputs(0);
        let demand = self.world.ask(&challenger, &job, silent);
        self.world.wait(300);
        let silence = market::demand::convict_silence(&wallet, &job, &consumer.escrow, &worker.device, &demand, &consumer.tokens);
        self.measure("convict_silence", silence, &[&challenger]);
        self.measure("close_demand", market::demand::close(&wallet, &job, &demand), &[]);
        self.world.wait(30);
        let award = market::job::award(&cranker.pubkey(), &job, &self.world.conviction(&job), &tokens);
        self.world.send(award, &[cranker]);
    }

    /// What a challenger sends before a conviction, and the verdict alone, for an element of 4,096 products.
    fn referee(&mut self) {
        let challenger = self.world.wallet("challenger");
        let (wallet, subject) = (challenger.pubkey(), key("a job").pubkey());
        let run = false_product(4_096);
        let bytes = run.element(0, 0, 0);
        let seal = protocol::referee::seal(&bytes, wallet.as_array(), subject.as_array());
        let sealing = market::referee::seal_evidence(&wallet, &subject, seal, bytes.len() as u32);
        self.measure("seal_evidence", sealing, &[&challenger]);
        self.world.pass(0, 1);
        let piece = market::referee::write_evidence(&wallet, &seal, 0, bytes[..PIECE].to_vec());
        self.measure("write_evidence (one piece)", piece, &[&challenger]);
        self.world.write(&challenger, &seal, PIECE, &bytes);
        let evidence = market::referee::evidence(&wallet, &seal);
        self.measure("judge (K = 4,096)", market::referee::judge(&evidence, claim(&run.claim)), &[]);
        self.measure("close_evidence", market::referee::close_evidence(&wallet, &seal), &[&challenger]);
    }

    fn close_escrow(&mut self, consumer: &Consumer) {
        let rest = self.world.escrow(&consumer.escrow).free.get();
        let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, rest);
        self.world.send(withdraw, &[&consumer.owner]);
        let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
        self.measure("close_escrow", close, &[&consumer.owner]);
    }

    /// Moves the rows so far under a heading of their program.
    fn take(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }
}

/// One matrix product over `k` inputs, with one bit wrong.
fn false_product(k: u16) -> Run {
    const MATMUL: u64 = 1;
    let mut graph = Graph {
        inputs: vec![Shape::new(1, 1, k)],
        ..Graph::default()
    };
    assert!(graph.grow(MATMUL, &Rng::new(1)));
    Run::new(&graph, &Rng::new(2), 1, &|_, _, value| value[0] ^= 1)
}

/// Two units of 16 ops, the last a 3×3 convolution of 455 channels over another op's output. Every value is random, so every element is
/// wrong.
fn false_convolution() -> Run {
    let rng = &Rng::new(1);
    let mut graph = Graph {
        inputs: vec![Shape::new(32, 32, 455)],
        ..Graph::default()
    };
    for id in 0..15 {
        assert!(graph.push(OpKind::Table8 { table: [0; 32] }, &[id], 0, 1 << 24, rng));
    }
    let convolution = OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
        pad_value: 0,
        requantise: Requantise {
            shift: 20,
            zero_point: 0,
            lo: -128,
            hi: 127,
        },
    };
    assert!(graph.push(convolution, &[15], 455, 1 << 24, rng));
    let unit = |_| {
        graph
            .shapes()
            .iter()
            .map(|shape| Graph::bytes(rng, shape.elements().unwrap() as usize))
            .collect()
    };
    Run::of_values(&graph, (0..2).map(unit).collect())
}

/// 27 units of 27 ops of 27 chunks, computed honestly: a full piece of an answer and one more hash.
fn tables() -> Run {
    let mut graph = Graph {
        inputs: vec![Shape::new(27, 64, 16)],
        ..Graph::default()
    };
    for id in 0..27 {
        assert!(graph.push(OpKind::Table8 { table: [0; 32] }, &[id], 0, 1 << 24, &Rng::new(id.into())));
    }
    Run::new(&graph, &Rng::new(2), 27, &honest)
}

/// Runs every instruction of the programs once.
fn measure_all() -> [(&'static str, Vec<Row>); 5] {
    let mut bench = Bench::new(World::bare());
    bench.initialize();
    let mut first = bench.take();
    let mut co_staking = first.split_off(2);
    let jobs_first = first.split_off(1);
    first[0].name = "initialize".to_owned();
    co_staking[0].name = "initialize".to_owned();

    bench.staking_admin();
    tests::add_gpu_table(&mut bench.world);
    let worker = bench.staking_supplier();
    bench.rewards(&worker);
    let mut staking = first;
    staking.extend(bench.take());

    bench.co_staking();
    co_staking.extend(bench.take());

    bench.jobs_admin();
    bench.registrar();
    let (consumer, cranker) = (bench.consumer(), key("cranker"));
    bench.paid_job(&consumer, &worker, &cranker);
    bench.unpaid_jobs(&consumer, &worker, &cranker);
    bench.convicted_jobs(&consumer, &worker, &cranker);
    bench.forced_errors(&consumer, &worker, &cranker);
    bench.replicated_jobs(&consumer, &worker, &cranker);
    bench.audited_jobs(&consumer, &worker, &cranker);
    bench.demanded_jobs(&consumer, &worker, &cranker);
    bench.close_escrow(&consumer);
    let mut jobs = jobs_first;
    jobs[0].name = "initialize".to_owned();
    jobs.extend(bench.take());

    bench.slashes(&worker);
    bench.staking_exit(&worker);
    staking.extend(bench.take());
    bench.referee();
    let referee = bench.take();
    let mut governed = Bench::new(World::new());
    governed.governing();
    [
        ("staking", staking),
        ("costaking", co_staking),
        ("jobs", jobs),
        ("referee", referee),
        ("governance", governed.take()),
    ]
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn render(programs: &[(&str, Vec<Row>)], budgets: &BTreeMap<String, BTreeMap<String, u64>>) -> String {
    let mut text = String::from(
        "# What every instruction costs\n\n\
         Measured in LiteSVM on fixed keys by `tests/tests/cu.rs`, which fails above a budget (`cu.toml`) by more than 5 %, and when this table is \
         off by more than 5 %. Written by `cargo xtask bench cu`. Lamports are rent and bounty, by wallet; the fee of 5,000 a signature comes on \
         top. Deriving an address costs more or less by its keys, in steps of 1,500 compute units, where an account is created.\n",
    );
    for (program, rows) in programs {
        write!(
            text,
            "\n## {program}\n\n| instruction | compute units | budget | lamports |\n|---|--:|--:|---|\n"
        )
        .unwrap();
        for row in rows {
            let flows: Vec<String> = row
                .flows
                .iter()
                .map(|(wallet, flow)| {
                    let sign = if *flow < 0 { '−' } else { '+' };
                    format!("{wallet} {sign}{}", thousands(flow.unsigned_abs()))
                })
                .collect();
            let (units, budget) = (thousands(row.units), thousands(budget(&budgets[*program], &row.name)));
            writeln!(text, "| `{}` | {units} | {budget} | {} |", row.name, flows.join(", ")).unwrap();
        }
    }
    text
}

/// The budget of a row: its own, or its instruction's, which is its name without the remark.
fn budget(budgets: &BTreeMap<String, u64>, name: &str) -> u64 {
    let instruction = name.split(' ').next().unwrap();
    *budgets.get(name).unwrap_or_else(|| &budgets[instruction])
}

/// The compute units of a committed table, in order.
fn committed(text: &str) -> Vec<(String, u64)> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].replace(',', "").parse().unwrap())
    })
    .collect()
}

#[test]
fn every_instruction_keeps_its_budget_and_the_committed_table_is_true() {
    let budgets: BTreeMap<String, BTreeMap<String, u64>> = toml::from_str(BUDGETS).unwrap();
    let programs = measure_all();
    let text = render(&programs, &budgets);
    if std::env::var_os("BENCH_WRITE").is_some() {
        std::fs::write(TABLE, &text).unwrap();
    }
    for (program, rows) in &programs {
        for row in rows {
            let budget = budget(&budgets[*program], &row.name);
            assert!(
                row.units * 100 <= budget * 105,
                "{program} {}: {} CU, budget {budget}\n{text}",
                row.name,
                row.units
            );
        }
    }
    let table = std::fs::read_to_string(TABLE).expect("bench/cu.md is committed; cargo xtask bench cu writes it");
    let written = committed(&table);
    let measured: Vec<(String, u64)> = programs
        .iter()
        .flat_map(|(_, rows)| rows)
        .map(|row| (row.name.clone(), row.units))
        .collect();
    assert_eq!(
        written.len(),
        measured.len(),
        "bench/cu.md lists other instructions; run cargo xtask bench cu"
    );
    for ((name, was), (now_name, is)) in written.iter().zip(&measured) {
        assert_eq!(name, now_name, "bench/cu.md lists other instructions; run cargo xtask bench cu");
        assert!(
            was.abs_diff(*is) * 20 <= *was,
            "{name}: {is} CU, bench/cu.md says {was}; run cargo xtask bench cu"
        );
    }
}

#[test]
fn a_job_binds_little_sol_and_returns_it_when_it_ends() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("supplier"), world.consumer("consumer"));
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    let bound = before - world.lamports(&consumer.wallet());
    let bounty = u64::from(jobs::Parameters::PUBLISHED.bounty);
    assert_eq!(bound, world.rent(size_of::<jobs::Job>() + 8) + bounty);
    let bytes = size_of::<jobs::Job>() as u64 + 8 + 128;
    assert!(bytes * HIGHEST_RENT <= JOB_RENT_LIMIT, "{bytes} bytes");
    world.work(&worker, &job);
    let Moment { unix, slot } = world.deadline(&job);
    world.go_to(Moment { unix, slot });
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&consumer.owner]);
    assert_eq!(
        world.lamports(&consumer.wallet()),
        before,
        "a consumer who settles alone gets everything back"
    );
}

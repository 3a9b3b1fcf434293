//! Models, escrows, and jobs that end without a dispute.

use super::disputes::tables;
use crate::Bench;
use chain::market;
use jobs::JobTerms;
use protocol::units::IO;
use protocol::{merkle, permit};
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{Consumer, GPU, Work, Worker, World, ending, key, terms, tiny_model};

/// The published parameters, but without audits, which have rows of their own.
const UNAUDITED: jobs::Parameters = jobs::Parameters {
    audit_jobs: 0,
    audit_floor_bps: 0,
    ..jobs::Parameters::PUBLISHED
};

impl Bench {
    pub fn jobs_admin(&mut self) {
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

    pub fn registrar(&mut self) {
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

    pub fn consumer(&mut self) -> Consumer {
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

    pub fn paid_job(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
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

    pub fn unpaid_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
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

    /// Two errors by permit: one is found, one is confessed.
    pub fn forced_errors(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.clone(), self.world.io);
        let purse = self.world.give_tokens(&admin.pubkey(), &io, 2 * IO);
        let (device, secret) = (worker.device, [9; 32]);
        let seal = permit::seal(device.as_array(), &secret);
        let issue = market::permit::issue(&payer, &admin.pubkey(), &io, &purse, seal, 10_000, 100, IO);
        let close = market::permit::close(&admin.pubkey(), &payer, &market::permit::address(&seal), &purse);
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

    /// A result that is audited, from the draw to the payment of its auditor; one whose auditor never comes, and one whose auditor is late.
    pub fn audited_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
        let admin = self.world.admin.clone();
        let all = jobs::Parameters {
            audit_floor_bps: 10_000,
            // Low bonds, since the worker has three jobs at a time.
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
    pub fn replicated_jobs(&mut self, consumer: &Consumer, worker: &Worker, cranker: &Arc<Keypair>) {
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

    pub fn close_escrow(&mut self, consumer: &Consumer) {
        let rest = self.world.escrow(&consumer.escrow).free.get();
        let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, rest);
        self.world.send(withdraw, &[&consumer.owner]);
        let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
        self.measure("close_escrow", close, &[&consumer.owner]);
    }
}

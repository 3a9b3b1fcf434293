//! Devices, their stake, rewards and slashes.

use crate::Bench;
use chain::market;
use chain::market::{reward, slash};
use jobs::JobTerms;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{GPU, Worker, ending, gpu_spec, key, terms};

impl Bench {
    pub fn staking_admin(&mut self) {
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

    pub fn staking_supplier(&mut self) -> Worker {
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
    pub fn rewards(&mut self, worker: &Worker) {
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
        // The first hour is presence alone; its check-in comes first.
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

    /// A slash that is overturned, and one that becomes final and takes stake from a bond.
    pub fn slashes(&mut self, worker: &Worker) {
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

    pub fn staking_exit(&mut self, worker: &Worker) {
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
}

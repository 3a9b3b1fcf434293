//! Hours of rewards: opened, called, answered, checked in to, settled and collected, as workers and cranks do it.

use crate::failure::Failure;
use crate::parties::Worker;
use crate::world::World;
use chain::market::reward::Asked;
use chain::market::{self, costake, reward};
use protocol::emission::start_of;
use protocol::hash::Hash;
use protocol::testing::Work;
use protocol::work;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::RewardRules;
use staking::state::BLOCK_STAYS;

/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// Length in bytes of the evidence of the largest work.
pub const LARGEST_EVIDENCE: usize = 6_656;
/// Most compute units that a check-in with such evidence may take.
pub const LARGEST_CHECK_IN: u64 = 74_000;

/// The published rules, but about every second beacon calls a device, and a device is paid from its second hour on.
pub const RULES: RewardRules = RewardRules {
    min_uptime: 0,
    call_bps: 5_000,
    ..RewardRules::PUBLISHED
};

impl World {
    /// Starts the emission with the current hour and these funds, and the admin as verifier; returns the start of that hour.
    pub fn start_emission(&mut self, rules: RewardRules, funds: u64) -> i64 {
        let (payer, admin, io, genesis) = (self.payer.pubkey(), self.admin.clone(), self.io, self.hour());
        let start = reward::start(&payer, &admin.pubkey(), &io, genesis, rules, admin.pubkey());
        self.send(start, &[&admin]);
        self.donate(&io, &reward::vault(), funds);
        genesis
    }

    /// Start of the current hour.
    pub fn hour(&self) -> i64 {
        start_of(self.now().unix)
    }

    /// Moves the clocks to this many seconds after the start of `hour`.
    pub fn go_to_second(&mut self, hour: i64, seconds: i64) {
        let left = hour + seconds - self.now().unix;
        self.wait(u32::try_from(left).expect("time only moves forward"));
    }

    /// Opens the block of the current hour and its tallies; returns the start of the hour.
    pub fn open_hour(&mut self) -> i64 {
        let (payer, hour) = (self.payer.pubkey(), self.hour());
        self.send(reward::open_block(&payer, hour), &[]);
        for shard in 0..self.books().blocks[&hour].shards {
            self.send(reward::open_tally(&payer, hour, shard), &[]);
        }
        hour
    }

    /// Answers a beacon of the hour, if it calls the device.
    pub fn answer_call(&mut self, worker: &Worker, hour: i64, index: u8) {
        let calls = self.books().blocks[&hour].calls(&worker.device);
        if calls >> index & 1 == 1 {
            let answer = self.answering(worker, hour, index);
            self.send(answer, &[&worker.key]);
        }
    }

    /// The instruction that answers a beacon of the hour, with the work that it asks for.
    pub fn answering(&self, worker: &Worker, hour: i64, index: u8) -> Instruction {
        let (books, device) = (self.books(), self.device(&worker.device));
        let gpu = &books.gpu_models[&market::stake::gpu_model(device.gpu_model.get())];
        let asked = Asked::by(&books.blocks[&hour], gpu, &device, &worker.device, index);
        let root = asked.map(|asked| work::answer(&done(&asked).roots));
        reward::answer(&worker.key.pubkey(), &worker.device, hour, index, root)
    }

    /// Moves the clocks to a beacon of the current hour, records it, and answers for those of these devices that it calls.
    pub fn beacon(&mut self, workers: &[&Worker], hour: i64, index: u8) {
        self.go_to_second(hour, 300 * i64::from(index) + 1);
        self.send(reward::record_beacon(hour, index), &[]);
        for worker in workers {
            self.answer_call(worker, hour, index);
        }
    }

    /// Runs through the current hour, from its start to its end: records every beacon and answers every call of these devices. After five
    /// minutes it settles and collects the hour before the last, and checks in to the last. Returns the start of the hour.
    pub fn live(&mut self, workers: &[&Worker]) -> i64 {
        let hour = self.open_hour();
        for index in 0..12u8 {
            self.beacon(workers, hour, index);
            if index == 1 {
                self.settle_and_collect(workers, hour - 2 * HOUR);
                for worker in workers {
                    if self.books().blocks.contains_key(&(hour - HOUR)) {
                        self.check_in(worker, hour - HOUR);
                    }
                }
            }
        }
        self.go_to_second(hour, HOUR);
        hour
    }

    /// Settles an hour, if it has a block, and collects what these devices earned in it.
    pub fn settle_and_collect(&mut self, workers: &[&Worker], hour: i64) {
        let Some(block) = self.books().blocks.get(&hour).copied() else {
            return;
        };
        if !block.settled.get() {
            self.send(reward::settle(hour, 0..block.shards), &[]);
        }
        for worker in workers {
            let waits = self.device(&worker.device).pending().any(|(of, _, _)| i64::from(of) * HOUR == hour);
            let shared = self.live_offer(&worker.device);
            if let Some(offer) = shared.filter(|_| waits) {
                let shard = block.shard(&worker.device);
                self.send(costake::distribute(&worker.device, &offer, hour, shard), &[]);
            } else if waits {
                self.send(reward::collect(&worker.device, hour, block.shard(&worker.device)), &[]);
            }
        }
    }

    /// Closes the tallies of an hour whose rewards are all collected, if it has a block, and the block of a week before.
    pub fn close_hour(&mut self, hour: i64) {
        let payer = self.payer.pubkey();
        let (books, old) = (self.books(), hour - BLOCK_STAYS);
        let shards = books.blocks.get(&hour).map_or(0, |block| block.shards);
        let tallies = (0..shards).map(|shard| reward::close_tally(&payer, hour, shard));
        let block = books.blocks.contains_key(&old).then(|| reward::close_block(&payer, old));
        let all: Vec<_> = tallies.chain(block).collect();
        if !all.is_empty() {
            self.send_all(&all, &[]);
        }
    }

    /// A device's offer that has not ended, which shares its rewards.
    pub fn live_offer(&self, device: &Address) -> Option<Address> {
        let books = self.books();
        let mut offers = books
            .offers
            .iter()
            .filter(|(_, offer)| offer.device == *device && offer.status != costaking::Status::Ended);
        offers.next().map(|(address, _)| *address)
    }

    /// Shows a device's work of an hour and checks in.
    #[track_caller]
    pub fn check_in(&mut self, worker: &Worker, hour: i64) {
        let outcome = self.try_check_in(worker, hour);
        outcome.unwrap_or_else(|failure| panic!("must check in, but {failure}"));
    }

    /// The same, but the program may refuse; the rent of the evidence returns either way.
    #[track_caller]
    pub fn try_check_in(&mut self, worker: &Worker, hour: i64) -> Result<(), Failure> {
        let seal = self.show_work(worker, hour);
        let outcome = self.try_send(self.check_in_by(worker, hour, seal.as_ref()), &[&worker.key]);
        if let Some(seal) = seal {
            let closing = market::referee::close_evidence(&worker.key.pubkey(), &seal);
            self.send(closing, &[&worker.key]);
        }
        outcome.map(drop)
    }

    /// The instruction that checks a device in, with the evidence that [`World::show_work`] puts on chain.
    pub fn checking_in(&self, worker: &Worker, hour: i64) -> Instruction {
        let seal = self.evidence_of_work(worker, hour).map(|bytes| seal_of(worker, &bytes));
        self.check_in_by(worker, hour, seal.as_ref())
    }

    fn check_in_by(&self, worker: &Worker, hour: i64, seal: Option<&Hash>) -> Instruction {
        let key = worker.key.pubkey();
        let gpu = self.device(&worker.device).gpu_model.get();
        let evidence = seal.map(|seal| market::referee::evidence(&key, seal));
        reward::check_in(&key, &worker.device, gpu, hour, self.shard(&worker.device, hour), evidence)
    }

    /// Puts the evidence of a device's work in an hour on chain, if any is due; returns its seal.
    #[track_caller]
    pub fn show_work(&mut self, worker: &Worker, hour: i64) -> Option<Hash> {
        let evidence = self.evidence_of_work(worker, hour)?;
        self.show(&worker.key, &worker.device, &evidence);
        Some(seal_of(worker, &evidence))
    }

    /// The evidence of its work that a device must show for an hour; `None` if it has none to show, or before the draw.
    pub fn evidence_of_work(&self, worker: &Worker, hour: i64) -> Option<Vec<u8>> {
        let (books, device) = (self.books(), self.device(&worker.device));
        let (block, next) = (&books.blocks[&hour], books.blocks.get(&(hour + HOUR)));
        let gpu = &books.gpu_models[&market::stake::gpu_model(device.gpu_model.get())];
        let (asked, draw) = reward::drawn(block, next, gpu, &device, &worker.device, self.now().unix).ok()??;
        Some(done(&asked).show(&draw))
    }

    /// Begins the hour after `hour` and records the beacon that draws which work of `hour` is to be shown, so that devices can check in.
    pub fn draw(&mut self, hour: i64) {
        self.go_to_second(hour, HOUR);
        let next = self.open_hour();
        self.go_to_second(next, 301);
        self.send(reward::record_beacon(next, 1), &[]);
    }

    /// Shard of the tally that counts a device in an hour.
    pub fn shard(&self, device: &Address, hour: i64) -> u8 {
        self.books().blocks[&hour].shard(device)
    }
}

/// The seal of evidence of a device's work.
fn seal_of(worker: &Worker, evidence: &[u8]) -> Hash {
    protocol::referee::seal(evidence, worker.key.pubkey().as_array(), worker.device.as_array())
}

/// The work that is asked for, by the reference implementation.
fn done(asked: &Asked) -> Work {
    Work::new(asked.size, (0..asked.gpus).map(|gpu| asked.seed(gpu)))
}

//! Random actions of stakers while proposals are written, voted on, vetoed and executed. After each transaction the kit compares every
//! tally with its ballots; this test compares it with what was staked when the vote opened, and everything executed with what had passed.

use super::{DAY, House, change};
use chain::market::{costake, govern, stake};
use governance::Status;
use protocol::testing::Rng;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tests::{CoStaker, OFFER, Stake, Worker};

const STEPS: usize = 600;
const SEEDS: u64 = 3;

struct Life {
    house: House,
    rng: Rng,
    workers: Vec<Worker>,
    holders: Vec<CoStaker>,
    stakes: Vec<Stake>,
    representative: Arc<Keypair>,
    /// Total stake when each vote opened.
    staked: BTreeMap<Address, u64>,
    /// Proposals, their instructions, and how many of those were executed.
    proposals: Vec<(Address, Vec<Instruction>, usize)>,
    /// Names of the actions that succeeded at least once.
    seen: BTreeSet<&'static str>,
    ids: u32,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut house = House::new();
        let workers = vec![
            house.alice.clone(),
            house.bob.clone(),
            house.carol.clone(),
            house.world.newcomer("dave"),
        ];
        let holders = ["erin", "frank"].map(|name| house.world.co_staker(name)).to_vec();
        let representative = house.world.wallet("a representative");
        let io = house.world.io;
        house.world.give_tokens(&house.proposer.address(), &io, 3_000 * IO);
        Self {
            house,
            rng: Rng::new(seed),
            workers,
            holders,
            stakes: Vec::new(),
            representative,
            staked: BTreeMap::new(),
            proposals: Vec::new(),
            seen: BTreeSet::new(),
            ids: 0,
        }
    }

    fn pick(&self, count: usize) -> usize {
        self.rng.within(0, count as u64 - 1) as usize
    }

    /// Tries instructions that may fail; returns whether they succeeded.
    fn attempt(&mut self, what: &'static str, instruction: Instruction, signers: &[&Keypair]) -> bool {
        let done = self.house.world.attempt(&[instruction], signers).is_ok();
        if done {
            self.seen.insert(what);
        }
        done
    }

    fn all_stake(&self) -> u64 {
        let books = self.house.world.books();
        books
            .devices
            .values()
            .map(|device| device.own_stake.get() + device.co_stake.get())
            .sum()
    }

    fn move_stake(&mut self) {
        let worker = self.workers[self.pick(self.workers.len())].clone();
        let (owner, amount) = (worker.owner.clone(), self.rng.within(1, 600) * IO);
        let (wallet, device, tokens) = (worker.wallet(), worker.device, worker.tokens);
        match self.rng.within(0, 5) {
            0 | 1 => {
                let more = stake::stake(&wallet, &device, &tokens, amount);
                self.attempt("stake", more, &[&owner]);
            }
            2 => {
                let out = stake::withdraw_overflow(&wallet, &device, tests::GPU, &tokens, amount);
                self.attempt("overflow", out, &[&owner]);
            }
            3 if self.rng.within(0, 3) == 0 => {
                self.attempt("unstake", stake::unstake(&wallet, &device), &[&owner]);
            }
            4 => {
                self.attempt("withdraw", stake::withdraw(&wallet, &device, &tokens), &[&owner]);
            }
            _ => {
                // To an account from which somebody else may stake it next.
                let to = self.workers[self.pick(self.workers.len())].tokens;
                let token = spl_token_interface::ID;
                let send = spl_token_interface::instruction::transfer(&token, &tokens, &to, &wallet, &[], amount).unwrap();
                self.attempt("transfer", send, &[&owner]);
            }
        }
    }

    fn move_co_stake(&mut self) {
        let worker = self.workers[self.pick(self.workers.len())].clone();
        let offer = self.house.world.live_offer(&worker.device);
        match (offer, self.rng.within(0, 3)) {
            (None, _) => {
                let index = self
                    .house
                    .world
                    .books()
                    .offers
                    .values()
                    .filter(|offer| offer.device == worker.device)
                    .count() as u32;
                let create = self.house.world.offering(&worker, index, OFFER);
                self.attempt("offer", create, &[&worker.owner]);
            }
            (Some(offer), 0) => {
                let close = costake::retract(&worker.wallet(), &worker.device, &offer);
                self.attempt("retract", close, &[&worker.owner]);
                self.attempt("force", costake::force(&worker.device, &offer), &[]);
                let end = costake::end(&worker.wallet(), &worker.device, &offer);
                self.attempt("end", end, &[&worker.owner]);
            }
            (Some(offer), 1 | 2) => {
                let holder = self.holders[self.pick(self.holders.len())].clone();
                self.ids += 1;
                let join = self.house.world.joining(&holder, &offer, self.ids, self.rng.within(10, 60) * IO);
                if self.attempt("join", join, &[&holder.wallet]) {
                    let position = costake::position(&offer, &holder.address(), self.ids);
                    let device = worker.device;
                    self.stakes.push(Stake {
                        holder,
                        device,
                        offer,
                        position,
                    });
                }
            }
            _ => {
                let Some(stake) = self.stakes.get(self.rng.within(0, 9) as usize).cloned() else {
                    return;
                };
                let books = self.house.world.books();
                let Some(position) = books.positions.get(&stake.position) else {
                    return;
                };
                let leave = stake.leaving(position.exits.get(), position.shares.get());
                self.attempt("leave", leave, &[&stake.holder.wallet]);
            }
        }
    }

    fn vote(&mut self) {
        if self.proposals.is_empty() {
            return;
        }
        // Mostly the latest proposal.
        let back = self.pick(self.proposals.len().min(3));
        let index = self.proposals.len() - 1 - back;
        // All are this proposer's, so their positions are their numbers.
        let (proposal, index) = (self.proposals[index].0, index as u64);
        let choice = [0, 0, 0, 0, 0, 1, 2, 3][self.pick(8)];
        if self.rng.within(0, 2) == 0 && !self.stakes.is_empty() {
            let stake = self.stakes[self.pick(self.stakes.len())].clone();
            let (holder, source) = (stake.holder.address(), [&stake.device, &stake.offer, &stake.position]);
            let vote = govern::vote_co_stake(&holder, (&proposal, index), source, None, choice);
            self.attempt("co-stake votes", vote, &[&stake.holder.wallet]);
            return;
        }
        let worker = self.workers[self.pick(self.workers.len())].clone();
        let (owner, rep) = (worker.wallet(), self.representative.clone());
        let represented = self.rng.within(0, 3) == 0;
        let (who, of, signer) = match represented {
            true => (rep.pubkey(), Some(&owner), &*rep),
            false => (owner, None, &*worker.owner),
        };
        match self.rng.within(0, 5) {
            0 => {
                let vote = govern::change_vote(&who, (&proposal, index), &worker.device, of, choice);
                self.attempt(if represented { "representative changes" } else { "change" }, vote, &[signer]);
            }
            1 => {
                let books = self.house.world.books();
                let Some(ballot) = books.ballots.get(&govern::ballot(&proposal, &worker.device)) else {
                    return;
                };
                let close = govern::close_ballot(&who, &proposal, &worker.device, &ballot.payer, of);
                self.attempt("close", close, &[signer]);
            }
            2 => {
                let (set, clear) = (govern::set_delegate(&owner, rep.pubkey()), govern::clear_delegate(&owner));
                let what = if self.rng.within(0, 2) > 0 { set } else { clear };
                self.attempt("delegate", what, &[&worker.owner]);
            }
            _ => {
                let vote = govern::vote_stake(&who, (&proposal, index), &worker.device, of, choice);
                self.attempt(if represented { "representative votes" } else { "vote" }, vote, &[signer]);
            }
        }
    }

    fn propose(&mut self) {
        let proposer = self.house.proposer.clone();
        if self.house.world.balance(&proposer.tokens) < 1_000 * IO {
            return;
        }
        let count = self.rng.within(1, 2);
        let what: Vec<Instruction> = (0..count).map(|_| change(self.rng.within(1, 86_400) as u32)).collect();
        let proposal = self.house.world.propose(&proposer, &what);
        self.staked.insert(proposal, self.all_stake());
        self.proposals.push((proposal, what, 0));
    }

    /// Tries to count and execute everything, whether it is time or not.
    fn carry_on(&mut self) {
        let (proposer, io) = (self.house.proposer.address(), self.house.world.io);
        for at in 0..self.proposals.len() {
            let (proposal, what, done) = self.proposals[at].clone();
            if self.house.world.proposal(&proposal).deposit.is_zero() {
                // The proposal has ended before.
                continue;
            }
            self.attempt("advance", govern::advance(&proposal), &[]);
            let before = self.house.world.proposal(&proposal);
            for (index, instruction) in (0..).zip(&what) {
                // Now and then something other than was voted on.
                let altered = self.rng.within(0, 9) == 0;
                let mut execute = govern::execute(&proposal, index, instruction);
                if altered {
                    execute.accounts[4].pubkey = costake::config();
                }
                let executed = self.house.world.attempt(&[execute], &[]).is_ok();
                if !executed {
                    continue;
                }
                self.seen.insert("execute");
                let now = self.house.world.now().unix;
                let passed = before.status == Status::Queued && (before.eta.get()..before.expires_at.get()).contains(&now);
                assert!(!altered && passed, "{proposal} was executed early, late or altered");
                let place = &mut self.proposals[at].2;
                assert_eq!(*place, usize::from(index), "{proposal} was executed out of order or twice");
                *place += 1;
            }
            assert!(self.proposals[at].2 >= done);
            let after = self.house.world.proposal(&proposal);
            assert_eq!(usize::from(after.executed), self.proposals[at].2);
            self.attempt("release", govern::release_deposit(&proposal, &proposer, &io), &[]);
        }
    }

    fn check(&self) {
        let books = self.house.world.books();
        for (proposal, staked) in &self.staked {
            let sum = books.proposals[proposal].votes().sum().unwrap();
            assert!(sum <= *staked, "{sum} votes of {staked} on {proposal}");
        }
    }

    fn step(&mut self) {
        match self.rng.within(0, 12) {
            0..=2 => self.move_stake(),
            3 | 4 => self.move_co_stake(),
            5..=9 => self.vote(),
            10 => self.propose(),
            11 => {
                let hours = self.rng.within(1, 24 * 2) as u32;
                self.house.world.wait(hours * 3_600);
            }
            _ => self.carry_on(),
        }
        self.check();
    }
}

#[test]
fn no_stake_votes_twice_and_only_what_passed_is_executed() {
    let mut seen = BTreeSet::new();
    for seed in 20_261_125..20_261_125 + SEEDS {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        for _ in 0..STEPS {
            life.step();
        }
        life.house.world.wait((9 * DAY) as u32);
        life.carry_on();
        life.check();
        seen.append(&mut life.seen);
    }
    println!("{seen:?}");
    assert!(seen.contains("execute") && seen.len() >= 20, "too little happened: {seen:?}");
}

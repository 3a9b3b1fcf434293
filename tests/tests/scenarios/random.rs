//! Several parties do valid and invalid things in random order; a short model predicts which of them succeed, and every balance after each.

use chain::market;
use jobs::{JobTerms, Parameters, Status};
use protocol::units::{IO, Moment};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::collections::BTreeMap;
use std::sync::Arc;
use tests::{Consumer, GPU, GPU_MINIMUM, PARAMETERS, Work, Worker, World, ending, terms};

const STEPS: usize = 250;
const SEEDS: u64 = 12;
const PARTIES: usize = 2;
const IDS: u64 = 3;
/// Presumed chance of recomputation, so low that many a job's price requires a larger bond than its terms do.
const WATCH: u16 = 4_000;

#[derive(Clone, Copy, Debug)]
enum Action {
    Deposit {
        consumer: usize,
        amount: u64,
    },
    Withdraw {
        consumer: usize,
        amount: u64,
    },
    Open {
        consumer: usize,
        id: u64,
        terms: JobTerms,
    },
    Cancel {
        consumer: usize,
        id: u64,
    },
    Extend {
        consumer: usize,
        id: u64,
        seconds: u32,
    },
    Claim {
        worker: usize,
        consumer: usize,
        id: u64,
        min_price: u64,
    },
    Commit {
        worker: usize,
        consumer: usize,
        id: u64,
    },
    Reveal {
        worker: usize,
        consumer: usize,
        id: u64,
        work: Work,
    },
    Settle {
        worker: usize,
        consumer: usize,
        id: u64,
        payout: usize,
    },
    Expire {
        consumer: usize,
        id: u64,
    },
    Timeout {
        worker: usize,
        consumer: usize,
        id: u64,
    },
    Sweep {
        consumer: usize,
    },
    Stake {
        worker: usize,
        amount: u64,
    },
    Overflow {
        worker: usize,
        amount: u64,
    },
    Unstake {
        worker: usize,
    },
    Collect {
        worker: usize,
    },
    Burn {
        worker: usize,
    },
}

fn random_action(rng: &mut fastrand::Rng) -> Action {
    let (worker, consumer, id) = (rng.usize(..PARTIES), rng.usize(..PARTIES), rng.u64(..IDS));
    // Mostly sensible amounts, sometimes extreme ones.
    let amount = *rng.choice(&[0, 1, IO, 7 * IO, 300 * IO, u64::MAX]).unwrap();
    match rng.u32(..24) {
        0 => Action::Deposit { consumer, amount },
        1 => Action::Withdraw { consumer, amount },
        2..=4 => {
            let units = *rng.choice(&[0, 1, 3, 100]).unwrap();
            let start_price = *rng.choice(&[0, 1, IO, 3 * IO]).unwrap();
            let bond = *rng.choice(&[1, IO, 10 * IO + 1, 500 * IO]).unwrap();
            Action::Open {
                consumer,
                id,
                terms: JobTerms {
                    units,
                    start_price,
                    bond,
                    ..terms()
                },
            }
        }
        5 => Action::Cancel { consumer, id },
        6 => Action::Extend {
            consumer,
            id,
            seconds: rng.u32(..3) * 50,
        },
        7..=9 => Action::Claim {
            worker,
            consumer,
            id,
            min_price: *rng.choice(&[0, 0, IO, 2 * IO]).unwrap(),
        },
        10..=12 => Action::Commit { worker, consumer, id },
        13..=15 => {
            let nonce = if rng.u32(..8) == 0 { [9; 32] } else { Work::SAMPLE.nonce };
            Action::Reveal {
                worker,
                consumer,
                id,
                work: Work { nonce, ..Work::SAMPLE },
            }
        }
        16 | 17 => Action::Settle {
            worker,
            consumer,
            id,
            payout: if rng.u32(..8) == 0 { 1 - worker } else { worker },
        },
        18 => Action::Expire { consumer, id },
        19 => Action::Timeout { worker, consumer, id },
        20 => Action::Sweep { consumer },
        21 => Action::Stake { worker, amount },
        22 => Action::Overflow { worker, amount },
        _ => match rng.u32(..4) {
            0 => Action::Unstake { worker },
            1 => Action::Collect { worker },
            _ => Action::Burn { worker },
        },
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct ConsumerBooks {
    tokens: u64,
    free: u64,
    locked: u64,
    fees: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct WorkerBooks {
    tokens: u64,
    own: u64,
    cooling: u64,
    cooldown_ends: i64,
    forfeited: u64,
    bonds: u64,
    done: u32,
    missed: u32,
}

#[derive(Clone, Debug)]
struct JobBooks {
    terms: JobTerms,
    opened: Moment,
    deadline: Moment,
    status: Status,
    price: u64,
    bond: u64,
    worker: usize,
}

/// The model: the whole market in plain numbers.
#[derive(Clone, Debug, Default)]
struct Model {
    consumers: [ConsumerBooks; PARTIES],
    workers: [WorkerBooks; PARTIES],
    jobs: BTreeMap<(usize, u64), JobBooks>,
    treasury: u64,
    burned: u64,
}

/// Fee that each side bears, on top of or out of a price.
fn side(base: u64) -> u64 {
    (u128::from(base) * 25).div_ceil(10_000) as u64
}

fn highest_cost(terms: &JobTerms) -> u64 {
    let base = terms.max_price * u64::from(terms.units);
    base + side(base)
}

/// The terms' bond or, if larger, the smallest with (1 − β) S > c/(pq) − f: c = 0.8 f, q = 0.99, β = 0.3.
fn bond(terms: &JobTerms, price: u64) -> u64 {
    let (f, p) = (i128::from(price) * i128::from(terms.units), i128::from(WATCH));
    let gain = 8 * f * 1_000_000 - 10 * f * 99 * p;
    let least = if gain < 0 { 0 } else { gain / (7 * 99 * p) + 1 };
    terms.bond.max(u64::try_from(least).unwrap())
}

fn late(now: Moment, deadline: Moment) -> bool {
    now.unix >= deadline.unix && now.slot >= deadline.slot
}

impl Model {
    /// The model after `action`; `None` when the action must fail.
    fn after(&self, action: Action, now: Moment) -> Option<Self> {
        let mut next = self.clone();
        let done = next.apply(action, now);
        done.map(|()| next)
    }

    fn apply(&mut self, action: Action, now: Moment) -> Option<()> {
        match action {
            Action::Deposit { consumer, amount } => {
                let books = &mut self.consumers[consumer];
                books.tokens = books.tokens.checked_sub(nonzero(amount)?)?;
                books.free += amount;
            }
            Action::Withdraw { consumer, amount } => {
                let books = &mut self.consumers[consumer];
                books.free = books.free.checked_sub(nonzero(amount)?)?;
                books.tokens += amount;
            }
            Action::Open { consumer, id, terms } => self.open(consumer, id, terms, now)?,
            Action::Cancel { consumer, id } => {
                self.jobs.get(&(consumer, id)).filter(|job| job.status == Status::Open)?;
                self.refund(consumer, id);
            }
            Action::Extend { consumer, id, seconds } => {
                let job = self.jobs.get_mut(&(consumer, id))?;
                let early = matches!(job.status, Status::Open | Status::Assigned) && !late(now, job.deadline);
                (early && seconds > 0).then_some(())?;
                job.deadline = job.deadline.after(seconds);
            }
            Action::Claim {
                worker,
                consumer,
                id,
                min_price,
            } => self.claim(worker, (consumer, id), min_price, now)?,
            Action::Commit { worker, consumer, id } => {
                let job = self.jobs.get_mut(&(consumer, id))?;
                (job.status == Status::Assigned && job.worker == worker && !late(now, job.deadline)).then_some(())?;
                (job.status, job.deadline) = (Status::Committed, now.after(60));
            }
            Action::Reveal {
                worker,
                consumer,
                id,
                work,
            } => {
                let job = self.jobs.get_mut(&(consumer, id))?;
                let opens = work.nonce == Work::SAMPLE.nonce;
                (opens && job.status == Status::Committed && job.worker == worker && !late(now, job.deadline)).then_some(())?;
                (job.status, job.deadline) = (Status::Revealed, now.after(job.terms.window_seconds));
            }
            Action::Settle {
                worker,
                consumer,
                id,
                payout,
            } => self.settle(worker, (consumer, id), payout, now)?,
            Action::Expire { consumer, id } => {
                self.jobs
                    .get(&(consumer, id))
                    .filter(|job| job.status == Status::Open && late(now, job.deadline))?;
                self.refund(consumer, id);
            }
            Action::Timeout { worker, consumer, id } => self.time_out(worker, (consumer, id), now)?,
            Action::Sweep { consumer } => {
                let fees = std::mem::take(&mut self.consumers[consumer].fees);
                self.burned += nonzero(fees)?.div_ceil(2);
                self.treasury += fees / 2;
            }
            Action::Stake { worker, amount } => self.workers[worker].stake(amount)?,
            Action::Overflow { worker, amount } => self.workers[worker].withdraw_overflow(amount)?,
            Action::Unstake { worker } => self.workers[worker].unstake(now)?,
            Action::Collect { worker } => self.workers[worker].collect(now)?,
            Action::Burn { worker } => {
                self.burned += nonzero(std::mem::take(&mut self.workers[worker].forfeited))?;
            }
        }
        Some(())
    }

    fn open(&mut self, consumer: usize, id: u64, terms: JobTerms, now: Moment) -> Option<()> {
        let valid = terms.units > 0 && terms.start_price <= terms.max_price && terms.bond >= IO;
        let free = valid && !self.jobs.contains_key(&(consumer, id));
        let books = &mut self.consumers[consumer];
        books.free = books.free.checked_sub(highest_cost(&terms)).filter(|_| free)?;
        books.locked += highest_cost(&terms);
        let job = JobBooks {
            terms,
            opened: now,
            deadline: now.after(terms.open_seconds),
            status: Status::Open,
            price: 0,
            bond: terms.bond,
            worker: 0,
        };
        self.jobs.insert((consumer, id), job);
        Some(())
    }

    fn claim(&mut self, worker: usize, job: (usize, u64), min_price: u64, now: Moment) -> Option<()> {
        let job = self.jobs.get_mut(&job)?;
        let books = &mut self.workers[worker];
        let terms = &job.terms;
        let elapsed = (now.unix - job.opened.unix).min(terms.auction_seconds.into()) as u64;
        let price = terms.start_price + (terms.max_price - terms.start_price) * elapsed / u64::from(terms.auction_seconds);
        let bond = bond(terms, price);
        let fit = books.own >= GPU_MINIMUM && books.bonds + bond <= books.own;
        let seeded = now.slot >= job.opened.slot + 2;
        (job.status == Status::Open && !late(now, job.deadline) && fit && seeded && price >= min_price).then_some(())?;
        books.bonds += bond;
        job.deadline = now.after(terms.run_seconds);
        (job.status, job.price, job.bond, job.worker) = (Status::Assigned, price, bond, worker);
        Some(())
    }

    fn settle(&mut self, worker: usize, (consumer, id): (usize, u64), payout: usize, now: Moment) -> Option<()> {
        let job = self.jobs.get(&(consumer, id))?.clone();
        let due = job.status == Status::Revealed && job.worker == worker && payout == worker && late(now, job.deadline);
        due.then_some(())?;
        let base = job.price * u64::from(job.terms.units);
        let gets = base.saturating_sub(side(base));
        self.refund(consumer, id);
        let books = &mut self.consumers[consumer];
        books.free -= base + side(base);
        books.fees += base + side(base) - gets;
        let books = &mut self.workers[worker];
        books.tokens += gets;
        books.bonds -= job.bond;
        books.done += 1;
        Some(())
    }

    fn time_out(&mut self, worker: usize, (consumer, id): (usize, u64), now: Moment) -> Option<()> {
        let job = self.jobs.get(&(consumer, id))?.clone();
        let running = matches!(job.status, Status::Assigned | Status::Committed) && job.worker == worker;
        (running && late(now, job.deadline)).then_some(())?;
        self.refund(consumer, id);
        let penalty = job.bond.div_ceil(20);
        let books = &mut self.workers[worker];
        books.bonds -= job.bond;
        books.own -= penalty;
        books.forfeited += penalty;
        books.missed += 1;
        Some(())
    }

    /// Ends a job and frees its whole lock.
    fn refund(&mut self, consumer: usize, id: u64) {
        let job = self.jobs.remove(&(consumer, id)).unwrap();
        let books = &mut self.consumers[consumer];
        books.locked -= highest_cost(&job.terms);
        books.free += highest_cost(&job.terms);
    }
}

impl WorkerBooks {
    fn stake(&mut self, amount: u64) -> Option<()> {
        (self.cooling == 0).then_some(())?;
        self.tokens = self.tokens.checked_sub(nonzero(amount)?)?;
        self.own += amount;
        Some(())
    }

    fn withdraw_overflow(&mut self, amount: u64) -> Option<()> {
        let most = self.own.saturating_sub(GPU_MINIMUM.max(self.bonds));
        (nonzero(amount)? <= most).then_some(())?;
        self.own -= amount;
        self.tokens += amount;
        Some(())
    }

    fn unstake(&mut self, now: Moment) -> Option<()> {
        (self.own > 0 && self.bonds == 0).then_some(())?;
        self.cooling = std::mem::take(&mut self.own);
        self.cooldown_ends = now.unix + 14 * 86_400;
        Some(())
    }

    fn collect(&mut self, now: Moment) -> Option<()> {
        (self.cooling > 0 && now.unix >= self.cooldown_ends).then_some(())?;
        self.tokens += std::mem::take(&mut self.cooling);
        self.cooldown_ends = 0;
        Some(())
    }
}

fn nonzero(amount: u64) -> Option<u64> {
    (amount > 0).then_some(amount)
}

/// The same market on the chain.
struct Chain {
    world: World,
    consumers: [Consumer; PARTIES],
    workers: [Worker; PARTIES],
    cranker: Arc<Keypair>,
    treasury: solana_address::Address,
    supply: u64,
}

impl Chain {
    fn new() -> Self {
        let mut world = World::new();
        let admin = world.admin.clone();
        // Sortition has its own tests; here every device may claim from the first slot hash on.
        let parameters = Parameters {
            sortition_slots: 0,
            watch_bps: WATCH,
            ..PARAMETERS
        };
        world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
        let consumers = ["bob", "carol"].map(|name| world.consumer(name));
        let workers = ["alice", "dave"].map(|name| world.worker(name));
        let (wallet, io) = (world.treasury, world.io);
        let treasury = world.give_tokens(&wallet, &io, 0);
        let (cranker, supply) = (world.wallet("cranker"), world.supply(&io));
        Self {
            world,
            consumers,
            workers,
            cranker,
            treasury,
            supply,
        }
    }

    /// The balances on the chain, without jobs, which the kit's audit compares with the sums.
    fn books(&self) -> Model {
        let consumers = self.consumers.each_ref().map(|consumer| {
            let escrow = self.world.escrow(&consumer.escrow);
            let tokens = self.world.balance(&consumer.tokens);
            ConsumerBooks {
                tokens,
                free: escrow.free.get(),
                locked: escrow.locked.get(),
                fees: escrow.fees.get(),
            }
        });
        let workers = self.workers.each_ref().map(|worker| {
            let device = self.world.device(&worker.device);
            WorkerBooks {
                tokens: self.world.balance(&worker.tokens),
                own: device.own_stake.get(),
                cooling: device.cooling.get(),
                cooldown_ends: device.cooldown_ends.get(),
                forfeited: device.forfeited.get(),
                bonds: device.locked_bond.get(),
                done: device.jobs_done.get(),
                missed: device.jobs_missed.get(),
            }
        });
        let burned = self.supply - self.world.supply(&self.world.io);
        Model {
            consumers,
            workers,
            jobs: BTreeMap::new(),
            treasury: self.world.balance(&self.treasury),
            burned,
        }
    }

    fn instruction(&self, action: Action) -> (Instruction, Arc<Keypair>) {
        let (cranker, io) = (&self.cranker, &self.world.io);
        let parties = |worker: usize, consumer: usize, id| {
            let consumer = &self.consumers[consumer];
            ending(consumer, &self.workers[worker], &consumer.job(id))
        };
        let by_consumer = |consumer: usize, make: &dyn Fn(&Consumer) -> Instruction| {
            let consumer = &self.consumers[consumer];
            (make(consumer), consumer.owner.clone())
        };
        let by_owner = |worker: usize, make: &dyn Fn(&Worker) -> Instruction| {
            let worker = &self.workers[worker];
            (make(worker), worker.owner.clone())
        };
        let by_device = |worker: usize, make: &dyn Fn(&Worker) -> Instruction| {
            let worker = &self.workers[worker];
            (make(worker), worker.key.clone())
        };
        match action {
            Action::Deposit { consumer, amount } => {
                by_consumer(consumer, &|c| market::job::deposit(&c.wallet(), &c.escrow, &c.tokens, amount))
            }
            Action::Withdraw { consumer, amount } => {
                by_consumer(consumer, &|c| market::job::withdraw(&c.wallet(), &c.escrow, &c.tokens, amount))
            }
            Action::Open { consumer, id, terms } => by_consumer(consumer, &|c| {
                market::job::open_job(&c.wallet(), &c.mint, &self.world.model, id, terms)
            }),
            Action::Cancel { consumer, id } => by_consumer(consumer, &|c| market::job::cancel_job(&c.wallet(), &c.escrow, &c.job(id))),
            Action::Extend { consumer, id, seconds } => {
                by_consumer(consumer, &|c| market::job::extend_job(&c.wallet(), &c.escrow, &c.job(id), seconds))
            }
            Action::Claim {
                worker,
                consumer,
                id,
                min_price,
            } => {
                let job = self.consumers[consumer].job(id);
                let hash = self.world.books().jobs.get(&job).map_or([0; 32], |job| job.job_hash);
                by_device(worker, &|w| {
                    market::job::claim_job(&w.key.pubkey(), &job, hash, &w.device, GPU, min_price)
                })
            }
            Action::Commit { worker, consumer, id } => {
                let job = self.consumers[consumer].job(id);
                let hash = self.world.books().jobs.get(&job).map_or([0; 32], |job| job.job_hash);
                by_device(worker, &|w| {
                    market::job::commit_result(&w.key.pubkey(), &job, &w.device, Work::SAMPLE.commitment(&hash, &w.device))
                })
            }
            Action::Reveal {
                worker,
                consumer,
                id,
                work,
            } => {
                let job = self.consumers[consumer].job(id);
                by_device(worker, &|w| {
                    market::job::reveal_result(&w.key.pubkey(), &job, &w.device, work.traces, work.outputs, work.nonce)
                })
            }
            Action::Settle {
                worker,
                consumer,
                id,
                payout,
            } => {
                let parties = parties(worker, consumer, id);
                (
                    market::job::settle_job(&cranker.pubkey(), &parties, &self.workers[payout].tokens),
                    cranker.clone(),
                )
            }
            Action::Expire { consumer, id } => (
                market::job::expire_job(&cranker.pubkey(), &parties(0, consumer, id)),
                cranker.clone(),
            ),
            Action::Timeout { worker, consumer, id } => (
                market::job::timeout_job(&cranker.pubkey(), &parties(worker, consumer, id)),
                cranker.clone(),
            ),
            Action::Sweep { consumer } => {
                let consumer = &self.consumers[consumer];
                (
                    market::job::sweep_fees(&consumer.escrow, &consumer.mint, &self.treasury),
                    cranker.clone(),
                )
            }
            Action::Stake { worker, amount } => by_owner(worker, &|w| market::stake::stake(&w.wallet(), &w.device, &w.tokens, amount)),
            Action::Overflow { worker, amount } => by_owner(worker, &|w| {
                market::stake::withdraw_overflow(&w.wallet(), &w.device, GPU, &w.tokens, amount)
            }),
            Action::Unstake { worker } => by_owner(worker, &|w| market::stake::unstake(&w.wallet(), &w.device)),
            Action::Collect { worker } => by_owner(worker, &|w| market::stake::withdraw(&w.wallet(), &w.device, &w.tokens)),
            Action::Burn { worker } => (market::stake::burn_forfeited(&self.workers[worker].device, io), cranker.clone()),
        }
    }

    /// Runs the action on the chain; returns the error and logs if it fails.
    fn run(&mut self, action: Action) -> Result<(), String> {
        let (instruction, signer) = self.instruction(action);
        let signs = instruction.accounts.iter().any(|meta| meta.is_signer);
        let signers: &[&Keypair] = if signs { &[&signer] } else { &[] };
        self.world
            .attempt(&[instruction], signers)
            .map(|_| ())
            .map_err(|(error, logs)| format!("{error:?}\n{}", logs.join("\n")))
    }
}

/// Plays one seed; returns how many actions succeeded.
fn play(chain: &mut Chain, seed: u64) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut model = chain.books();
    let mut succeeded = 0;
    for step in 0..STEPS {
        let (seconds, slots) = *rng
            .choice(&[(0, 0), (1, 3), (10, 25), (10, 25), (60, 150), (0, 500), (300, 0), (300, 750)])
            .unwrap();
        let seconds = if rng.u32(..60) == 0 { 14 * 86_400 } else { seconds };
        chain.world.pass(seconds, slots);
        let action = random_action(&mut rng);
        let now = chain.world.now();
        let expected = model.after(action, now);
        let outcome = chain.run(action);
        let context = || format!("seed {seed}, step {step}: {action:?} at {now:?}");
        match (&outcome, &expected) {
            (Ok(()), Some(_)) | (Err(_), None) => {}
            (Ok(()), None) => panic!("{}: succeeded, but the model refuses\n{model:#?}", context()),
            (Err(error), Some(_)) => panic!("{}: the model allows it, but {error}\n{model:#?}", context()),
        }
        succeeded += usize::from(outcome.is_ok());
        model = expected.unwrap_or(model);
        let books = chain.books();
        assert_eq!(books.consumers, model.consumers, "{}", context());
        assert_eq!(books.workers, model.workers, "{}", context());
        assert_eq!((books.treasury, books.burned), (model.treasury, model.burned), "{}", context());
    }
    succeeded
}

#[test]
fn any_interleaving_leaves_the_books_the_model_predicts() {
    for seed in 0..SEEDS {
        let succeeded = play(&mut Chain::new(), seed);
        assert!(
            succeeded > STEPS / 8,
            "seed {seed}: only {succeeded} of {STEPS} actions did anything"
        );
    }
}

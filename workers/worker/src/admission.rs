//! Which jobs to take, decided before anything is spent on them.

use crate::market::View;
use crate::models::Model;
use crate::reserve;
use crate::settings::Accept;
use chain::PriorityFee;
use chain::sysvar::Seed;
use jobs::state::ANY_GPU;
use jobs::{Config, Job, Status};
use protocol::batch::BatchHeader;
use protocol::demand::{MAX_OPEN, PROMPT_SECONDS};
use protocol::units::Bps;
use protocol::{audit, math, sortition};
use solana_address::Address;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, time::Duration};

/// A worker prepares this many slots before its turn, which leaves time to fetch the input.
const LEAD: u64 = 10;

/// Seconds that transactions take between computing and the deadline.
const OVERHEAD: i64 = 3;

/// Seconds of an answer's that its transactions take: a full page of 1,024 hashes goes in 41, one after the other.
const SENDING: u32 = 17;

/// What to do about an open job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it, from this slot on, for no less than this price per unit.
    Take {
        /// First slot at which the claim is admitted.
        slot: u64,
        /// Price floor.
        floor: u64,
    },
    /// Look again later.
    Later(Reason),
    /// It will not fit unless the worker changes.
    Never(Reason),
}

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody has it.
    Taken,
    /// Its offer has run out.
    Expired,
    /// The market is paused.
    Paused,
    /// It asks for another GPU.
    Gpu,
    /// It asks for more memory a GPU.
    Memory,
    /// It asks for a faster GPU.
    Multiplier,
    /// It asks for more experience.
    Experience,
    /// Its mint is not accepted.
    Mint,
    /// Even its highest price is below the floor, which is the higher the more audits the consumer asks for.
    Price,
    /// Its price has not risen to that floor yet.
    Auction,
    /// Its inputs, outputs or trace are too large.
    Size,
    /// The disk has no room to keep them.
    Disk,
    /// It would not be done in time.
    Slow,
    /// Demands about its result might not be answered in time, which costs the bond.
    Answers,
    /// Its bond would be locked for too long.
    Window,
    /// Its bond is out of proportion to its price.
    Disproportion,
    /// The device cannot put up the bond.
    Bond,
    /// The hot key cannot pay for what may follow the claim.
    Poor,
    /// Its seed is not known yet.
    Seed,
    /// The device's turn has not come.
    Turn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "another device has taken it",
            Self::Expired => "its offer has expired",
            Self::Paused => "the market is paused",
            Self::Gpu => "it asks for another GPU model",
            Self::Memory => "it asks for more GPU memory",
            Self::Multiplier => "it asks for a faster GPU",
            Self::Experience => "it asks for more jobs done",
            Self::Mint => "it pays in a mint not listed in `accept`",
            Self::Price => "its highest price, less what the audits that its consumer asks for may cost, is below the floor in `accept`",
            Self::Auction => {
                "its price, less what the audits that its consumer asks for may cost, has not reached the floor in `accept` yet"
            }
            Self::Size => "its inputs, outputs or trace exceed `max_blob_mib`",
            Self::Disk => "the disk has too little space to keep its inputs, outputs and trace; free some, or move `data`",
            Self::Slow => "this machine would not finish it, or what it has in hand, in time",
            Self::Answers => {
                "this machine's CPU might not answer eight questions about each result, those in hand included, in half a minute"
            }
            Self::Window => "its bond might stay locked for longer than `max_window_seconds`",
            Self::Disproportion => "its bond is more than `max_bond` times what the market asks for one of its price",
            Self::Bond => "the device may not bond for it: too little free stake, on probation, retired, or a slash waits for its bonds",
            Self::Poor => {
                let fund = reserve::in_sol(reserve::FUND);
                return write!(
                    f,
                    "the hot key has too little SOL to see a job through beside a check-in; send it {fund} SOL"
                );
            }
            Self::Seed => "its seed is not known yet",
            Self::Turn => "the device's turn has not come",
        })
    }
}

/// What is known of an open job.
pub(crate) struct Offer<'a> {
    pub address: &'a Address,
    pub job: &'a Job,
    pub mint: &'a Address,
    pub model: &'a Arc<Model>,
    pub seed: Seed,
}

/// What a worker is willing and able to do.
pub(crate) struct Limits<'a> {
    pub accept: &'a [Accept],
    pub max_blob: u64,
    /// Bytes that can be kept.
    pub free_space: u64,
    pub max_window: u32,
    pub max_bond: u32,
    pub priority_fee: PriorityFee,
    /// Whether it looks at every value of a job, which takes the CPU.
    pub observes_ops: bool,
    /// What is in hand already and shares the machine.
    pub in_hand: &'a [Task],
    pub device: &'a Address,
}

/// A job or an audit in hand, as the machine has to do with it.
#[derive(Clone)]
pub(crate) struct Task {
    model: Arc<Model>,
    /// Units that are still to be computed.
    left: Arc<AtomicU32>,
    /// Unix time by which they have to be.
    due: i64,
    /// Whether every value is looked at.
    observes_ops: bool,
    /// Whether the result may be asked about.
    answers: bool,
    /// Lamports that accounts of its own will lock yet.
    pub locks: u64,
}

impl Task {
    /// A job of which so many units are left, to be committed by unix time `deadline`.
    pub fn job(model: &Arc<Model>, left: u32, deadline: i64, observes_ops: bool) -> Self {
        Self {
            model: model.clone(),
            left: Arc::new(left.into()),
            due: deadline.saturating_sub(OVERHEAD),
            observes_ops,
            answers: true,
            locks: 0,
        }
    }

    /// The audit of a job, likewise.
    pub fn audit(model: &Arc<Model>, job: &Job, deadline: i64) -> Self {
        Self {
            model: model.clone(),
            left: Arc::new(job.units.get().into()),
            due: deadline.saturating_sub(OVERHEAD),
            observes_ops: true,
            answers: false,
            locks: reserve::AUDIT_LAMPORTS.saturating_add(reserve::for_proof(model, job.units.get())),
        }
    }

    /// Whether it is an audit.
    pub fn is_audit(&self) -> bool {
        !self.answers
    }

    /// Whether it is computed.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Units that are still to be computed, to be counted down.
    pub fn units_left(&self) -> Arc<AtomicU32> {
        self.left.clone()
    }

    fn time(&self) -> Duration {
        let left = self.left.load(Ordering::Relaxed);
        match self.observes_ops {
            true => self.model.estimate_seen(left),
            false => self.model.estimate(left),
        }
    }

    fn takes_cpu(&self) -> bool {
        self.observes_ops || self.model.engine().residents().is_empty()
    }

    /// Whether it would be computed in time, and so would everything in hand that takes the same place, in whatever order that happens and
    /// if it took twice as long as estimated.
    pub fn fits(&self, in_hand: &[Self], now: i64) -> bool {
        let beside = |task: &&Self| !task.time().is_zero() && task.takes_cpu() == self.takes_cpu();
        let sharing = || in_hand.iter().filter(beside).chain([self]);
        let work = sharing().fold(Duration::ZERO, |sum, task| sum.saturating_add(task.time()));
        let left = |task: &Self| Duration::from_secs(u64::try_from(task.due.saturating_sub(now)).unwrap_or(0));
        sharing().all(|task| work.saturating_mul(2) <= left(task))
    }

    /// Whether its result and those in hand can be answered for, if all questions that may be open at a time about each come at once and
    /// find no time left on the workers' clocks. Jobs that are computed meanwhile may take half of the CPU.
    fn can_answer(&self, in_hand: &[Self]) -> bool {
        let asked = in_hand.iter().filter(|task| task.answers).chain([self]);
        let work = asked.fold(Duration::ZERO, |sum, task| sum.saturating_add(task.model.time_to_answer(MAX_OPEN)));
        work.saturating_mul(2) <= Duration::from_secs(PROMPT_SECONDS.saturating_sub(SENDING).into())
    }
}

/// Whether the bond of a job at this price per unit is at most so many times what the market asks for one of that price alone: without
/// value at risk, for which nothing is paid.
fn in_proportion(job: &Job, price: u64, config: &Config, times: u32) -> bool {
    let plain = Job {
        bond: config.min_bond,
        value_at_risk: 0.into(),
        ..*job
    };
    let bonds = [job, &plain].map(|job| job.bond_at(price, config).ok());
    matches!(bonds, [Some(bond), Some(usual)] if bond <= usual.saturating_mul(times.into()))
}

/// Seconds that the bond may stay locked after the worker's own part: other replicas may be taken and computed as late as the terms allow, and
/// an auditor may come as late as the market does and take as long as the worker may.
fn locked_seconds(job: &Job, config: &Config, now: i64) -> i64 {
    // Only what neither the market nor the consumer audits at all is never drawn, however many clean jobs stand behind the device.
    let is_drawable = [config.audit_jobs, config.audit_floor_bps, job.audit_bps]
        .iter()
        .any(|rate| !rate.is_zero());
    let awaited = match job.replicas {
        ..=1 if !is_drawable => None,
        ..=1 => Some(config.audit_seconds.get().into()),
        _ => Some(job.deadline().unix.saturating_sub(now)),
    };
    let others = awaited.map_or(0, |awaited| awaited.saturating_add(job.run_seconds.get().into()));
    others.saturating_add(job.window_seconds.get().into())
}

/// The price per unit at which as much is left on average, once auditors are paid, as `floor` leaves of a job whose consumer asks for no
/// audits of its own: those that the market draws are a cost of every job. Rounded up.
fn with_audits(floor: u64, job: &Job, view: &View) -> u64 {
    let config = &view.jobs;
    let [least, share, extra] = [config.audit_floor_bps, config.audit_share_bps, job.audit_bps].map(|bps| Bps::saturating(bps.get()));
    let left = |extra| {
        let rate = audit::rate(view.device.clean_jobs.get(), config.audit_jobs.get(), least, extra);
        (Bps::WHOLE * Bps::WHOLE).saturating_sub(rate.get().saturating_mul(share.get()))
    };
    let (here, elsewhere) = (left(extra), left(Bps::default()));
    if here == elsewhere {
        return floor;
    }
    math::mul_div_ceil(floor, elsewhere, here).unwrap_or(u64::MAX)
}

/// Bytes of the blobs of so many units: inputs, outputs and trace.
pub fn blob_sizes(model: &Model, units: u32) -> [u64; 3] {
    let bytes = |header: Option<BatchHeader>| header.map_or(u64::MAX, |header| header.blob_bytes());
    [bytes(model.inputs(units)), bytes(model.outputs(units)), model.trace_bytes(units)]
}

/// Whether no blob of a job of so many units is too large.
pub(crate) fn has_room(model: &Model, units: u32, max_blob: u64) -> bool {
    blob_sizes(model, units).into_iter().all(|bytes| bytes <= max_blob)
}

/// Decides about a job by the rules the programs will apply, and by the worker's own.
pub(crate) fn assess(offer: &Offer, view: &View, limits: &Limits) -> Verdict {
    let Offer {
        address,
        job,
        mint,
        model,
        seed,
    } = offer;
    let never = |met: bool, reason| if met { Ok(()) } else { Err(Verdict::Never(reason)) };
    let later = |met: bool, reason| if met { Ok(()) } else { Err(Verdict::Later(reason)) };
    let now = view.now.unix;
    let decide = || {
        never(job.status == Status::Open, Reason::Taken)?;
        never(!view.now.reached(job.deadline()), Reason::Expired)?;
        never(job.gpu_model == ANY_GPU || job.gpu_model == view.gpu.id, Reason::Gpu)?;
        never(view.gpu.vram_gb >= job.min_vram_gb, Reason::Memory)?;
        never(view.gpu.multiplier_x100 >= job.min_multiplier_x100, Reason::Multiplier)?;
        never(
            view.device.jobs_done.get() >= u32::from(job.min_jobs_done.get()),
            Reason::Experience,
        )?;

        let accepted = limits.accept.iter().find(|accept| accept.mint.unwrap_or(view.jobs.mint) == **mint);
        let accepted = accepted.ok_or(Verdict::Never(Reason::Mint))?;
        let floor = with_audits(accepted.min_price, job, view);
        never(job.max_price.get() >= floor, Reason::Price)?;

        let units = job.units.get();
        never(has_room(model, units, limits.max_blob), Reason::Size)?;
        let task = Task::job(model, units, now.saturating_add(job.run_seconds.get().into()), limits.observes_ops);
        never(task.fits(&[], now), Reason::Slow)?;
        never(task.can_answer(&[]), Reason::Answers)?;
        never(locked_seconds(job, &view.jobs, now) <= limits.max_window.into(), Reason::Window)?;
        let in_proportion = |price| in_proportion(job, price, &view.jobs, limits.max_bond);
        never(in_proportion(job.max_price.get()), Reason::Disproportion)?;
        let kept = blob_sizes(model, units).into_iter().fold(0, u64::saturating_add);
        later(kept <= limits.free_space, Reason::Disk)?;
        later(task.fits(limits.in_hand, now), Reason::Slow)?;
        later(task.can_answer(limits.in_hand), Reason::Answers)?;

        later(!view.jobs.paused.get(), Reason::Paused)?;
        let needed = reserve::to_take(&task, limits.in_hand, limits.priority_fee);
        later(view.lamports >= needed, Reason::Poor)?;
        let mut device = view.device;
        let price = job.price_at(now).0;
        later(in_proportion(price), Reason::Disproportion)?;
        let bond = job.bond_at(price, &view.jobs).unwrap_or(u64::MAX);
        let bonded = device.lock_bond(bond, &view.staking, &view.gpu, now);
        later(bonded.is_ok(), Reason::Bond)?;
        later(price >= floor, Reason::Auction)?;

        let slot = match seed {
            Seed::NotYet => return Err(Verdict::Later(Reason::Seed)),
            Seed::Known(seed_slot, seed) => {
                let ticket = sortition::ticket(seed, address.as_array(), limits.device.as_array());
                seed_slot.saturating_add(sortition::admitted_after(ticket, view.jobs.sortition_slots.get().into()))
            }
            Seed::Forgotten => 0,
        };
        later(view.now.slot.saturating_add(LEAD) >= slot, Reason::Turn)?;
        Ok(Verdict::Take { slot, floor })
    };
    decide().unwrap_or_else(|verdict| verdict)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anchor_lang::bytemuck::Zeroable;
    use protocol::units::Moment;
    use std::path::Path;
    use std::time::Duration;

    const MINT: Address = Address::new_from_array([7; 32]);
    const NOW: i64 = 1_000;
    /// What answers about a result take at most, at 30,000 compute units for a lamport each.
    const ANSWERS: u64 = 8 * 42 * (5_000 + 30_000);
    /// What a key has to have for one result, a check-in besides.
    const LEAST: u64 = ANSWERS + 50_000_000;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The upscale model, with these times for a unit.
    fn model(unit: Duration, seen: Duration, answer: Duration) -> Arc<Model> {
        let model = Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale"), 1).unwrap();
        model.takes(unit, seen, answer);
        Arc::new(model)
    }

    /// A job and what it is judged by.
    struct Case {
        job: Job,
        view: View,
        accept: Vec<Accept>,
        mint: Address,
        seed: Seed,
        max_blob: u64,
        free_space: u64,
        observes_ops: bool,
        in_hand: Vec<Task>,
    }

    /// One that is taken at once.
    fn taken() -> Case {
        let mut view = View {
            now: Moment { unix: NOW, slot: 500 },
            jobs: jobs::Config::zeroed(),
            staking: Zeroable::zeroed(),
            device: Zeroable::zeroed(),
            gpu: Zeroable::zeroed(),
            lamports: LEAST,
        };
        view.jobs.mint = MINT;
        view.jobs.watch_bps = 10_000.into();
        view.jobs.answer_seconds = 300.into();
        view.jobs.min_bond = 100.into();
        view.gpu.id = 3.into();
        view.gpu.vram_gb = 24.into();
        view.gpu.multiplier_x100 = 150.into();
        view.device.gpu_model = 3.into();
        view.device.quantity = 1;
        view.device.tier = 1;
        view.device.own_stake = 1_000_000.into();
        view.device.jobs_done = 5.into();
        let mut job = Job::zeroed();
        job.gpu_model = 3.into();
        job.min_vram_gb = 24.into();
        job.min_multiplier_x100 = 150.into();
        job.min_jobs_done = 5.into();
        job.replicas = 1;
        job.units = 4.into();
        job.opened_at = NOW.into();
        job.auction_seconds = 60.into();
        job.start_price = 10.into();
        job.max_price = 20.into();
        job.bond = 1_000.into();
        job.run_seconds = 3_600.into();
        job.window_seconds = 3_600.into();
        (job.deadline_at, job.deadline_slot) = (1_100.into(), 750.into());
        Case {
            job,
            view,
            accept: vec![Accept { mint: None, min_price: 10 }],
            mint: MINT,
            seed: Seed::Forgotten,
            max_blob: 1 << 30,
            free_space: 1 << 30,
            observes_ops: false,
            in_hand: Vec::new(),
        }
    }

    impl Case {
        fn verdict(&self, model: &Arc<Model>) -> Verdict {
            let (address, device) = (Address::new_from_array([1; 32]), Address::new_from_array([2; 32]));
            let offer = Offer {
                address: &address,
                job: &self.job,
                mint: &self.mint,
                model,
                seed: self.seed,
            };
            let limits = Limits {
                accept: &self.accept,
                max_blob: self.max_blob,
                free_space: self.free_space,
                max_window: 3_600,
                max_bond: 10,
                priority_fee: PriorityFee::default(),
                observes_ops: self.observes_ops,
                in_hand: &self.in_hand,
                device: &device,
            };
            assess(&offer, &self.view, &limits)
        }
    }

    #[test]
    fn every_reason_is_given_for_what_it_says() {
        use Verdict::{Later, Never};
        let model = model(seconds(1), seconds(1), Duration::ZERO);
        assert_eq!(taken().verdict(&model), Verdict::Take { slot: 0, floor: 10 });

        let [inputs, outputs, trace] = blob_sizes(&model, 4);
        assert!(trace < outputs);
        let change = |with: fn(&mut Case)| {
            let mut case = taken();
            with(&mut case);
            case
        };
        let cases = [
            (Never(Reason::Taken), change(|case| case.job.status = Status::Assigned as u8)),
            (
                Never(Reason::Expired),
                change(|case| case.view.now = Moment { unix: 1_100, slot: 750 }),
            ),
            (Never(Reason::Gpu), change(|case| case.job.gpu_model = 4.into())),
            (Never(Reason::Memory), change(|case| case.job.min_vram_gb = 25.into())),
            (Never(Reason::Multiplier), change(|case| case.job.min_multiplier_x100 = 151.into())),
            (Never(Reason::Experience), change(|case| case.job.min_jobs_done = 6.into())),
            (Never(Reason::Mint), change(|case| case.mint = Address::new_from_array([8; 32]))),
            (
                Never(Reason::Price),
                change(|case| case.accept = vec![Accept { mint: None, min_price: 21 }]),
            ),
            (
                Never(Reason::Size),
                Case {
                    max_blob: outputs - 1,
                    ..taken()
                },
            ),
            (
                Later(Reason::Disk),
                Case {
                    free_space: inputs + outputs + trace - 1,
                    ..taken()
                },
            ),
            // Twice four seconds, and three for transactions.
            (Never(Reason::Slow), change(|case| case.job.run_seconds = 10.into())),
            (Never(Reason::Window), change(|case| case.job.window_seconds = 3_601.into())),
            (Never(Reason::Disproportion), change(|case| case.job.bond = 1_001.into())),
            (Never(Reason::Disproportion), change(|case| case.job.value_at_risk = 100_000.into())),
            (Later(Reason::Paused), change(|case| case.view.jobs.paused = true.into())),
            (Later(Reason::Poor), change(|case| case.view.lamports = LEAST - 1)),
            (Later(Reason::Bond), change(|case| case.view.device.own_stake = 999.into())),
            (
                Later(Reason::Auction),
                change(|case| case.accept = vec![Accept { mint: None, min_price: 20 }]),
            ),
            (Later(Reason::Seed), change(|case| case.seed = Seed::NotYet)),
            (Later(Reason::Turn), change(|case| case.seed = Seed::Known(511, Default::default()))),
        ];
        for (expected, case) in cases {
            assert_eq!(case.verdict(&model), expected);
        }
        // What the price may not be yet, it is at the end of the auction; any GPU will do where none is named; and a worker prepares before
        // its turn.
        let patient = change(|case| {
            case.accept = vec![Accept {
                mint: Some(MINT),
                min_price: 20,
            }];
            case.job.gpu_model = ANY_GPU.into();
            case.view.now = Moment { unix: 1_060, slot: 650 };
            case.seed = Seed::Known(660, Default::default());
        });
        assert_eq!(patient.verdict(&model), Verdict::Take { slot: 660, floor: 20 });
    }
    #[test]
    fn a_bond_is_locked_for_a_time_and_a_price_that_are_worth_it() {
        let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        // One unit at one base unit, for a week of the whole stake.
        let mut trap = taken();
        (trap.job.units, trap.job.start_price, trap.job.max_price) = (1.into(), 1.into(), 1.into());
        trap.accept = vec![Accept { mint: None, min_price: 1 }];
        (trap.job.bond, trap.job.window_seconds) = (1_000_000.into(), 604_800.into());
        assert_eq!(trap.verdict(&model), Verdict::Never(Reason::Window));
        trap.job.window_seconds = 60.into();
        assert_eq!(trap.verdict(&model), Verdict::Never(Reason::Disproportion));

        // Ten times what one lie in twenty asks for at 40 base units, and at 80: what is too much now may be right later.
        let mut dear = taken();
        dear.view.jobs.watch_bps = 500.into();
        dear.job.bond = 17_330.into();
        assert_eq!(dear.verdict(&model), Verdict::Later(Reason::Disproportion));
        dear.view.now.unix += 60;
        assert_eq!(dear.verdict(&model), Verdict::Take { slot: 0, floor: 10 });

        // Another replica may be taken when the offer ends, and then take as long as it may.
        let mut replica = taken();
        (replica.job.replicas, replica.job.window_seconds) = (2, 60.into());
        replica.job.run_seconds = (3_600 - 60 - 100).into();
        assert_eq!(replica.verdict(&model), Verdict::Take { slot: 0, floor: 10 });
        replica.job.run_seconds = (3_600 - 60 - 99).into();
        assert_eq!(replica.verdict(&model), Verdict::Never(Reason::Window));

        // An auditor may be awaited for a minute, whoever asks for audits, and then takes as long as the worker may.
        let draws: [fn(&mut Case); 3] = [
            |case| case.view.jobs.audit_jobs = 1.into(),
            |case| case.view.jobs.audit_floor_bps = 1.into(),
            |case| case.job.audit_bps = 1.into(),
        ];
        for draw in draws {
            let mut audited = taken();
            draw(&mut audited);
            (audited.view.jobs.audit_seconds, audited.job.window_seconds) = (60.into(), 60.into());
            audited.job.run_seconds = (3_600 - 60 - 60).into();
            assert_eq!(audited.verdict(&model), Verdict::Take { slot: 0, floor: 10 });
            audited.job.run_seconds = (3_600 - 60 - 59).into();
            assert_eq!(audited.verdict(&model), Verdict::Never(Reason::Window));
        }
    }

    #[test]
    fn audits_that_a_consumer_asks_for_are_paid_for_by_it() {
        use Verdict::{Later, Never, Take};
        let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let verdict = |min_price: u64, with: fn(&mut Case)| {
            let mut case = taken();
            case.accept = vec![Accept { mint: None, min_price }];
            (case.job.run_seconds, case.job.window_seconds) = (60.into(), 60.into());
            case.view.jobs.audit_share_bps = 8_000.into();
            case.job.audit_bps = 10_000.into();
            with(&mut case);
            case.verdict(&model)
        };
        // An auditor takes four fifths of every result's pay: ten now and twenty at the end leave two and four.
        let always = |_: &mut Case| {};
        let verdicts = [2, 3, 4, 5].map(|floor| verdict(floor, always));
        let expected = [
            Take { slot: 0, floor: 10 },
            Later(Reason::Auction),
            Later(Reason::Auction),
            Never(Reason::Price),
        ];
        assert_eq!(verdicts, expected);
        // Where the market audits half of all results, as much is left of six here as of two elsewhere.
        assert_eq!(
            verdict(2, |case| case.view.jobs.audit_floor_bps = 5_000.into()),
            Take { slot: 0, floor: 6 }
        );
        // Rounded up: two in 1 - 0.8 * 0.1.
        assert_eq!(verdict(2, |case| case.job.audit_bps = 1_000.into()), Take { slot: 0, floor: 3 });
        // A device on probation is audited whoever asks: that is its own cost, even where auditors get everything.
        let probation = |case: &mut Case| case.view.jobs.audit_jobs = 20.into();
        assert_eq!(verdict(10, probation), Take { slot: 0, floor: 10 });
        let greedy = |case: &mut Case| case.view.jobs.audit_share_bps = 10_000.into();
        assert_eq!(verdict(1, greedy), Never(Reason::Price));
        let both: fn(&mut Case) = |case| {
            case.view.jobs.audit_jobs = 20.into();
            case.view.jobs.audit_share_bps = 10_000.into();
        };
        assert_eq!(verdict(10, both), Take { slot: 0, floor: 10 });
    }

    #[test]
    fn answers_are_counted_on_half_a_minute_for_everything_in_hand() {
        use Verdict::{Later, Never, Take};
        let slow = model(Duration::ZERO, Duration::ZERO, seconds(5));
        assert_eq!(taken().verdict(&slow), Never(Reason::Answers));
        // Two jobs of sixteen units asked for, each taking twice as long: 12.8 of 13 seconds.
        let model = model(Duration::ZERO, Duration::ZERO, Duration::from_millis(400));
        let case = |jobs: usize, audits: usize| {
            let mut case = taken();
            let (job, audit) = (Task::job(&model, 0, NOW, false), Task::audit(&model, &case.job, NOW));
            case.in_hand = [vec![job; jobs], vec![audit; audits]].concat();
            case.view.lamports = u64::MAX;
            case.verdict(&model)
        };
        let take = Take { slot: 0, floor: 10 };
        assert_eq!(
            [case(0, 0), case(1, 0), case(1, 5), case(2, 0)],
            [take, take, take, Later(Reason::Answers)]
        );
    }

    /// All that is in hand may be asked about, too, audits lock what they show, and an hour of rewards comes before what is new.
    #[test]
    fn a_key_pays_for_everything_in_hand() {
        use Verdict::{Later, Take};
        let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let verdict = |jobs: usize, audits: &[Task], lamports: u64| {
            let mut case = taken();
            case.in_hand = [&vec![Task::job(&model, 0, NOW, false); jobs], audits].concat();
            case.view.lamports = lamports;
            case.verdict(&model)
        };
        let new = Task::audit(&model, &taken().job, NOW);
        // Three chunks below 14 levels in each tree: over 4 units, 9 checkpoints and 172 chunks. It grows with the job.
        let proof = reserve::for_proof(&model, 4);
        assert_eq!(proof, 6_960 * (128 + 140 + 5_888));
        assert_eq!(reserve::for_proof(&model, 1_024) - proof, 6_960 * 8 * 192);
        let claimed = Task {
            locks: proof,
            ..new.clone()
        };
        let proven = Task { locks: 0, ..new.clone() };
        for (jobs, audits, needed) in [
            (2, vec![], LEAST + 2 * ANSWERS),
            (1, vec![new.clone(), new], LEAST + ANSWERS + 2 * (3_000_000 + proof)),
            (0, vec![claimed, proven], LEAST + proof),
        ] {
            assert_eq!(verdict(jobs, &audits, needed - 1), Later(Reason::Poor));
            assert_eq!(verdict(jobs, &audits, needed), Take { slot: 0, floor: 10 });
        }
        // What the documentation says of a key that was just registered.
        let taken = (0..).take_while(|jobs| verdict(*jobs, &[], reserve::FUND) != Later(Reason::Poor));
        assert_eq!(taken.count(), 8);
    }

    #[test]
    fn work_in_hand_is_added_up_where_it_is_done() {
        use Verdict::{Later, Never, Take};
        let model = model(seconds(1), seconds(1), Duration::ZERO);
        let mut case = taken();
        case.view.lamports = u64::MAX;
        case.job.units = 1.into();
        case.job.run_seconds = 60.into();
        let job = case.job;
        let task = |units: u32, due: i64| Task::job(&model, units, NOW + due, false);
        let (take, slow) = (Take { slot: 0, floor: 10 }, Later(Reason::Slow));
        let mut verdict = |in_hand: &[Task]| {
            case.in_hand = in_hand.to_vec();
            case.verdict(&model)
        };
        assert_eq!(verdict(&[task(3_600, 1 << 20)]), slow, "an hour's work comes first");
        assert_eq!(verdict(&[task(26, 1 << 20)]), take, "twice 27 seconds");
        assert_eq!(verdict(&[task(14, 1 << 20), task(14, 1 << 20)]), slow, "twice 29 seconds");
        assert_eq!(verdict(&[task(5, 14)]), slow, "what was taken would be late");
        assert_eq!(verdict(&[task(5, 15)]), take);
        assert_eq!(verdict(&[task(0, 0)]), take, "computed");

        // Where every value is looked at the CPU counts, however fast a GPU is.
        model.takes(Duration::ZERO, seconds(30), Duration::ZERO);
        assert!(!Task::audit(&model, &job, NOW + 60).fits(&[], NOW));
        case.in_hand = Vec::new();
        assert_eq!(case.verdict(&model), take);
        case.observes_ops = true;
        assert_eq!(case.verdict(&model), Never(Reason::Slow));
    }
}

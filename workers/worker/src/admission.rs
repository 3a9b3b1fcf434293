//! Which jobs to take, decided before anything is spent on them.

use crate::market::{Seed, View};
use crate::models::Model;
use crate::settings::Accept;
use jobs::state::ANY_GPU;
use jobs::{Job, Status};
use protocol::demand::MAX_OPEN;
use protocol::sortition;
use solana_address::Address;
use std::{fmt, time::Duration};

/// A worker prepares this many slots before its turn, which leaves time to fetch the input.
const LEAD: u64 = 10;

/// On top of twice the estimate: transactions and the upload take time too.
const OVERHEAD: Duration = Duration::from_secs(3);

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
    /// Even its highest price is below the floor.
    Price,
    /// Its price has not risen to the floor yet.
    Auction,
    /// Its inputs, outputs or trace are too large.
    Size,
    /// It would not be done in time.
    Slow,
    /// Demands about its result could not be answered in time, which costs the bond.
    Answers,
    /// The device cannot put up the bond.
    Bond,
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
            Self::Price => "its highest price is below the floor in `accept`",
            Self::Auction => "its price has not reached the floor in `accept` yet",
            Self::Size => "its inputs, outputs or trace exceed `max_blob_mib`",
            Self::Slow => "this machine would not finish it in time",
            Self::Answers => "this machine's CPU could not answer eight questions about its result in `answer_seconds`",
            Self::Bond => "the device may not bond for it: too little free stake, on probation or retired",
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
    pub model: &'a Model,
    pub seed: Seed,
}

/// What a worker is willing and able to do.
pub(crate) struct Limits<'a> {
    pub accept: &'a [Accept],
    pub max_blob: u64,
    /// Jobs in hand already, which share the machine.
    pub in_hand: u32,
    pub device: &'a Address,
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
    let decide = || {
        never(job.status == Status::Open as u8, Reason::Taken)?;
        never(!view.now.reached(job.deadline()), Reason::Expired)?;
        never(job.gpu_model == ANY_GPU || job.gpu_model == view.gpu.id, Reason::Gpu)?;
        never(view.gpu.vram_gb >= job.min_vram_gb, Reason::Memory)?;
        never(view.gpu.multiplier_x100 >= job.min_multiplier_x100, Reason::Multiplier)?;
        never(
            view.device.jobs_done.get() >= u32::from(job.min_jobs_done.get()),
            Reason::Experience,
        )?;

        let accepted = limits.accept.iter().find(|accept| accept.mint.unwrap_or(view.jobs.mint) == **mint);
        let floor = accepted.map(|accept| accept.min_price).ok_or(Verdict::Never(Reason::Mint))?;
        never(job.max_price.get() >= floor, Reason::Price)?;

        let units = job.units.get();
        let sizes = [model.inputs(units), model.outputs(units)];
        never(
            sizes
                .iter()
                .all(|header| header.is_some_and(|header| header.blob_bytes() <= limits.max_blob))
                && model.trace_bytes(units) <= limits.max_blob,
            Reason::Size,
        )?;
        let alone = model.estimate(units).saturating_mul(2);
        let run = Duration::from_secs(job.run_seconds.get().into());
        never(alone.saturating_add(OVERHEAD) <= run, Reason::Slow)?;
        let answers = Duration::from_secs(view.jobs.answer_seconds.get().into());
        never(model.time_to_answer(MAX_OPEN) <= answers, Reason::Answers)?;
        let shared = alone.saturating_mul(limits.in_hand.saturating_add(1));
        later(shared.saturating_add(OVERHEAD) <= run, Reason::Slow)?;

        later(!view.jobs.paused.get() && !view.staking.paused.get(), Reason::Paused)?;
        let mut device = view.device;
        let price = job.price_at(view.now.unix).0;
        let bond = job.bond_at(price, &view.jobs).unwrap_or(u64::MAX);
        let bonded = device.lock_bond(bond, &view.staking, &view.gpu, view.now.unix);
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

    /// A job and what it is judged by.
    struct Case {
        job: Job,
        view: View,
        accept: Vec<Accept>,
        mint: Address,
        seed: Seed,
        max_blob: u64,
        in_hand: u32,
    }

    /// One that is taken at once.
    fn taken() -> Case {
        let mut view = View {
            now: Moment { unix: 1_000, slot: 500 },
            jobs: jobs::Config::zeroed(),
            staking: Zeroable::zeroed(),
            device: Zeroable::zeroed(),
            gpu: Zeroable::zeroed(),
        };
        view.jobs.mint = MINT;
        view.jobs.watch_bps = 10_000.into();
        view.jobs.answer_seconds = 300.into();
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
        job.opened_at = 1_000.into();
        job.auction_seconds = 60.into();
        job.start_price = 10.into();
        job.max_price = 20.into();
        job.bond = 1_000.into();
        job.run_seconds = 3_600.into();
        (job.deadline_at, job.deadline_slot) = (1_100.into(), 750.into());
        Case {
            job,
            view,
            accept: vec![Accept { mint: None, min_price: 10 }],
            mint: MINT,
            seed: Seed::Forgotten,
            max_blob: 1 << 30,
            in_hand: 0,
        }
    }

    impl Case {
        fn verdict(&self, model: &Model) -> Verdict {
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
                in_hand: self.in_hand,
                device: &device,
            };
            assess(&offer, &self.view, &limits)
        }
    }

    #[test]
    fn every_reason_is_given_for_what_it_says() {
        use Verdict::{Later, Never};
        let model = Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/upscale"), 1).unwrap();
        model.measure().unwrap();
        assert_eq!(taken().verdict(&model), Verdict::Take { slot: 0, floor: 10 });

        let (outputs, trace) = (model.outputs(4).unwrap().blob_bytes(), model.trace_bytes(4));
        assert!(trace < outputs);
        // Twice the estimate for each job in hand and the new one, and the overhead.
        let second = Duration::from_secs(1);
        let shared = u32::try_from((3_600 * second).as_nanos() / (2 * model.estimate(4)).as_nanos()).unwrap();
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
            (Never(Reason::Slow), change(|case| case.job.run_seconds = 3.into())),
            (Never(Reason::Answers), change(|case| case.view.jobs.answer_seconds = 0.into())),
            (
                Later(Reason::Slow),
                Case {
                    in_hand: shared,
                    ..taken()
                },
            ),
            (Later(Reason::Paused), change(|case| case.view.jobs.paused = true.into())),
            (Later(Reason::Paused), change(|case| case.view.staking.paused = true.into())),
            (Later(Reason::Bond), change(|case| case.job.bond = 1_000_001.into())),
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
}

//! Which devices can take a job on its terms.

use crate::{
    context::{Context, Market, Token},
    error::{Error, Result},
    output::count,
};
use anchor_lang::bytemuck::Zeroable;
use jobs::{Job, JobTerms};
use solana_address::Address;
use staking::{Device, GpuModel, error::StakingError, state::STATUS_ACTIVE};
use std::collections::{BTreeMap, BTreeSet};

/// Why a device cannot take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    /// It is not what the job asks for.
    Requirements,
    /// Its free stake does not cover the bond.
    Bond,
    /// Its probation is not over.
    Probation,
    /// Its stake is below the minimum.
    Minimum,
    /// A slash is due some of its stake.
    Due,
    /// Its GPU model is not listed.
    Unlisted,
}

impl Obstacle {
    /// What stops this device from taking the job with this bond; `None` if nothing does. The programs' own rules decide.
    fn of(device: &Device, gpu: &GpuModel, job: &Job, bond: u64, market: &Market, now: i64) -> Option<Self> {
        if job.check_requirements(device, gpu).is_err() {
            return Some(Self::Requirements);
        }
        let mut device = *device;
        let error = device.lock_bond(bond, &market.staking, gpu, now).err()?;
        let known = [
            (StakingError::InsufficientFreeStake, Self::Bond),
            // Of a bond beyond 64 bits.
            (StakingError::BooksBroken, Self::Bond),
            (StakingError::OnProbation, Self::Probation),
            (StakingError::BelowMinimumStake, Self::Minimum),
            (StakingError::DueOpen, Self::Due),
        ];
        let mut known = known.into_iter();
        let found = known.find_map(|(code, obstacle)| (error == anchor_lang::Error::from(code)).then_some(obstacle));
        Some(found.unwrap_or(Self::Unlisted))
    }
}

/// Devices in service that can take a job at a price, and what stops most of the others.
struct Takers {
    all: usize,
    able: usize,
    /// Owners of those that are able.
    owners: usize,
    /// The bond at that price.
    bond: u64,
    /// The most frequent obstacle, and how many devices it stops.
    stopped: Option<(usize, Obstacle)>,
}

/// A job, and all devices in service with their GPU models.
struct Crowd<'a> {
    job: Job,
    devices: Vec<(Device, GpuModel)>,
    market: &'a Market,
    now: i64,
}

impl<'a> Crowd<'a> {
    async fn load(context: &Context, market: &'a Market, terms: &JobTerms, is_foreign: bool) -> Result<Self> {
        let (gpus, devices) = tokio::try_join!(context.chain.find::<GpuModel>(&[]), context.chain.find::<Device>(&[]))?;
        let gpus: BTreeMap<u16, GpuModel> = gpus.into_iter().map(|(_, gpu)| (gpu.id.get(), gpu)).collect();
        let active = devices.into_iter().filter(|(_, device)| device.status == STATUS_ACTIVE);
        let devices = active.filter_map(|(_, device)| Some((device, *gpus.get(&device.gpu_model.get())?)));
        Ok(Self {
            job: Job {
                units: terms.units.into(),
                bond: terms.bond.into(),
                value_at_risk: terms.value_at_risk.into(),
                foreign_mint: is_foreign.into(),
                replicas: terms.replicas,
                gpu_model: terms.gpu_model.into(),
                min_vram_gb: terms.min_vram_gb.into(),
                min_multiplier_x100: terms.min_multiplier_x100.into(),
                min_jobs_done: terms.min_jobs_done.into(),
                ..Job::zeroed()
            },
            devices: devices.collect(),
            market,
            now: context.now().await?.unix,
        })
    }

    /// Who can take the job at this price per unit.
    fn takers(&self, price: u64) -> Takers {
        // No stake covers a bond beyond 64 bits.
        let bond = self.job.bond_at(price, &self.market.jobs).unwrap_or(u64::MAX);
        let (mut able, mut owners, mut stopped) = (0usize, BTreeSet::<Address>::new(), BTreeMap::<Obstacle, usize>::new());
        for (device, gpu) in &self.devices {
            match Obstacle::of(device, gpu, &self.job, bond, self.market, self.now) {
                None => {
                    able = able.saturating_add(1);
                    owners.insert(device.owner);
                }
                Some(obstacle) => {
                    let number = stopped.entry(obstacle).or_default();
                    *number = number.saturating_add(1);
                }
            }
        }
        Takers {
            all: self.devices.len(),
            able,
            owners: owners.len(),
            bond,
            stopped: stopped.into_iter().map(|(obstacle, number)| (number, obstacle)).max(),
        }
    }
}

/// Advice if nobody has claimed a job that many could.
const OFFER_MORE: &str = "offer more with --max-price, or wait longer with --open-for";

/// What to tell a consumer about who can take a job.
#[derive(Debug)]
pub struct Advice {
    /// Before the job is opened.
    pub before: String,
    /// When nobody has claimed it.
    pub if_expired: &'static str,
}

impl Advice {
    /// Without a look at the devices.
    pub fn unknown(error: &Error) -> Self {
        Self {
            before: format!("how many devices can take this job is unknown: {error}"),
            if_expired: OFFER_MORE,
        }
    }

    /// Counts the devices that can take the job at its highest price, which asks for the largest bond.
    pub async fn new(context: &Context, market: &Market, io: &Token, terms: &JobTerms, is_foreign: bool) -> Result<Self> {
        let crowd = Crowd::load(context, market, terms, is_foreign).await?;
        let takers = crowd.takers(terms.max_price);
        // An owner may take only one replica.
        let needed = usize::from(terms.replicas);
        let mut before = format!(
            "{} of {} can take this job at its highest price",
            takers.able,
            count(takers.all as u64, "device")
        );
        if takers.able > 0 && takers.owners < needed {
            let owners = count(takers.owners as u64, "owner");
            before.push_str(&format!(
                ", but belong to {owners}, and each of the {needed} replicas needs another"
            ));
        }
        if let Some((number, obstacle)) = takers.stopped {
            let why = match obstacle {
                Obstacle::Requirements => "not what --gpu, --min-vram, --min-multiplier or --min-jobs asks for".to_owned(),
                Obstacle::Bond => format!("not enough free stake for a bond of {}", io.unit.show(takers.bond)),
                Obstacle::Probation => "still on probation".to_owned(),
                Obstacle::Minimum => "stake below the minimum".to_owned(),
                Obstacle::Due => "stake owed to a slash".to_owned(),
                Obstacle::Unlisted => "a GPU model that is not listed".to_owned(),
            };
            before.push_str(&format!("; {number} cannot: {why}"));
        }
        let if_expired = match takers.stopped {
            _ if takers.owners >= needed && crowd.takers(terms.max_price.saturating_mul(2)).owners >= needed => OFFER_MORE,
            _ if takers.owners >= needed => {
                "wait longer with --open-for; hardly a device has the stake for the bond of a much higher price"
            }
            Some((_, Obstacle::Requirements)) => {
                "too few devices met its terms; ask for less with --gpu, --min-vram, --min-multiplier or --min-jobs"
            }
            Some((_, Obstacle::Bond)) => {
                "too few devices had the stake for its bond; lower --max-price, --bond or --value-at-risk, or submit less work at a time"
            }
            _ => "too few devices could take it; wait longer with --open-for, or submit it later",
        };
        Ok(Self { before, if_expired })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use chain::{fake::Fake, market::stake};
    use jobs::state::ANY_GPU;
    use protocol::units::IO;

    /// A job of one unit for up to 1 $IO.
    fn terms() -> JobTerms {
        JobTerms {
            inputs: [0; 32],
            start_price: 0,
            max_price: IO,
            bond: 1,
            value_at_risk: 0,
            units: 1,
            auction_seconds: 1,
            open_seconds: 1,
            run_seconds: 1,
            window_seconds: 1,
            min_vram_gb: 0,
            min_multiplier_x100: 0,
            gpu_model: ANY_GPU,
            min_jobs_done: 0,
            audit_bps: 0,
            replicas: 1,
            replica: 0,
        }
    }

    /// Puts a device with that much stake on the market, with its probation over.
    fn set_device(fake: &Fake, owner: Address, stake: u64, change: impl Fn(&mut Device)) {
        let mut device = Device {
            owner,
            own_stake: (stake * IO).into(),
            registered_at: (-100).into(),
            quantity: 1,
            tier: 1,
            ..Device::zeroed()
        };
        change(&mut device);
        fake.set_account(Address::new_unique(), testing::account(&device));
    }

    /// A market on which one lie in twenty is noticed: the bond for 1 $IO is 21.65945166 $IO.
    async fn market(fake: &Fake, context: &Context) -> (Market, Token) {
        let mut market = context.market().await.unwrap();
        (market.jobs.watch_bps, market.staking.probation) = (500.into(), 100.into());
        let gpu = GpuModel {
            multiplier_x100: 100.into(),
            ..GpuModel::zeroed()
        };
        fake.set_account(stake::gpu_model(0), testing::account(&gpu));
        let io = context.token(&market, None).await.unwrap();
        (market, io)
    }

    #[tokio::test]
    async fn who_can_take_a_job_depends_on_all_that_a_claim_checks() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        let (market, io) = market(&fake, &context).await;
        let advice = async |terms: JobTerms| Advice::new(&context, &market, &io, &terms, false).await.unwrap();
        let said = async |terms: JobTerms| advice(terms).await.before;
        let [first, second] = [(); 2].map(|()| Address::new_unique());
        assert_eq!(said(terms()).await, "0 of 0 devices can take this job at its highest price");

        set_device(&fake, first, 30, |_| ());
        set_device(&fake, first, 30, |_| ());
        set_device(&fake, first, 999, |device| device.status = 1);
        assert_eq!(said(terms()).await, "2 of 2 devices can take this job at its highest price");
        set_device(&fake, second, 999, |device| device.registered_at = 0.into());
        assert_eq!(
            said(terms()).await,
            "2 of 3 devices can take this job at its highest price; 1 cannot: still on probation"
        );
        for _ in 0..2 {
            set_device(&fake, second, 30, |device| {
                (device.locked_bond, device.open_jobs) = ((10 * IO).into(), 1.into());
            });
        }
        assert_eq!(
            said(terms()).await,
            "2 of 5 devices can take this job at its highest price; 2 cannot: not enough free stake for a bond of 21.65945166 $IO"
        );
        let replicas = JobTerms { replicas: 2, ..terms() };
        assert_eq!(
            said(replicas).await,
            "2 of 5 devices can take this job at its highest price, but belong to 1 owner, and each of the 2 replicas needs another; \
             2 cannot: not enough free stake for a bond of 21.65945166 $IO"
        );
        let large = JobTerms {
            min_vram_gb: 80,
            ..terms()
        };
        let large = advice(large).await;
        assert!(
            large.before.starts_with("0 of 5") && large.before.contains("; 5 cannot: not what --gpu"),
            "{large:?}"
        );
        assert!(large.if_expired.contains("ask for less with --gpu"), "{large:?}");
    }

    #[tokio::test]
    async fn a_higher_price_is_advised_only_if_its_bond_can_be_covered() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        let (market, io) = market(&fake, &context).await;
        let advice = async |max_price, is_foreign| {
            let terms = JobTerms { max_price, ..terms() };
            let advice = Advice::new(&context, &market, &io, &terms, is_foreign).await.unwrap();
            advice.if_expired
        };
        set_device(&fake, Address::new_unique(), 30, |_| ());
        assert!(advice(IO / 2, false).await.starts_with("offer more with --max-price"));
        assert!(advice(IO, false).await.starts_with("wait longer"));
        assert!(advice(2 * IO, false).await.contains("lower --max-price"));
        assert!(advice(u64::MAX / 8, false).await.contains("lower --max-price"), "no bond is enough");
        // What another token is worth in $IO is unknown.
        assert!(advice(2 * IO, true).await.starts_with("offer more with --max-price"));
    }
}

//! The terms of a job: what it pays, and what it asks of the device.

use crate::{
    amount::{Quantity, seconds, share},
    command::{device::find_gpu, escrow::PaidIn},
    context::{Context, Market, Token},
    error::{Error, Result, refuse},
};
use clap::Args;
use jobs::{
    JobTerms,
    state::{ANY_GPU, MAX_REPLICAS},
};
use protocol::{
    fees,
    hash::Hash,
    units::{Amount, Bps},
};

/// The terms, as they are typed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Offer", mut_arg("mint", |mint| mint.requires("price")))]
pub struct Terms {
    /// Price per unit at the start of the auction; to be given with --mint, as the default is in $IO
    #[arg(long, default_value = "0.001")]
    price: Quantity,
    /// Price per unit at the end of the auction [default: twice --price]
    #[arg(long)]
    max_price: Option<Quantity>,
    /// Time over which the price rises from --price to --max-price
    #[arg(long, default_value = "30s", value_parser = seconds)]
    auction: u32,
    /// Time within which a device must claim the job
    #[arg(long, default_value = "10m", value_parser = seconds)]
    open_for: u32,
    /// Time the worker has to compute the result
    #[arg(long, default_value = "10m", value_parser = seconds)]
    run_time: u32,
    /// Challenge window: time in which the result can be proved wrong before it is paid; under a minute it also excludes deliberate errors
    #[arg(long, default_value = "2m", value_parser = seconds)]
    window: u32,
    /// Suppliers that compute the same job without seeing each other's results; the result is final as soon as they agree, and each is paid
    #[arg(long, default_value_t = 1, value_name = "1-3", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_REPLICAS)))]
    replicas: u8,
    /// Chance, in per cent, that a second supplier recomputes the result before it is revealed, on top of the audits that the market draws.
    /// Audits are paid out of the price, so workers ask for a higher one: raise --max-price as well
    #[arg(long, value_name = "PER CENT", value_parser = share, conflicts_with = "replicas")]
    audit: Option<u16>,
    /// Smallest bond of the worker in $IO; the chain raises it where a wrong result could pay off [default: the market's minimum]
    #[arg(long)]
    bond: Option<Quantity>,
    /// $IO that somebody could gain by a wrong result: raises the worker's bond and excludes deliberate errors. Workers decline a bond out
    /// of proportion to the price (by default, ten times what the market asks), so raise --max-price as well
    #[arg(long, default_value = "0")]
    value_at_risk: Quantity,
    /// Only this GPU model: id or name
    #[arg(long)]
    gpu: Option<String>,
    /// Minimum memory of one GPU, in GiB
    #[arg(long, default_value_t = 0)]
    min_vram: u16,
    /// Minimum earning multiplier of one GPU, times 100
    #[arg(long, default_value_t = 0, value_name = "X100")]
    min_multiplier: u16,
    /// Minimum number of jobs the device has done
    #[arg(long, default_value_t = 0)]
    min_jobs: u16,
    #[command(flatten)]
    pub paid_in: PaidIn,
}

impl Terms {
    /// The terms as the chain takes them, and the most that all replicas can cost together, with fees. The first token pays, the second is
    /// $IO.
    pub async fn resolve(
        &self,
        context: &Context,
        market: &Market,
        [token, io]: [&Token; 2],
        inputs: Hash,
        units: u32,
    ) -> Result<(JobTerms, u64)> {
        let start_price = self.price.base_units(token.unit)?;
        let max_price = match &self.max_price {
            Some(price) => price.base_units(token.unit)?,
            None => start_price.saturating_mul(2),
        };
        if max_price == 0 || start_price > max_price {
            return refuse("the price must be above zero and --max-price not below --price");
        }
        let too_much = || Error::Refused("the price times the units is more than can exist; lower --max-price".to_owned());
        let base = Amount(max_price).checked_times(units.into()).ok_or_else(too_much)?;
        let surcharge = if token.mint == io.mint {
            0
        } else {
            market.jobs.surcharge_bps.get()
        };
        let fee = Bps::saturating(market.jobs.fee_bps.get());
        let quote = fees::quote(base, fee, Bps::saturating(surcharge)).ok_or_else(too_much)?;
        let bond = match &self.bond {
            Some(bond) => bond.base_units(io.unit)?,
            None => market.jobs.min_bond.get(),
        };
        let gpu_model = match &self.gpu {
            Some(gpu) => find_gpu(context, gpu).await?.id.get(),
            None => ANY_GPU,
        };
        let terms = JobTerms {
            inputs,
            start_price,
            max_price,
            bond,
            value_at_risk: self.value_at_risk.base_units(io.unit)?,
            units,
            auction_seconds: self.auction.min(self.open_for),
            open_seconds: self.open_for,
            run_seconds: self.run_time,
            window_seconds: self.window,
            min_vram_gb: self.min_vram,
            min_multiplier_x100: self.min_multiplier,
            gpu_model,
            min_jobs_done: self.min_jobs,
            audit_bps: self.audit.unwrap_or(0),
            replicas: self.replicas,
            replica: 0,
        };
        if terms.validate(&market.jobs).is_err() {
            return refuse(format!(
                "these terms are not allowed: times must lie between 1s and 7d, and the bond must be at least {}",
                io.unit.show(market.jobs.min_bond.get())
            ));
        }
        let locked = Amount(quote.consumer_pays.0)
            .checked_times(self.replicas.into())
            .ok_or_else(too_much)?;
        Ok((terms, locked.0))
    }
}

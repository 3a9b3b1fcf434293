//! `ionet stake`: $IO behind devices.

use super::{
    device::{Which, find_gpu, gpu_name},
    reward::weekly,
};
use crate::{
    amount::{Quantity, Unit, span},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, fields},
    send::Sent,
    week::{Rated, Week},
};
use chain::{
    market,
    market::{costake, stake},
};
use clap::Subcommand;
use protocol::units::Bps;
use serde::Serialize;
use solana_signer::Signer;
use staking::{Device, GpuModel, state::STATUS_ACTIVE};
use std::fmt;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stake more on a device
    Add {
        /// $IO to stake
        amount: Quantity,
        #[command(flatten)]
        which: Which,
    },
    /// Take out what lies above the minimum, at once
    WithdrawOverflow {
        /// $IO to take [default: all that is free]
        amount: Option<Quantity>,
        #[command(flatten)]
        which: Which,
    },
    /// Start the cooldown of the whole stake; it cannot be called back
    Unstake {
        #[command(flatten)]
        which: Which,
    },
    /// Take out what has cooled down
    Withdraw {
        #[command(flatten)]
        which: Which,
    },
    /// Compute what GPUs need as stake, what of it co-stakers may fund, and what a week brings
    Minimum {
        /// GPU model: its id or name, as `ionet device list-models` shows them
        #[arg(long)]
        gpu: String,
        /// GPUs of that model behind the device
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(protocol::stake::MAX_QUANTITY)))]
        quantity: u8,
    },
    /// Show stake, minimum, bonds and cooldown
    Show {
        #[command(flatten)]
        which: Which,
    },
}

/// What a due slash means for the owner.
const HELD: &str = "a slash takes stake that lies in bonds, as they come free; until it has that nothing leaves and no job is taken";

#[derive(Serialize)]
struct Shown {
    device: String,
    #[serde(skip)]
    active: bool,
    stake: u64,
    /// What others have staked on it, which counts for the minimum and not for bonds.
    co_stake: u64,
    minimum: u64,
    locked_bond: u64,
    free: u64,
    /// Slashes that wait for stake in bonds.
    dues: u8,
    overflow: u64,
    cooling: u64,
    cooldown_ends: i64,
    forfeited: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.unit.show(amount);
        let missing = self.minimum.saturating_sub(self.stake).saturating_sub(self.co_stake);
        let left = self.cooldown_ends.saturating_sub(self.now);
        let cooling = match (self.cooling, left) {
            (0, _) => "nothing".to_owned(),
            (amount, ..=0) => format!("{}, ready: `ionet stake withdraw`", show(amount)),
            (amount, left) => format!("{}, ready in {}", show(amount), span(left)),
        };
        let minimum = match missing {
            _ if !self.active => format!("{}, but it is retired and takes no jobs", show(self.minimum)),
            0 => show(self.minimum),
            missing => format!("{}, {} more to take jobs", show(self.minimum), show(missing)),
        };
        let mut lines = vec![
            ("device", self.device.clone()),
            ("stake", show(self.stake)),
            ("co-stake", show(self.co_stake)),
            ("minimum", minimum),
            ("bonded", show(self.locked_bond)),
            ("free for bonds", show(self.free)),
            ("overflow", show(self.overflow)),
            ("cooling down", cooling),
        ];
        if self.dues > 0 {
            lines.push(("held", HELD.to_owned()));
        }
        if self.forfeited > 0 {
            lines.push(("forfeited", show(self.forfeited)));
        }
        fields(f, &lines)
    }
}

#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(flatten)]
    shown: Option<Shown>,
    amount: u64,
    #[serde(flatten)]
    sent: Sent,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.iter().try_for_each(|shown| write!(f, "{shown}"))?;
        write!(f, "{}", self.sent)
    }
}

#[derive(Serialize)]
struct Minimum {
    gpu: String,
    quantity: u8,
    multiplier_x100: u16,
    minimum: u64,
    /// Most that co-stakers may fund.
    co_stake: u64,
    /// The next raise that is decided, of the multiplier or the base stake: the minimum then, and when.
    raised: Option<u64>,
    raise_at: Option<i64>,
    weekly: u64,
    weekly_hours: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for Minimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.unit.show(amount);
        let multiplier = f64::from(self.multiplier_x100) / 100.0;
        let mut lines = vec![
            ("GPUs", format!("{} × {}, multiplier {multiplier:.2}", self.quantity, self.gpu)),
            ("minimum stake", show(self.minimum)),
        ];
        lines.extend(self.raised.zip(self.raise_at).map(|(raised, at)| {
            let left = span(at.saturating_sub(self.now));
            ("raised", format!("to {} in {left}", show(raised)))
        }));
        lines.push(("of co-stakers", format!("up to {}", show(self.co_stake))));
        lines.push(("a week", weekly(self.weekly, self.weekly_hours, self.unit)));
        fields(f, &lines)
    }
}

async fn minimum(context: &Context, gpu: &str, quantity: u8) -> Result<Answer> {
    let market = context.market().await?;
    let token = context.token(&market, None).await?;
    let (gpu, now) = (find_gpu(context, gpu).await?, context.now().await?.unix);
    let needs = |at| {
        let minimum = protocol::stake::minimum(market.staking.required_base(at), gpu.required_multiplier(at), quantity);
        minimum.map_or_else(|| refuse("such a stake cannot be computed; update this program"), Ok)
    };
    let minimum = needs(now)?;
    // Either is raised without the other, and a cut sets its time too, at which the minimum stays what it is.
    let (multiplier_at, base_at) = (gpu.raise_at.get(), market.staking.base_raise_at.get());
    let changes = [(multiplier_at, needs(multiplier_at)?), (base_at, needs(base_at)?)];
    let raise = changes.into_iter().filter(|(_, then)| *then > minimum).min();
    let costaking: Option<costaking::Config> = context.chain.try_fetch(&costake::config()).await?;
    let share = costaking.map_or(Bps::saturating(0), |config| Bps::saturating(config.capacity_bps.get()));
    let week = Week::load(context, now).await?;
    Ok(Answer::new(&Minimum {
        gpu: gpu_name(&gpu),
        quantity,
        multiplier_x100: gpu.multiplier_x100.get(),
        minimum: minimum.0,
        co_stake: minimum.share_floor(share).0,
        raised: raise.map(|(_, then)| then.0),
        raise_at: raise.map(|(at, _)| at),
        weekly: week.reward(&Rated::newcomer(&gpu, quantity)),
        weekly_hours: week.hours(),
        unit: token.unit,
        now,
    }))
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let which = match &self {
            Self::Minimum { gpu, quantity } => return minimum(context, gpu, *quantity).await,
            Self::Add { which, .. }
            | Self::WithdrawOverflow { which, .. }
            | Self::Unstake { which }
            | Self::Withdraw { which }
            | Self::Show { which } => which,
        };
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let wallet = context.wallet()?;
        let owner = wallet.pubkey();
        let (address, device) = which.find(context, &owner).await?;
        let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
        let show = async |device: &Device| {
            let now = context.now().await?.unix;
            let minimum = device.minimum(&market.staking, &gpu, now);
            let minimum = minimum.or_else(|_| {
                refuse(format!(
                    "the stake that device {address} needs cannot be computed; update this program"
                ))
            })?;
            let (own, bonded) = (device.own_stake.get(), device.locked_bond.get());
            let free = if device.dues > 0 { 0 } else { own.saturating_sub(bonded) };
            Ok::<_, crate::error::Error>(Shown {
                device: address.to_string(),
                active: device.status == STATUS_ACTIVE,
                stake: own,
                co_stake: device.co_stake.get(),
                minimum: minimum.0,
                locked_bond: bonded,
                free,
                dues: device.dues,
                overflow: device.overflow(minimum),
                cooling: device.cooling.get(),
                cooldown_ends: device.cooldown_ends.get(),
                forfeited: device.forfeited.get(),
                unit: token.unit,
                now,
            })
        };
        let shown = show(&device).await?;
        let tokens = market::token_account(&owner, &token.mint);
        let receive = market::create_token_account(&owner, &owner, &token.mint);
        let (what, amount, instructions) = match &self {
            Self::Minimum { .. } | Self::Show { .. } => return Ok(Answer::new(&shown)),
            Self::Add { amount, .. } => {
                let amount = amount.base_units(token.unit)?;
                let account = context.chain.account(&tokens).await?;
                let held = account.as_ref().and_then(crate::context::token_amount).unwrap_or(0);
                if held < amount {
                    return refuse(format!(
                        "wallet {owner} holds {} and cannot stake {}; get more first or stake less",
                        token.unit.show(held),
                        token.unit.show(amount)
                    ));
                }
                ("stake", amount, vec![stake::stake(&owner, &address, &tokens, amount)])
            }
            Self::WithdrawOverflow { .. } | Self::Unstake { .. } if shown.dues > 0 => return refuse(HELD),
            Self::WithdrawOverflow { amount, .. } => {
                let amount = amount.as_ref().map_or(Ok(shown.overflow), |amount| amount.base_units(token.unit))?;
                if amount == 0 || amount > shown.overflow {
                    return refuse(format!(
                        "{} of device {address}'s stake lie above its minimum of {}; take at most that, or `ionet stake unstake` the whole",
                        token.unit.show(shown.overflow),
                        token.unit.show(shown.minimum)
                    ));
                }
                let withdraw = stake::withdraw_overflow(&owner, &address, device.gpu_model.get(), &tokens, amount);
                ("withdraw an overflow of", amount, vec![receive, withdraw])
            }
            Self::Unstake { .. } => ("start the cooldown of", shown.stake, vec![stake::unstake(&owner, &address)]),
            Self::Withdraw { .. } if shown.cooling > 0 && shown.cooldown_ends > shown.now => {
                let left = span(shown.cooldown_ends.saturating_sub(shown.now));
                return refuse(format!(
                    "the stake of device {address} cools down for {left} more; withdraw it then"
                ));
            }
            Self::Withdraw { .. } => ("withdraw", shown.cooling, vec![receive, stake::withdraw(&owner, &address, &tokens)]),
        };
        let [staked, cooling] = Watched::device(&address, &token);
        let watched = [Watched::tokens("wallet", &owner, &token), staked, cooling];
        let question = format!("{what} {} on device {address}", token.unit.show(amount));
        let sent = context.send(&question, &instructions, &wallet, &[], &watched).await?;
        // It is done, whether or not the node answers once more.
        let shown = async { show(&context.chain.fetch(&address).await?).await };
        Ok(Answer::new(&Done {
            shown: shown.await.ok(),
            amount,
            sent,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{amount::SOL, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use solana_address::Address;
    use staking::StakingConfig;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_stake_is_told_of_by_a_node_that_answers_no_more() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, wallet, _) = testing::on_market(&fake, folder.path(), 100_000_000);
        let owner = wallet.pubkey();
        let device = Device { owner, ..Device::zeroed() };
        fake.set_account(Address::new_unique(), testing::account(&device));
        fake.set_account(stake::gpu_model(0), testing::account(&GpuModel::zeroed()));
        fake.set_mute_once_sent(true);
        let shown = testing::json(&testing::typed::<Command>(&["add", "1"]).run(&context).await.unwrap());
        assert_eq!((shown.get("amount"), shown.get("stake")), (Some(&100_000_000.into()), None));
        assert!(shown.get("signature").is_some());
    }

    #[tokio::test]
    async fn the_next_raise_is_told_at_its_own_time() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, _) = testing::context(&fake, folder.path());
        let mint = Address::new_unique();
        testing::set_up_market(&fake, &mint);
        fake.set_account(mint, testing::mint(8));
        // (multiplier: before, now, when; base stake: before, now, when; raised to, when), on a chain whose clock stands at 0.
        let cases = [
            ((100, 200, 10), (5, 5, 0), Some((10, 10))),
            ((100, 200, 10), (9, 5, 20), Some((10, 10))),
            ((400, 200, 20), (5, 7, 10), Some((14, 10))),
            ((100, 200, 20), (5, 7, 10), Some((7, 10))),
            ((100, 200, 10), (5, 7, 20), Some((10, 10))),
            ((400, 200, 10), (9, 5, 20), None),
            ((100, 200, 0), (5, 7, 0), None),
        ];
        for (multiplier, base, raise) in cases {
            let gpu = GpuModel {
                previous_x100: multiplier.0.into(),
                multiplier_x100: multiplier.1.into(),
                raise_at: multiplier.2.into(),
                ..GpuModel::zeroed()
            };
            let config = StakingConfig {
                base_before: base.0.into(),
                base_stake: base.1.into(),
                base_raise_at: base.2.into(),
                ..StakingConfig::zeroed()
            };
            fake.set_account(stake::gpu_model(0), testing::account(&gpu));
            fake.set_account(stake::config(), testing::account(&config));
            let shown = testing::json(&minimum(&context, "0", 1).await.unwrap());
            let told = shown["raised"].as_u64().zip(shown["raise_at"].as_i64());
            assert_eq!(told, raise, "{multiplier:?}, {base:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said_of_devices_that_could_work() {
        let shown = |active, co_stake| {
            let shown = Shown {
                device: String::new(),
                active,
                stake: 440,
                co_stake,
                minimum: 500,
                locked_bond: 0,
                free: 440,
                dues: 0,
                overflow: 0,
                cooling: 0,
                cooldown_ends: 0,
                forfeited: 0,
                unit: Unit { decimals: 0, ..SOL },
                now: 0,
            };
            shown.to_string()
        };
        assert!(shown(true, 59).contains("1 SOL more to take jobs"));
        let enough = shown(true, 60);
        assert!(enough.contains("co-stake        60 SOL") && !enough.contains("more"), "{enough}");
        let retired = shown(false, 0);
        assert!(retired.contains("takes no jobs") && !retired.contains("more"), "{retired}");
    }
}

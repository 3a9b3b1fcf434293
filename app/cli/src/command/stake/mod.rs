//! `ionet stake`: $IO behind devices.

mod minimum;
mod show;

use super::device::Which;
use crate::{
    amount::{Quantity, span},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::Answer,
    send::Sent,
};
use chain::{market, market::stake};
use clap::Subcommand;
use minimum::minimum;
use serde::Serialize;
use show::{HELD, Shown};
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
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use solana_address::Address;
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
}

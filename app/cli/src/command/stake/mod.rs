//! `ionet stake`: $IO behind devices.

mod minimum;
mod presence;
mod show;

use super::device::Which;
use crate::{
    amount::{Quantity, span},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::Answer,
    send::Done,
};
use chain::{market, market::stake};
use clap::Subcommand;
use minimum::minimum;
use show::{HELD, Shown};
use solana_signer::Signer;
use staking::{Device, GpuModel};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stake more on a device
    Add {
        /// $IO to stake
        amount: Quantity,
        #[command(flatten)]
        which: Which,
    },
    /// Withdraw what exceeds the minimum, without a cooldown
    WithdrawOverflow {
        /// $IO to withdraw [default: all that is free]
        amount: Option<Quantity>,
        #[command(flatten)]
        which: Which,
    },
    /// Start the cooldown of the whole stake; this cannot be undone
    Unstake {
        #[command(flatten)]
        which: Which,
    },
    /// Withdraw stake that has cooled down
    Withdraw {
        #[command(flatten)]
        which: Which,
    },
    /// Show the minimum stake of GPUs, how much of it co-stakers may fund, and what a week earns
    Minimum {
        /// GPU model: its id or name, as `ionet device list-models` shows them
        #[arg(long)]
        gpu: String,
        /// Number of GPUs behind the device
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(protocol::stake::MAX_QUANTITY)))]
        quantity: u8,
    },
    /// Show a device's stake, minimum, bonds and cooldown
    Show {
        #[command(flatten)]
        which: Which,
    },
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
        let (address, device) = which.find(context).await?;
        let gpu: GpuModel = context.chain.fetch(&stake::gpu_model(device.gpu_model.get())).await?;
        let show = async |device: &Device| {
            let now = context.now().await?.unix;
            match device.minimum(&market.staking, &gpu, now) {
                Ok(minimum) => Ok(Shown::new(&address, device, minimum, token.unit, now)),
                Err(_) => refuse(format!(
                    "the minimum stake of device {address} cannot be computed; update this program"
                )),
            }
        };
        let shown = show(&device).await?;
        if matches!(self, Self::Show { .. }) {
            return Ok(Answer::new(&shown));
        }
        let wallet = context.wallet()?;
        let owner = wallet.pubkey();
        let tokens = market::token_account(&owner, &token.mint);
        let receive = market::create_token_account(&owner, &owner, &token.mint);
        let ([what, at], amount, instructions) = match &self {
            Self::Add { .. } if shown.dues > 0 && device.open_jobs.is_zero() => return refuse(HELD),
            Self::Add { amount, .. } => {
                let amount = amount.base_units(token.unit)?;
                context.check_held(&owner, &token, amount, "stake").await?;
                (["stake", "on"], amount, vec![stake::stake(&owner, &address, &tokens, amount)])
            }
            Self::WithdrawOverflow { .. } | Self::Unstake { .. } if shown.dues > 0 => return refuse(HELD),
            Self::WithdrawOverflow { amount, .. } => {
                let amount = shown.overflow(amount.as_ref())?;
                let withdraw = stake::withdraw_overflow(&owner, &address, device.gpu_model.get(), &tokens, amount);
                (["withdraw", "from"], amount, vec![receive, withdraw])
            }
            Self::Unstake { .. } => {
                if shown.stake == 0 {
                    return refuse(format!(
                        "its owner has no active stake on device {address}; there is nothing to unstake"
                    ));
                }
                let unstake = stake::unstake(&owner, &address);
                (["start the cooldown of", "on"], shown.stake, vec![unstake])
            }
            Self::Minimum { .. } | Self::Show { .. } => return Ok(Answer::new(&shown)),
            Self::Withdraw { .. } => {
                let withdraw = stake::withdraw(&owner, &address, &tokens);
                (["withdraw", "from"], shown.cooled()?, vec![receive, withdraw])
            }
        };
        let [staked, cooling] = Watched::device(&address, &token);
        let watched = [Watched::tokens("wallet", &owner, &token), staked, cooling];
        let warning = match self {
            Self::Unstake { .. } => {
                let along = if device.co_stake.is_zero() {
                    ""
                } else {
                    "takes all co-stake along and "
                };
                let left = span(market.staking.cooldown.get().into());
                format!(", which {along}cannot be undone; it can be withdrawn in {left}")
            }
            Self::WithdrawOverflow { .. } => presence::warning(&device, &market.staking, &gpu, amount, context.now().await?.unix),
            _ => String::new(),
        };
        let question = format!("{what} {} {at} device {address}{warning}", token.unit.show(amount));
        let sent = context.send(&question, &instructions, &wallet, &watched).await?;
        // The transaction is confirmed: a node that fails from here on is no error.
        let shown = async { show(&context.chain.fetch(&address).await?).await };
        Ok(Answer::new(&Done {
            shown: shown.await.ok(),
            amount: Some(amount),
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
    use solana_address::Address;

    #[tokio::test]
    async fn a_stake_is_reported_though_the_node_then_fails() {
        let (_folder, fake, context, wallet, _) = testing::on_market(100_000_000);
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

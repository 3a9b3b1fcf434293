//! `ionet costake`: funding a device's stake for a share of its rewards.

mod claim;
mod exit;
mod join;
mod list;
mod offer;
mod outlook;
mod show;
mod worth;

use super::device::Which;
use crate::{
    amount::{Quantity, share},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::Answer,
};
use anchor_lang::{AccountDeserialize, Discriminator, Owner, bytemuck::Pod};
use clap::Subcommand;
pub use offer::offers_of;
use solana_address::Address;
use solana_signer::Signer;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer co-stakers a share of a device's rewards; the terms never change
    Offer {
        /// Most $IO that co-stakers may stake, up to half of the device's minimum
        capacity: Quantity,
        /// Their share of the rewards when the offer is full, in per cent
        #[arg(long, value_name = "PER CENT", value_parser = share)]
        share: u16,
        /// Smallest co-stake in $IO; a ticket of the whole capacity makes an offer for one co-staker [default: a hundredth of the capacity]
        #[arg(long)]
        ticket: Option<Quantity>,
        #[command(flatten)]
        which: Which,
    },
    /// Close a device's offer to new co-stakers
    Retract {
        #[command(flatten)]
        which: Which,
    },
    /// End a device's offer whose co-stakers have no stake on it any more, and close it if nobody has anything left to withdraw
    End {
        #[command(flatten)]
        which: Which,
    },
    /// Close a device's ended offers that everybody has left; anyone may, and their rent goes to the owner
    Close {
        #[command(flatten)]
        which: Which,
    },
    /// List offers that can be joined
    #[command(
        after_help = "The list shows for each offer: the room left for co-stake and the capacity, the ticket (the smallest co-stake), \
        and the share of the rewards; for its device, the hours of presence without a gap and the jobs done, missed and wrong; \
        and what 100 $IO would earn in a week, judging by the last seven days: nothing while the device is not present."
    )]
    List(list::Arguments),
    /// Stake on a device through its offer
    Join {
        /// The offer, as `ionet costake list` shows it
        offer: Address,
        /// $IO to stake
        amount: Quantity,
    },
    /// Show a wallet's positions in offers, and its exits
    Show {
        /// Wallet that holds them [default: the wallet]
        holder: Option<Address>,
    },
    /// Request an exit from a position: it stops earning at once, backs the device for a while longer, and can be withdrawn once it has
    /// cooled down (with the published parameters, after 7 and 21 days)
    Exit {
        /// The position, as `ionet costake show` shows it
        position: Address,
        /// $IO to withdraw [default: all]
        amount: Option<Quantity>,
    },
    /// Withdraw an exit that has cooled down
    Withdraw {
        /// The exit, as `ionet costake show` shows it
        exit: Address,
    },
    /// Claim the rewards of a position; hours of its device that are settled and not shared yet are shared first
    Claim {
        /// The position, as `ionet costake show` shows it
        position: Address,
    },
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        context.chain.check(&[costaking::ID]).await?;
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let plan = match self {
            Self::List(arguments) => return arguments.run(context, &market, token).await,
            Self::Show { holder } => return show::show(context, &market, token, context.address(holder)?).await,
            Self::Offer {
                capacity,
                share,
                ticket,
                which,
            } => offer::offer(context, &market, token, capacity, share, ticket, &which).await?,
            Self::Retract { which } => offer::change(context, token, &which, false).await?,
            Self::End { which } => offer::change(context, token, &which, true).await?,
            Self::Close { which } => offer::close(context, token, &which).await?,
            Self::Join { offer, amount } => join::join(context, &market, token, offer, amount).await?,
            Self::Exit { position, amount } => exit::leave(context, &market, token, position, amount).await?,
            Self::Withdraw { exit } => exit::withdraw(context, token, exit).await?,
            Self::Claim { position } => claim::claim(context, token, position).await?,
        };
        let watched = [Watched::tokens("wallet", &context.wallet()?.pubkey(), &token)];
        context.carry_out(plan, &watched).await
    }
}

/// The offer, position or exit at an address that was typed; `list` is the command that shows such addresses.
async fn fetch<T: AccountDeserialize + Discriminator + Owner + Pod>(
    context: &Context,
    address: &Address,
    what: &str,
    list: &str,
) -> Result<T> {
    match context.chain.fetch(address).await {
        Err(chain::Error::AccountKind { .. }) => refuse(format!("{address} is not {what}; `ionet costake {list}` shows which there are")),
        found => Ok(found?),
    }
}

/// Fails unless the wallet holds the position or exit.
fn check_holder(context: &Context, what: &Address, holder: &Address) -> Result<()> {
    let wallet = context.wallet()?.pubkey();
    match wallet == *holder {
        true => Ok(()),
        false => refuse(format!(
            "{what} belongs to {holder}, and not to wallet {wallet}; name its keypair file with --keypair"
        )),
    }
}

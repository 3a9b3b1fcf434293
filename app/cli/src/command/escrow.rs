//! `ionet escrow`: funds set aside to pay for jobs.

use crate::{
    amount::{Quantity, Unit},
    context::Context,
    effect::Watched,
    error::{Result, refuse},
    output::{Answer, count, fields},
    send::Done,
};
use chain::{market, market::job};
use clap::{Args, Subcommand};
use jobs::Escrow;
use serde::Serialize;
use solana_address::Address;
use std::fmt;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deposit funds, opening the escrow if there is none
    Deposit {
        /// Amount to deposit
        amount: Quantity,
        #[command(flatten)]
        paid_in: PaidIn,
    },
    /// Withdraw funds that no job has locked
    Withdraw {
        /// Amount to withdraw [default: all that is free]
        amount: Option<Quantity>,
        #[command(flatten)]
        paid_in: PaidIn,
    },
    /// Close an empty escrow and reclaim its rent
    Close {
        #[command(flatten)]
        paid_in: PaidIn,
    },
    /// Show what an escrow holds
    Show {
        /// Owner of the escrow [default: the wallet]
        owner: Option<Address>,
        #[command(flatten)]
        paid_in: PaidIn,
    },
}

/// The token jobs are paid in.
#[derive(Args, Clone, Debug)]
pub struct PaidIn {
    /// Token to pay with [default: $IO]; others cost a surcharge
    #[arg(long)]
    pub mint: Option<Address>,
}

#[derive(Serialize)]
struct Shown {
    escrow: String,
    owner: String,
    mint: String,
    free: u64,
    locked: u64,
    fees: u64,
    open_jobs: u32,
    #[serde(skip)]
    unit: Unit,
}

impl Shown {
    fn new(address: &Address, escrow: &Escrow, unit: Unit) -> Self {
        Self {
            escrow: address.to_string(),
            owner: escrow.owner.to_string(),
            mint: escrow.mint.to_string(),
            free: escrow.free.get(),
            locked: escrow.locked.get(),
            fees: escrow.fees.get(),
            open_jobs: escrow.open_jobs.get(),
            unit,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("escrow", self.escrow.clone()),
            ("owner", self.owner.clone()),
            ("free", self.unit.show(self.free)),
            (
                "locked",
                format!("{} for {}", self.unit.show(self.locked), count(self.open_jobs, "open job")),
            ),
            ("fees owed", self.unit.show(self.fees)),
        ];
        fields(f, &lines)
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let (paid_in, owner) = match &self {
            Self::Show { paid_in, owner } => (paid_in, *owner),
            Self::Deposit { paid_in, .. } | Self::Withdraw { paid_in, .. } | Self::Close { paid_in } => (paid_in, None),
        };
        let market = context.market().await?;
        let token = context.token(&market, paid_in.mint).await?;
        let owner = context.address(owner)?;
        let address = job::escrow(&owner, &token.mint);
        let tokens = market::token_account(&owner, &token.mint);
        let receive = market::create_token_account(&owner, &owner, &token.mint);
        let (what, amount, instructions) = match &self {
            Self::Show { .. } => {
                let (_, escrow) = context.escrow(&owner, &token).await?;
                return Ok(Answer::new(&Shown::new(&address, &escrow, token.unit)));
            }
            Self::Deposit { amount, .. } => {
                let amount = amount.base_units(token.unit)?;
                context.check_held(&owner, &token, amount, "deposit").await?;
                let is_open = context.chain.exists(&address).await?;
                let open = (!is_open).then(|| job::open_escrow(&owner, &token.mint));
                let deposit = job::deposit(&owner, &address, &tokens, amount);
                (
                    format!("deposit {}", token.unit.show(amount)),
                    Some(amount),
                    open.into_iter().chain([deposit]).collect(),
                )
            }
            Self::Withdraw { amount, .. } => {
                let (_, escrow) = context.escrow(&owner, &token).await?;
                let free = escrow.free.get();
                let amount = amount.as_ref().map_or(Ok(free), |amount| amount.base_units(token.unit))?;
                if free == 0 {
                    let locked = match escrow.locked.get() {
                        0 => String::new(),
                        locked => format!("; {} are locked until jobs end", token.unit.show(locked)),
                    };
                    return refuse(format!("the escrow has nothing free to withdraw{locked}"));
                }
                if amount == 0 || amount > free {
                    return refuse(format!("the escrow has {} free; withdraw at most that", token.unit.show(free)));
                }
                let withdraw = job::withdraw(&owner, &address, &tokens, amount);
                (
                    format!("withdraw {}", token.unit.show(amount)),
                    Some(amount),
                    vec![receive, withdraw],
                )
            }
            Self::Close { .. } => {
                let (_, escrow) = context.escrow(&owner, &token).await?;
                let held = [escrow.free, escrow.locked, escrow.fees].map(|amount| amount.get());
                if held != [0; 3] {
                    let [free, locked, fees] = held.map(|amount| token.unit.show(amount));
                    return refuse(format!(
                        "the escrow has {free} free, {locked} locked for jobs and {fees} owed in fees; withdraw what is free, and wait until \
                         jobs have ended and fees are swept"
                    ));
                }
                (
                    "close the escrow".to_owned(),
                    None,
                    vec![receive, job::close_escrow(&owner, &address, &tokens)],
                )
            }
        };
        let [free, locked] = Watched::escrow(&owner, &token);
        let watched = [Watched::tokens("wallet", &owner, &token), free, locked];
        let sent = context.send(&what, &instructions, &context.wallet()?, &watched).await?;
        // The transaction is confirmed: a node that fails from here on is no error.
        let escrow: Option<Escrow> = context.chain.try_fetch(&address).await.ok().flatten();
        Ok(Answer::new(&Done {
            shown: escrow.map(|escrow| Shown::new(&address, &escrow, token.unit)),
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
    use chain::fake::{self, gift};
    use solana_signer::Signer;

    #[tokio::test]
    async fn a_deposit_is_reported_though_the_node_then_fails() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(100_000_000);
        // Lamports at the escrow's address do not make an escrow.
        fake.set_account(job::escrow(&wallet.pubkey(), &mint), gift());
        fake.set_mute_once_sent(true);
        let answer = testing::typed::<Command>(&["deposit", "1"]).run(&context).await.unwrap();
        let shown = testing::json(&answer);
        let sent = fake.sent().first().unwrap().signatures.first().unwrap().to_string();
        assert_eq!(
            (answer.code(), shown.get("signature"), shown.get("free")),
            (0, Some(&sent.into()), None)
        );
        let opened = |transaction| {
            fake::instructions(transaction)
                .iter()
                .filter(|one| one.program_id == jobs::ID)
                .count()
        };
        assert_eq!(fake.sent().first().map(opened), Some(2), "it is opened first");
    }

    #[tokio::test]
    async fn nothing_free_to_withdraw_says_what_is_locked_if_anything_is() {
        let (_folder, fake, context, wallet, mint) = testing::on_market(0);
        let refused = async |locked: u64| {
            let escrow = Escrow {
                locked: locked.into(),
                ..Escrow::zeroed()
            };
            fake.set_account(job::escrow(&wallet.pubkey(), &mint), testing::account(&escrow));
            let withdraw = testing::typed::<Command>(&["withdraw"]);
            withdraw.run(&context).await.unwrap_err().to_string()
        };
        assert_eq!(refused(0).await, "the escrow has nothing free to withdraw");
        let said = refused(100_000_000).await;
        assert!(said.ends_with("; 1 $IO are locked until jobs end"), "{said}");
    }

    #[tokio::test]
    async fn a_missing_escrow_is_named_by_its_token() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        let other = Address::new_unique();
        fake.set_account(other, testing::mint(6));
        let refused = async |words: &[&str]| testing::typed::<Command>(words).run(&context).await.unwrap_err().to_string();
        let io = refused(&["show"]).await;
        assert!(
            io.contains("no escrow for $IO yet") && io.contains("`ionet escrow deposit AMOUNT`"),
            "{io}"
        );
        let of = refused(&["show", "--mint", &other.to_string()]).await;
        let deposit = format!("`ionet escrow deposit AMOUNT --mint {other}`");
        assert!(of.contains(&format!("no escrow for {other} yet")) && of.contains(&deposit), "{of}");
    }
}

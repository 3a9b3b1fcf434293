//! `ionet wallet`: keys and balances.

use crate::{
    amount::{Quantity, SOL, Unit},
    context::{Context, token_amount},
    effect::Watched,
    error::{Error, Result, refuse},
    output::{Answer, fields},
    send::Sent,
};
use chain::market;
use clap::Subcommand;
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{fmt, path::PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a new keypair file
    New {
        /// File to create [default: the one named by --keypair]
        #[arg(long, short = 'o', value_name = "FILE")]
        outfile: Option<PathBuf>,
    },
    /// Show the wallet's address
    Address,
    /// Show what a wallet holds
    Balance {
        /// Address of the wallet [default: your own]
        address: Option<Address>,
    },
    /// Get SOL and $IO from a local network's faucet
    Airdrop {
        /// Wallet that receives it [default: your own]
        address: Option<Address>,
        /// Amount of SOL
        #[arg(long, default_value = "10")]
        sol: Quantity,
        /// Amount of $IO
        #[arg(long, default_value = "10000")]
        io: Quantity,
    },
}

#[derive(Serialize)]
struct Wallet {
    address: String,
    keypair: PathBuf,
}

impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.address)
    }
}

#[derive(Serialize)]
struct Balance {
    address: String,
    lamports: u64,
    io: u64,
    #[serde(skip)]
    unit: Unit,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.unit.show(self.io);
        fields(
            f,
            &[("address", self.address.clone()), ("SOL", SOL.show(self.lamports)), ("$IO", tokens)],
        )
    }
}

#[derive(Serialize)]
struct Airdrop {
    #[serde(flatten)]
    sent: Sent,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Balance>,
}

impl fmt::Display for Airdrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.balance.iter().try_for_each(|balance| write!(f, "{balance}"))?;
        write!(f, "{}", self.sent)
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        match self {
            Self::New { outfile } => new(outfile.unwrap_or_else(|| context.settings.keypair.clone())),
            Self::Address => Ok(Answer::new(&Wallet {
                address: context.wallet()?.pubkey().to_string(),
                keypair: context.settings.keypair.clone(),
            })),
            Self::Balance { address } => Ok(Answer::new(&balance(context, context.address(address)?).await?)),
            Self::Airdrop { address, sol, io } => airdrop(context, address, &sol, &io).await,
        }
    }
}

fn new(path: PathBuf) -> Result<Answer> {
    if path.exists() {
        return refuse(format!(
            "{} exists already and may hold the only copy of a key; name another file with --outfile",
            path.display()
        ));
    }
    let keypair = Keypair::new();
    chain::save_keypair(&keypair, &path)?;
    Ok(Answer::new(&Wallet {
        address: keypair.pubkey().to_string(),
        keypair: path,
    }))
}

async fn balance(context: &Context, address: Address) -> Result<Balance> {
    let token = context.token(&context.market().await?, None).await?;
    let tokens = market::token_account(&address, &token.mint);
    let (wallet, tokens) = tokio::try_join!(context.chain.account(&address), context.chain.account(&tokens))?;
    Ok(Balance {
        address: address.to_string(),
        lamports: wallet.map_or(0, |account| account.lamports),
        io: tokens.as_ref().and_then(token_amount).unwrap_or(0),
        unit: token.unit,
    })
}

async fn airdrop(context: &Context, to: Option<Address>, sol: &Quantity, io: &Quantity) -> Result<Answer> {
    let Some(faucet) = context.settings.localnet.as_ref().and_then(|localnet| localnet.key("faucet")) else {
        return Err(Error::Refused(
            "only a local network started in this folder has a faucet; start one with `ionet localnet`, or get tokens elsewhere".to_owned(),
        ));
    };
    let faucet = chain::load_keypair(faucet)?;
    let to = context.address(to)?;
    let token = context.token(&context.market().await?, None).await?;
    let (lamports, amount) = (sol.base_units(SOL)?, io.base_units(token.unit)?);
    let account = market::token_account(&to, &token.mint);
    let mut instructions = vec![market::create_token_account(&faucet.pubkey(), &to, &token.mint)];
    if lamports > 0 {
        instructions.push(solana_system_interface::instruction::transfer(&faucet.pubkey(), &to, lamports));
    }
    if amount > 0 {
        let mint =
            spl_token_interface::instruction::mint_to(&spl_token_interface::ID, &token.mint, &account, &faucet.pubkey(), &[], amount);
        instructions.push(mint.or_else(|error| refuse(format!("the faucet cannot mint: {error}")))?);
    }
    let watched = [Watched::sol("receiver", &to), Watched::tokens("receiver", &to, &token)];
    let question = format!(
        "take {} and {} from the faucet for {to}",
        SOL.show(lamports),
        token.unit.show(amount)
    );
    context.agree("faucet", &question, &instructions, &faucet, &watched).await?;
    let sent = context.send_agreed(&instructions, &faucet, &[]).await?;
    Ok(Answer::new(&Airdrop {
        sent,
        // The transaction is confirmed: a node that fails from here on is no error.
        balance: balance(context, to).await.ok(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use chain::localnet::{KeyRecord, Record};

    #[tokio::test]
    async fn an_airdrop_is_reported_though_the_node_then_fails() {
        let (folder, fake, mut context, ..) = testing::on_market(0);
        let faucet = folder.path().join("wallet.json");
        let key = KeyRecord {
            path: faucet,
            ..KeyRecord::default()
        };
        context.settings.localnet = Some(Record {
            keys: [("faucet".to_owned(), key)].into(),
            ..Record::default()
        });
        fake.set_mute_once_sent(true);
        let shown = testing::json(&testing::typed::<Command>(&["airdrop"]).run(&context).await.unwrap());
        assert!(shown.get("signature").is_some() && shown.get("balance").is_none(), "{shown}");
    }
}

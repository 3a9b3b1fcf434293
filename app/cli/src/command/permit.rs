//! `ionet permit`: permits for devices of the treasury's to err once, and jackpots for the challengers who find the errors.

use crate::{
    amount::{Quantity, Unit},
    context::Context,
    effect::Watched,
    error::{Result, code, refuse},
    output::{Answer, fields},
    send::{Sent, check_terminal},
};
use chain::market::{self, permit};
use clap::Subcommand;
use jobs::Permit;
use serde::Serialize;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{fmt, path::PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seal a new secret for a device, with a jackpot out of the wallet; only the market's authority may
    Issue {
        /// The device; its worker is given the secret with `permit = FILE`
        device: Address,
        /// $IO for the challenger who finds the error, on top of its share of the bond
        #[arg(long)]
        jackpot: Quantity,
        /// Share of the device's jobs that the secret draws, in basis points
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        rate_bps: u16,
        /// Where to keep the secret, a keypair file; must not exist
        #[arg(long, value_name = "FILE")]
        secret: PathBuf,
    },
    /// Show a device's permit
    Show {
        /// The device
        device: Address,
    },
    /// Close a permit, and get the jackpot back unless somebody has won it; only the market's authority may
    Close {
        /// The device
        device: Address,
    },
}

#[derive(Serialize)]
struct Shown {
    device: String,
    /// Whether the secret is still one.
    sealed: bool,
    rate_bps: u16,
    jackpot: u64,
    #[serde(skip)]
    unit: Unit,
}

impl Shown {
    fn new(permit: &Permit, unit: Unit) -> Self {
        Self {
            device: permit.device.to_string(),
            sealed: permit.seal != [0; 32],
            rate_bps: permit.rate_bps.get(),
            jackpot: permit.jackpot.get(),
            unit,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match (self.sealed, self.jackpot) {
            (true, _) => "sealed: the device may err once",
            (false, 0) => "opened: the error was found and the jackpot won; close it with `ionet permit close`",
            (false, _) => "opened: nobody found the error, and the device said so; close it with `ionet permit close`",
        };
        fields(
            f,
            &[
                ("device", self.device.clone()),
                ("permit", status.to_owned()),
                ("draws", format!("{} of 10,000 jobs", self.rate_bps)),
                ("jackpot", self.unit.show(self.jackpot)),
            ],
        )
    }
}

#[derive(Serialize)]
struct Done {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<PathBuf>,
    #[serde(flatten)]
    sent: Sent,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![("device", self.device.clone())];
        if let Some(path) = &self.secret {
            lines.push((
                "secret",
                format!("{}; give it to the device's worker and nobody else", path.display()),
            ));
        }
        fields(f, &lines)?;
        write!(f, "{}", self.sent)
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let (Self::Issue { device, .. } | Self::Show { device } | Self::Close { device }) = &self;
        let device = *device;
        let found: Option<Permit> = context.chain.try_fetch(&permit::address(&device)).await?;
        let found = match (&self, found) {
            (Self::Issue { .. }, Some(_)) => {
                return refuse(format!(
                    "device {device} has a permit already; close it first with `ionet permit close {device}`"
                ));
            }
            (Self::Show { .. }, Some(permit)) => return Ok(Answer::new(&Shown::new(&permit, token.unit))),
            (Self::Show { .. } | Self::Close { .. }, None) => return refuse(format!("device {device} has no permit")),
            (_, found) => found,
        };
        let wallet = context.wallet()?;
        let authority = wallet.pubkey();
        if authority != market.jobs.authority {
            return refuse(format!(
                "only the market's authority, {}, may issue and close permits; wallet {authority} may not",
                market.jobs.authority
            ));
        }
        let tokens = market::token_account(&authority, &token.mint);
        let watched = [Watched::tokens("wallet", &authority, &token)];
        match self {
            Self::Issue {
                jackpot, rate_bps, secret, ..
            } => {
                // The account must be there, or an error would be allowed to nobody.
                let _: staking::Device = context.chain.fetch(&device).await?;
                let jackpot = jackpot.base_units(token.unit)?;
                let pair = Keypair::new();
                let seal = protocol::permit::seal(device.as_array(), pair.secret_bytes());
                let what = format!("permit device {device} to err once, for a jackpot of {}", token.unit.show(jackpot));
                if !context.settings.yes {
                    check_terminal(&what)?;
                }
                // Kept before the chain learns of it.
                chain::save_keypair(&pair, &secret)?;
                let issue = permit::issue(&authority, &authority, &device, &token.mint, &tokens, seal, rate_bps, jackpot);
                let sent = context.send(&what, &[issue], &wallet, &[], &watched).await;
                if let Err(error) = &sent
                    && error.code() != code::UNKNOWN
                {
                    let _ = std::fs::remove_file(&secret);
                }
                Ok(Answer::new(&Done {
                    device: device.to_string(),
                    secret: Some(secret),
                    sent: sent?,
                }))
            }
            Self::Show { .. } | Self::Close { .. } => {
                let payer = found.map_or(authority, |permit| permit.payer);
                let receive = market::create_token_account(&authority, &authority, &token.mint);
                let close = permit::close(&authority, &payer, &device, &tokens);
                let what = format!("close the permit of device {device}");
                let sent = context.send(&what, &[receive, close], &wallet, &[], &watched).await?;
                Ok(Answer::new(&Done {
                    device: device.to_string(),
                    secret: None,
                    sent,
                }))
            }
        }
    }
}

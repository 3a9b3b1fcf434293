//! `ionet slash`: slashes for misconduct that people judge, by two keys and with an appeal. Convictions by the chain need none of this.

mod show;

use crate::{
    amount::{Unit, percent, share, span},
    context::Context,
    error::{Result, refuse},
    file::digest,
    output::Answer,
    send::{About, Plan},
};
use chain::market::{slash, stake};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, Slash, SlashReason, StakingConfig};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Propose a slash; only the proposer may, and nothing is set aside until the approver agrees
    Propose {
        /// The device
        device: Address,
        /// Reason for the slash
        #[arg(long, value_enum)]
        reason: Reason,
        /// Share of the stake to take, in per cent
        #[arg(long, value_name = "PER CENT", value_parser = share)]
        share: u16,
        /// File with the evidence: its SHA-256 goes on the chain; send the file itself to those who judge it
        #[arg(long, value_name = "FILE")]
        evidence: PathBuf,
    },
    /// Withdraw a proposal; only the proposer and the authority may
    Drop {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Approve a slash, which sets the stake aside until the appeal period ends; only the approver may
    Approve {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Appeal against a slash of your own device
    Appeal {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
        /// File with the answer: its SHA-256 goes on the chain; send the file itself to those who judge it
        #[arg(long, value_name = "FILE")]
        answer: PathBuf,
    },
    /// Give back what a slash set aside; only the authority may, before the appeal period ends
    Overturn {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Finish a slash whose appeal period has ended, which forfeits what it set aside; anyone may
    Finish {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Set aside what a slash is still due, now that bonds have been released; anyone may
    Collect {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Burn what a device has forfeited; anyone may
    Burn {
        /// The device
        device: Address,
    },
    /// List open slashes
    List {
        /// Only slashes of this device
        #[arg(long)]
        device: Option<Address>,
    },
    /// Show a slash
    Show {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
}

/// Reasons for a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Reason {
    /// Other hardware than registered.
    Spoofing = SlashReason::Spoofing as u8,
    /// Consumers' data leaked or altered.
    DataCompromise = SlashReason::DataCompromise as u8,
    /// Jobs claimed and not served.
    InadequateService = SlashReason::InadequateService as u8,
    /// GPUs used for something else while they are hired.
    BreachOfUtilization = SlashReason::BreachOfUtilization as u8,
}

impl Reason {
    fn of(code: u8) -> Option<Self> {
        Self::value_variants().iter().copied().find(|reason| *reason as u8 == code)
    }

    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().replace('-', " "))
            .unwrap_or_default()
    }
}

/// Fails unless the wallet is `key`, which holds the `role`.
fn check_key(wallet: &Address, key: &Address, role: &str) -> Result<()> {
    if wallet == key {
        return Ok(());
    }
    if *key == Address::default() {
        return refuse(format!("the market has no {role} yet; its authority must appoint one first"));
    }
    refuse(format!("only the market's {role}, {key}, may do this; wallet {wallet} may not"))
}

/// Plans an instruction about an existing slash.
async fn act(context: &Context, slash: Address, what: &str, make: impl FnOnce(&Address, &Slash) -> Result<Instruction>) -> Result<Plan> {
    let found: Slash = context.chain.fetch(&slash).await?;
    Ok(Plan {
        question: format!("{what} slash {slash} of device {}", found.device),
        instructions: vec![make(&context.wallet()?.pubkey(), &found)?],
        about: About::new("slash", slash),
        amount: None,
    })
}

async fn propose(
    context: &Context,
    config: &StakingConfig,
    device: Address,
    reason: Reason,
    share_bps: u16,
    evidence: &Path,
) -> Result<Plan> {
    let wallet = context.wallet()?.pubkey();
    check_key(&wallet, &config.slash_proposer, "slash proposer")?;
    let _: Device = context.chain.fetch(&device).await?;
    // A number that is never used again: slashes that have ended keep theirs.
    let number = (context.now().await?.slot & u64::from(u32::MAX)) as u32;
    let (share, why) = (percent(share_bps), reason.name());
    Ok(Plan {
        question: format!("propose to slash {share} of the stake on device {device}, for {why}"),
        instructions: vec![slash::propose(&wallet, &device, number, reason as u8, share_bps, digest(evidence)?)],
        about: About::new("slash", slash::address(&device, number)),
        amount: None,
    })
}

/// Withdraws a proposed slash.
fn withdraw(config: &StakingConfig, wallet: &Address, slash: &Slash) -> Result<Instruction> {
    if *wallet != config.authority {
        check_key(wallet, &config.slash_proposer, "slash proposer")?;
    }
    Ok(slash::withdraw(wallet, &slash.payer, &slash.device, slash.number.get()))
}

/// Approves a slash of the share and with the evidence that were shown.
fn approve(config: &StakingConfig, wallet: &Address, slash: &Slash) -> Result<Instruction> {
    check_key(wallet, &config.slash_approver, "slash approver")?;
    let (number, share) = (slash.number.get(), slash.share_bps.get());
    Ok(slash::approve(wallet, &slash.device, number, share, slash.evidence))
}

fn overturn(config: &StakingConfig, wallet: &Address, slash: &Slash) -> Result<Instruction> {
    check_key(wallet, &config.authority, "authority")?;
    Ok(slash::overturn(wallet, &slash.payer, &slash.device, slash.number.get()))
}

fn finish(unit: Unit, now: i64, slash: &Slash) -> Result<Instruction> {
    let left = slash.ends_at.get().saturating_sub(now);
    if left > 0 {
        return refuse(format!("the appeal period lasts another {}; finish it then", span(left)));
    }
    if slash.amounts() == [0; 3] && !slash.due.is_zero() {
        return refuse(format!(
            "nothing of it is set aside yet, and {} is due; run `ionet slash collect` once bonds have been released",
            unit.show(slash.due.get())
        ));
    }
    Ok(slash::finish(&slash.payer, &slash.device, slash.number.get()))
}

fn collect(address: &Address, slash: &Slash) -> Result<Instruction> {
    match slash.due.is_zero() {
        true => refuse(format!("nothing is due to slash {address}: all it takes is set aside already")),
        false => Ok(slash::collect(&slash.device, slash.number.get())),
    }
}

/// Burns what a device has forfeited.
async fn burn(context: &Context, config: &StakingConfig, unit: Unit, device: Address) -> Result<Plan> {
    let found: Device = context.chain.fetch(&device).await?;
    match found.forfeited.get() {
        0 => refuse(format!("device {device} has forfeited nothing")),
        forfeited => Ok(Plan {
            question: format!("burn {} that device {device} has forfeited", unit.show(forfeited)),
            instructions: vec![stake::burn_forfeited(&device, &config.mint)],
            about: About::new("device", device),
            amount: None,
        }),
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let unit = context.token(&market, None).await?.unit;
        let (config, now) = (&market.staking, context.now().await?.unix);
        let plan = match self {
            Self::List { device } => return show::list(context, unit, now, device).await,
            Self::Show { slash } => return show::one(context, unit, now, slash).await,
            Self::Propose {
                device,
                reason,
                share,
                evidence,
            } => propose(context, config, device, reason, share, &evidence).await?,
            Self::Drop { slash } => act(context, slash, "withdraw", |wallet, found| withdraw(config, wallet, found)).await?,
            Self::Approve { slash } => act(context, slash, "approve", |wallet, found| approve(config, wallet, found)).await?,
            Self::Appeal { slash, answer } => {
                let appeal =
                    |wallet: &Address, found: &Slash| Ok(slash::appeal(wallet, &found.device, found.number.get(), digest(&answer)?));
                act(context, slash, "appeal against", appeal).await?
            }
            Self::Overturn { slash } => act(context, slash, "overturn", |wallet, found| overturn(config, wallet, found)).await?,
            Self::Finish { slash } => act(context, slash, "finish", |_, found| finish(unit, now, found)).await?,
            Self::Collect { slash } => act(context, slash, "collect what is due to", |_, found| collect(&slash, found)).await?,
            Self::Burn { device } => burn(context, config, unit, device).await?,
        };
        context.carry_out(plan, &[]).await
    }
}

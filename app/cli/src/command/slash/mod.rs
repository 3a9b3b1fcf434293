//! `ionet slash`: what people judge of a device. Two keys, an appeal, and an end; what the chain convicts by itself needs none of it.

mod show;

use crate::{
    amount::{percent, share, span},
    context::{Context, Market, digest},
    error::{Result, refuse},
    output::{Answer, fields},
    send::Sent,
};
use chain::market::{slash, stake};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, Slash};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for a slash; only the proposer may, and nothing is set aside before the approver agrees
    Propose {
        /// The device
        device: Address,
        /// The reason
        #[arg(long, value_enum)]
        reason: Reason,
        /// Share of what is at stake, in per cent
        #[arg(long, value_name = "PER CENT", value_parser = share)]
        share: u16,
        /// File with the evidence; its SHA-256 goes on the chain, the file itself to those who judge it
        #[arg(long, value_name = "FILE")]
        evidence: PathBuf,
    },
    /// Withdraw a proposal; only the proposer and the authority may
    Drop {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Agree to a slash: the stake is set aside until the time for an appeal is over; only the approver may
    Approve {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Appeal against a slash of one's own device
    Appeal {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
        /// File with the answer; its SHA-256 goes on the chain, the file itself to those who judge it
        #[arg(long, value_name = "FILE")]
        answer: PathBuf,
    },
    /// Give back what a slash set aside; only the authority may, in time
    Overturn {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Finish a slash whose time for an appeal is over: what it set aside is forfeited; anyone may
    Finish {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
    },
    /// Set aside what is due to a slash and has come free of bonds; anyone may
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
        /// Only those of this device
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
pub enum Reason {
    /// Other hardware than registered.
    Spoofing,
    /// Consumers' data leaked or changed.
    DataCompromise,
    /// Jobs taken and not served.
    InadequateService,
    /// GPUs used for something else while they are hired.
    BreachOfUtilization,
}

impl Reason {
    /// In the order of their numbers.
    const ALL: [Self; 4] = [
        Self::Spoofing,
        Self::DataCompromise,
        Self::InadequateService,
        Self::BreachOfUtilization,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().replace('-', " "))
            .unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Done {
    /// The slash or the device, by that name.
    #[serde(flatten)]
    about: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    sent: Sent,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, address) in &self.about {
            fields(f, &[(*name, address.clone())])?;
        }
        write!(f, "{}", self.sent)
    }
}

/// Fails unless the wallet is the key that may do this.
fn check_key(wallet: &Address, key: &Address, role: &str) -> Result<()> {
    if wallet == key {
        return Ok(());
    }
    if *key == Address::default() {
        return refuse(format!("the market has no {role} yet; the authority names one"));
    }
    refuse(format!("only the market's {role}, {key}, may do this; wallet {wallet} may not"))
}

/// A transaction to send, and the slash or device that it is about.
struct Plan {
    about: (&'static str, Address),
    question: String,
    instruction: Instruction,
}

/// Does something about a slash that is there.
async fn act(context: &Context, slash: Address, what: &str, make: impl FnOnce(&Address, &Slash) -> Result<Instruction>) -> Result<Plan> {
    let found: Slash = context.chain.fetch(&slash).await?;
    Ok(Plan {
        about: ("slash", slash),
        question: format!("{what} slash {slash} of device {}", found.device),
        instruction: make(&context.wallet()?.pubkey(), &found)?,
    })
}

async fn propose(context: &Context, market: &Market, device: Address, reason: Reason, share_bps: u16, evidence: &Path) -> Result<Plan> {
    let wallet = context.wallet()?.pubkey();
    check_key(&wallet, &market.staking.slash_proposer, "slash proposer")?;
    let _: Device = context.chain.fetch(&device).await?;
    // A number of its own for ever: slashes that have ended keep theirs.
    let number = (context.now().await?.slot & u64::from(u32::MAX)) as u32;
    let (share, why) = (percent(share_bps), reason.name());
    Ok(Plan {
        about: ("slash", slash::address(&device, number)),
        question: format!("ask for {share} of what is at stake on device {device}, for {why}"),
        instruction: slash::propose(&wallet, &device, number, reason as u8, share_bps, digest(evidence)?),
    })
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
            } => propose(context, &market, device, reason, share, &evidence).await?,
            Self::Drop { slash } => {
                act(context, slash, "take back", |wallet, found| {
                    if *wallet != config.authority {
                        check_key(wallet, &config.slash_proposer, "slash proposer")?;
                    }
                    Ok(slash::withdraw(wallet, &found.payer, &found.device, found.number.get()))
                })
                .await?
            }
            Self::Approve { slash } => {
                act(context, slash, "agree to", |wallet, found| {
                    check_key(wallet, &config.slash_approver, "slash approver")?;
                    let number = found.number.get();
                    Ok(slash::approve(wallet, &found.device, number, found.share_bps.get(), found.evidence))
                })
                .await?
            }
            Self::Appeal { slash, answer } => {
                act(context, slash, "appeal", |wallet, found| {
                    Ok(slash::appeal(wallet, &found.device, found.number.get(), digest(&answer)?))
                })
                .await?
            }
            Self::Overturn { slash } => {
                act(context, slash, "overturn", |wallet, found| {
                    check_key(wallet, &config.authority, "authority")?;
                    Ok(slash::overturn(wallet, &found.payer, &found.device, found.number.get()))
                })
                .await?
            }
            Self::Finish { slash } => {
                act(context, slash, "let stand", |_, found| {
                    let left = found.ends_at.get().saturating_sub(now);
                    if left > 0 {
                        return refuse(format!("the owner and the authority have {} more; finish it then", span(left)));
                    }
                    if found.amounts() == [0; 3] && !found.due.is_zero() {
                        return refuse(format!(
                            "nothing of it is set aside, and {} are due; `ionet slash collect` as they come free of bonds",
                            unit.show(found.due.get())
                        ));
                    }
                    Ok(slash::finish(&found.payer, &found.device, found.number.get()))
                })
                .await?
            }
            Self::Collect { slash } => {
                act(context, slash, "collect what is due to", |_, found| {
                    if found.due.is_zero() {
                        return refuse(format!("nothing is due to slash {slash}: all that it takes is set aside"));
                    }
                    Ok(slash::collect(&found.device, found.number.get()))
                })
                .await?
            }
            Self::Burn { device } => {
                let found: Device = context.chain.fetch(&device).await?;
                if found.forfeited.is_zero() {
                    return refuse(format!("device {device} has forfeited nothing"));
                }
                Plan {
                    about: ("device", device),
                    question: format!("burn {} that device {device} has forfeited", unit.show(found.forfeited.get())),
                    instruction: stake::burn_forfeited(&device, &config.mint),
                }
            }
        };
        let sent = context
            .send(&plan.question, &[plan.instruction], &context.wallet()?, &[], &[])
            .await?;
        let (name, address) = plan.about;
        Ok(Answer::new(&Done {
            about: BTreeMap::from([(name, address.to_string())]),
            sent,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_done_is_told_of_what_it_is_about() {
        let done = Done {
            about: BTreeMap::from([("device", "D".to_owned())]),
            sent: Sent {
                signature: "S".to_owned(),
                slot: 1,
                fee: 2,
                compute_units: 3,
            },
        };
        let wanted = json!({ "device": "D", "signature": "S", "slot": 1, "fee": 2, "compute_units": 3 });
        assert_eq!(serde_json::to_value(&done).unwrap(), wanted);
        assert!(done.to_string().starts_with("device  D\n"), "{done}");
    }
}

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
use protocol::units::Bps;
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::{Device, Slash, SlashReason, StakingConfig, state::SlashStatus};
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
    /// Approve a slash, which sets the stake aside until the appeal period ends; only the approver may. Approves what is named here and
    /// nothing else that the proposer may have put in its place
    Approve {
        /// The slash, as `ionet slash list` shows it
        slash: Address,
        /// Share of the stake to take, in per cent
        #[arg(long, value_name = "PER CENT", value_parser = share)]
        share: u16,
        /// File with the evidence, or its SHA-256
        #[arg(long, value_name = "FILE|SHA-256")]
        evidence: String,
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

/// All that a slash has set aside.
fn sum(parts: [u64; 3]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

/// Plans an instruction about an existing slash.
async fn act(
    context: &Context,
    unit: Unit,
    slash: Address,
    what: &str,
    make: impl FnOnce(&Address, &Slash) -> Result<Instruction>,
) -> Result<Plan> {
    let found: Slash = context.chain.fetch(&slash).await?;
    let aside = match sum(found.amounts()) {
        0 => String::new(),
        aside => format!(", which has set {} aside", unit.show(aside)),
    };
    Ok(Plan {
        question: format!("{what} slash {slash} of device {}{aside}", found.device),
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

/// Approves a slash of this share, on this evidence: the file or its SHA-256. The proposer can put another proposal at the same address
/// while the approver looks at the first, so what the chain says does not decide what is signed.
async fn approve(context: &Context, config: &StakingConfig, unit: Unit, address: Address, share_bps: u16, evidence: &str) -> Result<Plan> {
    let wallet = context.wallet()?.pubkey();
    check_key(&wallet, &config.slash_approver, "slash approver")?;
    let mut hash = [0; 32];
    if hex::decode_to_slice(evidence, &mut hash).is_err() {
        hash = digest(Path::new(evidence))?;
    }
    let found: Slash = context.chain.fetch(&address).await?;
    if found.status != SlashStatus::Proposed {
        return refuse(format!(
            "slash {address} is approved already; `ionet slash show {address}` shows how it stands"
        ));
    }
    let described = |share_bps, hash| format!("{} of the stake on evidence {}", percent(share_bps), hex::encode(hash));
    let (given, proposed) = (described(share_bps, hash), described(found.share_bps.get(), found.evidence));
    if given != proposed {
        return refuse(format!(
            "slash {address} takes {proposed}, and not {given}; approve only what you have examined, or have it proposed again"
        ));
    }
    let mut device: Device = context.chain.fetch(&found.device).await?;
    let (parts, due) = device
        .set_aside(Bps::saturating(share_bps))
        .or_else(|_| refuse(format!("device {} has no stake that a slash could take", found.device)))?;
    let amount = sum(parts.amounts()).saturating_add(due);
    let why = Reason::of(found.reason).map(Reason::name).unwrap_or_default();
    Ok(Plan {
        question: format!(
            "approve to slash {} of device {}, for {why}: {given}",
            unit.show(amount),
            found.device
        ),
        instructions: vec![slash::approve(&wallet, &found.device, found.number.get(), share_bps, hash)],
        about: About::new("slash", address),
        amount: None,
    })
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
            Self::Drop { slash } => act(context, unit, slash, "withdraw", |wallet, found| withdraw(config, wallet, found)).await?,
            Self::Approve { slash, share, evidence } => approve(context, config, unit, slash, share, &evidence).await?,
            Self::Appeal { slash, answer } => {
                let appeal =
                    |wallet: &Address, found: &Slash| Ok(slash::appeal(wallet, &found.device, found.number.get(), digest(&answer)?));
                act(context, unit, slash, "appeal against", appeal).await?
            }
            Self::Overturn { slash } => act(context, unit, slash, "overturn", |wallet, found| overturn(config, wallet, found)).await?,
            Self::Finish { slash } => act(context, unit, slash, "finish", |_, found| finish(unit, now, found)).await?,
            Self::Collect { slash } => act(context, unit, slash, "collect what is due to", |_, found| collect(&slash, found)).await?,
            Self::Burn { device } => burn(context, config, unit, device).await?,
        };
        context.carry_out(plan, &[]).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{self, IO};
    use anchor_lang::bytemuck::Zeroable;
    use sha2::{Digest, Sha256};

    /// A market, its config whose approver is the wallet, and a proposal to slash a device of 60 $IO by 5 %, on evidence in a file.
    #[tokio::test]
    async fn an_approval_names_what_was_examined() {
        let (folder, fake, context, wallet, _) = testing::on_market(0);
        let config = StakingConfig {
            slash_approver: wallet.pubkey(),
            ..StakingConfig::zeroed()
        };
        let [device, address] = [(); 2].map(|()| Address::new_unique());
        let staked = Device {
            own_stake: (60 * protocol::units::IO).into(),
            quantity: 1,
            tier: 1,
            ..Device::zeroed()
        };
        fake.set_account(device, testing::account(&staked));
        let file = folder.path().join("evidence");
        std::fs::write(&file, "what was seen").unwrap();
        let evidence: [u8; 32] = Sha256::digest("what was seen").into();
        let proposed = Slash {
            device,
            evidence,
            share_bps: 500.into(),
            reason: SlashReason::Spoofing as u8,
            number: 7.into(),
            ..Slash::zeroed()
        };
        fake.set_account(address, testing::account(&proposed));
        let plan = async |share: u16, evidence: &str| approve(&context, &config, IO, address, share, evidence).await;
        let (file, hash) = (file.to_str().unwrap(), hex::encode(evidence));
        let wanted = format!("approve to slash 3 $IO of device {device}, for spoofing: 5.00 % of the stake on evidence {hash}");
        for named in [file, &hash] {
            let plan = plan(500, named).await.unwrap();
            assert_eq!(plan.question, wanted);
            assert_eq!(plan.instructions, [slash::approve(&wallet.pubkey(), &device, 7, 500, evidence)]);
        }
        let refused = async |share: u16, named: &str| plan(share, named).await.err().unwrap().to_string();
        assert!(refused(501, &hash).await.contains("takes 5.00 % of the stake"));
        assert!(refused(500, &"00".repeat(32)).await.contains("approve only what you have examined"));

        let approved = Slash {
            status: SlashStatus::Approved as u8,
            ..proposed
        };
        fake.set_account(address, testing::account(&approved));
        assert!(refused(500, &hash).await.contains("is approved already"));
    }

    #[tokio::test]
    async fn the_end_of_a_slash_names_its_amount() {
        let (_folder, fake, context, ..) = testing::on_market(0);
        let address = Address::new_unique();
        let slash = Slash {
            parts: [200_000_000.into(), 50_000_000.into(), 0.into()],
            ..Slash::zeroed()
        };
        fake.set_account(address, testing::account(&slash));
        let plan = act(&context, IO, address, "finish", |_, found| finish(IO, 0, found)).await.unwrap();
        let wanted = format!("finish slash {address} of device {}, which has set 2.5 $IO aside", slash.device);
        assert_eq!(plan.question, wanted);
    }
}

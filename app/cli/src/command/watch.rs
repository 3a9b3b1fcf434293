//! `ionet watch`: keeper duties that anyone may do.

use crate::{
    amount::SOL,
    context::Context,
    error::{Error, Result},
    output::{Answer, Format, count},
    send::confirm,
};
use clap::Subcommand;
use serde::Serialize;
use solana_address::Address;
use solana_signer::Signer;
use std::{cell::RefCell, collections::BTreeMap, fmt, time::Duration};
use tokio::sync::Notify;
use watchtower::crank::{Accused, CrankEvent, Cranker, Deed, Retries};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// End overdue jobs for their bounties, until Ctrl-C
    Crank {
        /// Do what is due now and stop
        #[arg(long)]
        once: bool,
        /// Pause between scans of the chain
        #[arg(long, default_value = "2s", value_parser = crate::amount::seconds)]
        every: u32,
        /// Also sweep fees from escrows to the treasury and the burn, burn forfeited stake, and keep the hours of rewards going; this earns
        /// nothing
        #[arg(long)]
        sweep: bool,
        /// Also pay suppliers that have no token account, creating it at the wallet's expense
        #[arg(long)]
        create_payouts: bool,
    },
}

/// A duty done, as it is printed.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Done(Deed);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deed {
            deed,
            account,
            bounty,
            rent,
            fee,
            ..
        } = &self.0;
        write!(f, "{deed} {account}: ")?;
        for (what, lamports) in [("bounty", *bounty), ("token accounts", *rent)] {
            if lamports > 0 {
                write!(f, "{what} {}, ", SOL.show(lamports))?;
            }
        }
        write!(f, "fee {}", SOL.show(*fee))
    }
}

/// A duty that failed, as it is printed.
#[derive(Serialize)]
struct Failure {
    deed: &'static str,
    account: String,
    error: String,
    /// Exit code of the error.
    #[serde(skip)]
    code: u8,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.deed, self.account, self.error)
    }
}

#[derive(Serialize)]
struct Total {
    /// With `--once` only: a crank that goes on has printed each, and may go on for months.
    #[serde(skip_serializing_if = "Option::is_none")]
    deeds: Option<Vec<Done>>,
    /// With `--once` only: a crank that goes on tries again, and is not told when somebody else has done the duty meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Vec<Failure>>,
    /// Number of deeds.
    sent: u64,
    /// Lamports: bounties less fees, also those of transactions that failed, and less what token accounts of others cost.
    earned: i64,
    /// Lamports: fees of transactions that failed, usually because somebody else was first.
    wasted: u64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.earned < 0 { "-" } else { "" };
        let earned = SOL.show(self.earned.unsigned_abs());
        let sent = count(self.sent, "transaction");
        write!(f, "{sent}, earned {sign}{earned} after all costs")?;
        match self.failed.as_ref().map_or(0, Vec::len) {
            0 => Ok(()),
            failed => write!(f, "; {failed} failed"),
        }
    }
}

/// What has happened so far.
#[derive(Default)]
struct Tally {
    /// With `--once` only, like those that failed.
    deeds: Option<Vec<Done>>,
    failed: Option<BTreeMap<(String, &'static str), Failure>>,
    sent: u64,
    /// Bounties less costs.
    earned: i64,
    /// Fees of transactions that failed.
    wasted: u64,
}

/// What is asked before the first duty.
fn question(once: bool, sweep: bool) -> String {
    let swept = if sweep {
        ", sweep fees, burn forfeits and keep the hours of rewards going"
    } else {
        ""
    };
    let until = if once { "once" } else { "until Ctrl-C" };
    format!("end overdue jobs{swept}, {until}")
}

/// What it costs the wallet and earns it.
fn effect(wallet: &Address, sweep: bool, create_payouts: bool) -> String {
    let mut effect = format!("wallet {wallet} pays the fees and earns the bounties of jobs");
    if sweep {
        effect.push_str("; the rest earns nothing, and locks the rent of hours for a week");
    }
    if create_payouts {
        effect.push_str("; it also pays for token accounts of suppliers, which it does not get back");
    }
    effect
}

/// Prints one line of output; a reader that closed the pipe has read what it wanted.
fn print(answer: &Answer, context: &Context) {
    let _ = crate::write(std::io::stdout(), &answer.line(context.settings.format));
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Option<Answer>> {
        let Self::Crank { once, .. } = self;
        let total = self.turn(context, async { _ = tokio::signal::ctrl_c().await }).await?;
        let code = total.failed.iter().flatten().next().map_or(0, |failure| failure.code);
        let answer = Answer::new(&total);
        if once {
            return Ok(Some(answer.with_code(code)));
        }
        print(&answer, context);
        Ok(None)
    }

    /// Does what is due, once or until `stop` completes.
    async fn turn(self, context: &Context, stop: impl Future<Output = ()>) -> Result<Total> {
        let Self::Crank {
            once,
            every,
            sweep,
            create_payouts,
        } = self;
        // Fails with a clear message on a cluster that has no market.
        context.market().await?;
        let wallet = context.wallet()?;
        if !context.settings.yes {
            let wallet = wallet.pubkey();
            confirm(&question(once, sweep), &effect(&wallet, sweep, create_payouts))?;
        }
        let tally = RefCell::new(Tally {
            deeds: once.then(Default::default),
            failed: once.then(Default::default),
            ..Tally::default()
        });
        let on_event = |event| match event {
            CrankEvent::Did(deed) => {
                let mut tally = tally.borrow_mut();
                if let Some(failed) = &mut tally.failed {
                    failed.remove(&(deed.account.clone(), deed.deed));
                }
                tally.sent = tally.sent.saturating_add(1);
                let earned = deed
                    .bounty
                    .cast_signed()
                    .saturating_sub_unsigned(deed.fee.saturating_add(deed.rent));
                tally.earned = tally.earned.saturating_add(earned);
                match &mut tally.deeds {
                    Some(deeds) => deeds.push(Done(deed)),
                    None => print(&Answer::new(&Done(deed)), context),
                }
            }
            CrankEvent::Failed { repeated: true, .. } => {}
            CrankEvent::Failed { deed, account, error, .. } => {
                let sentence = match &error {
                    watchtower::Error::NoPayout { .. } => "its payee has no token account; --create-payouts creates one".to_owned(),
                    error => error.to_string(),
                };
                let failure = Failure {
                    deed,
                    account: account.to_string(),
                    error: sentence,
                    code: Error::from(error).code(),
                };
                context.note(&failure.to_string());
                if let Some(failed) = &mut tally.borrow_mut().failed {
                    failed.insert((failure.account.clone(), deed), failure);
                } else if context.settings.format == Format::Json {
                    print(&Answer::new(&failure), context);
                }
            }
            CrankEvent::Wasted { deed, account, failure } => {
                let fee = failure.receipt.as_ref().map_or(0, |receipt| receipt.fee);
                let mut tally = tally.borrow_mut();
                tally.wasted = tally.wasted.saturating_add(fee);
                let reason = &failure.explanation;
                context.note(&format!("{deed} {account}: {reason}; the fee of {} is spent", SOL.show(fee)));
            }
            CrankEvent::Broken(error) => context.note(&format!("{error}; trying again")),
        };
        let cranker = Cranker {
            chain: &context.chain,
            key: &wallet,
            options: &context.options,
            sweeps: sweep,
            create_payouts,
            reserve: 0,
            retries: Retries::default(),
            accused: &Accused::default(),
            on_event: &on_event,
        };
        let passed = if once {
            cranker.pass().await
        } else {
            let (every, never_hurried) = (Duration::from_secs(every.max(1).into()), Notify::new());
            tokio::select! {
                biased;
                () = stop => {}
                never = cranker.run(every, &never_hurried) => match never {},
            }
            Ok(())
        };
        let tally = tally.into_inner();
        let total = Total {
            deeds: tally.deeds,
            failed: tally.failed.map(|failed| failed.into_values().collect()),
            sent: tally.sent,
            earned: tally.earned.saturating_sub_unsigned(tally.wasted),
            wasted: tally.wasted,
        };
        // An error does not say what was done before the node broke the pass off.
        passed.inspect_err(|_| print(&Answer::new(&total), context))?;
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{error::code, testing};
    use anchor_lang::bytemuck::Zeroable;
    use jobs::Job;
    use tempfile::TempDir;

    /// A crank with an expired job to end, whose escrow does not exist.
    fn failing(once: bool) -> (TempDir, Context, Address, Command) {
        let (folder, fake, context, _) = testing::context();
        testing::set_up_market(&fake, &Address::new_unique());
        let job = Address::new_unique();
        fake.set_account(job, testing::account(&Job::zeroed()));
        let crank = Command::Crank {
            once,
            every: 1,
            sweep: false,
            create_payouts: false,
        };
        (folder, context, job, crank)
    }

    #[test]
    fn what_is_asked_names_everything_that_is_done() {
        let wallet = Address::new_unique();
        assert_eq!(question(true, false), "end overdue jobs, once");
        assert!(question(false, true).contains("sweep fees") && question(false, true).ends_with("until Ctrl-C"));
        let [plain, all] = [false, true].map(|all| effect(&wallet, all, all));
        assert!(!plain.contains("rent") && !plain.contains("token accounts"), "{plain}");
        assert!(all.contains("rent") && all.contains("token accounts"), "{all}");
    }

    #[test]
    fn a_duty_without_a_bounty_mentions_none() {
        let done = |bounty, rent| {
            let deed = Deed {
                deed: "sweep",
                account: "A".to_owned(),
                signature: String::new(),
                bounty,
                rent,
                fee: 5_000,
                compute_units: None,
            };
            Done(deed).to_string()
        };
        assert_eq!(done(0, 0), "sweep A: fee 0.000005 SOL");
        assert_eq!(done(10_000, 0), "sweep A: bounty 0.00001 SOL, fee 0.000005 SOL");
        let opening = "sweep A: bounty 0.00001 SOL, token accounts 0.00203928 SOL, fee 0.000005 SOL";
        assert_eq!(done(10_000, 2_039_280), opening);
        let total = Total {
            deeds: None,
            failed: None,
            sent: 0,
            earned: 0,
            wasted: 0,
        };
        assert_eq!(total.to_string(), "0 transactions, earned 0 SOL after all costs");
    }

    #[tokio::test]
    async fn a_duty_that_failed_is_in_the_answer() {
        let (_folder, context, job, crank) = failing(true);
        let answer = crank.run(&context).await.unwrap().unwrap();
        let shown = testing::json(&answer);
        let failure = shown.pointer("/failed/0").unwrap();
        assert_eq!((&failure["deed"], &failure["account"]), (&"expire".into(), &job.to_string().into()));
        assert!(failure["error"].as_str().unwrap().contains("has no account"), "{failure}");
        assert_eq!((&shown["wasted"], answer.code()), (&0.into(), code::REFUSED));
    }

    #[tokio::test(start_paused = true)]
    async fn a_crank_that_goes_on_collects_nothing() {
        let (_folder, context, _, crank) = failing(false);
        let two_looks = tokio::time::sleep(Duration::from_millis(1_500));
        let total = crank.turn(&context, two_looks).await.unwrap();
        assert_eq!(
            testing::json(&Answer::new(&total)),
            serde_json::json!({ "sent": 0, "earned": 0, "wasted": 0 })
        );
    }
}

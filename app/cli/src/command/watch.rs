//! `ionet watch`: duties anyone may do.

use crate::{
    amount::SOL,
    context::Context,
    error::{Error, Result},
    output::Answer,
    send::confirm,
};
use clap::Subcommand;
use serde::Serialize;
use solana_signer::Signer;
use std::{cell::RefCell, collections::BTreeMap, fmt, time::Duration};
use tokio::sync::Notify;
use watchtower::crank::{Accused, CrankEvent, Cranker, Deed};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// End overdue jobs for their bounty, until Ctrl-C
    Crank {
        /// Do what is due now and stop
        #[arg(long)]
        once: bool,
        /// Pause between looks at the chain
        #[arg(long, default_value = "2s", value_parser = crate::amount::seconds)]
        every: u32,
        /// Also move fees from escrows to the treasury and the burn, burn forfeited stake, and keep the hours of rewards going; this earns
        /// nothing
        #[arg(long)]
        sweep: bool,
        /// Also pay suppliers without a token account, creating it at the wallet's expense
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
            fee,
            ..
        } = &self.0;
        write!(f, "{deed} {account}: bounty {}, fee {}", SOL.show(*bounty), SOL.show(*fee))
    }
}

/// A duty that failed when it was last tried.
#[derive(Serialize)]
struct Failure {
    deed: &'static str,
    account: String,
    error: String,
    /// The exit code of its kind.
    #[serde(skip)]
    code: u8,
}

#[derive(Serialize)]
struct Total {
    deeds: Vec<Done>,
    failed: Vec<Failure>,
    /// Lamports: bounties less fees.
    earned: i64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.earned < 0 { "-" } else { "" };
        let earned = SOL.show(self.earned.unsigned_abs());
        write!(f, "{} transactions, earned {sign}{earned} after fees", self.deeds.len())?;
        match self.failed.len() {
            0 => Ok(()),
            failed => write!(f, "; {failed} failed"),
        }
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Option<Answer>> {
        let Self::Crank {
            once,
            every,
            sweep,
            create_payouts,
        } = self;
        // Says what is wrong with a cluster that has no market.
        context.market().await?;
        let wallet = context.wallet()?;
        if !context.settings.yes {
            let until = if once { "once" } else { "until Ctrl-C" };
            let effect = format!("wallet {} pays the fees and earns the bounties", wallet.pubkey());
            confirm(&format!("end overdue jobs {until}"), &effect)?;
        }
        // One line of output. A reader that closed the pipe has read what it wanted.
        let print = |answer: &Answer| _ = crate::write(std::io::stdout(), &answer.line(context.settings.format));
        let (deeds, failed) = (RefCell::new(Vec::new()), RefCell::new(BTreeMap::new()));
        let on_event = |event| match event {
            CrankEvent::Did(deed) => {
                failed.borrow_mut().remove(&(deed.account.clone(), deed.deed));
                let deed = Done(deed);
                if !once {
                    print(&Answer::new(&deed));
                }
                deeds.borrow_mut().push(deed);
            }
            CrankEvent::Failed { deed, account, error } => {
                let sentence = match &error {
                    watchtower::Error::NoPayout { .. } => "its payee has no token account; --create-payouts creates one".to_owned(),
                    error => error.to_string(),
                };
                context.note(&format!("{deed} {account}: {sentence}"));
                let failure = Failure {
                    deed,
                    account: account.to_string(),
                    error: sentence,
                    code: Error::from(error).code(),
                };
                failed.borrow_mut().insert((failure.account.clone(), deed), failure);
            }
            CrankEvent::Broken(error) => context.note(&format!("{error}; trying again")),
        };
        let cranker = Cranker {
            chain: &context.chain,
            key: &wallet,
            options: &context.options,
            sweeps: sweep,
            create_payouts,
            accused: &Accused::default(),
            on_event: &on_event,
        };
        if once {
            cranker.pass().await?;
        } else {
            let (every, never_hurried) = (Duration::from_secs(every.max(1).into()), Notify::new());
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                never = cranker.run(every, &never_hurried) => match never {},
            }
        }
        let (deeds, failed): (Vec<Done>, Vec<Failure>) = (deeds.into_inner(), failed.into_inner().into_values().collect());
        let earned = deeds
            .iter()
            .map(|Done(deed)| deed.bounty.cast_signed().saturating_sub_unsigned(deed.fee))
            .sum();
        let code = failed.first().map_or(0, |failure| failure.code);
        let total = Answer::new(&Total { deeds, failed, earned });
        if once {
            return Ok(Some(total.with_code(code)));
        }
        print(&total);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{error::code, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::Fake;
    use jobs::Job;
    use solana_address::Address;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_duty_that_failed_is_in_the_answer() {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Arc::new(Fake::default()));
        let (context, _) = testing::context(&fake, folder.path());
        testing::set_up_market(&fake, &Address::new_unique());
        // Nobody took it in time, and its escrow is not there.
        let job = Address::new_unique();
        fake.set_account(job, testing::account(&Job::zeroed()));
        let crank = Command::Crank {
            once: true,
            every: 1,
            sweep: false,
            create_payouts: false,
        };
        let answer = crank.run(&context).await.unwrap().unwrap();
        let shown = testing::json(&answer);
        let failure = shown.pointer("/failed/0").unwrap();
        assert_eq!((&failure["deed"], &failure["account"]), (&"expire".into(), &job.to_string().into()));
        assert!(failure["error"].as_str().unwrap().contains("has no account"), "{failure}");
        assert_eq!(answer.code(), code::REFUSED);
    }
}

//! `ionet watch`: duties anyone may do.

use crate::{amount::SOL, context::Context, error::Result, output::Answer, send::confirm};
use clap::Subcommand;
use serde::Serialize;
use solana_signer::Signer;
use std::{cell::RefCell, fmt, time::Duration};
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

#[derive(Serialize)]
struct Total {
    deeds: Vec<Done>,
    /// Lamports: bounties less fees.
    earned: i64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.earned < 0 { "-" } else { "" };
        let earned = SOL.show(self.earned.unsigned_abs());
        write!(f, "{} transactions, earned {sign}{earned} after fees", self.deeds.len())
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
        let deeds = RefCell::new(Vec::new());
        let on_event = |event| match event {
            CrankEvent::Did(deed) => {
                let deed = Done(deed);
                if !once {
                    print(&Answer::new(&deed));
                }
                deeds.borrow_mut().push(deed);
            }
            CrankEvent::Failed { deed, account, error } => match error {
                watchtower::Error::NoPayout { .. } => {
                    eprintln!("{deed} {account}: its payee has no token account; --create-payouts creates one");
                }
                error => eprintln!("{deed} {account}: {error}"),
            },
            CrankEvent::Broken(error) => eprintln!("{error}; trying again"),
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
        let deeds = deeds.into_inner();
        let earned = deeds
            .iter()
            .map(|Done(deed)| deed.bounty.cast_signed().saturating_sub_unsigned(deed.fee))
            .sum();
        let total = Answer::new(&Total { deeds, earned });
        if once {
            return Ok(Some(total));
        }
        print(&total);
        Ok(None)
    }
}

//! `ionet watch`: duties anyone may do.

use crate::{
    amount::SOL,
    context::Context,
    crank::{Duty, end},
    error::{Error, Result, code, refuse},
    output::Answer,
    send::confirm,
};
use chain::{NotConfirmed, Outcome, market};
use clap::Subcommand;
use jobs::{Escrow, Job};
use serde::Serialize;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{fmt, time::Duration};

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
        /// Also move fees from escrows to the treasury and the burn; this earns nothing
        #[arg(long)]
        sweep: bool,
        /// Also pay suppliers without a token account, creating it at the wallet's expense
        #[arg(long)]
        create_payouts: bool,
    },
}

/// A duty done.
#[derive(Clone, Debug, Serialize)]
struct Deed {
    deed: &'static str,
    /// Job, or escrow that was swept.
    account: String,
    signature: String,
    bounty: u64,
    fee: u64,
    compute_units: u64,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            deed,
            account,
            bounty,
            fee,
            ..
        } = self;
        write!(f, "{deed} {account}: bounty {}, fee {}", SOL.show(*bounty), SOL.show(*fee))
    }
}

#[derive(Serialize)]
struct Total {
    deeds: Vec<Deed>,
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
        let market = context.market().await?;
        let wallet = context.wallet()?;
        if !context.settings.yes {
            let until = if once { "once" } else { "until Ctrl-C" };
            let effect = format!("wallet {} pays the fees and earns the bounties", wallet.pubkey());
            confirm(&format!("end overdue jobs {until}"), &effect)?;
        }
        let cranker = Cranker {
            context,
            wallet,
            treasury: sweep.then_some(market.jobs.treasury),
            create_payouts,
            streams: !once,
        };
        let mut deeds = Vec::new();
        if once {
            cranker.pass(&mut deeds).await?;
        } else {
            let stop = tokio::signal::ctrl_c();
            tokio::pin!(stop);
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stop => break,
                    done = cranker.pass(&mut deeds) => {
                        if let Err(error) = done {
                            eprintln!("{error}; trying again");
                        }
                    }
                }
                tokio::select! {
                    biased;
                    _ = &mut stop => break,
                    () = tokio::time::sleep(Duration::from_secs(every.max(1).into())) => {}
                }
            }
        }
        let earned = deeds
            .iter()
            .map(|deed: &Deed| deed.bounty.cast_signed().saturating_sub_unsigned(deed.fee))
            .sum();
        let total = Answer::new(&Total { deeds, earned });
        if once {
            return Ok(Some(total));
        }
        cranker.print(&total);
        Ok(None)
    }
}

/// Whoever turns the cranks.
struct Cranker<'a> {
    context: &'a Context,
    wallet: Keypair,
    /// The treasury's wallet, when fees are to be swept.
    treasury: Option<Address>,
    create_payouts: bool,
    /// Whether each deed is printed when done.
    streams: bool,
}

impl Cranker<'_> {
    /// Does everything that is due now.
    async fn pass(&self, deeds: &mut Vec<Deed>) -> Result<()> {
        let chain = &self.context.chain;
        let (jobs, now): (Vec<(Address, Job)>, _) = (chain.find(&[]).await?, self.context.now().await?);
        for (address, job) in jobs {
            // One job that cannot be ended must not keep the others waiting.
            if let Some(duty) = Duty::due(&job, now)
                && let Err(error) = self.end(duty, address, &job, deeds).await
            {
                if error.code() == code::UNREACHABLE {
                    return Err(error);
                }
                eprintln!("job {address}: {error}");
            }
        }
        let Some(treasury) = self.treasury else { return Ok(()) };
        let escrows: Vec<(Address, Escrow)> = chain.find(&[]).await?;
        for (address, escrow) in escrows.into_iter().filter(|(_, escrow)| escrow.fees.get() > 0) {
            let account = market::token_account(&treasury, &escrow.mint);
            if chain.account(&account).await?.is_some() {
                let sweep = market::job::sweep_fees(&address, &escrow.mint, &account);
                self.act("sweep", address, &[sweep], 0, deeds).await?;
            }
        }
        Ok(())
    }

    /// Ends one job.
    async fn end(&self, duty: Duty, address: Address, job: &Job, deeds: &mut Vec<Deed>) -> Result<()> {
        let end = end(self.context, &self.wallet.pubkey(), &address, job).await?;
        if end.creates_payout && !self.create_payouts {
            return refuse("its supplier has no token account to be paid into; --create-payouts makes one");
        }
        self.act(duty.name(), address, &end.instructions, job.bounty.get().into(), deeds)
            .await
    }

    /// Sends one transaction. Being late, or early by a slot, is no error: somebody else was faster, or the next pass does it.
    async fn act(
        &self,
        deed: &'static str,
        account: Address,
        instructions: &[Instruction],
        bounty: u64,
        deeds: &mut Vec<Deed>,
    ) -> Result<()> {
        let Context { chain, options, .. } = self.context;
        let prepared = match chain.prepare(instructions, &[&self.wallet as &dyn Signer], options).await {
            Ok(prepared) => prepared,
            Err(chain::Error::Transaction(cause)) if is_race(&cause) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let receipt = match chain.submit(&prepared, options).await {
            Outcome::Failed(_) => return Ok(()),
            outcome => outcome.confirmed().map_err(Error::from)?,
        };
        let deed = Deed {
            deed,
            account: account.to_string(),
            signature: receipt.signature.to_string(),
            bounty,
            fee: receipt.fee,
            compute_units: receipt.compute_units,
        };
        if self.streams {
            self.print(&Answer::new(&deed));
        }
        deeds.push(deed);
        Ok(())
    }

    /// One line of output. A reader that closed the pipe has read what it wanted.
    fn print(&self, answer: &Answer) {
        let _ = crate::write(std::io::stdout(), &answer.line(self.context.settings.format));
    }
}

/// Whether a simulation failed because of the job's state, as opposed to, say, a wallet without SOL.
fn is_race(cause: &NotConfirmed) -> bool {
    matches!(cause, NotConfirmed::Failed(failure) if failure.explanation.program.as_deref() == Some("jobs"))
}

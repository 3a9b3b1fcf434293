//! `ionet job`: buying work, and following it to its end.

mod deliver;
mod end;
mod list;
mod submit;

use crate::{context::Context, error::Result, output::Answer};
use clap::Subcommand;
use solana_address::Address;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a job and wait for its result
    #[command(subcommand)]
    Submit(Box<submit::What>),
    /// List jobs in progress
    List(list::Arguments),
    /// Show a job, running or ended, with its transactions
    Show {
        /// The job
        job: Address,
    },
    /// Fetch the output of a job submitted from this machine
    Fetch {
        /// The job
        job: Address,
        #[command(flatten)]
        output: Output,
    },
    /// Cancel a job that nobody has claimed, with its replicas that nobody has claimed
    Cancel {
        /// The job
        job: Address,
    },
    /// Extend the deadline of a job that waits for a claim or a commitment
    Extend {
        /// The job
        job: Address,
        /// By how much: 90s, 10m, 2h
        #[arg(value_parser = crate::amount::seconds)]
        by: u32,
    },
    /// Settle a job whose challenge window has passed, for its bounty
    Settle {
        /// The job
        job: Address,
    },
    /// Refund a job that nobody claimed in time, for its bounty
    Expire {
        /// The job
        job: Address,
    },
    /// Refund a job whose worker is late, for its bounty
    Timeout {
        /// The job
        job: Address,
    },
    /// Pay the challenger who proved a job's result wrong, for its bounty
    Award {
        /// The job
        job: Address,
    },
}

/// Where to write outputs.
#[derive(clap::Args, Clone, Debug)]
pub struct Output {
    /// PNG file to write [default: the one named at submission, or a name made from the photo or the seed]
    #[arg(long = "out", short = 'o', value_name = "FILE")]
    path: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        use watchtower::crank::Duty;
        match self {
            Self::Submit(what) => what.run(context).await,
            Self::List(arguments) => arguments.run(context).await,
            Self::Show { job } => list::show(context, job).await,
            Self::Fetch { job, output } => deliver::fetch(context, job, output).await,
            Self::Cancel { job } => end::cancel(context, job).await,
            Self::Extend { job, by } => end::extend(context, job, by).await,
            Self::Settle { job } => end::end(context, job, Duty::Settle).await,
            Self::Expire { job } => end::end(context, job, Duty::Expire).await,
            Self::Timeout { job } => end::end(context, job, Duty::Timeout).await,
            Self::Award { job } => end::end(context, job, Duty::Award).await,
        }
    }
}

//! `ionet gov`: governance by stakers.

mod buffer;
mod draft;
mod duty;
mod power;
mod setting;
mod show;
mod units;
mod upload;
mod vote;
mod words;

use crate::{
    context::Context,
    error::Result,
    output::{Answer, fields},
    send::Sent,
};
use clap::{Subcommand, ValueEnum};
use protocol::ballot;
use serde::Serialize;
use solana_address::Address;
use std::{fmt, path::PathBuf};

/// The programs that governance governs, by name.
pub const PROGRAMS: [(&str, Address); 5] = [
    ("staking", staking::ID),
    ("costaking", costaking::ID),
    ("jobs", jobs::ID),
    ("referee", referee::ID),
    ("governance", governance::ID),
];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a proposal from a TOML file and open the vote on it; docs/governance.md shows example files
    Create {
        /// The TOML file
        file: PathBuf,
        /// Only show what the proposal would do; send nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show a proposal: what it would change, how the votes stand, and what happens next
    Show {
        /// Number of the proposal
        proposal: u64,
    },
    /// List proposals, latest first
    List,
    /// Show the quorums, majorities and periods of votes, and whether they are in force
    Rules,
    /// Show what a wallet can vote with, from when it counts, its representative, and whom it represents
    Power {
        /// The wallet [default: your own]
        wallet: Option<Address>,
    },
    /// Vote with all of the wallet's stake and co-stake, or change an earlier vote
    Vote {
        /// Number of the proposal
        proposal: u64,
        #[arg(value_enum)]
        choice: Choice,
        /// Owner of the stake, when the wallet is its representative
        #[arg(long = "for", value_name = "OWNER")]
        owner: Option<Address>,
    },
    /// Withdraw the wallet's votes while the vote is open
    Unvote {
        /// Number of the proposal
        proposal: u64,
    },
    /// Let a representative vote with the wallet's stake, except where the wallet votes itself
    Delegate {
        /// The representative's wallet
        representative: Address,
    },
    /// Remove the representative
    Undelegate,
    /// Count the votes on a proposal, or execute one that has passed; anyone may
    Execute {
        /// Number of the proposal
        proposal: u64,
    },
    /// Withdraw one of the wallet's proposals and reclaim its deposit and rent
    Cancel {
        /// Number of the proposal
        proposal: u64,
    },
    /// Close an ended proposal and return its deposit and rent; anyone may
    Close {
        /// Number of the proposal
        proposal: u64,
    },
    /// Upload a program's new code into a buffer that only governance can use, or resume an interrupted upload
    Upload {
        /// The program, a .so file
        file: PathBuf,
    },
    /// Pause new devices, offers or jobs at once; only the guardian may, and only a proposal can resume them
    Pause {
        #[arg(value_enum)]
        program: Pausable,
    },
}

/// A vote on a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Neither; counts for the quorum.
    Abstain,
    /// Against it, and its deposit should be burned; may be cast until the timelock ends.
    Veto,
}

impl Choice {
    fn of(number: u8) -> &'static str {
        match ballot::Choice::from_code(number) {
            Some(ballot::Choice::Yes) => "yes",
            Some(ballot::Choice::No) => "no",
            Some(ballot::Choice::Abstain) => "abstain",
            Some(ballot::Choice::Veto) => "veto",
            None => "unknown",
        }
    }
}

/// What the guardian can pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pausable {
    /// No new devices and stakes.
    Staking,
    /// No new offers and joins.
    Costaking,
    /// No new jobs and claims.
    Jobs,
}

/// What was done about a proposal.
#[derive(Serialize)]
struct Done {
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<u64>,
    status: String,
    /// Base units that voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u64>,
    /// What the wallet's owner may not have meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    #[serde(flatten)]
    sent: Sent,
}

impl Done {
    fn of(proposal: Option<u64>, status: impl Into<String>, sent: Sent) -> Self {
        Self {
            proposal,
            status: status.into(),
            weight: None,
            warning: None,
            sent,
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.proposal.map(|number| ("proposal", number.to_string()));
        let lines: Vec<_> = number.into_iter().chain([("status", self.status.clone())]).collect();
        fields(f, &lines)?;
        write!(f, "{}", self.sent)
    }
}

impl Command {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let market = context.market().await?;
        let token = context.token(&market, None).await?;
        let now = context.now().await?.unix;
        match self {
            Self::Create { file, dry_run } => duty::create(context, &token, now, &file, dry_run).await,
            Self::Show { proposal } => show::one(context, &token, now, proposal).await,
            Self::List => show::list(context, &token, now).await,
            Self::Rules => show::rules(context, &token, now).await,
            Self::Power { wallet } => power::show(context, &token, now, context.address(wallet)?).await,
            Self::Vote { proposal, choice, owner } => vote::vote(context, &token, now, proposal, choice, owner).await,
            Self::Unvote { proposal } => vote::unvote(context, now, proposal).await,
            Self::Delegate { representative } => vote::delegate(context, Some(representative)).await,
            Self::Undelegate => vote::delegate(context, None).await,
            Self::Execute { proposal } => duty::execute(context, &token, now, proposal).await,
            Self::Cancel { proposal } => duty::cancel(context, &token, now, proposal).await,
            Self::Close { proposal } => duty::close(context, &token, proposal).await,
            Self::Upload { file } => upload::upload(context, &file).await,
            Self::Pause { program } => duty::pause(context, program).await,
        }
    }
}

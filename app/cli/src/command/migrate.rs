//! `ionet migrate`: brings a cluster's on-chain configs and tables up to this version.

use crate::{
    context::Context,
    error::{Result, refuse},
    file,
    output::Answer,
    send::confirm,
};
use chain::Live;
use clap::Args;
use migrations::Deployment;
use protocol::emission;
use serde::{Deserialize, Serialize};
use solana_address::Address;
use std::{fmt, path::PathBuf};

/// Seconds of a day.
const DAY: i64 = 86_400;

#[derive(Args, Debug)]
pub struct Arguments {
    /// TOML file with the choices of the deployment; migrations/README.md shows one
    file: PathBuf,
    /// Keypair file of the programs' upgrade authority; the wallet, which pays, must be another key
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// Only show what would be done; send nothing
    #[arg(long)]
    dry_run: bool,
}

/// The file. It sets no parameters: they start as published, and governance changes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    mint: String,
    treasury: String,
    /// The cluster's genesis hash, as `solana genesis-hash` prints it.
    cluster: String,
    verifier: String,
    guardian: String,
    /// Days for which the guardian may pause, at most 366.
    guardian_days: u16,
    /// Start of the first hour with rewards, in unix seconds; the current hour if omitted.
    genesis: Option<i64>,
    /// Whether all authorities are handed to governance.
    hand_over: bool,
    /// Whether calls ask every device for the least work, for test chains.
    #[serde(default)]
    least_work: bool,
}

#[derive(Serialize)]
struct Planned {
    number: usize,
    name: &'static str,
    transactions: Vec<String>,
}

impl From<&migrations::Step> for Planned {
    fn from(step: &migrations::Step) -> Self {
        Self {
            number: step.number,
            name: step.name,
            transactions: step.transactions.iter().map(|transaction| transaction.what.clone()).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Plan(Vec<Planned>);

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned {
            number,
            name,
            transactions,
        } in &self.0
        {
            match transactions.is_empty() {
                true => writeln!(f, "{number} {name}: done")?,
                false => writeln!(f, "{number} {name}")?,
            }
            transactions.iter().try_for_each(|what| writeln!(f, "    {what}"))?;
        }
        Ok(())
    }
}

impl From<migrations::Error> for crate::error::Error {
    fn from(error: migrations::Error) -> Self {
        match error {
            migrations::Error::Chain(error) => Self::Chain(error),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl Arguments {
    pub async fn run(self, context: &Context) -> Result<Answer> {
        let shown = self.file.display();
        let written: Written = file::toml(&self.file)?;
        let address = |name: &str, text: &str| -> Result<Address> {
            text.parse()
                .or_else(|_| refuse(format!("{shown}: {name} = \"{text}\" is not an address")))
        };
        let cluster = address("cluster", &written.cluster)?.to_bytes();
        let genesis = Live::new(&context.settings.cluster).genesis().await?;
        if cluster != genesis.to_bytes() {
            let (cluster, url) = (written.cluster, &context.settings.cluster);
            return refuse(format!(
                "{shown}: cluster = \"{cluster}\" is not the chain at {url}, whose genesis hash is {genesis}; choose another --url or file"
            ));
        }
        let now = context.now().await?.unix;
        let (payer, authority) = (context.wallet()?, chain::load_keypair(&self.authority)?);
        let deployment = Deployment {
            payer: &payer,
            authority: &authority,
            mint: address("mint", &written.mint)?,
            treasury: address("treasury", &written.treasury)?,
            cluster,
            staking: staking::Parameters::PUBLISHED,
            jobs: jobs::Parameters::PUBLISHED,
            costaking: costaking::Parameters::PUBLISHED,
            rewards: staking::RewardRules::PUBLISHED,
            verifier: address("verifier", &written.verifier)?,
            genesis: written.genesis.unwrap_or_else(|| emission::start_of(now)),
            guardian: (
                address("guardian", &written.guardian)?,
                now.saturating_add(i64::from(written.guardian_days).saturating_mul(DAY)),
            ),
            least_work: written.least_work,
            hands_over: written.hand_over,
        };
        context.chain.check(&migrations::PROGRAMS.map(|(_, program)| program)).await?;
        let plan = migrations::plan(&context.chain, &deployment).await?;
        let plan = Plan(plan.iter().map(Planned::from).collect());
        if self.dry_run || plan.0.iter().all(|step| step.transactions.is_empty()) {
            return Ok(Answer::new(&plan));
        }
        if !context.settings.yes {
            confirm("migrate", &plan)?;
        }
        let mut done = Vec::new();
        migrations::run(&context.chain, &deployment, &context.options, |step| done.push(Planned::from(step))).await?;
        Ok(Answer::new(&Plan(done)))
    }
}

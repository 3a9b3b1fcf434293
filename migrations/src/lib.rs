//! Numbered, idempotent steps that bring a cluster's configs and tables to what this version expects.
//!
//! Each step looks at the chain first and does only what is missing, so a run that was cut off goes on where it stopped, and a second run
//! changes nothing.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod gpu_models;

pub use gpu_models::published as published_gpu_models;

use chain::market::{costake, job, reward, stake};
use chain::{Chain, SendOptions};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// What a deployment chooses.
pub struct Deployment<'a> {
    /// Pays. Not the authority: the programs refuse one account in two slots of which one is writable.
    pub payer: &'a Keypair,
    /// The programs' upgrade authority, which becomes the configs' authority.
    pub authority: &'a Keypair,
    /// The $IO mint.
    pub mint: Address,
    /// Wallet whose token accounts receive the fees.
    pub treasury: Address,
    /// What tells this cluster from every other, such as its genesis hash.
    pub cluster: [u8; 32],
    /// Parameters of staking.
    pub staking: staking::Parameters,
    /// Parameters of jobs.
    pub jobs: jobs::Parameters,
    /// Parameters of co-staking.
    pub costaking: costaking::Parameters,
    /// Rules of rewards.
    pub rewards: staking::RewardRules,
    /// Who says how well devices are connected.
    pub verifier: Address,
    /// Start of the first hour that brings rewards, unix seconds.
    pub genesis: i64,
}

/// Why a migration stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain refused or could not be reached.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The shipped table cannot be read.
    #[error("gpu_models.toml: {0}")]
    Table(String),
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number, for ever the same.
    pub number: u16,
    /// Its name.
    pub name: &'static str,
    /// Transactions it took; none when it had been done before.
    pub transactions: usize,
}

/// Runs every step in order; `done` hears of each.
pub async fn run(chain: &Chain, deployment: &Deployment<'_>, mut done: impl FnMut(&Step)) -> Result<(), Error> {
    let (payer, authority) = (deployment.payer.pubkey(), deployment.authority.pubkey());
    let mut configs = Vec::new();
    if chain.account(&stake::config()).await?.is_none() {
        configs.push(stake::initialize(&payer, &authority, &deployment.mint, deployment.staking));
    }
    if chain.account(&job::config()).await?.is_none() {
        let (cluster, treasury) = (deployment.cluster, &deployment.treasury);
        configs.push(job::initialize(
            &payer,
            &authority,
            &deployment.mint,
            cluster,
            treasury,
            deployment.jobs,
        ));
    }
    done(&Step {
        number: 1,
        name: "configs",
        transactions: send(chain, deployment, configs, 1).await?,
    });

    let mut rows = Vec::new();
    for (id, spec) in gpu_models::published()? {
        if chain.account(&stake::gpu_model(id)).await?.is_none() {
            rows.push(stake::add_gpu_model(&payer, &authority, id, spec));
        }
    }
    done(&Step {
        number: 2,
        name: "GPU table",
        transactions: send(chain, deployment, rows, GPU_ROWS).await?,
    });

    let mut co_staking = Vec::new();
    if chain.account(&costake::config()).await?.is_none() {
        co_staking.push(costake::initialize(&payer, &authority, &deployment.mint, deployment.costaking));
    }
    done(&Step {
        number: 3,
        name: "co-staking",
        transactions: send(chain, deployment, co_staking, 1).await?,
    });

    let mut emission = Vec::new();
    if chain.account(&reward::emission()).await?.is_none() {
        let (rules, verifier) = (deployment.rewards, deployment.verifier);
        emission.push(reward::start(
            &payer,
            &authority,
            &deployment.mint,
            deployment.genesis,
            rules,
            verifier,
        ));
    }
    done(&Step {
        number: 4,
        name: "emission",
        transactions: send(chain, deployment, emission, 1).await?,
    });
    Ok(())
}

/// Rows of the GPU table that fit a transaction of 1,232 bytes.
const GPU_ROWS: usize = 8;

async fn send(chain: &Chain, deployment: &Deployment<'_>, instructions: Vec<Instruction>, batch: usize) -> Result<usize, Error> {
    let signers: [&dyn Signer; 2] = [deployment.payer, deployment.authority];
    let batches = instructions.chunks(batch);
    let count = batches.len();
    for instructions in batches {
        chain.send(instructions, &signers, &SendOptions::default()).await?;
    }
    Ok(count)
}

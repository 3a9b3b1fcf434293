//! Numbered, idempotent steps that bring a cluster's configs and tables to what this version expects.
//!
//! Each step looks at the chain first and does only what is missing, so a run that was cut off goes on where it stopped, and a second run
//! changes nothing. The same code says beforehand what it would do.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod gpu_models;
mod steps;

pub use gpu_models::{NoRow, published as published_gpu_models, row_name as gpu_name, row_of as gpu_model_of, with_least_work};

use chain::{Chain, SendOptions};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use steps::Kind;

/// The programs that governance is to upgrade.
pub const PROGRAMS: [(&str, Address); 5] = [
    ("costaking", costaking::ID),
    ("staking", staking::ID),
    ("governance", governance::ID),
    ("jobs", jobs::ID),
    ("referee", referee::ID),
];

/// What a deployment chooses.
pub struct Deployment<'a> {
    /// Pays. Not the authority: the programs refuse one account in two slots of which one is writable.
    pub payer: &'a Keypair,
    /// The programs' upgrade authority, which becomes the configs' authority.
    pub authority: &'a Keypair,
    /// The $IO mint.
    pub mint: Address,
    /// Wallet whose token accounts receive the fees until governance takes over.
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
    /// Who may pause, and until when, unix seconds.
    pub guardian: (Address, i64),
    /// Whether calls ask for the least work instead of what fits each GPU model: for chains whose devices have no such GPUs.
    pub least_work: bool,
    /// Whether governance takes over all the authority holds. It cannot be taken back but by a proposal.
    pub hands_over: bool,
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

/// A transaction of a step.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// What it does, for people.
    pub what: String,
    instructions: Vec<Instruction>,
}

impl Transaction {
    fn one(what: impl Into<String>, instruction: Instruction) -> Self {
        Self {
            what: what.into(),
            instructions: vec![instruction],
        }
    }
}

/// What a step did or would do.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, for ever the same.
    pub number: usize,
    /// Its name.
    pub name: &'static str,
    /// Transactions it takes; none when it was done before.
    pub transactions: Vec<Transaction>,
}

impl Step {
    fn of(kind: Kind, transactions: Vec<Transaction>) -> Self {
        Self {
            number: kind as usize,
            name: kind.name(),
            transactions,
        }
    }
}

/// What every step finds missing now. Nothing is sent.
pub async fn plan(chain: &Chain, deployment: &Deployment<'_>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for kind in Kind::ALL {
        steps.push(Step::of(kind, steps::missing(kind, deployment, chain).await?));
    }
    Ok(steps)
}

/// Runs every step in order; `done` hears of each.
pub async fn run(chain: &Chain, deployment: &Deployment<'_>, options: &SendOptions, mut done: impl FnMut(&Step)) -> Result<(), Error> {
    let signers: [&dyn Signer; 2] = [deployment.payer, deployment.authority];
    for kind in Kind::ALL {
        let transactions = steps::missing(kind, deployment, chain).await?;
        for transaction in &transactions {
            chain.send(&transaction.instructions, &signers, options).await?;
        }
        done(&Step::of(kind, transactions));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::{Landed, PriorityFee, ProgramErrors, fake};
    use std::sync::Arc;

    /// What sets the price of a place in a block.
    const BUDGET: Address = Address::from_str_const("ComputeBudget111111111111111111111111111111");
    const PRICE: u8 = 3;

    #[tokio::test]
    async fn what_is_chosen_is_shown_and_no_more_is_paid_than_is_allowed() {
        let (payer, authority) = (Keypair::new(), Keypair::new());
        let deployment = Deployment {
            payer: &payer,
            authority: &authority,
            mint: Address::new_unique(),
            treasury: Address::new_unique(),
            cluster: [7; 32],
            staking: staking::Parameters::PUBLISHED,
            jobs: jobs::Parameters::PUBLISHED,
            costaking: costaking::Parameters::PUBLISHED,
            rewards: staking::RewardRules::PUBLISHED,
            verifier: Address::new_unique(),
            genesis: 0,
            guardian: (Address::new_unique(), 1),
            least_work: false,
            hands_over: false,
        };
        let node = Arc::new(fake::Fake::default());
        // Lamports where an account is to be are none.
        node.set_account(chain::market::job::config(), fake::gift());
        node.set_recent_fees(&[5_000]);
        node.on_send(|_| {
            Some(Landed {
                slot: 1,
                time: None,
                error: None,
                compute_units: 0,
                fee: 5_000,
                logs: None,
            })
        });
        let chain = Chain::new(node.clone(), ProgramErrors::default());
        let steps = plan(&chain, &deployment).await.unwrap();
        let configs: Vec<&str> = steps
            .iter()
            .take(1)
            .flat_map(|step| &step.transactions)
            .map(|each| each.what.as_str())
            .collect();
        let cluster = Address::from(deployment.cluster);
        for chosen in [deployment.mint, deployment.treasury, cluster] {
            assert!(configs.join("\n").contains(&chosen.to_string()), "no {chosen} in {configs:?}");
        }
        let prices = async |most| {
            let options = SendOptions {
                priority_fee: PriorityFee::new(None, Some(most)),
                ..SendOptions::default()
            };
            let before = node.sent().len();
            run(&chain, &deployment, &options, |_| {}).await.unwrap();
            let instructions = node.sent().iter().skip(before).flat_map(fake::instructions).collect::<Vec<_>>();
            let paid = instructions.iter().filter(|instruction| instruction.program_id == BUDGET);
            paid.filter(|instruction| instruction.data.first() == Some(&PRICE)).count()
        };
        assert_eq!(prices(0).await, 0);
        assert!(prices(5_000).await > 0, "nothing tells a transaction that pays for its place");
    }
}

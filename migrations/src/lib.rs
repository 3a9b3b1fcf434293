//! Numbered, idempotent steps that bring a cluster's configs and tables to what this version expects.
//!
//! Each step reads the chain first and does only what is missing, so an interrupted run resumes where it stopped, and a second run changes
//! nothing. The same code plans a run without sending anything.
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

/// The programs whose upgrade authority is handed to governance.
pub const PROGRAMS: [(&str, Address); 5] = [
    ("costaking", costaking::ID),
    ("staking", staking::ID),
    ("governance", governance::ID),
    ("jobs", jobs::ID),
    ("referee", referee::ID),
];

/// The choices of a deployment.
pub struct Deployment<'a> {
    /// Pays for the transactions. Must not be the authority: the programs refuse an account that is passed twice, once as writable.
    pub payer: &'a Keypair,
    /// The programs' upgrade authority, which becomes the authority of the configs.
    pub authority: &'a Keypair,
    /// The $IO mint.
    pub mint: Address,
    /// Wallet whose token accounts receive the fees until governance takes over.
    pub treasury: Address,
    /// Identifies this cluster, usually its genesis hash.
    pub cluster: [u8; 32],
    /// Parameters of staking.
    pub staking: staking::Parameters,
    /// Parameters of jobs.
    pub jobs: jobs::Parameters,
    /// Parameters of co-staking.
    pub costaking: costaking::Parameters,
    /// Reward rules.
    pub rewards: staking::RewardRules,
    /// Key that sets the connectivity tiers of devices.
    pub verifier: Address,
    /// Start of the first hour with rewards, unix seconds.
    pub genesis: i64,
    /// The guardian, who may pause the programs, and the end of its term in unix seconds.
    pub guardian: (Address, i64),
    /// Whether calls request the least work instead of what fits each GPU model: for test chains, whose devices do not have these GPUs.
    pub least_work: bool,
    /// Whether everything the authority holds is handed to governance. Only a proposal can reverse this.
    pub hands_over: bool,
}

/// Why a migration stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain refused or could not be reached.
    #[error(transparent)]
    Chain(#[from] chain::Error),
    /// The embedded GPU table is malformed.
    #[error("gpu_models.toml: {0}")]
    Table(String),
}

/// A transaction of a step.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// A description for people.
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

/// A step with the transactions that it sent or would send.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, which never changes.
    pub number: usize,
    /// Its name.
    pub name: &'static str,
    /// Its transactions; none if nothing is missing.
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

/// Plans every step as the chain is now. Sends nothing.
pub async fn plan(chain: &Chain, deployment: &Deployment<'_>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for kind in Kind::ALL {
        steps.push(Step::of(kind, steps::missing(kind, deployment, chain).await?));
    }
    Ok(steps)
}

/// Runs every step in order and calls `done` after each.
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
    use chain::{Landed, PriorityFee, fake};
    use std::sync::Arc;

    /// The compute budget program and its instruction that sets the priority fee.
    const BUDGET: Address = Address::from_str_const("ComputeBudget111111111111111111111111111111");
    const PRICE: u8 = 3;

    #[tokio::test]
    async fn choices_are_shown_and_priority_fees_are_bounded() {
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
        // Lamports at the address of a config do not count as an account.
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
        let chain = Chain::new(node.clone());
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
        assert!(prices(5_000).await > 0, "no transaction pays a priority fee where it may");
    }
}

//! What each step has to do.

use crate::{Deployment, Error, Transaction, gpu_models, with_least_work};
use chain::market::{self, LOADER, costake, govern, job, reward, stake};
use governance::Rules;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_signer::Signer;

/// Rows of the GPU table that fit a transaction of 1,232 bytes.
const GPU_ROWS: usize = 8;

/// Initial lamports of the governance purse, which pays the rent of accounts that proposals create.
const PURSE: u64 = 100_000_000;

/// A step. Its number never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Configs = 1,
    GpuTable,
    CoStaking,
    Emission,
    Governance,
    Authorities,
}

impl Kind {
    /// Every step in order.
    pub(crate) const ALL: [Self; 6] = [
        Self::Configs,
        Self::GpuTable,
        Self::CoStaking,
        Self::Emission,
        Self::Governance,
        Self::Authorities,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Configs => "configs",
            Self::GpuTable => "GPU table",
            Self::CoStaking => "co-staking",
            Self::Emission => "emission",
            Self::Governance => "governance",
            Self::Authorities => "authorities",
        }
    }
}

/// The transactions that a step still has to send.
pub(crate) async fn missing(step: Kind, deployment: &Deployment<'_>, chain: &chain::Chain) -> Result<Vec<Transaction>, Error> {
    let (payer, authority, mint) = (deployment.payer.pubkey(), deployment.authority.pubkey(), deployment.mint);
    let mut missing = Vec::new();
    match step {
        Kind::Configs => {
            if !chain.exists(&stake::config()).await? {
                let initialize = stake::initialize(&payer, &authority, &mint, deployment.staking);
                missing.push(Transaction::one(
                    format!("create the config of staking, with mint {mint}"),
                    initialize,
                ));
            }
            if !chain.exists(&job::config()).await? {
                let (cluster, treasury) = (deployment.cluster, &deployment.treasury);
                let initialize = job::initialize(&payer, &authority, &mint, cluster, treasury, deployment.jobs);
                // These choices are permanent, so the plan shows them.
                let cluster = Address::from(cluster);
                let what = format!("create the config of jobs, with mint {mint}, treasury {treasury} and cluster {cluster}");
                missing.push(Transaction::one(what, initialize));
            }
        }
        Kind::GpuTable => {
            let mut rows = Vec::new();
            for (id, spec) in gpu_models::published()? {
                if !chain.exists(&stake::gpu_model(id)).await? {
                    let spec = if deployment.least_work { with_least_work(spec) } else { spec };
                    rows.push((id, stake::add_gpu_model(&payer, &authority, id, spec)));
                }
            }
            missing.extend(rows.chunks(GPU_ROWS).map(|rows| {
                let ids: Vec<String> = rows.iter().map(|(id, _)| id.to_string()).collect();
                Transaction {
                    what: format!("list GPU models {}", ids.join(", ")),
                    instructions: rows.iter().map(|(_, row)| row.clone()).collect(),
                }
            }));
        }
        Kind::CoStaking => {
            if !chain.exists(&costake::config()).await? {
                let initialize = costake::initialize(&payer, &authority, &mint, deployment.costaking);
                missing.push(Transaction::one(
                    format!("create the config of co-staking, with mint {mint}"),
                    initialize,
                ));
            }
        }
        Kind::Emission => {
            if !chain.exists(&reward::emission()).await? {
                let (rules, verifier, genesis) = (deployment.rewards, deployment.verifier, deployment.genesis);
                let start = reward::start(&payer, &authority, &mint, genesis, rules, verifier);
                let what = format!("start the emission with the hour at {genesis}, with verifier {verifier}");
                missing.push(Transaction::one(what, start));
            }
        }
        Kind::Governance => {
            if !chain.exists(&govern::config()).await? {
                let (guardian, until) = deployment.guardian;
                let initialize = govern::initialize(&payer, &authority, &mint, Rules::PUBLISHED, guardian, until);
                let fund = solana_system_interface::instruction::transfer(&payer, &govern::purse(), PURSE);
                missing.push(Transaction {
                    what: format!(
                        "create the config of governance, with guardian {guardian} until {until}, and put 0.1 SOL into its purse"
                    ),
                    instructions: vec![initialize, fund],
                });
            }
        }
        Kind::Authorities => {
            if deployment.hands_over {
                missing = hand_over(&authority, chain).await?;
            }
        }
    }
    Ok(missing)
}

/// Hands what the deployer still holds to governance.
async fn hand_over(deployer: &Address, chain: &chain::Chain) -> Result<Vec<Transaction>, Error> {
    let (next, guardian) = (govern::authority(), govern::guardian_authority());
    let mut all = Vec::new();
    let held = |authority: Option<Address>| authority == Some(*deployer);
    let staking: Option<staking::StakingConfig> = chain.try_fetch(&stake::config()).await?;
    if held(staking.map(|config| config.authority)) {
        let set = stake::set_authorities(deployer, &next, &guardian);
        all.push(Transaction::one("hand staking to governance", set));
    }
    let costaking: Option<costaking::Config> = chain.try_fetch(&costake::config()).await?;
    if held(costaking.map(|config| config.authority)) {
        let set = costake::set_authorities(deployer, &next, &guardian);
        all.push(Transaction::one("hand co-staking to governance", set));
    }
    let jobs: Option<jobs::Config> = chain.try_fetch(&job::config()).await?;
    if held(jobs.map(|config| config.authority)) {
        let set = job::set_authorities(deployer, &next, &guardian, &next);
        all.push(Transaction::one("hand jobs and the treasury to governance", set));
    }
    for (program, id) in crate::PROGRAMS {
        if held(chain.upgrade_authority(id).await?) {
            let what = format!("hand upgrades of {program} to governance");
            all.push(Transaction::one(what, set_upgrade_authority(id, deployer, &next)));
        }
    }
    Ok(all)
}

/// The loader's `SetAuthority`, which the next authority need not sign, as a PDA could not.
fn set_upgrade_authority(program: Address, authority: &Address, next: &Address) -> Instruction {
    const SET_AUTHORITY: u32 = 4;
    Instruction {
        program_id: LOADER,
        accounts: vec![
            AccountMeta::new(market::program_data(program), false),
            AccountMeta::new_readonly(*authority, true),
            AccountMeta::new_readonly(*next, false),
        ],
        data: SET_AUTHORITY.to_le_bytes().to_vec(),
    }
}

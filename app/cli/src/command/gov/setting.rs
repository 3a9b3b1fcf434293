//! What a proposal can set by name: the instruction that sets it, and its current values.

use crate::{
    context::Context,
    error::{Result, refuse},
};
use chain::field;
use chain::market::{costake, govern, job, reward, slash, stake};
use governance::Proposal;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::{Emission, GpuModel};

/// A group of values that can be set: its name, and the program and method that set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    program: &'static str,
    method: &'static str,
}

const fn setting(name: &'static str, program: &'static str, method: &'static str) -> Setting {
    Setting { name, program, method }
}

/// Every setting.
pub const ALL: [Setting; 14] = [
    setting("staking.parameters", "staking", "set_parameters"),
    setting("staking.rewards", "staking", "set_reward_rules"),
    setting("staking.gpu_model", "staking", "update_gpu_model"),
    setting("staking.authorities", "staking", "set_authorities"),
    setting("staking.judges", "staking", "set_judges"),
    setting("staking.paused", "staking", "set_paused"),
    setting("costaking.parameters", "costaking", "set_parameters"),
    setting("costaking.authorities", "costaking", "set_authorities"),
    setting("costaking.paused", "costaking", "set_paused"),
    setting("jobs.parameters", "jobs", "set_parameters"),
    setting("jobs.authorities", "jobs", "set_authorities"),
    setting("jobs.paused", "jobs", "set_paused"),
    setting("governance.rules", "governance", "set_rules"),
    setting("governance.guardian", "governance", "set_guardian"),
];

impl Setting {
    /// The setting with this name.
    pub fn named(name: &str) -> Result<Self> {
        let found = ALL.into_iter().find(|setting| setting.name == name);
        found.map_or_else(
            || {
                let names = ALL.map(|setting| setting.name).join(", ");
                refuse(format!("there is no setting '{name}'; choose one of {names}"))
            },
            Ok,
        )
    }

    /// The setting that this method sets.
    pub fn of(program: &str, method: &str) -> Option<Self> {
        ALL.into_iter()
            .find(|setting| (setting.program, setting.method) == (program, method))
    }

    /// Whether this is a row of the GPU table.
    pub fn is_gpu(self) -> bool {
        self.method == "update_gpu_model"
    }

    /// Values that only make sense together, and are set together.
    pub fn together(self) -> &'static [&'static str] {
        match self.is_gpu() {
            true => &["work_width", "work_bytes", "work_layers"],
            false => &[],
        }
    }

    /// The instruction that would set every value to its current one; `gpu` is the row, for a setting that has rows. `None` if there is no
    /// such row, or no emission yet.
    pub async fn current(self, context: &Context, gpu: &Address) -> Result<Option<Instruction>> {
        let (chain, authority) = (&context.chain, govern::authority());
        Ok(Some(match self.program {
            "staking" => {
                let config: staking::StakingConfig = chain.fetch(&stake::config()).await?;
                match self.method {
                    "set_reward_rules" => {
                        let Some(emission) = chain.try_fetch::<Emission>(&reward::emission()).await? else {
                            return Ok(None);
                        };
                        reward::set_rules(&authority, emission.rules(), Some(emission.verifier))
                    }
                    "update_gpu_model" => {
                        let Some(gpu) = chain.try_fetch::<GpuModel>(gpu).await? else {
                            return Ok(None);
                        };
                        stake::update_gpu_model(&authority, gpu.id.get(), gpu.spec())
                    }
                    "set_authorities" => stake::set_authorities(&authority, &config.authority, &config.guardian),
                    "set_judges" => slash::set_judges(&authority, &config.slash_proposer, &config.slash_approver),
                    "set_paused" => stake::set_paused(&authority, config.paused.get()),
                    _ => stake::set_parameters(&authority, config.parameters()),
                }
            }
            "costaking" => {
                let config: costaking::Config = chain.fetch(&costake::config()).await?;
                match self.method {
                    "set_authorities" => costake::set_authorities(&authority, &config.authority, &config.guardian),
                    "set_paused" => costake::set_paused(&authority, config.paused.get()),
                    _ => costake::set_parameters(&authority, config.parameters()),
                }
            }
            "jobs" => {
                let config: jobs::Config = chain.fetch(&job::config()).await?;
                match self.method {
                    "set_authorities" => job::set_authorities(&authority, &config.authority, &config.guardian, &config.treasury),
                    "set_paused" => job::set_paused(&authority, config.paused.get()),
                    _ => job::set_parameters(&authority, config.parameters()),
                }
            }
            _ => {
                let config = config(context).await?;
                match self.method {
                    "set_guardian" => govern::set_guardian(config.guardian, config.guardian_until.get()),
                    _ => govern::set_rules(config.rules()),
                }
            }
        }))
    }
}

/// Governance's config; fails on a cluster where it is not set up.
pub async fn config(context: &Context) -> Result<governance::Config> {
    context.chain.check(&[governance::ID]).await?;
    match context.chain.try_fetch(&govern::config()).await? {
        Some(config) => Ok(config),
        None => refuse(format!(
            "governance is deployed at {} but not set up; run the migrations there, or choose another --url",
            context.settings.cluster
        )),
    }
}

/// Who holds the market's authorities: governance, once they have been handed over.
pub async fn holder(context: &Context) -> Result<Address> {
    let staking: staking::StakingConfig = context.chain.fetch(&stake::config()).await?;
    Ok(staking.authority)
}

/// A proposal by its number.
pub async fn proposal(context: &Context, index: u64) -> Result<(Address, Proposal)> {
    let found: Vec<(Address, Proposal)> = context.chain.find(&[field!(Proposal, index, index.to_le_bytes())]).await?;
    match found.into_iter().next() {
        Some(found) => Ok(found),
        None => refuse(format!(
            "there is no proposal {index}, or it was closed; `ionet gov list` lists all proposals"
        )),
    }
}

/// The instructions of a proposal, in order; `None` for one that is incomplete or was closed.
pub async fn instructions(context: &Context, address: &Address, proposal: &Proposal) -> Result<Vec<Option<Instruction>>> {
    let mut all = Vec::new();
    for index in 0..proposal.instructions {
        let account = context.chain.account(&govern::payload(address, index)).await?;
        all.push(account.and_then(|account| govern::written(&account.data)));
    }
    Ok(all)
}

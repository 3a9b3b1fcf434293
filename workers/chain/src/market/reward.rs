//! Rewards: hours, their beacons and tallies, and what devices get of them.

use super::stake::{config, gpu_model};
use super::{instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::{System, Token};
use protocol::emission::{self, BLOCK_SECONDS};
use protocol::hash::Hash;
use protocol::work::{self, Draw, Size};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use staking::error::StakingError;
use staking::{Device, Emission, GpuModel, RewardBlock, RewardRuleChanges, RewardRules, Tally};

/// The emission.
pub fn emission() -> Address {
    pda(staking::ID, &[Emission::SEED])
}

/// The token account that rewards come out of.
pub fn vault() -> Address {
    pda(staking::ID, &[Emission::VAULT_SEED, emission().as_ref()])
}

/// The block of the hour that begins at `hour`.
pub fn block(hour: i64) -> Address {
    pda(staking::ID, &[RewardBlock::SEED, &hour.to_le_bytes()])
}

/// A tally of that hour.
pub fn tally(hour: i64, shard: u8) -> Address {
    pda(staking::ID, &[Tally::SEED, &hour.to_le_bytes(), &[shard]])
}

/// Starts the emission.
pub fn start(payer: &Address, authority: &Address, mint: &Address, genesis: i64, rules: RewardRules, verifier: Address) -> Instruction {
    let accounts = staking::accounts::StartEmission {
        payer: *payer,
        authority: *authority,
        config: config(),
        mint: *mint,
        emission: emission(),
        vault: vault(),
        token_program: Token::id(),
        system_program: System::id(),
    };
    let data = staking::instruction::StartEmission { genesis, rules, verifier };
    instruction(staking::ID, accounts, data)
}

/// Changes rules, or sets all of them, and names a verifier.
pub fn set_rules(authority: &Address, changes: impl Into<RewardRuleChanges>, verifier: Option<Address>) -> Instruction {
    let accounts = staking::accounts::SetRewardRules {
        authority: *authority,
        config: config(),
        emission: emission(),
    };
    let data = staking::instruction::SetRewardRules {
        changes: changes.into(),
        verifier,
    };
    instruction(staking::ID, accounts, data)
}

/// Sets a device's connectivity tier.
pub fn set_tier(verifier: &Address, device: &Address, tier: u8) -> Instruction {
    let accounts = staking::accounts::SetTier {
        verifier: *verifier,
        emission: emission(),
        device: *device,
    };
    instruction(staking::ID, accounts, staking::instruction::SetTier { tier })
}

/// Opens the block of the hour that is on.
pub fn open_block(payer: &Address, hour: i64) -> Instruction {
    let accounts = staking::accounts::OpenBlock {
        payer: *payer,
        emission: emission(),
        block: block(hour),
        system_program: System::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::OpenBlock { hour })
}

/// Opens a tally of a block.
pub fn open_tally(payer: &Address, hour: i64, shard: u8) -> Instruction {
    let accounts = staking::accounts::OpenTally {
        payer: *payer,
        block: block(hour),
        tally: tally(hour, shard),
        system_program: System::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::OpenTally { shard })
}

/// Records a beacon.
pub fn record_beacon(hour: i64, index: u8) -> Instruction {
    let accounts = staking::accounts::RecordBeacon { block: block(hour) };
    instruction(staking::ID, accounts, staking::instruction::RecordBeacon { index })
}

/// Answers a call with the root of the work it asks for; a device at work for a job has none to show.
pub fn answer(key: &Address, device: &Address, hour: i64, index: u8, root: Option<Hash>) -> Instruction {
    let accounts = staking::accounts::AnswerCall {
        key: *key,
        device: *device,
        block: block(hour),
    };
    instruction(staking::ID, accounts, staking::instruction::AnswerCall { index, root })
}

/// The work that a call asks a device for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How much of each GPU.
    pub size: Size,
    /// Of how many GPUs.
    pub gpus: u8,
    beacon: Hash,
    device: Hash,
}

impl Asked {
    /// By beacon `index` of an hour; `None` for one that was not recorded.
    pub fn by(block: &RewardBlock, gpu: &GpuModel, device: &Device, address: &Address, index: u8) -> Option<Self> {
        Some(Self {
            size: gpu.work_in(emission::number(block.hour.get())?),
            gpus: device.quantity,
            beacon: *block.beacons.get(usize::from(index)).filter(|beacon| **beacon != [0; 32])?,
            device: address.to_bytes(),
        })
    }

    /// Seed of a GPU's work.
    pub fn seed(&self, gpu: u8) -> Hash {
        work::seed(&self.beacon, &self.device, gpu)
    }
}

/// What a check-in to an hour has to show of the device's work, drawn by `next`, the block of the hour after it; `None` when it did none, or
/// when nothing was drawn in time. Fails while something may be.
pub fn drawn(
    block: &RewardBlock,
    next: Option<&RewardBlock>,
    gpu: &GpuModel,
    device: &Device,
    address: &Address,
    now: i64,
) -> Result<Option<(Asked, Draw)>, StakingError> {
    let draw = next.and_then(|next| next.draw(now).ok()).ok_or(StakingError::NoDraw)?;
    let hour = emission::number(block.hour.get());
    let work = hour.and_then(|hour| device.work_of(hour));
    let (Some(beacon), Some((index, _))) = (draw, work) else {
        return Ok(None);
    };
    let asked = Asked::by(block, gpu, device, address, index);
    Ok(asked.map(|asked| (asked, Draw::new(beacon, &asked.device, asked.size, asked.gpus))))
}

/// Checks in a device of GPU model `gpu`, whose tally is `shard` and whose work this evidence shows.
pub fn check_in(key: &Address, device: &Address, gpu: u16, hour: i64, shard: u8, evidence: Option<Address>) -> Instruction {
    let accounts = staking::accounts::CheckIn {
        key: *key,
        config: config(),
        emission: emission(),
        gpu_model: gpu_model(gpu),
        device: *device,
        block: block(hour),
        next: block(hour.saturating_add(BLOCK_SECONDS)),
        evidence,
        tally: tally(hour, shard),
    };
    instruction(staking::ID, accounts, staking::instruction::CheckIn {})
}

/// Counts tallies and, with the last, settles their block.
pub fn settle(hour: i64, shards: impl IntoIterator<Item = u8>) -> Instruction {
    let accounts = staking::accounts::SettleBlock {
        emission: emission(),
        vault: vault(),
        block: block(hour),
    };
    let mut settle = instruction(staking::ID, accounts, staking::instruction::SettleBlock {});
    let tallies = shards.into_iter().map(|shard| AccountMeta::new_readonly(tally(hour, shard), false));
    settle.accounts.extend(tallies);
    settle
}

/// Passes over the next hour, `hour`, which has no block.
pub fn skip(hour: i64) -> Instruction {
    let accounts = staking::accounts::SkipHour {
        emission: emission(),
        block: block(hour),
    };
    instruction(staking::ID, accounts, staking::instruction::SkipHour {})
}

/// Credits a device with its reward of an hour.
pub fn collect(device: &Address, hour: i64, shard: u8) -> Instruction {
    let accounts = staking::accounts::CollectReward {
        device: *device,
        block: block(hour),
        tally: tally(hour, shard),
    };
    instruction(staking::ID, accounts, staking::instruction::CollectReward {})
}

/// Pays a device's rewards to an account of its owner's.
pub fn claim(owner: &Address, device: &Address, to: &Address) -> Instruction {
    let accounts = staking::accounts::ClaimRewards {
        owner: *owner,
        device: *device,
        emission: emission(),
        vault: vault(),
        to: *to,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::ClaimRewards {})
}

/// Closes a tally; `payer` opened it.
pub fn close_tally(payer: &Address, hour: i64, shard: u8) -> Instruction {
    let accounts = staking::accounts::CloseTally {
        payer: *payer,
        block: block(hour),
        tally: tally(hour, shard),
    };
    instruction(staking::ID, accounts, staking::instruction::CloseTally {})
}

/// Closes a block; `payer` opened it.
pub fn close_block(payer: &Address, hour: i64) -> Instruction {
    let accounts = staking::accounts::CloseBlock {
        payer: *payer,
        block: block(hour),
    };
    instruction(staking::ID, accounts, staking::instruction::CloseBlock {})
}

//! Rewards: hourly blocks with their beacons and tallies, and what devices earn in them.

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

/// The token account that pays rewards.
pub fn vault() -> Address {
    pda(staking::ID, &[Emission::VAULT_SEED, emission().as_ref()])
}

/// The block of the hour that begins at `hour`.
pub fn block(hour: i64) -> Address {
    pda(staking::ID, &[RewardBlock::SEED, &hour.to_le_bytes()])
}

/// A tally of the hour that begins at `hour`.
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

/// Changes some or all reward rules, and the verifier if given.
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

/// Opens the block of the current hour.
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

/// Answers a call with the root of the requested work; a device that works on a job answers without one.
pub fn answer(key: &Address, device: &Address, hour: i64, index: u8, root: Option<Hash>) -> Instruction {
    let accounts = staking::accounts::AnswerCall {
        key: *key,
        device: *device,
        block: block(hour),
    };
    instruction(staking::ID, accounts, staking::instruction::AnswerCall { index, root })
}

/// The work that a call requests of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Size of the work of each GPU.
    pub size: Size,
    /// Number of GPUs.
    pub gpus: u8,
    beacon: Hash,
    device: Hash,
}

impl Asked {
    /// The work requested by beacon `index` of an hour; `None` if that beacon was not recorded.
    pub fn by(block: &RewardBlock, gpu: &GpuModel, device: &Device, address: &Address, index: u8) -> Option<Self> {
        Some(Self {
            size: gpu.work_in(emission::number(block.hour.get())?),
            gpus: device.quantity,
            beacon: *block.beacons.get(usize::from(index)).filter(|beacon| **beacon != [0; 32])?,
            device: address.to_bytes(),
        })
    }

    /// Seed of the work of one GPU.
    pub fn seed(&self, gpu: u8) -> Hash {
        work::seed(&self.beacon, &self.device, gpu)
    }
}

/// The part of the device's work that its check-in to an hour has to prove, drawn by `next`, the block of the following hour. `None` if the
/// device did no work, or if the first half of that hour passed without a draw. Fails while a draw may still come.
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

/// Checks in a device of GPU model `gpu` to tally `shard`; `evidence` proves its work.
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

/// Counts tallies; the last one settles their block.
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

/// Skips the next hour, `hour`, which has no block.
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

/// Pays a device's rewards to a token account of its owner.
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

/// Closes a tally and returns its rent to `payer`, which opened it.
pub fn close_tally(payer: &Address, hour: i64, shard: u8) -> Instruction {
    let accounts = staking::accounts::CloseTally {
        payer: *payer,
        block: block(hour),
        tally: tally(hour, shard),
    };
    instruction(staking::ID, accounts, staking::instruction::CloseTally {})
}

/// Closes a block and returns its rent to `payer`, which opened it.
pub fn close_block(payer: &Address, hour: i64) -> Instruction {
    let accounts = staking::accounts::CloseBlock {
        payer: *payer,
        block: block(hour),
    };
    instruction(staking::ID, accounts, staking::instruction::CloseBlock {})
}

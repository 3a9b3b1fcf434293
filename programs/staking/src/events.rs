//! Every change of the books, with the balances after it: an indexer replays them without reading accounts.

use crate::state::{Parameters, RewardRules};
use anchor_lang::prelude::*;

/// The authorities, the judges or the pause switch changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    pub authority: Address,
    pub guardian: Address,
    pub slash_proposer: Address,
    pub slash_approver: Address,
    pub paused: bool,
}

/// Parameters were set.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// None at the start.
    pub before: Option<Parameters>,
    pub after: Parameters,
}

/// A GPU model was added or changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct GpuModelChanged {
    pub id: u16,
    pub multiplier_x100: u16,
    pub previous_x100: u16,
    pub raise_at: i64,
    pub pool: u8,
    pub vram_gb: u16,
    pub listed: bool,
    pub work: [u8; 3],
    pub work_since: u32,
}

/// A device was registered.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceRegistered {
    pub device: Address,
    pub owner: Address,
    pub key: Address,
    pub gpu_model: u16,
    pub quantity: u8,
}

/// A device's hot key or payout wallet changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceChanged {
    pub device: Address,
    pub key: Address,
    pub payout: Address,
}

/// A device was retired.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceTerminated {
    pub device: Address,
}

/// Which way stake moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum StakeMove {
    /// In from the owner's wallet.
    Staked,
    /// Out to the owner's wallet without a cooldown.
    OverflowWithdrawn,
    /// From active to cooling down.
    Unstaked,
    /// From cooling down to the owner's wallet.
    Withdrawn,
    /// From active to forfeited.
    Slashed,
    /// From forfeited to nowhere: the supply fell.
    Burned,
    /// From active to owed and to the consumer: a result was proved wrong.
    Convicted,
    /// From owed to the challenger; what is burned went from owed to forfeited beside it.
    Rewarded,
    /// From owed back to active or cooling: a result was wrong by permit. The jackpot came in beside it, to owed.
    Pardoned,
    /// In from a co-staker's wallet.
    CoStaked,
    /// From a co-staker's active to cooling down.
    CoCooled,
    /// From cooling down to a co-staker's wallet.
    CoWithdrawn,
    /// From active and cooling down to set aside: people have slashed.
    Escrowed,
    /// From set aside to where it came from: a slash was overturned.
    Returned,
    /// From set aside to forfeited: a slash stands.
    Upheld,
}

/// Stake moved; the balances are those after.
#[event]
#[derive(AnchorDeserialize)]
pub struct StakeMoved {
    pub device: Address,
    pub kind: StakeMove,
    pub amount: u64,
    pub own_stake: u64,
    pub cooling: u64,
    pub cooldown_ends: i64,
    pub co_stake: u64,
    pub co_cooling: u64,
    pub escrowed: u64,
    pub forfeited: u64,
    pub owed: u64,
}

/// A bond was taken whole: a result was proved wrong. What is not paid at once is owed.
#[event]
#[derive(AnchorDeserialize)]
pub struct BondConvicted {
    pub device: Address,
    pub bond: u64,
    pub compensation: u64,
}

/// A bond was locked or freed; `locked_bond` is the device's total after.
#[event]
#[derive(AnchorDeserialize)]
pub struct BondMoved {
    pub device: Address,
    pub locked: bool,
    pub bond: u64,
    pub penalty: u64,
    pub locked_bond: u64,
    pub open_jobs: u32,
}

/// The rules of rewards were set; blocks that are open keep theirs.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardRulesChanged {
    pub verifier: Address,
    /// Start of the next hour to settle, unix seconds: at the start the first of all.
    pub next_hour: i64,
    /// None at the start.
    pub before: Option<RewardRules>,
    pub after: RewardRules,
}

/// An hour's block was opened.
#[event]
#[derive(AnchorDeserialize)]
pub struct BlockOpened {
    pub hour: i64,
    pub slot: u64,
}

/// A beacon calls devices.
#[event]
#[derive(AnchorDeserialize)]
pub struct BeaconRecorded {
    pub hour: i64,
    pub index: u8,
    pub beacon: [u8; 32],
}

/// A device answered a call; a hired one need not compute for it (F7).
#[event]
#[derive(AnchorDeserialize)]
pub struct CallAnswered {
    pub device: Address,
    pub hour: i64,
    pub index: u8,
    pub hired: bool,
    pub root: [u8; 32],
}

/// A device was there for an hour; its score is zero while its presence is too short.
#[event]
#[derive(AnchorDeserialize)]
pub struct CheckedIn {
    pub device: Address,
    pub hour: i64,
    pub pool: u8,
    pub score: u64,
}

/// An hour is settled, or had no block: then nothing was minted.
#[event]
#[derive(AnchorDeserialize)]
pub struct HourSettled {
    pub hour: i64,
    pub block: u64,
    /// By pool; zero where nobody is paid.
    pub pools: [u64; 2],
    pub scores: [u64; 2],
    pub owed: u64,
}

/// A device has the reward of an hour; `rewards` is what it can claim now.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardCollected {
    pub device: Address,
    pub hour: i64,
    pub reward: u64,
    pub rewards: u64,
}

/// Rewards were paid out.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardsClaimed {
    pub device: Address,
    pub amount: u64,
    pub owed: u64,
}

/// A device's connectivity was measured.
#[event]
#[derive(AnchorDeserialize)]
pub struct TierSet {
    pub device: Address,
    pub tier: u8,
}

/// One of two keys asks for a slash.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashProposed {
    pub device: Address,
    pub number: u32,
    pub reason: u8,
    pub share_bps: u16,
    pub evidence: [u8; 32],
}

/// The other key agrees: so much of the owner's stake, of active and of cooling co-stake is set aside.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashApproved {
    pub device: Address,
    pub number: u32,
    pub parts: [u64; 3],
    pub ends_at: i64,
}

/// The owner has answered a slash.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashAppealed {
    pub device: Address,
    pub number: u32,
    pub answer: [u8; 32],
}

/// A slash is over: it stands, or was overturned, or dropped before anything was set aside.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashEnded {
    pub device: Address,
    pub number: u32,
    pub upheld: bool,
}

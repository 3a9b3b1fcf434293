//! Every change of the books, with the balances after it, so that an indexer can replay them without reading accounts.

use crate::state::{Parameters, RewardRules};
use anchor_lang::prelude::*;

/// The config's keys and pause switch after a change. Emitted by `initialize`, `set_authorities`, `set_judges` and `set_paused`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    /// May change parameters, authorities, judges and the GPU table, and resume.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// Proposes slashes; all zero until one is named.
    pub slash_proposer: Address,
    /// Approves slashes; all zero until one is named.
    pub slash_approver: Address,
    /// Whether new devices and stakes are paused.
    pub paused: bool,
}

/// The parameters were set. Emitted by `initialize` and `set_parameters`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// Parameters until now; `None` when the config was created.
    pub before: Option<Parameters>,
    /// Parameters in force from now on; a raised base stake raises minimum stakes once the `raise_grace` of `before` is over.
    pub after: Parameters,
}

/// A GPU model was added or changed. Emitted by `add_gpu_model` and `update_gpu_model`.
#[event]
#[derive(AnchorDeserialize)]
pub struct GpuModelChanged {
    /// Its number in the GPU table.
    pub id: u16,
    /// Earning multiplier times 100; 0 earns no rewards and takes no jobs.
    pub multiplier_x100: u16,
    /// Multiplier times 100 before the last change; until `raise_at`, the smaller of the two determines the minimum stake.
    pub previous_x100: u16,
    /// When a raised multiplier raises the minimum stake, unix seconds; 0 if the multiplier never changed.
    pub raise_at: i64,
    /// Pool that its devices are rewarded from: 0 enterprise, 1 community.
    pub pool: u8,
    /// Memory of one GPU, in GiB.
    pub vram_gb: u16,
    /// Whether new devices may register as this model.
    pub listed: bool,
    /// What a call asks of each GPU, as logarithms to base 2: elements of a line, bytes of a tensor, layers.
    pub work: [u8; 3],
    /// First hour with this `work`, numbered from 1970 (unix seconds / 3,600); 0 if the work never changed.
    pub work_since: u32,
}

/// A device was registered. Emitted by `register_device`.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceRegistered {
    /// The device's account.
    pub device: Address,
    /// Stakes, unstakes and rotates keys.
    pub owner: Address,
    /// Hot key that the worker signs with.
    pub key: Address,
    /// Number of its GPU model.
    pub gpu_model: u16,
    /// GPUs behind it, 1 to 8.
    pub quantity: u8,
}

/// A device's hot key (`rotate_device_key`) or payout wallet (`set_payout`) changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceChanged {
    /// The device's account.
    pub device: Address,
    /// Hot key from now on.
    pub key: Address,
    /// Wallet that job payments go to from now on.
    pub payout: Address,
}

/// A device was retired: it takes no more jobs, and its stake stays until unstaked. Emitted by `terminate_device`.
#[event]
#[derive(AnchorDeserialize)]
pub struct DeviceTerminated {
    /// The device's account.
    pub device: Address,
}

/// How stake moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum StakeMove {
    /// In from the owner's wallet.
    Staked,
    /// Out to the owner's wallet without a cooldown.
    OverflowWithdrawn,
    /// From active to cooling down. Any co-stake begins to cool down at the same time.
    Unstaked,
    /// From cooling down to the owner's wallet.
    Withdrawn,
    /// From active to forfeited.
    Slashed,
    /// Forfeited stake was burned: the supply fell.
    Burned,
    /// From active to owed and to the consumer: a result was proved wrong.
    Convicted,
    /// From owed to the challenger. The part to be burned moved from owed to forfeited at the same time.
    Rewarded,
    /// From owed back to active or cooling down: a permit excused a wrong result. The jackpot came in at the same time, as owed.
    Pardoned,
    /// In from a co-staker's wallet.
    CoStaked,
    /// From a co-staker's active to cooling down.
    CoCooled,
    /// From cooling down to a co-staker's wallet.
    CoWithdrawn,
    /// From active and cooling down to set aside: both judges agreed to a slash.
    SetAside,
    /// From set aside back to where it was taken: a slash was overturned. Cooling co-stake whose shares have left is forfeited.
    Returned,
    /// From set aside to forfeited: a slash was upheld.
    Upheld,
}

/// Stake moved in a device's vault. Emitted by every instruction that moves any; see `StakeMove`.
#[event]
#[derive(AnchorDeserialize)]
pub struct StakeMoved {
    /// The device's account.
    pub device: Address,
    /// Kind of move.
    pub kind: StakeMove,
    /// Amount moved, in $IO base units; anything that moved along with it shows in the balances.
    pub amount: u64,
    /// Active stake of the owner after the move, in $IO base units.
    pub own_stake: u64,
    /// Cooling stake of the owner after the move, in $IO base units.
    pub cooling: u64,
    /// When the cooling stake, including any part that a slash set aside, may be withdrawn, unix seconds; 0 once it has been.
    pub cooldown_ends: i64,
    /// Active co-stake after the move, in $IO base units.
    pub co_stake: u64,
    /// Cooling co-stake after the move, in $IO base units.
    pub co_cooling: u64,
    /// Stake set aside by slashes after the move, in $IO base units.
    pub aside: u64,
    /// Stake waiting to be burned after the move, in $IO base units.
    pub forfeited: u64,
    /// Amount owed for convictions after the move, in $IO base units.
    pub owed: u64,
}

/// A whole bond was taken because a result was proved wrong. Emitted by `convict_bond`.
#[event]
#[derive(AnchorDeserialize)]
pub struct BondConvicted {
    /// The device's account.
    pub device: Address,
    /// The whole bond, in $IO base units.
    pub bond: u64,
    /// Part of the bond that was paid to the consumer at once, in $IO base units; the rest is owed.
    pub compensation: u64,
}

/// A bond was locked (`lock_bond`) or ended (`release_bond`, `slash_bond`, `convict_bond`).
#[event]
#[derive(AnchorDeserialize)]
pub struct BondMoved {
    /// The device's account.
    pub device: Address,
    /// True if the bond was locked, false if it ended.
    pub locked: bool,
    /// The bond, in $IO base units.
    pub bond: u64,
    /// Part of an ended bond that left the stake, in $IO base units; for a conviction, the whole bond.
    pub penalty: u64,
    /// All bonds of the device after the change, in $IO base units.
    pub locked_bond: u64,
    /// Jobs and audits in progress after the change.
    pub open_jobs: u32,
}

/// The reward rules were set; open blocks keep the rules they were opened with. Emitted by `start_emission` and `set_reward_rules`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardRulesChanged {
    /// Sets connectivity tiers from now on.
    pub verifier: Address,
    /// Start of the next hour to settle, unix seconds; the first hour when the emission starts.
    pub next_hour: i64,
    /// Rules until now; `None` when the emission started.
    pub before: Option<RewardRules>,
    /// Rules of blocks opened from now on.
    pub after: RewardRules,
}

/// An hour's block was opened. Emitted by `open_block`.
#[event]
#[derive(AnchorDeserialize)]
pub struct BlockOpened {
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Slot in which it was opened, from which its beacons are counted.
    pub slot: u64,
}

/// A beacon, which calls devices, was recorded. Emitted by `record_beacon`.
#[event]
#[derive(AnchorDeserialize)]
pub struct BeaconRecorded {
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Number of the beacon within its hour, 0 to 11.
    pub index: u8,
    /// Hash of the hour, the index and a slot hash; it draws the devices that are called.
    pub beacon: [u8; 32],
}

/// A device answered a call. Emitted by `answer_call`.
#[event]
#[derive(AnchorDeserialize)]
pub struct CallAnswered {
    /// The device's account.
    pub device: Address,
    /// Start of the hour of the call, unix seconds.
    pub hour: i64,
    /// Number of the beacon that called it, 0 to 11.
    pub index: u8,
    /// Whether the device was working on a job, which exempts it from the work of the call (F7).
    pub hired: bool,
    /// Root of the work that the call asked for; all zero if it was left out.
    pub root: [u8; 32],
}

/// A device was present for an hour. Emitted by `check_in`.
#[event]
#[derive(AnchorDeserialize)]
pub struct CheckedIn {
    /// The device's account.
    pub device: Address,
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Pool that it is rewarded from: 0 enterprise, 1 community.
    pub pool: u8,
    /// Score that its reward is proportional to; 0 when the hour is not paid, for instance because its presence is too short.
    pub score: u64,
}

/// An hour was settled (`settle_block`, with its last tally), or had no block and was skipped (`skip_hour`).
#[event]
#[derive(AnchorDeserialize)]
pub struct HourSettled {
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Emission of the hour for both pools, in $IO base units; 0 without a block.
    pub block: u64,
    /// Amount that devices get from each pool, in $IO base units: enterprise, community; 0 where nobody is paid.
    pub pools: [u64; 2],
    /// Sum of the scores in each pool.
    pub scores: [u64; 2],
    /// All rewards settled and not paid out yet, after this hour, in $IO base units.
    pub owed: u64,
}

/// A device's reward of an hour was collected and can be claimed. Emitted by `collect_reward` and `collect_shared`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardCollected {
    /// The device's account.
    pub device: Address,
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// The owner's reward, in $IO base units; the co-stakers' part is not included.
    pub reward: u64,
    /// All rewards that the owner can claim, including this one, in $IO base units.
    pub rewards: u64,
}

/// A device's collected rewards were paid to its owner. Emitted by `claim_rewards`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardsClaimed {
    /// The device's account.
    pub device: Address,
    /// Amount paid out, in $IO base units.
    pub amount: u64,
    /// All rewards of all devices settled and not paid out yet, after this payment, in $IO base units.
    pub owed: u64,
}

/// A device's connectivity was measured. Emitted by `set_tier`.
#[event]
#[derive(AnchorDeserialize)]
pub struct TierSet {
    /// The device's account.
    pub device: Address,
    /// Its connectivity from now on, 1 to 4 (best).
    pub tier: u8,
}

/// A slash was proposed; nothing is set aside yet. Emitted by `propose_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashProposed {
    /// The device to slash.
    pub device: Address,
    /// Number of the slash, chosen by the proposer; part of its address.
    pub number: u32,
    /// 0 spoofing, 1 data compromise, 2 inadequate service, 3 breach of utilization (H1).
    pub reason: u8,
    /// Share of the stake to slash, in basis points.
    pub share_bps: u16,
    /// Hash of the evidence.
    pub evidence: [u8; 32],
}

/// A slash was approved, and stake is set aside. Emitted by `approve_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashApproved {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Amounts set aside, in $IO base units: from the owner's stake, from active and from cooling co-stake.
    pub parts: [u64; 3],
    /// End of the appeal period, unix seconds.
    pub ends_at: i64,
}

/// A slash is due stake that was in bonds at its approval (`approve_slash`), less any set aside since (`collect_due`).
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashDue {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Amount that was released from bonds and set aside now, in $IO base units.
    pub collected: u64,
    /// Amount still due, in $IO base units.
    pub due: u64,
}

/// The owner appealed against a slash. Emitted by `appeal_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashAppealed {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Hash of the owner's answer.
    pub answer: [u8; 32],
}

/// A slash ended: it was upheld (`finish_slash`), overturned (`overturn_slash`), or dropped before its approval or with nothing left to
/// take (`drop_slash`).
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashEnded {
    /// The device of the slash.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Whether it was upheld: what it set aside is forfeited.
    pub upheld: bool,
}

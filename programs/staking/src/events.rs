//! Every change of the books, with the balances after it: an indexer replays them without reading accounts.

use crate::state::{Parameters, RewardRules};
use anchor_lang::prelude::*;

/// The config's keys and pause switch, after `initialize`, `set_authorities`, `set_judges` or `set_paused` set them.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    /// May change parameters, authorities, judges and the GPU table, and resume.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// Proposes slashes; all zero when none was named yet.
    pub slash_proposer: Address,
    /// Approves slashes; all zero when none was named yet.
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
    /// Parameters in force from now on; a raised base stake sets minimum stakes when the `raise_grace` of `before` is over.
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
    /// Multiplier times 100 before the last change: until `raise_at`, the smaller of both sets the minimum stake.
    pub previous_x100: u16,
    /// When a raised multiplier raises the minimum stake, unix seconds; 0 when it never changed.
    pub raise_at: i64,
    /// Pool that its devices are rewarded from: 0 enterprise, 1 community.
    pub pool: u8,
    /// Memory of one GPU, in GiB.
    pub vram_gb: u16,
    /// Whether new devices may register as this model.
    pub listed: bool,
    /// What a call asks of each GPU, as logarithms to base 2: elements of a line, bytes of a tensor, layers.
    pub work: [u8; 3],
    /// First hour that `work` holds in, numbered from 1970 (unix seconds / 3,600); 0 when it never changed.
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

/// A device has another hot key (`rotate_device_key`) or payout wallet (`set_payout`).
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

/// Which way stake moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum StakeMove {
    /// In from the owner's wallet.
    Staked,
    /// Out to the owner's wallet without a cooldown.
    OverflowWithdrawn,
    /// From active to cooling down. Co-stake, if there is any, begins to cool down beside it.
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
    /// From active and cooling down to set aside: both judges agreed to a slash.
    Escrowed,
    /// From set aside to where it came from: a slash was overturned.
    Returned,
    /// From set aside to forfeited: a slash stands.
    Upheld,
}

/// Stake moved in a device's vault. Emitted by every instruction that moves any; see `StakeMove`.
#[event]
#[derive(AnchorDeserialize)]
pub struct StakeMoved {
    /// The device's account.
    pub device: Address,
    /// From where to where.
    pub kind: StakeMove,
    /// What moved, in $IO base units; what moved beside it shows in the balances.
    pub amount: u64,
    /// Active stake of the owner after the move, in $IO base units.
    pub own_stake: u64,
    /// The owner's stake that cools down, after the move, in $IO base units.
    pub cooling: u64,
    /// When what cools down, or was set aside of it, may be withdrawn, unix seconds; 0 once it has been.
    pub cooldown_ends: i64,
    /// Active co-stake after the move, in $IO base units.
    pub co_stake: u64,
    /// Co-stake that cools down, after the move, in $IO base units.
    pub co_cooling: u64,
    /// Stake set aside by slashes, after the move, in $IO base units.
    pub escrowed: u64,
    /// What waits to be burned, after the move, in $IO base units.
    pub forfeited: u64,
    /// What is owed for convictions, after the move, in $IO base units.
    pub owed: u64,
}

/// A bond was taken whole, since a result was proved wrong. Emitted by `convict_bond`.
#[event]
#[derive(AnchorDeserialize)]
pub struct BondConvicted {
    /// The device's account.
    pub device: Address,
    /// The whole bond, in $IO base units.
    pub bond: u64,
    /// Of the bond, what the consumer was paid at once, in $IO base units; the rest is owed.
    pub compensation: u64,
}

/// A bond was locked (`lock_bond`) or ended (`release_bond`, `slash_bond`, `convict_bond`).
#[event]
#[derive(AnchorDeserialize)]
pub struct BondMoved {
    /// The device's account.
    pub device: Address,
    /// Whether it was locked.
    pub locked: bool,
    /// The bond, in $IO base units.
    pub bond: u64,
    /// What left the stake when it ended, in $IO base units; for a conviction, the whole bond.
    pub penalty: u64,
    /// All bonds of the device after it, in $IO base units.
    pub locked_bond: u64,
    /// Jobs and audits in progress after it.
    pub open_jobs: u32,
}

/// The rules of rewards were set; blocks that are open keep theirs. Emitted by `start_emission` and `set_reward_rules`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardRulesChanged {
    /// Says how well devices are connected, from now on.
    pub verifier: Address,
    /// Start of the next hour to settle, unix seconds: at the start the first of all.
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
    /// Slot in which it was opened: its beacons are counted from here.
    pub slot: u64,
}

/// A beacon of an hour was recorded, which calls devices. Emitted by `record_beacon`.
#[event]
#[derive(AnchorDeserialize)]
pub struct BeaconRecorded {
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Which of the hour's twelve beacons, from 0 on.
    pub index: u8,
    /// Hash of the hour, the index and a slot hash; draws the devices that are called.
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
    /// Beacon that called it, from 0 on.
    pub index: u8,
    /// Whether the device was at work for a job: then it need not compute for the call (F7).
    pub hired: bool,
    /// Root of the work that the call asked for; all zero when it was left out.
    pub root: [u8; 32],
}

/// A device was there for an hour. Emitted by `check_in`.
#[event]
#[derive(AnchorDeserialize)]
pub struct CheckedIn {
    /// The device's account.
    pub device: Address,
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// Pool that it shares: 0 enterprise, 1 community.
    pub pool: u8,
    /// What its share is in proportion to; 0 when the hour is not paid, for instance because its presence is too short.
    pub score: u64,
}

/// An hour is settled (`settle_block`, with its last tally), or had no block and is passed over (`skip_hour`).
#[event]
#[derive(AnchorDeserialize)]
pub struct HourSettled {
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// What the hour brings to both pools, in $IO base units; 0 without a block.
    pub block: u64,
    /// What devices get of each pool, in $IO base units: enterprise, community; 0 where nobody is paid.
    pub pools: [u64; 2],
    /// Sum of the scores in each pool.
    pub scores: [u64; 2],
    /// All that is settled and not paid out yet, after it, in $IO base units.
    pub owed: u64,
}

/// A device's reward of an hour can be claimed. Emitted by `collect_reward` and `collect_shared`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardCollected {
    /// The device's account.
    pub device: Address,
    /// Start of the hour, unix seconds.
    pub hour: i64,
    /// What the owner gets, in $IO base units: where rewards are shared, without the co-stakers' part.
    pub reward: u64,
    /// All that the owner can claim, after it, in $IO base units.
    pub rewards: u64,
}

/// An owner was paid a device's collected rewards. Emitted by `claim_rewards`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RewardsClaimed {
    /// The device's account.
    pub device: Address,
    /// What was paid out, in $IO base units.
    pub amount: u64,
    /// All that is settled and not paid out yet, to any device, after it, in $IO base units.
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

/// The slash proposer asks for a slash; nothing is set aside yet. Emitted by `propose_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashProposed {
    /// The device to slash.
    pub device: Address,
    /// Number of the slash, chosen by the proposer; part of its address.
    pub number: u32,
    /// 0 spoofing, 1 data compromise, 2 inadequate service, 3 breach of utilization (H1).
    pub reason: u8,
    /// Share of what is at stake, in basis points.
    pub share_bps: u16,
    /// Hash of the evidence.
    pub evidence: [u8; 32],
}

/// The slash approver agrees, and stake is set aside. Emitted by `approve_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashApproved {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// What was set aside, in $IO base units: of the owner's stake, of active and of cooling co-stake.
    pub parts: [u64; 3],
    /// End of the time for an appeal, unix seconds.
    pub ends_at: i64,
}

/// A slash waits for stake in bonds: that of its approval (`approve_slash`), less what has been set aside since (`collect_due`).
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashDue {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// What has come free of bonds and was set aside now, in $IO base units.
    pub collected: u64,
    /// What is still due, in $IO base units.
    pub due: u64,
}

/// The owner answered a slash. Emitted by `appeal_slash`.
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashAppealed {
    /// The slashed device.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Hash of the answer.
    pub answer: [u8; 32],
}

/// A slash is over: it stands (`finish_slash`), was overturned (`overturn_slash`), or was withdrawn before approval or with nothing left to
/// take (`drop_slash`).
#[event]
#[derive(AnchorDeserialize)]
pub struct SlashEnded {
    /// The device that it was about.
    pub device: Address,
    /// Number of the slash.
    pub number: u32,
    /// Whether it stands: what was set aside is to be burned.
    pub upheld: bool,
}

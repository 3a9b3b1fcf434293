//! Errors of the staking program: codes 6000 and up, append only.

use anchor_lang::prelude::*;

/// Errors of the program, each with the message that users see.
#[error_code(offset = 6000)]
pub enum StakingError {
    #[msg("An internal sum overflowed or fell below zero; the books of this account are wrong")]
    BooksBroken,
    #[msg("Only the config's authority may do this")]
    NotAuthority,
    #[msg("Only the guardian or the authority may pause, and only the authority may resume")]
    NotGuardian,
    #[msg("Only the program's upgrade authority may create the config")]
    NotUpgradeAuthority,
    #[msg("Only the jobs program may lock, release or slash bonds")]
    NotJobsProgram,
    #[msg("Only the owner of the device may do this")]
    NotOwner,
    #[msg("Staking is paused: no new devices or stakes until it resumes; exits and rewards continue")]
    Paused,
    #[msg("A parameter lies outside its bounds")]
    ParameterOutOfBounds,
    #[msg("The GPU model's name is empty or not printable ASCII, its pool is unknown, or the size of its calls' work is invalid")]
    InvalidGpuSpec,
    #[msg("This GPU model accepts no new devices, or no jobs")]
    GpuModelNotListed,
    #[msg("This account is not the GPU model of the device")]
    WrongGpuModel,
    #[msg("A device has 1 to 8 GPUs")]
    InvalidQuantity,
    #[msg("The amount is zero")]
    ZeroAmount,
    #[msg("The device is terminated")]
    DeviceTerminated,
    #[msg("The device still has jobs: finish them first")]
    DeviceBusy,
    #[msg("The stake is cooling down: withdraw it when the cooldown has ended, then stake again")]
    CoolingDown,
    #[msg("The owner has no active stake to unstake, or the device has no stake to slash")]
    NothingStaked,
    #[msg("Only stake above the minimum and outside bonds can leave without a cooldown; unstake to withdraw everything")]
    ExceedsOverflow,
    #[msg("The cooldown has not ended")]
    CooldownNotOver,
    #[msg("Nothing is cooling down")]
    NothingToWithdraw,
    #[msg("The device must be terminated and empty before it can be closed")]
    DeviceNotEmpty,
    #[msg("The device is still on probation and cannot take jobs yet")]
    OnProbation,
    #[msg("The stake is below the device's minimum")]
    BelowMinimumStake,
    #[msg("The free stake does not cover the job's bond: add stake or finish other jobs")]
    InsufficientFreeStake,
    #[msg("The bond to settle is larger than what is locked")]
    BondNotLocked,
    #[msg("Nothing was forfeited")]
    NothingForfeited,
    #[msg("The device does not owe that much to challengers")]
    NotOwed,
    #[msg("An hour starts on the hour, and its block can be opened only during it")]
    NoSuchHour,
    #[msg("Hours are settled in order, each once, and a settled hour cannot be opened again")]
    HourOutOfOrder,
    #[msg("It is too early: the hour, or the hour after it, is not over")]
    HourNotOver,
    #[msg("The hour, or the time to check in to it, is over")]
    HourOver,
    #[msg("There is no such beacon: an hour has twelve, numbered from 0")]
    NoSuchBeacon,
    #[msg("This beacon has already been recorded")]
    BeaconRecorded,
    #[msg("The slot of this beacon has not ended yet, or its hash is no longer kept")]
    BeaconNotThere,
    #[msg("This beacon does not call the device")]
    NotCalled,
    #[msg("The time to answer this call has passed")]
    AnswerLate,
    #[msg("This call has already been answered")]
    CallAnswered,
    #[msg("The device did not answer a call of this hour")]
    CallMissed,
    #[msg("The device was not registered when the hour began")]
    NotThere,
    #[msg("The device has already checked in to this hour or a later one")]
    CheckedIn,
    #[msg("The device has no reward of this hour to collect")]
    NothingPending,
    #[msg("The device has no rewards to claim")]
    NothingToClaim,
    #[msg("This is the wrong tally: tallies are counted in the order of their shards, and each device has one shard")]
    WrongTally,
    #[msg("The block is already settled")]
    BlockSettled,
    #[msg("The block is not settled yet")]
    BlockNotSettled,
    #[msg("The block is not settled, has an open tally or an uncollected reward, or its hour ended less than a week ago")]
    BlockInUse,
    #[msg("This hour has a block: settle it instead")]
    BlockExists,
    #[msg("Connectivity tiers are 1 to 4")]
    InvalidTier,
    #[msg("Only the verifier may set a device's connectivity tier")]
    NotVerifier,
    #[msg("Only the device's hot key may answer its calls and check in")]
    NotDeviceKey,
    #[msg("Only the costaking program may move co-stake and share rewards")]
    NotCostakingProgram,
    #[msg("The device has no offer that co-stakers may join")]
    NoOffer,
    #[msg("Co-stakers may still join the device's offer: retract it first")]
    OfferOpen,
    #[msg("The device still has co-stake, or its offer has not recorded the owner's exit yet")]
    CoStaked,
    #[msg("There is no owner's exit with co-stake to record")]
    NotForced,
    #[msg("The device's rewards are shared with co-stakers: distribute them instead")]
    RewardsShared,
    #[msg("Shared rewards must be distributed in the order of their hours")]
    RewardOutOfOrder,
    #[msg("Only the slash proposer may do this; the authority may also withdraw a proposal")]
    NotSlashProposer,
    #[msg("Only the slash approver may do this")]
    NotSlashApprover,
    #[msg("The key that proposes slashes cannot be the one that approves them")]
    SameJudges,
    #[msg("A slash needs a reason that exists, a share of 1 to 10,000 basis points and the hash of its evidence")]
    InvalidSlash,
    #[msg("The slash's status does not allow this")]
    WrongSlash,
    #[msg("The time for an appeal is over")]
    AppealOver,
    #[msg("The time for an appeal is not over")]
    AppealNotOver,
    #[msg("This slash is about another device")]
    SlashMismatch,
    #[msg("The next hour has no beacon yet to draw the part of the work that has to be shown: check in later")]
    NoDraw,
    #[msg("The work shown is not what the call asked for")]
    WorkWrong,
    #[msg("A slash has set stake of the device aside: until it ends, nobody can join and no co-stake can start to cool down")]
    SlashOpen,
    #[msg("The slash has another share or other evidence than expected: review it again before approving")]
    SlashChanged,
    #[msg("The work that calls ask of this GPU model changed recently: wait until the first hour with the new work is over")]
    WorkChanging,
    #[msg("The root of the call's work is missing: only a device with a job in progress may leave it out")]
    WorkAsked,
    #[msg(
        "A slash is due stake that was in bonds when it was approved: collect it before new stake, jobs, offers, joins, overflow or exits"
    )]
    DueOpen,
    #[msg("The stake due to the slash is in the bonds of jobs in progress or of convictions that have not ended, or is not collected yet")]
    DueBonded,
    #[msg("Slashes have left so little cooling co-stake that its shares run out: nobody can join until that co-stake is withdrawn")]
    CoolingWorthless,
    #[msg("This is not the block of the next hour, which draws the part of the work that has to be shown")]
    WrongBlock,
    #[msg("This is not the $IO mint")]
    WrongMint,
    #[msg("The rent goes back to the account that paid it, and this is another account")]
    WrongPayer,
}

//! Errors of the staking program: codes 6000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong, each with the sentence people see.
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
    #[msg("Staking is paused: no new devices or stakes until it resumes; exits stay open")]
    Paused,
    #[msg("A parameter lies outside its bounds")]
    ParameterOutOfBounds,
    #[msg("The GPU model's name is empty or not printable ASCII, or its pool is unknown")]
    InvalidGpuSpec,
    #[msg("This GPU model is not listed for new devices")]
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
    #[msg("The device has no stake of its own to take out")]
    NothingStaked,
    #[msg("More than the overflow: only stake above the minimum and outside bonds leaves without a cooldown; unstake to take out all")]
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
}

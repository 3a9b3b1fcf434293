//! Errors of the costaking program: codes 7000 and up, append only.

use anchor_lang::prelude::*;

/// Errors of the program, each with the message that users see.
#[error_code(offset = 7000)]
pub enum CostakingError {
    #[msg("An internal sum overflowed or fell below zero; the books of this account are wrong")]
    BooksBroken,
    #[msg("Only the config's authority may do this")]
    NotAuthority,
    #[msg("Only the guardian or the authority may pause, and only the authority may resume")]
    NotGuardian,
    #[msg("Only the program's upgrade authority may create the config")]
    NotUpgradeAuthority,
    #[msg("New offers and positions are paused; exits and claims continue")]
    Paused,
    #[msg("A parameter lies outside its bounds")]
    ParameterOutOfBounds,
    #[msg("Only the owner of the device may do this")]
    NotOwner,
    #[msg("Only the position's holder may do this; once the offer has ended anyone may, and the holder is paid")]
    NotHolder,
    #[msg("This account belongs to another offer, device or position")]
    AccountMismatch,
    #[msg("The capacity is larger than the co-stake that a device with this minimum stake may have")]
    CapacityTooLarge,
    #[msg("The co-stakers' share is below the minimum or above 100 %")]
    ShareOutOfBounds,
    #[msg("A ticket must be at least 1 base unit and at most the whole capacity")]
    InvalidTicket,
    #[msg("The device's stake is below its minimum: stake the whole minimum before offering a part of it")]
    BelowMinimumStake,
    #[msg("The device is terminated, on probation or of a GPU model that earns nothing")]
    DeviceNotOperational,
    #[msg("The device already has an offer: end it first")]
    OfferExists,
    #[msg("The offer's status does not allow this")]
    WrongStatus,
    #[msg("The offer's terms are not the ones expected: check them again before joining")]
    TermsChanged,
    #[msg("The amount must be at least a ticket, or all that is left of the capacity")]
    AmountTooSmall,
    #[msg("The amount is larger than what is left of the offer's capacity")]
    OfferFull,
    #[msg("A device's owner and its payout wallet cannot co-stake on it")]
    OwnDevice,
    #[msg("Slashes have left this offer's shares worth too little for anyone to join")]
    Worthless,
    #[msg("The position has fewer shares than that, or the number is zero")]
    NotEnoughShares,
    #[msg("The waiting period is not over: the co-stake still counts for the device")]
    WaitNotOver,
    #[msg("The exit is already cooling down")]
    Cooling,
    #[msg("The cooldown has not started or has not ended")]
    CooldownNotOver,
    #[msg("No rewards have come in for this position")]
    NothingToClaim,
    #[msg("Rewards of hours in which co-stakers earned are not distributed: distribute them first")]
    RewardsWait,
    #[msg("The owner has unstaked, and all co-stake with it: record this exit first")]
    Forced,
    #[msg("Shares, positions or exits still exist: withdraw and close them first")]
    OfferInUse,
    #[msg("The device has no reward of this hour to distribute")]
    NothingPending,
    #[msg("There is no new reward to record")]
    NothingToSettle,
    #[msg("A slash has set stake of the device aside: until it ends, only an exit's holder may withdraw it")]
    SlashOpen,
    #[msg("There is no exit of the owner's to record: the owner has not unstaked, or the exit is recorded already")]
    NotForced,
}

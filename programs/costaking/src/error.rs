//! Errors of the costaking program: codes 7000 and up, append only.

use anchor_lang::prelude::*;

/// What can go wrong, each with the sentence people see.
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
    #[msg("New offers and positions are paused; exits and claims go on")]
    Paused,
    #[msg("A parameter lies outside its bounds")]
    ParameterOutOfBounds,
    #[msg("Only the owner of the device may do this")]
    NotOwner,
    #[msg("Only the position's holder may do this; once the offer has ended anyone may, and the holder is paid")]
    NotHolder,
    #[msg("This account belongs to another offer, device or position")]
    AccountMismatch,
    #[msg("The capacity is more than a device with this minimum stake may have in co-stake")]
    CapacityTooLarge,
    #[msg("The co-stakers' share is below the minimum or above 100 %")]
    ShareOutOfBounds,
    #[msg("A ticket is at least 1 base unit and at most the whole capacity")]
    InvalidTicket,
    #[msg("The device's stake is below its minimum: stake the whole minimum before offering a part of it")]
    BelowMinimumStake,
    #[msg("The device is terminated, on probation or of a GPU model that earns nothing")]
    DeviceNotOperational,
    #[msg("The device has an offer already: end it first")]
    OfferExists,
    #[msg("The offer's status does not allow this")]
    WrongStatus,
    #[msg("The offer's terms are not those expected: look again before joining")]
    TermsChanged,
    #[msg("A co-stake is at least a ticket, or all that is left of the capacity")]
    AmountTooSmall,
    #[msg("The offer has no room for this much")]
    OfferFull,
    #[msg("A device's owner and its payout wallet cannot co-stake on it")]
    OwnDevice,
    #[msg("The shares of this offer are worth too little to join it")]
    Worthless,
    #[msg("The position has fewer shares than that, or the number is zero")]
    NotEnoughShares,
    #[msg("The wait is not over: the co-stake still counts for the device")]
    WaitNotOver,
    #[msg("The exit is cooling down already")]
    Cooling,
    #[msg("The cooldown has not started or has not ended")]
    CooldownNotOver,
    #[msg("No rewards have come in for this position")]
    NothingToClaim,
    #[msg("The device has rewards of past hours: collect or distribute them first")]
    RewardsWait,
    #[msg("The owner's exit took the co-stake along: it has to be recorded first")]
    Forced,
    #[msg("Shares, positions or exits still exist: they have to leave first")]
    OfferInUse,
    #[msg("The device has no reward of this hour to distribute")]
    NothingPending,
    #[msg("There is no new reward to record")]
    NothingToSettle,
    #[msg("A slash has set stake of the device aside: until it has ended, only an exit's holder may withdraw it")]
    SlashOpen,
}

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
    #[msg("Only who holds the position may do this; what is left in an offer that has ended anyone closes and pays out to its holder")]
    NotHolder,
    #[msg("This account belongs to another offer, device or position")]
    AccountMismatch,
    #[msg("The offer's capacity is above what a device of this minimum stake may have in co-stake")]
    CapacityTooLarge,
    #[msg("The co-stakers' share is below the least, or above the whole")]
    ShareOutOfBounds,
    #[msg("The smallest ticket is from 1 base unit to the whole capacity")]
    InvalidTicket,
    #[msg("The device's stake is below its minimum: stake the whole minimum before offering a part of it")]
    BelowMinimumStake,
    #[msg("The device is terminated, on probation or of a GPU model that earns nothing")]
    DeviceNotOperational,
    #[msg("The device has an offer already: end it first")]
    OfferExists,
    #[msg("The offer is not in the state this needs")]
    WrongStatus,
    #[msg("The offer's terms are not those expected: look again before joining")]
    TermsChanged,
    #[msg("A co-stake is at least a ticket, or all that is left of the capacity")]
    AmountTooSmall,
    #[msg("The offer has no room for this much")]
    OfferFull,
    #[msg("The owner of a device cannot co-stake it, nor can its payout wallet")]
    OwnDevice,
    #[msg("The shares of this offer are worth nothing")]
    Worthless,
    #[msg("The position has fewer shares, or none were named")]
    NotEnoughShares,
    #[msg("The wait is not over: the co-stake still counts for the device")]
    WaitNotOver,
    #[msg("The exit is cooling down already")]
    Cooling,
    #[msg("The cooldown has not begun, or not ended")]
    CooldownNotOver,
    #[msg("No rewards have come in for this position")]
    NothingToClaim,
    #[msg("Rewards of the device wait: distribute them first")]
    RewardsWait,
    #[msg("The owner's exit took the co-stake along: take note of it first")]
    Forced,
    #[msg("Positions or exits of the offer are still there")]
    OfferInUse,
    #[msg("No reward of this hour waits")]
    NothingPending,
    #[msg("Nothing has come in that would have to be noted")]
    NothingToSettle,
    #[msg("A slash has set stake of the device aside: until it has ended only the holder of an exit starts its cooldown or withdraws it")]
    SlashOpen,
}

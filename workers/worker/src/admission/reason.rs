//! Why a job is not taken.

use crate::reserve;
use std::fmt;

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another device has it.
    Taken,
    /// Its offer has expired.
    Expired,
    /// The market is paused.
    Paused,
    /// It asks for another GPU.
    Gpu,
    /// It asks for more memory per GPU.
    Memory,
    /// It asks for a faster GPU.
    Multiplier,
    /// It asks for more experience.
    Experience,
    /// Its mint is not accepted.
    Mint,
    /// Even its highest price is below the floor, which rises with the audits that the consumer asks for.
    Price,
    /// Its price has not risen to that floor yet.
    Auction,
    /// Its inputs, outputs or trace are too large.
    Size,
    /// The disk has no room for them.
    Disk,
    /// It, or a job in hand, would not be finished in time.
    Slow,
    /// Demands about its result might not be answered in time, which would cost the bond.
    Answers,
    /// Its bond would be locked for too long.
    Window,
    /// Its bond is out of proportion to its price.
    Disproportion,
    /// The device cannot put up the bond.
    Bond,
    /// The hot key cannot pay for what may follow the claim.
    Poor,
    /// Its seed is not known yet.
    Seed,
    /// The device's turn to claim has not come yet.
    Turn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "another device has taken it",
            Self::Expired => "its offer has expired",
            Self::Paused => "the market is paused",
            Self::Gpu => "it asks for another GPU model",
            Self::Memory => "it asks for more GPU memory",
            Self::Multiplier => "it asks for a faster GPU",
            Self::Experience => "it asks for more jobs done",
            Self::Mint => "it pays in a mint not listed in `accept`",
            Self::Price => "its highest price, less the cost of the audits its consumer asks for, is below the floor in `accept`",
            Self::Auction => "its price, less the cost of the audits its consumer asks for, has not reached the floor in `accept` yet",
            Self::Size => "its inputs, outputs or trace exceed `max_blob_mib`",
            Self::Disk => "the disk has too little space for its inputs, outputs and trace; free some, or move `data`",
            Self::Slow => "this machine would not finish it, or a job it has in hand, in time",
            Self::Answers => {
                "this machine's CPU might need more than half a minute to answer eight questions about each result, including those in hand"
            }
            Self::Window => "its bond might stay locked for longer than `max_window_seconds`",
            Self::Disproportion => "its bond is more than `max_bond` times what the market asks for a job of this price",
            Self::Bond => {
                "the device cannot bond for it: it has too little free stake, is on probation or retired, or owes stake to a slash"
            }
            Self::Poor => {
                let fund = reserve::in_sol(reserve::FUND);
                return write!(f, "the hot key has too little SOL for a job and a check-in; send it {fund} SOL");
            }
            Self::Seed => "its seed is not known yet",
            Self::Turn => "the device's turn to claim has not come yet",
        })
    }
}

//! Why a job is not taken.

use crate::reserve;
use std::fmt;

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody has it.
    Taken,
    /// Its offer has run out.
    Expired,
    /// The market is paused.
    Paused,
    /// It asks for another GPU.
    Gpu,
    /// It asks for more memory a GPU.
    Memory,
    /// It asks for a faster GPU.
    Multiplier,
    /// It asks for more experience.
    Experience,
    /// Its mint is not accepted.
    Mint,
    /// Even its highest price is below the floor, which is the higher the more audits the consumer asks for.
    Price,
    /// Its price has not risen to that floor yet.
    Auction,
    /// Its inputs, outputs or trace are too large.
    Size,
    /// The disk has no room to keep them.
    Disk,
    /// It would not be done in time.
    Slow,
    /// Demands about its result might not be answered in time, which costs the bond.
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
    /// The device's turn has not come.
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
            Self::Price => "its highest price, less what the audits that its consumer asks for may cost, is below the floor in `accept`",
            Self::Auction => {
                "its price, less what the audits that its consumer asks for may cost, has not reached the floor in `accept` yet"
            }
            Self::Size => "its inputs, outputs or trace exceed `max_blob_mib`",
            Self::Disk => "the disk has too little space to keep its inputs, outputs and trace; free some, or move `data`",
            Self::Slow => "this machine would not finish it, or what it has in hand, in time",
            Self::Answers => {
                "this machine's CPU might not answer eight questions about each result, those in hand included, in half a minute"
            }
            Self::Window => "its bond might stay locked for longer than `max_window_seconds`",
            Self::Disproportion => "its bond is more than `max_bond` times what the market asks for one of its price",
            Self::Bond => "the device may not bond for it: too little free stake, on probation, retired, or a slash waits for its bonds",
            Self::Poor => {
                let fund = reserve::in_sol(reserve::FUND);
                return write!(
                    f,
                    "the hot key has too little SOL to see a job through beside a check-in; send it {fund} SOL"
                );
            }
            Self::Seed => "its seed is not known yet",
            Self::Turn => "the device's turn has not come",
        })
    }
}

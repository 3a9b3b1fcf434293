//! What shares of an offer are worth, before and after its owner leaves.

use chain::market::costake;
use costaking::{Exit, Offer, Status};
use protocol::{costake::worth, units::Amount};
use solana_address::Address;
use solana_instruction::Instruction;
use staking::Device;

/// Whether an offer must record that its owner has unstaked before it can do anything else.
pub fn must_note(offer: &Offer, device: &Device) -> bool {
    !device.forced_at.is_zero() && offer.status == Status::Closed
}

/// Whether the owner has unstaked, which takes all of the offer's stake along.
pub fn is_forced(offer: &Offer, device: &Device) -> bool {
    !offer.forced_at.is_zero() || must_note(offer, device)
}

/// What shares of an offer are worth: a part of the device's co-stake or, once the owner has unstaked, of the co-stake that cools down.
pub fn stake_of(shares: u64, offer: &Offer, device: &Device) -> Amount {
    let cooling = |all, of| {
        let shares = worth(shares, all, Amount(of)).0;
        worth(shares, device.co_cooling_shares.get(), Amount(device.co_cooling.get()))
    };
    match (offer.forced_at.is_zero(), must_note(offer, device)) {
        (false, _) => cooling(offer.forced_total.get(), offer.forced_shares.get()),
        (true, true) => cooling(offer.shares.get(), device.forced_shares.get()),
        (true, false) => worth(shares, offer.shares.get(), Amount(device.co_stake.get())),
    }
}

/// When an exit can be withdrawn: no later than the stake that the owner took along by unstaking.
pub fn back_at(exit: &Exit, offer: &Offer, device: &Device) -> i64 {
    match exit.cooling.get() {
        true => exit.ends_at.get(),
        false => exit.ends_at.get().min(forced_until(offer, device).unwrap_or(i64::MAX)),
    }
}

/// When the stake that the owner took along by unstaking has cooled down; `None` if the owner has not.
pub fn forced_until(offer: &Offer, device: &Device) -> Option<i64> {
    match (offer.forced_at.is_zero(), must_note(offer, device)) {
        (false, _) => Some(offer.forced_ends_at.get()),
        (true, true) => Some(device.forced_at.get().saturating_add(device.forced_cooldown.get().into())),
        (true, false) => None,
    }
}

/// The instruction that records the owner's unstaking, if the offer must do that first.
pub fn noting(offer: &Offer, address: &Address, device: &Device) -> Vec<Instruction> {
    let note = must_note(offer, device).then(|| costake::force(&offer.device, address));
    note.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::bytemuck::Zeroable;

    /// The worth of 50 of 200 shares of 300 base units: before the owner unstakes, before the offer records it, and after.
    #[test]
    fn shares_keep_their_worth_when_the_owner_unstakes() {
        let (mut offer, mut device) = (Offer::zeroed(), Device::zeroed());
        (offer.status, offer.shares, device.co_stake) = (Status::Closed as u8, 200.into(), 300.into());
        // Exits of others cool down as well.
        (device.co_cooling, device.co_cooling_shares) = (1_000.into(), 500.into());
        // Nobody can withdraw what a slash has set aside.
        device.co_aside = 100.into();
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(75), false));

        (device.forced_at, device.forced_shares, device.co_stake) = (9.into(), 150.into(), 0.into());
        (device.co_cooling, device.co_cooling_shares) = (1_300.into(), 650.into());
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(74), true));

        (offer.forced_at, offer.forced_total, offer.forced_shares) = (device.forced_at, offer.shares, device.forced_shares);
        (offer.status, offer.shares, device.forced_at) = (Status::Forced as u8, 0.into(), 0.into());
        assert_eq!((stake_of(50, &offer, &device), is_forced(&offer, &device)), (Amount(74), true));
    }
}

//! The owner's exit, which forces all co-stakers out.

use super::{Offer, Status, hour_of};
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::costake;
use protocol::units::Amount;
use staking::Device;

impl Offer {
    /// Records the owner's exit: all shares now stand for co-stake that has been cooling down since then, and no longer earn.
    pub fn force(&mut self, device: &Device, now: i64) -> Result<()> {
        self.check_status(&[Status::Closed])?;
        let (at, cooling_shares) = (device.forced_at.get(), device.forced_shares.get());
        let assets = costake::worth(cooling_shares, device.co_cooling_shares.get(), Amount(device.co_cooling.get()));
        let earning = i64::try_from(self.schedule().at(u32::MAX)).map_err(|_| CostakingError::BooksBroken)?;
        self.change(hour_of(at)?, earning.saturating_neg(), device, now)?;
        self.status = Status::Forced as u8;
        self.forced_at = at.into();
        self.forced_ends_at = at.saturating_add(device.forced_cooldown.get().into()).into();
        self.forced_total = self.shares;
        self.forced_all = self.shares;
        self.forced_assets = assets.0.into();
        self.forced_shares = cooling_shares.into();
        self.shares = PodU64::ZERO;
        self.invariant()
    }

    /// As [`Self::leave`], for an offer that the owner's exit has forced everybody out of: no shares earn from the hour of that exit on.
    pub fn leave_forced(&mut self, from_hour: u32) -> Result<u32> {
        self.hold()?;
        Ok(hour_of(self.forced_at.get())?.max(from_hour))
    }

    /// Exchanges shares of a forced offer for their part of the cooling shares; the last ones take the dust of rounding.
    pub fn take_forced(&mut self, shares: u64) -> Result<u64> {
        let (total, all) = (self.forced_total.get(), self.forced_shares.get());
        let got = costake::worth(shares, total, Amount(all)).0;
        self.forced_total = self.forced_total.checked_sub(shares).ok_or(CostakingError::BooksBroken)?;
        self.forced_shares = self.forced_shares.checked_sub(got).ok_or(CostakingError::BooksBroken)?;
        Ok(got)
    }
}

//! Rewards: shared hour by hour, and looked up by positions and exits.

use super::{LOG, Offer, Status};
use crate::error::CostakingError;
use anchor_lang::prelude::*;
use protocol::costake;
use protocol::units::{Amount, Bps};
use staking::Device;

impl Offer {
    /// Shares that earn in an hour, and their value, including what open slashes have set aside: rewards earned before a slash are
    /// distributed after it.
    pub fn earning(&self, hour: u32, device: &Device) -> (u64, Amount) {
        let shares = self.schedule().at(hour);
        let (all, assets) = match self.status == Status::Forced {
            true => (self.forced_all, self.forced_assets.get()),
            false => (self.shares, device.whole_co_stake()),
        };
        (shares, costake::worth(shares, all.get(), Amount(assets)))
    }

    /// The co-stakers' part of the reward of an hour in which assets worth `earning` earned.
    pub fn part(&self, reward: u64, earning: Amount) -> u64 {
        let share = Bps::saturating(self.share_bps.get());
        costake::part(Amount(reward), share, earning, Amount(self.capacity.get())).0
    }

    /// Distributes `part` among `shares` for an hour, which must be later than every hour distributed before.
    pub fn distribute(&mut self, hour: u32, part: u64, shares: u64) -> Result<()> {
        let index = self.reward_index.get();
        let index = index
            .checked_add(costake::growth(Amount(part), shares))
            .ok_or(CostakingError::BooksBroken)?;
        self.reward_index = index.into();
        let place = self.distributed.get() as usize % LOG;
        if let (Some(hours), Some(log)) = (self.log_hours.get_mut(place), self.log.get_mut(place)) {
            (*hours, *log) = (hour.into(), index.into());
        }
        self.distributed = self.distributed.checked_add(1).ok_or(CostakingError::BooksBroken)?;
        self.received = self.received.checked_add(part).ok_or(CostakingError::BooksBroken)?;
        self.invariant()
    }

    /// Logged hours and the index after each, in no particular order.
    fn entries(&self) -> impl Iterator<Item = (u32, u128)> {
        let entries = self.log_hours.iter().zip(&self.log).map(|(hour, index)| (hour.get(), index.get()));
        entries.filter(|(hour, _)| *hour != 0)
    }

    /// Whether this hour or a later one was distributed.
    pub fn has_reached(&self, hour: u32) -> bool {
        self.entries().any(|(of, _)| of >= hour)
    }

    /// Rewards per share of all hours before this one, for a position that begins with it; `None` until this hour or a later one is
    /// distributed. When the log does not reach back that far, the index of its oldest hour: a later one, so the position never gets too
    /// much.
    pub fn index_from(&self, hour: u32) -> Option<u128> {
        let oldest = || self.entries().map(|(_, index)| index).min().unwrap_or(0);
        self.has_reached(hour).then(|| self.index_until(hour).unwrap_or_else(oldest))
    }

    /// Rewards per share of all hours before this one; `None` when the log does not reach back that far.
    pub fn index_until(&self, hour: u32) -> Option<u128> {
        let complete = self.distributed.get() as usize <= LOG;
        costake::index_at(self.entries(), hour).or(complete.then_some(0))
    }

    /// Books rewards as paid out.
    pub fn pay(&mut self, amount: u64) -> Result<()> {
        self.paid = self.paid.checked_add(amount).ok_or(CostakingError::BooksBroken)?;
        self.invariant()
    }
}

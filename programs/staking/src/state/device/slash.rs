//! Slashes that people decide: stake set aside, returned or forfeited.

use super::Device;
use crate::error::StakingError;
use crate::state::Parts;
use anchor_lang::prelude::*;
use protocol::units::{Amount, Bps};
use protocol::{costake, math};

impl Device {
    /// Sets aside a share of all stake, rounded up: from the owner's stake first, active or cooling; then from the co-stake, active and
    /// cooling alike (H4, D8). If part of the owner's share is in bonds, it is due when they are released, and is not taken from co-stakers
    /// instead. A part of each pool of co-stake always remains, see [`costake::beyond_slash`]. Returns the parts and what is due.
    pub fn set_aside(&mut self, share: Bps) -> Result<(Parts, u64)> {
        let of_cooling = !self.cooling.is_zero();
        let (own, reachable) = match of_cooling {
            true => (self.cooling.get(), self.cooling.get()),
            false => (self.own_stake.get(), self.unbonded()),
        };
        let [active, cooling] =
            [self.co_stake, self.co_cooling].map(|pool| pool.get().saturating_sub(costake::beyond_slash(Amount(pool.get())).0));
        let co = active.checked_add(cooling).ok_or(StakingError::BooksBroken)?;
        let all = own.checked_add(co).ok_or(StakingError::BooksBroken)?;
        let whole = Amount(all).share_ceil(share).0;
        let of_own = whole.min(own);
        let rest = whole.saturating_sub(of_own);
        // Rounded up, so that the cooling pool is not cut by more than the active pool, which may still move there.
        let of_active = math::mul_div_ceil(rest, active, co).unwrap_or(0);
        let parts = Parts {
            own: of_own.min(reachable),
            of_cooling,
            co: of_active,
            co_cooling: rest.saturating_sub(of_active),
        };
        let due = of_own.saturating_sub(reachable);
        require!(whole > 0, StakingError::NothingStaked);
        let place = if of_cooling { &mut self.cooling } else { &mut self.own_stake };
        *place = place.checked_sub(parts.own).ok_or(StakingError::BooksBroken)?;
        self.co_stake = self.co_stake.checked_sub(parts.co).ok_or(StakingError::BooksBroken)?;
        self.co_cooling = self.co_cooling.checked_sub(parts.co_cooling).ok_or(StakingError::BooksBroken)?;
        self.book_aside(&parts)?;
        if due > 0 {
            self.dues = self.dues.checked_add(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()?;
        Ok((parts, due))
    }

    /// Whether stake may still come out of bonds: of a job or audit in progress, or of a conviction that a permit may excuse.
    pub fn frees_bonds(&self) -> bool {
        !self.open_jobs.is_zero() || !self.owed.is_zero()
    }

    /// Sets aside as much of a slash's `due` as is outside bonds; returns that amount and what is still due. Once the last bond is released
    /// and the last conviction over, nothing is due any more: what they have taken is gone. Until then a permit may return a part of it.
    pub fn set_aside_due(&mut self, due: u64) -> Result<(u64, u64)> {
        let taken = due.min(self.unbonded());
        let left = match self.frees_bonds() {
            true => due.saturating_sub(taken),
            false => 0,
        };
        require!(taken > 0 || left == 0, StakingError::DueBonded);
        self.own_stake = self.own_stake.checked_sub(taken).ok_or(StakingError::BooksBroken)?;
        self.book_aside(&Parts {
            own: taken,
            ..Parts::default()
        })?;
        if left == 0 {
            self.dues = self.dues.checked_sub(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()?;
        Ok((taken, left))
    }

    /// Returns each part of a slash to where it was taken, and cancels its `due`. The part of cooling co-stake beyond one base unit per
    /// remaining share is forfeited, because the holders of the other shares have left.
    ///
    /// If a part that was active cools down now, the cooldown of all own stake starts again at `now`, so that none leaves without a full
    /// cooldown.
    pub fn return_aside(&mut self, parts: &Parts, due: u64, now: i64, cooldown: u32) -> Result<()> {
        let back = parts
            .co_cooling
            .min(self.co_cooling_shares.get().saturating_sub(self.co_cooling.get()));
        let cools = self.returns_cooling(parts);
        if cools && !parts.of_cooling && parts.own > 0 {
            let ends = now.saturating_add(cooldown.into());
            self.cooldown_ends = self.cooldown_ends.get().max(ends).into();
        }
        let moves = [
            (if cools { &mut self.cooling } else { &mut self.own_stake }, parts.own),
            (&mut self.co_stake, parts.co),
            (&mut self.co_cooling, back),
            (&mut self.forfeited, parts.co_cooling.saturating_sub(back)),
        ];
        for (place, amount) in moves {
            *place = place.checked_add(amount).ok_or(StakingError::BooksBroken)?;
        }
        self.clear_aside(parts)?;
        if due > 0 {
            self.dues = self.dues.checked_sub(1).ok_or(StakingError::BooksBroken)?;
        }
        self.invariant()
    }

    /// Whether the owner's part of a slash returns as cooling stake, since the owner's stake is active or cooling, never both. A part that
    /// was active cools down if the owner has unstaked the rest since. A part that was cooling becomes active if the owner has active stake
    /// again: has staked since, or got back a part of an earlier slash after a later one took all that was cooling.
    fn returns_cooling(&self, parts: &Parts) -> bool {
        // If something is due, the owner has staked again since, even if none of that stake is left.
        let idle = self.own_stake.is_zero() && self.dues == 0;
        !self.cooling.is_zero() || (parts.of_cooling && idle)
    }

    /// Upholds a slash: what it set aside is forfeited, to be burned. Returns the amount.
    pub fn uphold(&mut self, parts: &Parts) -> Result<u64> {
        let all = self.clear_aside(parts)?;
        self.forfeited = self.forfeited.checked_add(all).ok_or(StakingError::BooksBroken)?;
        self.invariant()?;
        Ok(all)
    }

    /// Books the parts of a slash as set aside.
    fn book_aside(&mut self, parts: &Parts) -> Result<()> {
        if !parts.of_cooling {
            self.own_aside = self.own_aside.checked_add(parts.own).ok_or(StakingError::BooksBroken)?;
        }
        self.co_aside = self.co_aside.checked_add(parts.co).ok_or(StakingError::BooksBroken)?;
        self.aside = self.aside.checked_add(parts.sum()?).ok_or(StakingError::BooksBroken)?;
        Ok(())
    }

    /// Books the parts of a slash as no longer set aside; returns their sum.
    fn clear_aside(&mut self, parts: &Parts) -> Result<u64> {
        let all = parts.sum()?;
        if !parts.of_cooling {
            self.own_aside = self.own_aside.checked_sub(parts.own).ok_or(StakingError::BooksBroken)?;
        }
        self.co_aside = self.co_aside.checked_sub(parts.co).ok_or(StakingError::BooksBroken)?;
        self.aside = self.aside.checked_sub(all).ok_or(StakingError::BooksBroken)?;
        Ok(all)
    }
}

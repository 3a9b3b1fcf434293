//! Plays an hour: deeds, beacons and calls, the check-in to the hour before, and the settlement of the hour before that.

use super::market::{Device, HOUR, Market};
use super::story::{DAY, Name};
use anyhow::{Context, Result, bail, ensure};
use protocol::emission::{self, Hour};
use protocol::presence::BEACONS;
use protocol::units::Bps;
use staking::RewardRules;
use staking::error::StakingError;
use tests::Worker;

impl Market {
    /// Carries out what is due, then plays the current hour.
    pub fn live(&mut self) -> Result<()> {
        for deed in self.agenda.due(self.hour) {
            self.carry_out(deed)?;
        }
        let hour = self.world.open_hour();
        for index in 0..BEACONS {
            let now = self.hour;
            let there = self.devices.values().filter(|device| device.is_staked(now) && device.answers(now));
            let there: Vec<&Worker> = there.map(|device| &device.worker).collect();
            self.world.beacon(&there, hour, index);
            if index == 1 {
                self.settle(hour - 2 * HOUR)?;
                self.check_in(hour - HOUR)?;
            }
        }
        self.world.go_to_second(hour, HOUR);
        self.hour += 1;
        if self.hour.is_multiple_of(DAY) {
            self.claim_all()?;
        }
        Ok(())
    }

    /// Settles an hour, has everybody collect it and closes it. Checks what it paid out against the published table.
    fn settle(&mut self, hour: i64) -> Result<()> {
        if hour < self.genesis {
            return Ok(());
        }
        let workers: Vec<&Worker> = self
            .devices
            .values()
            .filter(|device| !device.closed)
            .map(|device| &device.worker)
            .collect();
        self.world.settle_and_collect(&workers, hour);
        let books = self.world.books();
        let block = books.blocks.get(&hour).context("an hour has no block")?;
        let calendar = |hour| Hour::of(hour).context("an hour lies outside of the calendar");
        let brings = emission::block(calendar(self.genesis)?.month, calendar(hour)?);
        let enterprise = brings.share_floor(Bps::saturating(RewardRules::PUBLISHED.enterprise_bps)).0;
        for ((pool, scores), share) in block.pools.iter().zip(&block.scores).zip([enterprise, brings.0 - enterprise]) {
            let share = if scores.is_zero() { 0 } else { share };
            ensure!(
                pool.get() == share,
                "an hour paid {pool:?} to a pool, but the published table says {share}"
            );
            self.emitted += share;
        }
        self.world.note_rewards();
        self.world.close_hour(hour);
        Ok(())
    }

    /// Every device with stake checks in to the hour before this one.
    fn check_in(&mut self, hour: i64) -> Result<()> {
        let (now, Some(before)) = (self.hour, self.hour.checked_sub(1)) else {
            return Ok(());
        };
        let mut missed = Vec::new();
        for (name, device) in self.devices.iter_mut().filter(|(_, device)| device.is_staked(before)) {
            if now < device.off_until {
                device.presence.missed += 1;
                continue;
            }
            match self.world.try_check_in(&device.worker, hour) {
                Ok(()) => {
                    let account = self.world.device(&device.worker.device);
                    let mut pending = account.pending();
                    device.presence.counted += 1;
                    device.presence.paid += u32::from(pending.any(|(of, _, _)| i64::from(of) * HOUR == hour));
                }
                Err(failure) if failure == StakingError::CallMissed.into() => {
                    device.presence.missed += 1;
                    missed.push(*name);
                }
                Err(failure) => bail!("{name} could not check in: {failure}"),
            }
        }
        for name in missed {
            self.tell(format!(
                "{name} missed a call in the last hour: the hour does not count, and pay resumes after more than five without a gap"
            ));
        }
        Ok(())
    }

    /// Everybody claims their rewards.
    fn claim_all(&mut self) -> Result<()> {
        let suppliers: Vec<Name> = self
            .devices
            .iter()
            .filter(|(_, device)| !device.closed)
            .map(|(name, _)| *name)
            .collect();
        for who in suppliers {
            self.claim_rewards(who)?;
        }
        let stakes: Vec<(Name, Name)> = self.stakes.keys().copied().collect();
        for (who, with) in stakes {
            self.claim_shared(who, with)?;
        }
        Ok(())
    }
}

impl Device {
    fn is_staked(&self, hour: u32) -> bool {
        self.since.is_some_and(|since| since <= hour)
    }

    fn answers(&self, hour: u32) -> bool {
        hour >= self.off_until && hour >= self.ignores_until
    }
}

//! A device's stake, as it is printed.

use crate::{
    amount::{Quantity, Unit, span},
    error::{Result, refuse},
    output::fields,
};
use protocol::units::Amount;
use serde::Serialize;
use solana_address::Address;
use staking::{Device, state::STATUS_ACTIVE};
use std::fmt;

/// What a slash that is due means for the owner.
pub const HELD: &str = "a slash is due stake that is or was locked in bonds; until it has collected that, which anyone can do with `ionet slash collect` once \
     jobs have ended and challengers are paid, nothing can be withdrawn and no job claimed, and between the last job and then no stake added";

#[derive(Serialize)]
pub struct Shown {
    device: String,
    #[serde(skip)]
    active: bool,
    pub stake: u64,
    /// What co-stakers have staked on it, which counts towards the minimum and not for bonds.
    co_stake: u64,
    minimum: u64,
    locked_bond: u64,
    free: u64,
    /// Slashes that wait for stake locked in bonds.
    pub dues: u8,
    overflow: u64,
    cooling: u64,
    cooldown_ends: i64,
    /// What open slashes have set aside, of the owner's stake and of co-stake.
    aside: u64,
    forfeited: u64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl Shown {
    pub fn new(address: &Address, device: &Device, minimum: Amount, unit: Unit, now: i64) -> Self {
        let (own, bonded) = (device.own_stake.get(), device.locked_bond.get());
        Self {
            device: address.to_string(),
            active: device.status == STATUS_ACTIVE,
            stake: own,
            co_stake: device.co_stake.get(),
            minimum: minimum.0,
            locked_bond: bonded,
            free: if device.dues > 0 { 0 } else { own.saturating_sub(bonded) },
            dues: device.dues,
            overflow: device.overflow(minimum),
            cooling: device.cooling.get(),
            cooldown_ends: device.cooldown_ends.get(),
            aside: device.aside.get(),
            forfeited: device.forfeited.get(),
            unit,
            now,
        }
    }

    /// What to withdraw of the overflow: `amount`, or all of it.
    pub fn overflow(&self, amount: Option<&Quantity>) -> Result<u64> {
        let amount = amount.map_or(Ok(self.overflow), |amount| amount.base_units(self.unit))?;
        if (1..=self.overflow).contains(&amount) {
            return Ok(amount);
        }
        refuse(format!(
            "{} of device {}'s stake is above its minimum of {}; withdraw at most that, or unstake all of it with `ionet stake unstake`",
            self.unit.show(self.overflow),
            self.device,
            self.unit.show(self.minimum)
        ))
    }

    /// What has cooled down; fails while it is still cooling.
    pub fn cooled(&self) -> Result<u64> {
        let left = self.cooldown_ends.saturating_sub(self.now);
        match self.cooling {
            1.. if left > 0 => refuse(format!(
                "the stake of device {} cools down for another {}; withdraw it then",
                self.device,
                span(left)
            )),
            0 => refuse(format!(
                "no stake of device {} cools down; `ionet stake unstake` starts that",
                self.device
            )),
            cooling => Ok(cooling),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.unit.show(amount);
        let missing = self.minimum.saturating_sub(self.stake).saturating_sub(self.co_stake);
        let left = self.cooldown_ends.saturating_sub(self.now);
        let cooling = match (self.cooling, left) {
            (0, _) => "nothing".to_owned(),
            (amount, ..=0) => format!("{}, ready: `ionet stake withdraw`", show(amount)),
            (amount, left) => format!("{}, ready in {}", show(amount), span(left)),
        };
        let minimum = match missing {
            _ if !self.active => format!("{}, but the device is retired and takes no jobs", show(self.minimum)),
            0 => show(self.minimum),
            missing => format!("{}, {} more to take jobs", show(self.minimum), show(missing)),
        };
        let mut lines = vec![
            ("device", self.device.clone()),
            ("stake", show(self.stake)),
            ("co-stake", show(self.co_stake)),
            ("minimum", minimum),
            ("bonded", show(self.locked_bond)),
            ("free for bonds", show(self.free)),
            ("overflow", show(self.overflow)),
            ("cooling down", cooling),
        ];
        if self.dues > 0 {
            lines.push(("held", HELD.to_owned()));
        }
        if self.aside > 0 {
            lines.push(("set aside", format!("{}, until slashes end", show(self.aside))));
        }
        if self.forfeited > 0 {
            lines.push(("forfeited", show(self.forfeited)));
        }
        fields(f, &lines)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::amount::SOL;
    use anchor_lang::bytemuck::Zeroable;

    #[test]
    fn what_a_slash_has_set_aside_is_shown() {
        let device = Device {
            aside: 7.into(),
            ..Device::zeroed()
        };
        let shown = Shown::new(&Address::default(), &device, Amount::ZERO, SOL, 0);
        assert_eq!(serde_json::to_value(&shown).unwrap().get("aside"), Some(&7.into()));
        assert!(shown.to_string().contains("0.000000007 SOL, until slashes end"), "{shown}");
    }

    #[test]
    fn missing_stake_is_shown_unless_the_device_is_retired() {
        let shown = |active, co_stake| {
            let shown = Shown {
                device: String::new(),
                active,
                stake: 440,
                co_stake,
                minimum: 500,
                locked_bond: 0,
                free: 440,
                dues: 0,
                overflow: 0,
                cooling: 0,
                cooldown_ends: 0,
                aside: 0,
                forfeited: 0,
                unit: Unit { decimals: 0, ..SOL },
                now: 0,
            };
            shown.to_string()
        };
        assert!(shown(true, 59).contains("1 SOL more to take jobs"));
        let enough = shown(true, 60);
        assert!(enough.contains("co-stake        60 SOL") && !enough.contains("more"), "{enough}");
        let retired = shown(false, 0);
        assert!(retired.contains("takes no jobs") && !retired.contains("more"), "{retired}");
    }
}

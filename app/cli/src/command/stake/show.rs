//! A device's stake, as it is printed.

use crate::{
    amount::{Unit, span},
    output::fields,
};
use serde::Serialize;
use std::fmt;

/// What a due slash means for the owner.
pub const HELD: &str = "a slash takes stake that lies in bonds, as they come free; until it has that nothing leaves and no job is taken";

#[derive(Serialize)]
pub struct Shown {
    pub device: String,
    #[serde(skip)]
    pub active: bool,
    pub stake: u64,
    /// What others have staked on it, which counts for the minimum and not for bonds.
    pub co_stake: u64,
    pub minimum: u64,
    pub locked_bond: u64,
    pub free: u64,
    /// Slashes that wait for stake in bonds.
    pub dues: u8,
    pub overflow: u64,
    pub cooling: u64,
    pub cooldown_ends: i64,
    pub forfeited: u64,
    #[serde(skip)]
    pub unit: Unit,
    #[serde(skip)]
    pub now: i64,
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
            _ if !self.active => format!("{}, but it is retired and takes no jobs", show(self.minimum)),
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
        if self.forfeited > 0 {
            lines.push(("forfeited", show(self.forfeited)));
        }
        fields(f, &lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::SOL;

    #[test]
    fn what_is_missing_is_said_of_devices_that_could_work() {
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

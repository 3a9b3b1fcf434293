//! Whether a device was there for a whole hour: twelve beacons, some of which call it.
//!
//! A beacon is a slot hash that nobody knew before. The devices it draws must answer within a short time; an hour counts as present only
//! when every call of that hour was answered. No two devices write the same account, and nobody can answer ahead.

use crate::hash::{Hash, Tag, tagged};
use crate::sortition;
use crate::units::Bps;

/// Beacons of an hour.
pub const BEACONS: u8 = 12;
/// Slots from one beacon to the next: five minutes at the nominal 400 ms.
pub const BEACON_SLOTS: u64 = 750;

/// The slot after which the first slot hash makes beacon `index` of an hour whose block was opened in slot `opened`.
pub fn beacon_after(opened: u64, index: u8) -> u64 {
    opened.saturating_add(BEACON_SLOTS.saturating_mul(index.into()))
}

/// The hash that calls devices at beacon `index` of the hour that begins at `hour`; no other hour or index has the same.
pub fn beacon(hour: i64, index: u8, slot_hash: &Hash) -> Hash {
    tagged(Tag::Beacon, [&hour.to_le_bytes(), &[index], slot_hash])
}

/// Whether a beacon calls a device.
pub fn is_called(beacon: &Hash, device: &Hash, rate: Bps) -> bool {
    sortition::is_within(&tagged(Tag::Call, [beacon, device]), rate)
}

/// Calls of an hour, by beacon: bit i is beacon i's. Beacons that were not recorded (zero) call nobody.
pub fn calls(beacons: &[Hash; BEACONS as usize], device: &Hash, rate: Bps) -> u16 {
    let called = |beacon: &Hash| *beacon != Hash::default() && is_called(beacon, device, rate);
    beacons
        .iter()
        .enumerate()
        .fold(0, |calls, (index, beacon)| calls | u16::from(called(beacon)) << index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u32) -> Hash {
        let mut device = [0; 32];
        device[..4].copy_from_slice(&number.to_le_bytes());
        device
    }

    #[test]
    fn calls_are_as_frequent_as_their_rate_and_independent_between_beacons() {
        let beacons = core::array::from_fn(|index| beacon(3_600, index as u8, &[7; 32]));
        let rate = Bps::new(1_667).unwrap();
        let mut counts = [0u32; 12];
        for number in 0..20_000 {
            let calls = calls(&beacons, &device(number), rate);
            for (index, count) in counts.iter_mut().enumerate() {
                *count += u32::from(calls >> index & 1);
            }
        }
        // 3,334 expected each; six standard deviations are 317.
        assert!(counts.iter().all(|count| count.abs_diff(3_334) < 317), "{counts:?}");
        assert_eq!(calls(&beacons, &device(1), Bps::new(10_000).unwrap()), 0xFFF);
        assert_eq!(calls(&beacons, &device(1), Bps::default()), 0);
    }

    #[test]
    fn a_beacon_that_was_not_recorded_calls_nobody() {
        let mut beacons = core::array::from_fn(|index| beacon(3_600, index as u8, &[7; 32]));
        beacons[3] = [0; 32];
        assert_eq!(calls(&beacons, &device(1), Bps::new(10_000).unwrap()), 0xFFF & !(1 << 3));
    }

    #[test]
    fn no_hash_serves_two_hours_or_beacons() {
        let base = beacon(3_600, 1, &[7; 32]);
        assert_ne!(base, beacon(7_200, 1, &[7; 32]));
        assert_ne!(base, beacon(3_600, 2, &[7; 32]));
        assert_ne!(base, beacon(3_600, 1, &[8; 32]));
        assert_eq!((beacon_after(1_000, 0), beacon_after(1_000, 11)), (1_000, 9_250));
    }
}

//! Whether a device was present for a whole hour: each hour has twelve beacons, some of which call the device.
//!
//! A beacon comes from a slot hash that nobody could know in advance. The devices it draws must answer within a short time, and a device
//! counts as present in an hour only if it answered every call of that hour. No two devices write the same account, and nobody can answer
//! in advance.

use crate::hash::{Hash, Tag, tagged};
use crate::sortition;
use crate::units::Bps;

/// Beacons in an hour.
pub const BEACONS: u8 = 12;
/// Slots from one beacon to the next: five minutes at the nominal 400 ms.
pub const BEACON_SLOTS: u64 = 750;

/// Slot of beacon `index` in an hour whose block was opened in slot `opened`. The first slot hash after it makes the beacon.
pub fn beacon_after(opened: u64, index: u8) -> u64 {
    opened.saturating_add(BEACON_SLOTS.saturating_mul(index.into()))
}

/// Beacon `index` of the hour that begins at `hour`: a hash that calls devices, unique to the hour and the index.
pub fn beacon(hour: i64, index: u8, slot_hash: &Hash) -> Hash {
    tagged(Tag::Beacon, [&hour.to_le_bytes(), &[index], slot_hash])
}

/// Whether a beacon calls a device.
pub fn is_called(beacon: &Hash, device: &Hash, rate: Bps) -> bool {
    sortition::is_within(&tagged(Tag::Call, [beacon, device]), rate)
}

/// The beacons of an hour that call a device: bit i stands for beacon i. A beacon that was not recorded (zero) calls nobody.
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
    fn a_beacon_is_unique_to_its_hour_index_and_slot() {
        let base = beacon(3_600, 1, &[7; 32]);
        assert_ne!(base, beacon(7_200, 1, &[7; 32]));
        assert_ne!(base, beacon(3_600, 2, &[7; 32]));
        assert_ne!(base, beacon(3_600, 1, &[8; 32]));
        assert_eq!((beacon_after(1_000, 0), beacon_after(1_000, 11)), (1_000, 9_250));
    }
}

//! What the programs know of the upgradeable loader: who may upgrade a program, where a buffer holds code, and how an upgrade is called.

/// Address of the upgradeable loader, `BPFLoaderUpgradeab1e11111111111111111111111`.
pub const ID: [u8; 32] = [
    2, 168, 246, 145, 78, 136, 161, 176, 226, 16, 21, 62, 247, 99, 174, 43, 0, 194, 185, 61, 22, 193, 36, 210, 192, 83, 122, 16, 4, 128, 0,
    0,
];

/// Offset of the code in a buffer: after the buffer's state (4 bytes) and its optional authority (33).
pub const CODE_AT: usize = 37;

/// First bytes of the instruction `Upgrade`.
pub const UPGRADE: [u8; 4] = 3u32.to_le_bytes();

/// The upgrade authority in a `ProgramData` account of the upgradeable loader; `None` when the bytes are not one or the program is frozen.
///
/// Layout (loader v3): state `3u32`, deployment slot `u64`, option byte, 32-byte key.
pub fn upgrade_authority(program_data: &[u8]) -> Option<[u8; 32]> {
    let (state, rest) = program_data.split_first_chunk::<4>()?;
    let (_slot, rest) = rest.split_first_chunk::<8>()?;
    let ([is_some], rest) = rest.split_first_chunk::<1>()?;
    let key = rest.first_chunk::<32>()?;
    (u32::from_le_bytes(*state) == 3 && *is_some == 1).then_some(*key)
}

/// Whether `key` may replace the program whose `ProgramData` account holds these bytes.
pub fn is_upgrade_authority(program_data: &[u8], key: &[u8; 32]) -> bool {
    upgrade_authority(program_data).as_ref() == Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn account(state: u32, is_some: u8) -> Vec<u8> {
        [&state.to_le_bytes()[..], &[0; 8], &[is_some], &[7; 32], &[0xEE; 100]].concat()
    }

    #[test]
    fn only_an_upgradeable_programs_data_has_an_authority() {
        assert_eq!(upgrade_authority(&account(3, 1)), Some([7; 32]));
        assert_eq!(upgrade_authority(&account(3, 0)), None, "frozen");
        assert_eq!(upgrade_authority(&account(2, 1)), None, "another state");
        assert_eq!(upgrade_authority(&account(3, 1)[..44]), None, "truncated");
        assert!(is_upgrade_authority(&account(3, 1), &[7; 32]));
        for (data, key) in [(account(3, 1), [8; 32]), (account(3, 0), [7; 32])] {
            assert!(!is_upgrade_authority(&data, &key));
        }
    }
}

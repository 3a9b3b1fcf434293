//! The first slot hash after a given slot, unknown until then. Read from the sysvar without loading all of its 20 KiB.

use anchor_lang::pinocchio::sysvars::{get_sysvar, slot_hashes::SLOTHASHES_ID};
use anchor_lang::prelude::*;
use protocol::hash::Hash;

/// Layout: length `u64`, then (slot `u64`, hash) newest first.
const HEADER: usize = 8;
const ENTRY: usize = 40;

/// The first slot hash after a slot, as far as the sysvar knows it.
pub enum Seed {
    /// The slot has not ended.
    NotYet,
    /// Number and hash of the first slot after it. Skipped slots have no hash; the next one counts.
    Known(u64, Hash),
    /// It is older than the 512 hashes that the chain keeps.
    Forgotten,
}

fn slot_at(index: u64) -> Result<u64> {
    let mut slot = [0; 8];
    get_sysvar(&mut slot, &SLOTHASHES_ID, HEADER + index as usize * ENTRY)?;
    Ok(u64::from_le_bytes(slot))
}

/// Finds the first slot after `slot` that has a hash.
pub fn first_after(slot: u64) -> Result<Seed> {
    let mut length = [0; 8];
    get_sysvar(&mut length, &SLOTHASHES_ID, 0)?;
    let length = u64::from_le_bytes(length);
    if length == 0 {
        return Ok(Seed::NotYet);
    }
    let newest = slot_at(0)?;
    if newest <= slot {
        return Ok(Seed::NotYet);
    }
    // The slot of entry i is at most `newest − i`, so no entry beyond `newest − slot − 1` comes after `slot`. Without skipped slots the
    // result is that entry.
    let (mut low, mut high) = (0, (newest - slot - 1).min(length - 1));
    let mut probe = high;
    while low < high {
        if slot_at(probe)? > slot {
            low = probe;
        } else {
            high = probe - 1;
        }
        probe = low + (high - low).div_ceil(2);
    }
    let mut entry = [0; ENTRY];
    get_sysvar(&mut entry, &SLOTHASHES_ID, HEADER + low as usize * ENTRY)?;
    let (Some((number, _)), Some(hash)) = (entry.split_first_chunk::<8>(), entry.last_chunk::<32>()) else {
        return Ok(Seed::Forgotten);
    };
    let number = u64::from_le_bytes(*number);
    // The oldest entry is provably the first after `slot` only if it is the very next slot.
    if low == length - 1 && number != slot + 1 {
        Ok(Seed::Forgotten)
    } else {
        Ok(Seed::Known(number, *hash))
    }
}

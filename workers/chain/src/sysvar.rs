//! Sysvars: the clock, the slot of the last restart, and the recent slot hashes.

use crate::{Chain, Result};
use protocol::hash::Hash;
use protocol::units::{Clocks, Moment};
use solana_account::Account;
use solana_address::Address;

/// Address of the clock sysvar.
pub const CLOCK: Address = Address::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// Address of the last restart slot sysvar.
const LAST_RESTART_SLOT: Address = Address::from_str_const("SysvarLastRestartS1ot1111111111111111111111");

/// The accounts that [`clocks`] reads. Read them in one request with the account whose deadline they judge: another machine may be ahead.
pub const CLOCKS: [Address; 2] = [CLOCK, LAST_RESTART_SLOT];

/// Address of the slot hashes sysvar.
const SLOT_HASHES: Address = Address::from_str_const("SysvarS1otHashes111111111111111111111111111");

impl Chain {
    /// The current slot and unix time of the chain.
    pub async fn now(&self) -> Result<Moment> {
        let account = self.account(&CLOCK).await?;
        account
            .and_then(|account| moment(&account.data))
            .ok_or_else(|| self.missing(&CLOCK))
    }

    /// The clocks that deadlines are judged by: a restart of the cluster extends deadlines.
    pub async fn clocks(&self) -> Result<Clocks> {
        let (_, accounts) = self.network().accounts(&CLOCKS).await?;
        clocks(&accounts).ok_or_else(|| self.missing(&CLOCK))
    }
}

/// Decodes the accounts at [`CLOCKS`]. A cluster without the second has not restarted.
pub fn clocks(accounts: &[Option<Account>]) -> Option<Clocks> {
    let [Some(clock), restart] = accounts else { return None };
    let restart = restart.as_ref().and_then(|account| account.data.first_chunk());
    Some(Clocks {
        now: moment(&clock.data)?,
        restart: restart.map_or(0, |slot| u64::from_le_bytes(*slot)),
    })
}

/// Decodes the data of [`CLOCK`]: slot, epoch start, epoch, leader schedule epoch and unix time, eight bytes each.
pub fn moment(data: &[u8]) -> Option<Moment> {
    let (words, _) = data.as_chunks::<8>();
    Some(Moment {
        slot: u64::from_le_bytes(*words.first()?),
        unix: i64::from_le_bytes(*words.get(4)?),
    })
}

/// The first hash after a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// No later slot has a hash yet.
    NotYet,
    /// The slot and its hash.
    Known(u64, Hash),
    /// The hash is no longer stored.
    Forgotten,
}

/// The slot hashes sysvar, newest first.
#[derive(Clone, Debug, Default)]
pub struct SlotHashes(Vec<(u64, Hash)>);

impl SlotHashes {
    /// Reads the sysvar.
    pub async fn read(chain: &Chain) -> Result<Self> {
        let account = chain.account(&SLOT_HASHES).await?;
        Ok(Self::decode(&account.ok_or_else(|| chain.missing(&SLOT_HASHES))?.data))
    }

    /// Layout of the sysvar: the count, then a slot and a hash for each entry.
    fn decode(data: &[u8]) -> Self {
        let (count, entries) = data.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let (entries, _) = entries.as_chunks::<40>();
        let entries = entries.iter().take(u64::from_le_bytes(*count) as usize);
        let entry = |bytes: &[u8; 40]| Some((u64::from_le_bytes(*bytes.first_chunk()?), *bytes.last_chunk()?));
        Self(entries.filter_map(entry).collect())
    }

    /// The first hash after `slot`, by the same rule as on chain: the oldest hash counts only if it is that of `slot + 1`.
    pub fn first_after(&self, slot: u64) -> Seed {
        let after = self.0.iter().take_while(|(number, _)| *number > slot).count();
        match after.checked_sub(1).and_then(|last| self.0.get(last)) {
            None => Seed::NotYet,
            Some((number, _)) if after == self.0.len() && *number != slot.saturating_add(1) => Seed::Forgotten,
            Some((number, hash)) => Seed::Known(*number, *hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(slots: &[u64]) -> SlotHashes {
        let mut data = (slots.len() as u64).to_le_bytes().to_vec();
        for slot in slots {
            data.extend(slot.to_le_bytes());
            data.extend([*slot as u8; 32]);
        }
        SlotHashes::decode(&data)
    }

    #[test]
    fn the_seed_is_the_first_hash_after_a_slot() {
        let kept = hashes(&[20, 19, 17, 16, 12, 11]);
        let cases = [
            (20, Seed::NotYet),
            (25, Seed::NotYet),
            (19, Seed::Known(20, [20; 32])),
            (17, Seed::Known(19, [19; 32])),
            (14, Seed::Known(16, [16; 32])),
            (10, Seed::Known(11, [11; 32])),
            (9, Seed::Forgotten),
        ];
        for (slot, seed) in cases {
            assert_eq!(kept.first_after(slot), seed, "after {slot}");
        }
        assert_eq!(hashes(&[]).first_after(3), Seed::NotYet);
    }
}

//! What the worker reads of the chain: its clocks, the rules in force, its own device, and the seeds of jobs.

use crate::models::Models;
use crate::{Error, Result};
use ::referee::EvidenceHeader;
use anchor_lang::Discriminator;
use chain::{Chain, Filter, market};
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use jobs::{Audit, AuditStage, DemandHeader, Job, Status};
use protocol::hash::Hash;
use protocol::units::Moment;
use solana_address::Address;
use staking::{Device, GpuModel};

const CLOCK: Address = Address::from_str_const("SysvarC1ock11111111111111111111111111111111");
const SLOT_HASHES: Address = Address::from_str_const("SysvarS1otHashes111111111111111111111111111");

/// Everything a decision about a job depends on, read at one moment.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub now: Moment,
    pub jobs: jobs::Config,
    pub staking: staking::StakingConfig,
    pub device: Device,
    pub gpu: GpuModel,
    /// What the hot key has for fees and rents.
    pub lamports: u64,
}

impl View {
    /// Reads it in one question. `key` is the device's hot key, `gpu` its GPU model, which never changes.
    pub async fn read(chain: &Chain, device: &Address, key: &Address, gpu: u16) -> Result<Self> {
        let (jobs, staking, gpu) = (market::job::config(), market::stake::config(), market::stake::gpu_model(gpu));
        let addresses = [CLOCK, jobs, staking, *device, gpu, *key];
        let (_, accounts) = chain.network().accounts(&addresses).await?;
        let find = |wanted: &Address| {
            let found = addresses.iter().zip(&accounts).find(|(address, _)| *address == wanted);
            found
                .and_then(|(_, account)| account.as_ref())
                .ok_or_else(|| missing(chain, wanted))
        };
        Ok(Self {
            now: moment(&find(&CLOCK)?.data).ok_or_else(|| missing(chain, &CLOCK))?,
            jobs: chain::decode(&jobs, find(&jobs)?)?,
            staking: chain::decode(&staking, find(&staking)?)?,
            device: chain::decode(device, find(device)?)?,
            gpu: chain::decode(&gpu, find(&gpu)?)?,
            lamports: find(key).map_or(0, |account| account.lamports),
        })
    }
}

fn missing(chain: &Chain, address: &Address) -> Error {
    let url = chain.network().url().to_owned();
    chain::Error::NoAccount { url, address: *address }.into()
}

/// The chain's clocks.
pub async fn now(chain: &Chain) -> Result<Moment> {
    let account = chain.account(&CLOCK).await?;
    account
        .and_then(|account| moment(&account.data))
        .ok_or_else(|| missing(chain, &CLOCK))
}

/// Layout of the sysvar: slot, epoch start, epoch, leader schedule epoch, unix time; eight bytes each.
fn moment(data: &[u8]) -> Option<Moment> {
    let (words, _) = data.as_chunks::<8>();
    Some(Moment {
        slot: u64::from_le_bytes(*words.first()?),
        unix: i64::from_le_bytes(*words.get(4)?),
    })
}

/// The seed of a job: the first slot hash after it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// That slot has not ended.
    NotYet,
    /// Its slot and hash.
    Known(u64, Hash),
    /// It lies too far back, so the door has long been open.
    Forgotten,
}

/// The slot hashes the chain keeps, newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotHashes(Vec<(u64, Hash)>);

impl SlotHashes {
    pub async fn read(chain: &Chain) -> Result<Self> {
        let account = chain.account(&SLOT_HASHES).await?;
        Ok(Self::decode(&account.ok_or_else(|| missing(chain, &SLOT_HASHES))?.data))
    }

    /// Layout of the sysvar: count, then slot and hash of each.
    fn decode(data: &[u8]) -> Self {
        let (count, entries) = data.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let (entries, _) = entries.as_chunks::<40>();
        let entries = entries.iter().take(u64::from_le_bytes(*count) as usize);
        let entry = |bytes: &[u8; 40]| Some((u64::from_le_bytes(*bytes.first_chunk()?), *bytes.last_chunk()?));
        Self(entries.filter_map(entry).collect())
    }

    /// The same rule as on chain: the oldest hash counts only if it belongs to the very next slot.
    pub fn first_after(&self, slot: u64) -> Seed {
        let after = self.0.iter().take_while(|(number, _)| *number > slot).count();
        match after.checked_sub(1).and_then(|last| self.0.get(last)) {
            None => Seed::NotYet,
            Some((number, _)) if after == self.0.len() && *number != slot.saturating_add(1) => Seed::Forgotten,
            Some((number, hash)) => Seed::Known(*number, *hash),
        }
    }
}

/// Length of the discriminator before an account's fields.
const FIELDS: usize = 8;

/// Changes of jobs as the node pushes them; `None` once a subscription has ended.
pub type News = SelectAll<BoxStream<'static, Option<(Address, Job)>>>;

/// Has jobs on these models that reach `status` pushed.
pub async fn subscribe(chain: &Chain, models: &Models, status: Status) -> Result<News> {
    let mut all = SelectAll::new();
    for (model, _) in models.iter() {
        let changes = chain.network().program_changes(&jobs::ID, &jobs_on(model, status)).await?;
        let typed =
            changes.filter_map(|(address, account)| async move { Some(Some((address, chain::decode::<Job>(&address, &account).ok()?))) });
        all.push(typed.chain(stream::iter([None])).boxed());
    }
    Ok(all)
}

/// Passes jobs on a model that stand there.
pub fn jobs_on(model: &Address, status: Status) -> Vec<Filter> {
    vec![
        Filter::Bytes(FIELDS + core::mem::offset_of!(Job, model), model.as_ref().to_vec()),
        Filter::Bytes(FIELDS + core::mem::offset_of!(Job, status), vec![status as u8]),
    ]
}

/// Passes jobs that a device has taken.
pub(crate) fn taken_by(device: &Address) -> Vec<Filter> {
    vec![Filter::Bytes(FIELDS + core::mem::offset_of!(Job, device), device.as_ref().to_vec())]
}

/// Passes demands that wait for an answer of a device.
pub fn demands_of(device: &Address) -> Vec<Filter> {
    vec![
        Filter::Bytes(0, DemandHeader::DISCRIMINATOR.to_vec()),
        Filter::Bytes(FIELDS + core::mem::offset_of!(DemandHeader, device), device.as_ref().to_vec()),
        Filter::Bytes(FIELDS + core::mem::offset_of!(DemandHeader, answered), vec![0]),
    ]
}

/// Passes evidence by a key about a subject.
pub(crate) fn evidence_by(challenger: &Address, subject: &Address) -> Vec<Filter> {
    vec![
        Filter::Bytes(
            FIELDS + core::mem::offset_of!(EvidenceHeader, challenger),
            challenger.as_ref().to_vec(),
        ),
        Filter::Bytes(FIELDS + core::mem::offset_of!(EvidenceHeader, subject), subject.as_ref().to_vec()),
    ]
}

/// Passes committed results on a model that wait for an auditor.
pub(crate) fn drawn_on(model: &Address) -> Vec<Filter> {
    let mut filters = jobs_on(model, Status::Committed);
    filters.push(Filter::Bytes(
        FIELDS + core::mem::offset_of!(Job, audit),
        vec![AuditStage::Drawn as u8],
    ));
    filters
}

/// Passes audits that a device has taken.
pub(crate) fn audits_of(device: &Address) -> Vec<Filter> {
    vec![Filter::Bytes(
        FIELDS + core::mem::offset_of!(Audit, device),
        device.as_ref().to_vec(),
    )]
}

/// Where a job stands; `None` for a number this software does not know.
pub fn status(job: &Job) -> Option<Status> {
    let all = [
        Status::Open,
        Status::Assigned,
        Status::Committed,
        Status::Revealed,
        Status::Convicted,
    ];
    all.into_iter().find(|status| *status as u8 == job.status)
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
    fn the_seed_is_the_first_hash_after_opening() {
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
            assert_eq!(kept.first_after(slot), seed, "opened in {slot}");
        }
        assert_eq!(hashes(&[]).first_after(3), Seed::NotYet);
    }
}

//! Reading the chain: the rules in force, the worker's own device, and the jobs that concern it.

use crate::models::Models;
use crate::{Error, Result, Worker, reserve};
use ::referee::EvidenceHeader;
use anchor_lang::{AccountDeserialize, Discriminator, Owner};
use chain::sysvar::{self, CLOCK, CLOCKS, moment};
use chain::{Chain, Filter, field, market};
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use jobs::{Audit, AuditStage, DemandHeader, Job, Status};
use protocol::units::{Clocks, Moment};
use solana_account::Account;
use solana_address::Address;
use solana_signer::Signer;
use staking::{Device, GpuModel};
use std::time::Duration;
use tokio::time::sleep;

/// Everything that a decision about a job depends on, read in one request.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub now: Moment,
    pub jobs: jobs::Config,
    pub staking: staking::StakingConfig,
    pub device: Device,
    pub gpu: GpuModel,
    /// Lamports of the hot key, including the rent that its evidence will return.
    pub lamports: u64,
}

impl View {
    /// Reads everything in one request. `key` is the device's hot key, `gpu` its GPU model, which never changes, and `evidence` the account
    /// that the key may have sealed for a check-in.
    pub async fn read(chain: &Chain, device: &Address, key: &Address, gpu: u16, evidence: Option<Address>) -> Result<Self> {
        let (jobs, staking, gpu) = (market::job::config(), market::stake::config(), market::stake::gpu_model(gpu));
        let known = [CLOCK, jobs, staking, *device, gpu, *key];
        let addresses: Vec<Address> = known.into_iter().chain(evidence).collect();
        let (_, accounts) = chain.network().accounts(&addresses).await?;
        let find = |wanted: &Address| {
            let found = addresses.iter().zip(&accounts).find(|(address, _)| *address == wanted);
            found.and_then(|(_, account)| account.as_ref()).ok_or_else(|| chain.missing(wanted))
        };
        let lamports = |account: Option<&Account>| account.map_or(0, |account| account.lamports);
        // Anyone can send it more SOL, or send SOL to its address after it was closed; neither comes back.
        let evidence = evidence.as_ref().and_then(|evidence| chain::made(find(evidence).ok()));
        let sealed = lamports(evidence).min(reserve::EVIDENCE_LAMPORTS);
        Ok(Self {
            now: moment(&find(&CLOCK)?.data).ok_or_else(|| chain.missing(&CLOCK))?,
            jobs: chain::decode(&jobs, find(&jobs)?)?,
            staking: chain::decode(&staking, find(&staking)?)?,
            device: chain::decode(device, find(device)?)?,
            gpu: chain::decode(&gpu, find(&gpu)?)?,
            lamports: lamports(find(key).ok()).saturating_add(sealed),
        })
    }
}

impl Worker {
    /// What decisions about new work depend on, as of now.
    pub(crate) async fn view(&self) -> Result<View> {
        let evidence = *self.evidence.lock();
        View::read(&self.chain, &self.device, &self.key.pubkey(), self.gpu, evidence).await
    }

    /// Reads an account of a program from a state at least as new as `slot`.
    pub(crate) async fn account_since<T: AccountDeserialize + Owner>(&self, address: &Address, slot: u64) -> Result<Option<T>> {
        let account = self.accounts_since(&[*address], slot).await?.into_iter().next().flatten();
        Ok(chain::decode_if_any(address, account.as_ref())?)
    }

    /// Reads a job from a state at least as new as `slot`, with the clocks of that state.
    pub(crate) async fn job_since(&self, address: &Address, slot: u64) -> Result<(Clocks, Option<Job>)> {
        let (clocks, accounts) = self.state_since(&[*address], slot).await?;
        let account = accounts.first().and_then(Option::as_ref);
        Ok((clocks, chain::decode_if_any(address, account)?))
    }

    /// Reads accounts from a state at least as new as `slot`, with the clocks of that same state. What is late by those is really late;
    /// clocks read separately may be ahead of the accounts.
    pub(crate) async fn state_since(&self, addresses: &[Address], slot: u64) -> Result<(Clocks, Vec<Option<Account>>)> {
        let mut accounts = self.accounts_since(&[addresses, &CLOCKS].concat(), slot).await?;
        let clocks = sysvar::clocks(&accounts.split_off(addresses.len().min(accounts.len())));
        Ok((clocks.ok_or_else(|| self.chain.missing(&CLOCK))?, accounts))
    }

    /// Reads accounts from a state at least as new as `slot`.
    pub(crate) async fn accounts_since(&self, addresses: &[Address], slot: u64) -> Result<Vec<Option<Account>>> {
        let (tries, pause) = CATCH_UP;
        for _ in 0..tries {
            let (seen, accounts) = self.chain.network().accounts(addresses).await?;
            if seen >= slot {
                return Ok(accounts);
            }
            sleep(pause).await;
        }
        let cluster = self.chain.network().url().to_owned();
        Err(Error::Behind { cluster, slot })
    }
}

/// Attempts, and the delay between them, to get a state as new as a given slot from a node that may lag.
const CATCH_UP: (u32, Duration) = (50, Duration::from_millis(100));

/// Changes of jobs as the node pushes them; `None` once a subscription has ended.
pub type News = SelectAll<BoxStream<'static, Option<(Address, Job)>>>;

/// Subscribes to jobs on these models that reach `status`.
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

/// Matches jobs on a model that have this status.
pub fn jobs_on(model: &Address, status: Status) -> Vec<Filter> {
    vec![field!(Job, model, model.as_ref()), field!(Job, status, [status as u8])]
}

/// Matches jobs that a device has taken.
pub(crate) fn taken_by(device: &Address) -> Vec<Filter> {
    vec![field!(Job, device, device.as_ref())]
}

/// Matches demands that wait for an answer from a device.
pub fn demands_of(device: &Address) -> Vec<Filter> {
    vec![
        Filter::Bytes(0, DemandHeader::DISCRIMINATOR.to_vec()),
        field!(DemandHeader, device, device.as_ref()),
        field!(DemandHeader, answered, [0]),
    ]
}

/// Matches evidence that a key has sealed about a subject.
pub(crate) fn evidence_by(challenger: &Address, subject: &Address) -> Vec<Filter> {
    vec![
        field!(EvidenceHeader, challenger, challenger.as_ref()),
        field!(EvidenceHeader, subject, subject.as_ref()),
    ]
}

/// Matches committed results on a model that wait for an auditor.
pub(crate) fn drawn_on(model: &Address) -> Vec<Filter> {
    let mut filters = jobs_on(model, Status::Committed);
    filters.push(field!(Job, audit, [AuditStage::Drawn as u8]));
    filters
}

/// Matches audits that a device has taken.
pub(crate) fn audits_of(device: &Address) -> Vec<Filter> {
    vec![field!(Audit, device, device.as_ref())]
}

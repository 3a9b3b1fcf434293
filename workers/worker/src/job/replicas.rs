//! Jobs that other devices compute too, as replicas or as auditors: what a claim must say about the other replicas, and what has to happen
//! between a commitment and its reveal.

use crate::{Error, Result, Worker};
use chain::JobEnd;
use chain::market::{audit, job as instructions};
use chain::sysvar::{Seed, SlotHashes};
use jobs::{AuditStage, Job, Status};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::Device;

/// What has to happen before a reveal.
pub(crate) enum BeforeReveal {
    /// Nothing, or these instructions in the same transaction.
    Include(Vec<Instruction>),
    /// The draw of an audit, in a transaction of its own.
    Draw(Instruction),
    /// Another party has to act first.
    Wait,
}

impl Worker {
    /// The claim of a job. Fails for a replica if this device or a linked one has another replica.
    pub(crate) async fn claiming(&self, address: &Address, job: &Job, floor: u64) -> Result<Instruction> {
        let key = self.key.pubkey();
        if job.replicas == 1 {
            return Ok(instructions::claim_job(&key, address, job.job_hash, &self.device, self.gpu, floor));
        }
        let own: Device = self.chain.fetch(&self.device).await?;
        let mut others = Vec::new();
        for (sibling, living) in self.siblings(job).await? {
            if sibling == *address {
                continue;
            }
            let taker = living.map(|job| job.device).filter(|device| *device != Address::default());
            if let Some(taker) = taker {
                let device: Device = self.chain.fetch(&taker).await?;
                if taker == self.device || own.is_linked(&device) {
                    return Err(Error::Linked { job: *address });
                }
            }
            // Any account will do for a replica without a device.
            others.push((sibling, taker.unwrap_or(jobs::ID)));
        }
        Ok(instructions::claim_replica(
            &key,
            address,
            job.job_hash,
            &self.device,
            self.gpu,
            floor,
            &others,
        ))
    }

    /// All replicas of a job in order, each with its account while it is in progress.
    async fn siblings(&self, job: &Job) -> Result<Vec<(Address, Option<Job>)>> {
        let addresses = instructions::replicas_of(job);
        let (_, accounts) = self.chain.network().accounts(&addresses).await?;
        let living = |address: &Address, account: Option<_>| {
            let other = account.and_then(|account| chain::decode::<Job>(address, &account).ok());
            other.filter(|other| other.is_sibling(job))
        };
        Ok(addresses
            .iter()
            .zip(accounts)
            .map(|(address, account)| (*address, living(address, account)))
            .collect())
    }

    /// What a committed job needs before its reveal.
    pub(crate) async fn before_reveal(&self, address: &Address, job: &Job) -> Result<BeforeReveal> {
        if job.awaits_siblings() {
            return self.call_reveals(job).await;
        }
        if job.audit_bps.is_zero() || job.replicas > 1 {
            return Ok(BeforeReveal::Include(Vec::new()));
        }
        let overdue = job.is_due(self.chain.clocks().await?);
        Ok(if job.audit == AuditStage::Undrawn {
            let hashes = SlotHashes::read(&self.chain).await?;
            let drawing = audit::draw(address);
            match hashes.first_after(job.draws_after()) {
                Seed::NotYet => BeforeReveal::Wait,
                Seed::Known(_, seed) if !job.is_drawn(address, &seed) => BeforeReveal::Include(vec![drawing]),
                Seed::Known(..) | Seed::Forgotten => BeforeReveal::Draw(drawing),
            }
        } else if job.audit == AuditStage::Drawn && overdue {
            BeforeReveal::Include(vec![audit::skip(address)])
        } else if job.audit == AuditStage::Taken && overdue {
            BeforeReveal::Include(vec![audit::timeout(&self.chain.fetch(&audit::address(address)).await?)])
        } else if job.awaits_auditor() {
            BeforeReveal::Wait
        } else {
            BeforeReveal::Include(Vec::new())
        })
    }

    /// Calls the reveals once all replicas have committed. Ends overdue replicas first, since nobody else might.
    async fn call_reveals(&self, job: &Job) -> Result<BeforeReveal> {
        let siblings = self.siblings(job).await?;
        let clocks = self.chain.clocks().await?;
        let mut first = Vec::new();
        let mut replicas = Vec::new();
        for (address, living) in &siblings {
            let late = |other: &Job| other.status != Status::Committed && other.is_due(clocks);
            match living {
                Some(other) if late(other) => {
                    first.extend(self.ending(address, other).await?);
                    replicas.push((*address, false));
                }
                Some(other) if other.status != Status::Committed => return Ok(BeforeReveal::Wait),
                living => replicas.push((*address, living.is_some())),
            }
        }
        first.push(instructions::call_reveals(&replicas));
        Ok(BeforeReveal::Include(first))
    }

    /// Instructions that end a replica which nobody took, or whose worker is late.
    async fn ending(&self, address: &Address, job: &Job) -> Result<Vec<Instruction>> {
        let key = self.key.pubkey();
        let end = match Status::from_code(job.status) {
            Some(Status::Open) => JobEnd::expire(&self.chain, &key, address, job).await?,
            _ => JobEnd::timeout(&self.chain, &key, address, job).await?,
        };
        Ok(end.instructions)
    }
}

//! Results that others compute too: what a claim must know of the other replicas, and what comes between a commitment and its reveal.

use crate::{Error, Result, Worker};
use chain::JobEnd;
use chain::market::{audit, job as instructions};
use chain::sysvar::{Seed, SlotHashes};
use jobs::{AuditStage, Job, Status};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::Device;

/// What comes before a reveal.
pub(crate) enum Before {
    /// These go with it; often none.
    Along(Vec<Instruction>),
    /// This goes alone: an audit is drawn.
    Alone(Instruction),
    /// Nothing now: others are to act.
    Wait,
}

impl Worker {
    /// The claim of a job, or of a replica that no linked device computes.
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
            // Any account will do where no device is.
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
    pub(crate) async fn before_reveal(&self, address: &Address, job: &Job) -> Result<Before> {
        if job.awaits_siblings() {
            return self.call_reveals(job).await;
        }
        if job.audit_bps.is_zero() || job.replicas > 1 {
            return Ok(Before::Along(Vec::new()));
        }
        let overdue = job.is_due(self.chain.clocks().await?);
        Ok(if job.audit == AuditStage::Undrawn {
            let hashes = SlotHashes::read(&self.chain).await?;
            let drawing = audit::draw(address);
            match hashes.first_after(job.draws_after()) {
                Seed::NotYet => Before::Wait,
                Seed::Known(_, seed) if !job.is_drawn(address, &seed) => Before::Along(vec![drawing]),
                Seed::Known(..) | Seed::Forgotten => Before::Alone(drawing),
            }
        } else if job.audit == AuditStage::Drawn && overdue {
            Before::Along(vec![audit::skip(address)])
        } else if job.audit == AuditStage::Taken && overdue {
            Before::Along(vec![audit::timeout(&self.chain.fetch(&audit::address(address)).await?)])
        } else if job.awaits_auditor() {
            Before::Wait
        } else {
            Before::Along(Vec::new())
        })
    }

    /// Replicas that have all committed are called; one that is overdue is ended first, since nobody else may.
    async fn call_reveals(&self, job: &Job) -> Result<Before> {
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
                Some(other) if other.status != Status::Committed => return Ok(Before::Wait),
                living => replicas.push((*address, living.is_some())),
            }
        }
        first.push(instructions::call_reveals(&replicas));
        Ok(Before::Along(first))
    }

    /// Ends a replica that nobody took, or whose worker is late.
    async fn ending(&self, address: &Address, job: &Job) -> Result<Vec<Instruction>> {
        let key = self.key.pubkey();
        let end = match Status::from_code(job.status) {
            Some(Status::Open) => JobEnd::expire(&self.chain, &key, address, job).await?,
            _ => JobEnd::timeout(&self.chain, &key, address, job).await?,
        };
        Ok(end.instructions)
    }
}

//! From a case to a conviction: evidence is sealed, written piece by piece, and acted on; its rent comes back.
//!
//! Where a dispute stands is read from the chain before every step, and every transaction is on disk before it is sent, so a
//! process that is killed at any point goes on without losing or repeating anything.

use crate::Result;
use ::referee::EvidenceHeader;
use chain::market::job::Proof;
use chain::market::{self, referee};
use chain::{Chain, Outcome, Payee, Pending, Receipt, SendOptions};
use jobs::{Conviction, DemandHeader, Escrow, Job, Status};
use protocol::demand::Item;
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::time::Duration;

/// Evidence is hidden until a slot after its seal.
const NEXT_SLOT: Duration = Duration::from_millis(200);

/// Brings cases.
pub struct Challenger<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// Transactions that may be on their way.
    pub pending: &'a Pending,
    /// Signs, pays and is rewarded.
    pub key: &'a Keypair,
    /// How transactions are sent.
    pub options: &'a SendOptions,
}

/// A case that is being brought.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The job.
    pub job: &'a Address,
    /// JOB: an address can be used again for another job.
    pub hash: &'a Hash,
    /// The evidence.
    pub evidence: &'a [u8],
}

/// What a transaction of a dispute does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Announces the evidence by its hash.
    Seal,
    /// Shows a piece of it.
    Write,
    /// Convicts the job by it.
    Convict,
    /// Takes over the reward of who convicted by a later seal.
    Overtake,
    /// Closes it, whose rent comes back.
    Close,
}

impl Action {
    /// Its name, for logs and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal evidence",
            Self::Write => "write evidence",
            Self::Convict => "convict",
            Self::Overtake => "overtake",
            Self::Close => "close evidence",
        }
    }
}

/// What happened in one step.
#[derive(Clone, Debug)]
pub enum Step {
    /// A transaction did this.
    Did(Action, Receipt),
    /// Nothing can be done before this has passed.
    Wait(Duration),
    /// The dispute is over for this challenger.
    Over(DisputeOutcome),
}

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeOutcome {
    /// The job is convicted by this evidence.
    Convicted,
    /// The job is convicted by evidence that was sealed before this.
    Beaten,
    /// The job ended otherwise.
    TooLate,
}

/// What a dispute is to come to.
enum Act<'a> {
    Convict(&'a Job),
    Overtake(&'a Job),
    Leave(DisputeOutcome),
}

impl Challenger<'_> {
    /// Brings a case as far as it goes, and tells `done` of every transaction.
    pub async fn bring(&self, charge: &Charge<'_>, mut done: impl FnMut(Action, &Receipt)) -> Result<DisputeOutcome> {
        let mut convicted = false;
        loop {
            match self.step(charge).await? {
                Step::Did(action, receipt) => {
                    convicted |= matches!(action, Action::Convict | Action::Overtake);
                    done(action, &receipt);
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                // The award may close everything before the evidence is.
                Step::Over(DisputeOutcome::TooLate) if convicted => return Ok(DisputeOutcome::Convicted),
                Step::Over(ending) => return Ok(ending),
            }
        }
    }

    /// Takes the one step that follows from where the chain is.
    pub async fn step(&self, charge: &Charge<'_>) -> Result<Step> {
        let Charge {
            job: address, evidence, ..
        } = *charge;
        let challenger = self.key.pubkey();
        let seal = protocol::referee::seal(evidence, challenger.as_array(), address.as_array());
        let job: Option<Job> = self.chain.try_fetch(address).await?;
        let job = job.filter(|job| job.job_hash == *charge.hash);
        let shown: Option<EvidenceHeader> = self.chain.try_fetch(&referee::evidence(&challenger, &seal)).await?;
        let act = match &job {
            Some(job) if job.status == Status::Revealed as u8 => Act::Convict(job),
            Some(job) if job.status == Status::Convicted as u8 => self.after_conviction(address, job, shown.as_ref()).await?,
            _ => Act::Leave(DisputeOutcome::TooLate),
        };
        match (act, referee::next(&challenger, address, evidence, shown.as_ref())) {
            (Act::Leave(ending), _) if shown.is_none() => Ok(Step::Over(ending)),
            // The bytes have served their purpose, or none: the rent comes back.
            (Act::Leave(_), _) => {
                let closing = referee::close_evidence(&challenger, &seal);
                self.send(Action::Close, charge, &[closing]).await
            }
            (_, Some(next)) => {
                let action = if shown.is_none() { Action::Seal } else { Action::Write };
                match self.send(action, charge, &[next]).await {
                    Err(error) if is_early(&error) => Ok(Step::Wait(NEXT_SLOT)),
                    step => step,
                }
            }
            (Act::Convict(job), None) => {
                let convicting = self.convict(charge, job, &seal).await?;
                self.send(Action::Convict, charge, &convicting).await
            }
            (Act::Overtake(job), None) => {
                let evidence = referee::evidence(&challenger, &seal);
                let proof = Proof {
                    evidence,
                    shown: self.shown(charge, job).await?,
                };
                let overtaking = market::job::overtake(&challenger, address, &job.model, &job.device, proof);
                self.send(Action::Overtake, charge, &[overtaking]).await
            }
        }
    }

    /// What is left to do once somebody has convicted: the earliest seal has the reward.
    async fn after_conviction<'a>(&self, address: &Address, job: &'a Job, shown: Option<&EvidenceHeader>) -> Result<Act<'a>> {
        let conviction: Option<Conviction> = self.chain.try_fetch(&market::job::conviction(address)).await?;
        let Some(first) = conviction else {
            return Ok(Act::Leave(DisputeOutcome::TooLate));
        };
        if first.challenger == self.key.pubkey() {
            return Ok(Act::Leave(DisputeOutcome::Convicted));
        }
        let Some(shown) = shown else {
            return Ok(Act::Leave(DisputeOutcome::Beaten));
        };
        let in_time = !self.chain.now().await?.reached(job.deadline());
        if in_time && shown.sealed_slot.get() < first.sealed_slot.get() {
            return Ok(Act::Overtake(job));
        }
        Ok(Act::Leave(DisputeOutcome::Beaten))
    }

    /// The demand by which the worker has shown the unit in question, where the referee needs it.
    async fn shown(&self, charge: &Charge<'_>, job: &Job) -> Result<Option<Address>> {
        let Some(unit) = protocol::referee::unit_of(charge.evidence) else {
            return Ok(None);
        };
        let address = market::demand::address(charge.job, Item::ops(unit));
        let demand: Option<DemandHeader> = self.chain.try_fetch(&address).await?;
        Ok(demand.filter(|demand| demand.shown_unit(job).is_ok()).map(|_| address))
    }

    async fn convict(&self, charge: &Charge<'_>, job: &Job, seal: &Hash) -> Result<Vec<Instruction>> {
        let (challenger, address) = (self.key.pubkey(), charge.job);
        let compensated = compensation(self.chain, &challenger, job).await?;
        let proof = Proof {
            evidence: referee::evidence(&challenger, seal),
            shown: self.shown(charge, job).await?,
        };
        let (model, escrow, device) = (&job.model, &job.escrow, &job.device);
        let convict = market::job::convict(&challenger, address, model, escrow, device, proof, &compensated.account);
        Ok(compensated.opening.into_iter().chain([convict]).collect())
    }

    /// Sends for a charge, so that a crash at any point neither loses it nor sends it twice.
    async fn send(&self, action: Action, charge: &Charge<'_>, instructions: &[Instruction]) -> Result<Step> {
        let purpose = format!("{} {} {}", action.name(), charge.job, hex::encode(charge.hash));
        for intent in self.pending.unsettled().into_iter().filter(|intent| intent.purpose == purpose) {
            if let Outcome::Confirmed(receipt) = self.chain.resolve(self.pending, &intent.prepared, self.options).await? {
                return Ok(Step::Did(action, receipt));
            }
        }
        let signers: [&dyn Signer; 1] = [self.key];
        let sending = self
            .chain
            .send_recorded(self.pending, &purpose, instructions, &signers, self.options);
        Ok(Step::Did(action, sending.await?.confirmed()?))
    }
}

/// The account that receives the compensation of a job's consumer.
async fn compensation(chain: &Chain, payer: &Address, job: &Job) -> Result<Payee> {
    let escrow: Escrow = chain.fetch(&job.escrow).await?;
    let config: jobs::Config = chain.fetch(&market::job::config()).await?;
    Ok(chain.payee(payer, &escrow.owner, &config.mint, &job.job_hash).await?)
}

/// What convicts the worker of a job for silence.
pub(crate) async fn silence(chain: &Chain, payer: &Address, address: &Address, job: &Job, demand: &Address) -> Result<Vec<Instruction>> {
    let compensated = compensation(chain, payer, job).await?;
    let convict = market::demand::convict_silence(payer, address, &job.escrow, &job.device, demand, &compensated.account);
    Ok(compensated.opening.into_iter().chain([convict]).collect())
}

/// Whether a piece came in the slot of its seal.
fn is_early(error: &crate::Error) -> bool {
    matches!(error, crate::Error::Chain(chain::Error::Transaction(cause))
        if matches!(&**cause, chain::NotConfirmed::Failed(failure) if failure.explanation.name == "TooEarly"))
}

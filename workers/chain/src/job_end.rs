//! The transactions that end jobs. Everything they need besides the job is read from the chain.

use crate::market::job::JobParties;
use crate::market::{audit, job};
use crate::{Chain, Result};
use jobs::{Audit, AuditStage, Config, Conviction, Escrow, Job};
use solana_address::Address;
use solana_instruction::Instruction;
use staking::Device;

/// A transaction that ends a job, or the audit that a job waits for, or that convicts its worker.
#[derive(Clone, Debug)]
pub struct JobEnd {
    /// The instructions to send.
    pub instructions: Vec<Instruction>,
    /// Lamports that the cranker pays for token accounts of others.
    pub rent: u64,
}

impl From<Instruction> for JobEnd {
    /// A transaction that pays nobody.
    fn from(instruction: Instruction) -> Self {
        Self {
            instructions: vec![instruction],
            rent: 0,
        }
    }
}

impl JobEnd {
    /// Pays for a job whose challenge window has passed: its supplier, and its auditor if that has proved the result.
    pub async fn settle(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> Result<Self> {
        let (parties, mint) = job_parties(chain, address, job).await?;
        let device: Device = chain.fetch(&job.device).await?;
        let mut wallets = vec![device.payout];
        if job.is_audit_sealed() && job.audit == AuditStage::Proven {
            let audit: Audit = chain.fetch(&audit::address(address)).await?;
            // If both are paid to one wallet, one account receives both parts.
            wallets.extend((audit.payout != device.payout).then_some(audit.payout));
        }
        let (mut accounts, mut instructions, mut rent) = (Vec::new(), Vec::new(), 0_u64);
        for wallet in &wallets {
            let payee = chain.payee(cranker, wallet, &mint, &job.job_hash).await?;
            rent = rent.saturating_add(if wallet == cranker { 0 } else { payee.rent() });
            instructions.extend(payee.opening);
            accounts.push(payee.account);
        }
        let mut accounts = accounts.into_iter();
        let payout = accounts.next().unwrap_or_default();
        instructions.push(match job.is_audit_sealed() {
            true => job::settle_audited(cranker, &parties, &payout, accounts.next()),
            false => job::settle_job(cranker, &parties, &payout),
        });
        Ok(Self { instructions, rent })
    }

    /// Pays the challenger of a convicted job.
    pub async fn award(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> Result<Self> {
        let conviction: Conviction = chain.fetch(&job::conviction(address)).await?;
        let config: Config = chain.fetch(&job::config()).await?;
        let challenger = conviction.challenger;
        let payee = chain.payee(cranker, &challenger, &config.mint, &job.job_hash).await?;
        let rent = if challenger == *cranker { 0 } else { payee.rent() };
        let award = job::award(cranker, address, &conviction, &payee.account);
        Ok(Self {
            instructions: payee.opening.into_iter().chain([award]).collect(),
            rent,
        })
    }

    /// Refunds a job that nobody claimed.
    pub async fn expire(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> Result<Self> {
        let (parties, _) = job_parties(chain, address, job).await?;
        Ok(job::expire_job(cranker, &parties).into())
    }

    /// Refunds a job whose worker is late.
    pub async fn timeout(chain: &Chain, cranker: &Address, address: &Address, job: &Job) -> Result<Self> {
        let (parties, _) = job_parties(chain, address, job).await?;
        Ok(job::timeout_job(cranker, &parties).into())
    }
}

/// The accounts that the end of a job involves, and the mint it is paid in.
pub async fn job_parties(chain: &Chain, address: &Address, job: &Job) -> Result<(JobParties, Address)> {
    let escrow: Escrow = chain.fetch(&job.escrow).await?;
    let parties = JobParties {
        job: *address,
        escrow: job.escrow,
        consumer: escrow.owner,
        device: job.device,
    };
    Ok((parties, escrow.mint))
}

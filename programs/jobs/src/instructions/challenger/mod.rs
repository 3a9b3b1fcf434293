mod convict;
mod overtake;

pub use convict::*;
pub use overtake::*;

use crate::error::JobsError;
use anchor_lang::pinocchio::cpi::get_return_data;
use anchor_lang::prelude::*;
use protocol::referee::Verdict;
use staking::Device;

/// The referee, as an account an instruction asks for: `Program<Referee>`.
pub struct Referee;

impl Id for Referee {
    fn id() -> Address {
        referee::ID
    }
}

/// Has the referee judge sealed evidence about a job's result; fails unless it convicts.
fn convicting_verdict(
    program: &Program<Referee>,
    evidence: &referee::Evidence,
    challenger: &Address,
    job: &Address,
    claim: referee::Claim,
) -> Result<Verdict> {
    require!(evidence.challenger == *challenger, JobsError::NotChallenger);
    require!(evidence.subject == *job, JobsError::EvidenceMismatch);
    ask(program, evidence, claim)
}

/// Has the referee judge; on a stack frame of its own, for the answer's kilobyte.
#[inline(never)]
fn ask(program: &Program<Referee>, evidence: &referee::Evidence, claim: referee::Claim) -> Result<Verdict> {
    let accounts = referee::cpi::accounts::Judge {
        evidence: evidence.cpi_handle(),
    };
    referee::cpi::judge(CpiContext::new(program.address(), accounts), claim)?;
    let answer = get_return_data().ok_or(JobsError::NoVerdict)?;
    require!(*answer.program_id() == referee::ID, JobsError::NoVerdict);
    let verdict = Verdict::from_bytes(answer.as_slice()).ok_or(JobsError::NoVerdict)?;
    require!(verdict.convicted, JobsError::NotConvicted);
    Ok(verdict)
}

/// Whether a wallet or key is the device's own.
fn is_of_device(device: &Device, address: &Address) -> bool {
    [device.owner, device.payout, device.key, device.first_key].contains(address)
}

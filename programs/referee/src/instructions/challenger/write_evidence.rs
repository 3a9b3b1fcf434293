use crate::error::RefereeError;
use crate::events::EvidenceCompleted;
use crate::state::{self, Evidence};
use alloc::vec::Vec;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct WriteEvidence {
    #[account(address = evidence.challenger @ RefereeError::NotChallenger)]
    pub challenger: Signer,
    #[account(mut)]
    pub evidence: Evidence,
}

/// - fails for anyone but the challenger, in the slot of the seal, out of order, and beyond the announced length
/// - the last piece fails if the whole does not match the seal
/// - after a crash the challenger continues at the number of bytes that the account says are written
pub fn write_evidence(ctx: &mut Context<WriteEvidence>, offset: u32, bytes: Vec<u8>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let evidence = &mut accounts.evidence;
    state::append(evidence, offset, &bytes, Clock::get()?.slot)?;
    if evidence.complete.get() {
        emit!(EvidenceCompleted {
            evidence: *evidence.address(),
            challenger: evidence.challenger,
            subject: evidence.subject,
        });
    }
    Ok(())
}

use crate::error::RefereeError;
use crate::events::EvidenceClosed;
use crate::state::Evidence;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseEvidence {
    #[account(mut, address = evidence.challenger @ RefereeError::NotChallenger)]
    pub challenger: Signer,
    #[account(mut, close = challenger)]
    pub evidence: Evidence,
}

/// - fails for anyone but the challenger
/// - closes the evidence, complete or not, and returns the rent
pub fn close_evidence(ctx: &mut Context<CloseEvidence>) -> Result<()> {
    let evidence = &ctx.accounts.evidence;
    emit!(EvidenceClosed {
        evidence: *evidence.address(),
        challenger: evidence.challenger,
        subject: evidence.subject,
    });
    Ok(())
}

#![allow(unused_variables)] // Anchor repeats the instruction arguments in functions that do not read them.

use crate::events::EvidenceSealed;
use crate::state::{EVIDENCE_SEED, Evidence};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(seal: [u8; 32])]
pub struct SealEvidence {
    /// Pays the rent, which returns with the account.
    #[account(mut)]
    pub challenger: Signer,
    #[account(
        init,
        payer = challenger,
        space = Evidence::space_for(0),
        seeds = [EVIDENCE_SEED, challenger.address().as_ref(), &seal],
        bump
    )]
    pub evidence: Evidence,
    pub system_program: Program<System>,
}

/// - fails for no or too many bytes, and for a seal the challenger has in use
/// - nothing of the evidence is shown, and nobody else can use the seal
pub fn seal_evidence(ctx: &mut Context<SealEvidence>, seal: [u8; 32], subject: Address, length: u32) -> Result<()> {
    let (challenger, slot) = (*ctx.accounts.challenger.address(), Clock::get()?.slot);
    let bump = ctx.bumps.evidence;
    let evidence = &mut ctx.accounts.evidence;
    evidence.start(challenger, subject, seal, length, slot, bump)?;
    emit!(EvidenceSealed {
        evidence: *evidence.address(),
        challenger,
        subject,
        seal,
        length,
        slot
    });
    Ok(())
}

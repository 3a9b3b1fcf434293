#![allow(unused_variables)] // Anchor repeats the instruction arguments in functions that do not read them.

use crate::events::EvidenceSealed;
use crate::state::{self, EVIDENCE_SEED, Evidence};
use anchor_lang::cpi::rent_exempt_lamports;
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(seal: [u8; 32])]
pub struct SealEvidence {
    #[account(mut)]
    pub challenger: Signer,
    #[account(
        init,
        payer = challenger,
        space = state::space(0),
        seeds = [EVIDENCE_SEED, challenger.address().as_ref(), &seal],
        bump
    )]
    pub evidence: Evidence,
    pub system_program: Program<System>,
}

/// - fails for no or too many bytes, and for a seal that the challenger already uses
/// - the challenger pays the rent for the announced length, and gets it back when the account is closed
/// - the seal discloses nothing of the evidence, and nobody else can use it
pub fn seal_evidence(ctx: &mut Context<SealEvidence>, seal: [u8; 32], subject: Address, length: u32) -> Result<()> {
    let (challenger, slot) = (*ctx.accounts.challenger.address(), Clock::get()?.slot);
    let bump = ctx.bumps.evidence;
    let accounts = &mut ctx.accounts;
    let evidence = &mut accounts.evidence;
    evidence.start(challenger, subject, seal, length, slot, bump)?;
    // Take all of the rent now: then `write_evidence` needs no system program, and more evidence fits into its transactions.
    let rent = rent_exempt_lamports(state::space(length))?;
    let missing = rent.saturating_sub(evidence.view().lamports());
    system_program::transfer(
        CpiContext::new(
            accounts.system_program.address(),
            system_program::Transfer {
                from: accounts.challenger.cpi_handle_mut(),
                to: evidence.cpi_handle_mut(),
            },
        ),
        missing,
    )?;
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

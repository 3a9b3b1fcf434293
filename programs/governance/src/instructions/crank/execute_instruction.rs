use crate::error::GovernanceError;
use crate::events::InstructionExecuted;
use crate::kind;
use crate::state::{Payload, Proposal, bytes, parse};
use crate::{AUTHORITY_SEED, PURSE_SEED};
use alloc::vec::Vec;
use anchor_lang::CpiHandle;
use anchor_lang::prelude::*;

/// The program that the instruction calls and the instruction's accounts follow, in order, as remaining accounts.
#[derive(Accounts)]
pub struct ExecuteInstruction {
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(constraint(payload.proposal == *proposal.address() @ GovernanceError::AccountMismatch))]
    pub payload: Payload,
}

/// - anyone may call; fails before the timelock ends, after the proposal expires, and if it was vetoed
/// - executes instructions in order, each once; one that fails can be tried again
/// - fails for other accounts than those that were voted on, including which of them sign and are writable
/// - fails if an upgrade has made the instruction one of a stricter kind than was voted on
/// - signs with the authority and the purse
pub fn execute_instruction(ctx: &mut Context<ExecuteInstruction>) -> Result<()> {
    let mut rest = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    let instruction = parse(bytes(&accounts.payload))?;
    let index = accounts.payload.index;
    let kind = kind::of(&instruction)?;
    accounts.proposal.execute(index, kind, Clock::get()?.unix_timestamp)?;
    emit!(InstructionExecuted {
        proposal: *accounts.proposal.address(),
        index,
        program: instruction.program_id
    });
    if accounts.proposal.has_ended() {
        accounts.proposal.announce(*accounts.proposal.address());
    }

    let (program, views) = rest.split_first_mut().ok_or(GovernanceError::AccountsChanged)?;
    let same = *program.address() == instruction.program_id
        && views.len() == instruction.accounts.len()
        && views
            .iter()
            .zip(&instruction.accounts)
            .all(|(view, meta)| *view.address() == meta.pubkey);
    require!(same, GovernanceError::AccountsChanged);
    let handles: Vec<CpiHandle> = views
        .iter_mut()
        .zip(&instruction.accounts)
        .map(|(view, meta)| match meta.is_writable {
            true => CpiHandle::writable(view),
            false => CpiHandle::readonly(view),
        })
        .collect();
    let signers: [&[&[u8]]; 2] = [
        &[AUTHORITY_SEED, &[accounts.proposal.authority_bump]],
        &[PURSE_SEED, &[accounts.proposal.purse_bump]],
    ];
    anchor_lang::solana_program::program::invoke_signed(&instruction, &handles, &signers)?;
    Ok(())
}

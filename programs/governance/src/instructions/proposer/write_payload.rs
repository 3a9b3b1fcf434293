use crate::error::GovernanceError;
use crate::events::InstructionWritten;
use crate::kind;
use crate::state::{self, Payload, Proposal, Status};
use alloc::vec::Vec;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct WritePayload {
    #[account(address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: Signer,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(mut, constraint(payload.proposal == *proposal.address() @ GovernanceError::AccountMismatch))]
    pub payload: Payload,
}

/// - fails for anyone but the proposer, once the proposal is submitted, out of order, and beyond the announced length
/// - the last bytes make the instruction final and determine its kind; they fail for a parameter outside its bounds, for new code that is
///   not named by its hash, and for any signer but governance's authority and purse
pub fn write_payload(ctx: &mut Context<WritePayload>, offset: u32, bytes: Vec<u8>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.proposal.check_status(Status::Draft)?;
    if !state::append(&mut accounts.payload, offset, &bytes)? {
        return Ok(());
    }
    let instruction = state::parse(state::bytes(&accounts.payload))?;
    let kind = kind::of(&instruction)?;
    accounts.proposal.complete_payload(&instruction, kind)?;
    emit!(InstructionWritten {
        proposal: *accounts.proposal.address(),
        index: accounts.payload.index,
        program: instruction.program_id,
        kind: kind as u8
    });
    Ok(())
}

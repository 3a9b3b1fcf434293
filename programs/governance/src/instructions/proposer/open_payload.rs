use crate::error::GovernanceError;
use crate::state::{MAX_BYTES, MIN_BYTES, PAYLOAD_SEED, Payload, Proposal};
use anchor_lang::cpi::rent_exempt_lamports;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct OpenPayload {
    #[account(mut, address = proposal.proposer @ GovernanceError::NotProposer)]
    pub proposer: Signer,
    #[account(mut)]
    pub proposal: Account<Proposal>,
    #[account(
        init,
        payer = proposer,
        space = Payload::space_for(0),
        seeds = [PAYLOAD_SEED, proposal.address().as_ref(), &[proposal.instructions]],
        bump
    )]
    pub payload: Payload,
    pub system_program: Program<System>,
}

/// - fails for anyone but the proposer, once the proposal is submitted, while another instruction is incomplete, and for too many
///   instructions or one that is too short or too long
/// - the proposer pays the rent for the announced length, and gets it back when the account is closed
pub fn open_payload(ctx: &mut Context<OpenPayload>, length: u32) -> Result<()> {
    let bump = ctx.bumps.payload;
    let accounts = &mut ctx.accounts;
    require!((MIN_BYTES..=MAX_BYTES).contains(&length), GovernanceError::InvalidInstruction);
    let index = accounts.proposal.open_payload()?;
    let payload = &mut accounts.payload;
    payload.open(*accounts.proposal.address(), index, length, bump);
    let rent = rent_exempt_lamports(Payload::space_for(length))?;
    let missing = rent.saturating_sub(payload.view().lamports());
    system_program::transfer(
        CpiContext::new(
            accounts.system_program.address(),
            system_program::Transfer {
                from: accounts.proposer.cpi_handle_mut(),
                to: payload.cpi_handle_mut(),
            },
        ),
        missing,
    )
}

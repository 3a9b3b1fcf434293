use crate::error::JobsError;
use crate::state::Draft;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct DiscardDraft {
    #[account(mut, address = draft.registrar @ JobsError::NotRegistrar)]
    pub registrar: Signer,
    #[account(mut, close = registrar)]
    pub draft: Draft,
}

/// - fails for anyone but the registrar
/// - returns the draft's rent
pub fn discard_draft(_ctx: &mut Context<DiscardDraft>) -> Result<()> {
    Ok(())
}

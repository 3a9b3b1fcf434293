use crate::error::GovernanceError;
use crate::events::Delegated;
use crate::state::Delegation;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ClearDelegate {
    #[account(mut, address = delegation.owner @ GovernanceError::NotVoter)]
    pub owner: Signer,
    #[account(mut, close = owner)]
    pub delegation: Account<Delegation>,
}

/// - fails for anyone but the owner
/// - votes that the representative has cast stand until the owner changes or withdraws them
pub fn clear_delegate(ctx: &mut Context<ClearDelegate>) -> Result<()> {
    let owner = *ctx.accounts.owner.address();
    emit!(Delegated {
        owner,
        representative: owner
    });
    Ok(())
}

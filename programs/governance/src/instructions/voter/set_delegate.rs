use crate::events::Delegated;
use crate::state::Delegation;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetDelegate {
    #[account(mut)]
    pub owner: Signer,
    #[account(init, payer = owner, seeds = [Delegation::SEED, owner.address().as_ref()], bump)]
    pub delegation: Account<Delegation>,
    pub system_program: Program<System>,
}

/// - fails for the owner itself, and while a representative is named
/// - the representative may then vote with all of the owner's stake, wherever the owner does not vote itself
pub fn set_delegate(ctx: &mut Context<SetDelegate>, representative: Address) -> Result<()> {
    let bump = ctx.bumps.delegation;
    let accounts = &mut ctx.accounts;
    let owner = *accounts.owner.address();
    accounts.delegation.create(owner, representative, bump)?;
    emit!(Delegated { owner, representative });
    Ok(())
}

use crate::error::StakingError;
use crate::state::Device;
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct CloseDevice {
    #[account(mut, address = device.owner @ StakingError::NotOwner)]
    pub owner: Signer,
    #[account(mut, close = owner)]
    pub device: Account<Device>,
    #[account(mut, seeds = [Device::VAULT_SEED, device.address().as_ref()], bump = device.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives any tokens that someone sent to the vault as a gift.
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - fails for anyone but the owner, unless the device is terminated, while it has stake, debts, forfeits or rewards of any kind, and while
///   an offer exists
/// - returns the rent of both accounts; its keys can never be registered again (B9)
pub fn close_device(ctx: &mut Context<CloseDevice>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.device.check_closable()?;
    vault::close(
        &accounts.device,
        &mut accounts.vault,
        &mut accounts.to,
        &mut accounts.owner,
        &accounts.token_program,
    )
}

use crate::error::StakingError;
use crate::state::Device;
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
    let (first_key, bump) = (accounts.device.first_key, [accounts.device.bump]);
    let seeds: [&[u8]; 3] = [Device::SEED, first_key.as_ref(), &bump];
    let donated = accounts.vault.amount();
    if donated > 0 {
        accounts
            .token_program
            .transfer(&mut accounts.vault, &mut accounts.to, &accounts.device, &[&seeds], donated)?;
    }
    accounts
        .token_program
        .close_account(&mut accounts.vault, &mut accounts.owner, &accounts.device, &[&seeds])
}

use crate::error::CostakingError;
use crate::events::OfferClosed;
use crate::state::{Offer, Status};
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;

#[derive(Accounts)]
pub struct CloseOffer {
    /// CHECK: the offer's owner, which receives both rents.
    #[account(mut, address = offer.owner @ CostakingError::AccountMismatch)]
    pub owner: UncheckedAccount,
    #[account(mut, close = owner)]
    pub offer: Account<Offer>,
    #[account(mut, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump = offer.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// Receives the dust of rounding.
    #[account(mut, token::authority = owner)]
    pub to: Account<TokenAccount>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails unless the offer has ended and everybody has left it
/// - the dust of rounding and both rents go to the device's owner
pub fn close_offer(ctx: &mut Context<CloseOffer>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_status(&[Status::Ended])?;
    require!(accounts.offer.holders.is_zero(), CostakingError::OfferInUse);
    let (device, index, bump) = (
        accounts.offer.device,
        accounts.offer.index.get().to_le_bytes(),
        [accounts.offer.bump],
    );
    let seeds: [&[u8]; 4] = [Offer::SEED, device.as_ref(), &index, &bump];
    let dust = accounts.vault.amount();
    emit!(OfferClosed {
        offer: *accounts.offer.address(),
        dust
    });
    if dust > 0 {
        accounts
            .token_program
            .transfer(&mut accounts.vault, &mut accounts.to, &accounts.offer, &[&seeds], dust)?;
    }
    accounts
        .token_program
        .close_account(&mut accounts.vault, &mut accounts.owner, &accounts.offer, &[&seeds])
}

//! Tokens that leave an offer's vault, signed for by the offer.

use crate::state::Offer;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use anchor_spl::prelude::*;
use core::slice;

/// Pays out of an offer's vault.
pub fn pay(
    offer: &Account<Offer>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    token.transfer(vault, to, offer, &[&seeds(offer)], amount)
}

/// Closes an offer's vault: the dust of rounding and what people have donated go to `to`, the rent to the owner.
pub fn close(
    offer: &Account<Offer>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    owner: &mut UncheckedAccount,
    token: &Program<Token>,
) -> Result<()> {
    let left = vault.amount();
    if left > 0 {
        pay(offer, vault, to, token, left)?;
    }
    token.close_account(vault, owner, offer, &[&seeds(offer)])
}

fn seeds(offer: &Offer) -> [&[u8]; 4] {
    [
        Offer::SEED,
        offer.device.as_ref(),
        bytemuck::bytes_of(&offer.index),
        slice::from_ref(&offer.bump),
    ]
}

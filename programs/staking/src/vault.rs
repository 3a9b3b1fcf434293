//! Tokens that leave a vault, signed for by the account that the vault belongs to.

use crate::state::{Device, Emission};
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{Mint, TokenAccount};
use core::slice;

/// Pays out of a device's vault.
pub fn pay(
    device: &Account<Device>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    token.transfer(vault, to, device, &[&seeds(device)], amount)
}

/// Burns tokens of a device's vault, so that the supply falls.
pub fn burn(
    device: &Account<Device>,
    vault: &mut Account<TokenAccount>,
    mint: &mut Account<Mint>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    token.burn(vault, mint, device, &[&seeds(device)], amount)
}

/// Closes a device's vault: what people have donated goes to `to`, the rent to the owner.
pub fn close(
    device: &Account<Device>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    owner: &mut Signer,
    token: &Program<Token>,
) -> Result<()> {
    let donated = vault.amount();
    if donated > 0 {
        pay(device, vault, to, token, donated)?;
    }
    token.close_account(vault, owner, device, &[&seeds(device)])
}

/// Pays rewards out of the emission's vault.
pub fn pay_rewards(
    emission: &Account<Emission>,
    vault: &mut Account<TokenAccount>,
    to: &mut Account<TokenAccount>,
    token: &Program<Token>,
    amount: u64,
) -> Result<()> {
    let seeds = [Emission::SEED, slice::from_ref(&emission.bump)];
    token.transfer(vault, to, emission, &[&seeds], amount)
}

fn seeds(device: &Device) -> [&[u8]; 3] {
    [Device::SEED, device.first_key.as_ref(), slice::from_ref(&device.bump)]
}

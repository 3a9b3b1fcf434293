use crate::AUTHORITY_SEED;
use crate::authority;
use crate::error::CostakingError;
use crate::events::ExitWithdrawn;
use crate::state::{Config, Exit, Offer};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::prelude::*;
use anchor_spl::{TokenAccount, get_associated_token_address};
use staking::{Device, Staking};

#[derive(Accounts)]
pub struct WithdrawExit {
    // May be the holder too: the caller only signs, and the holder's account only receives lamports.
    #[account(unsafe(dup))]
    pub caller: Signer,
    /// CHECK: the exit's holder, which receives the rent.
    #[account(mut, unsafe(dup), address = exit.holder @ CostakingError::NotHolder)]
    pub holder: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, address = exit.offer @ CostakingError::AccountMismatch)]
    pub offer: Account<Offer>,
    #[account(mut, close = holder)]
    pub exit: Account<Exit>,
    /// CHECK: the offer's device. Only staking pays out of it; it may be closed when this exit has no stake.
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: UncheckedAccount,
    /// CHECK: the device's vault, which may be closed like the device; staking checks whose it is.
    #[account(mut)]
    pub device_vault: UncheckedAccount,
    #[account(mut, seeds = [Offer::VAULT_SEED, offer.address().as_ref()], bump = offer.vault_bump)]
    pub vault: Account<TokenAccount>,
    /// A token account of the holder. If somebody else calls, the holder's associated token account, since anyone could create others for
    /// it.
    #[account(mut, token::authority = holder)]
    pub to: Account<TokenAccount>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - fails before the exit has cooled down, and for anyone but the holder until the offer has ended and no more rewards can come; never
///   paused
/// - fails for anyone but the holder while a slash has set stake of the device aside, because an exit that is withdrawn gets no part of
///   what an overturned slash returns
/// - fails for anyone but the holder when `to` is not the holder's associated token account
/// - always pays the holder: the stake, the rewards until its last hour as far as they were recorded in time, and the rent
/// - an exit that was worth less than a base unit when its cooldown started has no stake, and its device may be closed
pub fn withdraw_exit(ctx: &mut Context<WithdrawExit>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (caller, holder) = (accounts.caller.address(), &accounts.exit.holder);
    accounts.offer.check_leaver(caller, holder)?;
    let shares = accounts.exit.cooling_shares.get();
    if caller != holder {
        let device = || Account::<Device>::load(*accounts.device.account());
        require!(shares == 0 || device()?.aside.is_zero(), CostakingError::SlashOpen);
        let usual = get_associated_token_address(holder, &accounts.staking_config.mint);
        require!(*accounts.to.address() == usual, CostakingError::AccountMismatch);
    }
    accounts.exit.check_over(Clock::get()?.unix_timestamp)?;
    accounts.exit.settle(&accounts.offer)?;
    // A shortfall of rewards never blocks the stake.
    let left = accounts.offer.received.get().saturating_sub(accounts.offer.paid.get());
    let rewards = accounts.exit.rewards.get().min(left);
    accounts.offer.release()?;
    let before = accounts.to.amount();
    if shares > 0 {
        authority::withdraw_co_stake(accounts, shares)?;
    }
    emit!(ExitWithdrawn {
        offer: *accounts.offer.address(),
        exit: *accounts.exit.address(),
        holder: accounts.exit.holder,
        amount: accounts.to.amount().saturating_sub(before),
        rewards
    });
    if rewards == 0 {
        return Ok(());
    }
    accounts.offer.pay(rewards)?;
    vault::pay(
        &accounts.offer,
        &mut accounts.vault,
        &mut accounts.to,
        &accounts.token_program,
        rewards,
    )
}

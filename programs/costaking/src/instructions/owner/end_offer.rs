use crate::AUTHORITY_SEED;
use crate::authority::Authority;
use crate::error::CostakingError;
use crate::events::OfferChanged;
use crate::state::{Config, Offer, Status};
use anchor_lang::prelude::*;
use staking::state::Offering;
use staking::{Device, Staking};

/// Accounts for a change of an offer by its device's owner.
#[derive(Accounts)]
pub struct ChangeOffer {
    #[account(address = offer.owner @ CostakingError::NotOwner)]
    pub owner: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub offer: Account<Offer>,
    #[account(mut, address = offer.device @ CostakingError::AccountMismatch)]
    pub device: Account<Device>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

impl ChangeOffer {
    /// Sets the status of the offer, and what staking knows of it.
    pub(super) fn change(&mut self, status: Status, offering: Offering) -> Result<()> {
        self.offer.status = status as u8;
        self.offer.invariant()?;
        emit!(OfferChanged {
            offer: *self.offer.address(),
            status: status as u8
        });
        let staking = Authority::new(&self.staking_program, &self.staking_config, &self.authority, &self.config);
        staking.set_offering(&mut self.device, offering)
    }
}

/// - fails for anyone but the owner, while co-stakers have shares of active co-stake, and while rewards that they share are not distributed
/// - all rewards are the owner's again, who may create another offer; exits in progress continue
pub fn end_offer(ctx: &mut Context<ChangeOffer>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_status(&[Status::Closed, Status::Forced])?;
    require!(accounts.offer.shares.is_zero(), CostakingError::OfferInUse);
    let offer = &accounts.offer;
    let shared = |(hour, _, _): (u32, u8, u64)| offer.earning(hour, &accounts.device).0 > 0;
    require!(!accounts.device.pending().any(shared), CostakingError::RewardsWait);
    accounts.change(Status::Ended, Offering::Nothing)
}

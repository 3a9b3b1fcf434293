use crate::error::StakingError;
use crate::events::TierSet;
use crate::state::{Device, Emission};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetTier {
    #[account(address = emission.verifier @ StakingError::NotVerifier)]
    pub verifier: Signer,
    pub emission: Account<Emission>,
    #[account(mut)]
    pub device: Account<Device>,
}

/// - fails for anyone but the verifier, and for a tier that does not exist (B5)
/// - a tier, which people judge, cannot shut a device out: the lowest is 1, and connectivity changes a score by less than a hundredth
pub fn set_tier(ctx: &mut Context<SetTier>, tier: u8) -> Result<()> {
    let device = &mut ctx.accounts.device;
    device.set_tier(tier)?;
    emit!(TierSet {
        device: *device.address(),
        tier
    });
    Ok(())
}

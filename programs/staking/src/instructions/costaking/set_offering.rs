use super::cool_co_stake::ChangeCoStake;
use anchor_lang::prelude::*;

/// - fails for any caller but the costaking program
/// - fails to end sharing while co-stakers are in, or their offer has not recorded the owner's exit
pub fn set_offering(ctx: &mut Context<ChangeCoStake>, offering: u8) -> Result<()> {
    ctx.accounts.device.set_offering(offering)
}

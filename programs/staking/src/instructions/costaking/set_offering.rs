use super::cool_co_stake::ChangeCoStake;
use anchor_lang::prelude::*;

/// - fails for any caller but the costaking program
/// - ending sharing fails while the device has co-stake, or its offer has not recorded the owner's exit
/// - opening an offer fails while something is due to a slash
pub fn set_offering(ctx: &mut Context<ChangeCoStake>, offering: u8) -> Result<()> {
    ctx.accounts.device.set_offering(offering)
}

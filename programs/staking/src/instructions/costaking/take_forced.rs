use super::cool_co_stake::ChangeCoStake;
use anchor_lang::prelude::*;

/// - fails for any caller but the costaking program, and unless the owner's exit took co-stake along
/// - the offer has read `forced_at`, `forced_cooldown` and `forced_shares`; they are cleared
pub fn take_forced(ctx: &mut Context<ChangeCoStake>) -> Result<()> {
    ctx.accounts.device.take_forced()
}

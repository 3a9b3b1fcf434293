use super::cool_co_stake::ChangeCoStake;
use anchor_lang::prelude::*;

/// - fails for any caller but the costaking program, and when there is no owner's exit with co-stake to clear
/// - clears `forced_at`, `forced_cooldown` and `forced_shares`, which the offer has read
pub fn take_forced(ctx: &mut Context<ChangeCoStake>) -> Result<()> {
    ctx.accounts.device.take_forced()
}

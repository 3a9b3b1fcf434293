use crate::error::StakingError;
use crate::state::{GpuModel, GpuSpecChanges, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct UpdateGpuModel {
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(mut)]
    pub gpu_model: Account<GpuModel>,
}

/// - fails for anyone but the authority
/// - values that are not named stay unchanged; the three values of the work must be named together
/// - fails when the name is unreadable, the pool unknown or the size of the work invalid
/// - a raised multiplier raises minimum stakes only after the grace period (C3); a cut frees overflow at once (C4)
/// - calls ask for the new work from the next hour on; fails while an earlier change of the work is still taking effect
pub fn update_gpu_model(ctx: &mut Context<UpdateGpuModel>, changes: GpuSpecChanges) -> Result<()> {
    changes.check_whole()?;
    let now = Clock::get()?.unix_timestamp;
    let grace = ctx.accounts.config.raise_grace.get();
    let gpu = &mut ctx.accounts.gpu_model;
    let spec = changes.over(&gpu.spec());
    gpu.update(&spec, now, grace)?;
    gpu.announce();
    Ok(())
}

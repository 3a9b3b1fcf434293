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
/// - what is not named stays as it is; the three values of the work are named together
/// - fails when the name is unreadable, the pool unknown or the work of no size there is
/// - a raised multiplier raises minimum stakes only after the grace time (C3), a cut frees overflow at once (C4)
/// - calls ask for other work from the next hour on; fails for a change while one is under way
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

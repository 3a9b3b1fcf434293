#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::error::StakingError;
use crate::state::{GpuModel, GpuSpec, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(id: u16)]
pub struct AddGpuModel {
    #[account(mut)]
    pub payer: Signer,
    #[account(address = config.authority @ StakingError::NotAuthority)]
    pub authority: Signer,
    pub config: Account<StakingConfig>,
    #[account(init, payer = payer, seeds = [GpuModel::SEED, &id.to_le_bytes()], bump)]
    pub gpu_model: Account<GpuModel>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the authority
/// - fails when the id is taken, the name unreadable, the pool unknown or the size of the work invalid
pub fn add_gpu_model(ctx: &mut Context<AddGpuModel>, id: u16, spec: GpuSpec) -> Result<()> {
    let bump = ctx.bumps.gpu_model;
    let gpu = &mut ctx.accounts.gpu_model;
    gpu.create(id, &spec, bump)?;
    gpu.announce();
    Ok(())
}

#![allow(unused_variables)] // Anchor repeats the instruction argument in functions that do not read it.

use crate::error::StakingError;
use crate::events::SlashProposed;
use crate::state::{Device, Slash, StakingConfig};
use anchor_lang::prelude::*;

#[derive(Accounts)]
#[instruction(number: u32)]
pub struct ProposeSlash {
    /// Pays the rent, and gets it back when the slash ends.
    #[account(mut, address = config.slash_proposer @ StakingError::NotSlashProposer)]
    pub proposer: Signer,
    pub config: Account<StakingConfig>,
    pub device: Account<Device>,
    #[account(init, payer = proposer, seeds = [Slash::SEED, device.address().as_ref(), &number.to_le_bytes()], bump)]
    pub slash: Account<Slash>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the proposer, without evidence, and for an invalid reason or share (H1, H7)
/// - sets nothing aside: that takes the approver's key
pub fn propose_slash(ctx: &mut Context<ProposeSlash>, number: u32, reason: u8, share_bps: u16, evidence: [u8; 32]) -> Result<()> {
    let bump = ctx.bumps.slash;
    let accounts = &mut ctx.accounts;
    let (device, payer) = (*accounts.device.address(), *accounts.proposer.address());
    accounts.slash.propose(device, payer, number, (reason, share_bps), evidence, bump)?;
    emit!(SlashProposed {
        device,
        number,
        reason,
        share_bps,
        evidence
    });
    Ok(())
}

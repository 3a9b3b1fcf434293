use crate::GUARDIAN_SEED;
use crate::error::GovernanceError;
use crate::events::ProgramPaused;
use crate::state::Config;
use alloc::vec;
use anchor_lang::InstructionData;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};

#[derive(Accounts)]
pub struct Pause {
    #[account(address = config.guardian @ GovernanceError::NotGuardian)]
    pub guardian: Signer,
    pub config: Account<Config>,
    /// CHECK: the other programs' guardian, derived with the bump in the config.
    #[account(seeds = [GUARDIAN_SEED], bump = config.guardian_bump)]
    pub guardian_authority: UncheckedAccount,
    /// CHECK: the config of the program to pause, which checks it.
    #[account(mut)]
    pub program_config: UncheckedAccount,
    /// CHECK: the program to pause; checked below to be one of the three that can be.
    pub program: UncheckedAccount,
}

/// - fails for anyone but the guardian, and once its term is over
/// - pauses staking, co-staking or jobs, which stops new business but no exit (K5); only a proposal resumes
pub fn pause(ctx: &mut Context<Pause>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    require!(now < accounts.config.guardian_until.get(), GovernanceError::NotGuardian);
    let program = *accounts.program.address();
    require!(
        [staking::ID, costaking::ID, jobs::ID].contains(&program),
        GovernanceError::NotPausable
    );
    emit!(ProgramPaused {
        program,
        guardian: *accounts.guardian.address()
    });
    // `set_paused` has the same encoding in all three programs.
    let instruction = Instruction {
        program_id: program,
        accounts: vec![
            AccountMeta::new_readonly(*accounts.guardian_authority.address(), true),
            AccountMeta::new(*accounts.program_config.address(), false),
        ],
        data: staking::instruction::SetPaused { paused: true }.data(),
    };
    let handles = [
        accounts.guardian_authority.cpi_handle().as_signer(),
        accounts.program_config.cpi_handle_mut().into(),
    ];
    let bump = [accounts.config.guardian_bump];
    anchor_lang::solana_program::program::invoke_signed(&instruction, &handles, &[&[GUARDIAN_SEED, &bump]])?;
    Ok(())
}

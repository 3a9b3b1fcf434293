use crate::PURSE_SEED;
use crate::error::GovernanceError;
use crate::events::ProgramUpgraded;
use crate::state::Config;
use anchor_lang::hash;
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke;
use protocol::loader;

#[derive(Accounts)]
pub struct UpgradeProgram {
    #[account(address = config.authority @ GovernanceError::NotGovernance)]
    pub authority: Signer,
    pub config: Account<Config>,
    /// CHECK: the loader checks that it is the program's data, with the authority as upgrade authority.
    #[account(mut)]
    pub program_data: UncheckedAccount,
    /// CHECK: the loader checks that it is one of its programs.
    #[account(mut)]
    pub program: UncheckedAccount,
    /// CHECK: its code is hashed here; the loader checks that it is a buffer of the authority's.
    #[account(mut)]
    pub buffer: UncheckedAccount,
    /// CHECK: derived here; receives the buffer's rent.
    #[account(mut, seeds = [PURSE_SEED], bump = config.purse_bump)]
    pub purse: UncheckedAccount,
    pub rent: Sysvar<Rent>,
    pub clock: Sysvar<Clock>,
    /// CHECK: the loader, by its address.
    #[account(address = Address::new_from_array(loader::ID) @ GovernanceError::AccountMismatch)]
    pub loader: UncheckedAccount,
}

/// - fails for anyone but a proposal that passed
/// - fails unless the buffer's code has the SHA-256 that was voted on, since the buffer's content may change during the vote
/// - the loader fails if program or buffer is not the authority's, and if the program has no room for the code
/// - the buffer's rent goes to the purse
pub fn upgrade_program(ctx: &mut Context<UpgradeProgram>, sha256: [u8; 32]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let held = {
        let buffer = accounts.buffer.account().try_borrow()?;
        hash::sha256(buffer.get(loader::CODE_AT..).unwrap_or_default())
    };
    require!(held == sha256, GovernanceError::CodeChanged);
    emit!(ProgramUpgraded {
        program: *accounts.program.address(),
        sha256
    });
    // In the loader's order.
    let handles: [CpiHandle; 7] = [
        accounts.program_data.cpi_handle_mut().into(),
        accounts.program.cpi_handle_mut().into(),
        accounts.buffer.cpi_handle_mut().into(),
        accounts.purse.cpi_handle_mut().into(),
        accounts.rent.cpi_handle(),
        accounts.clock.cpi_handle(),
        accounts.authority.cpi_handle(),
    ];
    let meta = |handle: &CpiHandle| AccountMeta {
        pubkey: *handle.address(),
        is_signer: handle.is_signer(),
        is_writable: handle.is_writable(),
    };
    let upgrade = Instruction {
        program_id: *accounts.loader.address(),
        accounts: handles.iter().map(meta).collect(),
        data: loader::UPGRADE.to_vec(),
    };
    invoke(&upgrade, &handles)?;
    Ok(())
}

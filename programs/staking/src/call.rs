//! How other programs call this program.

use anchor_lang::pinocchio::instruction::InstructionAccount;
use anchor_lang::prelude::*;
use anchor_lang::{CpiHandle, InstructionData, ToCpiAccounts, unchecked_invoke_signed_fixed};

/// Calls an instruction of this program with its `N` accounts.
///
/// Anchor's `CpiContext::invoke` searches all handles for each account, because optional accounts may have none. That costs twice as much
/// as the call itself. The instructions that other programs call have no optional accounts, so handles and accounts match by position.
///
/// # Errors
/// Fails when the instruction does not have `N` accounts.
pub fn call<'a, const N: usize, A: ToCpiAccounts<'a>>(context: CpiContext<'a, A>, instruction: &impl InstructionData) -> Result<()> {
    let accounts: [InstructionAccount; N] = fixed(context.accounts.to_instruction_accounts())?;
    let handles: [CpiHandle; N] = fixed(context.accounts.to_cpi_handles())?;
    unchecked_invoke_signed_fixed(context.program, &instruction.data(), &accounts, &handles, context.signer_seeds);
    Ok(())
}

fn fixed<T, const N: usize>(list: alloc::vec::Vec<T>) -> Result<[T; N]> {
    list.try_into().map_err(|_| ProgramError::NotEnoughAccountKeys)
}

//! How other programs call this one.

use anchor_lang::pinocchio::instruction::InstructionAccount;
use anchor_lang::prelude::*;
use anchor_lang::{CpiHandle, InstructionData, ToCpiAccounts, unchecked_invoke_signed_fixed};

/// Calls an instruction of this program with its `N` accounts.
///
/// Anchor's `CpiContext::invoke` looks for each account's handle in a table of all pairs, since optional accounts may have none. That costs
/// twice as much as the call itself; no instruction here has optional accounts, so each handle stands in its account's place.
///
/// # Errors
/// Fails when the instruction has another number of accounts.
pub fn call<'a, const N: usize, A: ToCpiAccounts<'a>>(context: CpiContext<'a, A>, instruction: &impl InstructionData) -> Result<()> {
    let accounts: [InstructionAccount; N] = fixed(context.accounts.to_instruction_accounts())?;
    let handles: [CpiHandle; N] = fixed(context.accounts.to_cpi_handles())?;
    unchecked_invoke_signed_fixed(context.program, &instruction.data(), &accounts, &handles, context.signer_seeds);
    Ok(())
}

fn fixed<T, const N: usize>(list: alloc::vec::Vec<T>) -> Result<[T; N]> {
    list.try_into().map_err(|_| ProgramError::NotEnoughAccountKeys)
}

use crate::error::JobsError;
use crate::state::{Draft, append_op};
use alloc::vec::Vec;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct AppendOps {
    #[account(address = draft.registrar @ JobsError::NotRegistrar)]
    pub registrar: Signer,
    #[account(mut)]
    pub draft: Draft,
}

/// - fails for anyone but the registrar, and beyond the declared number of ops
/// - checks each op on its own and against the shapes of the values it reads, which must come before it (so no graph is cyclic)
/// - hashes each op into the graph's tree
pub fn append_ops(ctx: &mut Context<AppendOps>, descriptors: Vec<Vec<u8>>) -> Result<()> {
    descriptors
        .iter()
        .try_for_each(|descriptor| append_op(&mut ctx.accounts.draft, descriptor))
}

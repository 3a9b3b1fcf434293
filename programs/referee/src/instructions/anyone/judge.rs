use crate::state::{self, Claim, Evidence};
use anchor_lang::pinocchio::cpi::set_return_data;
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Judge {
    pub evidence: Evidence,
}

/// - fails for incomplete evidence, and for bytes that are not evidence about the claim, which convict nobody
/// - returns the verdict, 16 bytes as in `protocol::referee::Verdict::to_bytes`, and changes nothing
/// - a program that acts on the verdict must compare the evidence's subject and challenger with those it expects
pub fn judge(ctx: &mut Context<Judge>, claim: Claim) -> Result<()> {
    let verdict = state::judge(&ctx.accounts.evidence, &claim.into())?;
    set_return_data(&verdict.to_bytes());
    Ok(())
}

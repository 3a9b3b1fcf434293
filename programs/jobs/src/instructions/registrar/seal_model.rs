use crate::error::JobsError;
use crate::events::ModelSealed;
use crate::state::{Draft, Model, seal_draft};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SealModel {
    #[account(mut, address = draft.registrar @ JobsError::NotRegistrar)]
    pub registrar: Signer,
    #[account(mut, close = registrar)]
    pub draft: Draft,
    #[account(init, payer = registrar, seeds = [Model::SEED, &draft.model_hash], bump)]
    pub model: Account<Model>,
    pub system_program: Program<System>,
}

/// - fails for anyone but the registrar, before all ops were appended, and when they do not hash to the model's name
/// - traces of the model commit to the output of every `interval`-th op and of the last; fails for an interval, other than 1, that leaves
///   only the last
/// - fails when the model is already registered
/// - the model can never change; returns the draft's rent
pub fn seal_model(ctx: &mut Context<SealModel>, interval: u16) -> Result<()> {
    let bump = ctx.bumps.model;
    let accounts = &mut ctx.accounts;
    seal_draft(&accounts.draft, &mut accounts.model, interval, bump)?;
    let model = &accounts.model;
    emit!(ModelSealed {
        model: *model.address(),
        hash: model.hash,
        registrar: model.registrar,
        n_ops: model.n_ops.get(),
        macs: model.macs.get(),
    });
    Ok(())
}

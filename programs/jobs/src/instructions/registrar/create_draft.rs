#![allow(unused_variables)] // Anchor repeats the instruction arguments in functions that do not read them.

use crate::state::{DRAFT_SEED, Draft, draft_space, start_draft};
use alloc::vec::Vec;
use anchor_lang::prelude::*;
use protocol::tensor::Shape;

/// Shapes of a model's inputs, each `h, w, c` as little-endian `u16`.
pub type InputShapes = Vec<[u8; Shape::BYTES]>;

#[derive(Accounts)]
#[instruction(model_hash: [u8; 32], n_ops: u32)]
pub struct CreateDraft {
    #[account(mut)]
    pub registrar: Signer,
    #[account(
        init,
        payer = registrar,
        space = draft_space(n_ops),
        seeds = [DRAFT_SEED, registrar.address().as_ref(), &model_hash],
        bump
    )]
    pub draft: Draft,
    pub system_program: Program<System>,
}

/// - fails for no or too many inputs or ops, and for an input with no or too many elements
/// - the draft belongs to its registrar: nobody can squat on a model's name, only on their own draft of it
pub fn create_draft(ctx: &mut Context<CreateDraft>, model_hash: [u8; 32], n_ops: u32, inputs: InputShapes) -> Result<()> {
    let registrar = *ctx.accounts.registrar.address();
    let shapes: Vec<Shape> = inputs.iter().map(|bytes| Shape::from_bytes(*bytes)).collect();
    start_draft(&mut ctx.accounts.draft, registrar, model_hash, n_ops, &shapes, ctx.bumps.draft)
}

use super::{Answer, Hashes, complete};
use crate::state::{append_chunk, show_chunk};
use alloc::vec::Vec;
use anchor_lang::prelude::*;
use protocol::demand::Kind;

/// - fails for anyone but the device's hot key, for a demand of another kind, and once it is answered
/// - takes the chunk's preimage, header first, in pieces; `offset` 0 starts over
/// - `path`, given with the last piece, completes the answer: it must lead the chunk's leaf to the page that was shown; the fee goes to the
///   device's payout wallet
pub fn answer_chunk(ctx: &mut Context<Answer>, offset: u32, bytes: Vec<u8>, path: Option<Hashes>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let item = accounts.demand.check_unanswered(&[Kind::Chunk])?;
    append_chunk(&mut accounts.demand, offset, &bytes)?;
    let Some(path) = path else { return Ok(()) };
    show_chunk(&mut accounts.demand, &item, &path)?;
    complete(accounts)
}

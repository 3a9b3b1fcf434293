use super::{Answer, Hashes, check_piece, complete};
use crate::state::PageEnd;
use anchor_lang::prelude::*;
use protocol::demand::{Kind, PAGE};

/// - fails for anyone but the device's hot key, for a demand of another kind, and once it is answered
/// - takes the page's chunk hashes in order, in pieces; `offset` counts within the page, 0 starts over; only the first and the last piece
///   may be short
/// - `end`, given with the last piece, completes the answer: there must be as many hashes as its head says, and they must lead to the op
///   outputs shown for the unit; the fee goes to the device's payout wallet
pub fn answer_page(ctx: &mut Context<Answer>, offset: u32, leaves: Hashes, end: Option<PageEnd>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    check_piece(offset, &leaves, &end)?;
    let item = accounts.demand.check_unanswered(&[Kind::Page])?;
    accounts.demand.stream(offset, leaves.into_iter(), PAGE)?;
    let Some(end) = end else { return Ok(()) };
    accounts.demand.show_page(&item, &end)?;
    complete(accounts)
}

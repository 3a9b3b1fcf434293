use super::{Answer, Hashes, check_piece, complete};
use anchor_lang::prelude::*;
use protocol::batch::unit_leaf;
use protocol::demand::{Kind, PAGE};

/// - fails for anyone but the device's hot key, for a demand of another kind, and once it is answered
/// - takes the TRACEs, or the delivered TENSORs, of a page of units in order, in pieces; `offset` counts within the page, 0 starts over;
///   only the first and the last piece may be short
/// - `above`, given with the last piece, completes the answer: it must lead the page to the revealed traces or outputs; the fee goes to the
///   device's payout wallet
pub fn answer_units(ctx: &mut Context<Answer>, offset: u32, hashes: Hashes, above: Option<Hashes>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    check_piece(offset, &hashes, &above)?;
    let item = accounts.demand.check_unanswered(&[Kind::Traces, Kind::Outputs])?;
    let first = item.index.saturating_mul(PAGE).saturating_add(offset);
    let leaves = (first..).zip(&hashes).map(|(unit, hash)| unit_leaf(unit, hash));
    accounts.demand.stream(offset, leaves, PAGE)?;
    let Some(above) = above else { return Ok(()) };
    accounts.demand.show_units(&item, &above)?;
    complete(accounts)
}

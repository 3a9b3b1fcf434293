use super::{Answer, Hashes, check_piece, complete};
use crate::state::{append_op_outputs, show_ops};
use anchor_lang::prelude::*;
use protocol::demand::Kind;

/// - fails for anyone but the device's hot key, for a demand of another kind, and once it is answered
/// - takes the TENSORs of the unit's op outputs in op order, in pieces; `offset` is the op of a piece's first TENSOR, 0 starts over; only
///   the first and the last piece may be short
/// - `path`, given with the last piece, completes the answer: it must lead the unit's TRACE to the revealed traces; the fee goes to the
///   device's payout wallet
/// - where traces commit only to checkpoints, the checkpoints' TENSORs must be those in the TRACE, and those of the other ops are binding
///   from then on
pub fn answer_ops(ctx: &mut Context<Answer>, offset: u32, tensors: Hashes, path: Option<Hashes>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    check_piece(offset, &tensors, &path)?;
    let item = accounts.demand.check_unanswered(&[Kind::Ops])?;
    append_op_outputs(&mut accounts.demand, offset, &tensors)?;
    let Some(path) = path else { return Ok(()) };
    show_ops(&mut accounts.demand, &item, &path)?;
    complete(accounts)
}

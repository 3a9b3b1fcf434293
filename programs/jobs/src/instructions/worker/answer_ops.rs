use super::{Answer, Hashes, complete};
use anchor_lang::prelude::*;
use protocol::demand::Kind;
use protocol::trace::op_leaf;

/// - fails for anyone but the device's hot key, for a demand of another kind, and once it is answered
/// - takes the TENSORs of the unit's op outputs in op order, in pieces; `offset` is the op of the first one, 0 starts over
/// - `path`, when it comes, ends the answer: it must lead the unit's TRACE to the revealed traces; the fee goes to the device's payout wallet
pub fn answer_ops(ctx: &mut Context<Answer>, offset: u32, tensors: Hashes, path: Option<Hashes>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let item = accounts.demand.check_unanswered(&[Kind::Ops])?;
    let n_ops = accounts.demand.n_ops.get();
    let leaves = (offset..).zip(&tensors).map(|(op, tensor)| op_leaf(op, tensor));
    accounts.demand.stream(offset, leaves, n_ops)?;
    let Some(path) = path else { return Ok(()) };
    accounts.demand.show_ops(&item, &path)?;
    complete(accounts)
}

use super::end_offer::ChangeOffer;
use crate::state::Status;
use anchor_lang::prelude::*;
use staking::state::Offering;

/// - fails for anyone but the owner, and unless the offer is open (E10)
/// - nobody can join any more; co-stakers who have joined keep sharing the rewards until the owner unstakes
pub fn retract_offer(ctx: &mut Context<ChangeOffer>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.offer.check_status(&[Status::Open])?;
    accounts.change(Status::Closed, Offering::Closed)
}

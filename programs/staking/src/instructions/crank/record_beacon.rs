use crate::error::StakingError;
use crate::events::BeaconRecorded;
use crate::slot_hashes::{Seed, first_after};
use crate::state::RewardBlock;
use anchor_lang::prelude::*;
use protocol::presence::beacon_after;

#[derive(Accounts)]
pub struct RecordBeacon {
    #[account(mut)]
    pub block: Account<RewardBlock>,
}

/// - anyone may call, within the hour; fails for a beacon that is recorded already, and when its slot hash is not known yet or no longer
///   kept
/// - the beacon comes from the first slot hash after a slot that was fixed when the block was opened: the caller cannot choose it
pub fn record_beacon(ctx: &mut Context<RecordBeacon>, index: u8) -> Result<()> {
    let block = &mut ctx.accounts.block;
    let Seed::Known(_, hash) = first_after(beacon_after(block.opened_slot.get(), index))? else {
        return Err(StakingError::BeaconNotThere.into());
    };
    let beacon = block.record(index, &hash, Clock::get()?.unix_timestamp)?;
    emit!(BeaconRecorded {
        hour: block.hour.get(),
        index,
        beacon
    });
    Ok(())
}

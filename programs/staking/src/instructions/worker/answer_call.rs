use crate::error::StakingError;
use crate::events::CallAnswered;
use crate::state::{Device, RewardBlock};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct AnswerCall {
    #[account(address = device.key @ StakingError::NotDeviceKey)]
    pub key: Signer,
    #[account(mut)]
    pub device: Account<Device>,
    pub block: Account<RewardBlock>,
}

/// - fails for anyone but the device's hot key
/// - fails for a beacon that was not recorded, does not call the device, was answered already, or whose deadline has passed
/// - `root` is the root of the work that the call asks for (`protocol::work`); only a device with a job in progress may leave it out (F7)
/// - writes only the device; to check in to the hour, a device must have answered all its calls, and show one element of the last call's
///   work
pub fn answer_call(ctx: &mut Context<AnswerCall>, index: u8, root: Option<[u8; 32]>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let address = *accounts.device.address();
    accounts.block.check_called(index, &address, Clock::get()?.unix_timestamp)?;
    let hour = accounts.block.hour.get();
    accounts.device.answer(accounts.block.number()?, index, root)?;
    emit!(CallAnswered {
        device: address,
        hour,
        index,
        hired: !accounts.device.open_jobs.is_zero(),
        root: root.unwrap_or_default()
    });
    Ok(())
}

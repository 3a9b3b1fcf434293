use crate::error::StakingError;
use crate::events::CheckedIn;
use crate::state::{Device, Emission, GpuModel, RewardBlock, StakingConfig, Tally};
use anchor_lang::prelude::*;
use protocol::emission::BLOCK_SECONDS;

/// While this many seconds of hours are not settled, later hours are not paid: a device keeps the scores of four unsettled hours.
const MOST_UNSETTLED: i64 = 4 * BLOCK_SECONDS;

#[derive(Accounts)]
pub struct CheckIn {
    #[account(address = device.key @ StakingError::NotDeviceKey)]
    pub key: Signer,
    pub config: Account<StakingConfig>,
    pub emission: Account<Emission>,
    pub gpu_model: Account<GpuModel>,
    #[account(mut)]
    pub device: Account<Device>,
    pub block: Account<RewardBlock>,
    /// The next hour's block, which draws the element of the work that has to be shown.
    pub next: Account<RewardBlock>,
    /// Required if the device has done work. Anybody may have written it: its bytes are checked against the device's answer.
    pub evidence: Option<referee::Evidence>,
    #[account(mut, constraint(tally.counts(&block, device.address()) @ StakingError::WrongTally))]
    pub tally: Account<Tally>,
}

/// - fails for anyone but the device's hot key, before the answers to the hour's last calls are in, once the next hour has ended, and twice
/// - fails for a device that was not registered at the hour's start (F1), missed one of its calls, is retired, or whose stake from before
///   the hour is below the minimum (F5). The minimum is that of the hour's start, or a lower one since, so that a raise does not cost an
///   hour that was served. Only the value before the latest change is kept: if another change follows a raise before the check-in, the hour
///   is judged by the raised minimum
/// - fails unless the evidence opens the drawn element of the work that the hour's last call asked for, and the element is right
/// - fails until an element is drawn or half of the next hour is over
/// - adds the device's score to its tally. The hour counts only as presence, without a score, if the presence before it was too short (F2),
///   the GPU model earns nothing, nothing was drawn, the device has four uncollected rewards, or four hours are not settled. So late
///   beacons and settlements do not cost a device its presence, and do not pay it more than others that were present
pub fn check_in(ctx: &mut Context<CheckIn>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (block, gpu, address) = (&accounts.block, &accounts.gpu_model, *accounts.device.address());
    let device = &mut accounts.device;
    let now = Clock::get()?.unix_timestamp;
    block.check_open(now)?;
    let (start, hour) = (block.hour.get(), block.number()?);
    let evidence = accounts.evidence.as_ref().map_or(&[][..], referee::state::bytes);
    let drawn = block.check_work(&accounts.next, device, &address, gpu.work_in(hour), evidence, now)?;
    let minimum = device.minimum(&accounts.config, gpu, start)?;
    let paid = device.check_in(hour, start, block.calls(&address), minimum, block.min_uptime.get())?;
    let hired = !device.open_jobs.is_zero();
    let in_time = start < accounts.emission.next_hour.get().saturating_add(MOST_UNSETTLED);
    let score = match drawn && paid && in_time && device.has_room() && !gpu.multiplier_x100.is_zero() {
        true => block.score(gpu.multiplier_x100.get(), device.quantity, device.tier, hired),
        false => 0,
    };
    if score > 0 {
        device.expect_reward(hour, gpu.pool, score)?;
        accounts.tally.add(gpu.pool, score)?;
    }
    emit!(CheckedIn {
        device: address,
        hour: start,
        pool: gpu.pool,
        score
    });
    Ok(())
}

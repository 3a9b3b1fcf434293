use crate::error::StakingError;
use crate::events::CheckedIn;
use crate::state::{Device, Emission, GpuModel, RewardBlock, StakingConfig, Tally};
use anchor_lang::prelude::*;
use protocol::emission::BLOCK_SECONDS;

/// Hours that may wait to be settled before the next one brings anything: as many as a device can have waiting.
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
    /// The next hour's block, which draws what has to be shown.
    pub next: Account<RewardBlock>,
    /// Needed by a device that has done work. May be anybody's: its bytes are checked against the device's answer.
    pub evidence: Option<referee::Evidence>,
    #[account(mut, constraint(tally.hour == block.hour @ StakingError::WrongTally))]
    pub tally: Account<Tally>,
}

/// - the device's hot key, once an hour, after the hour and its last answers and before the next hour has ended
/// - fails for a device that was not there from the hour's start (F1), missed a call of it, is retired, or whose stake is or was below the
///   minimum (F5): that of the hour's start, or a lower one since, so that no raise costs an hour that was served. What held before
///   a raise is forgotten with the next change: one that comes after the raise and before the check-in has the hour judged without it
/// - fails unless the evidence opens the drawn element of the work that the hour's last call asked for, and the element is right
/// - fails while nothing is drawn and something may be, until half of the next hour is over
/// - adds its score to its tally, unless its presence before the hour was too short (F2), its GPU model earns nothing, nothing was drawn, the
///   rewards of four hours wait to be collected, or four hours wait to be settled: then the hour counts only as presence, so that beacons
///   and settlements that are late cost nobody its presence and pay nobody more than others who were present
pub fn check_in(ctx: &mut Context<CheckIn>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let (block, gpu, address) = (&accounts.block, &accounts.gpu_model, *accounts.device.address());
    let device = &mut accounts.device;
    let now = Clock::get()?.unix_timestamp;
    block.check_open(now)?;
    let (start, hour) = (block.hour.get(), block.number()?);
    require!(accounts.tally.shard == block.shard(&address), StakingError::WrongTally);
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

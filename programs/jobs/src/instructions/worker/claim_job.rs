use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::draws::check_admitted;
use crate::error::JobsError;
use crate::events::JobClaimed;
use crate::siblings::check_independent;
use crate::state::{Config, Job};
use anchor_lang::prelude::*;
use staking::Staking;
use staking::{Device, GpuModel};

#[derive(Accounts)]
pub struct ClaimJob {
    #[account(address = device.key @ JobsError::NotAssignedDevice)]
    pub key: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
    #[account(mut)]
    pub device: Account<Device>,
    /// The device's model: staking checks that when it locks the bond.
    pub gpu_model: Account<GpuModel>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
}

/// - fails while paused, for anyone but the device's hot key, once the job is taken, and once its offer has expired
/// - fails unless the job's hash is `expected`: its address may have been reused for another job than the worker decided on
/// - fails if the device does not meet the job's requirements, and for a price below `min_price`
/// - fails if a device of the same owner has taken another replica; the other replicas' accounts follow as remaining accounts, each with
///   its device's account
/// - fails until the device's ticket is admitted: its seed is the first slot hash after the opening
/// - fixes the auction's price and the bond for it, starts the run, and locks the bond, for which staking checks the device
pub fn claim_job(ctx: &mut Context<ClaimJob>, expected: [u8; 32], min_price: u64) -> Result<()> {
    ctx.accounts.job.check_hash(&expected)?;
    if ctx.accounts.job.replicas > 1 {
        let rest = ctx.remaining_accounts()?;
        check_independent(&ctx.accounts.job, &ctx.accounts.device, &rest)?;
    }
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let clocks = clocks()?;
    let (address, device) = (*accounts.job.address(), *accounts.device.address());
    let job = &mut accounts.job;

    job.check_requirements(&accounts.device, &accounts.gpu_model)?;
    check_admitted(job, &device, job.opened_slot.get(), clocks.now.slot, &accounts.config)?;
    job.claim(device, accounts.device.clean_jobs.get(), min_price, &accounts.config, clocks)?;
    emit!(JobClaimed {
        job: address,
        device,
        price: job.price.get(),
        deadline: job.deadline_at.get(),
        bond: job.bond.get()
    });

    let bond = job.bond.get();
    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.lock(&accounts.gpu_model, &mut accounts.device, bond)
}

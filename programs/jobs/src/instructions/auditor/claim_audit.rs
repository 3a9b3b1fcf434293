use crate::AUTHORITY_SEED;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::AuditTaken;
use crate::siblings::are_linked;
use crate::slot_hashes::{Seed, first_after};
use crate::state::{Audit, AuditStage, Config, Job};
use anchor_lang::prelude::*;
use staking::Staking;
use staking::{Device, GpuModel};

#[derive(Accounts)]
pub struct ClaimAudit {
    /// The auditor's hot key; pays the audit's rent and gets it back.
    #[account(mut, address = device.key @ JobsError::NotAssignedDevice)]
    pub key: Signer,
    pub config: Account<Config>,
    #[account(mut)]
    pub job: Account<Job>,
    /// The device whose result is audited.
    #[account(address = job.device @ JobsError::AccountMismatch)]
    pub audited: Account<Device>,
    #[account(init, payer = key, seeds = [Audit::SEED, job.address().as_ref()], bump)]
    pub audit: Account<Audit>,
    #[account(mut)]
    pub device: Account<Device>,
    pub gpu_model: Account<GpuModel>,
    pub staking_config: Account<staking::Config>,
    /// CHECK: this program's signing PDA, derived with the bump the config keeps.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub system_program: Program<System>,
}

/// - fails while paused, for anyone but a device's hot key, unless an audit is drawn and waits
/// - fails for a device of the audited one's owner or payout wallet, and below the job's requirements
/// - fails until the device's ticket is admitted: the seed is the first slot hash after the draw
/// - locks the market's smallest bond, which lateness costs a part of; the auditor has as long as the worker had
pub fn claim_audit(ctx: &mut Context<ClaimAudit>) -> Result<()> {
    let bump = ctx.bumps.audit;
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    let clocks = clocks()?;
    let (address, device) = (*accounts.job.address(), *accounts.device.address());
    accounts.job.check_audit(AuditStage::Drawn)?;
    require!(!are_linked(&accounts.audited, &accounts.device), JobsError::LinkedAuditor);
    accounts.job.check_requirements(&accounts.device, &accounts.gpu_model)?;
    match first_after(accounts.job.since_slot.get())? {
        Seed::NotYet => return Err(JobsError::SeedNotReady.into()),
        Seed::Known(seed_slot, seed) => {
            let window = accounts.config.sortition_slots.get();
            require!(
                accounts.job.admits(&address, &device, &seed, seed_slot, clocks.now.slot, window),
                JobsError::NotAdmittedYet
            );
        }
        // More than 512 slots have passed: the door has been fully open for long.
        Seed::Forgotten => {}
    }
    accounts.job.take_audit(clocks)?;
    let bond = accounts.config.min_bond.get();
    let parties = (device, accounts.device.payout);
    let payer = *accounts.key.address();
    accounts.audit.start(
        (address, &accounts.job),
        parties,
        payer,
        bond,
        accounts.config.audit_share_bps,
        bump,
    );
    emit!(AuditTaken {
        job: address,
        device,
        deadline: accounts.job.deadline_at.get()
    });

    let bump = [accounts.config.authority_bump];
    staking::cpi::lock_bond(
        CpiContext::new(
            accounts.staking_program.address(),
            staking::cpi::accounts::LockBond {
                jobs_authority: accounts.authority.cpi_handle().as_signer(),
                config: accounts.staking_config.cpi_handle(),
                gpu_model: accounts.gpu_model.cpi_handle(),
                device: accounts.device.cpi_handle_mut(),
            },
        )
        .with_signer(&[&[AUTHORITY_SEED, &bump]]),
        bond,
    )
}

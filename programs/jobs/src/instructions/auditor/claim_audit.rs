use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::draws::check_admitted;
use crate::error::JobsError;
use crate::events::AuditTaken;
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
    /// The device's model: staking checks that when it locks the bond.
    pub gpu_model: Account<GpuModel>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub system_program: Program<System>,
}

/// - fails while paused, for anyone but a device's hot key, and unless an audit was drawn and waits for an auditor
/// - fails unless the job's hash is `expected`
/// - fails for a device of the audited device's owner, and if the device does not meet the job's requirements
/// - fails until the device's ticket is admitted: its seed is the first slot hash after the draw
/// - locks the market's smallest bond, of which a missed deadline costs a share; the auditor has the job's run time
pub fn claim_audit(ctx: &mut Context<ClaimAudit>, expected: [u8; 32]) -> Result<()> {
    let bump = ctx.bumps.audit;
    let accounts = &mut ctx.accounts;
    accounts.config.check_running()?;
    accounts.job.check_hash(&expected)?;
    let clocks = clocks()?;
    let (address, device) = (*accounts.job.address(), *accounts.device.address());
    accounts.job.check_audit(AuditStage::Drawn)?;
    require!(!accounts.audited.is_linked(&accounts.device), JobsError::LinkedAuditor);
    accounts.job.check_requirements(&accounts.device, &accounts.gpu_model)?;
    let drawn_in = accounts.job.since_slot.get();
    check_admitted(&accounts.job, &device, drawn_in, clocks.now.slot, &accounts.config)?;
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

    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.lock(&accounts.gpu_model, &mut accounts.device, bond)
}

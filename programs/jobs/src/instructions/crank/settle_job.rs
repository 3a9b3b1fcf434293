use crate::AUTHORITY_SEED;
use crate::bonds::Bonds;
use crate::clocks::clocks;
use crate::error::JobsError;
use crate::events::{EscrowMove, JobSettled};
use crate::instructions::crank::pay_bounty;
use crate::state::{Audit, Config, Escrow, Job, Status};
use crate::vault;
use anchor_lang::prelude::*;
use anchor_spl::TokenAccount;
use protocol::units::Amount;
use staking::Device;
use staking::Staking;

#[derive(Accounts)]
pub struct SettleJob {
    /// Anyone; earns the bounty. May also be the consumer, since lamports are only added to either account.
    #[account(mut, unsafe(dup))]
    pub cranker: Signer,
    /// CHECK: the escrow's owner; receives the rent.
    #[account(mut, unsafe(dup), address = escrow.owner @ JobsError::AccountMismatch)]
    pub consumer: UncheckedAccount,
    pub config: Account<Config>,
    #[account(mut, close = consumer)]
    pub job: Account<Job>,
    #[account(mut, address = job.escrow @ JobsError::AccountMismatch)]
    pub escrow: Account<Escrow>,
    #[account(mut, seeds = [Escrow::VAULT_SEED, escrow.address().as_ref()], bump = escrow.vault_bump)]
    pub vault: Account<TokenAccount>,
    #[account(mut, address = job.device @ JobsError::AccountMismatch)]
    pub device: Account<Device>,
    #[account(
        mut,
        constraint(*payout.owner() == device.payout @ JobsError::WrongPayoutAccount),
        constraint(*payout.mint() == escrow.mint @ JobsError::WrongPayoutAccount)
    )]
    pub payout: Account<TokenAccount>,
    /// The job's audit; required exactly if its auditor has committed.
    #[account(mut)]
    pub audit: Option<Account<Audit>>,
    /// Receives the auditor's pay. Left out if auditor and supplier have the same payout wallet: then `payout` receives both.
    #[account(mut)]
    pub auditor_payout: Option<Account<TokenAccount>>,
    pub staking_config: Account<staking::StakingConfig>,
    /// CHECK: this program's signing PDA, derived with the bump in the config.
    #[account(seeds = [AUTHORITY_SEED], bump = config.authority_bump)]
    pub authority: UncheckedAccount,
    pub staking_program: Program<Staking>,
    pub token_program: Program<Token>,
}

/// - anyone may call; fails before the reveal, and before the window has passed by both clocks
/// - fails while demands are without an answer
/// - fails unless the supplier's payment goes to an account of the device's payout wallet in the escrow's mint
/// - pays an auditor that has proved custody its share of what the supplier gets, into the supplier's account if both have one wallet
/// - pays the supplier, books the fees as owed, frees the rest of the lock, and releases the bond
/// - the bounty goes to the caller, the rent to the consumer
pub fn settle_job(ctx: &mut Context<SettleJob>) -> Result<()> {
    let accounts = &mut ctx.accounts;
    let job = &accounts.job;
    job.check_overdue(Status::Revealed, clocks()?)?;
    job.check_answered()?;
    let quote = job.quote_at(Amount(job.price.get()))?;
    let to_auditor = settle_audit(job, &mut accounts.audit, quote.supplier_gets)?;
    accounts.escrow.pay(job.locked.get(), &quote)?;
    Escrow::announce(&accounts.escrow, EscrowMove::Paid, quote.consumer_pays.0);
    emit!(JobSettled {
        job: *job.address(),
        device: job.device,
        consumer_pays: quote.consumer_pays.0,
        supplier_gets: quote.supplier_gets.0,
        fees: quote.fees.0,
        auditor_gets: to_auditor.0,
        outputs: job.outputs,
    });
    pay_both(accounts, quote.supplier_gets, to_auditor)?;
    let bonds = Bonds::new(
        &accounts.staking_program,
        &accounts.staking_config,
        &accounts.authority,
        &accounts.config,
    );
    bonds.release(&mut accounts.device, accounts.job.bond.get())?;
    pay_bounty(&accounts.job, &accounts.cranker)
}

/// Settles with the auditor, if there is one; returns its part of what the supplier gets. Fails unless the job's audit is passed exactly if
/// its auditor has committed.
fn settle_audit(job: &Job, audit: &mut Option<Account<Audit>>, supplier_gets: Amount) -> Result<Amount> {
    match (job.is_audit_sealed(), audit) {
        (true, Some(audit)) => {
            audit.check_of(job)?;
            Ok(audit.settle(job, supplier_gets))
        }
        (false, None) => Ok(Amount::ZERO),
        _ => Err(JobsError::AccountMismatch.into()),
    }
}

/// Pays the supplier, and the auditor out of the supplier's pay.
fn pay_both(accounts: &mut SettleJob, supplier_gets: Amount, to_auditor: Amount) -> Result<()> {
    // Anchor refuses the same account twice, so a supplier could block the settlement by naming its auditor's wallet as its own. One
    // payment to that wallet avoids this.
    let one_wallet = accounts.audit.as_ref().is_some_and(|audit| audit.payout == accounts.device.payout);
    let apart = if one_wallet { Amount::ZERO } else { to_auditor };
    let to_payout = supplier_gets.checked_sub(apart).ok_or(JobsError::BooksBroken)?;
    let (escrow, vault, token) = (&accounts.escrow, &mut accounts.vault, &accounts.token_program);
    vault::pay(escrow, vault, &mut accounts.payout, token, to_payout.0)?;
    if apart > Amount::ZERO {
        let (Some(audit), Some(payout)) = (&accounts.audit, &mut accounts.auditor_payout) else {
            return Err(JobsError::WrongAuditorAccount.into());
        };
        let its_own = *payout.owner() == audit.payout && *payout.mint() == escrow.mint;
        require!(its_own, JobsError::WrongAuditorAccount);
        vault::pay(escrow, vault, payout, token, apart.0)?;
    }
    Ok(())
}

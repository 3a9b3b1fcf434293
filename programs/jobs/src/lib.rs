//! Consumers open escrowed jobs, devices claim them, commit and reveal results, and anyone settles. See this crate's `README.md`.
#![cfg_attr(not(feature = "idl-build"), no_std)]
// Anchor generates undocumented items; README.md lists accounts and instructions.
#![allow(missing_docs)]

extern crate alloc;

use anchor_lang::prelude::*;

mod bonds;
mod clocks;
mod draws;
pub mod error;
pub mod events;
pub mod instructions;
mod siblings;
pub mod state;
mod vault;

use instructions::*;
pub use state::{
    Audit, AuditStage, Config, Conviction, Demand, DemandHeader, Draft, DraftHeader, Escrow, Item, Job, JobTerms, Model, PageEnd,
    ParameterChanges, Parameters, Permit, Status, Value,
};

declare_id!("4YPLpGmj9ThN9f2Porcc3XwERLqHjTUn8Dmu2De94aEm");

/// Seed of the data-less PDA that signs this program's calls into staking. Its bump is kept in the config.
pub const AUTHORITY_SEED: &[u8] = b"authority";

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "ionet jobs",
    project_url: "https://github.com/ionet-market/ionet",
    contacts: "link:https://github.com/ionet-market/ionet/security/advisories/new",
    policy: "https://github.com/ionet-market/ionet/blob/main/SECURITY.md",
    source_code: "https://github.com/ionet-market/ionet"
}

#[program]
pub mod jobs_program {
    use super::*;

    // --- admin: the authority of the config, later the governance program -------------------------------------------------------------

    /// Creates the config; only the program's upgrade authority may.
    pub fn initialize(ctx: &mut Context<Initialize>, cluster: [u8; 32], treasury: Address, parameters: Parameters) -> Result<()> {
        instructions::initialize(ctx, cluster, treasury, parameters)
    }

    /// Changes parameters, within bounds.
    pub fn set_parameters(ctx: &mut Context<Administer>, changes: ParameterChanges) -> Result<()> {
        instructions::set_parameters(ctx, changes)
    }

    /// Replaces the config's authority, guardian or treasury.
    pub fn set_authorities(
        ctx: &mut Context<Administer>,
        authority: Option<Address>,
        guardian: Option<Address>,
        treasury: Option<Address>,
    ) -> Result<()> {
        instructions::set_authorities(ctx, authority, guardian, treasury)
    }

    /// Stops or resumes new jobs and claims; exits stay open.
    pub fn set_paused(ctx: &mut Context<Pause>, paused: bool) -> Result<()> {
        instructions::set_paused(ctx, paused)
    }

    /// Permits a device, which the seal hides, to err once, and deposits the jackpot for the challenger who finds the error.
    pub fn issue_permit(ctx: &mut Context<IssuePermit>, seal: [u8; 32], rate_bps: u16, multiple: u16, jackpot: u64) -> Result<()> {
        instructions::issue_permit(ctx, seal, rate_bps, multiple, jackpot)
    }

    /// Closes a permit, used or not.
    pub fn close_permit(ctx: &mut Context<ClosePermit>) -> Result<()> {
        instructions::close_permit(ctx)
    }

    // --- registrar: anyone who publishes a model --------------------------------------------------------------------------------------

    /// Starts the registration of a model.
    pub fn create_draft(ctx: &mut Context<CreateDraft>, model_hash: [u8; 32], n_ops: u32, inputs: InputShapes) -> Result<()> {
        instructions::create_draft(ctx, model_hash, n_ops, inputs)
    }

    /// Checks and hashes the next op descriptors.
    pub fn append_ops(ctx: &mut Context<AppendOps>, descriptors: alloc::vec::Vec<alloc::vec::Vec<u8>>) -> Result<()> {
        instructions::append_ops(ctx, descriptors)
    }

    /// Turns a complete draft into an immutable model.
    pub fn seal_model(ctx: &mut Context<SealModel>, interval: u16) -> Result<()> {
        instructions::seal_model(ctx, interval)
    }

    /// Drops a draft and returns its rent.
    pub fn discard_draft(ctx: &mut Context<DiscardDraft>) -> Result<()> {
        instructions::discard_draft(ctx)
    }

    // --- consumer: the owner of an escrow ---------------------------------------------------------------------------------------------

    /// Creates the consumer's escrow for a mint.
    pub fn open_escrow(ctx: &mut Context<OpenEscrow>) -> Result<()> {
        instructions::open_escrow(ctx)
    }

    /// Withdraws from the free balance.
    pub fn withdraw(ctx: &mut Context<Withdraw>, amount: u64) -> Result<()> {
        instructions::withdraw(ctx, amount)
    }

    /// Closes an empty escrow and returns its rent.
    pub fn close_escrow(ctx: &mut Context<CloseEscrow>) -> Result<()> {
        instructions::close_escrow(ctx)
    }

    /// Opens a job and locks its highest cost.
    pub fn open_job(ctx: &mut Context<OpenJob>, id: u64, terms: JobTerms) -> Result<()> {
        instructions::open_job(ctx, id, terms)
    }

    /// Cancels a job that nobody has claimed.
    pub fn cancel_job(ctx: &mut Context<CancelJob>) -> Result<()> {
        instructions::cancel_job(ctx)
    }

    /// Gives an open job, or its worker, more time.
    pub fn extend_job(ctx: &mut Context<ExtendJob>, seconds: u32) -> Result<()> {
        instructions::extend_job(ctx, seconds)
    }

    // --- worker: the hot key of a device ----------------------------------------------------------------------------------------------

    /// Takes an open job at the auction's price and locks a bond for it.
    pub fn claim_job(ctx: &mut Context<ClaimJob>, expected: [u8; 32], min_price: u64) -> Result<()> {
        instructions::claim_job(ctx, expected, min_price)
    }

    /// Posts the sealed commitment to a result.
    pub fn commit_result(ctx: &mut Context<WorkJob>, commitment: [u8; 32]) -> Result<()> {
        instructions::commit_result(ctx, commitment)
    }

    /// Opens the commitment and starts the challenge window.
    pub fn reveal_result(ctx: &mut Context<WorkJob>, traces: [u8; 32], outputs: [u8; 32], nonce: [u8; 32]) -> Result<()> {
        instructions::reveal_result(ctx, traces, outputs, nonce)
    }

    /// Shows the op outputs of a unit, by their hashes.
    pub fn answer_ops(ctx: &mut Context<Answer>, offset: u32, tensors: Hashes, path: Option<Hashes>) -> Result<()> {
        instructions::answer_ops(ctx, offset, tensors, path)
    }

    /// Shows the traces, or the delivered outputs, of a page of units, by their hashes.
    pub fn answer_units(ctx: &mut Context<Answer>, offset: u32, hashes: Hashes, above: Option<Hashes>) -> Result<()> {
        instructions::answer_units(ctx, offset, hashes, above)
    }

    /// Shows a page of an op output's chunk hashes.
    pub fn answer_page(ctx: &mut Context<Answer>, offset: u32, leaves: Hashes, end: Option<PageEnd>) -> Result<()> {
        instructions::answer_page(ctx, offset, leaves, end)
    }

    /// Shows a chunk of an op's output.
    pub fn answer_chunk(ctx: &mut Context<Answer>, offset: u32, bytes: alloc::vec::Vec<u8>, path: Option<Hashes>) -> Result<()> {
        instructions::answer_chunk(ctx, offset, bytes, path)
    }

    // --- auditor: the hot key of another device ---------------------------------------------------------------------------------------

    /// Takes an audit that was drawn.
    pub fn claim_audit(ctx: &mut Context<ClaimAudit>, expected: [u8; 32]) -> Result<()> {
        instructions::claim_audit(ctx, expected)
    }

    /// Posts the sealed commitment to a second result, and the root of a salted tree over its trace.
    pub fn commit_audit(ctx: &mut Context<WorkAudit>, commitment: [u8; 32], custody: [u8; 32]) -> Result<()> {
        instructions::commit_audit(ctx, commitment, custody)
    }

    /// Opens the auditor's commitment.
    pub fn reveal_audit(ctx: &mut Context<WorkAudit>, traces: [u8; 32], outputs: [u8; 32], nonce: [u8; 32]) -> Result<()> {
        instructions::reveal_audit(ctx, traces, outputs, nonce)
    }

    // --- challenger: anyone who has evidence, or asks for it ---------------------------------------------------------------------------

    /// Demands that the worker show a part of its result, at a cost of at most `most` lamports.
    pub fn open_demand(ctx: &mut Context<OpenDemand>, item: Item, most: u64) -> Result<()> {
        instructions::open_demand(ctx, item, most)
    }

    /// Proves a revealed result wrong: the consumer is refunded, and the worker loses its bond.
    pub fn convict(ctx: &mut Context<Convict>) -> Result<()> {
        instructions::convict(ctx)
    }

    /// Takes over a conviction's reward with evidence that was sealed earlier.
    pub fn overtake(ctx: &mut Context<Overtake>) -> Result<()> {
        instructions::overtake(ctx)
    }

    // --- crank: anyone ----------------------------------------------------------------------------------------------------------------

    /// Adds to an escrow's free balance.
    pub fn deposit(ctx: &mut Context<Deposit>, amount: u64) -> Result<()> {
        instructions::deposit(ctx, amount)
    }

    /// Pays for a job whose window has passed.
    pub fn settle_job(ctx: &mut Context<SettleJob>) -> Result<()> {
        instructions::settle_job(ctx)
    }

    /// Draws whether a committed result is audited.
    pub fn draw_audit(ctx: &mut Context<DrawAudit>) -> Result<()> {
        instructions::draw_audit(ctx)
    }

    /// Ends an audit that no auditor took in time.
    pub fn skip_audit(ctx: &mut Context<DrawAudit>) -> Result<()> {
        instructions::skip_audit(ctx)
    }

    /// Ends an audit whose auditor is late.
    pub fn timeout_audit(ctx: &mut Context<EndAudit>) -> Result<()> {
        instructions::timeout_audit(ctx)
    }

    /// Proves that the auditor holds the trace.
    pub fn prove_custody(ctx: &mut Context<ProveCustody>) -> Result<()> {
        instructions::prove_custody(ctx)
    }

    /// Closes an audit whose job is over and releases the auditor's bond.
    pub fn close_audit(ctx: &mut Context<CloseAudit>) -> Result<()> {
        instructions::close_audit(ctx)
    }

    /// Starts the reveal time of replicas once all of them have committed or ended.
    pub fn call_reveals(ctx: &mut Context<Siblings>) -> Result<()> {
        instructions::call_reveals(ctx)
    }

    /// Ends the challenge windows of replicas that agree.
    pub fn agree_replicas(ctx: &mut Context<Siblings>) -> Result<()> {
        instructions::agree_replicas(ctx)
    }

    /// Ends a job that nobody claimed in time.
    pub fn expire_job(ctx: &mut Context<ExpireJob>) -> Result<()> {
        instructions::expire_job(ctx)
    }

    /// Ends a job whose worker missed a deadline: the consumer is refunded, and the worker pays a penalty.
    pub fn timeout_job(ctx: &mut Context<TimeoutJob>) -> Result<()> {
        instructions::timeout_job(ctx)
    }

    /// Convicts a worker whose time for an answer has passed.
    pub fn convict_silence(ctx: &mut Context<ConvictSilence>) -> Result<()> {
        instructions::convict_silence(ctx)
    }

    /// Closes a demand and returns what is left in it.
    pub fn close_demand(ctx: &mut Context<CloseDemand>) -> Result<()> {
        instructions::close_demand(ctx)
    }

    /// Shows that a convicted result was an error by permit: stake is returned, and the challenger is owed the jackpot. Takes the secret, not
    /// the key.
    pub fn open_permit(ctx: &mut Context<OpenPermit>, secret: [u8; 32]) -> Result<()> {
        instructions::open_permit(ctx, secret)
    }

    /// Pays the challenger of a convicted job once the priority period has passed, and ends the job.
    pub fn award(ctx: &mut Context<Award>) -> Result<()> {
        instructions::award(ctx)
    }

    /// Confesses to an error by permit that nobody has found: the consumer is refunded. Takes the secret, not the key.
    pub fn confess(ctx: &mut Context<Confess>, secret: [u8; 32]) -> Result<()> {
        instructions::confess(ctx, secret)
    }

    /// Moves an escrow's fees to the treasury and burns the share that is to be burned.
    pub fn sweep_fees(ctx: &mut Context<SweepFees>) -> Result<()> {
        instructions::sweep_fees(ctx)
    }
}

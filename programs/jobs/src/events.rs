//! An event for every state change, with all that an indexer needs to replay the books without reading accounts.

use crate::state::{Item, JobTerms, Parameters};
use anchor_lang::prelude::*;

/// The config's keys, treasury and pause switch, after `initialize`, `set_authorities` or `set_paused` set them.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    /// May change parameters and authorities, and resume.
    pub authority: Address,
    /// May pause; nothing else.
    pub guardian: Address,
    /// Wallet whose token accounts receive the fees.
    pub treasury: Address,
    /// Whether new jobs and claims are paused.
    pub paused: bool,
}

/// The parameters were set. Emitted by `initialize` and `set_parameters`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// Previous parameters; `None` when the config was created.
    pub before: Option<Parameters>,
    /// Parameters in force from now on.
    pub after: Parameters,
}

/// A model was registered. Emitted by `seal_model`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ModelSealed {
    /// The model's account.
    pub model: Address,
    /// MODEL: the hash that names the model and binds every op, weight and table.
    pub hash: [u8; 32],
    /// Wallet that paid for the registration.
    pub registrar: Address,
    /// Number of ops in its graph.
    pub n_ops: u32,
    /// Multiply-accumulates (or copies) of one unit.
    pub macs: u64,
}

/// A consumer opened an escrow. Emitted by `open_escrow`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EscrowOpened {
    /// The escrow's account.
    pub escrow: Address,
    /// The consumer's wallet.
    pub owner: Address,
    /// Mint of its balances and of its jobs' prices.
    pub mint: Address,
}

/// Why an escrow's balances moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum EscrowMove {
    /// Into the free balance, from anybody's wallet.
    Deposited,
    /// From free to a token account that the consumer named.
    Withdrawn,
    /// From free to locked: a job was opened.
    Locked,
    /// From locked to free: a job ended unpaid, or its result was proved wrong.
    Refunded,
    /// From locked to the supplier, fees and free: a job was paid.
    Paid,
    /// From fees to the treasury and the burn.
    Swept,
}

/// Money moved in an escrow. Emitted by `deposit`, `withdraw`, `open_job`, `sweep_fees`, and when a job is paid, refunded or convicted.
#[event]
#[derive(AnchorDeserialize)]
pub struct EscrowMoved {
    /// The escrow's account.
    pub escrow: Address,
    /// Why, and with it from where to where.
    pub kind: EscrowMove,
    /// Amount moved, in base units of the escrow's mint; for `Paid`, the whole cost of the job to its consumer.
    pub amount: u64,
    /// Free balance after the move, in base units of the escrow's mint.
    pub free: u64,
    /// Balance locked for jobs after the move, in base units of the escrow's mint.
    pub locked: u64,
    /// Fees owed after the move, in base units of the escrow's mint.
    pub fees: u64,
}

/// A job was opened. Emitted by `open_job`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobOpened {
    /// The job's account.
    pub job: Address,
    /// The escrow that pays for it.
    pub escrow: Address,
    /// Account of the model to compute.
    pub model: Address,
    /// The escrow's mint: prices are in its base units.
    pub mint: Address,
    /// Whether that mint is another than $IO. Anyone can create a mint, so its amounts say nothing about value.
    pub foreign_mint: bool,
    /// Lamports for the caller that ends the job.
    pub bounty: u64,
    /// Id that the consumer chose for the job.
    pub id: u64,
    /// What the consumer asks for.
    pub terms: JobTerms,
}

/// A device took a job. Emitted by `claim_job`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobClaimed {
    /// The job's account.
    pub job: Address,
    /// The device that computes it.
    pub device: Address,
    /// Price per unit, fixed by this claim, in base units of the escrow's mint.
    pub price: u64,
    /// When the commitment is due, unix seconds.
    pub deadline: i64,
    /// Bond that was locked for it, in $IO base units.
    pub bond: u64,
}

/// A worker committed to a result. Emitted by `commit_result`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobCommitted {
    /// The job's account.
    pub job: Address,
    /// COMMIT: hash of the result, the device and a nonce.
    pub commitment: [u8; 32],
    /// When the reveal is due, unix seconds; `i64::MAX` for a replica, whose reveal is called later.
    pub deadline: i64,
}

/// A worker revealed its result. Emitted by `reveal_result`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobRevealed {
    /// The job's account.
    pub job: Address,
    /// Root of the traces.
    pub traces: [u8; 32],
    /// Root of the outputs.
    pub outputs: [u8; 32],
    /// End of the challenge window, unix seconds.
    pub window_ends: i64,
}

/// All replicas have committed or ended, so this one may reveal. Emitted by `call_reveals` for each replica that has not ended.
#[event]
#[derive(AnchorDeserialize)]
pub struct RevealsCalled {
    /// The replica's account.
    pub job: Address,
    /// When the reveal is due, unix seconds.
    pub deadline: i64,
}

/// Replicas have the same result, so this one's challenge window ends at once. Emitted by `agree_replicas` for each that agrees.
#[event]
#[derive(AnchorDeserialize)]
pub struct ReplicaAgreed {
    /// The replica's account.
    pub job: Address,
}

/// A draw decided whether a committed result is audited. Emitted by `draw_audit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditDrawn {
    /// The job's account.
    pub job: Address,
    /// Whether the result is audited.
    pub drawn: bool,
    /// End of the time to take the audit or, if none was drawn, to reveal the result; unix seconds.
    pub deadline: i64,
}

/// A device took an audit. Emitted by `claim_audit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditTaken {
    /// The audited job's account.
    pub job: Address,
    /// The auditor's device.
    pub device: Address,
    /// When the auditor's commitment is due, unix seconds.
    pub deadline: i64,
}

/// No auditor took the audit in time (`skip_audit`), or the auditor did not commit in time (`timeout_audit`): the worker may reveal.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditSkipped {
    /// The audited job's account.
    pub job: Address,
    /// When the worker's reveal is due, unix seconds.
    pub deadline: i64,
}

/// An auditor committed to its own result: the worker may reveal. Emitted by `commit_audit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditCommitted {
    /// The audited job's account.
    pub job: Address,
    /// COMMIT: hash of the auditor's result, its device and a nonce.
    pub commitment: [u8; 32],
    /// Root of the auditor's salted tree over the trace.
    pub custody: [u8; 32],
    /// When the worker's reveal is due, unix seconds.
    pub deadline: i64,
}

/// An auditor revealed its result. Emitted by `reveal_audit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditRevealed {
    /// The audited job's account.
    pub job: Address,
    /// Root of the auditor's traces.
    pub traces: [u8; 32],
    /// Root of the auditor's outputs.
    pub outputs: [u8; 32],
    /// Whether both roots equal the worker's.
    pub agrees: bool,
}

/// An auditor proved that it holds the trace, and will be paid together with the job. Emitted by `prove_custody`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditProven {
    /// The audited job's account.
    pub job: Address,
    /// The auditor's device.
    pub device: Address,
}

/// An audit whose job is over was closed and its bond released. Emitted by `close_audit`; for `timeout_audit` see `AuditSkipped`.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditClosed {
    /// The audited job's account, which may be gone.
    pub job: Address,
    /// The auditor's device.
    pub device: Address,
    /// Whether the job was paid but the auditor was not, which counts as a missed job of the auditor's.
    pub missed: bool,
}

/// A consumer gave an open job, or its worker, more time. Emitted by `extend_job`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobExtended {
    /// The job's account.
    pub job: Address,
    /// New end of the offer or of the run, unix seconds.
    pub deadline: i64,
}

/// A job was paid and its account closed. Emitted by `settle_job`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobSettled {
    /// The job's account, which is gone.
    pub job: Address,
    /// The device that computed it.
    pub device: Address,
    /// What the job cost the consumer, in base units of the escrow's mint: `supplier_gets` plus `fees`.
    pub consumer_pays: u64,
    /// What the supplier gets, in base units of the escrow's mint, including what it shares with the auditor.
    pub supplier_gets: u64,
    /// Fees of both sides, in base units of the escrow's mint.
    pub fees: u64,
    /// Of `supplier_gets`, what the auditor gets; 0 without a proven audit.
    pub auditor_gets: u64,
    /// Root of the outputs.
    pub outputs: [u8; 32],
}

/// Why a job ended without being paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum Ending {
    /// The consumer cancelled it.
    Cancelled,
    /// Nobody claimed it in time.
    Expired,
    /// Its worker missed a deadline.
    TimedOut,
    /// Its worker confessed to an error by permit.
    Confessed,
}

/// A job was refunded in full and its account closed. Emitted by `cancel_job`, `expire_job`, `timeout_job` and `confess`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobRefunded {
    /// The job's account, which is gone.
    pub job: Address,
    /// Why it ended.
    pub ending: Ending,
    /// Amount returned to the escrow's free balance, in base units of its mint.
    pub refund: u64,
    /// Part of the bond that the worker forfeits, in $IO base units; 0 when nobody had taken the job.
    pub penalty: u64,
}

/// A result was proved wrong (`convict`) or a part of it withheld (`convict_silence`): the consumer is refunded, the device's bond taken.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobConvicted {
    /// The job's account, which stays until `award`.
    pub job: Address,
    /// The convicted device.
    pub device: Address,
    /// Challenger that is owed the reward, unless evidence sealed earlier takes it over.
    pub challenger: Address,
    /// Slot in which its evidence was sealed; 0 for silence.
    pub sealed_slot: u64,
    /// Amount returned to the escrow's free balance, in base units of its mint.
    pub refund: u64,
    /// Part of the bond that is owed to the challenger, in $IO base units.
    pub reward: u64,
    /// Part of the bond that was paid to the consumer, in $IO base units.
    pub compensation: u64,
    /// Part of the bond that is to be burned, in $IO base units.
    pub burned: u64,
    /// How the result is wrong; see `protocol::referee::Fault`.
    pub fault: u8,
    /// Unit with the fault.
    pub unit: u32,
    /// Op with the fault; 0 when the fault lies above the ops.
    pub op: u32,
    /// Element, chunk or node with the fault; for silence, the page or chunk that was demanded.
    pub index: u32,
    /// For an element, its correct value, as a code.
    pub expected: u8,
    /// For an element, the value that the worker committed to, as a code.
    pub claimed: u8,
    /// End of the time in which evidence sealed earlier may take the reward over, unix seconds.
    pub priority_ends: i64,
}

/// Evidence that was sealed earlier took over a conviction's reward. Emitted by `overtake`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConvictionOvertaken {
    /// The job's account.
    pub job: Address,
    /// Challenger that is now owed the reward.
    pub challenger: Address,
    /// Slot in which its evidence was sealed.
    pub sealed_slot: u64,
    /// How the result is wrong according to this evidence, here and below; see `JobConvicted`.
    pub fault: u8,
    /// Unit with the fault.
    pub unit: u32,
    /// Op with the fault; 0 when the fault lies above the ops.
    pub op: u32,
    /// Element, chunk or node with the fault.
    pub index: u32,
    /// For an element, its correct value, as a code.
    pub expected: u8,
    /// For an element, the value that the worker committed to, as a code.
    pub claimed: u8,
}

/// A challenger was paid, and the accounts of the job and its conviction closed. Emitted by `award`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ChallengerAwarded {
    /// The job's account, which is gone.
    pub job: Address,
    /// The convicted device.
    pub device: Address,
    /// Challenger that was paid.
    pub challenger: Address,
    /// What it was paid, in $IO base units, including any jackpot.
    pub reward: u64,
}

/// Some device was permitted to err once. Emitted by `issue_permit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitIssued {
    /// The permit's account.
    pub permit: Address,
    /// Hash that hides the device and the secret by which its jobs are drawn.
    pub seal: [u8; 32],
    /// Share of the device's jobs that the secret draws, in basis points.
    pub rate_bps: u16,
    /// Prices of the job that the challenger who finds the error gets on top of the reward, as far as the jackpot reaches.
    pub multiple: u16,
    /// Most that the challenger gets on top of the reward, in $IO base units.
    pub jackpot: u64,
}

/// A convicted result turned out to be an error by permit. Emitted by `open_permit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitOpened {
    /// The convicted job's account.
    pub job: Address,
    /// The device that erred.
    pub device: Address,
    /// The permit's account.
    pub permit: Address,
    /// Part of the bond that was to be burned and is the device's stake again instead, in $IO base units.
    pub returned: u64,
    /// What the challenger is owed on top of its reward, in $IO base units.
    pub jackpot: u64,
}

/// A worker confessed to an error by permit. Emitted by `confess`, and followed by `JobRefunded`.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitConfessed {
    /// The job's account.
    pub job: Address,
    /// The permit's account.
    pub permit: Address,
}

/// A permit's accounts were closed. Emitted by `close_permit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitClosed {
    /// The permit's account.
    pub permit: Address,
    /// What its vault still held, in $IO base units; paid to the account that the authority named.
    pub returned: u64,
}

/// A challenger demanded to see a part of a result. Emitted by `open_demand`.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandOpened {
    /// The job's account.
    pub job: Address,
    /// The demand's account.
    pub demand: Address,
    /// The device that must answer.
    pub device: Address,
    /// Challenger that asked.
    pub challenger: Address,
    /// The part that is demanded.
    pub item: Item,
    /// Lamports that the challenger paid on top of the rent: the fee that the answer earns, and what goes to the treasury.
    pub cost: u64,
    /// When the answer is due, unix seconds.
    pub deadline: i64,
}

/// A worker completed an answer to a demand. Emitted by the last `answer_ops`, `answer_units`, `answer_page` or `answer_chunk` of it.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandAnswered {
    /// The job's account.
    pub job: Address,
    /// The demand's account.
    pub demand: Address,
    /// Hash of what was shown: the root over a unit's op outputs or over a page, or a chunk's leaf.
    pub shown: [u8; 32],
    /// End of the challenge window from now on, unix seconds.
    pub window_ends: i64,
}

/// A demand's account was closed. Emitted by `close_demand`.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandClosed {
    /// The job's account, which may be gone.
    pub job: Address,
    /// The demand's account, which is gone.
    pub demand: Address,
    /// Challenger that opened the demand and got back what was left in the account.
    pub challenger: Address,
}

/// Fees left an escrow. Emitted by `sweep_fees`.
#[event]
#[derive(AnchorDeserialize)]
pub struct FeesSwept {
    /// The escrow's account.
    pub escrow: Address,
    /// Amount paid to the treasury, in base units of the escrow's mint.
    pub to_treasury: u64,
    /// Amount burned, in $IO base units; 0 for any other mint.
    pub burned: u64,
}

//! Every change of the books, with what an indexer needs to replay them without reading accounts.

use crate::state::{Item, JobTerms, Parameters};
use anchor_lang::prelude::*;

/// The authorities or the pause switch changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConfigChanged {
    pub authority: Address,
    pub guardian: Address,
    pub treasury: Address,
    pub paused: bool,
}

/// Parameters were set.
#[event]
#[derive(AnchorDeserialize)]
pub struct ParametersChanged {
    /// None at the start.
    pub before: Option<Parameters>,
    pub after: Parameters,
}

/// A model was sealed.
#[event]
#[derive(AnchorDeserialize)]
pub struct ModelSealed {
    pub model: Address,
    pub hash: [u8; 32],
    pub registrar: Address,
    pub n_ops: u32,
    pub macs: u64,
}

/// A consumer opened an escrow: what moves in it, and what its jobs are paid in, is this mint's.
#[event]
#[derive(AnchorDeserialize)]
pub struct EscrowOpened {
    pub escrow: Address,
    pub owner: Address,
    pub mint: Address,
}

/// Why an escrow's balances moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum EscrowMove {
    /// In from the consumer's wallet.
    Deposited,
    /// Out to the consumer's wallet.
    Withdrawn,
    /// From free to locked: a job was opened.
    Locked,
    /// From locked to free: a job ended without a result.
    Refunded,
    /// From locked to the supplier, fees and free: a job was paid.
    Paid,
    /// From fees to the treasury and the burn.
    Swept,
}

/// An escrow's balances after a move of `amount`.
#[event]
#[derive(AnchorDeserialize)]
pub struct EscrowMoved {
    pub escrow: Address,
    pub kind: EscrowMove,
    pub amount: u64,
    pub free: u64,
    pub locked: u64,
    pub fees: u64,
}

/// A job was opened; prices are in base units of `mint`.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobOpened {
    pub job: Address,
    pub escrow: Address,
    pub model: Address,
    pub mint: Address,
    /// Another mint than $IO: anyone can make one, so its amounts say nothing of worth.
    pub foreign_mint: bool,
    /// Lamports for whoever ends it.
    pub bounty: u64,
    pub id: u64,
    pub terms: JobTerms,
}

/// A device took a job.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobClaimed {
    pub job: Address,
    pub device: Address,
    pub price: u64,
    pub deadline: i64,
    pub bond: u64,
}

/// A result was committed.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobCommitted {
    pub job: Address,
    pub commitment: [u8; 32],
}

/// A result was revealed.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobRevealed {
    pub job: Address,
    pub traces: [u8; 32],
    pub outputs: [u8; 32],
    pub window_ends: i64,
}

/// All replicas have committed: the reveal of this one is called.
#[event]
#[derive(AnchorDeserialize)]
pub struct RevealsCalled {
    pub job: Address,
    pub deadline: i64,
}

/// Another replica has the same result: the window of this one is over.
#[event]
#[derive(AnchorDeserialize)]
pub struct ReplicaAgreed {
    pub job: Address,
}

/// Whether a committed result is audited.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditDrawn {
    pub job: Address,
    pub drawn: bool,
    pub deadline: i64,
}

/// A device has taken an audit.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditTaken {
    pub job: Address,
    pub device: Address,
    pub deadline: i64,
}

/// No auditor was in time: the worker may reveal.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditSkipped {
    pub job: Address,
    pub deadline: i64,
}

/// An auditor has committed to its result: the worker may reveal.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditCommitted {
    pub job: Address,
    pub commitment: [u8; 32],
    pub custody: [u8; 32],
    pub deadline: i64,
}

/// An auditor has revealed its result.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditRevealed {
    pub job: Address,
    pub traces: [u8; 32],
    pub outputs: [u8; 32],
    pub agrees: bool,
}

/// An auditor has shown that it holds the trace.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditProven {
    pub job: Address,
    pub device: Address,
}

/// An audit's account closed; `missed` when its auditor was not paid for a job that was.
#[event]
#[derive(AnchorDeserialize)]
pub struct AuditClosed {
    pub job: Address,
    pub device: Address,
    pub missed: bool,
}

/// A job's deadline moved.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobExtended {
    pub job: Address,
    pub deadline: i64,
}

/// A job was paid and its account closed.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobSettled {
    pub job: Address,
    pub device: Address,
    pub consumer_pays: u64,
    pub supplier_gets: u64,
    pub fees: u64,
    /// Of what the supplier gets.
    pub auditor_gets: u64,
    pub outputs: [u8; 32],
}

/// Why a job ended without being paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
#[repr(u8)]
pub enum Ending {
    /// The consumer took it back.
    Cancelled,
    /// Nobody claimed it in time.
    Expired,
    /// Its worker was late.
    TimedOut,
    /// Its worker erred by permit, and said so.
    Confessed,
}

/// A job was refunded in full and its account closed.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobRefunded {
    pub job: Address,
    pub ending: Ending,
    pub refund: u64,
    pub penalty: u64,
}

/// A result was proved wrong: the consumer's lock is free again, the device's bond is split.
#[event]
#[derive(AnchorDeserialize)]
pub struct JobConvicted {
    pub job: Address,
    pub device: Address,
    pub challenger: Address,
    pub sealed_slot: u64,
    pub refund: u64,
    pub reward: u64,
    pub compensation: u64,
    pub burned: u64,
    /// Where it is wrong and how, as `protocol::referee::Verdict` says.
    pub fault: u8,
    pub unit: u32,
    pub op: u32,
    pub index: u32,
    pub expected: u8,
    pub claimed: u8,
    pub priority_ends: i64,
}

/// An earlier seal took a conviction's reward over.
#[event]
#[derive(AnchorDeserialize)]
pub struct ConvictionOvertaken {
    pub job: Address,
    pub challenger: Address,
    pub sealed_slot: u64,
}

/// A challenger was paid; the accounts of the job and its conviction closed.
#[event]
#[derive(AnchorDeserialize)]
pub struct ChallengerAwarded {
    pub job: Address,
    pub device: Address,
    pub challenger: Address,
    pub reward: u64,
}

/// A device has leave to err once.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitIssued {
    pub device: Address,
    pub seal: [u8; 32],
    pub rate_bps: u16,
    pub jackpot: u64,
}

/// A conviction was for an error by permit: `returned` is the device's stake again, and the challenger is owed `jackpot` more.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitOpened {
    pub job: Address,
    pub device: Address,
    pub returned: u64,
    pub jackpot: u64,
}

/// A permit's accounts closed.
#[event]
#[derive(AnchorDeserialize)]
pub struct PermitClosed {
    pub device: Address,
    pub returned: u64,
}

/// A challenger asks for a part of a result.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandOpened {
    pub job: Address,
    pub demand: Address,
    pub device: Address,
    pub challenger: Address,
    pub item: Item,
    /// Lamports, of which the answer earns the fee.
    pub cost: u64,
    pub deadline: i64,
}

/// A worker has shown what was demanded.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandAnswered {
    pub job: Address,
    pub demand: Address,
    pub shown: [u8; 32],
    pub window_ends: i64,
}

/// A demand's account closed.
#[event]
#[derive(AnchorDeserialize)]
pub struct DemandClosed {
    pub job: Address,
    pub demand: Address,
    pub challenger: Address,
}

/// Fees left an escrow.
#[event]
#[derive(AnchorDeserialize)]
pub struct FeesSwept {
    pub escrow: Address,
    pub to_treasury: u64,
    pub burned: u64,
}

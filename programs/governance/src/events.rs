//! An event for every state change, with the state after it, so that an indexer can replay them without reading accounts.

use crate::state::Rules;
use anchor_lang::prelude::*;

/// The rules of voting were set. Emitted by `initialize` and `set_rules`.
#[event]
#[derive(AnchorDeserialize)]
pub struct RulesChanged {
    /// Previous rules; `None` when the config was created.
    pub before: Option<Rules>,
    /// Rules for votes that open from now on.
    pub after: Rules,
}

/// The guardian and its term were set. Emitted by `initialize` and `set_guardian`.
#[event]
#[derive(AnchorDeserialize)]
pub struct GuardianChanged {
    /// The guardian from now on.
    pub guardian: Address,
    /// End of its term, unix seconds. If this is in the past, there is no guardian.
    pub until: i64,
}

/// A program's code was replaced. Emitted by `upgrade_program`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProgramUpgraded {
    /// Id of the program.
    pub program: Address,
    /// SHA-256 of its code from the next slot on.
    pub sha256: [u8; 32],
}

/// The guardian paused a program. Emitted by `pause`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProgramPaused {
    /// Id of the paused program: staking, costaking or jobs.
    pub program: Address,
    /// The guardian that signed.
    pub guardian: Address,
}

/// A proposal was created, as a draft. Emitted by `create_proposal`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalCreated {
    /// The proposal's account.
    pub proposal: Address,
    /// Wallet that writes it.
    pub proposer: Address,
    /// Its number among all proposals, from 0; never reused.
    pub index: u64,
    /// Title in printable ASCII, padded with zeros.
    pub title: [u8; 64],
    /// Hash of the text that explains the proposal.
    pub text_hash: [u8; 32],
}

/// An instruction of a proposal is complete and can no longer change. Emitted by the last `write_payload`.
#[event]
#[derive(AnchorDeserialize)]
pub struct InstructionWritten {
    /// The proposal's account.
    pub proposal: Address,
    /// Its place in the proposal, from 0.
    pub index: u8,
    /// Program that it calls.
    pub program: Address,
    /// Its kind: 0 guardian, 1 parameter, 2 treasury, 3 upgrade; see `protocol::ballot::Kind`.
    pub kind: u8,
}

/// Voting on a proposal began. Emitted by `submit_proposal`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalOpened {
    /// The proposal's account.
    pub proposal: Address,
    /// The strictest kind of its instructions; see `protocol::ballot::Kind`.
    pub kind: u8,
    /// Number of its instructions.
    pub instructions: u8,
    /// Quorum: votes needed, in $IO base units of stake.
    pub quorum: u64,
    /// Deposit taken from the proposer, in $IO base units.
    pub deposit: u64,
    /// End of the vote, unix seconds.
    pub voting_ends: i64,
    /// End of the timelock, unix seconds: the proposal may be executed from then on.
    pub eta: i64,
    /// Deadline for its execution, unix seconds.
    pub expires_at: i64,
}

/// A vote was cast (`vote_stake`, `vote_co_stake`), changed (`change_vote`) or withdrawn (`close_ballot`).
#[event]
#[derive(AnchorDeserialize)]
pub struct VoteCast {
    /// The proposal's account.
    pub proposal: Address,
    /// Owner of the stake, even if its representative votes.
    pub voter: Address,
    /// Account of the device or co-staking position whose stake votes.
    pub source: Address,
    /// 0 yes, 1 no, 2 abstain, 3 veto; 255 for a vote that was withdrawn.
    pub choice: u8,
    /// Weight of the vote, in $IO base units of stake.
    pub weight: u64,
    /// The tallies after it: yes, no, abstain, veto; in $IO base units.
    pub votes: [u64; 4],
}

/// A proposal's status changed. Emitted by `advance_proposal`, `cancel_proposal` and the last `execute_instruction`.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalMoved {
    /// The proposal's account.
    pub proposal: Address,
    /// New status; see `Status`.
    pub status: u8,
}

/// An instruction of a proposal was executed. Emitted by `execute_instruction`.
#[event]
#[derive(AnchorDeserialize)]
pub struct InstructionExecuted {
    /// The proposal's account.
    pub proposal: Address,
    /// Its place in the proposal, from 0.
    pub index: u8,
    /// Program that it called.
    pub program: Address,
}

/// The deposit of an ended proposal was returned or burned. Emitted by `release_deposit`.
#[event]
#[derive(AnchorDeserialize)]
pub struct DepositReleased {
    /// The proposal's account.
    pub proposal: Address,
    /// The deposit, in $IO base units.
    pub amount: u64,
    /// Whether it was burned because of vetoes, instead of returned to the proposer.
    pub burned: bool,
}

/// An owner of stake named a representative (`set_delegate`) or removed it (`clear_delegate`).
#[event]
#[derive(AnchorDeserialize)]
pub struct Delegated {
    /// Owner of the stake.
    pub owner: Address,
    /// New representative; the owner itself if it was removed.
    pub representative: Address,
}

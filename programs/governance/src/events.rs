//! Every change, with what is true after it: an indexer replays them without reading accounts.

use crate::state::Rules;
use anchor_lang::prelude::*;

/// The rules of voting changed.
#[event]
#[derive(AnchorDeserialize)]
pub struct RulesChanged {
    /// None at the start.
    pub before: Option<Rules>,
    pub after: Rules,
}

/// Another guardian, or another term.
#[event]
#[derive(AnchorDeserialize)]
pub struct GuardianChanged {
    pub guardian: Address,
    /// Unix seconds.
    pub until: i64,
}

/// The guardian has paused a program.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProgramPaused {
    pub program: Address,
    pub guardian: Address,
}

/// Somebody began to write a proposal.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalCreated {
    pub proposal: Address,
    pub proposer: Address,
    pub index: u64,
    pub title: [u8; 64],
    /// Hash of the text that explains it.
    pub text_hash: [u8; 32],
}

/// An instruction of a proposal is complete and cannot change any more.
#[event]
#[derive(AnchorDeserialize)]
pub struct InstructionWritten {
    pub proposal: Address,
    pub index: u8,
    pub program: Address,
    /// What the proposal asks for with it; see `protocol::ballot::Kind`.
    pub kind: u8,
}

/// Voting began.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalOpened {
    pub proposal: Address,
    pub kind: u8,
    pub instructions: u8,
    pub quorum: u64,
    pub deposit: u64,
    pub voting_ends: i64,
    /// When it may be executed from, and until when.
    pub eta: i64,
    pub expires_at: i64,
}

/// A vote was cast, changed or taken back.
#[event]
#[derive(AnchorDeserialize)]
pub struct VoteCast {
    pub proposal: Address,
    /// Owner of the stake.
    pub voter: Address,
    /// The device or position that votes.
    pub source: Address,
    /// See `protocol::ballot::Choice`; 255 for a vote that was taken back.
    pub choice: u8,
    pub weight: u64,
    /// The votes after it: yes, no, abstain, veto.
    pub votes: [u64; 4],
}

/// A proposal has another status.
#[event]
#[derive(AnchorDeserialize)]
pub struct ProposalMoved {
    pub proposal: Address,
    /// See `Status`.
    pub status: u8,
}

/// An instruction was executed.
#[event]
#[derive(AnchorDeserialize)]
pub struct InstructionExecuted {
    pub proposal: Address,
    pub index: u8,
    pub program: Address,
}

/// The deposit of an ended proposal is back, or burned.
#[event]
#[derive(AnchorDeserialize)]
pub struct DepositReleased {
    pub proposal: Address,
    pub amount: u64,
    pub burned: bool,
}

/// An owner of stake named who votes for it; itself when it took that back.
#[event]
#[derive(AnchorDeserialize)]
pub struct Delegated {
    pub owner: Address,
    pub representative: Address,
}

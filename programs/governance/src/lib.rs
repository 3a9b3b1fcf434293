//! Governance by stakers: proposals, votes by stake, timelocks, execution. See this crate's `README.md`.
#![cfg_attr(not(feature = "idl-build"), no_std)]
// Anchor generates undocumented items; README.md lists accounts and instructions.
#![allow(missing_docs)]

extern crate alloc;

use alloc::vec::Vec;
use anchor_lang::prelude::*;

pub mod error;
pub mod events;
pub mod instructions;
pub mod kind;
pub mod state;

use instructions::*;
pub use state::{Ballot, Config, Delegation, PayloadHeader, Proposal, RuleChanges, Rules, Status};

declare_id!("AMdJx3EceGTZb6SR5bhP6pXJEAbcE9mU3VSJNN9RLK5H");

/// Seed of the PDA that governs the other programs and holds the treasury.
pub const AUTHORITY_SEED: &[u8] = b"authority";
/// Seed of the PDA that pays the rent of accounts that proposals create. It is not the authority, since Anchor refuses an account that is
/// passed twice if either place is writable.
pub const PURSE_SEED: &[u8] = b"purse";
/// Seed of the PDA that is the guardian of the other programs.
pub const GUARDIAN_SEED: &[u8] = b"guardian";

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "ionet governance",
    project_url: "https://github.com/ionet-market/ionet",
    contacts: "link:https://github.com/ionet-market/ionet/security/advisories/new",
    policy: "https://github.com/ionet-market/ionet/blob/main/SECURITY.md",
    source_code: "https://github.com/ionet-market/ionet"
}

#[program]
pub mod governance_program {
    use super::*;

    // --- admin: the upgrade authority at first, then only proposals ---------------------------------------------------------------------

    /// Creates the config; only the program's upgrade authority may.
    pub fn initialize(ctx: &mut Context<Initialize>, rules: Rules, guardian: Address, until: i64) -> Result<()> {
        instructions::initialize(ctx, rules, guardian, until)
    }

    /// Changes rules of voting, within bounds.
    pub fn set_rules(ctx: &mut Context<Govern>, changes: RuleChanges) -> Result<()> {
        instructions::set_rules(ctx, changes)
    }

    /// Replaces the guardian and sets its term.
    pub fn set_guardian(ctx: &mut Context<Govern>, guardian: Address, until: i64) -> Result<()> {
        instructions::set_guardian(ctx, guardian, until)
    }

    /// Replaces a program's code with that in a buffer, which must have this SHA-256.
    pub fn upgrade_program(ctx: &mut Context<UpgradeProgram>, sha256: [u8; 32]) -> Result<()> {
        instructions::upgrade_program(ctx, sha256)
    }

    // --- proposer -----------------------------------------------------------------------------------------------------------------------

    /// Creates a proposal, as a draft.
    pub fn create_proposal(ctx: &mut Context<CreateProposal>, id: u64, title: [u8; 64], text_hash: [u8; 32]) -> Result<()> {
        instructions::create_proposal(ctx, id, title, text_hash)
    }

    /// Announces the next instruction of a proposal.
    pub fn open_payload(ctx: &mut Context<OpenPayload>, length: u32) -> Result<()> {
        instructions::open_payload(ctx, length)
    }

    /// Appends bytes to an instruction.
    pub fn write_payload(ctx: &mut Context<WritePayload>, offset: u32, bytes: Vec<u8>) -> Result<()> {
        instructions::write_payload(ctx, offset, bytes)
    }

    /// Pays the deposit and opens the vote.
    pub fn submit_proposal(ctx: &mut Context<SubmitProposal>) -> Result<()> {
        instructions::submit_proposal(ctx)
    }

    /// Withdraws a proposal.
    pub fn cancel_proposal(ctx: &mut Context<CancelProposal>) -> Result<()> {
        instructions::cancel_proposal(ctx)
    }

    // --- voter --------------------------------------------------------------------------------------------------------------------------

    /// Votes with a device's own stake on the proposal with this number.
    pub fn vote_stake(ctx: &mut Context<VoteStake>, index: u64, choice: u8) -> Result<()> {
        instructions::vote_stake(ctx, index, choice)
    }

    /// Votes with a co-stake on the proposal with this number.
    pub fn vote_co_stake(ctx: &mut Context<VoteCoStake>, index: u64, choice: u8) -> Result<()> {
        instructions::vote_co_stake(ctx, index, choice)
    }

    /// Changes a vote on the proposal with this number.
    pub fn change_vote(ctx: &mut Context<ChangeVote>, index: u64, choice: u8) -> Result<()> {
        instructions::change_vote(ctx, index, choice)
    }

    /// Withdraws a vote, or returns the rent of one that no longer counts.
    pub fn close_ballot(ctx: &mut Context<CloseBallot>) -> Result<()> {
        instructions::close_ballot(ctx)
    }

    /// Names a representative that votes with the signer's stake.
    pub fn set_delegate(ctx: &mut Context<SetDelegate>, representative: Address) -> Result<()> {
        instructions::set_delegate(ctx, representative)
    }

    /// Removes the signer's representative.
    pub fn clear_delegate(ctx: &mut Context<ClearDelegate>) -> Result<()> {
        instructions::clear_delegate(ctx)
    }

    // --- guardian -----------------------------------------------------------------------------------------------------------------------

    /// Pauses a program.
    pub fn pause(ctx: &mut Context<Pause>) -> Result<()> {
        instructions::pause(ctx)
    }

    // --- crank: anyone ------------------------------------------------------------------------------------------------------------------

    /// Moves a proposal to the status that time and votes have led to.
    pub fn advance_proposal(ctx: &mut Context<AdvanceProposal>) -> Result<()> {
        instructions::advance_proposal(ctx)
    }

    /// Executes the next instruction of a proposal.
    pub fn execute_instruction(ctx: &mut Context<ExecuteInstruction>) -> Result<()> {
        instructions::execute_instruction(ctx)
    }

    /// Returns or burns the deposit of an ended proposal.
    pub fn release_deposit(ctx: &mut Context<ReleaseDeposit>) -> Result<()> {
        instructions::release_deposit(ctx)
    }

    /// Closes an instruction of an ended proposal and returns its rent.
    pub fn close_payload(ctx: &mut Context<ClosePayload>) -> Result<()> {
        instructions::close_payload(ctx)
    }

    /// Closes an ended proposal and returns its rent.
    pub fn close_proposal(ctx: &mut Context<CloseProposal>) -> Result<()> {
        instructions::close_proposal(ctx)
    }
}

use super::Config;
use crate::error::GovernanceError;
use crate::events::{ProposalMoved, VoteCast};
use crate::{AUTHORITY_SEED, PURSE_SEED};
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;
use protocol::ballot::{Choice, Kind, Outcome, Thresholds, Votes};
use protocol::text;
use protocol::units::{Amount, Bps};

/// Highest number of instructions in a proposal.
pub const MAX_INSTRUCTIONS: u8 = 16;

protocol::coded! {
    /// Where a proposal stands.
    pub enum Status {
        /// Being written.
        Draft = 0,
        /// Voting is open, or has ended and not been counted yet.
        Voting = 1,
        /// Passed; may still be vetoed until its timelock ends, and can then be executed.
        Queued = 2,
        /// All instructions were executed.
        Executed = 3,
        /// Missed its quorum or its approval.
        Defeated = 4,
        /// Ended by vetoes; its deposit is burned.
        Vetoed = 5,
        /// Withdrawn by its proposer.
        Cancelled = 6,
        /// Passed, but nobody executed it in time.
        Expired = 7,
    }
}

/// A proposal that stakers vote on. PDA `["proposal", proposer, id u64 le]`.
#[account]
pub struct Proposal {
    /// Wallet that writes it, pays the deposit and may withdraw it.
    pub proposer: Address,
    /// Title in printable ASCII, padded with zeros.
    pub title: [u8; 64],
    /// Hash of the text that explains the proposal.
    pub text_hash: [u8; 32],
    /// Its number among all proposals; never reused.
    pub index: PodU64,
    /// Id that its proposer chose: a seed of the PDA.
    pub id: PodU64,
    /// When voting opened, unix seconds; the age of stake is counted back from then.
    pub opened_at: PodI64,
    /// End of the vote, unix seconds.
    pub voting_ends: PodI64,
    /// End of the timelock, unix seconds: the proposal may be executed from then on.
    pub eta: PodI64,
    /// Deadline for its execution, unix seconds.
    pub expires_at: PodI64,
    /// Quorum: votes needed, in $IO base units of stake.
    pub quorum: PodU64,
    /// The proposer's deposit while it is held, in $IO base units.
    pub deposit: PodU64,
    /// Votes for it, in $IO base units of stake, like all votes here.
    pub yes: PodU64,
    /// Votes against it.
    pub no: PodU64,
    /// Votes that only count for the quorum.
    pub abstain: PodU64,
    /// Votes against it that may end it and burn its deposit.
    pub veto: PodU64,
    /// Number of ballots that exist.
    pub ballots: PodU32,
    /// Share of yes among yes, no and veto that it needs, in basis points.
    pub approval_bps: PodU16,
    /// Share of vetoes among all votes that ends it, in basis points.
    pub veto_bps: PodU16,
    /// Strictest kind of its instructions; see `protocol::ballot::Kind`.
    pub kind: u8,
    /// See [`Status`].
    pub status: u8,
    /// Number of complete instructions.
    pub instructions: u8,
    /// Number of instruction accounts that exist.
    pub payloads: u8,
    /// Number of instructions executed.
    pub executed: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the PDA `["authority"]`, which signs its instructions.
    pub authority_bump: u8,
    /// Bump of the PDA `["purse"]`, which also signs them, and pays rents.
    pub purse_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 23],
}

impl Proposal {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"proposal";

    /// Writes a new proposal, as a draft.
    pub fn create(
        &mut self,
        (proposer, id): (Address, u64),
        config: &mut Config,
        title: &[u8; 64],
        text_hash: &[u8; 32],
        bump: u8,
    ) -> Result<()> {
        require!(text::is_printable(title), GovernanceError::InvalidTitle);
        self.proposer = proposer;
        self.title = *title;
        self.text_hash = *text_hash;
        self.index = config.count_proposal()?.into();
        self.id = id.into();
        self.authority_bump = config.authority_bump;
        self.purse_bump = config.purse_bump;
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// Fails unless the proposal stands at `status`.
    pub fn check_status(&self, status: Status) -> Result<()> {
        require!(self.status == status, GovernanceError::WrongStatus);
        Ok(())
    }

    /// Fails unless this is the proposal with this number, since a proposer can withdraw one and write another at the same address.
    pub fn check_index(&self, index: u64) -> Result<()> {
        require!(self.index.get() == index, GovernanceError::ProposalChanged);
        Ok(())
    }

    /// Whether the proposal has a final status.
    pub fn has_ended(&self) -> bool {
        self.status > Status::Queued
    }

    /// Starts the next instruction and returns its place.
    pub fn open_payload(&mut self) -> Result<u8> {
        self.check_status(Status::Draft)?;
        require!(self.payloads == self.instructions, GovernanceError::Incomplete);
        require!(self.payloads < MAX_INSTRUCTIONS, GovernanceError::InvalidCount);
        self.payloads = self.payloads.saturating_add(1);
        Ok(self.instructions)
    }

    /// Counts the instruction in progress as complete. Fails if anybody but governance itself would have to sign it: such a signer could
    /// choose when it is executed, for example after another change, to undo it.
    pub fn complete_payload(&mut self, instruction: &Instruction, kind: Kind) -> Result<()> {
        let authority = create_program_address(&[AUTHORITY_SEED, &[self.authority_bump]], &crate::ID)?;
        let purse = create_program_address(&[PURSE_SEED, &[self.purse_bump]], &crate::ID)?;
        let signers = instruction.accounts.iter().filter(|meta| meta.is_signer);
        let mut foreign = signers.filter(|meta| ![authority, purse].contains(&meta.pubkey));
        require!(foreign.next().is_none(), GovernanceError::ForeignSigner);
        self.instructions = self.instructions.checked_add(1).ok_or(GovernanceError::BooksBroken)?;
        self.kind = self.kind.max(kind as u8);
        self.invariant()
    }

    /// The strictest kind of its instructions.
    pub fn kind(&self) -> Result<Kind> {
        Kind::from_code(self.kind).ok_or(GovernanceError::BooksBroken.into())
    }

    /// Opens the vote under the rules in force.
    pub fn open(&mut self, config: &Config, circulating: u64, now: i64) -> Result<()> {
        self.check_status(Status::Draft)?;
        require!(self.instructions > 0, GovernanceError::InvalidCount);
        require!(self.payloads == self.instructions, GovernanceError::Incomplete);
        let (kind, rules) = (self.kind()?, config.rules());
        let of = |list: [u16; 4]| list.get(kind as usize).copied().unwrap_or(u16::MAX);
        let lock = rules.timelock.get(kind as usize).copied().unwrap_or(u32::MAX);
        self.opened_at = now.into();
        self.voting_ends = now.saturating_add(rules.voting.into()).into();
        self.eta = self.voting_ends.get().saturating_add(lock.into()).into();
        self.expires_at = self.eta.get().saturating_add(rules.expiry.into()).into();
        self.quorum = config.quorum(kind, circulating)?.into();
        self.approval_bps = of(rules.approval_bps).into();
        self.veto_bps = rules.veto_bps.into();
        self.deposit = rules.deposit.into();
        self.move_to(Status::Voting)
    }

    /// Withdraws a draft, or a proposal that is voted on. Fails if the vetoes so far would end it once the quorum was reached, since then
    /// its deposit is to be burned.
    pub fn cancel(&mut self, now: i64) -> Result<()> {
        require!(
            self.check_status(Status::Draft).is_ok() || self.is_voting(now),
            GovernanceError::WrongStatus
        );
        let few = Thresholds {
            quorum: Amount(0),
            ..self.thresholds()
        };
        require!(self.votes().outcome(&few) != Outcome::Vetoed, GovernanceError::Vetoed);
        self.move_to(Status::Cancelled)
    }

    /// The tallies so far.
    pub fn votes(&self) -> Votes {
        Votes {
            yes: self.yes.get(),
            no: self.no.get(),
            abstain: self.abstain.get(),
            veto: self.veto.get(),
        }
    }

    fn set_votes(&mut self, votes: Option<Votes>) -> Result<()> {
        let votes = votes.ok_or(GovernanceError::BooksBroken)?;
        (self.yes, self.no) = (votes.yes.into(), votes.no.into());
        (self.abstain, self.veto) = (votes.abstain.into(), votes.veto.into());
        self.invariant()
    }

    /// The outcome by the tallies so far.
    pub fn outcome(&self) -> Outcome {
        self.votes().outcome(&self.thresholds())
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            quorum: Amount(self.quorum.get()),
            approval: Bps::saturating(self.approval_bps.get()),
            veto: Bps::saturating(self.veto_bps.get()),
        }
    }

    /// Whether voting is open.
    pub fn is_voting(&self, now: i64) -> bool {
        self.status == Status::Voting && now < self.voting_ends.get()
    }

    /// Whether its votes can have no further effect, so that ballots may be closed.
    pub fn is_counted(&self, now: i64) -> bool {
        self.has_ended() || (self.status == Status::Queued && now >= self.eta.get())
    }

    /// Fails unless this choice may be cast now: any while voting is open, a veto until the timelock ends.
    pub fn check_votable(&self, choice: Choice, now: i64) -> Result<()> {
        let late = self.status == Status::Queued && now < self.eta.get() && choice == Choice::Veto;
        require!(self.is_voting(now) || late, GovernanceError::VotingOver);
        Ok(())
    }

    /// Counts a new vote.
    pub fn cast(&mut self, choice: Choice, weight: u64) -> Result<()> {
        require!(weight > 0, GovernanceError::NoWeight);
        self.ballots = self.ballots.checked_add(1).ok_or(GovernanceError::BooksBroken)?;
        self.set_votes(self.votes().with(choice, weight))
    }

    /// Moves a vote to another choice.
    pub fn change(&mut self, from: Choice, to: Choice, weight: u64) -> Result<()> {
        let without = self.votes().without(from, weight);
        self.set_votes(without.and_then(|votes| votes.with(to, weight)))
    }

    /// Takes a vote out of the tallies, while voting is open.
    pub fn withdraw(&mut self, choice: Choice, weight: u64) -> Result<()> {
        self.set_votes(self.votes().without(choice, weight))
    }

    /// Counts a closed ballot.
    pub fn drop_ballot(&mut self) -> Result<()> {
        self.ballots = self.ballots.checked_sub(1).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Moves to the status that time and votes have led to; fails if that is the present one.
    pub fn advance(&mut self, now: i64) -> Result<()> {
        let (outcome, voting) = (self.outcome(), self.status == Status::Voting);
        let queued = self.status == Status::Queued;
        let next = match outcome {
            _ if voting && now < self.voting_ends.get() => None,
            Outcome::Vetoed if voting || queued => Some(Status::Vetoed),
            Outcome::Passed if voting => Some(Status::Queued),
            Outcome::Defeated if voting => Some(Status::Defeated),
            _ if queued && now >= self.expires_at.get() => Some(Status::Expired),
            _ => None,
        };
        self.move_to(next.ok_or(GovernanceError::NothingDue)?)
    }

    /// Counts the execution of the instruction at `index`, which is of this kind by the present code. Fails out of order, before the
    /// timelock ends, after the proposal expires, and if it was vetoed or the kind has become stricter.
    pub fn execute(&mut self, index: u8, kind: Kind, now: i64) -> Result<()> {
        self.check_status(Status::Queued)?;
        require!(now >= self.eta.get(), GovernanceError::Timelocked);
        require!(now < self.expires_at.get(), GovernanceError::ProposalExpired);
        require!(self.outcome() != Outcome::Vetoed, GovernanceError::Vetoed);
        require!(index == self.executed, GovernanceError::WrongInstruction);
        require!(kind as u8 <= self.kind, GovernanceError::StricterNow);
        self.executed = self.executed.saturating_add(1);
        if self.executed == self.instructions {
            self.move_to(Status::Executed)?;
        }
        self.invariant()
    }

    /// Sets the deposit of an ended proposal to zero; returns its amount, and whether it is to be burned.
    pub fn take_deposit(&mut self) -> Result<(u64, bool)> {
        require!(self.has_ended(), GovernanceError::WrongStatus);
        let amount = self.deposit.get();
        require!(amount > 0, GovernanceError::NoDeposit);
        self.deposit = PodU64::ZERO;
        Ok((amount, self.status == Status::Vetoed))
    }

    /// Counts a closed instruction account of an ended proposal.
    pub fn close_payload(&mut self) -> Result<()> {
        require!(self.has_ended(), GovernanceError::WrongStatus);
        self.payloads = self.payloads.checked_sub(1).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Fails until the proposal has ended and its ballots, instructions and deposit are gone.
    pub fn check_closable(&self) -> Result<()> {
        let empty = self.ballots.is_zero() && self.payloads == 0 && self.deposit.is_zero();
        require!(self.has_ended() && empty, GovernanceError::ProposalInUse);
        Ok(())
    }

    fn move_to(&mut self, status: Status) -> Result<()> {
        self.status = status as u8;
        self.invariant()
    }

    /// Emits its status.
    pub fn announce(&self, proposal: Address) {
        emit!(ProposalMoved {
            proposal,
            status: self.status
        });
    }

    /// Emits a vote with the tallies after it.
    pub fn announce_vote(&self, proposal: Address, voter: Address, source: Address, choice: u8, weight: u64) {
        emit!(VoteCast {
            proposal,
            voter,
            source,
            choice,
            weight,
            votes: [self.yes.get(), self.no.get(), self.abstain.get(), self.veto.get()],
        });
    }

    /// Fails unless instructions were executed only of a proposal that passed, and all of them once it is executed.
    pub fn invariant(&self) -> Result<()> {
        let queued = self.status == Status::Queued || self.status == Status::Vetoed || self.status == Status::Expired;
        let done = self.status == Status::Executed;
        let sound = self.votes().sum().is_some()
            && self.kind <= Kind::Upgrade
            && self.status <= Status::Expired
            && self.instructions <= MAX_INSTRUCTIONS
            && self.executed <= self.instructions
            && (self.executed == 0 || queued || done)
            && (!done || self.executed == self.instructions);
        require!(sound, GovernanceError::BooksBroken);
        Ok(())
    }
}

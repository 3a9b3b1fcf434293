use super::Config;
use crate::error::GovernanceError;
use crate::events::{ProposalMoved, VoteCast};
use crate::{AUTHORITY_SEED, PURSE_SEED};
use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;
use protocol::ballot::{Choice, Kind, Outcome, Thresholds, Votes};
use protocol::units::{Amount, Bps};

/// Most instructions of a proposal.
pub const MAX_INSTRUCTIONS: u8 = 16;

protocol::coded! {
    /// Where a proposal stands.
    pub enum Status {
        /// Being written.
        Draft = 0,
        /// Votes are cast.
        Voting = 1,
        /// Passed; waits for its timelock, in which it may still be vetoed, and is then executed.
        Queued = 2,
        /// Done.
        Executed = 3,
        /// Not enough votes.
        Defeated = 4,
        /// Ended by vetoes; the deposit burns.
        Vetoed = 5,
        /// Withdrawn by its proposer.
        Cancelled = 6,
        /// Passed, but nobody executed it in time.
        Expired = 7,
    }
}

/// What stakers vote on. PDA `["proposal", proposer, id u64 le]`.
#[account]
pub struct Proposal {
    /// Wallet that writes it, pays the deposit and may withdraw it.
    pub proposer: Address,
    /// Printable ASCII, padded with zeros.
    pub title: [u8; 64],
    /// Hash of the text that explains it.
    pub text_hash: [u8; 32],
    /// Its number among all, which no other ever has.
    pub index: PodU64,
    /// Its proposer's own number for it: a seed.
    pub id: PodU64,
    /// When voting began, unix seconds: younger stake has no vote.
    pub opened_at: PodI64,
    /// End of the vote, unix seconds.
    pub voting_ends: PodI64,
    /// End of the timelock, unix seconds: it may be executed from then on.
    pub eta: PodI64,
    /// End of the time to execute it, unix seconds.
    pub expires_at: PodI64,
    /// Votes there must be, in $IO base units of stake.
    pub quorum: PodU64,
    /// The proposer's deposit that is held, in $IO base units.
    pub deposit: PodU64,
    /// Votes for it, in $IO base units of stake, like all votes here.
    pub yes: PodU64,
    /// Votes against it.
    pub no: PodU64,
    /// Votes that count for the quorum alone.
    pub abstain: PodU64,
    /// Votes against it that may end it and burn its deposit.
    pub veto: PodU64,
    /// Ballots that exist.
    pub ballots: PodU32,
    /// Share of yes among yes, no and veto that it needs, in basis points.
    pub approval_bps: PodU16,
    /// Share of vetoes among all votes that ends it, in basis points.
    pub veto_bps: PodU16,
    /// Strictest of its instructions; see `protocol::ballot::Kind`.
    pub kind: u8,
    /// See [`Status`].
    pub status: u8,
    /// Complete instructions.
    pub instructions: u8,
    /// Instruction accounts that exist.
    pub payloads: u8,
    /// Instructions executed.
    pub executed: u8,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Bump of the PDA `["authority"]`, which signs its instructions.
    pub authority_bump: u8,
    /// Bump of the PDA `["purse"]`, which signs them too and pays rents.
    pub purse_bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Zeros, for fields to come.
    pub reserved: [u8; 23],
}

impl Proposal {
    /// First seed of the PDA.
    pub const SEED: &'static [u8] = b"proposal";

    /// Begins to write a proposal.
    pub fn create(
        &mut self,
        (proposer, id): (Address, u64),
        config: &mut Config,
        title: &[u8; 64],
        text_hash: &[u8; 32],
        bump: u8,
    ) -> Result<()> {
        let end = title.iter().position(|byte| *byte == 0).unwrap_or(title.len());
        let (name, rest) = title.split_at_checked(end).ok_or(GovernanceError::InvalidTitle)?;
        let printable = !name.is_empty() && name.iter().all(|byte| (b' '..=b'~').contains(byte)) && rest.iter().all(|byte| *byte == 0);
        require!(printable, GovernanceError::InvalidTitle);
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
    pub fn check(&self, status: Status) -> Result<()> {
        require!(self.status == status, GovernanceError::WrongStatus);
        Ok(())
    }

    /// Fails unless it is the proposal with this number: its proposer can withdraw one and write another at the same address.
    pub fn check_index(&self, index: u64) -> Result<()> {
        require!(self.index.get() == index, GovernanceError::ProposalChanged);
        Ok(())
    }

    /// Whether nothing can happen to it any more.
    pub fn has_ended(&self) -> bool {
        self.status > Status::Queued
    }

    /// Begins the next instruction; returns its place.
    pub fn open_payload(&mut self) -> Result<u8> {
        self.check(Status::Draft)?;
        require!(self.payloads == self.instructions, GovernanceError::Incomplete);
        require!(self.payloads < MAX_INSTRUCTIONS, GovernanceError::InvalidCount);
        self.payloads = self.payloads.saturating_add(1);
        Ok(self.instructions)
    }

    /// The instruction in progress is complete. Nobody but governance itself may have to sign it: whoever else had to could choose when it is executed,
    /// after another change that it undoes.
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

    /// What it asks for.
    pub fn kind(&self) -> Result<Kind> {
        Kind::from_code(self.kind).ok_or(GovernanceError::BooksBroken.into())
    }

    /// Opens the vote, by the rules of now.
    pub fn open(&mut self, config: &Config, circulating: u64, now: i64) -> Result<()> {
        self.check(Status::Draft)?;
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

    /// Withdraws it while it is written or voted on; not once vetoes would end it with enough votes, since then its deposit is to burn.
    pub fn cancel(&mut self, now: i64) -> Result<()> {
        require!(
            self.check(Status::Draft).is_ok() || self.is_voting(now),
            GovernanceError::WrongStatus
        );
        let few = Thresholds {
            quorum: Amount(0),
            ..self.thresholds()
        };
        require!(self.votes().outcome(&few) != Outcome::Vetoed, GovernanceError::Vetoed);
        self.move_to(Status::Cancelled)
    }

    /// Votes so far.
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

    /// What the votes say now.
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

    /// Whether the vote is on.
    pub fn is_voting(&self, now: i64) -> bool {
        self.status == Status::Voting && now < self.voting_ends.get()
    }

    /// Whether its votes have had all their effect: its ballots may go.
    pub fn is_counted(&self, now: i64) -> bool {
        self.has_ended() || (self.status == Status::Queued && now >= self.eta.get())
    }

    /// Fails unless this choice may be made now: any while the vote is on, a veto until the timelock has ended.
    pub fn check_votable(&self, choice: Choice, now: i64) -> Result<()> {
        let late = self.status == Status::Queued && now < self.eta.get() && choice == Choice::Veto;
        require!(self.is_voting(now) || late, GovernanceError::VotingOver);
        Ok(())
    }

    /// A vote comes in.
    pub fn cast(&mut self, choice: Choice, weight: u64) -> Result<()> {
        require!(weight > 0, GovernanceError::NoWeight);
        self.ballots = self.ballots.checked_add(1).ok_or(GovernanceError::BooksBroken)?;
        self.set_votes(self.votes().with(choice, weight))
    }

    /// A vote changes.
    pub fn change(&mut self, from: Choice, to: Choice, weight: u64) -> Result<()> {
        let without = self.votes().without(from, weight);
        self.set_votes(without.and_then(|votes| votes.with(to, weight)))
    }

    /// A vote is taken back while the vote is on.
    pub fn withdraw(&mut self, choice: Choice, weight: u64) -> Result<()> {
        self.set_votes(self.votes().without(choice, weight))
    }

    /// A ballot is closed.
    pub fn drop_ballot(&mut self) -> Result<()> {
        self.ballots = self.ballots.checked_sub(1).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Moves to where time and votes have brought it.
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

    /// Executes the instruction at `index`, which is of this kind by the present code: in order, between timelock and expiry, unless it was
    /// vetoed.
    pub fn execute(&mut self, index: u8, kind: Kind, now: i64) -> Result<()> {
        self.check(Status::Queued)?;
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

    /// Takes the deposit of an ended proposal out; returns it, and whether it burns.
    pub fn take_deposit(&mut self) -> Result<(u64, bool)> {
        require!(self.has_ended(), GovernanceError::WrongStatus);
        let amount = self.deposit.get();
        require!(amount > 0, GovernanceError::NoDeposit);
        self.deposit = PodU64::ZERO;
        Ok((amount, self.status == Status::Vetoed))
    }

    /// An instruction account of an ended proposal is closed.
    pub fn close_payload(&mut self) -> Result<()> {
        require!(self.has_ended(), GovernanceError::WrongStatus);
        self.payloads = self.payloads.checked_sub(1).ok_or(GovernanceError::BooksBroken)?;
        Ok(())
    }

    /// Fails while something of it is left.
    pub fn check_closable(&self) -> Result<()> {
        let empty = self.ballots.is_zero() && self.payloads == 0 && self.deposit.is_zero();
        require!(self.has_ended() && empty, GovernanceError::ProposalInUse);
        Ok(())
    }

    fn move_to(&mut self, status: Status) -> Result<()> {
        self.status = status as u8;
        self.invariant()
    }

    /// Logs its status.
    pub fn announce(&self, proposal: Address) {
        emit!(ProposalMoved {
            proposal,
            status: self.status
        });
    }

    /// Logs a vote with the votes after it.
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

    /// Instructions are executed only of a proposal that passed, none twice.
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

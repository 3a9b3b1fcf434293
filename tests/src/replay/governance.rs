//! Proposals, votes and representatives.

use super::{Record, compare, view};
use crate::audit::Books;
use governance::events::*;
use governance::{Rules, Status};
use solana_address::Address;
use std::collections::BTreeMap;

/// The choice that an event names when a vote is withdrawn.
const WITHDRAWN: u8 = u8::MAX;

#[derive(Clone, Default)]
pub struct Replay {
    rules: Option<Rules>,
    guardian: Option<(Address, i64)>,
    proposals: BTreeMap<Address, Proposal>,
    /// By the addresses of proposal and source.
    ballots: BTreeMap<(Address, Address), Ballot>,
    /// By owner.
    delegations: BTreeMap<Address, Address>,
}

#[derive(Clone, Debug, PartialEq)]
struct Proposal {
    proposer: Address,
    index: u64,
    title: [u8; 64],
    text_hash: [u8; 32],
    status: u8,
    kind: u8,
    instructions: u8,
    /// From when voting opened on.
    terms: Option<Terms>,
    deposit: u64,
    votes: [u64; 4],
    executed: u8,
}

#[derive(Clone, Debug, PartialEq)]
struct Terms {
    quorum: u64,
    times: [i64; 3],
}

#[derive(Clone, Debug, PartialEq)]
struct Ballot {
    owner: Address,
    choice: u8,
    weight: u64,
}

impl From<&governance::Proposal> for Proposal {
    fn from(proposal: &governance::Proposal) -> Self {
        let terms = Terms {
            quorum: proposal.quorum.get(),
            times: [proposal.voting_ends, proposal.eta, proposal.expires_at].map(|time| time.get()),
        };
        Self {
            proposer: proposal.proposer,
            index: proposal.index.get(),
            title: proposal.title,
            text_hash: proposal.text_hash,
            status: proposal.status,
            kind: proposal.kind,
            instructions: proposal.instructions,
            terms: (!proposal.opened_at.is_zero()).then_some(terms),
            deposit: proposal.deposit.get(),
            votes: [proposal.yes, proposal.no, proposal.abstain, proposal.veto].map(|votes| votes.get()),
            executed: proposal.executed,
        }
    }
}

impl Replay {
    pub fn apply(&mut self, record: &Record) {
        if let Some(event) = record.is::<RulesChanged>() {
            assert_eq!(event.before, self.rules, "the rules before the change");
            self.rules = Some(event.after);
        } else if let Some(event) = record.is::<GuardianChanged>() {
            self.guardian = Some((event.guardian, event.until));
        } else if let Some(event) = record.is::<Delegated>() {
            match event.owner == event.representative {
                true => self.delegations.remove(&event.owner),
                false => self.delegations.insert(event.owner, event.representative),
            };
        } else if let Some(event) = record.is::<ProposalCreated>() {
            let proposal = Proposal {
                proposer: event.proposer,
                index: event.index,
                title: event.title,
                text_hash: event.text_hash,
                status: Status::Draft as u8,
                kind: 0,
                instructions: 0,
                terms: None,
                deposit: 0,
                votes: [0; 4],
                executed: 0,
            };
            self.proposals.insert(event.proposal, proposal);
        } else if let Some(event) = record.is::<InstructionWritten>() {
            let proposal = self.proposal(event.proposal);
            assert_eq!(event.index, proposal.instructions, "instructions are written in order");
            proposal.instructions += 1;
            proposal.kind = proposal.kind.max(event.kind);
        } else if let Some(event) = record.is::<ProposalOpened>() {
            let proposal = self.proposal(event.proposal);
            assert_eq!(
                (event.kind, event.instructions),
                (proposal.kind, proposal.instructions),
                "what is voted on"
            );
            (proposal.status, proposal.deposit) = (Status::Voting as u8, event.deposit);
            proposal.terms = Some(Terms {
                quorum: event.quorum,
                times: [event.voting_ends, event.eta, event.expires_at],
            });
        } else if let Some(event) = record.is::<ProposalMoved>() {
            self.proposal(event.proposal).status = event.status;
        } else if let Some(event) = record.is::<VoteCast>() {
            let VoteCast { choice, weight, .. } = event;
            let owner = event.voter;
            let place = (event.proposal, event.source);
            match choice == WITHDRAWN {
                true => self.ballots.remove(&place),
                false => self.ballots.insert(place, Ballot { owner, choice, weight }),
            };
            self.proposal(event.proposal).votes = event.votes;
        } else if let Some(event) = record.is::<InstructionExecuted>() {
            let proposal = self.proposal(event.proposal);
            assert_eq!(event.index, proposal.executed, "instructions are executed in order");
            proposal.executed += 1;
        } else if let Some(event) = record.is::<DepositReleased>() {
            let proposal = self.proposal(event.proposal);
            assert_eq!(event.amount, proposal.deposit, "the deposit");
            assert_eq!(event.burned, proposal.status == Status::Vetoed, "only vetoes burn a deposit");
            proposal.deposit = 0;
        } else {
            let known = record.is::<ProgramUpgraded>().is_some() || record.is::<ProgramPaused>().is_some();
            assert!(known, "an unknown event of the governance program");
        }
    }

    fn proposal(&mut self, address: Address) -> &mut Proposal {
        self.proposals.get_mut(&address).expect("a proposal that was created")
    }

    /// What the accounts say.
    pub fn read(books: &Books) -> Self {
        let config = books.governance_config.as_ref();
        Self {
            rules: config.map(|config| config.rules()),
            guardian: config.map(|config| (config.guardian, config.guardian_until.get())),
            proposals: view(&books.proposals, |address, proposal| (*address, proposal.into())),
            ballots: view(&books.ballots, |_, ballot| {
                let (owner, choice, weight) = (ballot.owner, ballot.choice, ballot.weight.get());
                ((ballot.proposal, ballot.source), Ballot { owner, choice, weight })
            }),
            delegations: view(&books.delegations, |_, delegation| (delegation.owner, delegation.representative)),
        }
    }

    /// Compares what the events say with what the accounts say.
    pub fn check(&mut self, books: &Books) {
        // No event tells that accounts of an ended vote or proposal were closed.
        let open = |proposal: &Address| {
            self.proposals
                .get(proposal)
                .is_some_and(|proposal| proposal.status == Status::Voting as u8)
        };
        self.ballots
            .retain(|place, _| open(&place.0) || books.ballots.values().any(|ballot| (ballot.proposal, ballot.source) == *place));
        let ended = |proposal: &Proposal| ![Status::Draft as u8, Status::Voting as u8, Status::Queued as u8].contains(&proposal.status);
        self.proposals
            .retain(|address, proposal| books.proposals.contains_key(address) || !ended(proposal) || proposal.deposit > 0);
        let accounts = Self::read(books);
        assert_eq!(self.rules, accounts.rules, "the rules of voting");
        assert_eq!(self.guardian, accounts.guardian, "the guardian");
        compare("proposals", &self.proposals, &accounts.proposals);
        compare("ballots", &self.ballots, &accounts.ballots);
        compare("representatives", &self.delegations, &accounts.delegations);
    }
}

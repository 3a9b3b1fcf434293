//! Governance as authority of the other programs: proposing, voting and executing.

use crate::parties::Worker;
use crate::rewards::RULES as REWARDS;
use crate::world::World;
use chain::market::{self, costake, govern, job, stake};
use governance::Rules;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;

/// A wallet that writes proposals.
#[derive(Clone)]
pub struct Proposer {
    /// The wallet.
    pub wallet: Arc<Keypair>,
    /// Its $IO account.
    pub tokens: Address,
}

impl Proposer {
    /// The wallet's address.
    pub fn address(&self) -> Address {
        self.wallet.pubkey()
    }
}

/// A title padded with zeros.
pub fn title(text: &str) -> [u8; 64] {
    let mut title = [0; 64];
    title[..text.len()].copy_from_slice(text.as_bytes());
    title
}

impl World {
    /// Hands all authorities to governance, with the published rules and a guardian for a year; returns the guardian. Also starts the
    /// emission, which governance needs, since unpaid rewards do not circulate.
    pub fn govern(&mut self) -> Arc<Keypair> {
        let (payer, admin, io) = (self.payer.pubkey(), self.admin.clone(), self.io);
        let (authority, guardian) = (admin.pubkey(), self.wallet("guardian"));
        self.start_emission(REWARDS, 1_000_000 * IO);
        let until = self.now().unix + 365 * 86_400;
        let initialize = govern::initialize(&payer, &authority, &io, Rules::PUBLISHED, guardian.pubkey(), until);
        self.send(initialize, &[&admin]);
        let (next, pauses) = (govern::authority(), govern::guardian_authority());
        let hand_over = [
            stake::set_authorities(&authority, &next, &pauses),
            costake::set_authorities(&authority, &next, &pauses),
            job::set_authorities(&authority, &next, &pauses, &next),
        ];
        self.send_all(&hand_over, &[&admin]);
        for program in [staking::ID, costaking::ID, jobs::ID, referee::ID, governance::ID] {
            self.set_upgrade_authority(program, Some(next));
        }
        self.give_sol(&govern::purse(), 1_000_000_000);
        guardian
    }

    /// A proposer with 2,000 $IO, enough for two deposits.
    pub fn proposer(&mut self, name: &str) -> Proposer {
        let (wallet, io) = (self.wallet(name), self.io);
        let tokens = self.give_tokens(&wallet.pubkey(), &io, 2_000 * IO);
        Proposer { wallet, tokens }
    }

    /// Writes a proposal of these instructions; returns its address.
    #[track_caller]
    pub fn draft(&mut self, proposer: &Proposer, what: &[Instruction]) -> Address {
        let index = self.books().governance_config.expect("a config").proposals.get();
        let who = proposer.address();
        let proposal = govern::proposal(&who, index);
        self.send(govern::create(&who, index, title("a proposal"), [7; 32]), &[&proposer.wallet]);
        for (index, instruction) in (0..).zip(what) {
            for step in govern::include(&who, &proposal, index, instruction).expect("it is short") {
                self.send(step, &[&proposer.wallet]);
            }
        }
        proposal
    }

    /// Writes a proposal and opens its vote, one second after everything before it; returns its address.
    #[track_caller]
    pub fn propose(&mut self, proposer: &Proposer, what: &[Instruction]) -> Address {
        let proposal = self.draft(proposer, what);
        self.wait(1);
        self.send(
            govern::submit(&proposer.address(), &proposal, &self.io.clone()),
            &[&proposer.wallet],
        );
        proposal
    }

    /// Votes with the own stake of a device's owner.
    #[track_caller]
    pub fn vote(&mut self, worker: &Worker, proposal: &Address, choice: u8) {
        let index = self.proposal(proposal).index.get();
        let vote = govern::vote_stake(&worker.wallet(), (proposal, index), &worker.device, None, choice);
        self.send(vote, &[&worker.owner]);
    }

    /// A proposal's account.
    pub fn proposal(&self, proposal: &Address) -> governance::Proposal {
        self.books().proposals[proposal]
    }

    /// Moves the clocks to the end of the vote and has it counted.
    #[track_caller]
    pub fn count_votes(&mut self, proposal: &Address) {
        self.go_to_time(self.proposal(proposal).voting_ends.get());
        self.send(govern::advance(proposal), &[]);
    }

    /// Moves the clocks to this second.
    pub fn go_to_time(&mut self, unix: i64) {
        let left = unix - self.now().unix;
        self.wait(u32::try_from(left).expect("time only moves forward"));
    }

    /// Carries out these instructions through a proposal: proposed, voted for by these devices, counted, and executed after the timelock.
    #[track_caller]
    pub fn decide(&mut self, proposer: &Proposer, voters: &[&Worker], what: &[Instruction]) -> Address {
        let proposal = self.propose(proposer, what);
        for voter in voters {
            self.vote(voter, &proposal, 0);
        }
        self.count_votes(&proposal);
        self.go_to_time(self.proposal(&proposal).eta.get());
        for (index, instruction) in (0..).zip(what) {
            self.send(govern::execute(&proposal, index, instruction), &[]);
        }
        proposal
    }

    /// Mints $IO into the treasury's account, which governance holds; returns its address.
    pub fn treasury_tokens(&mut self, amount: u64) -> Address {
        let io = self.io;
        let holder = govern::authority();
        self.give_tokens(&holder, &io, amount);
        market::token_account(&holder, &io)
    }
}

//! Governance.

use crate::Bench;
use chain::market;
use chain::market::govern;
use governance::Rules;
use protocol::ballot::MIN_AGE;
use protocol::units::IO;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{OFFER, RULES, key};

impl Bench {
    /// A proposal that is executed, one that is withdrawn, and the guardian.
    pub fn governing(&mut self) {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.clone(), self.world.io);
        let mut fresh = Self::new(self.world.clone());
        fresh.world.start_emission(RULES, 1_000_000 * IO);
        let (guardian, until) = (key("guardian").pubkey(), fresh.world.now().unix);
        let initialize = govern::initialize(&payer, &admin.pubkey(), &io, Rules::PUBLISHED, guardian, until);
        fresh.measure("initialize", initialize, &[&admin]);
        self.rows.extend(fresh.take());

        let (alice, bob) = (self.world.worker("a voter"), self.world.worker("another voter"));
        let carol = self.world.co_staker("a co-staker");
        let offer = self.world.offer(&alice, OFFER);
        let stake = self.world.join(&carol, &offer, 0, 100 * IO);
        let guardian = self.world.govern();
        let proposer = self.world.proposer("proposer");
        self.wallets = vec![
            ("proposer", proposer.address()),
            ("voter", alice.wallet()),
            ("co-staker", carol.address()),
        ];
        self.world.wait(3_600 + MIN_AGE);
        let (who, signer) = (proposer.address(), proposer.wallet.clone());
        let proposal = govern::proposal(&who, 0);
        let parameters = market::job::set_parameters(&govern::authority(), jobs::Parameters::PUBLISHED);
        self.measure(
            "create_proposal",
            govern::create(&who, 0, tests::title("a proposal"), [7; 32]),
            &[&signer],
        );
        let parts = govern::include(&who, &proposal, 0, &parameters).expect("it is short");
        let [open, write] = <[Instruction; 2]>::try_from(parts).expect("it fits one piece");
        self.measure("open_payload", open, &[&signer]);
        self.measure("write_payload (set_parameters of jobs)", write, &[&signer]);
        self.world.wait(1);
        self.measure("submit_proposal", govern::submit(&who, &proposal, &io), &[&signer]);

        let wallet = alice.wallet();
        let vote = govern::vote_stake(&wallet, (&proposal, 0), &alice.device, None, 0);
        self.measure("vote_stake", vote, &[&alice.owner]);
        let position = [&alice.device, &offer, &stake.position];
        let vote = govern::vote_co_stake(&carol.address(), (&proposal, 0), position, None, 0);
        self.measure("vote_co_stake", vote, &[&carol.wallet]);
        let change = govern::change_vote(&wallet, (&proposal, 0), &alice.device, None, 2);
        self.measure("change_vote", change, &[&alice.owner]);
        let close = govern::close_ballot(&wallet, &proposal, &alice.device, &wallet, None);
        self.measure("close_ballot", close, &[&alice.owner]);
        let representative = bob.wallet();
        self.measure("set_delegate", govern::set_delegate(&wallet, representative), &[&alice.owner]);
        let vote = govern::vote_stake(&representative, (&proposal, 0), &alice.device, Some(&wallet), 0);
        self.measure("vote_stake (by a representative)", vote, &[&bob.owner]);
        self.measure("clear_delegate", govern::clear_delegate(&wallet), &[&alice.owner]);
        self.world.go_to_time(self.world.proposal(&proposal).voting_ends.get());
        self.measure("advance_proposal", govern::advance(&proposal), &[]);
        self.world.go_to_time(self.world.proposal(&proposal).eta.get());
        let execute = govern::execute(&proposal, 0, &parameters);
        self.measure("execute_instruction (set_parameters of jobs)", execute, &[]);
        self.measure("release_deposit", govern::release_deposit(&proposal, &who, &io), &[]);
        self.measure("close_payload", govern::close_payload(&proposal, &who, 0), &[]);
        for (source, payer) in [(&alice.device, &representative), (&stake.position, &carol.address())] {
            let anyone = self.world.payer.pubkey();
            self.world.send(govern::close_ballot(&anyone, &proposal, source, payer, None), &[]);
        }
        self.measure("close_proposal", govern::close(&proposal, &who), &[]);

        let other = self.world.draft(&proposer, &[]);
        self.measure("cancel_proposal", govern::cancel(&who, &other), &[&signer]);
        self.measure("pause", govern::pause(&guardian.pubkey(), jobs::ID), &[&guardian]);
        let until = self.world.now().unix;
        let (buffer, code) = (key("buffer").pubkey(), self.world.code(governance::ID));
        self.world.write_buffer(buffer, govern::authority(), &code);
        let hash = solana_sha256_hasher::hash(&code).to_bytes();
        for (name, what) in [
            (
                "upgrade_program (executed, governance)",
                govern::upgrade(&governance::ID, &buffer, hash),
            ),
            ("set_rules (executed)", govern::set_rules(Rules::PUBLISHED)),
            ("set_guardian (executed)", govern::set_guardian(guardian.pubkey(), until)),
        ] {
            let proposal = self.world.propose(&proposer, std::slice::from_ref(&what));
            self.world.vote(&alice, &proposal, 0);
            self.world.vote(&bob, &proposal, 0);
            self.world.count_votes(&proposal);
            self.world.go_to_time(self.world.proposal(&proposal).eta.get());
            self.measure(name, govern::execute(&proposal, 0, &what), &[]);
            // For the next upgrade.
            self.world.send(govern::release_deposit(&proposal, &who, &io), &[]);
        }
    }
}

use super::{ABSTAIN, DAY, House, NO, VETO, YES, change};
use chain::market::{costake, govern, stake};
use governance::Status;
use governance::error::GovernanceError;
use protocol::ballot::MIN_AGE;
use protocol::units::IO;
use solana_address::Address;
use solana_signer::Signer;
use tests::{Failure, OFFER};

#[test]
fn each_stake_votes_once_by_its_owner() {
    let mut house = House::new();
    let (proposer, alice, bob) = (house.proposer.clone(), house.alice.clone(), house.bob.clone());
    let world = &mut house.world;
    let proposal = world.propose(&proposer, &[change(1)]);
    let vote = govern::vote_stake(&alice.wallet(), (&proposal, 0), &alice.device, None, YES);
    world.sweep(&vote, &[&alice.owner], &[]);
    let stolen = govern::vote_stake(&bob.wallet(), (&proposal, 0), &alice.device, None, NO);
    world.refuse(stolen, &[&bob.owner], GovernanceError::NotVoter);
    let odd = govern::vote_stake(&alice.wallet(), (&proposal, 0), &alice.device, None, 4);
    world.refuse(odd, &[&alice.owner], GovernanceError::InvalidChoice);
    world.send(vote.clone(), &[&alice.owner]);
    world.refuse(vote, &[&alice.owner], Failure::ALREADY_IN_USE);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_000 * IO);
    // The vote is changed, withdrawn, and cast again.
    let change_to = |choice| govern::change_vote(&alice.wallet(), (&proposal, 0), &alice.device, None, choice);
    world.sweep(&change_to(ABSTAIN), &[&alice.owner], &[]);
    world.send(change_to(ABSTAIN), &[&alice.owner]);
    let stolen = govern::change_vote(&bob.wallet(), (&proposal, 0), &alice.device, None, NO);
    world.refuse(stolen, &[&bob.owner], GovernanceError::NotVoter);
    world.refuse(change_to(9), &[&alice.owner], GovernanceError::InvalidChoice);
    let votes = world.proposal(&proposal).votes();
    assert_eq!((votes.yes, votes.abstain), (0, 1_000 * IO));
    let close = |who: &tests::Worker| govern::close_ballot(&who.wallet(), &proposal, &alice.device, &alice.wallet(), None);
    world.refuse(close(&bob), &[&bob.owner], GovernanceError::NotVoter);
    world.send(close(&alice), &[&alice.owner]);
    assert_eq!(world.proposal(&proposal).votes().sum(), Some(0));
    world.vote(&alice, &proposal, NO);
    assert_eq!(world.proposal(&proposal).no.get(), 1_000 * IO);
}

#[test]
fn votes_count_to_the_second_and_vetoes_until_the_timelock_ends() {
    let mut house = House::new();
    let (proposer, alice, bob, carol) = (house.proposer.clone(), house.alice.clone(), house.bob.clone(), house.carol.clone());
    let world = &mut house.world;
    let proposal = world.propose(&proposer, &[change(1)]);
    let (opened, ends, eta) = {
        let proposal = world.proposal(&proposal);
        (proposal.opened_at.get(), proposal.voting_ends.get(), proposal.eta.get())
    };
    assert_eq!((ends - opened, eta - ends), (7 * DAY, 2 * DAY));
    world.vote(&alice, &proposal, YES);
    world.refuse(govern::advance(&proposal), &[], GovernanceError::NothingDue);
    world.go_to_time(ends - 1);
    world.refuse(govern::advance(&proposal), &[], GovernanceError::NothingDue);
    let late = govern::vote_stake(&bob.wallet(), (&proposal, 0), &bob.device, None, NO);
    world.clone().send(late.clone(), &[&bob.owner]);
    world.wait(1);
    world.refuse(late.clone(), &[&bob.owner], GovernanceError::VotingOver);
    let veto = govern::vote_stake(&bob.wallet(), (&proposal, 0), &bob.device, None, VETO);
    world.refuse(veto.clone(), &[&bob.owner], GovernanceError::VotingOver);
    let close = govern::close_ballot(&alice.wallet(), &proposal, &alice.device, &alice.wallet(), None);
    let mut uncounted = world.clone();
    uncounted.go_to_time(eta);
    uncounted.refuse(close.clone(), &[&alice.owner], GovernanceError::StillCounted);
    world.sweep(&govern::advance(&proposal), &[], &[]);
    world.send(govern::advance(&proposal), &[]);
    assert_eq!(world.proposal(&proposal).status, Status::Queued);
    world.refuse(govern::advance(&proposal), &[], GovernanceError::NothingDue);
    // Only vetoes are accepted now, and no vote can be withdrawn.
    world.refuse(late, &[&bob.owner], GovernanceError::VotingOver);
    world.refuse(close, &[&alice.owner], GovernanceError::StillCounted);
    let no = govern::change_vote(&alice.wallet(), (&proposal, 0), &alice.device, None, NO);
    world.refuse(no, &[&alice.owner], GovernanceError::VotingOver);
    let mut vetoed = world.clone();
    vetoed.send(veto.clone(), &[&bob.owner]);
    vetoed.send(govern::advance(&proposal), &[]);
    assert_eq!(vetoed.proposal(&proposal).status, Status::Vetoed);
    let mut changed = world.clone();
    changed.send(
        govern::change_vote(&alice.wallet(), (&proposal, 0), &alice.device, None, VETO),
        &[&alice.owner],
    );
    changed.go_to_time(eta);
    changed.refuse(govern::execute(&proposal, 0, &change(1)), &[], GovernanceError::Vetoed);
    world.go_to_time(eta - 1);
    world.clone().send(veto.clone(), &[&bob.owner]);
    world.wait(1);
    world.refuse(veto, &[&bob.owner], GovernanceError::VotingOver);
    // The votes can have no further effect, so anyone may return the rents.
    let any = govern::close_ballot(&carol.wallet(), &proposal, &alice.device, &alice.wallet(), None);
    world.send(any, &[&carol.owner]);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_000 * IO);
}

/// Flash stake: stake added with or after the proposal has no vote, nor has stake that is leaving.
#[test]
fn younger_stake_and_stake_on_its_way_out_weigh_nothing() {
    let mut house = House::new();
    let proposer = house.proposer.clone();
    let (newcomer, topped, leaver) = (house.world.newcomer("dave"), house.alice.clone(), house.bob.clone());
    let world = &mut house.world;
    let proposal = world.draft(&proposer, &[change(1)]);
    let add = |worker: &tests::Worker, amount| stake::stake(&worker.wallet(), &worker.device, &worker.tokens, amount);
    let vote = |worker: &tests::Worker| govern::vote_stake(&worker.wallet(), (&proposal, 0), &worker.device, None, YES);
    // In the same second in which the vote opens.
    world.send(add(&newcomer, 1_000 * IO), &[&newcomer.owner]);
    world.send(
        govern::submit(&proposer.address(), &proposal, &world.io.clone()),
        &[&proposer.wallet],
    );
    world.refuse(vote(&newcomer), &[&newcomer.owner], GovernanceError::NoWeight);
    world.send(add(&topped, 500 * IO), &[&topped.owner]);
    world.send(vote(&topped), &[&topped.owner]);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_000 * IO);
    world.send(stake::unstake(&leaver.wallet(), &leaver.device), &[&leaver.owner]);
    world.refuse(vote(&leaver), &[&leaver.owner], GovernanceError::NoWeight);
}

/// Stake added for the vote has none: it must have been in place for a week when the vote opens, to the second.
#[test]
fn a_week_of_age_to_the_second() {
    let mut house = House::new();
    let proposer = house.proposer.clone();
    let dave = house.world.newcomer("dave");
    let world = &mut house.world;
    let proposal = world.draft(&proposer, &[change(1)]);
    world.send(stake::stake(&dave.wallet(), &dave.device, &dave.tokens, 1_000 * IO), &[&dave.owner]);
    let submit = govern::submit(&proposer.address(), &proposal, &world.io.clone());
    let vote = govern::vote_stake(&dave.wallet(), (&proposal, 0), &dave.device, None, YES);
    world.wait(MIN_AGE);
    let mut early = world.clone();
    early.send(submit.clone(), &[&proposer.wallet]);
    early.refuse(vote.clone(), &[&dave.owner], GovernanceError::NoWeight);
    world.wait(1);
    world.send(submit, &[&proposer.wallet]);
    world.send(vote, &[&dave.owner]);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_000 * IO);
}

/// Stake that votes, exits, is staked elsewhere and tries to vote again is too young the second time, however it got there.
#[test]
fn no_token_votes_twice() {
    let mut house = House::new();
    let (proposer, alice, bob) = (house.proposer.clone(), house.alice.clone(), house.bob.clone());
    let world = &mut house.world;
    let proposal = world.propose(&proposer, &[change(1)]);
    world.vote(&alice, &proposal, YES);
    // Stake above the minimum leaves at once; it goes to a device of Bob's, as stake and as co-stake.
    let out = 600 * IO;
    let overflow = stake::withdraw_overflow(&alice.wallet(), &alice.device, tests::GPU, &alice.tokens, out);
    world.send(overflow, &[&alice.owner]);
    let send = spl_token_interface::instruction::transfer(&spl_token_interface::ID, &alice.tokens, &bob.tokens, &alice.wallet(), &[], out);
    world.send(send.unwrap(), &[&alice.owner]);
    world.send(stake::stake(&bob.wallet(), &bob.device, &bob.tokens, 600 * IO), &[&bob.owner]);
    world.vote(&bob, &proposal, YES);
    assert_eq!(
        world.proposal(&proposal).yes.get(),
        2_000 * IO,
        "Bob's own thousand, and Alice's once"
    );
    // A ballot that is closed and cast again weighs what stake is left.
    let close = govern::close_ballot(&alice.wallet(), &proposal, &alice.device, &alice.wallet(), None);
    world.send(close, &[&alice.owner]);
    world.vote(&alice, &proposal, YES);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_400 * IO);
}

#[test]
fn co_stake_votes_by_its_worth_from_before_until_its_exit() {
    let mut house = House::new();
    let (proposer, alice) = (house.proposer.clone(), house.alice.clone());
    let world = &mut house.world;
    let (erin, frank, late) = (world.co_staker("erin"), world.co_staker("frank"), world.co_staker("late"));
    let offer = world.offer(&alice, OFFER);
    let stakes = [(&erin, 100), (&frank, 50)].map(|(who, part)| world.join(who, &offer, 0, part * IO));
    world.wait(3_600 + MIN_AGE);
    let proposal = world.propose(&proposer, &[change(1)]);
    let younger = world.join(&late, &offer, 0, 20 * IO);
    let vote = |stake: &tests::Stake, choice| {
        let source = [&stake.device, &stake.offer, &stake.position];
        govern::vote_co_stake(&stake.holder.address(), (&proposal, 0), source, None, choice)
    };
    world.refuse(vote(&younger, YES), &[&late.wallet], GovernanceError::NoWeight);
    world.sweep(&vote(&stakes[0], YES), &[&erin.wallet], &[]);
    world.send(vote(&stakes[0], YES), &[&erin.wallet]);
    // Half of it is on its way out.
    world.send(stakes[1].leaving(0, 25 * IO), &[&frank.wallet]);
    world.send(vote(&stakes[1], NO), &[&frank.wallet]);
    let votes = world.proposal(&proposal).votes();
    assert_eq!((votes.yes, votes.no), (100 * IO, 25 * IO));
    // The owner's stake votes separately; when it leaves, the co-stake does, too.
    world.vote(&alice, &proposal, NO);
    assert_eq!(world.proposal(&proposal).no.get(), 1_025 * IO);
    let close = govern::close_ballot(&erin.address(), &proposal, &stakes[0].position, &erin.address(), None);
    world.send(close, &[&erin.wallet]);
    world.send(costake::retract(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.send(stake::unstake(&alice.wallet(), &alice.device), &[&alice.owner]);
    world.refuse(vote(&stakes[0], YES), &[&erin.wallet], GovernanceError::NoWeight);
    world.send(costake::force(&alice.device, &offer), &[]);
    world.refuse(vote(&stakes[0], YES), &[&erin.wallet], GovernanceError::NoWeight);
}

#[test]
fn a_representative_votes_unless_the_owner_does() {
    let mut house = House::new();
    let (proposer, alice, bob) = (house.proposer.clone(), house.alice.clone(), house.bob.clone());
    let world = &mut house.world;
    let rep = world.proposer("rep");
    let own = govern::set_delegate(&alice.wallet(), alice.wallet());
    world.refuse(own, &[&alice.owner], GovernanceError::OwnRepresentative);
    let name = govern::set_delegate(&alice.wallet(), rep.address());
    world.sweep(&name, &[&alice.owner], &[]);
    world.send(name.clone(), &[&alice.owner]);
    world.refuse(name, &[&alice.owner], Failure::ALREADY_IN_USE);
    let proposal = world.propose(&proposer, &[change(1)]);
    let by_rep = |worker: &tests::Worker| govern::vote_stake(&rep.address(), (&proposal, 0), &worker.device, Some(&alice.wallet()), YES);
    // Alice's delegation does not count for Bob, nor does it let anyone else vote, and without a delegation there is no vote.
    world.refuse(by_rep(&bob), &[&rep.wallet], GovernanceError::NotVoter);
    let by_other = govern::vote_stake(&proposer.address(), (&proposal, 0), &alice.device, Some(&alice.wallet()), YES);
    world.refuse(by_other, &[&proposer.wallet], GovernanceError::NotVoter);
    let bare = govern::vote_stake(&rep.address(), (&proposal, 0), &alice.device, None, YES);
    world.refuse(bare, &[&rep.wallet], GovernanceError::NotVoter);
    world.send(by_rep(&alice), &[&rep.wallet]);
    let change_by = |who: Address, choice| govern::change_vote(&who, (&proposal, 0), &alice.device, Some(&alice.wallet()), choice);
    world.send(change_by(rep.address(), ABSTAIN), &[&rep.wallet]);
    // The owner has the last word, and the rent still returns to its payer.
    world.send(
        govern::change_vote(&alice.wallet(), (&proposal, 0), &alice.device, None, NO),
        &[&alice.owner],
    );
    world.refuse(change_by(rep.address(), YES), &[&rep.wallet], GovernanceError::OwnerVoted);
    let close = |who| govern::close_ballot(who, &proposal, &alice.device, &rep.address(), Some(&alice.wallet()));
    world.refuse(close(&rep.address()), &[&rep.wallet], GovernanceError::OwnerVoted);
    assert_eq!(world.proposal(&proposal).no.get(), 1_000 * IO);
    // Also if the owner has voted first.
    let other = world.propose(&proposer, &[change(2)]);
    let own = govern::vote_stake(&alice.wallet(), (&other, 1), &alice.device, None, YES);
    world.send(own, &[&alice.owner]);
    let over = govern::change_vote(&rep.address(), (&other, 1), &alice.device, Some(&alice.wallet()), NO);
    world.refuse(over, &[&rep.wallet], GovernanceError::OwnerVoted);
    let back = govern::close_ballot(&alice.wallet(), &other, &alice.device, &alice.wallet(), None);
    world.send(back, &[&alice.owner]);
    // After the delegation is removed the representative casts no more votes, but those already cast stand.
    let clear = govern::clear_delegate(&alice.wallet());
    world.sweep(&clear, &[&alice.owner], &[]);
    let stolen = tests::substituted(&clear, &alice.wallet(), &rep.address());
    world.refuse(stolen, &[&rep.wallet], GovernanceError::NotVoter);
    world.send(clear, &[&alice.owner]);
    let vote = govern::vote_stake(&rep.address(), (&other, 1), &alice.device, None, YES);
    world.refuse(vote, &[&rep.wallet], GovernanceError::NotVoter);
}

#[test]
fn without_a_quorum_or_approval_it_is_defeated() {
    let mut house = House::new();
    let (proposer, alice, bob, carol) = (house.proposer.clone(), house.alice.clone(), house.bob.clone(), house.carol.clone());
    // A tenth of what circulates is needed, and one device has less.
    let io = house.world.io;
    let whale = house.world.wallet("whale");
    house.world.give_tokens(&whale.pubkey(), &io, 10_000 * IO);
    let world = &mut house.world;
    let cases = [
        (vec![(&alice, YES)], Status::Defeated),
        (vec![(&alice, YES), (&bob, ABSTAIN)], Status::Queued),
        (vec![(&alice, YES), (&bob, NO), (&carol, NO)], Status::Defeated),
        (vec![(&alice, YES), (&bob, YES), (&carol, NO)], Status::Queued),
        (vec![(&alice, YES), (&bob, VETO), (&carol, NO)], Status::Defeated),
        (vec![], Status::Defeated),
    ];
    for (votes, status) in cases {
        let mut world = world.clone();
        let proposal = world.propose(&proposer, &[change(1)]);
        let quorum = world.proposal(&proposal).quorum.get();
        assert!((1_000 * IO..2_000 * IO).contains(&quorum), "{quorum}");
        for (who, choice) in votes {
            world.vote(who, &proposal, choice);
        }
        world.count_votes(&proposal);
        assert_eq!(world.proposal(&proposal).status, status as u8);
    }
}

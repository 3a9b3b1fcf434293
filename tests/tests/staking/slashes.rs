//! Slashes by people: two keys, thirty days for an appeal, and no stake but the device's.

use chain::market::{self, costake, govern, slash};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use staking::events::ConfigChanged;
use std::sync::Arc;
use tests::{Failure, OFFER, Worker, World, substituted};

const DAY: u32 = 86_400;
const EVIDENCE: [u8; 32] = [0xE7; 32];

/// What no slash takes of a pool of co-stake, computed independently of the program.
pub fn stays(pool: u64) -> u64 {
    pool.div_ceil(1 << 16)
}

pub struct Court {
    pub world: World,
    pub proposer: Arc<Keypair>,
    pub approver: Arc<Keypair>,
    pub alice: Worker,
}

impl Court {
    pub fn new() -> Self {
        Self::of(World::new())
    }

    pub fn of(mut world: World) -> Self {
        let (proposer, approver, admin) = (world.wallet("proposer"), world.wallet("approver"), world.admin.clone());
        let alice = world.worker("alice");
        let set = slash::set_judges(&admin.pubkey(), &proposer.pubkey(), &approver.pubkey());
        world.send(set, &[&admin]);
        Self {
            world,
            proposer,
            approver,
            alice,
        }
    }

    pub fn proposing(&self, number: u32, share: u16) -> Instruction {
        slash::propose(&self.proposer.pubkey(), &self.alice.device, number, 0, share, EVIDENCE)
    }

    pub fn approving(&self, number: u32, share: u16) -> Instruction {
        slash::approve(&self.approver.pubkey(), &self.alice.device, number, share, EVIDENCE)
    }

    pub fn overturning(&self, number: u32) -> Instruction {
        slash::overturn(&self.world.admin.pubkey(), &self.proposer.pubkey(), &self.alice.device, number)
    }

    pub fn collecting(&self, number: u32) -> Instruction {
        slash::collect(&self.alice.device, number)
    }

    pub fn finishing(&self, number: u32) -> Instruction {
        slash::finish(&self.proposer.pubkey(), &self.alice.device, number)
    }

    #[track_caller]
    pub fn slash(&mut self, number: u32, share: u16) {
        let (propose, approve) = (self.proposing(number, share), self.approving(number, share));
        self.world.send(propose, &[&self.proposer.clone()]);
        self.world.send(approve, &[&self.approver.clone()]);
    }

    /// What is due to a slash, and how many slashes wait on the device.
    pub fn due(&self, number: u32) -> (u64, u8) {
        let books = self.world.books();
        let due = books.slashes[&slash::address(&self.alice.device, number)].due.get();
        (due, books.devices[&self.alice.device].dues)
    }

    /// Own stake, cooling own stake, active and cooling co-stake, set aside, forfeited.
    pub fn stakes(&self) -> [u64; 6] {
        let device = self.world.device(&self.alice.device);
        [
            device.own_stake,
            device.cooling,
            device.co_stake,
            device.co_cooling,
            device.aside,
            device.forfeited,
        ]
        .map(|part| part.get())
    }
}

#[test]
fn takes_two_different_keys_and_evidence() {
    let mut court = Court::new();
    let (admin, thief) = (court.world.admin.clone(), court.world.wallet("thief"));
    let who = |key: &Keypair| key.pubkey();
    let same = slash::set_judges(&who(&admin), &who(&thief), &who(&thief));
    court.world.refuse(same, &[&admin], StakingError::SameJudges);
    let stolen = slash::set_judges(&who(&thief), &who(&thief), &who(&admin));
    court.world.refuse(stolen, &[&thief], StakingError::NotAuthority);
    let (proposer, approver) = (court.proposer.clone(), court.approver.clone());
    let device = court.alice.device;
    let propose = |reason, share, evidence| slash::propose(&proposer.pubkey(), &device, 1, reason, share, evidence);
    for (reason, share, evidence) in [(4, 100, EVIDENCE), (0, 0, EVIDENCE), (0, 10_001, EVIDENCE), (0, 100, [0; 32])] {
        court
            .world
            .refuse(propose(reason, share, evidence), &[&proposer], StakingError::InvalidSlash);
    }
    let by_approver = slash::propose(&who(&approver), &device, 1, 0, 100, EVIDENCE);
    court.world.refuse(by_approver, &[&approver], StakingError::NotSlashProposer);
    let set = slash::set_judges(&who(&admin), &who(&proposer), &who(&approver));
    let said = court.world.send(set, &[&admin]).events::<ConfigChanged>(&staking::ID);
    let [named] = said.as_slice() else { panic!("one event") };
    assert_eq!((named.slash_proposer, named.slash_approver), (who(&proposer), who(&approver)));
    let valid = court.proposing(1, 500);
    court.world.sweep(&valid, &[&proposer], &[]);
    court.world.send(valid.clone(), &[&proposer]);
    court.world.refuse(valid, &[&proposer], Failure::ALREADY_IN_USE);
    assert_eq!(court.stakes(), [1_000 * IO, 0, 0, 0, 0, 0], "a proposal takes nothing");
    let finish = court.finishing(1);
    court.world.refuse(finish, &[], StakingError::WrongSlash);
    let by_proposer = slash::approve(&who(&proposer), &device, 1, 500, EVIDENCE);
    court.world.refuse(by_proposer, &[&proposer], StakingError::NotSlashApprover);
    let other_share = court.approving(1, 400);
    court.world.refuse(other_share, &[&approver], StakingError::SlashChanged);
    let other_evidence = slash::approve(&approver.pubkey(), &device, 1, 500, [9; 32]);
    court.world.refuse(other_evidence, &[&approver], StakingError::SlashChanged);
    // Nor once its proposer has become the approver.
    let mut later = court.world.clone();
    for (proposing, approving) in [(&thief, &approver), (&thief, &proposer)] {
        later.send(slash::set_judges(&who(&admin), &who(proposing), &who(approving)), &[&admin]);
    }
    let by_proposer = slash::approve(&who(&proposer), &device, 1, 500, EVIDENCE);
    later.refuse(by_proposer, &[&proposer], StakingError::SameJudges);
    let approve = court.approving(1, 500);
    court.world.sweep(&approve, &[&approver], &[]);
    court.world.send(approve.clone(), &[&approver]);
    court.world.refuse(approve, &[&approver], StakingError::WrongSlash);
    assert_eq!(court.stakes(), [950 * IO, 0, 0, 0, 50 * IO, 0]);
    // From a device without stake there is nothing to take.
    let poor = court.world.newcomer("gina").device;
    let propose = slash::propose(&proposer.pubkey(), &poor, 1, 3, 500, EVIDENCE);
    court.world.send(propose, &[&proposer]);
    assert_eq!(court.world.books().slashes[&slash::address(&poor, 1)].reason, 3);
    let approve = slash::approve(&approver.pubkey(), &poor, 1, 500, EVIDENCE);
    court.world.refuse(approve, &[&approver], StakingError::NothingStaked);
}

#[test]
fn a_proposal_may_be_dropped_and_an_approval_not() {
    let mut court = Court::new();
    let (proposer, thief) = (court.proposer.clone(), court.world.wallet("thief"));
    court.world.send(court.proposing(1, 500), &[&proposer]);
    let dropping = |who: &Address| slash::withdraw(who, &proposer.pubkey(), &court.alice.device, 1);
    court
        .world
        .refuse(dropping(&thief.pubkey()), &[&thief], StakingError::NotSlashProposer);
    let valid = dropping(&proposer.pubkey());
    court.world.clone().send(valid.clone(), &[&proposer]);
    let approve = court.approving(1, 500);
    court.world.send(approve, &[&court.approver.clone()]);
    court.world.refuse(valid, &[&proposer], StakingError::WrongSlash);
}

/// If there is no longer a proposer, the authority drops its proposals; the rent still returns to its payer.
#[test]
fn a_proposal_that_outlives_its_proposer_is_dropped_by_the_authority() {
    let mut court = Court::new();
    let (proposer, admin) = (court.proposer.clone(), court.world.admin.clone());
    court.world.send(court.proposing(1, 500), &[&proposer]);
    let nobody = slash::set_judges(&admin.pubkey(), &Address::default(), &court.approver.pubkey());
    court.world.send(nobody, &[&admin]);
    let dropping = |who: &Keypair| slash::withdraw(&who.pubkey(), &proposer.pubkey(), &court.alice.device, 1);
    let (by_proposer, valid) = (dropping(&proposer), dropping(&admin));
    court.world.refuse(by_proposer, &[&proposer], StakingError::NotSlashProposer);
    court.world.sweep(&valid, &[&admin], &[]);
    let before = court.world.lamports(&proposer.pubkey());
    court.world.send(valid.clone(), &[&admin]);
    let rent = court.world.rent(size_of::<staking::Slash>() + 8);
    assert_eq!(court.world.lamports(&proposer.pubkey()) - before, rent);
    court.world.refuse(valid, &[&admin], Failure::GONE);
}

/// On a market run by one key, the authority has itself paid the rent of a slash that it takes back.
#[test]
fn an_authority_that_proposes_itself_overturns_and_drops() {
    let mut court = Court::new();
    let admin = court.world.admin.clone();
    court.world.give_sol(&admin.pubkey(), 10_000_000_000);
    let both = slash::set_judges(&admin.pubkey(), &admin.pubkey(), &court.approver.pubkey());
    court.world.send(both, &[&admin]);
    court.proposer = admin.clone();
    let rent = court.world.rent(size_of::<staking::Slash>() + 8);
    let before = court.world.lamports(&admin.pubkey());
    court.slash(1, 1_000);
    let overturn = court.overturning(1);
    court.world.send(overturn, &[&admin]);
    assert_eq!(court.stakes(), [1_000 * IO, 0, 0, 0, 0, 0]);
    assert_eq!(court.world.lamports(&admin.pubkey()), before);
    court.world.send(court.proposing(2, 1_000), &[&admin]);
    assert_eq!(court.world.lamports(&admin.pubkey()), before - rent);
    let drop = slash::withdraw(&admin.pubkey(), &admin.pubkey(), &court.alice.device, 2);
    court.world.send(drop, &[&admin]);
    assert_eq!(court.world.lamports(&admin.pubkey()), before);
}

/// H5, H6: after thirty days, to the second, the stake burns.
#[test]
fn stands_after_thirty_days_and_is_overturned_before() {
    let mut court = Court::new();
    court.slash(1, 1_000);
    let admin = court.world.admin.clone();
    let (finish, overturn) = (court.finishing(1), court.overturning(1));
    court.world.wait(30 * DAY - 1);
    court.world.refuse(finish.clone(), &[], StakingError::AppealNotOver);
    let mut overturned = court.world.clone();
    overturned.sweep(&overturn, &[&admin], &[]);
    overturned.send(overturn.clone(), &[&admin]);
    let device = overturned.device(&court.alice.device);
    assert_eq!((device.own_stake.get(), device.aside.get()), (1_000 * IO, 0));
    overturned.refuse(overturn.clone(), &[&admin], Failure::GONE);
    court.world.wait(1);
    court.world.refuse(overturn, &[&admin], StakingError::AppealOver);
    court.world.sweep(&finish, &[], &[]);
    court.world.send(finish, &[]);
    assert_eq!(court.stakes(), [900 * IO, 0, 0, 0, 0, 100 * IO]);
    let (io, supply) = (court.world.io, court.world.supply(&court.world.io));
    court.world.send(market::stake::burn_forfeited(&court.alice.device, &io), &[]);
    assert_eq!(supply - court.world.supply(&io), 100 * IO);
}

#[test]
fn the_owner_answers_in_time_and_once() {
    let mut court = Court::new();
    court.slash(1, 1_000);
    let (owner, thief) = (court.alice.owner.clone(), court.world.wallet("thief"));
    let appeal = |who: &Address| slash::appeal(who, &court.alice.device, 1, [7; 32]);
    court.world.refuse(appeal(&thief.pubkey()), &[&thief], StakingError::NotOwner);
    let valid = appeal(&owner.pubkey());
    let mut late = court.world.clone();
    late.wait(30 * DAY);
    late.refuse(valid.clone(), &[&owner], StakingError::AppealOver);
    court.world.sweep(&valid, &[&owner], &[]);
    court.world.send(valid.clone(), &[&owner]);
    court.world.refuse(valid, &[&owner], StakingError::WrongSlash);
    let (admin, overturn) = (court.world.admin.clone(), court.overturning(1));
    let stolen = slash::overturn(&owner.pubkey(), &court.proposer.pubkey(), &court.alice.device, 1);
    court.world.refuse(stolen, &[&owner], StakingError::NotAuthority);
    court.world.send(overturn, &[&admin]);
    assert_eq!(court.stakes(), [1_000 * IO, 0, 0, 0, 0, 0]);
}

/// D8, L8: a slash reaches stake that cools down, of the owner and of co-stakers; it takes the owner's first, and none of other devices.
#[test]
fn the_owners_stake_goes_first_and_then_the_co_stake_cooling_down_or_not() {
    let mut court = Court::new();
    let other = court.world.worker("bob");
    let (carol, dave) = (court.world.co_staker("carol"), court.world.co_staker("dave"));
    let offer = court.world.offer(&court.alice.clone(), OFFER);
    let inside = court.world.join(&carol, &offer, 0, 100 * IO);
    let leaving = court.world.join(&dave, &offer, 0, 100 * IO);
    court.world.send(leaving.leaving(0, 100 * IO), &[&dave.wallet]);
    court.world.wait(7 * DAY);
    court.world.send(leaving.cooling(0), &[]);
    // Of 1,200 $IO at stake a 65,536th of each co-stake always stays. Half of the total comes from the owner's stake alone.
    let stays = stays(100 * IO);
    court.slash(1, 5_000);
    assert_eq!(court.stakes()[..5], [400 * IO + stays, 0, 100 * IO, 100 * IO, 600 * IO - stays]);
    court.slash(2, 10_000);
    assert_eq!(court.stakes()[..5], [0, 0, stays, stays, 1_200 * IO - 2 * stays]);
    assert_eq!(court.world.device(&other.device).own_stake.get(), 1_000 * IO);
    // Every share is worth less at once, and nobody is kept from leaving.
    court.world.wait(14 * DAY);
    let mut poor = court.world.clone();
    poor.send(leaving.withdrawing(0), &[&dave.wallet]);
    assert_eq!(poor.balance(&dave.tokens), 900 * IO + stays);
    // After both slashes are overturned, everything is back where it was.
    let admin = court.world.admin.clone();
    let before = court.world.clone();
    for order in [[2, 1], [1, 2]] {
        court.world = before.clone();
        for number in order {
            court.world.send(court.overturning(number), &[&admin]);
        }
        assert_eq!(court.stakes(), [1_000 * IO, 0, 100 * IO, 100 * IO, 0, 0]);
    }
    court.world.send(inside.leaving(0, 100 * IO), &[&carol.wallet]);
}

/// Slashing everybody silences nobody: stake that is set aside votes until its slash is final, and so can overturn it in time.
#[test]
fn what_is_set_aside_votes_until_its_slash_stands() {
    let mut court = Court::new();
    let (alice, carol) = (court.alice.clone(), court.world.co_staker("carol"));
    let offer = court.world.offer(&alice, OFFER);
    let inside = court.world.join(&carol, &offer, 0, 100 * IO);
    let paul = court.world.proposer("paul");
    court.world.wait(7 * DAY + 3_600);
    court.world.govern();
    for (number, share) in [(1, 5_000), (2, 10_000)] {
        court.slash(number, share);
    }
    let stays = stays(100 * IO);
    assert_eq!(court.stakes(), [0, 0, stays, 0, 1_100 * IO - stays, 0]);
    // Stake that comes in later does not become older by this, nor does stake that is set aside become younger.
    let (tokens, io) = (alice.tokens, court.world.io);
    court.world.give_tokens(&alice.wallet(), &io, 1_000 * IO);
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &tokens, 1_000 * IO);
    court.world.send(stake, &[&alice.owner]);

    let who = govern::authority();
    let overturn = [2, 1].map(|number| slash::overturn(&who, &court.proposer.pubkey(), &alice.device, number));
    let world = &mut court.world;
    let proposal = world.propose(&paul, &overturn);
    world.vote(&alice, &proposal, 0);
    let (index, source) = (world.proposal(&proposal).index.get(), [&alice.device, &offer, &inside.position]);
    let vote = govern::vote_co_stake(&carol.address(), (&proposal, index), source, None, 0);
    world.send(vote, &[&carol.wallet]);
    assert_eq!(world.proposal(&proposal).yes.get(), 1_100 * IO);
    // Once a slash is final, the stake that it took no longer votes.
    let mut late = world.clone();
    late.wait(30 * DAY);
    for number in [1, 2] {
        late.send(slash::finish(&court.proposer.pubkey(), &alice.device, number), &[]);
    }
    let later = late.propose(&paul, &overturn);
    late.vote(&alice, &later, 0);
    assert_eq!(late.proposal(&later).yes.get(), 1_000 * IO);

    world.count_votes(&proposal);
    world.go_to_time(world.proposal(&proposal).eta.get());
    for (index, instruction) in (0..).zip(&overturn) {
        world.send(govern::execute(&proposal, index, instruction), &[]);
    }
    assert_eq!(court.stakes(), [2_000 * IO, 0, 100 * IO, 0, 0, 0]);
}

/// What an overturned slash gives back does not go to a co-staker who joins at the slashed price.
#[test]
fn while_a_slash_is_open_nobody_joins() {
    let mut court = Court::new();
    let (carol, thief) = (court.world.co_staker("carol"), court.world.co_staker("thief"));
    let offer = court.world.offer(&court.alice.clone(), OFFER);
    let inside = court.world.join(&carol, &offer, 0, 100 * IO);
    court.slash(1, 9_000);
    let join = court.world.joining(&thief, &offer, 0, 50 * IO);
    court.world.refuse(join.clone(), &[&thief.wallet], StakingError::SlashOpen);
    let (admin, overturn) = (court.world.admin.clone(), court.overturning(1));
    court.world.send(overturn, &[&admin]);
    court.world.send(join, &[&thief.wallet]);
    court.world.send(inside.leaving(0, 100 * IO), &[&carol.wallet]);
}

/// Nor does it go to one who enters the cooldown at that price: no stake moves between the pools until the slash is decided, and an exit
/// still ends when it would have.
#[test]
fn while_a_slash_is_open_no_co_stake_starts_to_cool_down() {
    let mut court = Court::new();
    let alice = court.alice.clone();
    let (carol, dave) = (court.world.co_staker("carol"), court.world.co_staker("dave"));
    let offer = court.world.offer(&alice, OFFER);
    let inside = court.world.join(&carol, &offer, 0, 100 * IO);
    let cooled = court.world.join(&dave, &offer, 0, 100 * IO);
    court.world.send(cooled.leaving(0, 100 * IO), &[&dave.wallet]);
    court.world.wait(7 * DAY);
    court.world.send(cooled.cooling(0), &[]);
    court.world.send(inside.leaving(0, 100 * IO), &[&carol.wallet]);
    let retract = costake::retract(&alice.wallet(), &alice.device, &offer);
    court.world.send(retract, &[&alice.owner]);
    court.slash(1, 10_000);
    let stays = stays(100 * IO);
    assert_eq!(court.stakes()[2..4], [stays, stays]);
    court.world.wait(7 * DAY);
    court.world.refuse(inside.cooling(0), &[], StakingError::SlashOpen);

    let (mut overturned, overturn) = (court.world.clone(), court.overturning(1));
    overturned.send(overturn, &[&overturned.admin.clone()]);
    overturned.send(inside.cooling(0), &[]);
    overturned.wait(14 * DAY);
    for (stake, holder) in [(&inside, &carol), (&cooled, &dave)] {
        overturned.send(stake.withdrawing(0), &[&holder.wallet]);
        assert_eq!(overturned.balance(&holder.tokens), 1_000 * IO);
    }

    court.world.wait(23 * DAY);
    let finish = court.finishing(1);
    court.world.send(finish, &[]);
    court.world.send(inside.cooling(0), &[]);
    for (stake, holder) in [(&inside, &carol), (&cooled, &dave)] {
        court.world.send(stake.withdrawing(0), &[&holder.wallet]);
        assert_eq!(court.world.balance(&holder.tokens), 900 * IO + stays);
    }
}

/// The owner's exit would move all of one pool into the other, and nobody would have shares of what an overturned slash returns to the
/// first.
#[test]
fn while_a_slash_is_open_no_owner_takes_co_stake_along() {
    let mut court = Court::new();
    let (alice, carol) = (court.alice.clone(), court.world.co_staker("carol"));
    let offer = court.world.offer(&alice, OFFER);
    court.world.join(&carol, &offer, 0, 100 * IO);
    let retract = costake::retract(&alice.wallet(), &alice.device, &offer);
    court.world.send(retract, &[&alice.owner]);
    court.slash(1, 10_000);
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, IO);
    court.world.give_tokens(&alice.wallet(), &court.world.io.clone(), IO);
    court.world.send(stake, &[&alice.owner]);
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    court.world.refuse(unstake.clone(), &[&alice.owner], StakingError::SlashOpen);
    let (admin, overturn) = (court.world.admin.clone(), court.overturning(1));
    court.world.send(overturn, &[&admin]);
    court.world.send(unstake, &[&alice.owner]);
}

/// The rest of a slashed cooldown that somebody leaves in place does not shelter stake that comes in later (H4, D8). It keeps others from
/// joining only after two slashes of everything, and only until it is withdrawn.
#[test]
fn a_pool_that_was_slashed_is_slashed_again() {
    let mut court = Court::new();
    let alice = court.alice.clone();
    let (mallory, victim) = (court.world.co_staker("mallory"), court.world.co_staker("victim"));
    let offer = court.world.offer(&alice, OFFER);
    let io = court.world.io;
    court.world.give_tokens(&alice.wallet(), &io, 2_000 * IO);
    let restake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 1_000 * IO);
    let mut left = 0;
    let [sleeper, later] = [&mallory, &victim].map(|holder| {
        let position = court.world.join(holder, &offer, 0, 100 * IO);
        court.world.send(position.leaving(0, 100 * IO), &[&holder.wallet]);
        court.world.wait(7 * DAY);
        court.world.send(position.cooling(0), &[]);
        let number = u32::from(left > 0) + 1;
        court.slash(number, 10_000);
        left = stays(left + 100 * IO);
        assert_eq!(court.stakes()[2..4], [0, left], "slash {number}");
        court.world.wait(30 * DAY);
        let finish = court.finishing(number);
        court.world.send(finish, &[]);
        court.world.send(restake.clone(), &[&alice.owner]);
        position
    });
    // A base unit stands for 2^32 shares, so the same amount again would buy more shares than allowed.
    let join = court.world.joining(&victim, &offer, 1, 100 * IO);
    court.world.refuse(join.clone(), &[&victim.wallet], StakingError::CoolingWorthless);
    for (position, holder) in [(sleeper, mallory), (later, victim.clone())] {
        court.world.send(position.withdrawing(0), &[&holder.wallet]);
    }
    court.world.send(join, &[&victim.wallet]);
}

/// A co-staker who withdraws during a slash forgoes its part of what comes back. It must not go to the last share, whose price would then
/// be too high for an exit to buy any.
#[test]
fn no_share_is_worth_more_than_a_base_unit() {
    let mut court = Court::new();
    let (mallory, victim) = (court.world.co_staker("mallory"), court.world.co_staker("victim"));
    let offer = court.world.offer(&court.alice.clone(), OFFER);
    let pool = court.world.join(&mallory, &offer, 0, 100 * IO);
    let waiting = court.world.join(&victim, &offer, 0, 49 * IO);
    for (number, shares) in [(0, 100 * IO - 1), (1, 1)] {
        court.world.send(pool.leaving(number, shares), &[&mallory.wallet]);
    }
    court.world.wait(7 * DAY);
    for number in [0, 1] {
        court.world.send(pool.cooling(number), &[]);
    }
    court.world.send(waiting.leaving(0, 49 * IO), &[&victim.wallet]);
    court.world.wait(14 * DAY);
    // All of the owner's 1,000 $IO and half of the co-stakers' stake.
    court.slash(1, 9_352);
    assert!(court.stakes()[3] < 50 * IO);
    court.world.send(pool.withdrawing(0), &[&mallory.wallet]);
    let (admin, overturn) = (court.world.admin.clone(), court.overturning(1));
    court.world.send(overturn, &[&admin]);
    let [_, _, active, cooling, aside, forfeited] = court.stakes();
    assert_eq!((active, cooling, aside), (49 * IO, 1, 0));
    assert_eq!(forfeited + court.world.balance(&mallory.tokens), 1_000 * IO - 1);
    court.world.send(waiting.cooling(0), &[]);
    court.world.wait(7 * DAY);
    court.world.send(waiting.withdrawing(0), &[&victim.wallet]);
    assert_eq!(court.world.balance(&victim.tokens), 1_000 * IO);
}

/// Stake that was taken from active stake cools down for the full time, even if the rest has already cooled down meanwhile.
#[test]
fn an_overturned_slash_gives_back_no_stake_that_has_cooled_down_before_it_began_to() {
    let mut court = Court::new();
    let (alice, admin) = (court.alice.clone(), court.world.admin.clone());
    court.slash(1, 5_000);
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    court.world.send(unstake, &[&alice.owner]);
    let withdraw = market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens);
    let overturn = court.overturning(1);
    // Cooldowns that have become shorter since bring no end forward.
    let mut shorter = court.world.clone();
    let parameters = Parameters {
        cooldown: DAY,
        ..Parameters::PUBLISHED
    };
    for act in [market::stake::set_parameters(&admin.pubkey(), parameters), overturn.clone()] {
        shorter.send(act, &[&admin]);
    }
    shorter.wait(14 * DAY - 1);
    shorter.refuse(withdraw.clone(), &[&alice.owner], StakingError::CooldownNotOver);
    court.world.wait(14 * DAY);
    // If nothing cools down any more, it is active again.
    let mut left = court.world.clone();
    for (act, signer) in [(&withdraw, &alice.owner), (&overturn, &admin)] {
        left.send(act.clone(), &[signer]);
    }
    let device = left.device(&alice.device);
    let [own, cooling] = [device.own_stake, device.cooling].map(|part| part.get());
    assert_eq!((own, cooling, device.cooldown_ends.get()), (500 * IO, 0, 0));
    court.world.send(overturn, &[&admin]);
    assert_eq!(court.stakes(), [0, 1_000 * IO, 0, 0, 0, 0]);
    court.world.wait(14 * DAY - 1);
    court.world.refuse(withdraw.clone(), &[&alice.owner], StakingError::CooldownNotOver);
    court.world.wait(1);
    court.world.send(withdraw, &[&alice.owner]);
    assert_eq!(court.world.balance(&alice.tokens), 2_000 * IO);
}

/// Stake that was taken from a cooldown has no vote meanwhile, and leaves when it would have.
#[test]
fn an_overturned_slash_moves_no_end_of_a_cooldown() {
    let mut court = Court::new();
    let (alice, admin) = (court.alice.clone(), court.world.admin.clone());
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    court.world.send(unstake, &[&alice.owner]);
    court.world.wait(13 * DAY);
    let withdraw = market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens);
    let overturn = court.overturning(1);
    // A part of it comes back after the end of the cooldown.
    let mut part = court.world.clone();
    for (act, signer) in [
        (court.proposing(1, 5_000), &court.proposer),
        (court.approving(1, 5_000), &court.approver),
    ] {
        part.send(act, &[signer]);
    }
    part.wait(DAY);
    for (act, signer) in [(&withdraw, &alice.owner), (&overturn, &admin), (&withdraw, &alice.owner)] {
        part.send(act.clone(), &[signer]);
    }
    assert_eq!(part.balance(&alice.tokens), 2_000 * IO);

    court.slash(1, 10_000);
    let opened_at = court.world.now().unix + 8 * i64::from(DAY);
    assert_eq!(court.world.device(&alice.device).voting_weight(opened_at), 0);
    // If stake has come in since, it is active.
    let mut anew = court.world.clone();
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, IO);
    for (act, signer) in [(stake, &alice.owner), (overturn.clone(), &admin)] {
        anew.send(act, &[signer]);
    }
    let device = anew.device(&alice.device);
    assert_eq!((device.own_stake.get(), device.cooling.get()), (1_001 * IO, 0));
    court.world.send(overturn, &[&admin]);
    court.world.wait(DAY - 1);
    court.world.refuse(withdraw.clone(), &[&alice.owner], StakingError::CooldownNotOver);
    court.world.wait(1);
    court.world.send(withdraw, &[&alice.owner]);
    assert_eq!(court.world.balance(&alice.tokens), 2_000 * IO);
}

#[test]
fn reaches_what_the_owner_has_unstaked() {
    let mut court = Court::new();
    let alice = court.alice.clone();
    court
        .world
        .send(market::stake::unstake(&alice.wallet(), &alice.device), &[&alice.owner]);
    court.world.wait(14 * DAY - 1);
    court.slash(1, 10_000);
    assert_eq!(court.stakes(), [0, 0, 0, 0, 1_000 * IO, 0]);
    court.world.wait(1);
    let withdraw = market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens);
    court.world.refuse(withdraw, &[&alice.owner], StakingError::NothingToWithdraw);
    court
        .world
        .send(market::stake::terminate_device(&alice.wallet(), &alice.device), &[&alice.owner]);
    let close = market::stake::close_device(&alice.wallet(), &alice.device, &alice.tokens);
    court.world.refuse(close, &[&alice.owner], StakingError::DeviceNotEmpty);
}

#[test]
fn no_slash_is_carried_out_on_another_device() {
    let mut court = Court::new();
    let bob = court.world.worker("bob");
    let (proposer, approver, admin) = (court.proposer.clone(), court.approver.clone(), court.world.admin.clone());
    court.world.send(court.proposing(1, 1_000), &[&proposer]);
    let device = court.alice.device;
    let stray = substituted(&court.approving(1, 1_000), &device, &bob.device);
    court.world.refuse(stray, &[&approver], StakingError::SlashMismatch);
    let approve = court.approving(1, 1_000);
    court.world.send(approve, &[&approver]);
    let stray = substituted(&court.overturning(1), &device, &bob.device);
    court.world.refuse(stray, &[&admin], StakingError::SlashMismatch);
    court.world.wait(30 * DAY);
    let stray = substituted(&court.finishing(1), &device, &bob.device);
    court.world.refuse(stray, &[], StakingError::SlashMismatch);
}

//! What people judge: two keys, thirty days for an appeal, and nobody's stake but the device's.

use chain::market::{self, costake, slash};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::error::StakingError;
use staking::events::ConfigChanged;
use std::sync::Arc;
use tests::{Failure, OFFER, Worker, World, ending, substituted, terms};

const DAY: u32 = 86_400;
const EVIDENCE: [u8; 32] = [0xE7; 32];

struct Court {
    world: World,
    proposer: Arc<Keypair>,
    approver: Arc<Keypair>,
    alice: Worker,
}

impl Court {
    fn new() -> Self {
        let mut world = World::new();
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

    fn proposing(&self, number: u32, share: u16) -> Instruction {
        slash::propose(&self.proposer.pubkey(), &self.alice.device, number, 0, share, EVIDENCE)
    }

    fn approving(&self, number: u32, share: u16) -> Instruction {
        slash::approve(&self.approver.pubkey(), &self.alice.device, number, share, EVIDENCE)
    }

    fn overturning(&self, number: u32) -> Instruction {
        slash::overturn(&self.world.admin.pubkey(), &self.proposer.pubkey(), &self.alice.device, number)
    }

    fn finishing(&self, number: u32) -> Instruction {
        slash::finish(&self.proposer.pubkey(), &self.alice.device, number)
    }

    #[track_caller]
    fn slash(&mut self, number: u32, share: u16) {
        let (propose, approve) = (self.proposing(number, share), self.approving(number, share));
        self.world.send(propose, &[&self.proposer.clone()]);
        self.world.send(approve, &[&self.approver.clone()]);
    }

    /// Own stake, cooling, active and cooling co-stake, set aside, forfeited.
    fn stakes(&self) -> [u64; 6] {
        let device = self.world.device(&self.alice.device);
        [
            device.own_stake,
            device.cooling,
            device.co_stake,
            device.co_cooling,
            device.escrowed,
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
    let by_proposer = slash::approve(&who(&proposer), &device, 1, 500, EVIDENCE);
    court.world.refuse(by_proposer, &[&proposer], StakingError::NotSlashApprover);
    let other_share = court.approving(1, 400);
    court.world.refuse(other_share, &[&approver], StakingError::SlashChanged);
    let other_evidence = slash::approve(&approver.pubkey(), &device, 1, 500, [9; 32]);
    court.world.refuse(other_evidence, &[&approver], StakingError::SlashChanged);
    let approve = court.approving(1, 500);
    court.world.sweep(&approve, &[&approver], &[]);
    court.world.send(approve.clone(), &[&approver]);
    court.world.refuse(approve, &[&approver], StakingError::WrongSlash);
    assert_eq!(court.stakes(), [950 * IO, 0, 0, 0, 50 * IO, 0]);
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

/// If there is no proposer any more, the authority clears its proposals; the rent still returns to its payer.
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

/// On a market that one key runs, the authority has paid the rent of the slash it takes back.
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

/// H5, H6: thirty days to the second, then it burns.
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
    assert_eq!((device.own_stake.get(), device.escrowed.get()), (1_000 * IO, 0));
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

/// D8, L8: stake that cools down is reached, of the owner as of co-stakers; the owner's first, and no other device's.
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
    // 1,200 at stake, of which a 65,536th of each co-stake always stays: half of it is the owner's alone.
    let stays = (100 * IO) >> 16;
    court.slash(1, 5_000);
    assert_eq!(court.stakes()[..5], [400 * IO + stays, 0, 100 * IO, 100 * IO, 600 * IO - stays]);
    court.slash(2, 10_000);
    assert_eq!(court.stakes()[..5], [0, 0, stays, stays, 1_200 * IO - 2 * stays]);
    assert_eq!(court.world.device(&other.device).own_stake.get(), 1_000 * IO);
    // Every share is worth less at once, and nobody is kept.
    court.world.wait(14 * DAY);
    let mut poor = court.world.clone();
    poor.send(leaving.withdrawing(0), &[&dave.wallet]);
    assert_eq!(poor.balance(&dave.tokens), 900 * IO + stays);
    // Overturned, all is back where it was.
    let admin = court.world.admin.clone();
    for number in [2, 1] {
        court.world.send(court.overturning(number), &[&admin]);
    }
    assert_eq!(court.stakes(), [1_000 * IO, 0, 100 * IO, 100 * IO, 0, 0]);
    court.world.send(inside.leaving(0, 100 * IO), &[&carol.wallet]);
}

/// What a slash may give back neither goes to a co-staker who joins at the slashed price, nor is lost to one who is pushed out at it.
#[test]
fn while_a_slash_is_open_nobody_joins_and_only_the_holder_leaves_the_pool() {
    let mut court = Court::new();
    let (carol, dave, thief) = (
        court.world.co_staker("carol"),
        court.world.co_staker("dave"),
        court.world.co_staker("thief"),
    );
    let offer = court.world.offer(&court.alice.clone(), OFFER);
    let inside = court.world.join(&carol, &offer, 0, 100 * IO);
    let leaving = court.world.join(&dave, &offer, 0, 50 * IO);
    court.world.send(leaving.leaving(0, 50 * IO), &[&dave.wallet]);
    court.slash(1, 9_000);
    court.world.wait(7 * DAY);
    let join = court.world.joining(&thief, &offer, 0, 50 * IO);
    court.world.refuse(join.clone(), &[&thief.wallet], StakingError::SlashOpen);
    court
        .world
        .refuse(leaving.cooling(0), &[], costaking::error::CostakingError::SlashOpen);
    let by = |holder: &tests::CoStaker| costake::cool(&leaving.device, &offer, &leaving.exit(0), Some(&holder.address()));
    let by_thief = by(&thief);
    court
        .world
        .refuse(by_thief, &[&thief.wallet], costaking::error::CostakingError::SlashOpen);
    court.world.clone().send(by(&dave), &[&dave.wallet]);
    let (admin, overturn) = (court.world.admin.clone(), court.overturning(1));
    court.world.send(overturn, &[&admin]);
    court.world.send(leaving.cooling(0), &[]);
    assert_eq!(court.stakes(), [1_000 * IO, 0, 100 * IO, 50 * IO, 0, 0]);
    court.world.send(join, &[&thief.wallet]);
    court.world.send(inside.leaving(0, 100 * IO), &[&carol.wallet]);
}

/// What the owner has in bonds is out of reach, and no reason to take more of others.
#[test]
fn co_stakers_do_not_pay_what_lies_in_the_owners_bonds() {
    let mut court = Court::new();
    let (alice, consumer, carol) = (court.alice.clone(), court.world.consumer("bob"), court.world.co_staker("carol"));
    let offer = court.world.offer(&alice, OFFER);
    court.world.join(&carol, &offer, 0, 100 * IO);
    let bonded = court.world.open(&consumer, 1, ::jobs::JobTerms { bond: 995 * IO, ..terms() });
    court.world.claim(&alice, &bonded);
    let locked = court.world.device(&alice.device).locked_bond.get();
    assert!(locked >= 995 * IO);
    court.slash(1, 5_000);
    assert_eq!(court.stakes()[..5], [locked, 0, 100 * IO, 0, 1_000 * IO - locked]);
    // Nothing in reach, nothing to approve.
    let mut world = court.world.clone();
    world.send(court.proposing(2, 5_000), &[&court.proposer]);
    world.refuse(court.approving(2, 5_000), &[&court.approver], StakingError::NothingStaked);
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

/// Consumers are paid out of bonds before anybody else is.
#[test]
fn the_bonds_of_jobs_in_progress_stay() {
    let mut court = Court::new();
    let (alice, consumer) = (court.alice.clone(), court.world.consumer("bob"));
    let job = court.world.open(&consumer, 1, terms());
    court.world.work(&alice, &job);
    court.slash(1, 10_000);
    assert_eq!(court.stakes()[..5], [10 * IO, 0, 0, 0, 990 * IO]);
    court.world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &alice, &job), &alice.tokens);
    court.world.send(settle, &[&consumer.owner]);
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

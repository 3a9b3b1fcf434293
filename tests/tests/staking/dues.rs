//! Slashes of stake that lies in bonds: due, and collected when the bonds are free.

use super::slashes::{Court, stays};
use super::{bonds, convictions};
use chain::market::{self, costake, slash};
use protocol::units::{Amount, IO};
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{Failure, GPU, GPU_MINIMUM, OFFER, ending, terms};

const DAY: u32 = 86_400;

/// Own stake in bonds is neither a reason to take more of others nor a way to keep it: it is taken when the job has ended.
#[test]
fn what_lies_in_bonds_is_due_when_they_are_free() {
    let mut court = Court::new();
    let (alice, consumer, carol) = (court.alice.clone(), court.world.consumer("bob"), court.world.co_staker("carol"));
    let offer = court.world.offer(&alice, OFFER);
    court.world.join(&carol, &offer, 0, 100 * IO);
    let all = ::jobs::JobTerms {
        bond: 1_000 * IO,
        ..terms()
    };
    let job = court.world.open(&consumer, 1, all);
    let next = court.world.open(&consumer, 2, terms());
    court.world.claim(&alice, &job);
    assert_eq!(court.world.device(&alice.device).locked_bond.get(), 1_000 * IO);
    let weight = |court: &Court| {
        let opened_at = court.world.now().unix + 8 * i64::from(DAY);
        court.world.device(&court.alice.device).voting_weight(opened_at)
    };
    assert_eq!(weight(&court), 1_000 * IO);

    let stays = stays(100 * IO);
    court.slash(1, 10_000);
    assert_eq!(court.stakes(), [1_000 * IO, 0, stays, 0, 100 * IO - stays, 0]);
    assert_eq!(court.due(1), (1_000 * IO, 1));
    // It no longer counts, in votes or in hours.
    assert_eq!(weight(&court), 0);
    let mut device = court.world.device(&alice.device);
    let (hour, start) = (device.last_hour.get() + 1, court.world.now().unix);
    let checked_in = device.check_in(hour, start, 0, Amount(GPU_MINIMUM), 0);
    assert_eq!(checked_in, Err(StakingError::BelowMinimumStake.into()));
    // It can be neither bonded again nor withdrawn.
    let claim = court.world.claiming(&alice, &next, 0);
    let overflow = market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, 1);
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    let collect = court.collecting(1);
    court.world.refuse(claim.clone(), &[&alice.key], StakingError::DueOpen);
    court.world.refuse(overflow, &[&alice.owner], StakingError::DueOpen);
    court.world.refuse(collect.clone(), &[], StakingError::DueBonded);
    // If the slash is overturned meanwhile, nothing is due.
    let (mut early, overturn) = (court.world.clone(), court.overturning(1));
    early.send(overturn.clone(), &[&early.admin.clone()]);
    let device = early.device(&alice.device);
    assert_eq!((device.own_stake.get(), device.dues), (1_000 * IO, 0));

    court.world.commit(&alice, &job);
    court.world.reveal(&alice, &job);
    court.world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &alice, &job), &alice.tokens);
    court.world.send(settle, &[&consumer.owner]);
    let retract = costake::retract(&alice.wallet(), &alice.device, &offer);
    court.world.send(retract, &[&alice.owner]);
    court.world.refuse(claim, &[&alice.key], StakingError::DueOpen);
    court.world.refuse(unstake, &[&alice.owner], StakingError::DueOpen);
    court.world.sweep(&collect, &[], &[]);
    court.world.send(collect.clone(), &[]);
    court.world.refuse(collect, &[], StakingError::WrongSlash);
    assert_eq!(court.stakes(), [0, 0, stays, 0, 1_100 * IO - stays, 0]);
    assert_eq!(court.due(1), (0, 0));

    let mut late = court.world.clone();
    late.send(overturn, &[&late.admin.clone()]);
    let device = late.device(&alice.device);
    assert_eq!((device.own_stake.get(), device.co_stake.get()), (1_000 * IO, 100 * IO));
    court.world.wait(30 * DAY);
    let finish = court.finishing(1);
    court.world.send(finish, &[]);
    assert_eq!(court.stakes(), [0, 0, stays, 0, 0, 1_100 * IO - stays]);
}

/// A slash ends on time for all that it has set aside, and later for what is still in bonds, so that no co-stake waits for the owner's
/// jobs.
#[test]
fn a_job_that_goes_on_delays_its_bond_alone() {
    let (world, jobs) = bonds::world();
    let mut court = Court::of(world);
    let device = court.alice.device;
    let lock = |bond| bonds::lock(&jobs.pubkey(), &device, GPU, bond);
    let release = |bond| bonds::release(&jobs.pubkey(), &device, bond);
    for bond in [600 * IO, 300 * IO] {
        court.world.send(lock(bond), &[&jobs]);
    }
    court.slash(1, 8_000);
    assert_eq!(court.stakes(), [900 * IO, 0, 0, 0, 100 * IO, 0]);
    assert_eq!(court.due(1), (700 * IO, 1));
    court.world.send(release(300 * IO), &[&jobs]);
    court.world.refuse(lock(IO), &[&jobs], StakingError::DueOpen);
    court.world.send(court.collecting(1), &[]);
    assert_eq!(court.stakes(), [600 * IO, 0, 0, 0, 400 * IO, 0]);
    assert_eq!(court.due(1), (400 * IO, 1));

    court.world.wait(30 * DAY);
    let (finish, collect, overturn) = (court.finishing(1), court.collecting(1), court.overturning(1));
    court.world.send(finish.clone(), &[]);
    assert_eq!(court.stakes(), [600 * IO, 0, 0, 0, 0, 400 * IO]);
    assert_eq!(court.due(1), (400 * IO, 1));
    court.world.refuse(finish.clone(), &[], StakingError::DueBonded);
    court.world.refuse(collect.clone(), &[], StakingError::DueBonded);
    let admin = court.world.admin.clone();
    court.world.refuse(overturn, &[&admin], StakingError::AppealOver);

    // A penalty comes first, and the slash takes what it leaves.
    let mut missed = court.world.clone();
    missed.send(bonds::slash(&jobs.pubkey(), &device, 600 * IO, 250 * IO), &[&jobs]);
    for end in [&collect, &finish] {
        missed.send(end.clone(), &[]);
    }
    let left = missed.device(&device);
    assert_eq!((left.own_stake.get(), left.forfeited.get(), left.dues), (0, 1_000 * IO, 0));

    court.world.send(release(600 * IO), &[&jobs]);
    let before = court.world.lamports(&court.proposer.pubkey());
    for end in [collect, finish.clone()] {
        court.world.send(end, &[]);
    }
    assert_eq!(court.stakes(), [200 * IO, 0, 0, 0, 0, 800 * IO]);
    let rent = court.world.rent(size_of::<staking::Slash>() + 8);
    assert_eq!(court.world.lamports(&court.proposer.pubkey()) - before, rent);
    court.world.refuse(finish, &[], Failure::GONE);
    // Only the minimum stake is missing for another job.
    court.world.refuse(lock(IO), &[&jobs], StakingError::BelowMinimumStake);
}

/// If a conviction takes the bond itself, nothing is left to collect, and the device cannot be closed before the slash is closed.
#[test]
fn a_due_outlives_the_stake_and_not_the_device() {
    let (world, jobs) = bonds::world();
    let mut court = Court::of(world);
    let (alice, io, all) = (court.alice.clone(), court.world.io, 1_000 * IO);
    court.world.send(bonds::lock(&jobs.pubkey(), &alice.device, GPU, all), &[&jobs]);
    court.slash(1, 10_000);
    let missed = bonds::slash(&jobs.pubkey(), &alice.device, all, all);
    court.world.send(missed, &[&jobs]);
    court.world.send(market::stake::burn_forfeited(&alice.device, &io), &[]);
    let terminate = market::stake::terminate_device(&alice.wallet(), &alice.device);
    court.world.send(terminate, &[&alice.owner]);
    let close = market::stake::close_device(&alice.wallet(), &alice.device, &alice.tokens);
    court.world.refuse(close.clone(), &[&alice.owner], StakingError::DeviceNotEmpty);
    court.world.send(court.collecting(1), &[]);
    // A slash with nothing to take does not keep the device open, and its rent still returns.
    let mut gone = court.world.clone();
    gone.send(close.clone(), &[&alice.owner]);
    let (proposer, before) = (court.proposer.clone(), gone.lamports(&court.proposer.pubkey()));
    let drop = slash::withdraw(&proposer.pubkey(), &proposer.pubkey(), &alice.device, 1);
    gone.send(drop, &[&proposer]);
    assert_eq!(
        gone.lamports(&proposer.pubkey()) - before,
        gone.rent(size_of::<staking::Slash>() + 8)
    );
    court.world.wait(30 * DAY);
    court.world.send(court.finishing(1), &[]);
    court.world.send(close, &[&alice.owner]);
}

/// What a permit returns of a bond is taken like any other stake that comes out of one, whoever comes first; what a conviction takes is not
/// taken again from stake that comes in later.
#[test]
fn a_due_waits_for_the_end_of_convictions() {
    let (world, jobs) = bonds::world();
    let mut court = Court::of(world);
    let (device, authority) = (court.alice.device, jobs.pubkey());
    let (all, io) = (1_000 * IO, court.world.io);
    let treasury = court.world.wallet("treasury");
    let purse = court.world.give_tokens(&treasury.pubkey(), &io, IO);
    court.world.send(bonds::lock(&authority, &device, GPU, all), &[&jobs]);
    court.slash(1, 10_000);
    let convict = convictions::convict(&authority, &device, &purse, [all, 200 * IO]);
    court.world.send(convict, &[&jobs]);
    let collect = court.collecting(1);
    court.world.refuse(collect.clone(), &[], StakingError::DueBonded);
    let alice = court.alice.clone();
    let stake = market::stake::stake(&alice.wallet(), &device, &alice.tokens, 500 * IO);
    court.world.refuse(stake.clone(), &[&alice.owner], StakingError::DueOpen);

    let mut excused = court.world.clone();
    let pardon = convictions::pardon(&authority, &device, (&purse, &treasury.pubkey()), [500 * IO, IO]);
    excused.send(pardon, &[&jobs, &treasury]);
    excused.send(collect.clone(), &[]);
    let left = excused.device(&device);
    assert_eq!((left.own_stake.get(), left.aside.get(), left.dues), (0, 500 * IO, 1));

    let award = convictions::pay(&authority, &device, &purse, [300 * IO, 500 * IO]);
    court.world.send(award, &[&jobs]);
    court.world.refuse(stake.clone(), &[&alice.owner], StakingError::DueOpen);
    court.world.send(collect, &[]);
    assert_eq!(court.world.device(&device).dues, 0);
    court.world.send(stake, &[&alice.owner]);
    assert_eq!(court.stakes()[0], 500 * IO);
}

/// An owner need not wait for its jobs: new stake pays what is due, and the bonds come back to it.
#[test]
fn new_stake_pays_what_is_due_while_jobs_go_on() {
    let (world, jobs) = bonds::world();
    let mut court = Court::of(world);
    let alice = court.alice.clone();
    court
        .world
        .send(bonds::lock(&jobs.pubkey(), &alice.device, GPU, 1_000 * IO), &[&jobs]);
    court.slash(1, 5_000);
    assert_eq!(court.due(1), (500 * IO, 1));
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 600 * IO);
    court.world.send(stake, &[&alice.owner]);
    let collect = court.collecting(1);
    court.world.send(collect, &[]);
    assert_eq!(court.due(1), (0, 0));
    assert_eq!(court.stakes(), [1_100 * IO, 0, 0, 0, 500 * IO, 0]);
}

/// All of the owner's stake may be due to slashes, so nobody joins its offer, and it can make none.
#[test]
fn nobody_joins_an_owner_whose_stake_is_due() {
    let mut court = Court::new();
    let (alice, consumer, carol) = (court.alice.clone(), court.world.consumer("bob"), court.world.co_staker("carol"));
    let all = ::jobs::JobTerms {
        bond: 1_000 * IO,
        ..terms()
    };
    let job = court.world.open(&consumer, 1, all);
    court.world.claim(&alice, &job);
    let alone = court.world.clone();
    let offer = court.world.offer(&alice, OFFER);
    court.slash(1, 5_000);
    assert_eq!((court.stakes()[4], court.due(1)), (0, (500 * IO, 1)));
    let join = court.world.joining(&carol, &offer, 0, 100 * IO);
    court.world.refuse(join, &[&carol.wallet], StakingError::DueOpen);

    court.world = alone;
    court.slash(1, 5_000);
    let offering = court.world.offering(&alice, 0, OFFER);
    court.world.refuse(offering, &[&alice.owner], StakingError::DueOpen);
}

/// Bonds pay consumers before anybody else.
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

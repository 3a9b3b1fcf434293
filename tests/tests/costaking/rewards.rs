//! Co-stakers' rewards of hours, exact to the base unit.

use chain::market::{costake, reward, slash};
use costaking::error::CostakingError;
use protocol::emission::{self, Hour};
use protocol::units::IO;
use solana_signer::Signer;
use staking::RewardRules;
use staking::error::StakingError;
use tests::{OFFER, RULES, Stake, Worker, World};

const HOUR: i64 = 3_600;
const DAY: u32 = 86_400;

/// A device that has been present for an hour, alone in its pool, under an offer.
fn world() -> (World, Worker, i64) {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.offer(&alice, OFFER);
    let genesis = world.start_emission(RULES, 1_000_000 * IO);
    (world, alice, genesis)
}

/// The device's reward of an hour.
fn reward_of(genesis: i64, hour: i64) -> u64 {
    let block = emission::block(Hour::of(genesis).unwrap().month, Hour::of(hour).unwrap()).0;
    block - block * 95 / 100
}

fn claimed(world: &mut World, stake: &Stake) -> u64 {
    let before = world.balance(&stake.holder.tokens);
    world.send(stake.claiming(), &[&stake.holder.wallet]);
    world.balance(&stake.holder.tokens) - before
}

/// Withdraws an exit of this amount after its wait and cooldown; returns the rewards that come with it.
fn rewards_of_exit(world: &mut World, stake: &Stake, amount: u64) -> u64 {
    world.wait(7 * DAY);
    world.send(stake.cooling(0), &[]);
    world.wait(14 * DAY);
    let before = world.balance(&stake.holder.tokens);
    world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
    world.balance(&stake.holder.tokens) - before - amount
}

/// E12, E13: the co-stakers of a full offer get its share of whole hours, by shares; the owner gets the rest.
#[test]
fn a_full_offer_has_its_share_of_whole_hours() {
    let (mut world, alice, genesis) = world();
    let offer = costake::offer(&alice.device, 0);
    let (carol, dave) = (world.co_staker("carol"), world.co_staker("dave"));
    world.live(&[&alice]);
    // Carol joins in the first second of the hour, Dave an hour later; each earns from the following hour.
    let first = world.join(&carol, &offer, 0, 150 * IO);
    let second = world.live(&[&alice]);
    let late = world.join(&dave, &offer, 0, 50 * IO);
    let hours: Vec<i64> = (0..5).map(|_| world.live(&[&alice])).collect();
    // The second hour is the owner's, of the third Carol gets three quarters of the offer's share, and from the fourth on the offer is
    // full.
    let settled = [second, hours[0], hours[1], hours[2]];
    let rewards = settled.map(|hour| reward_of(genesis, hour));
    let parts = [0, rewards[1] * 40 / 100 * 3 / 4, rewards[2] * 40 / 100, rewards[3] * 40 / 100];
    let kept: u64 = rewards.iter().sum::<u64>() - parts.iter().sum::<u64>();
    assert_eq!(world.device(&alice.device).rewards.get(), kept);
    assert_eq!(world.books().emission.unwrap().owed.get(), kept);
    assert_eq!(world.balance(&costake::vault(&offer)), parts.iter().sum::<u64>());
    let full = parts[2] + parts[3];
    let of_first = claimed(&mut world, &first);
    let of_late = claimed(&mut world, &late);
    assert!(of_first.abs_diff(parts[1] + full * 3 / 4) <= 1, "{of_first}");
    assert!(of_late.abs_diff(full / 4) <= 1, "{of_late}");
    assert!(of_first + of_late <= parts.iter().sum());
    world.refuse(first.claiming(), &[&first.holder.wallet], CostakingError::NothingToClaim);
    // Each co-staker claims separately (E24, L15).
    world.live(&[&alice]);
    world.live(&[&alice]);
    let next = reward_of(genesis, hours[3]) * 40 / 100 + reward_of(genesis, hours[4]) * 40 / 100;
    let of_late = claimed(&mut world, &late);
    assert!(of_late.abs_diff(next / 4) <= 1, "{of_late} of {next}");
}

/// L5: an owner that co-stakes its own device through another wallet only pays itself. Next to a second device it gets in total what it
/// would without, and never a base unit more.
#[test]
fn a_second_wallet_of_the_owners_gains_nothing() {
    let earned = |in_disguise: bool| {
        let mut world = World::new();
        let (alice, bob, puppet) = (world.worker("alice"), world.worker("bob"), world.co_staker("the owner again"));
        let offer = world.offer(&alice, OFFER);
        world.start_emission(RULES, 1_000_000 * IO);
        world.live(&[&alice, &bob]);
        let stake = in_disguise.then(|| world.join(&puppet, &offer, 0, 200 * IO));
        for _ in 0..6 {
            world.live(&[&alice, &bob]);
        }
        let claimed = stake.map_or(0, |stake| claimed(&mut world, &stake));
        assert_eq!(claimed > 0, in_disguise);
        world.device(&alice.device).rewards.get() + claimed
    };
    let (alone, together) = (earned(false), earned(true));
    assert!(together <= alone && alone - together <= 6, "{together} of {alone}");
}

/// Stake that a slash sets aside keeps earning until the slash is final, and the owner gets none of that, for hours before the slash or
/// after.
#[test]
fn a_slash_gives_the_owner_nothing_of_what_co_stakers_earn() {
    let (mut world, alice, genesis) = world();
    let (carol, offer) = (world.co_staker("carol"), costake::offer(&alice.device, 0));
    let judges = ["proposing judge", "approving judge"].map(|name| world.wallet(name));
    let [proposer, approver] = [&judges[0], &judges[1]].map(|judge| judge.pubkey());
    let admin = world.admin.clone();
    world.send(slash::set_judges(&admin.pubkey(), &proposer, &approver), &[&admin]);
    world.join(&carol, &offer, 0, 200 * IO);
    for _ in 0..2 {
        world.live(&[&alice]);
    }
    let hour = world.hour() - HOUR;
    world.live(&[&alice]);
    let judged = [
        slash::propose(&proposer, &alice.device, 1, 0, 10_000, [7; 32]),
        slash::approve(&approver, &alice.device, 1, 10_000, [7; 32]),
    ];
    world.send_all(&judged, &[&judges[0], &judges[1]]);
    let before = world.balance(&costake::vault(&offer));
    world.settle_and_collect(&[&alice], hour);
    let part = world.balance(&costake::vault(&offer)) - before;
    assert_eq!(part, reward_of(genesis, hour) * 40 / 100);
}

#[test]
fn only_the_holder_claims_and_to_its_own_account() {
    let (mut world, alice, _) = world();
    let (carol, thief) = (world.co_staker("carol"), world.co_staker("thief"));
    let stake = world.join(&carol, &costake::offer(&alice.device, 0), 0, 100 * IO);
    for _ in 0..5 {
        world.live(&[&alice]);
    }
    world.sweep(&stake.claiming(), &[&carol.wallet], &[]);
    let stolen = costake::claim(&thief.address(), &stake.offer, &stake.position, &thief.tokens);
    world.refuse(stolen, &[&thief.wallet], CostakingError::NotHolder);
    assert!(claimed(&mut world, &stake) > 0);
}

/// E14, E17: sharing stops with the hour of the request; earlier rewards are paid whenever they are distributed.
#[test]
fn a_leaver_is_paid_for_its_hours_and_not_one_more() {
    let (mut world, alice, genesis) = world();
    let offer = costake::offer(&alice.device, 0);
    let carol = world.co_staker("carol");
    let stake = world.join(&carol, &offer, 0, 200 * IO);
    let before: Vec<i64> = (0..3).map(|_| world.live(&[&alice])).collect();
    // The second and third hour are earned; one waits to be settled, the other to be checked in to.
    world.send(stake.leaving(0, 200 * IO), &[&carol.wallet]);
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    let owed: u64 = [before[1], before[2]].map(|hour| reward_of(genesis, hour) * 40 / 100).iter().sum();
    let held = world.balance(&costake::vault(&offer));
    assert_eq!(held, owed, "later hours are the owner's alone");
    let got = rewards_of_exit(&mut world, &stake, 200 * IO);
    assert!(got <= owed && owed - got <= 1, "{got} of {owed}");
}

#[test]
fn an_exit_pays_nothing_that_was_claimed() {
    let (mut world, alice, genesis) = world();
    let offer = costake::offer(&alice.device, 0);
    let carol = world.co_staker("carol");
    let stake = world.join(&carol, &offer, 0, 100 * IO);
    let hours: Vec<i64> = (0..5).map(|_| world.live(&[&alice])).collect();
    let claimed = claimed(&mut world, &stake);
    assert!(claimed > 0);
    world.send(stake.leaving(0, 100 * IO), &[&carol.wallet]);
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    let owed: u64 = hours[1..].iter().map(|hour| reward_of(genesis, *hour) * 20 / 100).sum();
    let got = claimed + rewards_of_exit(&mut world, &stake, 100 * IO);
    assert!(got <= owed && owed - got <= 2, "{got} of {owed}");
}

#[test]
fn an_exit_requested_before_anything_was_distributed_pays_its_own_hours_alone() {
    let (mut world, alice, genesis) = world();
    let offer = costake::offer(&alice.device, 0);
    let [dave, carol] = ["dave", "carol"].map(|name| world.co_staker(name));
    world.join(&dave, &offer, 0, 100 * IO);
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    let stake = world.join(&carol, &offer, 0, 100 * IO);
    world.live(&[&alice]);
    let hour = world.live(&[&alice]);
    world.send(stake.leaving(0, 100 * IO), &[&carol.wallet]);
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    let (got, owed) = (rewards_of_exit(&mut world, &stake, 100 * IO), reward_of(genesis, hour) * 20 / 100);
    assert!(got <= owed && owed - got <= 1, "{got} of {owed}");
}

/// An offer remembers only a few hours in which co-stake came or went, and adds up older ones.
#[test]
fn co_stake_that_comes_in_many_hours_keeps_earning() {
    let (mut world, alice, genesis) = world();
    let (carol, offer) = (world.co_staker("carol"), costake::offer(&alice.device, 0));
    let mut hours = Vec::new();
    for id in 0..20 {
        world.join(&carol, &offer, id, 10 * IO);
        hours.push(world.live(&[&alice]));
    }
    // Of the last two hours nothing is distributed yet, and co-stake earns from the hour after it came.
    let parts = (1..18u64).map(|at| reward_of(genesis, hours[at as usize]) * 40 / 100 * at * 10 / 200);
    let (owed, held) = (parts.sum::<u64>(), world.balance(&costake::vault(&offer)));
    assert!(held.abs_diff(owed) <= 20, "{held} of {owed}");
}

#[test]
fn hours_are_distributed_in_order_and_only_so() {
    let (mut world, alice, genesis) = world();
    let (carol, offer) = (world.co_staker("carol"), costake::offer(&alice.device, 0));
    world.join(&carol, &offer, 0, 100 * IO);
    world.live(&[&alice]);
    let hours = [0, 1].map(|_| {
        let hour = world.open_hour();
        for index in 0..12u8 {
            world.go_to_second(hour, 300 * i64::from(index) + 1);
            world.send(reward::record_beacon(hour, index), &[]);
            world.answer_call(&alice, hour, index);
            if index == 1 {
                world.check_in(&alice, hour - HOUR);
            }
        }
        world.go_to_second(hour, HOUR);
        hour
    });
    world.draw(hours[1]);
    world.check_in(&alice, hours[1]);
    let distribute = |hour| costake::distribute(&alice.device, &offer, hour, 0);
    world.refuse(distribute(hours[0]), &[], StakingError::BlockNotSettled);
    world.go_to_second(hours[1] + HOUR, HOUR);
    for hour in [genesis, hours[0], hours[1]] {
        world.send(reward::settle(hour, [0]), &[]);
    }
    world.refuse(distribute(hours[1]), &[], StakingError::RewardOutOfOrder);
    world.refuse(distribute(genesis), &[], CostakingError::NothingPending);
    // Nor can the owner collect it alone.
    world.refuse(reward::collect(&alice.device, hours[0], 0), &[], StakingError::RewardsShared);
    world.sweep(&distribute(hours[0]), &[], &[]);
    world.send(distribute(hours[0]), &[]);
    world.refuse(distribute(hours[0]), &[], CostakingError::NothingPending);
    world.send(distribute(hours[1]), &[]);
    // Ending the offer earlier would have given the last hours to the owner.
    let owner = alice.owner.pubkey();
    world.send(costake::retract(&owner, &alice.device, &offer), &[&alice.owner]);
}

#[test]
fn an_hour_is_distributed_with_the_tally_that_counted_the_device() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let offer = world.offer(&alice, OFFER);
    let genesis = world.start_emission(RewardRules { shards: 2, ..RULES }, 1_000_000 * IO);
    world.live(&[&alice]);
    let hour = world.live(&[&alice]);
    world.draw(hour);
    world.settle_and_collect(&[&alice], genesis);
    world.check_in(&alice, hour);
    world.go_to_second(hour, 2 * HOUR);
    world.send(reward::settle(hour, 0..2), &[]);
    let shard = world.shard(&alice.device, hour);
    let distribute = |shard| costake::distribute(&alice.device, &offer, hour, shard);
    world.refuse(distribute(1 - shard), &[], StakingError::WrongTally);
    world.send(distribute(shard), &[]);
}

/// A device in service always has an hour that cannot be distributed yet.
#[test]
fn hours_in_which_nobody_shared_do_not_keep_an_offer_from_ending() {
    let (mut world, alice, _) = world();
    let offer = costake::offer(&alice.device, 0);
    for _ in 0..3 {
        world.live(&[&alice]);
    }
    assert!(world.device(&alice.device).pending().next().is_some());
    let (retract, end) = (costake::retract, costake::end);
    for change in [retract, end] {
        world.send(change(&alice.owner.pubkey(), &alice.device, &offer), &[&alice.owner]);
    }
    let before = world.device(&alice.device).rewards.get();
    world.live(&[&alice]);
    assert!(world.device(&alice.device).rewards.get() > before);
}

#[test]
fn an_owner_that_leaves_takes_no_hour_along() {
    let (mut world, alice, genesis) = world();
    let (carol, offer) = (world.co_staker("carol"), costake::offer(&alice.device, 0));
    let stake = world.join(&carol, &offer, 0, 200 * IO);
    world.live(&[&alice]);
    let hour = world.live(&[&alice]);
    world.draw(hour);
    world.settle_and_collect(&[&alice], genesis);
    world.check_in(&alice, hour);
    let owner = alice.owner.pubkey();
    world.send(costake::retract(&owner, &alice.device, &offer), &[&alice.owner]);
    world.send(chain::market::stake::unstake(&owner, &alice.device), &[&alice.owner]);
    world.go_to_second(hour, 2 * HOUR);
    world.send(reward::settle(hour, [0]), &[]);
    let distribute = costake::distribute(&alice.device, &offer, hour, 0);
    world.refuse(distribute.clone(), &[], CostakingError::Forced);
    world.send(costake::force(&alice.device, &offer), &[]);
    let end = costake::end(&owner, &alice.device, &offer);
    world.refuse(end.clone(), &[&alice.owner], CostakingError::RewardsWait);
    world.send(distribute, &[]);
    let part = reward_of(genesis, hour) * 40 / 100;
    assert_eq!(world.balance(&costake::vault(&offer)), part);
    world.send(end, &[&alice.owner]);
    let got = claimed(&mut world, &stake);
    assert!(got <= part && part - got <= 1, "{got} of {part}");
}

/// The offer's log holds 64 distributions, fewer than there are during an exit: rewards that were settled in time are paid, others are
/// lost, and nobody gets another's.
#[test]
fn what_the_log_forgets_can_be_settled_by_anyone_before() {
    let (mut world, alice, genesis) = world();
    let offer = costake::offer(&alice.device, 0);
    let [noted, missed, stays] = ["carol", "dave", "erin"].map(|name| world.co_staker(name));
    let [noted, missed, stays] = [(noted, 50), (missed, 50), (stays, 100)].map(|(who, part)| world.join(&who, &offer, 0, part * IO));
    let hours: Vec<i64> = (0..3).map(|_| world.live(&[&alice])).collect();
    // Two hours wait in which the leavers were still in.
    for stake in [&noted, &missed] {
        world.send(stake.leaving(0, 50 * IO), &[&stake.holder.wallet]);
    }
    // Nothing has been distributed yet, so there is nothing to settle.
    let settles = [
        costake::settle_exit(&offer, &noted.exit(0)),
        costake::settle_position(&offer, &stays.position),
    ];
    for settle in &settles {
        world.refuse(settle.clone(), &[], CostakingError::NothingToSettle);
    }
    for _ in 0..4 {
        world.live(&[&alice]);
    }
    for settle in settles {
        world.sweep(&settle, &[], &[]);
        world.send(settle.clone(), &[]);
        world.refuse(settle, &[], CostakingError::NothingToSettle);
    }
    for _ in 0..70 {
        world.live(&[&alice]);
    }
    world.wait(7 * DAY);
    for stake in [&noted, &missed] {
        world.send(stake.cooling(0), &[]);
    }
    world.wait(14 * DAY);
    let of_leavers: u64 = hours[1..].iter().map(|hour| reward_of(genesis, *hour) * 40 / 100 / 4).sum();
    let [noted, missed] = [&noted, &missed].map(|stake| {
        let before = world.balance(&stake.holder.tokens);
        world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
        world.balance(&stake.holder.tokens) - before - 50 * IO
    });
    assert!(of_leavers - noted <= 2, "{noted} of {of_leavers}");
    assert_eq!(missed, 0);
    // A co-staker who stays gets all its hours, though it never claimed.
    let paid = claimed(&mut world, &stays);
    let left = world.balance(&costake::vault(&offer));
    assert!(left.abs_diff(of_leavers) < 100, "{left} after {paid}");
}

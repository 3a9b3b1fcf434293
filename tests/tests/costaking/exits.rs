//! A co-staker's exit: seven days in which the stake still counts, and fourteen in which it cools down.

use chain::market::{self, costake, slash};
use costaking::error::CostakingError;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Failure, OFFER, Stake, Worker, World, substituted};

const DAY: u32 = 86_400;

/// A device with one co-staker, who has joined with 100 $IO.
fn joined() -> (World, Worker, Stake) {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    let stake = world.join(&carol, &offer, 0, 100 * IO);
    (world, alice, stake)
}

/// L9: the stake counts to the last second of the seventh day, and is back after 21 days.
#[test]
fn counts_for_seven_days_and_is_back_after_twenty_one() {
    let (mut world, alice, stake) = joined();
    let leave = stake.leaving(0, 100 * IO);
    world.sweep(&leave, &[&stake.holder.wallet], &[]);
    world.send(leave, &[&stake.holder.wallet]);
    world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
    world.wait(7 * DAY - 1);
    world.refuse(stake.cooling(0), &[], CostakingError::WaitNotOver);
    assert_eq!(world.device(&alice.device).co_stake.get(), 100 * IO);
    world.wait(1);
    world.sweep(&stake.cooling(0), &[], &[]);
    world.send(stake.cooling(0), &[]);
    world.refuse(stake.cooling(0), &[], CostakingError::Cooling);
    let device = world.device(&alice.device);
    assert_eq!((device.co_stake.get(), device.co_cooling.get()), (0, 100 * IO));
    world.wait(14 * DAY - 1);
    world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
    world.wait(1);
    world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
    assert_eq!(world.balance(&stake.holder.tokens), 1_000 * IO);
    assert_eq!(world.device(&alice.device).co_cooling.get(), 0);
    world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], Failure::GONE);
}

#[test]
fn late_cranks_move_no_end() {
    let (mut world, _, stake) = joined();
    world.send(stake.leaving(0, 100 * IO), &[&stake.holder.wallet]);
    world.wait(21 * DAY - 1);
    // Nor is anything paid before the cooldown has been started, or the shares would keep their part of the stake.
    let mut uncooled = world.clone();
    uncooled.wait(1);
    uncooled.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
    world.send(stake.cooling(0), &[]);
    world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
    world.wait(1);
    world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
}

#[test]
fn in_parts_and_never_more_than_there_is() {
    let (mut world, alice, stake) = joined();
    let wallet = stake.holder.wallet.clone();
    for shares in [0, 100 * IO + 1, u64::MAX] {
        world.refuse(stake.leaving(0, shares), &[&wallet], CostakingError::NotEnoughShares);
    }
    world.send(stake.leaving(0, 30 * IO), &[&wallet]);
    world.wait(DAY);
    world.send(stake.leaving(1, 30 * IO), &[&wallet]);
    world.refuse(stake.leaving(2, 40 * IO + 1), &[&wallet], CostakingError::NotEnoughShares);
    world.wait(6 * DAY);
    world.send(stake.cooling(0), &[]);
    world.refuse(stake.cooling(1), &[], CostakingError::WaitNotOver);
    world.wait(DAY);
    world.send(stake.cooling(1), &[]);
    let device = world.device(&alice.device);
    assert_eq!((device.co_stake.get(), device.co_cooling.get()), (40 * IO, 60 * IO));
    world.wait(13 * DAY);
    world.send(stake.withdrawing(0), &[&wallet]);
    world.refuse(stake.withdrawing(1), &[&wallet], CostakingError::CooldownNotOver);
    world.wait(DAY);
    world.send(stake.withdrawing(1), &[&wallet]);
    assert_eq!(world.balance(&stake.holder.tokens), 960 * IO);
}

#[test]
fn nobody_leaves_for_another_or_with_anothers_stake() {
    let (mut world, _, stake) = joined();
    let thief = world.co_staker("thief");
    world.join(&thief, &stake.offer, 0, 50 * IO);
    let mut stolen = stake.leaving(0, IO);
    stolen.accounts[0].pubkey = thief.address();
    world.refuse(stolen, &[&thief.wallet], CostakingError::NotHolder);
    world.send(stake.leaving(0, 100 * IO), &[&stake.holder.wallet]);
    world.wait(7 * DAY);
    world.send(stake.cooling(0), &[]);
    world.wait(14 * DAY);
    let by_thief = stake.withdrawing_by(&thief.address(), 0);
    world.refuse(by_thief.clone(), &[&thief.wallet], CostakingError::NotHolder);
    let as_holder = substituted(&by_thief, &stake.holder.address(), &thief.address());
    world.refuse(as_holder, &[&thief.wallet], CostakingError::NotHolder);
    // To an account that is not the holder's.
    let mut elsewhere = stake.withdrawing(0);
    for meta in elsewhere.accounts.iter_mut().filter(|meta| meta.pubkey == stake.holder.tokens) {
        meta.pubkey = thief.tokens;
    }
    world.refuse(elsewhere, &[&stake.holder.wallet], InstructionError::InvalidAccountData);
}

/// Jobs in progress do not hold a co-stake, since the owner could give itself jobs for ever.
#[test]
fn jobs_in_progress_hold_no_co_stake() {
    let (mut world, alice, stake) = joined();
    let consumer = world.consumer("bob");
    let job = world.open(&consumer, 1, tests::terms());
    world.claim(&alice, &job);
    world.send(stake.leaving(0, 100 * IO), &[&stake.holder.wallet]);
    world.wait(7 * DAY);
    world.send(stake.cooling(0), &[]);
}

/// After a slash a share may be worth less than a base unit. Its exit has nothing to wait for, and keeps neither the device nor the offer
/// open.
#[test]
fn an_exit_worth_nothing_ends_without_the_device() {
    let (mut world, alice, stake) = joined();
    let (admin, wallet, io) = (world.admin.clone(), stake.holder.wallet.clone(), world.io);
    let (proposer, approver) = (world.wallet("proposer"), world.wallet("approver"));
    let judges = slash::set_judges(&admin.pubkey(), &proposer.pubkey(), &approver.pubkey());
    let propose = slash::propose(&proposer.pubkey(), &alice.device, 1, 0, 10_000, [7; 32]);
    let approve = slash::approve(&approver.pubkey(), &alice.device, 1, 10_000, [7; 32]);
    world.send_all(&[judges, propose, approve], &[&admin, &proposer, &approver]);
    world.wait(30 * DAY);
    world.send(slash::finish(&proposer.pubkey(), &alice.device, 1), &[]);
    for (number, shares) in [(0, 1), (1, 100 * IO - 1)] {
        world.send(stake.leaving(number, shares), &[&wallet]);
    }
    world.wait(7 * DAY);
    for number in [0, 1] {
        world.send(stake.cooling(number), &[]);
    }
    assert_eq!(world.books().exits[&stake.exit(0)].cooling_shares.get(), 0);
    world.wait(14 * DAY);
    world.send(stake.withdrawing(1), &[&wallet]);
    let ends = [
        costake::retract(&alice.wallet(), &alice.device, &stake.offer),
        costake::end(&alice.wallet(), &alice.device, &stake.offer),
        market::stake::burn_forfeited(&alice.device, &io),
        market::stake::terminate_device(&alice.wallet(), &alice.device),
        market::stake::close_device(&alice.wallet(), &alice.device, &alice.tokens),
    ];
    world.send_all(&ends, &[&alice.owner]);
    let thief = world.co_staker("thief");
    world.clone().send(stake.withdrawing(0), &[&wallet]);
    world.send(stake.withdrawing_by(&thief.address(), 0), &[&thief.wallet]);
    world.send(stake.closing_by(&thief.address()), &[&thief.wallet]);
    world.send(costake::close(&alice.wallet(), &stake.offer, &alice.tokens), &[]);
}

//! The owner's exit forces everybody's exit (E19, E21), and no key of the owner's can keep anybody in.

use chain::market::{self, costake, slash};
use costaking::Status;
use costaking::error::CostakingError;
use costaking::state::hour_of;
use protocol::units::{Amount, IO};
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Fault, OFFER, Stake, Worker, World, key, substituted};

const DAY: u32 = 86_400;

/// Three co-stakers under a retracted offer: one in, one waiting in its exit, one cooling down.
fn crowd() -> (World, Worker, [Stake; 3]) {
    let mut world = World::new();
    let alice = world.worker("alice");
    let offer = world.offer(&alice, OFFER);
    let stakes = ["carol", "dave", "erin"].map(|name| {
        let holder = world.co_staker(name);
        world.join(&holder, &offer, 0, 33 * IO + 1)
    });
    let [_, waiting, cooling] = &stakes;
    world.send(cooling.leaving(0, 33 * IO + 1), &[&cooling.holder.wallet]);
    world.wait(7 * DAY);
    world.send(cooling.cooling(0), &[]);
    world.send(waiting.leaving(0, 33 * IO + 1), &[&waiting.holder.wallet]);
    world.wait(DAY);
    world.send(costake::retract(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    (world, alice, stakes)
}

fn unstaking(worker: &Worker) -> Instruction {
    market::stake::unstake(&worker.wallet(), &worker.device)
}

#[test]
fn everybody_cools_down_from_the_same_moment() {
    let (mut world, alice, [inside, waiting, cooling]) = crowd();
    let offer = inside.offer;
    let force = costake::force(&alice.device, &offer);
    world.refuse(force.clone(), &[], CostakingError::NotForced);
    world.send(unstaking(&alice), &[&alice.owner]);
    let device = world.device(&alice.device);
    assert_eq!((device.co_stake.get(), device.co_cooling.get()), (0, 3 * (33 * IO + 1)));
    // Before the offer records the owner's exit, no stake of the offer moves.
    world.refuse(inside.leaving(0, IO), &[&inside.holder.wallet], CostakingError::Forced);
    world.refuse(waiting.cooling(0), &[], CostakingError::Forced);
    world.sweep(&force, &[], &[]);
    world.send(force.clone(), &[]);
    assert_eq!(world.books().offers[&offer].status, Status::Forced);
    world.refuse(force, &[], CostakingError::NotForced);
    // From the hour of that exit on they earn nothing, even if the owner stakes again under this offer.
    let books = world.books();
    let (forced, device) = (&books.offers[&offer], &books.devices[&alice.device]);
    let hour = hour_of(forced.forced_at.get()).unwrap();
    let earned = [hour - 1, hour, hour + 1].map(|hour| forced.earning(hour, device));
    let share = (33 * IO + 1, Amount(33 * IO + 1));
    assert_eq!(earned, [share, (0, Amount(0)), (0, Amount(0))]);
    world.send(inside.leaving(0, 33 * IO + 1), &[&inside.holder.wallet]);
    // The exit that waited need not wait any longer.
    world.send(waiting.cooling(0), &[]);
    world.wait(13 * DAY - 1);
    // The exit that was already cooling down ends first: the earlier end counts.
    world.refuse(cooling.withdrawing(0), &[&cooling.holder.wallet], CostakingError::CooldownNotOver);
    world.wait(1);
    world.send(cooling.withdrawing(0), &[&cooling.holder.wallet]);
    world.wait(DAY - 1);
    for stake in [&inside, &waiting] {
        world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
    }
    world.wait(1);
    for stake in [&inside, &waiting] {
        world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
        assert_eq!(world.balance(&stake.holder.tokens), 1_000 * IO);
    }
    let withdraw = market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens);
    world.send(withdraw, &[&alice.owner]);
    // Everybody is out, and the device can be closed.
    world.send(costake::end(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    world.send(market::stake::terminate_device(&alice.wallet(), &alice.device), &[&alice.owner]);
    let close = market::stake::close_device(&alice.wallet(), &alice.device, &alice.tokens);
    world.send(close, &[&alice.owner]);
}

/// A co-staker who does nothing while the owner leaves and comes back loses nothing but time.
#[test]
fn a_co_staker_who_does_nothing_is_out_whenever_it_returns() {
    let (mut world, alice, [sleeper, ..]) = crowd();
    let offer = sleeper.offer;
    world.send(unstaking(&alice), &[&alice.owner]);
    // The owner cannot end the offer before it has recorded the exit.
    let end = costake::end(&alice.wallet(), &alice.device, &offer);
    world.refuse(end.clone(), &[&alice.owner], CostakingError::OfferInUse);
    world.send(costake::force(&alice.device, &offer), &[]);
    world.send(end, &[&alice.owner]);
    world.wait(14 * DAY);
    world.send(
        market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens),
        &[&alice.owner],
    );
    let stake = market::stake::stake(&alice.wallet(), &alice.device, &alice.tokens, 400 * IO);
    world.send(stake, &[&alice.owner]);
    let second = world.offer(&alice, OFFER);
    let frank = world.co_staker("frank");
    world.join(&frank, &second, 0, 50 * IO);
    world.wait(365 * DAY);
    world.send(sleeper.leaving(0, 33 * IO + 1), &[&sleeper.holder.wallet]);
    world.send(sleeper.withdrawing(0), &[&sleeper.holder.wallet]);
    assert_eq!(world.balance(&sleeper.holder.tokens), 1_000 * IO);
    assert_eq!(world.device(&alice.device).co_stake.get(), 50 * IO);
}

/// Anyone can clear away an exit that was never cooled, two that were never withdrawn and three positions that were never closed; their
/// holders are paid.
#[test]
fn sleepers_hold_nobody_up() {
    let (mut world, alice, stakes) = crowd();
    let (thief, admin, offer) = (world.co_staker("thief"), world.admin.clone(), stakes[0].offer);
    let [inside, waiting, _] = &stakes;
    world.send(unstaking(&alice), &[&alice.owner]);
    world.send(costake::force(&alice.device, &offer), &[]);
    world.send(inside.leaving(0, 33 * IO + 1), &[&inside.holder.wallet]);
    world.wait(14 * DAY);
    let clearing = |stake: &Stake| [stake.withdrawing_by(&thief.address(), 0), stake.closing_by(&thief.address())];
    // Until the offer has ended the holder may wait for rewards, and join again.
    for clear in clearing(inside) {
        world.refuse(clear, &[&thief.wallet], CostakingError::NotHolder);
    }
    world.send(costake::end(&alice.wallet(), &alice.device, &offer), &[&alice.owner]);
    let close_offer = costake::close(&alice.wallet(), &offer, &alice.tokens);
    world.refuse(close_offer.clone(), &[], CostakingError::OfferInUse);
    let [withdraw, close] = clearing(waiting);
    world.refuse(withdraw.clone(), &[&thief.wallet], CostakingError::CooldownNotOver);
    world.send(waiting.cooling(0), &[]);
    // Nobody else can be paid, in whatever place of the instruction.
    let elsewhere = substituted(&withdraw, &waiting.holder.tokens, &thief.tokens);
    world.refuse(elsewhere, &[&thief.wallet], InstructionError::InvalidAccountData);
    for stolen in [&withdraw, &close] {
        let stolen = substituted(stolen, &waiting.holder.address(), &thief.address());
        world.refuse(stolen, &[&thief.wallet], CostakingError::NotHolder);
    }
    // Nor can a token account receive it that anybody could have made for the holder.
    let (made, mut empty) = (key("made for the holder").pubkey(), world.account(&waiting.holder.tokens).unwrap());
    empty.data[64..72].fill(0);
    world.plant(made, empty);
    let made = substituted(&withdraw, &waiting.holder.tokens, &made);
    world.refuse(made, &[&thief.wallet], CostakingError::AccountMismatch);
    // What an overturned slash gives back belongs to the co-stakers still in.
    let mut slashed = world.clone();
    let (proposer, approver) = (slashed.wallet("proposer"), slashed.wallet("approver"));
    let judges = slash::set_judges(&admin.pubkey(), &proposer.pubkey(), &approver.pubkey());
    let propose = slash::propose(&proposer.pubkey(), &alice.device, 1, 0, 9_000, [7; 32]);
    let approve = slash::approve(&approver.pubkey(), &alice.device, 1, 9_000, [7; 32]);
    slashed.send_all(&[judges, propose, approve], &[&admin, &proposer, &approver]);
    slashed.refuse(withdraw.clone(), &[&thief.wallet], CostakingError::SlashOpen);
    slashed.send(waiting.withdrawing(0), &[&waiting.holder.wallet]);
    // The device may be closed by then; its address is enough.
    let told = [Fault::Forged, Fault::OtherKind].map(|fault| (alice.device, fault, Some(CostakingError::AccountMismatch.into())));
    world.sweep(&withdraw, &[&thief.wallet], &told);
    world.sweep(&close, &[&thief.wallet], &[]);
    let rents = [size_of::<costaking::Exit>(), size_of::<costaking::Position>()].map(|bytes| world.rent(bytes + 8));
    for stake in &stakes {
        let before = world.lamports(&stake.holder.address());
        for clear in clearing(stake) {
            world.send(clear, &[&thief.wallet]);
        }
        assert_eq!(world.lamports(&stake.holder.address()) - before, rents.iter().sum::<u64>());
        assert_eq!(world.balance(&stake.holder.tokens), 1_000 * IO);
    }
    assert_eq!(world.balance(&thief.tokens), 1_000 * IO);
    world.send(close_offer, &[]);
    let ends = [
        market::stake::withdraw(&alice.wallet(), &alice.device, &alice.tokens),
        market::stake::terminate_device(&alice.wallet(), &alice.device),
        market::stake::close_device(&alice.wallet(), &alice.device, &alice.tokens),
    ];
    world.send_all(&ends, &[&alice.owner]);
}

/// K3: a later change of the cooldown moves no end, neither for a co-staker who exits after it nor for one who has done nothing yet.
#[test]
fn a_later_change_of_the_cooldown_moves_no_end() {
    for cooldown in [0, 7 * DAY, 30 * DAY] {
        let (mut world, alice, [inside, waiting, _]) = crowd();
        let admin = world.admin.clone();
        world.send(unstaking(&alice), &[&alice.owner]);
        let ends_at = world.now().unix + i64::from(14 * DAY);
        // Before the offer records the owner's exit, and so before anybody has an exit of their own.
        let parameters = staking::Parameters {
            cooldown,
            ..staking::Parameters::PUBLISHED
        };
        world.send(market::stake::set_parameters(&admin.pubkey(), parameters), &[&admin]);
        world.wait(DAY);
        world.send(costake::force(&alice.device, &inside.offer), &[]);
        world.send(inside.leaving(0, 33 * IO + 1), &[&inside.holder.wallet]);
        world.send(waiting.cooling(0), &[]);
        for stake in [&inside, &waiting] {
            assert_eq!(world.books().exits[&stake.exit(0)].ends_at.get(), ends_at);
        }
        world.wait(13 * DAY - 1);
        for stake in [&inside, &waiting] {
            world.refuse(stake.withdrawing(0), &[&stake.holder.wallet], CostakingError::CooldownNotOver);
        }
        world.wait(1);
        for stake in [&inside, &waiting] {
            world.send(stake.withdrawing(0), &[&stake.holder.wallet]);
        }
    }
}

/// An ended offer of the same device cannot take the record of an exit that is another offer's to note.
#[test]
fn only_the_offer_that_was_left_notes_the_exit() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let first = world.offer(&alice, OFFER);
    let retracting = |offer| costake::retract(&alice.wallet(), &alice.device, offer);
    let end = costake::end(&alice.wallet(), &alice.device, &first);
    world.send_all(&[retracting(&first), end], &[&alice.owner]);
    let second = world.offer(&alice, OFFER);
    assert_ne!(first, second);
    world.join(&carol, &second, 0, OFFER.capacity);
    world.send_all(&[retracting(&second), unstaking(&alice)], &[&alice.owner]);
    world.refuse(costake::force(&alice.device, &first), &[], CostakingError::WrongStatus);
    world.send(costake::force(&alice.device, &second), &[]);
    assert_eq!(world.books().offers[&second].forced_assets.get(), OFFER.capacity);
}

/// L7: an unstake and a join in the same slot, in either order.
#[test]
fn an_exit_and_a_join_meet() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    let (join, retract) = (
        world.joining(&carol, &offer, 0, 50 * IO),
        costake::retract(&alice.wallet(), &alice.device, &offer),
    );
    let mut joined = world.clone();
    joined.send_all(&[join.clone(), retract.clone(), unstaking(&alice)], &[&carol.wallet, &alice.owner]);
    assert_eq!(joined.device(&alice.device).co_cooling.get(), 50 * IO);
    world.send_all(&[retract, unstaking(&alice)], &[&alice.owner]);
    world.refuse(join, &[&carol.wallet], CostakingError::WrongStatus);
}

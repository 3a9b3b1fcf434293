use chain::market::{self, costake, slash};
use costaking::OfferTerms;
use costaking::error::CostakingError;
use protocol::units::IO;
use solana_signer::Signer;
use spl_token_interface::error::TokenError;
use staking::error::StakingError;
use tests::{CoStaker, GPU, GPU_MINIMUM, OFFER, World, gpu_spec};

#[test]
fn joining_takes_a_ticket_or_what_is_left_and_never_more() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    let join = |world: &World, id, amount| world.joining(&carol, &offer, id, amount);
    for amount in [0, 1, OFFER.ticket - 1] {
        world.refuse(join(&world, 0, amount), &[&carol.wallet], CostakingError::AmountTooSmall);
    }
    world.refuse(join(&world, 0, OFFER.capacity + 1), &[&carol.wallet], CostakingError::OfferFull);
    let valid = join(&world, 0, OFFER.capacity - 5 * IO);
    world.sweep(&valid, &[&carol.wallet], &[]);
    world.send(valid, &[&carol.wallet]);
    let device = world.device(&alice.device);
    assert_eq!((device.co_stake.get(), device.own_stake.get()), (195 * IO, 1_000 * IO));
    // Five $IO are left: less than a ticket, but all of the room.
    world.refuse(join(&world, 1, 5 * IO - 1), &[&carol.wallet], CostakingError::AmountTooSmall);
    world.refuse(join(&world, 1, 5 * IO + 1), &[&carol.wallet], CostakingError::OfferFull);
    world.send(join(&world, 1, 5 * IO), &[&carol.wallet]);
    world.refuse(join(&world, 2, OFFER.ticket), &[&carol.wallet], CostakingError::OfferFull);
}

/// E11: the co-stake counts toward the minimum, and frees as much of the owner's stake.
#[test]
fn the_owners_overflow_rises_by_the_co_stake() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    world.join(&carol, &offer, 0, 80 * IO);
    let out = |amount| market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, amount);
    // Of 1,000 $IO of its own and 80 of co-stake, 400 must stay.
    world.refuse(out(680 * IO + 1), &[&alice.owner], StakingError::ExceedsOverflow);
    world.send(out(680 * IO), &[&alice.owner]);
    // E26: at least half of the minimum is the owner's own stake.
    world.send(world.joining(&carol, &offer, 1, 120 * IO), &[&carol.wallet]);
    world.send(out(120 * IO), &[&alice.owner]);
    assert_eq!(world.device(&alice.device).own_stake.get(), GPU_MINIMUM / 2);
    world.refuse(out(1), &[&alice.owner], StakingError::ExceedsOverflow);
}

#[test]
fn on_the_terms_expected_and_not_with_the_owners_wallets() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    let expecting = |terms| costake::join(&carol.address(), &alice.device, GPU, &offer, &carol.tokens, 0, OFFER.ticket, terms);
    for terms in [
        OfferTerms {
            capacity: OFFER.capacity - 1,
            ..OFFER
        },
        OfferTerms {
            ticket: OFFER.ticket - 1,
            ..OFFER
        },
        OfferTerms {
            share_bps: OFFER.share_bps + 1,
            ..OFFER
        },
    ] {
        world.refuse(expecting(terms), &[&carol.wallet], CostakingError::TermsChanged);
    }
    // E7, L5: registered wallets of the owner's.
    let payout = market::stake::set_payout(&alice.wallet(), &alice.device, &carol.address());
    world.send(payout, &[&alice.owner]);
    let own = CoStaker {
        wallet: alice.owner.clone(),
        tokens: alice.tokens,
    };
    world.refuse(
        world.joining(&own, &offer, 0, OFFER.ticket),
        &[&own.wallet],
        CostakingError::OwnDevice,
    );
    world.refuse(expecting(OFFER), &[&carol.wallet], CostakingError::OwnDevice);
    // Nor with somebody else's tokens.
    let (dave, erin) = (world.co_staker("dave"), world.co_staker("erin"));
    let stolen = costake::join(&dave.address(), &alice.device, GPU, &offer, &erin.tokens, 0, OFFER.ticket, OFFER);
    world.refuse(stolen, &[&dave.wallet], TokenError::OwnerMismatch);
}

/// E26 holds even if, after a cut, the co-stake alone would be enough.
#[test]
fn half_of_the_minimum_stays_the_owners_whatever_co_stakers_have() {
    let mut world = World::new();
    let (alice, carol, admin) = (world.worker("alice"), world.co_staker("carol"), world.admin.clone());
    let offer = world.offer(&alice, OFFER);
    world.join(&carol, &offer, 0, 200 * IO);
    let spec = gpu_spec("RTX 4090", 100, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    let out = |amount| market::stake::withdraw_overflow(&alice.wallet(), &alice.device, GPU, &alice.tokens, amount);
    world.refuse(out(900 * IO + 1), &[&alice.owner], StakingError::ExceedsOverflow);
    world.send(out(900 * IO), &[&alice.owner]);
    assert_eq!(world.device(&alice.device).own_stake.get(), 100 * IO);
}

/// L10: a cut of the multiplier lowers the minimum, and with it the room for co-stake.
#[test]
fn the_minimum_of_the_day_bounds_the_co_stake() {
    let mut world = World::new();
    let (alice, carol, admin) = (world.worker("alice"), world.co_staker("carol"), world.admin.clone());
    let offer = world.offer(&alice, OFFER);
    let spec = gpu_spec("RTX 4090", 100, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    // The minimum is now 200 $IO, of which co-stakers may hold half.
    world.refuse(
        world.joining(&carol, &offer, 0, 100 * IO + 1),
        &[&carol.wallet],
        CostakingError::OfferFull,
    );
    world.send(world.joining(&carol, &offer, 0, 100 * IO), &[&carol.wallet]);
}

#[test]
fn a_staking_pause_and_a_retired_device_take_nobody_in() {
    let mut world = World::new();
    let (alice, carol, admin) = (world.worker("alice"), world.co_staker("carol"), world.admin.clone());
    let offer = world.offer(&alice, OFFER);
    world.send(market::stake::set_paused(&admin.pubkey(), true), &[&admin]);
    world.refuse(
        world.joining(&carol, &offer, 0, OFFER.ticket),
        &[&carol.wallet],
        StakingError::Paused,
    );
    world.send(market::stake::set_paused(&admin.pubkey(), false), &[&admin]);
    world.send(market::stake::terminate_device(&alice.wallet(), &alice.device), &[&alice.owner]);
    world.refuse(
        world.joining(&carol, &offer, 0, OFFER.ticket),
        &[&carol.wallet],
        StakingError::DeviceTerminated,
    );
}

/// Changes of shares are signed, so an offer has fewer than 2^62 shares. After two slashes of everything, 100 $IO of shares are worth three
/// base units, and so 13.8 $IO would buy as many.
#[test]
fn slashes_may_leave_shares_too_cheap_to_join() {
    let mut world = World::new();
    let (alice, carol, admin) = (world.worker("alice"), world.co_staker("carol"), world.admin.clone());
    let offer = world.offer(&alice, OFFER);
    world.join(&carol, &offer, 0, 100 * IO);
    let (proposer, approver) = (world.wallet("proposer"), world.wallet("approver"));
    world.send(
        slash::set_judges(&admin.pubkey(), &proposer.pubkey(), &approver.pubkey()),
        &[&admin],
    );
    for number in [1, 2] {
        let propose = slash::propose(&proposer.pubkey(), &alice.device, number, 0, 10_000, [7; 32]);
        let approve = slash::approve(&approver.pubkey(), &alice.device, number, 10_000, [7; 32]);
        world.send_all(&[propose, approve], &[&proposer, &approver]);
    }
    world.wait(30 * 86_400);
    for number in [1, 2] {
        world.send(slash::finish(&proposer.pubkey(), &alice.device, number), &[]);
    }
    assert_eq!(world.device(&alice.device).co_stake.get(), 3);
    for amount in [1_383_505_803, 100 * IO] {
        let join = world.joining(&carol, &offer, 1, amount);
        world.refuse(join, &[&carol.wallet], CostakingError::Worthless);
    }
    let join = world.joining(&carol, &offer, 1, 1_383_505_802);
    world.send(join, &[&carol.wallet]);
}

/// A gift to the vault does not change the price of shares, even before anybody has joined.
#[test]
fn a_gift_to_the_vault_makes_no_share_dearer() {
    let mut world = World::new();
    let (alice, thief, victim) = (world.worker("alice"), world.co_staker("thief"), world.co_staker("victim"));
    let offer = world.offer(&alice, OfferTerms { ticket: 1, ..OFFER });
    let first = world.join(&thief, &offer, 0, 1);
    let (io, vault) = (world.io, alice.vault());
    world.donate(&io, &vault, 500 * IO);
    let second = world.join(&victim, &offer, 0, 100 * IO - 1);
    assert_eq!(world.books().positions[&second.position].shares.get(), 100 * IO - 1);
    assert_eq!(world.books().positions[&first.position].shares.get(), 1);
}

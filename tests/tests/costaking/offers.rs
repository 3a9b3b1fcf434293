use chain::market::{self, costake};
use costaking::error::CostakingError;
use costaking::events::OfferClosed;
use costaking::{OfferTerms, Status};
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{Failure, GPU, GPU_MINIMUM, OFFER, RULES, Worker, World, gpu_spec, substituted};

#[test]
fn an_owner_offers_up_to_half_of_the_minimum_for_at_least_a_twentieth() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let cases = [
        (
            OfferTerms {
                capacity: GPU_MINIMUM / 2 + 1,
                ..OFFER
            },
            CostakingError::CapacityTooLarge,
        ),
        (
            OfferTerms {
                capacity: 0,
                ticket: 0,
                ..OFFER
            },
            CostakingError::InvalidTicket,
        ),
        (OfferTerms { ticket: 0, ..OFFER }, CostakingError::InvalidTicket),
        (
            OfferTerms {
                ticket: OFFER.capacity + 1,
                ..OFFER
            },
            CostakingError::InvalidTicket,
        ),
        (OfferTerms { share_bps: 499, ..OFFER }, CostakingError::ShareOutOfBounds),
        (
            OfferTerms {
                share_bps: 10_001,
                ..OFFER
            },
            CostakingError::ShareOutOfBounds,
        ),
    ];
    for (terms, failure) in cases {
        world.refuse(world.offering(&alice, 0, terms), &[&alice.owner], failure);
    }
    for share_bps in [500, 10_000] {
        world
            .clone()
            .send(world.offering(&alice, 0, OfferTerms { share_bps, ..OFFER }), &[&alice.owner]);
    }
    // E1: only the owner, and one offer at a time.
    let thief = world.wallet("thief");
    let stolen = costake::create(&thief.pubkey(), &alice.device, GPU, &world.io.clone(), 0, OFFER);
    world.refuse(stolen, &[&thief], CostakingError::NotOwner);
    let valid = world.offering(&alice, 7, OFFER);
    world.sweep(&valid, &[&alice.owner], &[]);
    world.send(valid.clone(), &[&alice.owner]);
    world.refuse(valid, &[&alice.owner], Failure::ALREADY_IN_USE);
    world.refuse(world.offering(&alice, 8, OFFER), &[&alice.owner], CostakingError::OfferExists);
    let offer = world.books().offers[&costake::offer(&alice.device, 7)];
    assert_eq!((offer.terms(), offer.status), (OFFER, Status::Open as u8));
}

#[test]
fn the_device_holds_its_whole_minimum_and_is_in_operation() {
    let mut world = World::new();
    let (poor, newcomer, admin) = (world.worker("poor"), world.newcomer("bob"), world.admin.clone());
    let out = market::stake::withdraw_overflow(&poor.wallet(), &poor.device, GPU, &poor.tokens, 1_000 * IO - GPU_MINIMUM);
    world.send(out, &[&poor.owner]);
    let stake = market::stake::stake(&newcomer.wallet(), &newcomer.device, &newcomer.tokens, GPU_MINIMUM);
    world.send(stake, &[&newcomer.owner]);
    // B6: twelve hours of probation, to the second.
    let offering = world.offering(&newcomer, 0, OFFER);
    world.wait(43_199);
    world.refuse(offering.clone(), &[&newcomer.owner], CostakingError::DeviceNotOperational);
    world.wait(1);
    world.clone().send(offering, &[&newcomer.owner]);
    // Exactly the minimum is enough, until a raise takes effect 30 days later.
    world.clone().send(world.offering(&poor, 0, OFFER), &[&poor.owner]);
    let spec = gpu_spec("RTX 4090", 400, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, spec), &[&admin]);
    world.clone().send(world.offering(&poor, 0, OFFER), &[&poor.owner]);
    world.wait(30 * 86_400);
    world.refuse(world.offering(&poor, 0, OFFER), &[&poor.owner], CostakingError::BelowMinimumStake);
    let worthless = gpu_spec("RTX 4090", 0, true);
    world.send(market::stake::update_gpu_model(&admin.pubkey(), GPU, worthless), &[&admin]);
    world.refuse(
        world.offering(&poor, 0, OFFER),
        &[&poor.owner],
        CostakingError::DeviceNotOperational,
    );
    world.send(market::stake::terminate_device(&poor.wallet(), &poor.device), &[&poor.owner]);
    world.refuse(
        world.offering(&poor, 0, OFFER),
        &[&poor.owner],
        CostakingError::DeviceNotOperational,
    );
}

#[test]
fn rewards_of_before_are_the_owners_alone() {
    let mut world = World::new();
    let alice = world.worker("alice");
    world.start_emission(RULES, 1_000_000 * IO);
    for _ in 0..3 {
        world.live(&[&alice]);
    }
    assert!(world.device(&alice.device).pending().next().is_some());
    let (carol, offer) = (world.co_staker("carol"), world.offer(&alice, OFFER));
    world.join(&carol, &offer, 0, 200 * IO);
    let before = world.device(&alice.device).rewards.get();
    world.live(&[&alice]);
    assert!(world.device(&alice.device).rewards.get() > before);
    assert_eq!(world.balance(&costake::vault(&offer)), 0);
}

fn retracting(worker: &Worker) -> solana_instruction::Instruction {
    costake::retract(&worker.wallet(), &worker.device, &costake::offer(&worker.device, 0))
}

#[test]
fn an_offer_that_nobody_holds_ends_and_is_closed_at_once() {
    let mut world = World::new();
    let alice = world.worker("alice");
    let offer = world.offer(&alice, OFFER);
    let end = costake::end(&alice.wallet(), &alice.device, &offer);
    let close = costake::close(&alice.wallet(), &offer, &alice.tokens);
    world.send_all(&[retracting(&alice), end, close], &[&alice.owner]);
    assert!(world.account(&offer).is_none());
}

#[test]
fn a_retracted_offer_takes_nobody_in_and_ends_when_nobody_is() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    let stake = world.join(&carol, &offer, 0, OFFER.ticket);
    let end = costake::end(&alice.wallet(), &alice.device, &offer);
    world.refuse(end.clone(), &[&alice.owner], CostakingError::WrongStatus);
    // D7, E20: the owner cannot unstake under an open offer.
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    world.refuse(unstake, &[&alice.owner], StakingError::OfferOpen);
    let thief = world.wallet("thief");
    let stolen = costake::retract(&thief.pubkey(), &alice.device, &offer);
    world.refuse(stolen, &[&thief], CostakingError::NotOwner);
    let join = world.joining(&carol, &offer, 1, OFFER.ticket);
    world.sweep(&retracting(&alice), &[&alice.owner], &[]);
    world.send(retracting(&alice), &[&alice.owner]);
    world.refuse(retracting(&alice), &[&alice.owner], CostakingError::WrongStatus);
    // L6: joining after retraction.
    world.refuse(join, &[&carol.wallet], CostakingError::WrongStatus);
    world.refuse(end.clone(), &[&alice.owner], CostakingError::OfferInUse);
    let lost = stake.closing_by(&carol.address());
    world.refuse(lost, &[&carol.wallet], CostakingError::OfferInUse);
    world.send(stake.leaving(0, OFFER.ticket), &[&carol.wallet]);
    world.refuse(end.clone(), &[&alice.owner], CostakingError::OfferInUse);
    world.wait(7 * 86_400);
    world.send(stake.cooling(0), &[]);
    world.sweep(&end, &[&alice.owner], &[]);
    world.send(end, &[&alice.owner]);
    assert_eq!(world.device(&alice.device).offering, 0);
    // Stake that cools down does not keep the owner from another offer.
    let second = world.offer(&alice, OFFER);
    world.join(&carol, &second, 0, OFFER.ticket);
    let close = costake::close(&alice.wallet(), &offer, &alice.tokens);
    world.refuse(close.clone(), &[], CostakingError::OfferInUse);
    world.wait(14 * 86_400);
    world.send(stake.withdrawing(0), &[&carol.wallet]);
    world.refuse(close.clone(), &[], CostakingError::OfferInUse);
    world.send(stake.closing_by(&carol.address()), &[&carol.wallet]);
    let (thief, before) = (world.co_staker("thief"), world.lamports(&alice.wallet()));
    let elsewhere = costake::close(&alice.wallet(), &offer, &thief.tokens);
    world.refuse(elsewhere, &[], InstructionError::InvalidAccountData);
    let stolen = substituted(&close, &alice.wallet(), &thief.address());
    world.refuse(stolen, &[], CostakingError::AccountMismatch);
    let (io, vault) = (world.io, costake::vault(&offer));
    world.donate(&io, &vault, 7);
    let said = world.send(close, &[]).events::<OfferClosed>(&costaking::ID);
    let [closed] = said.as_slice() else { panic!("one event") };
    assert_eq!((closed.offer, closed.dust), (offer, 7));
    assert!(world.lamports(&alice.wallet()) > before);
    assert!([offer, vault].iter().all(|gone| world.account(gone).is_none()));
    world.refuse(
        costake::close(&alice.wallet(), &second, &alice.tokens),
        &[],
        CostakingError::WrongStatus,
    );
}

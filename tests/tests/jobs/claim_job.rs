use ::jobs::error::JobsError;
use ::jobs::{JobTerms, Parameters, Status};
use chain::market;
use protocol::sortition;
use protocol::units::{IO, Moment};
use solana_address::Address;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{GPU, GPU_UNLISTED, PARAMETERS, Worker, World, ending, slot_hash, terms};

#[test]
fn fixes_the_price_starts_the_run_and_locks_the_bond() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    world.sweep(&world.claiming(&worker, &job, 0), &[&worker.key], &[]);
    world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
    let claimed = world.job(&job);
    assert_eq!(
        (claimed.status, claimed.device, claimed.price.get()),
        (Status::Assigned as u8, worker.device, IO)
    );
    assert_eq!(claimed.deadline(), world.now().after(120));
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (10 * IO, 1));
}

#[test]
fn the_price_rises_with_the_auction_and_stops_at_the_maximum() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    // The price rises by 1 $IO over 60 seconds, rounded down.
    for (seconds, price) in [
        (0, IO),
        (1, IO + 1_666_666),
        (30, IO * 3 / 2),
        (59, 2 * IO - 1_666_667),
        (60, 2 * IO),
        (599, 2 * IO),
    ] {
        let mut world = world.clone();
        world.pass(seconds, 0);
        world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
        assert_eq!(world.job(&job).price.get(), price, "after {seconds} seconds");
    }
}

#[test]
fn fails_while_paused() {
    let mut world = World::new();
    let (admin, worker, consumer) = (world.admin.clone(), world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    world.send(market::job::set_paused(&admin.pubkey(), true), &[&admin]);
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::Paused);
}

#[test]
fn fails_for_anyone_but_the_devices_hot_key_even_its_owner() {
    let mut world = World::new();
    let (worker, other, consumer) = (world.worker("alice"), world.worker("carol"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    for signer in [&worker.owner, &other.key] {
        let foreign = market::job::claim_job(&signer.pubkey(), &job, world.job(&job).job_hash, &worker.device, GPU, 0);
        world.refuse(foreign, &[signer], JobsError::NotAssignedDevice);
    }
}

#[test]
fn fails_once_the_job_is_taken() {
    let mut world = World::new();
    let (worker, late, consumer) = (world.worker("alice"), world.worker("carol"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.refuse(world.claiming(&late, &job, 0), &[&late.key], JobsError::WrongStatus);
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::WrongStatus);
}

#[test]
fn fails_for_another_job_at_the_same_address_whatever_of_it_is_different() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let other_model = world.register(&super::demands::graph());
    let job = world.open(&consumer, 1, terms());
    let claim = world.claiming(&worker, &job, 0);
    let base = terms();
    let swapped = [
        JobTerms { inputs: [9; 32], ..base },
        JobTerms {
            units: base.units + 1,
            ..base
        },
        JobTerms {
            bond: base.bond + 1,
            ..base
        },
        JobTerms {
            value_at_risk: base.value_at_risk + 1,
            ..base
        },
        JobTerms { run_seconds: 1, ..base },
        JobTerms {
            open_seconds: base.open_seconds + 1,
            ..base
        },
        JobTerms {
            window_seconds: base.window_seconds + 1,
            ..base
        },
        JobTerms {
            audit_bps: base.audit_bps + 1,
            ..base
        },
        JobTerms { replicas: 2, ..base },
        JobTerms {
            start_price: base.start_price + 1,
            ..base
        },
        JobTerms {
            max_price: base.max_price + 1,
            ..base
        },
        JobTerms {
            auction_seconds: base.auction_seconds + 1,
            ..base
        },
    ];
    // Opened in the same slot as the first job, so that only the terms differ.
    let swaps = swapped.into_iter().map(|terms| (world.model, terms)).chain([(other_model, base)]);
    for (model, terms) in swaps {
        let mut world = world.clone();
        let again = [
            market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
            market::job::open_job(&consumer.wallet(), &consumer.mint, &model, 1, terms),
        ];
        world.send_all(&again, &[&consumer.owner]);
        world.open_doors();
        world.refuse(claim.clone(), &[&worker.key], JobsError::TermsChanged);
    }
    // The same terms in another slot are another job.
    let mut later = world.clone();
    later.send(
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
        &[&consumer.owner],
    );
    later.pass(0, 1);
    assert_eq!(later.open(&consumer, 1, base), job);
    later.open_doors();
    later.refuse(claim.clone(), &[&worker.key], JobsError::TermsChanged);
    world.open_doors();
    world.send(claim, &[&worker.key]);
}

#[test]
fn fails_once_the_offer_has_expired() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    for (mut world, reached) in world.around(world.deadline(&job)) {
        if reached {
            world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::JobExpired);
        } else {
            world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
        }
    }
}

#[test]
fn fails_below_the_jobs_requirements() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let beyond = [
        JobTerms {
            min_vram_gb: 25,
            ..terms()
        },
        JobTerms {
            min_multiplier_x100: 201,
            ..terms()
        },
        JobTerms {
            gpu_model: GPU_UNLISTED,
            ..terms()
        },
        JobTerms {
            min_jobs_done: 1,
            ..terms()
        },
    ];
    for (id, terms) in (0..).zip(beyond) {
        let job = world.open(&consumer, id, terms);
        world.open_doors();
        world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::RequirementsNotMet);
    }
    let met = JobTerms {
        min_vram_gb: 24,
        min_multiplier_x100: 200,
        gpu_model: GPU,
        ..terms()
    };
    let job = world.open(&consumer, 9, met);
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    world.send(
        market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens),
        &[&worker.owner],
    );
    // After one job, the device meets the terms that ask for one.
    world.send(world.claiming(&worker, &consumer.job(3), 0), &[&worker.key]);
}

#[test]
fn another_gpu_models_row_does_not_help() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(
        &consumer,
        1,
        JobTerms {
            gpu_model: GPU_UNLISTED,
            ..terms()
        },
    );
    world.open_doors();
    let borrowed = market::job::claim_job(
        &worker.key.pubkey(),
        &job,
        world.job(&job).job_hash,
        &worker.device,
        GPU_UNLISTED,
        0,
    );
    world.refuse(borrowed, &[&worker.key], StakingError::WrongGpuModel);
}

#[test]
fn fails_for_a_price_below_what_the_worker_asks() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    world.refuse(world.claiming(&worker, &job, IO + 1), &[&worker.key], JobsError::PriceTooLow);
    world.send(world.claiming(&worker, &job, IO), &[&worker.key]);
}

#[test]
fn fails_until_the_first_slot_after_opening_has_a_hash() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::SeedNotReady);
    world.pass(0, 1);
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::SeedNotReady);
    // The next slot is skipped, so there is still no hash.
    world.skip_slot(world.now().slot);
    world.pass(0, 1);
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::SeedNotReady);
}

/// Number of slots after the seed's at which a device's ticket is admitted to a job.
fn admitted_after(job: &Address, worker: &Worker, seed_slot: u64) -> u64 {
    let ticket = sortition::ticket(&slot_hash(seed_slot).to_bytes(), job.as_array(), worker.device.as_array());
    sortition::admitted_after(ticket, Parameters::PUBLISHED.sortition_slots.into())
}

#[test]
fn fails_until_the_devices_ticket_is_admitted() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let mut waits = Vec::new();
    for id in 0..12 {
        let mut world = world.clone();
        let job = world.open(&consumer, id, terms());
        let opened = world.now();
        let wait = admitted_after(&job, &worker, opened.slot + 1);
        waits.push(wait);
        // The seed is known from the second slot after the opening.
        for elapsed in 1..=20 {
            world.go_to(Moment {
                slot: opened.slot + 1 + elapsed,
                ..opened
            });
            if elapsed < wait {
                world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::NotAdmittedYet);
            } else {
                world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
                break;
            }
        }
        assert_eq!(world.job(&job).status, Status::Assigned);
    }
    assert!(
        waits.iter().any(|wait| *wait < 5) && waits.iter().any(|wait| *wait > 15),
        "a fair draw: {waits:?}"
    );
}

#[test]
fn the_seed_is_the_first_hash_after_opening_whatever_slots_are_skipped() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    for gap in [0, 1, 2, 7, 40] {
        let mut world = world.clone();
        let job = world.open(&consumer, gap, terms());
        let opened = world.now();
        for skipped in 1..=gap {
            world.skip_slot(opened.slot + skipped);
        }
        // More gaps before and after it make the search in the sysvar uneven.
        for skipped in [opened.slot - 3, opened.slot - 2, opened.slot + gap + 3, opened.slot + gap + 4] {
            world.skip_slot(skipped);
        }
        let seed = opened.slot + gap + 1;
        let wait = admitted_after(&job, &worker, seed).max(1);
        if wait > 1 {
            world.go_to(Moment {
                slot: seed + wait - 1,
                ..opened
            });
            world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], JobsError::NotAdmittedYet);
        }
        world.go_to(Moment {
            slot: seed + wait,
            ..opened
        });
        world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
    }
}

#[test]
fn the_door_stays_open_when_the_chain_has_forgotten_the_seed() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    for slots in [511, 512, 513, 514, 10_000] {
        let mut world = world.clone();
        world.pass(0, slots);
        world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
    }
}

#[test]
fn without_a_sortition_window_everyone_is_admitted_with_the_first_hash() {
    let mut world = World::new();
    let (admin, worker, consumer) = (world.admin.clone(), world.worker("alice"), world.consumer("bob"));
    let parameters = Parameters {
        sortition_slots: 0,
        ..PARAMETERS
    };
    world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    let job = world.open(&consumer, 1, terms());
    world.pass(0, 2);
    world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
}

#[test]
fn staking_checks_the_device() {
    let mut world = World::new();
    let (worker, consumer) = (world.newcomer("alice"), world.consumer("bob"));
    let job = world.open(
        &consumer,
        1,
        JobTerms {
            open_seconds: 600_000,
            ..terms()
        },
    );
    world.open_doors();
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], StakingError::OnProbation);
    world.wait(43_200);
    world.refuse(world.claiming(&worker, &job, 0), &[&worker.key], StakingError::BelowMinimumStake);
    world.send(
        market::stake::stake(&worker.wallet(), &worker.device, &worker.tokens, 400 * IO),
        &[&worker.owner],
    );
    let dear = world.open(
        &consumer,
        2,
        JobTerms {
            bond: 400 * IO + 1,
            ..terms()
        },
    );
    world.open_doors();
    world.refuse(
        world.claiming(&worker, &dear, 0),
        &[&worker.key],
        StakingError::InsufficientFreeStake,
    );
    world.send(world.claiming(&worker, &job, 0), &[&worker.key]);
}

#[test]
fn every_price_the_auction_reaches_can_be_settled() {
    let mut world = World::new();
    let usd = world.mint("usd", 6);
    let (worker, consumer) = (world.worker("alice"), world.consumer_in("bob", &usd));
    let payout = world.give_tokens(&worker.wallet(), &usd, 0);
    // One base unit of fee and one of surcharge on each side, which is more than so small a price.
    let tiny = JobTerms {
        units: 1,
        start_price: 0,
        max_price: 4,
        auction_seconds: 4,
        ..terms()
    };
    for (seconds, paid) in (0..=4).zip([0, 0, 0, 1, 2]) {
        let mut world = world.clone();
        let job = world.open(&consumer, 1, tiny);
        world.pass(seconds, 0);
        world.work(&worker, &job);
        world.wait_for_deadline(&job);
        world.send(
            market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &payout),
            &[&worker.owner],
        );
        assert_eq!(world.balance(&payout), paid, "claimed after {seconds} seconds");
    }
}

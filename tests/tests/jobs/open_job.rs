use ::jobs::error::JobsError;
use ::jobs::state::MAX_DURATION;
use ::jobs::{JobTerms, Status};
use chain::market;
use protocol::batch::MAX_UNITS;
use protocol::trace::JobFacts;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{CLUSTER, Consumer, Failure, World, substituted, terms, tiny_model};

#[test]
fn locks_the_highest_cost_and_waits_for_a_device() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 9, terms());
    world.sweep(&open, &[&consumer.owner], &[]);
    world.send(open, &[&consumer.owner]);
    let (address, now) = (consumer.job(9), world.now());
    let job = world.job(&address);
    assert_eq!(
        (job.escrow, job.model, job.device),
        (consumer.escrow, world.model, Address::default())
    );
    assert_eq!((job.status, job.id.get(), job.units.get()), (Status::Open as u8, 9, 10));
    assert_eq!((job.opened_at.get(), job.opened_slot.get()), (now.unix, now.slot));
    assert_eq!(job.deadline(), now.after(600));
    assert_eq!((job.commitment, job.traces, job.outputs), ([0; 32], [0; 32], [0; 32]));
    let highest = 20 * IO + 20 * IO * 25 / 10_000;
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((job.locked.get(), escrow.locked.get()), (highest, highest));
    assert_eq!((escrow.free.get(), escrow.open_jobs.get()), (1_000 * IO - highest, 1));
}

#[test]
fn the_job_hash_is_what_clients_compute() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let address = world.open(&consumer, 9, terms());
    let facts = JobFacts {
        program: *::jobs::ID.as_array(),
        cluster: CLUSTER,
        job: *address.as_array(),
        opened_slot: world.now().slot,
        model: tiny_model().2,
        inputs: terms().inputs,
        units: terms().units,
        policy: terms().policy(),
    };
    assert_eq!(world.job(&address).job_hash, facts.hash());
}

#[test]
fn fails_while_paused() {
    let mut world = World::new();
    let (admin, consumer) = (world.admin.clone(), world.consumer("bob"));
    world.send(market::job::set_paused(&admin.pubkey(), true), &[&admin]);
    refuse(&mut world, &consumer, terms(), JobsError::Paused);
}

#[test]
fn fails_for_anyone_but_the_escrows_owner() {
    let mut world = World::new();
    let (consumer, thief) = (world.consumer("bob"), world.wallet("thief"));
    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, terms());
    let foreign = substituted(&open, &consumer.wallet(), &thief.pubkey());
    world.refuse(foreign, &[&thief], JobsError::NotOwner);
}

#[test]
fn fails_for_an_id_in_use() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    world.open(&consumer, 1, terms());
    refuse(&mut world, &consumer, terms(), Failure::ALREADY_IN_USE);
}

#[test]
fn fails_for_terms_outside_their_bounds() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let max = u64::MAX;
    let bad = [
        (JobTerms { units: 0, ..terms() }, JobsError::InvalidUnits),
        (
            JobTerms {
                units: MAX_UNITS + 1,
                ..terms()
            },
            JobsError::InvalidUnits,
        ),
        (
            JobTerms {
                start_price: 0,
                max_price: 0,
                ..terms()
            },
            JobsError::InvalidPrice,
        ),
        (
            JobTerms {
                start_price: 2 * IO + 1,
                ..terms()
            },
            JobsError::InvalidPrice,
        ),
        (
            JobTerms {
                start_price: max,
                max_price: max,
                ..terms()
            },
            JobsError::InvalidPrice,
        ),
        (
            JobTerms {
                max_price: max,
                units: 1,
                ..terms()
            },
            JobsError::InvalidPrice,
        ),
        (
            JobTerms {
                open_seconds: 0,
                auction_seconds: 0,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (
            JobTerms {
                open_seconds: MAX_DURATION + 1,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (JobTerms { run_seconds: 0, ..terms() }, JobsError::InvalidDuration),
        (
            JobTerms {
                run_seconds: MAX_DURATION + 1,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (
            JobTerms {
                window_seconds: 0,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (
            JobTerms {
                window_seconds: MAX_DURATION + 1,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (
            JobTerms {
                auction_seconds: 601,
                ..terms()
            },
            JobsError::InvalidDuration,
        ),
        (JobTerms { bond: IO - 1, ..terms() }, JobsError::BondTooSmall),
        (JobTerms { replicas: 0, ..terms() }, JobsError::UnsupportedPolicy),
        (JobTerms { replicas: 4, ..terms() }, JobsError::UnsupportedPolicy),
        (JobTerms { replica: 1, ..terms() }, JobsError::UnsupportedPolicy),
        (
            JobTerms {
                audit_bps: 10_001,
                ..terms()
            },
            JobsError::UnsupportedPolicy,
        ),
        (
            JobTerms {
                audit_bps: 1,
                replicas: 2,
                ..terms()
            },
            JobsError::UnsupportedPolicy,
        ),
    ];
    for (terms, error) in bad {
        refuse(&mut world, &consumer, terms, error);
    }
    // The first replica's id would be below zero.
    let second = JobTerms {
        replicas: 2,
        replica: 1,
        ..terms()
    };
    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 0, second);
    world.refuse(open, &[&consumer.owner], JobsError::UnsupportedPolicy);
}

#[test]
fn takes_terms_at_their_bounds() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let week = MAX_DURATION;
    let within = [
        JobTerms {
            units: 1,
            start_price: 0,
            max_price: 1,
            ..terms()
        },
        JobTerms {
            units: MAX_UNITS,
            start_price: 0,
            max_price: 1,
            ..terms()
        },
        JobTerms {
            open_seconds: week,
            auction_seconds: week,
            run_seconds: week,
            window_seconds: week,
            ..terms()
        },
        JobTerms {
            open_seconds: 1,
            auction_seconds: 0,
            run_seconds: 1,
            window_seconds: 1,
            ..terms()
        },
        JobTerms {
            start_price: 2 * IO,
            bond: IO,
            audit_bps: 10_000,
            ..terms()
        },
    ];
    for (id, terms) in (0..).zip(within) {
        world.open(&consumer, id, terms);
    }
}

#[test]
fn fails_when_the_free_balance_does_not_cover_the_highest_cost_fees_included() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    // The balance of 1,000 $IO covers the price, but not the fee.
    let terms = JobTerms {
        units: 1,
        max_price: 1_000 * IO,
        ..terms()
    };
    refuse(&mut world, &consumer, terms, JobsError::InsufficientEscrow);
    let fee = 1_000 * IO * 25 / 10_000;
    let deposit = |amount| market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, amount);
    world.send(deposit(fee - 1), &[&consumer.owner]);
    refuse(&mut world, &consumer, terms, JobsError::InsufficientEscrow);
    world.send(deposit(1), &[&consumer.owner]);
    world.open(&consumer, 1, terms);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 0);
}

#[test]
fn fails_without_sol_for_rent_and_bounty() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let mut poor = world.account(&consumer.wallet()).unwrap();
    // Enough for the rent and the wallet's own, but not for the bounty.
    poor.lamports = world.rent(size_of::<::jobs::Job>() + 8) + 9_999;
    world.plant(consumer.wallet(), poor);
    refuse(&mut world, &consumer, terms(), Failure::TOO_LITTLE_SOL);
}

#[test]
fn a_job_under_another_escrow_or_on_an_unregistered_model_is_refused() {
    let mut world = World::new();
    let (consumer, other) = (world.consumer("bob"), world.consumer("carol"));
    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, terms());
    let elsewhere = substituted(&open, &consumer.job(1), &other.job(1));
    world.refuse(elsewhere, &[&consumer.owner], InstructionError::InvalidSeeds);
    let unregistered = substituted(&open, &world.model.clone(), &market::job::model(&[1; 32]));
    world.refuse(unregistered, &[&consumer.owner], InstructionError::UninitializedAccount);
}

#[track_caller]
fn refuse(world: &mut World, consumer: &Consumer, terms: JobTerms, error: impl Into<Failure>) {
    let open = market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 1, terms);
    world.refuse(open, &[&consumer.owner], error);
}

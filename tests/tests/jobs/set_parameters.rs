use ::jobs::Parameters;
use ::jobs::error::JobsError;
use ::jobs::events::ParametersChanged;
use ::jobs::state::{
    MAX_ANSWER, MAX_AUDIT, MAX_AUDIT_JOBS, MAX_BOUNTY, MAX_DEMAND_FEE, MAX_FEE_BPS, MAX_MIN_BOND, MAX_PENALTY_BPS, MAX_PRIORITY,
    MAX_REVEAL, MAX_SORTITION_SLOTS, MAX_SURCHARGE_BPS, MIN_BURN_BPS, MIN_DEMAND_FEE, MIN_QUESTION,
};
use chain::market;
use protocol::units::IO;
use solana_signer::Signer;
use tests::{PARAMETERS, World, ending, terms};

const OTHER: Parameters = Parameters {
    min_bond: 2 * IO,
    bounty: 3,
    reveal_seconds: 5,
    sortition_slots: 7,
    fee_bps: 11,
    surcharge_bps: 13,
    burn_bps: 5_017,
    penalty_bps: 19,
    watch_bps: 23,
    priority_seconds: 29,
    demand_fee: 1_000_031,
    answer_seconds: 37,
    question_seconds: 61,
    audit_jobs: 43,
    audit_floor_bps: 47,
    audit_share_bps: 53,
    audit_seconds: 59,
};

#[test]
fn replaces_all() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let set = market::job::set_parameters(&admin.pubkey(), OTHER);
    world.sweep(&set, &[&admin], &[]);
    let logs = world.send(set, &[&admin]).logs;
    assert_eq!(world.books().jobs_config.unwrap().parameters(), OTHER);
    let said: Vec<ParametersChanged> = chain::records(&::jobs::ID, &logs)
        .iter()
        .filter_map(|record| chain::decode_event(record))
        .collect();
    let [changed] = said.as_slice() else { panic!("one event") };
    assert_eq!((changed.before, changed.after), (Some(PARAMETERS), OTHER));
}

#[test]
fn fails_for_anyone_but_the_authority() {
    let mut world = World::new();
    let thief = world.wallet("thief");
    world.refuse(
        market::job::set_parameters(&thief.pubkey(), OTHER),
        &[&thief],
        JobsError::NotAuthority,
    );
}

#[test]
fn fails_when_a_parameter_lies_outside_its_bounds() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let within = [
        Parameters {
            min_bond: 1,
            bounty: 0,
            reveal_seconds: 1,
            sortition_slots: 0,
            fee_bps: 0,
            surcharge_bps: 0,
            burn_bps: MIN_BURN_BPS,
            penalty_bps: 0,
            watch_bps: 1,
            priority_seconds: 1,
            demand_fee: MIN_DEMAND_FEE,
            answer_seconds: 30,
            question_seconds: MIN_QUESTION,
            audit_jobs: 0,
            audit_floor_bps: 0,
            audit_share_bps: 0,
            audit_seconds: 1,
        },
        Parameters {
            min_bond: MAX_MIN_BOND,
            bounty: MAX_BOUNTY,
            reveal_seconds: MAX_REVEAL,
            sortition_slots: MAX_SORTITION_SLOTS,
            fee_bps: MAX_FEE_BPS,
            surcharge_bps: MAX_SURCHARGE_BPS,
            burn_bps: 10_000,
            penalty_bps: MAX_PENALTY_BPS,
            watch_bps: 10_000,
            priority_seconds: MAX_PRIORITY,
            demand_fee: MAX_DEMAND_FEE,
            answer_seconds: MAX_ANSWER,
            question_seconds: MAX_ANSWER,
            audit_jobs: MAX_AUDIT_JOBS,
            audit_floor_bps: 10_000,
            audit_share_bps: 10_000,
            audit_seconds: MAX_AUDIT,
        },
    ];
    for parameters in within {
        world.send(market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    }
    let beyond = [
        Parameters { min_bond: 0, ..OTHER },
        Parameters {
            min_bond: MAX_MIN_BOND + 1,
            ..OTHER
        },
        Parameters {
            bounty: MAX_BOUNTY + 1,
            ..OTHER
        },
        Parameters {
            reveal_seconds: 0,
            ..OTHER
        },
        Parameters {
            reveal_seconds: MAX_REVEAL + 1,
            ..OTHER
        },
        Parameters {
            sortition_slots: MAX_SORTITION_SLOTS + 1,
            ..OTHER
        },
        Parameters {
            fee_bps: MAX_FEE_BPS + 1,
            ..OTHER
        },
        Parameters {
            surcharge_bps: MAX_SURCHARGE_BPS + 1,
            ..OTHER
        },
        Parameters {
            burn_bps: MIN_BURN_BPS - 1,
            ..OTHER
        },
        Parameters { burn_bps: 10_001, ..OTHER },
        Parameters {
            penalty_bps: MAX_PENALTY_BPS + 1,
            ..OTHER
        },
        Parameters { watch_bps: 0, ..OTHER },
        Parameters {
            watch_bps: 10_001,
            ..OTHER
        },
        Parameters {
            priority_seconds: 0,
            ..OTHER
        },
        Parameters {
            priority_seconds: MAX_PRIORITY + 1,
            ..OTHER
        },
        Parameters {
            demand_fee: MIN_DEMAND_FEE - 1,
            ..OTHER
        },
        Parameters {
            demand_fee: MAX_DEMAND_FEE + 1,
            ..OTHER
        },
        Parameters {
            answer_seconds: 29,
            ..OTHER
        },
        Parameters {
            answer_seconds: MAX_ANSWER + 1,
            ..OTHER
        },
        Parameters {
            question_seconds: MIN_QUESTION - 1,
            ..OTHER
        },
        Parameters {
            question_seconds: MAX_ANSWER + 1,
            ..OTHER
        },
        Parameters {
            audit_jobs: MAX_AUDIT_JOBS + 1,
            ..OTHER
        },
        Parameters {
            audit_floor_bps: 10_001,
            ..OTHER
        },
        Parameters {
            audit_share_bps: 10_001,
            ..OTHER
        },
        Parameters { audit_seconds: 0, ..OTHER },
        Parameters {
            audit_seconds: MAX_AUDIT + 1,
            ..OTHER
        },
    ];
    for parameters in beyond {
        let set = market::job::set_parameters(&admin.pubkey(), parameters);
        world.refuse(set, &[&admin], JobsError::ParameterOutOfBounds);
    }
}

#[test]
fn open_jobs_keep_the_fees_bounty_and_penalty_they_were_opened_with() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let (paid, late) = (world.open(&consumer, 1, terms()), world.open(&consumer, 2, terms()));
    let dear = Parameters {
        bounty: MAX_BOUNTY,
        fee_bps: MAX_FEE_BPS,
        penalty_bps: MAX_PENALTY_BPS,
        ..PARAMETERS
    };
    world.send(market::job::set_parameters(&admin.pubkey(), dear), &[&admin]);
    world.claim(&worker, &late);
    world.work(&worker, &paid);
    world.wait(600);
    let cranker = world.wallet("carol");
    let before = world.lamports(&cranker.pubkey());
    world.send(
        market::job::settle_job(&cranker.pubkey(), &ending(&consumer, &worker, &paid), &worker.tokens),
        &[&cranker],
    );
    world.send(
        market::job::timeout_job(&cranker.pubkey(), &ending(&consumer, &worker, &late)),
        &[&cranker],
    );
    assert_eq!(world.lamports(&cranker.pubkey()) - before, 20_000);
    assert_eq!(world.escrow(&consumer.escrow).fees.get(), 2 * 2_500_000);
    assert_eq!(world.device(&worker.device).forfeited.get(), IO / 2);
}

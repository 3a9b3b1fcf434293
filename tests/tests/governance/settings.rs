//! A change affects only the values that it names, so that decisions made side by side do not undo each other.

use super::{House, YES};
use chain::idl::{self, Values};
use chain::market::{costake, govern, job, reward, slash, stake};
use governance::{RuleChanges, Rules};
use serde_json::Value;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::collections::BTreeSet;
use tests::{GPU, RULES, World, gpu_spec};

/// Makes the instruction that sets every value to what it is now.
type Now = fn(&World, &Address) -> Instruction;

fn values(instruction: &Instruction) -> Values {
    idl::decode(instruction).unwrap().values
}

/// The size of a GPU model's work, which is set as a whole.
const WORK: [&str; 3] = ["work_width", "work_bytes", "work_layers"];

/// For each value in `other`: sets only that value, and checks that the rest stays as it was.
fn each_alone(world: &World, now: Now, other: &Instruction, mut make: impl FnMut(&mut World, &Instruction)) {
    let authority = other.accounts[0].pubkey;
    let (before, wanted) = (now(world, &authority), values(other));
    for (name, value) in &wanted {
        assert_ne!(value, &values(&before)[name], "{name} would not change");
        let with = |other: &str| other == name || (WORK.contains(&name.as_str()) && WORK.contains(&other));
        let named = wanted
            .iter()
            .filter(|(other, _)| with(other))
            .map(|(name, value)| (name.clone(), value.clone()));
        let named = Values::from_iter(named);
        let change = idl::replace(&before, &named).unwrap();
        let mut world = world.clone();
        make(&mut world, &change);
        let mut expected = values(&before);
        expected.extend(named);
        assert_eq!(values(&now(&world, &authority)), expected, "{name}");
    }
    let mut world = world.clone();
    make(&mut world, other);
    assert_eq!(values(&now(&world, &authority)), wanted);
}

#[test]
fn each_value_is_set_alone() {
    let mut world = World::new();
    world.start_emission(RULES, 0);
    let (admin, by) = (world.admin.clone(), world.admin.pubkey());
    let [first, second, third] = ["first", "second", "third"].map(|name| world.wallet(name).pubkey());
    let work = protocol::work::Size::new(10, 17, 1).unwrap().logarithms();
    let spec = staking::state::GpuSpec {
        vram_gb: 80,
        pool: staking::state::POOL_ENTERPRISE,
        work_width: work[0],
        work_bytes: work[1],
        work_layers: work[2],
        ..gpu_spec("H100 80GB", 1_100, false)
    };
    let cases: [(Now, Instruction); 9] = [
        (
            |world, by| stake::set_parameters(by, world.books().staking_config.unwrap().parameters()),
            stake::set_parameters(
                &by,
                staking::Parameters {
                    base_stake: 7,
                    cooldown: 11,
                    raise_grace: 13,
                    probation: 17,
                    appeal: 15 * 86_400,
                },
            ),
        ),
        (
            |world, by| {
                let config = world.books().staking_config.unwrap();
                stake::set_authorities(by, &config.authority, &config.guardian)
            },
            stake::set_authorities(&by, &first, &second),
        ),
        (
            |world, by| {
                let config = world.books().staking_config.unwrap();
                slash::set_judges(by, &config.slash_proposer, &config.slash_approver)
            },
            slash::set_judges(&by, &first, &second),
        ),
        (
            |world, by| stake::update_gpu_model(by, GPU, world.books().gpu_models[&stake::gpu_model(GPU)].spec()),
            stake::update_gpu_model(&by, GPU, spec),
        ),
        (
            |world, by| {
                let emission = world.books().emission.unwrap();
                reward::set_rules(by, emission.rules(), Some(emission.verifier))
            },
            reward::set_rules(
                &by,
                staking::RewardRules {
                    min_uptime: 1,
                    answer_seconds: 2,
                    call_bps: 3,
                    enterprise_bps: 4,
                    multiplier_weight: 5,
                    tier_weight: 6,
                    hired_weight: 7,
                    shards: 8,
                },
                Some(first),
            ),
        ),
        (
            |world, by| costake::set_parameters(by, world.books().costaking_config.unwrap().parameters()),
            costake::set_parameters(
                &by,
                costaking::Parameters {
                    wait: 86_401,
                    capacity_bps: 2,
                    min_share_bps: 3,
                },
            ),
        ),
        (
            |world, by| {
                let config = world.books().costaking_config.unwrap();
                costake::set_authorities(by, &config.authority, &config.guardian)
            },
            costake::set_authorities(&by, &first, &second),
        ),
        (
            |world, by| job::set_parameters(by, world.books().jobs_config.unwrap().parameters()),
            job::set_parameters(
                &by,
                jobs::Parameters {
                    min_bond: 1,
                    bounty: 2,
                    reveal_seconds: 3,
                    sortition_slots: 4,
                    fee_bps: 5,
                    surcharge_bps: 6,
                    burn_bps: 5_007,
                    penalty_bps: 8,
                    watch_bps: 9,
                    priority_seconds: 10,
                    demand_fee: 1_000_011,
                    answer_seconds: 31,
                    question_seconds: 62,
                    audit_jobs: 13,
                    audit_floor_bps: 14,
                    audit_share_bps: 15,
                    audit_seconds: 16,
                },
            ),
        ),
        (
            |world, by| {
                let config = world.books().jobs_config.unwrap();
                job::set_authorities(by, &config.authority, &config.guardian, &config.treasury)
            },
            job::set_authorities(&by, &first, &second, &third),
        ),
    ];
    for (now, other) in cases {
        each_alone(&world, now, &other, |world, change| {
            world.send(change.clone(), &[&admin]);
        });
    }
}

#[test]
fn each_rule_is_set_alone_and_each_element_of_an_array() {
    let house = House::new();
    let now: Now = |world, _| govern::set_rules(world.books().governance_config.unwrap().rules());
    let rules = Rules {
        quorum_bps: [110, 120, 130, 140],
        approval_bps: [5_010, 5_020, 5_030, 5_040],
        timelock: [1, 86_402, 86_403, 1_209_604],
        voting: 86_405,
        expiry: 86_406,
        veto_bps: 2_507,
        deposit: 8,
    };
    let (proposer, voters) = (house.proposer.clone(), [house.alice.clone(), house.bob.clone()]);
    let decide = |world: &mut World, change: &Instruction| {
        world.decide(&proposer, &voters.each_ref(), std::slice::from_ref(change));
    };
    each_alone(&house.world, now, &govern::set_rules(rules), decide);
    for (name, list) in values(&govern::set_rules(rules)) {
        for place in 0..list.as_array().map_or(0, Vec::len) {
            let before = now(&house.world, &Address::default());
            let mut wanted = values(&before);
            wanted[&name][place] = list[place].clone();
            let change = idl::replace(&before, &Values::from_iter([(name.clone(), wanted[&name].clone())])).unwrap();
            let named = values(&change)[&name]
                .as_array()
                .unwrap()
                .iter()
                .filter(|value| **value != Value::Null)
                .count();
            assert_eq!(named, 1);
            let mut world = house.world.clone();
            decide(&mut world, &change);
            assert_eq!(values(&now(&world, &Address::default())), wanted, "{name}, {place}");
        }
    }
}

#[test]
fn proposals_side_by_side_overwrite_each_other_only_in_what_both_name() {
    let mut house = House::new();
    let authority = govern::authority();
    let change = |changes: jobs::ParameterChanges| job::set_parameters(&authority, changes);
    let timelock = |place: usize, seconds| {
        let mut changes = RuleChanges::default();
        changes.timelock[place] = Some(seconds);
        govern::set_rules(changes)
    };
    let first = [
        change(jobs::ParameterChanges {
            bounty: Some(1),
            fee_bps: Some(2),
            ..Default::default()
        }),
        timelock(1, 3 * 86_400),
    ];
    let second = [
        change(jobs::ParameterChanges {
            bounty: Some(3),
            audit_jobs: Some(4),
            ..Default::default()
        }),
        timelock(2, 4 * 86_400),
    ];
    let proposer = house.proposer.clone();
    let both = [first, second].map(|what| (house.world.propose(&proposer, &what), what));
    let voters = [house.alice.clone(), house.bob.clone()];
    for (proposal, _) in &both {
        for voter in &voters {
            house.world.vote(voter, proposal, YES);
        }
    }
    for (proposal, _) in &both {
        house.world.count_votes(proposal);
    }
    house.world.go_to_time(house.world.proposal(&both[1].0).eta.get());
    let before = house.world.books().jobs_config.unwrap().parameters();
    for (proposal, what) in &both {
        for (index, what) in (0..).zip(what) {
            house.world.send(govern::execute(proposal, index, what), &[]);
        }
    }
    let wanted = jobs::Parameters {
        bounty: 3,
        fee_bps: 2,
        audit_jobs: 4,
        ..before
    };
    assert_eq!(house.world.books().jobs_config.unwrap().parameters(), wanted);
    let rules = house.world.books().governance_config.unwrap().rules();
    assert_eq!(rules.timelock, [0, 3 * 86_400, 4 * 86_400, 14 * 86_400]);
}

/// K2: docs/AUTHORITIES.md lists the bounds of every setting, and of no setting that no longer exists.
#[test]
fn every_setting_has_its_bounds_in_a_document() {
    let read = |path: &str| std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let document = read("docs/AUTHORITIES.md");
    for (program, settings) in [
        ("jobs", "Parameters"),
        ("staking", "Parameters"),
        ("staking", "RewardRules"),
        ("staking", "GpuSpec"),
        ("costaking", "Parameters"),
        ("governance", "Rules"),
    ] {
        let idl: Value = serde_json::from_str(&read(&format!("idl/{program}.json"))).unwrap();
        let types = idl["types"].as_array().unwrap();
        let of = types.iter().find(|of| of["name"] == settings).unwrap();
        let fields = of["type"]["fields"].as_array().unwrap();
        let fields: BTreeSet<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let start = format!("| `{program}::{settings}` | ");
        let row = document.lines().find_map(|line| line.strip_prefix(&start)).expect(&start);
        let named: BTreeSet<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, fields, "{start}");
    }
}

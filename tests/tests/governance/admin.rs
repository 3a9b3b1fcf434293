use super::{House, YES};
use chain::market::{costake, govern, job, stake};
use governance::Rules;
use governance::error::GovernanceError;
use governance::events::{ProgramPaused, RulesChanged};
use protocol::units::IO;
use solana_address::Address;
use solana_signer::Signer;
use tests::{Failure, Fault, RULES, World};

#[test]
fn only_the_upgrade_authority_creates_the_config_within_bounds_and_once() {
    let mut world = World::new();
    let (payer, admin, io) = (world.payer.pubkey(), world.admin.clone(), world.io);
    let now = world.now().unix;
    let begin = |who: Address, rules, until| govern::initialize(&payer, &who, &io, rules, Default::default(), until);
    // Unpaid rewards do not circulate, so their vault must exist.
    let early = world.attempt(&[begin(admin.pubkey(), Rules::PUBLISHED, now)], &[&admin]);
    assert!(early.is_err());
    world.start_emission(RULES, IO);
    let thief = world.wallet("thief");
    world.refuse(
        begin(thief.pubkey(), Rules::PUBLISHED, now),
        &[&thief],
        GovernanceError::NotUpgradeAuthority,
    );
    let year = 366 * 86_400;
    let now = world.now().unix;
    world.refuse(
        begin(admin.pubkey(), Rules::PUBLISHED, now + year + 1),
        &[&admin],
        GovernanceError::RuleOutOfBounds,
    );
    let rules = Rules {
        voting: 0,
        ..Rules::PUBLISHED
    };
    world.refuse(begin(admin.pubkey(), rules, now), &[&admin], GovernanceError::RuleOutOfBounds);
    let valid = begin(admin.pubkey(), Rules::PUBLISHED, now + year);
    let said = world.send(valid.clone(), &[&admin]).events::<RulesChanged>(&governance::ID);
    let [first] = said.as_slice() else { panic!("one event") };
    assert_eq!((first.before, first.after), (None, Rules::PUBLISHED));
    world.refuse(valid, &[&admin], Failure::ALREADY_IN_USE);
}

/// No decision can put governance out of reach: each rule has a lower and an upper bound.
#[test]
fn rules_have_both_ends() {
    let base = Rules::PUBLISHED;
    assert!(base.validate().is_ok());
    let ends = |inside: [Rules; 2], outside: [Rules; 2]| {
        assert!(inside.iter().all(|rules| rules.validate().is_ok()));
        assert!(outside.iter().all(|rules| rules.validate().is_err()));
    };
    let quorum = |share| Rules {
        quorum_bps: [share; 4],
        ..base
    };
    ends([quorum(100), quorum(2_000)], [quorum(99), quorum(2_001)]);
    let approval = |share| Rules {
        approval_bps: [share; 4],
        ..base
    };
    ends([approval(5_000), approval(8_000)], [approval(4_999), approval(8_001)]);
    let veto = |veto_bps| Rules { veto_bps, ..base };
    ends([veto(2_500), veto(5_000)], [veto(2_499), veto(5_001)]);
    let voting = |voting| Rules { voting, ..base };
    ends([voting(86_400), voting(30 * 86_400)], [voting(86_399), voting(30 * 86_400 + 1)]);
    let expiry = |expiry| Rules { expiry, ..base };
    ends([expiry(86_400), expiry(30 * 86_400)], [expiry(86_399), expiry(30 * 86_400 + 1)]);
    let least = [0, 86_400, 86_400, 14 * 86_400];
    for (kind, least) in least.into_iter().enumerate() {
        let lock = |seconds| {
            let mut rules = base;
            rules.timelock[kind] = seconds;
            rules
        };
        assert!(lock(least).validate().is_ok() && lock(30 * 86_400).validate().is_ok());
        assert!(least == 0 || lock(least - 1).validate().is_err(), "{kind}");
        assert!(lock(30 * 86_400 + 1).validate().is_err());
    }
    let deposit = |deposit| Rules { deposit, ..base };
    ends([deposit(0), deposit(100_000 * IO)], [deposit(100_000 * IO + 1), deposit(u64::MAX)]);
}

#[test]
fn nothing_but_a_proposal_changes_the_rules_or_the_guardian() {
    let mut house = House::new();
    let thief = house.world.wallet("thief");
    for mut attempt in [govern::set_rules(Rules::PUBLISHED), govern::set_guardian(thief.pubkey(), 0)] {
        attempt.accounts[0].pubkey = thief.pubkey();
        house.world.refuse(attempt, &[&thief], GovernanceError::NotGovernance);
    }
    let rules = Rules {
        voting: 3 * 86_400,
        deposit: 500 * IO,
        ..Rules::PUBLISHED
    };
    let (voters, proposer) = ([&house.alice, &house.bob, &house.carol], house.proposer.clone());
    let until = house.world.now().unix + 100 * 86_400;
    let what = [govern::set_rules(rules), govern::set_guardian(thief.pubkey(), until)];
    let proposal = house.world.decide(&proposer, &voters, &what);
    let config = house.world.books().governance_config.unwrap();
    assert_eq!(config.rules(), rules);
    assert_eq!((config.guardian, config.guardian_until.get()), (thief.pubkey(), until));
    // The stricter of the two kinds decided.
    assert_eq!(house.world.proposal(&proposal).kind, 3);
}

/// K5: the guardian stops new business of three programs for its term, and can do nothing else.
#[test]
fn the_guardian_pauses_and_only_a_proposal_resumes() {
    let mut house = House::new();
    let guardian = house.guardian.clone();
    for program in [staking::ID, costaking::ID, jobs::ID] {
        let pause = govern::pause(&guardian.pubkey(), program);
        let other = (program, Fault::OtherProgram, Some(GovernanceError::NotPausable.into()));
        house.world.sweep(&pause, &[&guardian], &[other]);
        let said = house.world.send(pause, &[&guardian]).events::<ProgramPaused>(&governance::ID);
        let [paused] = said.as_slice() else { panic!("one event") };
        assert_eq!((paused.program, paused.guardian), (program, guardian.pubkey()));
    }
    let books = house.world.books();
    assert!(books.staking_config.unwrap().paused.get());
    assert!(books.costaking_config.unwrap().paused.get());
    assert!(books.jobs_config.unwrap().paused.get());
    house.world.refuse(
        govern::pause(&guardian.pubkey(), referee::ID),
        &[&guardian],
        GovernanceError::NotPausable,
    );
    // Exits stay open.
    let (carol, thief) = (house.carol.clone(), house.world.wallet("thief"));
    house.world.send(stake::unstake(&carol.wallet(), &carol.device), &[&carol.owner]);
    house
        .world
        .refuse(govern::pause(&thief.pubkey(), staking::ID), &[&thief], GovernanceError::NotGuardian);
    // The guardian cannot resume, not even by calling the programs directly.
    let resume = stake::set_paused(&guardian.pubkey(), false);
    house.world.refuse(resume, &[&guardian], staking::error::StakingError::NotGuardian);
    let authority = govern::authority();
    let what = [
        stake::set_paused(&authority, false),
        costake::set_paused(&authority, false),
        job::set_paused(&authority, false),
    ];
    let (voters, proposer) = ([&house.alice, &house.bob], house.proposer.clone());
    house.world.decide(&proposer, &voters, &what);
    assert!(!house.world.books().jobs_config.unwrap().paused.get());

    let until = house.world.books().governance_config.unwrap().guardian_until.get();
    for (at, allowed) in [(until - 1, true), (until, false)] {
        let mut world = house.world.clone();
        world.go_to_time(at);
        let pause = govern::pause(&guardian.pubkey(), staking::ID);
        if allowed {
            world.send(pause, &[&guardian]);
        } else {
            world.refuse(pause, &[&guardian], GovernanceError::NotGuardian);
        }
    }
}

/// A guardian is replaced as soon as the vote is over, and with half the quorum of any other decision.
#[test]
fn a_guardian_is_replaced_without_a_timelock() {
    let mut house = House::new();
    let next = house.world.wallet("next");
    let until = house.world.now().unix + 86_400;
    let proposer = house.proposer.clone();
    let what = govern::set_guardian(next.pubkey(), until);
    let proposal = house.world.propose(&proposer, std::slice::from_ref(&what));
    house.world.vote(&house.alice.clone(), &proposal, YES);
    house.world.count_votes(&proposal);
    house.world.send(govern::execute(&proposal, 0, &what), &[]);
    assert_eq!(house.world.books().governance_config.unwrap().guardian, next.pubkey());
}

use super::{DAY, House, NO, VETO, YES, change};
use anchor_lang::Id;
use anchor_lang::programs::System;
use chain::market::{LOADER, costake, govern, job, permit, reward, slash, stake};
use governance::error::GovernanceError;
use governance::{RuleChanges, Rules, Status};
use protocol::ballot::MIN_AGE;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_signer::Signer;
use staking::GpuSpecChanges;
use staking::state::GpuSpec;
use tests::{Failure, OFFER, title};

#[test]
fn a_title_must_be_readable() {
    let mut house = House::new();
    let (proposer, world) = (house.proposer.clone(), &mut house.world);
    let create = |title| govern::create(&proposer.address(), 0, title, [7; 32]);
    let mut gap = title("a b");
    gap[1] = 0;
    for bad in [[0; 64], gap, title("a\u{1b}[2J"), title("caf\u{e9}")] {
        world.refuse(create(bad), &[&proposer.wallet], GovernanceError::InvalidTitle);
    }
    let valid = create([b'x'; 64]);
    world.sweep(&valid, &[&proposer.wallet], &[]);
    world.send(valid, &[&proposer.wallet]);
    // Each proposer has ids of its own, so that nobody else can take an address first.
    world.refuse(create(title("again")), &[&proposer.wallet], Failure::ALREADY_IN_USE);
    let other = world.proposer("another one");
    world.send(govern::create(&other.address(), 0, title("b"), [7; 32]), &[&other.wallet]);
    let [first, second] = [&proposer, &other].map(|proposer| world.proposal(&govern::proposal(&proposer.address(), 0)));
    assert_eq!((first.index.get(), second.index.get()), (0, 1));
}

#[test]
fn instructions_are_written_once_in_order_by_the_proposer_alone() {
    let mut house = House::new();
    let (proposer, thief) = (house.proposer.clone(), house.world.proposer("thief"));
    let world = &mut house.world;
    let who = proposer.address();
    let proposal = world.draft(&proposer, &[]);
    for length in [32, 9_001] {
        world.refuse(
            govern::open_payload(&who, &proposal, 0, length),
            &[&proposer.wallet],
            GovernanceError::InvalidInstruction,
        );
    }
    let open = govern::open_payload(&who, &proposal, 0, 100);
    world.sweep(&open, &[&proposer.wallet], &[]);
    world.refuse(
        govern::open_payload(&thief.address(), &proposal, 0, 100),
        &[&thief.wallet],
        GovernanceError::NotProposer,
    );
    world.send(open, &[&proposer.wallet]);
    // A second instruction can only be started when this one is complete.
    world.refuse(
        govern::submit(&who, &proposal, &world.io.clone()),
        &[&proposer.wallet],
        GovernanceError::InvalidCount,
    );
    let bytes = governance::state::encode(&Instruction {
        program_id: spl_token_interface::ID,
        accounts: vec![AccountMeta::new(who, false)],
        data: vec![9; 100 - 66],
    })
    .unwrap();
    let write = |offset: u32, bytes: &[u8]| govern::write_payload(&who, &proposal, 0, offset, bytes.to_vec());
    for (offset, piece) in [(1, &bytes[1..40]), (0, &bytes[..0]), (0, &[bytes.as_slice(), &[0]].concat()[..])] {
        world.refuse(write(offset, piece), &[&proposer.wallet], GovernanceError::OutOfOrder);
    }
    world.send(write(0, &bytes[..60]), &[&proposer.wallet]);
    let rest = write(60, &bytes[60..]);
    world.sweep(&rest, &[&proposer.wallet], &[]);
    world.refuse(
        govern::write_payload(&thief.address(), &proposal, 0, 60, bytes[60..].to_vec()),
        &[&thief.wallet],
        GovernanceError::NotProposer,
    );
    // A withdrawn draft can no longer change.
    let mut cancelled = world.clone();
    cancelled.send(govern::cancel(&who, &proposal), &[&proposer.wallet]);
    cancelled.refuse(rest.clone(), &[&proposer.wallet], GovernanceError::WrongStatus);
    world.send(rest.clone(), &[&proposer.wallet]);
    world.refuse(rest, &[&proposer.wallet], GovernanceError::OutOfOrder);
    assert_eq!(world.proposal(&proposal).kind, 2);
    // Accounts beyond the end of the bytes, and unknown flags.
    let short = [&[7; 32][..], &[1], &[7; 32]].concat();
    let flags = [&[7; 32][..], &[1], &[7; 32], &[4]].concat();
    for bad in [short, flags] {
        let mut world = world.clone();
        world.send(govern::open_payload(&who, &proposal, 1, bad.len() as u32), &[&proposer.wallet]);
        let write = govern::write_payload(&who, &proposal, 1, 0, bad);
        world.refuse(write, &[&proposer.wallet], GovernanceError::InvalidInstruction);
    }
    // Any other signer could choose when it is executed.
    let add = stake::add_gpu_model(&who, &govern::authority(), 901, tests::gpu_spec("H300", 4_000, true));
    let foreign = governance::state::encode(&add).unwrap();
    let mut signed = world.clone();
    signed.send(govern::open_payload(&who, &proposal, 1, foreign.len() as u32), &[&proposer.wallet]);
    let write = govern::write_payload(&who, &proposal, 1, 0, foreign);
    signed.refuse(write, &[&proposer.wallet], GovernanceError::ForeignSigner);
    // An incomplete second instruction keeps the vote from opening.
    let mut half = world.clone();
    half.send(govern::open_payload(&who, &proposal, 1, 100), &[&proposer.wallet]);
    let submit = govern::submit(&who, &proposal, &half.io.clone());
    half.refuse(submit, &[&proposer.wallet], GovernanceError::Incomplete);
    // Nothing can change once the vote is open.
    world.send(govern::submit(&who, &proposal, &world.io.clone()), &[&proposer.wallet]);
    let more = govern::open_payload(&who, &proposal, 1, 100);
    world.refuse(more, &[&proposer.wallet], GovernanceError::WrongStatus);
}

#[test]
fn a_proposal_has_at_most_sixteen_instructions() {
    let mut house = House::new();
    let (proposer, all) = (house.proposer.clone(), vec![change(1); 16]);
    let proposal = house.world.draft(&proposer, &all);
    let more = govern::open_payload(&proposer.address(), &proposal, 16, 100);
    house.world.refuse(more, &[&proposer.wallet], GovernanceError::InvalidCount);
}

/// A proposal's kind depends on what its instructions can do, not on what it claims.
#[test]
fn the_kind_is_what_the_instructions_can_do() {
    let authority = govern::authority();
    let someone = Address::new_from_array([9; 32]);
    let token = |data: Vec<u8>| Instruction {
        program_id: spl_token_interface::ID,
        accounts: vec![],
        data,
    };
    // Instructions of the system program by number; their accounts do not matter.
    let system = |number: u32, rest: &[u8]| Instruction {
        program_id: System::id(),
        accounts: vec![],
        data: [&number.to_le_bytes(), rest].concat(),
    };
    let spec = tests::gpu_spec("RTX 4090", 300, true);
    let cases = [
        (govern::set_guardian(someone, 0), 0),
        (change(1), 1),
        (stake::update_gpu_model(&authority, 1, spec), 1),
        (reward::set_rules(&authority, tests::RULES, Some(someone)), 1),
        (costake::set_paused(&authority, false), 1),
        (slash::withdraw(&authority, &someone, &someone, 1), 1),
        (token(vec![3]), 2),
        (system(2, &[1; 8]), 2),
        // Instructions that move the treasury's tokens through one of our programs.
        (job::deposit(&authority, &someone, &someone, 1), 2),
        (permit::issue(&authority, &govern::purse(), &someone, &someone, [1; 32], 1, 1, 1), 2),
        (permit::close(&authority, &someone, &someone, &someone), 2),
        // Creating, assigning or resizing an account, or moving one in another's name, could take away the purse or the authority itself.
        (system(0, &[1; 48]), 3),
        (system(1, &[9; 32]), 3),
        (system(7, &[9; 32]), 3),
        (system(8, &[1; 8]), 3),
        (system(10, &[9; 32]), 3),
        (system(11, &[1; 8]), 3),
        (system(2 << 8, &[]), 3),
        // And unknown instructions.
        (stake::stake(&authority, &someone, &someone, 1), 3),
        (stake::unstake(&authority, &someone), 3),
        (job::sweep_fees(&someone, &someone, &someone), 3),
        (govern::set_rules(Rules::PUBLISHED), 3),
        (stake::set_authorities(&authority, &someone, &someone), 3),
        (costake::set_authorities(&authority, &someone, &someone), 3),
        (job::set_authorities(&authority, &someone, &someone, &someone), 3),
        (slash::set_judges(&authority, &someone, &someone), 3),
        // The loader, here to hand over a program, and unknown programs, which could pass on the authority's signature, whatever they are
        // called with.
        (govern::upgrade(&someone, &someone, [7; 32]), 3),
        (
            Instruction {
                program_id: LOADER,
                accounts: vec![],
                data: vec![4, 0, 0, 0],
            },
            3,
        ),
        (
            Instruction {
                program_id: someone,
                accounts: vec![],
                data: system(2, &[1; 8]).data,
            },
            3,
        ),
    ];
    for (what, kind) in cases {
        let mut house = House::new();
        let proposer = house.proposer.clone();
        let proposal = house.world.draft(&proposer, &[change(1), what.clone()]);
        assert_eq!(house.world.proposal(&proposal).kind, kind.max(1), "{what:?}");
        let proposal = house.world.draft(&proposer, &[what]);
        assert_eq!(house.world.proposal(&proposal).kind, kind);
    }
}

/// Values out of bounds are refused when they are proposed, not when they are executed.
#[test]
fn parameters_out_of_bounds_are_not_proposed() {
    let mut house = House::new();
    let (proposer, authority) = (house.proposer.clone(), govern::authority());
    let costaking = costaking::ParameterChanges {
        wait: Some(u32::MAX),
        ..Default::default()
    };
    let jobs = jobs::ParameterChanges {
        fee_bps: Some(1_001),
        ..Default::default()
    };
    let rewards = staking::RewardRuleChanges {
        shards: Some(0),
        ..Default::default()
    };
    let gpu = |changes| stake::update_gpu_model(&authority, 1, changes);
    let unreadable = GpuSpec {
        name: [0; 32],
        ..tests::gpu_spec("RTX 4090", 300, true)
    };
    let mut cut = change(1);
    cut.data.truncate(12);
    let bad = [
        change(u32::MAX),
        costake::set_parameters(&authority, costaking),
        job::set_parameters(&authority, jobs),
        reward::set_rules(&authority, rewards, None),
        govern::set_rules(RuleChanges {
            deposit: Some(u64::MAX),
            ..Default::default()
        }),
        gpu(GpuSpecChanges {
            name: Some([27; 32]),
            ..Default::default()
        }),
        gpu(GpuSpecChanges {
            pool: Some(2),
            ..Default::default()
        }),
        gpu(GpuSpecChanges {
            work_layers: Some(1),
            ..Default::default()
        }),
        gpu(GpuSpecChanges {
            work_width: Some(9),
            work_bytes: Some(12),
            work_layers: Some(1),
            ..Default::default()
        }),
        stake::add_gpu_model(&authority, &authority, 99, unreadable),
        cut,
    ];
    let proposal = house.world.draft(&proposer, &[]);
    for what in bad {
        let mut world = house.world.clone();
        let steps = govern::include(&proposer.address(), &proposal, 0, &what).unwrap();
        world.send(steps[0].clone(), &[&proposer.wallet]);
        world.refuse(steps[1].clone(), &[&proposer.wallet], GovernanceError::ParameterOutOfBounds);
    }
}

/// A buffer's address does not tell which code it would hold.
#[test]
fn an_upgrade_that_does_not_name_its_code_is_not_proposed() {
    let mut house = House::new();
    let proposer = house.proposer.clone();
    let proposal = house.world.draft(&proposer, &[]);
    let upgrade = 3u32.to_le_bytes();
    let calls = [
        (LOADER, vec![], upgrade.to_vec()),
        // The loader ignores trailing bytes.
        (LOADER, vec![], [&upgrade[..], &[7; 32]].concat()),
        // Through a program that could be anything by then.
        (
            Address::new_from_array([5; 32]),
            vec![AccountMeta::new_readonly(LOADER, false)],
            vec![],
        ),
    ];
    for (program_id, accounts, data) in calls {
        let what = Instruction {
            program_id,
            accounts,
            data,
        };
        let mut world = house.world.clone();
        let steps = govern::include(&proposer.address(), &proposal, 0, &what).unwrap();
        world.send(steps[0].clone(), &[&proposer.wallet]);
        world.refuse(steps[1].clone(), &[&proposer.wallet], GovernanceError::CodeNotNamed);
        let submit = govern::submit(&proposer.address(), &proposal, &world.io.clone());
        world.refuse(submit, &[&proposer.wallet], GovernanceError::InvalidCount);
    }
}

#[test]
fn the_vote_opens_with_a_deposit_and_under_the_rules_in_force() {
    let mut house = House::new();
    let (proposer, io) = (house.proposer.clone(), house.world.io);
    let empty = house.world.draft(&proposer, &[]);
    let world = &mut house.world;
    let submit = |proposal| govern::submit(&proposer.address(), proposal, &io);
    world.refuse(submit(&empty), &[&proposer.wallet], GovernanceError::InvalidCount);
    let proposal = world.draft(&proposer, &[change(1)]);
    world.sweep(&submit(&proposal), &[&proposer.wallet], &[]);
    let before = world.balance(&proposer.tokens);
    world.send(submit(&proposal), &[&proposer.wallet]);
    assert_eq!(before - world.balance(&proposer.tokens), 1_000 * IO);
    world.refuse(submit(&proposal), &[&proposer.wallet], GovernanceError::WrongStatus);
    let now = world.now().unix;
    let open = world.proposal(&proposal);
    let times = [open.opened_at, open.voting_ends, open.eta, open.expires_at].map(|time| time.get() - now);
    assert_eq!(times, [0, 7 * DAY, 9 * DAY, 23 * DAY]);
    // A tenth of what circulates: the supply less unpaid rewards.
    let circulating = world.supply(&io) - world.balance(&reward::vault());
    assert_eq!(open.quorum.get(), circulating.div_ceil(10));
    // Without enough $IO there is no vote.
    let poor = world.proposer("poor");
    let second = world.propose(&poor, &[change(1)]);
    let third = world.draft(&poor, &[change(2)]);
    let fourth = world.draft(&poor, &[change(3)]);
    world.send(govern::submit(&poor.address(), &third, &io), &[&poor.wallet]);
    let failure = spl_token_interface::error::TokenError::InsufficientFunds;
    world.refuse(govern::submit(&poor.address(), &fourth, &io), &[&poor.wallet], failure);
    assert_ne!(second, third);
}

#[test]
fn a_proposer_may_withdraw_unless_the_proposal_is_being_vetoed() {
    let mut house = House::new();
    let (proposer, thief, io) = (house.proposer.clone(), house.world.proposer("thief"), house.world.io);
    let world = &mut house.world;
    let dora = world.newcomer("dora");
    let little = stake::stake(&dora.wallet(), &dora.device, &dora.tokens, 300 * IO);
    world.send(little, &[&dora.owner]);
    world.wait(protocol::ballot::MIN_AGE);
    let proposal = world.propose(&proposer, &[change(1)]);
    let cancel = govern::cancel(&proposer.address(), &proposal);
    world.sweep(&cancel, &[&proposer.wallet], &[]);
    world.refuse(
        govern::cancel(&thief.address(), &proposal),
        &[&thief.wallet],
        GovernanceError::NotProposer,
    );
    // Vetoes block a withdrawal even before there are enough of them for a decision.
    let mut few = world.clone();
    few.vote(&dora, &proposal, VETO);
    assert!(few.proposal(&proposal).quorum.get() > 300 * IO);
    few.refuse(cancel.clone(), &[&proposer.wallet], GovernanceError::Vetoed);
    let mut spam = world.clone();
    spam.vote(&house.alice, &proposal, VETO);
    spam.refuse(cancel.clone(), &[&proposer.wallet], GovernanceError::Vetoed);
    spam.vote(&house.bob, &proposal, NO);
    spam.vote(&house.carol, &proposal, NO);
    let mut late = spam.clone();
    spam.send(cancel.clone(), &[&proposer.wallet]);
    // Once voting has ended the votes are counted, so a withdrawal comes too late.
    late.go_to_time(late.proposal(&proposal).voting_ends.get() - 1);
    late.clone().send(cancel.clone(), &[&proposer.wallet]);
    late.wait(1);
    late.refuse(cancel.clone(), &[&proposer.wallet], GovernanceError::WrongStatus);

    world.send(cancel.clone(), &[&proposer.wallet]);
    world.refuse(cancel, &[&proposer.wallet], GovernanceError::WrongStatus);
    let vote = govern::vote_stake(&house.alice.wallet(), (&proposal, 0), &house.alice.device, None, YES);
    world.refuse(vote, &[&house.alice.owner], GovernanceError::VotingOver);
    let release = govern::release_deposit(&proposal, &proposer.address(), &io);
    world.send(release, &[]);
    assert_eq!(world.balance(&proposer.tokens), 2_000 * IO);
}

/// A proposer withdraws a proposal and writes another at its address: votes already under way only count for the one that was read.
#[test]
fn a_vote_on_its_way_is_for_no_other_proposal_at_the_same_address() {
    let mut house = House::new();
    let (proposer, io) = (house.proposer.clone(), house.world.io);
    let (alice, bob, erin) = (house.alice.clone(), house.bob.clone(), house.world.co_staker("erin"));
    let who = proposer.address();
    let world = &mut house.world;
    let offer = world.offer(&house.carol, OFFER);
    let stake = world.join(&erin, &offer, 0, 100 * IO);
    world.wait(3_600 + MIN_AGE);
    let proposal = world.propose(&proposer, &[change(1)]);
    let id = world.proposal(&proposal).id.get();
    let numbered = |index| {
        let source = [&stake.device, &stake.offer, &stake.position];
        [
            (
                govern::vote_stake(&alice.wallet(), (&proposal, index), &alice.device, None, YES),
                alice.owner.clone(),
            ),
            (
                govern::vote_co_stake(&erin.address(), (&proposal, index), source, None, YES),
                erin.wallet.clone(),
            ),
            (
                govern::change_vote(&bob.wallet(), (&proposal, index), &bob.device, None, YES),
                bob.owner.clone(),
            ),
        ]
    };
    world.vote(&bob, &proposal, NO);
    let votes = numbered(0);
    for (vote, signer) in &votes {
        world.clone().send(vote.clone(), &[signer]);
    }
    world.send(govern::cancel(&who, &proposal), &[&proposer.wallet]);
    world.send(govern::release_deposit(&proposal, &who, &io), &[]);
    world.send(
        govern::close_ballot(&bob.wallet(), &proposal, &bob.device, &bob.wallet(), None),
        &[&bob.owner],
    );
    world.send(govern::close_payload(&proposal, &who, 0), &[]);
    world.send(govern::close(&proposal, &who), &[]);
    let create = govern::create(&who, id, tests::title("a proposal"), [7; 32]);
    world.send(create, &[&proposer.wallet]);
    for step in govern::include(&who, &proposal, 0, &change(2)).expect("it is short") {
        world.send(step, &[&proposer.wallet]);
    }
    world.wait(1);
    world.send(govern::submit(&who, &proposal, &io), &[&proposer.wallet]);
    world.vote(&bob, &proposal, NO);
    for (vote, signer) in votes {
        world.refuse(vote, &[&signer], GovernanceError::ProposalChanged);
    }
    for (vote, signer) in numbered(1) {
        world.send(vote, &[&signer]);
    }
    assert_eq!(world.proposal(&proposal).yes.get(), 2_100 * IO);
}

#[test]
fn an_ended_proposal_returns_deposit_and_rents_once() {
    let mut house = House::new();
    let (proposer, io) = (house.proposer.clone(), house.world.io);
    let world = &mut house.world;
    let before = world.lamports(&proposer.address());
    let proposal = world.propose(&proposer, &[change(1), change(2)]);
    world.vote(&house.alice, &proposal, NO);
    let release = govern::release_deposit(&proposal, &proposer.address(), &io);
    let close = govern::close(&proposal, &proposer.address());
    let payload = |index| govern::close_payload(&proposal, &proposer.address(), index);
    world.refuse(release.clone(), &[], GovernanceError::WrongStatus);
    world.refuse(payload(0), &[], GovernanceError::WrongStatus);
    world.refuse(close.clone(), &[], GovernanceError::ProposalInUse);
    world.count_votes(&proposal);
    assert_eq!(world.proposal(&proposal).status, Status::Defeated);
    // Neither the deposit, an instruction nor a ballot may be left.
    let ballot = govern::close_ballot(&world.payer.pubkey(), &proposal, &house.alice.device, &house.alice.wallet(), None);
    let steps = [release.clone(), payload(0), payload(1), ballot];
    for left in &steps {
        let mut world = world.clone();
        for step in steps.iter().filter(|step| *step != left) {
            world.send(step.clone(), &[]);
        }
        world.refuse(close.clone(), &[], GovernanceError::ProposalInUse);
    }
    world.sweep(&release, &[], &[]);
    let stolen = world.proposer("thief").tokens;
    let to_thief = tests::substituted(&release, &proposer.tokens, &stolen);
    world.refuse(to_thief, &[], GovernanceError::NotProposer);
    world.sweep(&payload(1), &[], &[]);
    for step in steps {
        world.send(step, &[]);
    }
    world.refuse(release, &[], GovernanceError::NoDeposit);
    assert_eq!(world.balance(&proposer.tokens), 2_000 * IO);
    world.sweep(&close, &[], &[]);
    world.send(close, &[]);
    assert_eq!(world.lamports(&proposer.address()), before);
}

#[test]
fn a_vetoed_deposit_burns() {
    let mut house = House::new();
    let (proposer, io) = (house.proposer.clone(), house.world.io);
    let world = &mut house.world;
    let proposal = world.propose(&proposer, &[change(1)]);
    world.vote(&house.alice, &proposal, VETO);
    world.vote(&house.bob, &proposal, YES);
    world.count_votes(&proposal);
    assert_eq!(world.proposal(&proposal).status, Status::Vetoed);
    // It does not expire later, which would return its deposit. Nor does a draft expire.
    let draft = world.draft(&proposer, &[]);
    world.go_to_time(world.proposal(&proposal).expires_at.get());
    for over in [&proposal, &draft] {
        world.refuse(govern::advance(over), &[], GovernanceError::NothingDue);
    }
    world.refuse(govern::close(&draft, &proposer.address()), &[], GovernanceError::ProposalInUse);
    let supply = world.supply(&io);
    world.send(govern::release_deposit(&proposal, &proposer.address(), &io), &[]);
    assert_eq!(supply - world.supply(&io), 1_000 * IO);
    assert_eq!(world.balance(&proposer.tokens), 1_000 * IO);
}

use super::{DAY, House, YES, change};
use chain::market::{govern, stake};
use governance::Status;
use governance::error::GovernanceError;
use governance::events::ProgramUpgraded;
use protocol::ballot::Kind;
use protocol::units::IO;
use solana_address::Address;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::error::InstructionError;
use solana_instruction::{AccountMeta, Instruction};
use tests::{Failure, substituted};

/// A house with a passed proposal of these instructions, at the end of its timelock.
fn passed(what: &[Instruction]) -> (House, Address) {
    let mut house = House::new();
    let proposal = pass(&mut house, what);
    (house, proposal)
}

/// Passes a proposal of these instructions and waits until the end of its timelock.
fn pass(house: &mut House, what: &[Instruction]) -> Address {
    let (proposer, voters) = (house.proposer.clone(), [house.alice.clone(), house.bob.clone()]);
    let proposal = house.world.propose(&proposer, what);
    for voter in &voters {
        house.world.vote(voter, &proposal, YES);
    }
    house.world.count_votes(&proposal);
    house.world.go_to_time(house.world.proposal(&proposal).eta.get());
    proposal
}

#[test]
fn between_timelock_and_expiry_in_order_each_once() {
    let what = [change(1), change(2)];
    let (house, proposal) = passed(&what);
    let [first, second] = [0, 1].map(|index| govern::execute(&proposal, index, &what[usize::from(index)]));
    let (eta, expires) = {
        let proposal = house.world.proposal(&proposal);
        (proposal.eta.get(), proposal.expires_at.get())
    };
    assert_eq!(expires - eta, 14 * DAY);
    // A second early, in a copy of the world.
    let mut early = House::new();
    let proposer = early.proposer.clone();
    let other = early.world.propose(&proposer, &what);
    early
        .world
        .refuse(govern::execute(&other, 0, &what[0]), &[], GovernanceError::WrongStatus);
    early.world.vote(&early.alice.clone(), &other, YES);
    early.world.count_votes(&other);
    let eta = early.world.proposal(&other).eta.get();
    early.world.go_to_time(eta - 1);
    early
        .world
        .refuse(govern::execute(&other, 0, &what[0]), &[], GovernanceError::Timelocked);
    early.world.wait(1);
    early.world.send(govern::execute(&other, 0, &what[0]), &[]);

    let mut world = house.world.clone();
    world.refuse(second.clone(), &[], GovernanceError::WrongInstruction);
    world.send(first.clone(), &[]);
    assert_eq!(world.books().staking_config.unwrap().probation.get(), 1);
    world.refuse(first.clone(), &[], GovernanceError::WrongInstruction);
    world.send(second.clone(), &[]);
    assert_eq!(world.books().staking_config.unwrap().probation.get(), 2);
    assert_eq!(world.proposal(&proposal).status, Status::Executed);
    for again in [first.clone(), second] {
        world.refuse(again, &[], GovernanceError::WrongStatus);
    }

    let mut world = house.world.clone();
    world.go_to_time(expires - 1);
    world.refuse(govern::advance(&proposal), &[], GovernanceError::NothingDue);
    world.clone().send(first.clone(), &[]);
    world.wait(1);
    world.refuse(first, &[], GovernanceError::ProposalExpired);
    world.send(govern::advance(&proposal), &[]);
    assert_eq!(world.proposal(&proposal).status, Status::Expired);
}

#[test]
fn nothing_else_than_was_voted_on() {
    let what = change(1);
    let (mut house, proposal) = passed(std::slice::from_ref(&what));
    let proposer = house.proposer.clone();
    let valid = govern::execute(&proposal, 0, &what);
    let evil = house.world.draft(&proposer, &[change(9)]);
    let world = &mut house.world;
    // Another proposal's instruction, another program, other accounts, too few and too many.
    let swapped = substituted(&valid, &govern::payload(&proposal, 0), &govern::payload(&evil, 0));
    world.refuse(swapped, &[], GovernanceError::AccountMismatch);
    for (from, to) in [
        (staking::ID, jobs::ID),
        (stake::config(), govern::config()),
        (govern::authority(), govern::purse()),
    ] {
        world.refuse(substituted(&valid, &from, &to), &[], GovernanceError::AccountsChanged);
    }
    let mut fewer = valid.clone();
    fewer.accounts.pop();
    world.refuse(fewer, &[], GovernanceError::AccountsChanged);
    let mut more = valid.clone();
    more.accounts.push(AccountMeta::new_readonly(jobs::ID, false));
    world.refuse(more, &[], GovernanceError::AccountsChanged);
    let mut none = valid.clone();
    none.accounts.truncate(2);
    world.refuse(none, &[], GovernanceError::AccountsChanged);
    world.send(valid, &[]);
}

/// The authority holds the treasury, which pays only by proposal. A payment to the proposer needs votes like any other.
#[test]
fn the_treasury_pays_what_was_decided() {
    let mut house = House::new();
    let (proposer, io) = (house.proposer.clone(), house.world.io);
    let treasury = house.world.treasury_tokens(500 * IO);
    let pay = spl_token_interface::instruction::transfer(
        &spl_token_interface::ID,
        &treasury,
        &proposer.tokens,
        &govern::authority(),
        &[],
        200 * IO,
    )
    .unwrap();
    let voters = [house.alice.clone(), house.bob.clone()];
    let proposal = house.world.decide(&proposer, &voters.each_ref(), std::slice::from_ref(&pay));
    assert_eq!(house.world.balance(&treasury), 300 * IO);
    assert_eq!(house.world.balance(&proposer.tokens), 1_200 * IO);
    house
        .world
        .refuse(govern::execute(&proposal, 0, &pay), &[], GovernanceError::WrongStatus);
    // An instruction that fails changes nothing and can be tried again.
    let second = house.world.propose(&proposer, &[pay.clone(), pay.clone()]);
    for voter in &voters {
        house.world.vote(voter, &second, YES);
    }
    house.world.count_votes(&second);
    house.world.go_to_time(house.world.proposal(&second).eta.get());
    house.world.send(govern::execute(&second, 0, &pay), &[]);
    let poor = govern::execute(&second, 1, &pay);
    let failure = spl_token_interface::error::TokenError::InsufficientFunds;
    house.world.refuse(poor.clone(), &[], failure);
    let holder = govern::authority();
    house.world.give_tokens(&holder, &io, 100 * IO);
    house.world.send(poor, &[]);
    assert_eq!(house.world.balance(&treasury), 0);
}

/// The purse pays the rent of accounts that proposals create, so nobody else needs to sign.
#[test]
fn the_purse_pays_rents() {
    let mut house = House::new();
    let (proposer, voters) = (house.proposer.clone(), [&house.alice, &house.bob]);
    let spec = tests::gpu_spec("H300", 4_000, true);
    let add = stake::add_gpu_model(&govern::purse(), &govern::authority(), 900, spec);
    let before = house.world.lamports(&govern::purse());
    house.world.decide(&proposer, &voters, &[add]);
    assert!(house.world.lamports(&govern::purse()) < before);
    assert!(house.world.books().gpu_models.contains_key(&stake::gpu_model(900)));
}

/// C3 also holds for decisions: a raised multiplier or base stake raises the minimum thirty days later.
#[test]
fn a_decision_respects_the_grace_of_a_raise() {
    let mut house = House::new();
    let (proposer, voters) = (house.proposer.clone(), [house.alice.clone(), house.bob.clone()]);
    let spec = tests::gpu_spec("RTX 4090", 400, true);
    let base = staking::ParameterChanges {
        base_stake: Some(300 * IO),
        ..staking::ParameterChanges::default()
    };
    let raises = [
        stake::update_gpu_model(&govern::authority(), tests::GPU, spec),
        stake::set_parameters(&govern::authority(), base),
    ];
    house.world.decide(&proposer, &voters.each_ref(), &raises);
    let minimum = |world: &tests::World| {
        let books = world.books();
        let (device, config) = (&books.devices[&voters[0].device], books.staking_config.unwrap());
        let gpu = &books.gpu_models[&stake::gpu_model(tests::GPU)];
        device.minimum(&config, gpu, world.now().unix).unwrap_or_default().0
    };
    assert_eq!(minimum(&house.world), tests::GPU_MINIMUM);
    house.world.wait(30 * 86_400 - 1);
    assert_eq!(minimum(&house.world), tests::GPU_MINIMUM);
    house.world.wait(1);
    assert_eq!(minimum(&house.world), 1_200 * IO);
}

/// An instruction that new code judges stricter than when it was written needs another vote.
#[test]
fn an_instruction_that_has_become_stricter_is_not_executed() {
    let what = change(1);
    let (mut house, proposal) = passed(std::slice::from_ref(&what));
    let mut account = house.world.account(&proposal).unwrap();
    let kind = 8 + std::mem::offset_of!(governance::Proposal, kind);
    assert_eq!(account.data[kind], Kind::Parameter as u8);
    account.data[kind] = Kind::Guardian as u8;
    house.world.plant(proposal, account);
    house
        .world
        .refuse(govern::execute(&proposal, 0, &what), &[], GovernanceError::StricterNow);
}

/// A vote is about code. The content of a buffer may change until the upgrade is executed, as may its authority, and after its use anything
/// may be created at its address.
#[test]
fn code_is_replaced_by_that_which_was_voted_on() {
    let buffer = Address::new_from_array([7; 32]);
    let mut house = House::new();
    let code = house.world.code(referee::ID);
    let other = [&code[..], &[0]].concat();
    let upgrade = govern::upgrade(&costaking::ID, &buffer, solana_sha256_hasher::hash(&code).to_bytes());
    let proposal = pass(&mut house, &[upgrade.clone(), upgrade.clone()]);
    let world = &mut house.world;
    assert_eq!(world.proposal(&proposal).kind, Kind::Upgrade);
    let [first, second] = [0, 1].map(|index| govern::execute(&proposal, index, &upgrade));

    world.refuse(first.clone(), &[], GovernanceError::CodeChanged);
    // The code that was voted on, in somebody else's buffer.
    world.write_buffer(buffer, proposal, &code);
    world.refuse(first.clone(), &[], Failure::from(InstructionError::IncorrectAuthority));
    // Other code, in governance's own buffer.
    world.write_buffer(buffer, govern::authority(), &other);
    world.refuse(first.clone(), &[], GovernanceError::CodeChanged);
    world.write_buffer(buffer, govern::authority(), &code);
    let call = Instruction {
        program_id: costaking::ID,
        accounts: vec![],
        data: vec![0; 8],
    };
    let before = world.clone().try_send(call.clone(), &[]).unwrap_err();
    let purse = world.lamports(&govern::purse());
    let said = world.send(first, &[]).events::<ProgramUpgraded>(&governance::ID);
    let [upgraded] = said.as_slice() else { panic!("one event") };
    let hash = solana_sha256_hasher::hash(&code).to_bytes();
    assert_eq!((upgraded.program, upgraded.sha256), (costaking::ID, hash));
    assert!(world.code(costaking::ID).starts_with(&code));
    assert_eq!(world.lamports(&buffer), 0);
    assert!(world.lamports(&govern::purse()) > purse);
    // It is another program now, which refuses to run at this address.
    assert_ne!(world.try_send(call, &[]).unwrap_err(), before);

    // The second step finds the buffer's address empty.
    world.wait(1);
    world.refuse(second.clone(), &[], GovernanceError::CodeChanged);
    world.write_buffer(buffer, govern::authority(), &other);
    world.refuse(second.clone(), &[], GovernanceError::CodeChanged);
    world.write_buffer(buffer, govern::authority(), &code);
    world.send(second, &[]);
}

/// Governance replaces the largest program's code and its own, hashing each within a transaction's compute units.
#[test]
fn no_program_is_too_large_to_be_replaced() {
    let buffers = [[7; 32], [8; 32]].map(Address::new_from_array);
    let mut house = House::new();
    let codes = [jobs::ID, governance::ID].map(|program| house.world.code(program));
    let upgrade = |at: usize, program| govern::upgrade(&program, &buffers[at], solana_sha256_hasher::hash(&codes[at]).to_bytes());
    let what = [upgrade(0, jobs::ID), upgrade(1, governance::ID)];
    let proposal = pass(&mut house, &what);
    let world = &mut house.world;
    for (buffer, code) in buffers.iter().zip(&codes) {
        world.write_buffer(*buffer, govern::authority(), code);
    }
    for (index, what) in (0..).zip(&what) {
        // Half of what a transaction may ask for.
        let limit = ComputeBudgetInstruction::set_compute_unit_limit(700_000);
        world.send_all(&[limit, govern::execute(&proposal, index, what)], &[]);
        world.wait(1);
    }
    assert_eq!(world.proposal(&proposal).status, Status::Executed);
}

#[test]
fn nobody_but_a_proposal_replaces_code() {
    let mut house = House::new();
    let (buffer, thief) = (Address::new_from_array([7; 32]), house.proposer.clone());
    let code = house.world.code(referee::ID);
    house.world.write_buffer(buffer, govern::authority(), &code);
    let upgrade = govern::upgrade(&costaking::ID, &buffer, solana_sha256_hasher::hash(&code).to_bytes());
    let attempt = substituted(&upgrade, &govern::authority(), &thief.address());
    house.world.refuse(attempt, &[&thief.wallet], GovernanceError::NotGovernance);
}

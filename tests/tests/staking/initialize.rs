use chain::market;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use staking::events::ParametersChanged;
use tests::{Failure, Fault, World, key, substituted};

#[test]
fn writes_the_config_running() {
    let mut world = World::bare();
    let (admin, payer, io) = (world.admin.clone(), world.payer.pubkey(), world.io);
    let initialize = market::stake::initialize(&payer, &admin.pubkey(), &io, Parameters::PUBLISHED);
    let record = market::program_data(::staking::ID);
    let wrong_record = [Fault::Forged, Fault::OtherKind].map(|fault| (record, fault, Some(InstructionError::InvalidSeeds.into())));
    // Whatever addresses are named, only their signatures move bonds and co-stake.
    let named = [market::job::authority(), market::costake::authority()].map(|address| (address, Fault::Elsewhere, None));
    let exceptions = [&wrong_record[..], &named[..]].concat();
    world.sweep(&initialize, &[&admin], &exceptions);
    let said = world.send(initialize, &[&admin]).events::<ParametersChanged>(&::staking::ID);
    let [first] = said.as_slice() else { panic!("one event") };
    assert_eq!((first.before, first.after), (None, Parameters::PUBLISHED));
    let config = world.books().staking_config.unwrap();
    assert_eq!(config.parameters(), Parameters::PUBLISHED);
    assert_eq!((config.authority, config.guardian), (admin.pubkey(), admin.pubkey()));
    assert_eq!((config.mint, config.jobs_authority), (io, market::job::authority()));
    assert_eq!(config.costaking_authority, market::costake::authority());
    assert!(!config.paused.get());
}

#[test]
fn fails_unless_the_signer_may_upgrade_this_very_program() {
    let mut world = World::bare();
    let (admin, thief, io) = (world.admin.clone(), world.wallet("thief"), world.io);
    let payer = world.payer.pubkey();
    let by_thief = market::stake::initialize(&payer, &thief.pubkey(), &io, Parameters::PUBLISHED);
    world.refuse(by_thief.clone(), &[&thief], StakingError::NotUpgradeAuthority);

    // The thief is the upgrade authority of another program, and passes that program's data.
    let other = key("program of the thief").pubkey();
    let record = world.account(&market::program_data(staking::ID)).unwrap();
    world.plant(market::program_data(other), record);
    let borrowed = substituted(&by_thief, &market::program_data(staking::ID), &market::program_data(other));
    world.refuse(borrowed, &[&thief], InstructionError::InvalidSeeds);

    world.set_upgrade_authority(staking::ID, None);
    let frozen = market::stake::initialize(&payer, &admin.pubkey(), &io, Parameters::PUBLISHED);
    world.refuse(frozen, &[&admin], StakingError::NotUpgradeAuthority);
}

#[test]
fn fails_when_a_parameter_lies_outside_its_bounds() {
    let mut world = World::bare();
    let (admin, payer, io) = (world.admin.clone(), world.payer.pubkey(), world.io);
    let parameters = Parameters {
        base_stake: 0,
        ..Parameters::PUBLISHED
    };
    let initialize = market::stake::initialize(&payer, &admin.pubkey(), &io, parameters);
    world.refuse(initialize, &[&admin], StakingError::ParameterOutOfBounds);
}

#[test]
fn fails_when_the_config_exists() {
    let mut world = World::new();
    let (admin, payer, io) = (world.admin.clone(), world.payer.pubkey(), world.io);
    let again = market::stake::initialize(&payer, &admin.pubkey(), &io, Parameters::PUBLISHED);
    world.refuse(again, &[&admin], Failure::ALREADY_IN_USE);
}

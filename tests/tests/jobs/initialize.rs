use ::jobs::Parameters;
use ::jobs::error::JobsError;
use ::jobs::events::ParametersChanged;
use chain::market;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{CLUSTER, Failure, Fault, World, key, substituted};

fn initialize(world: &World, authority: &solana_address::Address, parameters: Parameters) -> Instruction {
    market::job::initialize(&world.payer.pubkey(), authority, &world.io, CLUSTER, &world.treasury, parameters)
}

#[test]
fn writes_the_config_running() {
    let mut world = World::bare();
    let admin = world.admin.clone();
    let initialize = initialize(&world, &admin.pubkey(), Parameters::PUBLISHED);
    let record = market::program_data(::jobs::ID);
    let exceptions = [Fault::Forged, Fault::OtherKind].map(|fault| (record, fault, Some(InstructionError::InvalidSeeds.into())));
    world.sweep(&initialize, &[&admin], &exceptions);
    let said = world.send(initialize, &[&admin]).events::<ParametersChanged>(&::jobs::ID);
    let [changed] = said.as_slice() else { panic!("one event") };
    assert_eq!((changed.before, changed.after), (None, Parameters::PUBLISHED));
    let config = world.books().jobs_config.unwrap();
    assert_eq!(config.parameters(), Parameters::PUBLISHED);
    assert_eq!(
        (config.authority, config.guardian, config.treasury),
        (admin.pubkey(), admin.pubkey(), world.treasury)
    );
    assert_eq!((config.mint, config.cluster, config.paused.get()), (world.io, CLUSTER, false));
}

#[test]
fn fails_unless_the_signer_may_upgrade_this_very_program() {
    let mut world = World::bare();
    let (admin, thief) = (world.admin.clone(), world.wallet("thief"));
    let by_thief = initialize(&world, &thief.pubkey(), Parameters::PUBLISHED);
    world.refuse(by_thief.clone(), &[&thief], JobsError::NotUpgradeAuthority);

    // The thief is the upgrade authority of another program, and passes that program's data.
    let other = key("program of the thief").pubkey();
    let record = world.account(&market::program_data(::jobs::ID)).unwrap();
    world.plant(market::program_data(other), record);
    let borrowed = substituted(&by_thief, &market::program_data(::jobs::ID), &market::program_data(other));
    world.refuse(borrowed, &[&thief], InstructionError::InvalidSeeds);

    world.set_upgrade_authority(::jobs::ID, None);
    let frozen = initialize(&world, &admin.pubkey(), Parameters::PUBLISHED);
    world.refuse(frozen, &[&admin], JobsError::NotUpgradeAuthority);
}

#[test]
fn fails_when_a_parameter_lies_outside_its_bounds() {
    let mut world = World::bare();
    let admin = world.admin.clone();
    let initialize = initialize(
        &world,
        &admin.pubkey(),
        Parameters {
            min_bond: 0,
            ..Parameters::PUBLISHED
        },
    );
    world.refuse(initialize, &[&admin], JobsError::ParameterOutOfBounds);
}

#[test]
fn fails_when_the_config_exists() {
    let mut world = World::new();
    let admin = world.admin.clone();
    let again = initialize(&world, &admin.pubkey(), Parameters::PUBLISHED);
    world.refuse(again, &[&admin], Failure::ALREADY_IN_USE);
}

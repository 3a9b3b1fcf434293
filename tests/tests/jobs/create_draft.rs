use ::jobs::error::JobsError;
use ::jobs::state::draft_space;
use chain::market;
use protocol::graph::MAX_OPS;
use protocol::tensor::Shape;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Failure, World};

const IMAGE: Shape = Shape::new(4, 4, 3);

#[test]
fn starts_an_empty_draft() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let create = market::job::create_draft(&registrar.pubkey(), [7; 32], 3, &[IMAGE, IMAGE]);
    world.sweep(&create, &[&registrar], &[]);
    world.send(create.clone(), &[&registrar]);
    let draft = world.books().drafts[&market::job::draft(&registrar.pubkey(), &[7; 32])];
    assert_eq!((draft.registrar, draft.model_hash), (registrar.pubkey(), [7; 32]));
    assert_eq!((draft.n_ops.get(), draft.appended.get(), draft.n_inputs), (3, 0, 2));
    world.refuse(create, &[&registrar], Failure::ALREADY_IN_USE);
}

#[test]
fn fails_for_no_or_too_many_inputs_or_ops() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let bad: [(u32, &[Shape]); 4] = [(1, &[]), (1, &[IMAGE; 5]), (0, &[IMAGE]), (MAX_OPS + 1, &[IMAGE])];
    for (n_ops, inputs) in bad {
        let create = market::job::create_draft(&registrar.pubkey(), [7; 32], n_ops, inputs);
        world.refuse(create, &[&registrar], JobsError::InvalidModelHeader);
    }
    let hostile = market::job::create_draft(&registrar.pubkey(), [7; 32], u32::MAX, &[IMAGE]);
    world.refuse(hostile, &[&registrar], JobsError::InvalidModelHeader);
}

#[test]
fn the_largest_draft_fits_into_one_allocation() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    world.send(
        market::job::create_draft(&registrar.pubkey(), [7; 32], MAX_OPS, &[IMAGE; 4]),
        &[&registrar],
    );
    assert!(draft_space(MAX_OPS) <= 10_240, "a program can create no larger account");
}

#[test]
fn fails_for_an_input_of_no_or_too_many_elements() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let draft = |shape| market::job::create_draft(&registrar.pubkey(), [7; 32], 1, &[shape]);
    for shape in [
        Shape::new(0, 4, 3),
        Shape::new(4, 0, 3),
        Shape::new(4, 4, 0),
        Shape::new(4_096, 4_097, 1),
    ] {
        world.refuse(draft(shape), &[&registrar], JobsError::InvalidModelHeader);
    }
    world.send(draft(Shape::new(4_096, 4_096, 1)), &[&registrar]);
}

#[test]
fn nobody_can_squat_on_a_models_name_only_on_their_own_draft_of_it() {
    let mut world = World::new();
    let (first, second) = (world.wallet("rita"), world.wallet("sam"));
    for registrar in [&first, &second] {
        world.send(market::job::create_draft(&registrar.pubkey(), [7; 32], 1, &[IMAGE]), &[registrar]);
    }
    let other_name = market::job::create_draft(&first.pubkey(), [8; 32], 1, &[IMAGE]);
    let squat = tests::substituted(
        &other_name,
        &market::job::draft(&first.pubkey(), &[8; 32]),
        &market::job::draft(&second.pubkey(), &[8; 32]),
    );
    world.refuse(squat, &[&first], InstructionError::InvalidSeeds);
}

use ::jobs::error::JobsError;
use chain::market;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::sync::Arc;
use tests::{World, tiny_model};

const HASH: [u8; 32] = [7; 32];

fn drafting(world: &mut World, n_ops: u32) -> Arc<Keypair> {
    let registrar = world.wallet("rita");
    world.send(
        market::job::create_draft(&registrar.pubkey(), HASH, n_ops, &[Shape::new(4, 4, 3)]),
        &[&registrar],
    );
    registrar
}

fn op(inputs: &[u16], factor: u8, output: Shape) -> Vec<u8> {
    let inputs = Inputs::new(inputs).unwrap();
    OpDescriptor {
        inputs,
        kind: OpKind::Upsample { factor },
        output,
    }
    .to_bytes()
}

#[test]
fn hashes_each_op_into_the_graph() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 3);
    let (_, first, _) = tiny_model();
    let append = market::job::append_ops(&registrar.pubkey(), &HASH, vec![first.to_bytes()]);
    world.sweep(&append, &[&registrar], &[]);
    world.send(append, &[&registrar]);
    let rest = vec![op(&[1], 2, Shape::new(16, 16, 3)), op(&[0], 3, Shape::new(12, 12, 3))];
    world.send(market::job::append_ops(&registrar.pubkey(), &HASH, rest), &[&registrar]);
    let draft = world.books().drafts[&market::job::draft(&registrar.pubkey(), &HASH)];
    assert_eq!(draft.appended.get(), 3);
    assert!(draft.macs.get() > 0);
}

#[test]
fn fails_for_anyone_but_the_registrar() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 1);
    let thief = world.wallet("thief");
    let append = market::job::append_ops(&registrar.pubkey(), &HASH, vec![tiny_model().1.to_bytes()]);
    let foreign = tests::substituted(&append, &registrar.pubkey(), &thief.pubkey());
    world.refuse(foreign, &[&thief], JobsError::NotRegistrar);
}

#[test]
fn fails_beyond_the_declared_number_of_ops() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 1);
    let op = tiny_model().1.to_bytes();
    let two = market::job::append_ops(&registrar.pubkey(), &HASH, vec![op.clone(), op.clone()]);
    world.refuse(two, &[&registrar], JobsError::DraftFull);
    let one = market::job::append_ops(&registrar.pubkey(), &HASH, vec![op]);
    world.send(one.clone(), &[&registrar]);
    world.refuse(one, &[&registrar], JobsError::DraftFull);
}

#[test]
fn fails_for_a_value_that_does_not_exist_yet_so_no_graph_is_cyclic() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 2);
    for id in [1, 2, u16::MAX] {
        let append = market::job::append_ops(&registrar.pubkey(), &HASH, vec![op(&[id], 2, Shape::new(8, 8, 3))]);
        world.refuse(append, &[&registrar], JobsError::InvalidInputId);
    }
}

#[test]
fn fails_for_an_op_that_breaks_a_rule_of_its_kind() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 1);
    let shape = Shape::new(8, 8, 3);
    for op in [
        op(&[0], 2, Shape::new(8, 8, 4)),
        op(&[0], 1, shape),
        op(&[0], 17, shape),
        op(&[0, 0], 2, shape),
    ] {
        let append = market::job::append_ops(&registrar.pubkey(), &HASH, vec![op]);
        world.refuse(append, &[&registrar], JobsError::InvalidOp);
    }
}

#[test]
fn fails_for_bytes_that_are_no_descriptor() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 1);
    let good = tiny_model().1.to_bytes();
    let (truncated, trailing) = (good[..good.len() - 1].to_vec(), [&good[..], &[0]].concat());
    for bytes in [vec![], truncated, trailing, vec![0xFF; 300]] {
        let append = market::job::append_ops(&registrar.pubkey(), &HASH, vec![bytes]);
        world.refuse(append, &[&registrar], JobsError::InvalidDescriptor);
    }
    let mut cut = market::job::append_ops(&registrar.pubkey(), &HASH, vec![good]);
    cut.data.pop();
    world.refuse(cut, &[&registrar], InstructionError::InvalidInstructionData);
}

#[test]
fn a_refused_op_leaves_the_draft_as_it_was() {
    let mut world = World::new();
    let registrar = drafting(&mut world, 2);
    let good = tiny_model().1.to_bytes();
    let mixed = market::job::append_ops(&registrar.pubkey(), &HASH, vec![good.clone(), vec![0xFF]]);
    world.refuse(mixed, &[&registrar], JobsError::InvalidDescriptor);
    assert_eq!(
        world.books().drafts[&market::job::draft(&registrar.pubkey(), &HASH)].appended.get(),
        0
    );
    world.send(market::job::append_ops(&registrar.pubkey(), &HASH, vec![good]), &[&registrar]);
}

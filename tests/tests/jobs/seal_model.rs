use ::jobs::error::JobsError;
use chain::market;
use protocol::graph::{GraphFacts, check_op, model_hash};
use protocol::merkle;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use protocol::trace::Checkpoints;
use solana_signer::Signer;
use tests::{Failure, World, substituted, tiny_model};

/// A chain of three ops of which the second has the largest fan-in, with its MODEL hash and the facts that are hashed.
fn deep_model() -> (Shape, Vec<OpDescriptor>, GraphFacts, [u8; 32]) {
    let (input, image) = (Shape::new(2, 2, 4), Shape::new(4, 4, 4));
    let pool = OpKind::MaxPool {
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1; 4],
    };
    let kinds = [
        (OpKind::Upsample { factor: 2 }, image),
        (pool, image),
        (OpKind::DepthToSpace { block: 2 }, Shape::new(8, 8, 1)),
    ];
    let ops: Vec<_> = (0..)
        .zip(kinds)
        .map(|(id, (kind, output))| OpDescriptor {
            inputs: Inputs::new(&[id]).unwrap(),
            kind,
            output,
        })
        .collect();
    let shapes = [input, ops[0].output, ops[1].output];
    let facts: Vec<_> = ops.iter().zip(shapes).map(|(op, shape)| check_op(op, &[shape]).unwrap()).collect();
    let leaves: Vec<_> = (0..).zip(&ops).map(|(index, op)| op.leaf(index)).collect();
    let facts = GraphFacts {
        n_ops: 3,
        graph_root: merkle::root(&leaves),
        max_fan_in: facts.iter().map(|op| op.fan_in).max().unwrap(),
        macs: facts.iter().map(|op| op.macs).sum(),
        interval: 1,
    };
    (input, ops, facts, model_hash(&[input], &facts))
}

#[test]
fn a_complete_draft_becomes_the_model_that_clients_hash() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let (input, ops, facts, hash) = deep_model();
    let wallet = registrar.pubkey();
    let before = world.lamports(&wallet);
    world.send(market::job::create_draft(&wallet, hash, 3, &[input]), &[&registrar]);
    world.send(
        market::job::append_ops(&wallet, &hash, ops.iter().map(OpDescriptor::to_bytes).collect()),
        &[&registrar],
    );
    let seal = market::job::seal_model(&wallet, &hash, 1);
    world.sweep(&seal, &[&registrar], &[]);
    world.send(seal.clone(), &[&registrar]);
    let model = world.books().models[&market::job::model(&hash)];
    assert_eq!((model.hash, model.graph_root, model.registrar), (hash, facts.graph_root, wallet));
    assert_eq!(
        (model.n_ops.get(), model.max_fan_in.get(), model.macs.get()),
        (3, facts.max_fan_in, facts.macs)
    );
    assert_eq!(
        (model.n_inputs, model.inputs[0], model.output),
        (1, input.to_bytes(), ops[2].output.to_bytes())
    );
    assert_eq!(model.inputs[1..], [[0; Shape::BYTES]; 3]);
    // The draft's rent has returned: the difference is the model's.
    assert_eq!(before - world.lamports(&wallet), world.rent(size_of::<::jobs::Model>() + 8));
    world.refuse(seal, &[&registrar], Failure::GONE);
}

#[test]
fn fails_for_anyone_but_the_registrar() {
    let mut world = World::new();
    let (registrar, thief) = (world.wallet("rita"), world.wallet("thief"));
    let (input, ops, _, hash) = deep_model();
    let wallet = registrar.pubkey();
    world.send(market::job::create_draft(&wallet, hash, 3, &[input]), &[&registrar]);
    world.send(
        market::job::append_ops(&wallet, &hash, ops.iter().map(OpDescriptor::to_bytes).collect()),
        &[&registrar],
    );
    let steal = substituted(&market::job::seal_model(&wallet, &hash, 1), &wallet, &thief.pubkey());
    world.refuse(steal, &[&thief], JobsError::NotRegistrar);
}

#[test]
fn fails_before_all_ops_arrived() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let (input, ops, _, hash) = deep_model();
    let wallet = registrar.pubkey();
    world.send(market::job::create_draft(&wallet, hash, 3, &[input]), &[&registrar]);
    world.refuse(
        market::job::seal_model(&wallet, &hash, 1),
        &[&registrar],
        JobsError::DraftIncomplete,
    );
    world.send(
        market::job::append_ops(&wallet, &hash, ops[..2].iter().map(OpDescriptor::to_bytes).collect()),
        &[&registrar],
    );
    world.refuse(
        market::job::seal_model(&wallet, &hash, 1),
        &[&registrar],
        JobsError::DraftIncomplete,
    );
}

/// The interval is part of a model's hash.
#[test]
fn checkpoints_are_as_far_apart_as_the_name_says_and_leave_another_before_the_last() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let (input, ops, facts, _) = deep_model();
    let wallet = registrar.pubkey();
    let drafted = |world: &mut World, interval: u32| {
        let hash = model_hash(&[input], &GraphFacts { interval, ..facts });
        world.send(market::job::create_draft(&wallet, hash, 3, &[input]), &[&registrar]);
        let descriptors = ops.iter().map(OpDescriptor::to_bytes).collect();
        world.send(market::job::append_ops(&wallet, &hash, descriptors), &[&registrar]);
        hash
    };
    let hash = drafted(&mut world, 2);
    for (interval, failure) in [
        (0, JobsError::InvalidModelHeader),
        (1, JobsError::ModelHashMismatch),
        (3, JobsError::InvalidModelHeader),
    ] {
        world.refuse(market::job::seal_model(&wallet, &hash, interval), &[&registrar], failure);
    }
    world.send(market::job::seal_model(&wallet, &hash, 2), &[&registrar]);
    let model = world.books().models[&market::job::model(&hash)];
    assert_eq!(model.checkpoints(), Checkpoints::new(3, 2));
    // An interval that leaves only the last op is refused, whatever hash is named.
    let hash = drafted(&mut world, 3);
    world.refuse(
        market::job::seal_model(&wallet, &hash, 3),
        &[&registrar],
        JobsError::InvalidModelHeader,
    );
}

#[test]
fn fails_when_the_ops_do_not_hash_to_the_models_name() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let (input, op, _) = tiny_model();
    let wallet = registrar.pubkey();
    let name = [7; 32];
    world.send(market::job::create_draft(&wallet, name, 1, &[input]), &[&registrar]);
    world.send(market::job::append_ops(&wallet, &name, vec![op.to_bytes()]), &[&registrar]);
    world.refuse(
        market::job::seal_model(&wallet, &name, 1),
        &[&registrar],
        JobsError::ModelHashMismatch,
    );
}

#[test]
fn fails_when_the_model_is_registered_already() {
    let mut world = World::new();
    let registrar = world.wallet("rita");
    let (input, op, hash) = tiny_model();
    let wallet = registrar.pubkey();
    world.send(market::job::create_draft(&wallet, hash, 1, &[input]), &[&registrar]);
    world.send(market::job::append_ops(&wallet, &hash, vec![op.to_bytes()]), &[&registrar]);
    world.refuse(market::job::seal_model(&wallet, &hash, 1), &[&registrar], Failure::ALREADY_IN_USE);
    world.send(market::job::discard_draft(&wallet, &hash), &[&registrar]);
}

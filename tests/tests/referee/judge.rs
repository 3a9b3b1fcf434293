use chain::market::referee as market;
use protocol::referee::{Fault, Invalid, Verdict};
use protocol::tensor::Shape;
use protocol::testing::{KINDS, Rng, Run, honest, random_graph};
use referee::error::RefereeError;
use solana_signer::Signer;
use tests::{World, claim, key};

/// The verdict from a transaction's return data.
fn verdict(world: &mut World, evidence: &solana_address::Address, claim: referee::Claim) -> Verdict {
    let receipt = world.send(market::judge(evidence, claim), &[]);
    Verdict::from_bytes(&receipt.return_data).expect("a verdict")
}

#[test]
fn returns_the_verdict_for_every_op_kind_as_the_protocol_does() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    for seed in 0..3 * KINDS {
        let rng = &Rng::new(900 + seed);
        let graph = random_graph(rng, 4, seed % KINDS);
        let (unit, op) = (rng.within(0, 1) as u32, rng.within(0, graph.ops.len() as u64 - 1) as usize);
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        let lying = Run::new(&graph, rng, 2, &|u, o, value| {
            if (u, o) == (unit, op) {
                value[element as usize] ^= 0x10;
            }
        });
        let truthful = Run::new(&graph, rng, 2, &honest);
        for (run, convicted) in [(&lying, true), (&truthful, false)] {
            let bytes = run.element(unit, op, element);
            let evidence = world.show(&challenger, &subject, &bytes);
            let found = verdict(&mut world, &evidence, claim(&run.claim));
            assert_eq!(found.convicted, convicted, "seed {seed}");
            assert_eq!(Ok(found), protocol::referee::judge(&run.claim, &bytes), "seed {seed}");
        }
    }
}

#[test]
fn fails_for_incomplete_evidence() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let run = Run::new(&random_graph(&Rng::new(1), 2, 0), &Rng::new(2), 1, &honest);
    let bytes = run.element(0, 0, 0);
    let seal = world.seal(&challenger, &subject, &bytes);
    world.pass(0, 1);
    world.send(
        market::write_evidence(&challenger.pubkey(), &seal, 0, bytes[..20].to_vec()),
        &[&challenger],
    );
    let evidence = market::evidence(&challenger.pubkey(), &seal);
    world.refuse(market::judge(&evidence, claim(&run.claim)), &[], RefereeError::Incomplete);
    world.write(&challenger, &seal, 20, &bytes);
    assert!(!verdict(&mut world, &evidence, claim(&run.claim)).convicted);
}

#[test]
fn fails_for_bytes_that_are_no_evidence_about_the_claim() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let graph = random_graph(&Rng::new(1), 3, 0);
    let run = Run::new(&graph, &Rng::new(2), 2, &honest);
    let other = Run::new(&graph, &Rng::new(3), 2, &honest);
    let good = run.element(1, 1, 0);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    // Evidence of another job, whose trace and outputs are not this worker's.
    let cases = [
        (good[..good.len() - 1].to_vec(), RefereeError::MalformedEvidence),
        ([&good[..], &[0]].concat(), RefereeError::MalformedEvidence),
        (changed(0, 9), RefereeError::WrongVersion),
        (changed(2, 9), RefereeError::UnknownKind),
        (changed(3, 9), RefereeError::IndexOutOfRange),
        (changed(18, 0xFF), RefereeError::ForeignDescriptor),
        (other.element(1, 1, 0), RefereeError::TraceMismatch),
        (other.exhibit(0).output().unwrap(), RefereeError::OutputMismatch),
    ];
    for (bytes, error) in cases {
        let evidence = world.show(&challenger, &subject, &bytes);
        world.refuse(market::judge(&evidence, claim(&run.claim)), &[], error);
    }
    // A flipped bit at a position where the protocol says that it spoils an opening: op 0 reads the job's input and constants of the model.
    let opened = run.element(1, 0, 0);
    let openings = [
        (Invalid::Input, RefereeError::InputMismatch),
        (Invalid::Constant, RefereeError::ConstantMismatch),
        (Invalid::Closed, RefereeError::ClosedOperand),
    ];
    for (invalid, error) in openings {
        let mut flipped = (0..opened.len()).map(|at| {
            let mut bytes = opened.clone();
            bytes[at] ^= 1;
            bytes
        });
        let spoiled = flipped.find(|bytes| protocol::referee::judge(&run.claim, bytes) == Err(invalid));
        let evidence = world.show(&challenger, &subject, &spoiled.expect("a bit that spoils it so"));
        world.refuse(market::judge(&evidence, claim(&run.claim)), &[], error);
    }
    let evidence = world.show(&challenger, &subject, &good);
    let foreign = |change: &dyn Fn(&mut referee::Claim)| {
        let mut claim = claim(&run.claim);
        change(&mut claim);
        market::judge(&evidence, claim)
    };
    world.refuse(foreign(&|claim| claim.traces = [1; 32]), &[], RefereeError::TraceMismatch);
    world.refuse(foreign(&|claim| claim.graph_root = [1; 32]), &[], RefereeError::ForeignDescriptor);
    world.refuse(foreign(&|claim| claim.units = 1), &[], RefereeError::IndexOutOfRange);
}

/// An op that declares another shape than it makes, in a graph that registration would have refused.
#[test]
fn fails_for_an_op_that_does_not_fit_its_inputs() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let mut graphs = (0..KINDS).map(|kind| random_graph(&Rng::new(70 + kind), 1, kind));
    let mut graph = graphs.find(|graph| graph.ops[0].output.h != graph.ops[0].output.w).unwrap();
    let values = Run::new(&graph, &Rng::new(1), 1, &honest).units;
    let Shape { h, w, c } = graph.ops[0].output;
    graph.ops[0].output = Shape::new(w, h, c);
    let run = Run::of_values(&graph, values);
    let evidence = world.show(&challenger, &subject, &run.element(0, 0, 0));
    world.refuse(market::judge(&evidence, claim(&run.claim)), &[], RefereeError::ForeignShapes);
}

#[test]
fn a_delivered_output_that_is_not_the_traced_one_convicts() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let mut run = Run::new(&random_graph(&Rng::new(5), 3, 2), &Rng::new(6), 3, &honest);
    run.outputs[1] = [9; 32];
    run.claim.outputs = protocol::batch::batch_root(&run.outputs);
    let evidence = world.show(&challenger, &subject, &run.exhibit(1).output().unwrap());
    let found = verdict(&mut world, &evidence, claim(&run.claim));
    assert_eq!((found.convicted, found.fault, found.unit), (true, Fault::Output, 1));
}

#[test]
fn every_account_is_checked() {
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    let run = Run::new(&random_graph(&Rng::new(1), 2, 0), &Rng::new(2), 1, &honest);
    let evidence = world.show(&challenger, &subject, &run.element(0, 0, 0));
    world.sweep(&market::judge(&evidence, claim(&run.claim)), &[], &[]);
}

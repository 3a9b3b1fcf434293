//! Convictions by the program for one altered element of a random op with 4,096 to 16,384 terms; `cargo xtask fuzz referee` tries ten times
//! as many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market::referee as market;
use protocol::graph::{MAX_FAN_IN, MAX_VERDICT_UNITS, check_op, verdict_units};
use protocol::ops::OpKind;
use protocol::referee::Verdict;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_signer::Signer;
use tests::{World, claim, key};

/// Number of cases of each kind.
const CASES: u64 = 20;
const LEAST_FAN_IN: u64 = 4_096;
/// Limit on the elements of the op, since the reference implementation computes all of them.
const MOST_ELEMENTS: u32 = 64;
/// Compute units of the instruction that raises the limit.
const COMPUTE_BUDGET_UNITS: u64 = 150;

const KINDS: [&str; 5] = ["matmul", "matmul_act", "conv2d", "max_pool", "avg_pool"];

const TABLE: OpKind = OpKind::Table8 { table: [0; 32] };

/// A graph whose wide op may be followed by ops that read little, and the index of the wide op; `None` when the op drawn is not allowed.
fn wide(rng: &Rng, kind: usize) -> Option<(Graph, usize)> {
    let small = |most: u64| rng.within(1, most) as u8;
    let most = u64::from(MAX_FAN_IN);
    let fan_in = if rng.one_in(8) { most } else { rng.within(LEAST_FAN_IN, most) };
    let requantise = Requantise {
        shift: rng.within(8, 24) as u8,
        zero_point: rng.next() as i8,
        lo: -128,
        hi: 127,
    };
    let row = |width: u64| Shape::new(1, rng.within(1, width) as u16, fan_in as u16);
    let window = |[kh, kw]: [u8; 2], [dy, dx]: [u8; 2], channels: u64| {
        let side = |kernel: u8, dilation: u8| u64::from(dilation) * u64::from(kernel - 1) + rng.within(1, 4);
        Shape::new(side(kh, dy) as u16, side(kw, dx) as u16, channels as u16)
    };
    let (inputs, op, channels) = match kind {
        0 => {
            let op = OpKind::Matmul {
                weights: [0; 32],
                channels: [0; 32],
                requantise,
            };
            (vec![row(4)], op, small(16))
        }
        1 => {
            let op = OpKind::MatmulAct {
                a_zero_point: rng.next() as i8,
                b_zero_point: rng.next() as i8,
                multiplier: rng.within(0, 400) as i32,
                requantise,
            };
            (vec![row(8), row(8)], op, 0)
        }
        2 => {
            let (kernel, dilation) = ([small(12), small(12)], [small(2), small(2)]);
            let groups = small(2);
            let depth = (fan_in / (u64::from(kernel[0]) * u64::from(kernel[1]))).max(1);
            let op = OpKind::Conv2d {
                weights: [0; 32],
                channels: [0; 32],
                kernel,
                stride: [small(2), small(2)],
                padding: if rng.one_in(2) { [0; 4] } else { [small(3); 4] },
                dilation,
                groups: groups.into(),
                pad_value: rng.next() as i8,
                requantise,
            };
            (vec![window(kernel, dilation, depth * u64::from(groups))], op, groups * small(4))
        }
        _ => {
            let kernel = [(); 2].map(|()| rng.within(40, 140) as u8);
            let (stride, padding) = ([small(3), small(3)], if rng.one_in(2) { [0; 4] } else { [small(20); 4] });
            let op = if kind == 3 {
                OpKind::MaxPool { kernel, stride, padding }
            } else {
                OpKind::AvgPool {
                    kernel,
                    stride,
                    padding,
                    input_zero_point: rng.next() as i8,
                    multiplier: rng.within(0, 400) as i32,
                    requantise,
                }
            };
            (vec![window(kernel, [1, 1], rng.within(1, 4))], op, 0)
        }
    };
    // Now and then 1,024 ops, for a path of ten levels.
    let ops = if rng.one_in(4) { 1_000 } else { rng.within(4, 20) as usize };
    let mut graph = Graph {
        inputs: inputs.into_iter().chain([Shape::new(1, 1, 1)]).collect(),
        ..Graph::default()
    };
    let (width, tiny) = (graph.inputs.len() as u16 - 1, graph.inputs.len() as u16 - 1);
    // The op reads graph inputs or other ops' outputs.
    let first = if rng.one_in(3) {
        0
    } else {
        for id in 0..width {
            assert!(graph.push(TABLE, &[id], 0, 1 << 24, rng));
        }
        tiny + 1
    };
    let ids: Vec<u16> = (first..first + width).collect();
    if !graph.push(op, &ids, channels.into(), MOST_ELEMENTS, rng) {
        return None;
    }
    let place = graph.ops.len() - 1;
    while graph.ops.len() < ops {
        assert!(graph.push(TABLE, &[tiny], 0, 1 << 24, rng));
    }
    Some((graph, place))
}

#[test]
fn one_altered_element_of_the_widest_ops_convicts_within_its_limit() {
    let set = |name, otherwise| std::env::var(name).map_or(otherwise, |number| number.parse().expect("a number"));
    let (first, most) = (set("FUZZ_SEED", 1), set("FUZZ_CASES", CASES));
    println!("seed {first}");
    let mut world = World::new();
    let (challenger, subject) = (world.wallet("challenger"), key("a job").pubkey());
    // Number of cases, widest fan-in, most expensive verdict.
    let mut tally = [(0u64, 0u32, 0u64); KINDS.len()];
    let mut seeds = (0..).map(|count| first.wrapping_add(count));
    while let Some(kind) = tally.iter().position(|(cases, ..)| *cases < most) {
        let seed = seeds.next().unwrap();
        let rng = &Rng::new(seed);
        let Some((graph, op)) = wide(rng, kind) else { continue };
        let shapes: Vec<Shape> = graph.ops[op]
            .inputs
            .as_slice()
            .iter()
            .map(|id| graph.shapes()[usize::from(*id)])
            .collect();
        let facts = check_op(&graph.ops[op], &shapes).unwrap();
        if u64::from(facts.fan_in) < LEAST_FAN_IN {
            continue;
        }
        let units = rng.within(1, 3) as u32;
        let (unit, bit) = (rng.within(0, u64::from(units) - 1) as u32, 1 << rng.within(0, 7));
        let element = rng.within(0, u64::from(graph.ops[op].output.elements().unwrap()) - 1) as u32;
        let run = Run::new(&graph, rng, units, &|u, o, value| {
            if (u, o) == (unit, op) {
                value[element as usize] ^= bit;
            }
        });
        let bytes = run.element(unit, op, element);
        let evidence = world.show(&challenger, &subject, &bytes);
        // Above the default limit, so that a verdict that is too expensive shows as a number.
        let more = ComputeBudgetInstruction::set_compute_unit_limit(1_400_000);
        let receipt = world.send_all(&[more, market::judge(&evidence, claim(&run.claim))], &[]);
        let seal = protocol::referee::seal(&bytes, challenger.pubkey().as_array(), subject.as_array());
        world.send(market::close_evidence(&challenger.pubkey(), &seal), &[&challenger]);
        let verdict = Verdict::from_bytes(&receipt.return_data).expect("a verdict");
        let what = format!("seed {seed}, {:?}", graph.ops[op]);
        assert!(
            verdict.convicted && verdict.expected ^ verdict.claimed == bit,
            "{what}: {verdict:?}"
        );
        assert_eq!((verdict.unit, verdict.op, verdict.index), (unit, op as u32, element), "{what}");
        let (spent, bound) = (receipt.units - COMPUTE_BUDGET_UNITS, verdict_units(&graph.ops[op], &shapes));
        assert!(spent <= bound && bound <= MAX_VERDICT_UNITS, "{what}: {spent} CU, bound {bound}");
        let (cases, widest, dearest) = &mut tally[kind];
        (*cases, *widest, *dearest) = (*cases + 1, facts.fan_in.max(*widest), spent.max(*dearest));
    }
    for (kind, (cases, widest, dearest)) in KINDS.iter().zip(tally) {
        println!("{kind:>10}: {cases} convicted, up to {widest} terms, up to {dearest} CU");
    }
}

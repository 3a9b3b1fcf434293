//! The cost of a verdict for every op kind, up to the most expensive op that a model may contain.
//!
//! The test fails above a limit, or if the committed table, `bench/verdicts.md`, is off by more than 5 %.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chain::market::referee::{self as market, PIECE};
use protocol::graph::{MAX_VERDICT_UNITS, verdict_units};
use protocol::ops::OpKind;
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_signer::Signer;
use std::collections::BTreeSet;
use std::fmt::Write;
use tests::{World, claim, golden_within, key, thousands};

/// Limit on a verdict at a fan-in of 4,096. The rest of a conviction takes less than 19,000 CU, so that it stays below 75,000 in all.
const LIMIT_4096: u64 = 56_000;

/// Compute units of the instruction that raises the limit.
const COMPUTE_BUDGET_UNITS: u64 = 150;

const R: Requantise = Requantise {
    shift: 20,
    zero_point: 0,
    lo: -128,
    hi: 127,
};

fn conv(kernel: [u8; 2], groups: u16, dilation: [u8; 2]) -> OpKind {
    padded_conv(kernel, groups, dilation, 0)
}

fn padded_conv(kernel: [u8; 2], groups: u16, dilation: [u8; 2], padding: u8) -> OpKind {
    OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel,
        stride: [1, 1],
        padding: [padding; 4],
        dilation,
        groups,
        pad_value: -128,
        requantise: R,
    }
}

struct Case {
    name: &'static str,
    inputs: Vec<Shape>,
    ids: Vec<u16>,
    kind: OpKind,
    channels: u16,
}

const IMAGE: Shape = Shape::new(64, 64, 256);

fn one(name: &'static str, input: Shape, kind: OpKind, channels: u16) -> Case {
    Case {
        name,
        inputs: vec![input],
        ids: vec![0],
        kind,
        channels,
    }
}

fn two(name: &'static str, a: Shape, b: Shape, kind: OpKind) -> Case {
    Case {
        name,
        inputs: vec![a, b],
        ids: vec![0, 1],
        kind,
        channels: 0,
    }
}

fn cases() -> Vec<Case> {
    [products(), convolutions(), by_element(), pools()].into_iter().flatten().collect()
}

fn products() -> Vec<Case> {
    let matmul = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise: R,
    };
    let product = OpKind::MatmulAct {
        a_zero_point: 3,
        b_zero_point: -5,
        multiplier: 9,
        requantise: R,
    };
    vec![
        one("matmul, K = 1,024", Shape::new(1, 256, 1_024), matmul, 1_024),
        one("matmul, K = 4,096", Shape::new(1, 256, 4_096), matmul, 1_024),
        one("matmul, K = 8,192", Shape::new(1, 256, 8_192), matmul, 512),
        one("matmul, K = 16,384", Shape::new(1, 256, 16_384), matmul, 512),
        two(
            "matmul_act, K = 1,024",
            Shape::new(1, 256, 1_024),
            Shape::new(1, 256, 1_024),
            product,
        ),
        two(
            "matmul_act, K = 16,384",
            Shape::new(1, 64, 16_384),
            Shape::new(1, 64, 16_384),
            product,
        ),
    ]
}

fn convolutions() -> Vec<Case> {
    vec![
        one(
            "conv2d 3×3 of 112, K = 1,008",
            Shape::new(64, 64, 112),
            conv([3, 3], 1, [1, 1]),
            112,
        ),
        one(
            "conv2d 3×3 of 455, K = 4,095",
            Shape::new(32, 32, 455),
            conv([3, 3], 1, [1, 1]),
            455,
        ),
        one(
            "conv2d 3×3 of 455 and padding, K = 4,095",
            Shape::new(32, 32, 455),
            padded_conv([3, 3], 1, [1, 1], 1),
            455,
        ),
        one(
            "conv2d 9×9 of 160 and padding, K = 12,960",
            Shape::new(32, 32, 160),
            padded_conv([9, 9], 1, [1, 1], 8),
            160,
        ),
        one(
            "conv2d 5×5 of 8, dilated by 3, in a large image",
            Shape::new(100, 400, 400),
            conv([5, 5], 50, [3, 3]),
            50,
        ),
        one(
            "conv2d 3×3 of 1,536, K = 13,824",
            Shape::new(16, 16, 1_536),
            conv([3, 3], 1, [1, 1]),
            256,
        ),
        one(
            "conv2d 3×3 of 512, dilated by 8, K = 4,608",
            Shape::new(32, 32, 512),
            conv([3, 3], 1, [8, 8]),
            512,
        ),
        one(
            "conv2d 7×7, depthwise, of 768",
            Shape::new(32, 32, 768),
            conv([7, 7], 768, [1, 1]),
            768,
        ),
        one(
            "conv2d 1×200, depthwise, of 512",
            Shape::new(1, 200, 512),
            conv([1, 200], 512, [1, 1]),
            512,
        ),
    ]
}

fn by_element() -> Vec<Case> {
    let add = OpKind::Add {
        a_zero_point: 1,
        b_zero_point: 2,
        a_multiplier: 3,
        b_multiplier: -4,
        requantise: R,
    };
    let mul = OpKind::Mul {
        a_zero_point: 1,
        b_zero_point: 2,
        multiplier: 3,
        requantise: R,
    };
    vec![
        two("add", IMAGE, IMAGE, add),
        two("mul by one pixel", IMAGE, Shape::new(1, 1, 256), mul),
        one("table8", IMAGE, OpKind::Table8 { table: [0; 32] }, 0),
        Case {
            name: "concat of four",
            inputs: vec![IMAGE; 4],
            ids: vec![0, 1, 2, 3],
            kind: OpKind::Concat,
            channels: 0,
        },
        one("upsample", IMAGE, OpKind::Upsample { factor: 2 }, 0),
        one("depth_to_space", IMAGE, OpKind::DepthToSpace { block: 2 }, 0),
    ]
}

fn pools() -> Vec<Case> {
    let max = |kernel| OpKind::MaxPool {
        kernel,
        stride: [1, 1],
        padding: [0; 4],
    };
    let average = |kernel| OpKind::AvgPool {
        kernel,
        stride: [1, 1],
        padding: [0; 4],
        input_zero_point: 7,
        multiplier: 9,
        requantise: R,
    };
    vec![
        one("max_pool 3×3", IMAGE, max([3, 3]), 0),
        one("max_pool 16×16 of 16", Shape::new(64, 64, 16), max([16, 16]), 0),
        one("avg_pool 8×8", Shape::new(64, 64, 64), average([8, 8]), 0),
        one("avg_pool 100×100 of 1", Shape::new(100, 100, 1), average([100, 100]), 0),
        one("max_pool 100×100 of 1", Shape::new(100, 100, 1), max([100, 100]), 0),
        one("avg_pool 14×14 of 512", Shape::new(14, 14, 512), average([14, 14]), 0),
        one("max_pool 1×192 of 880", Shape::new(1, 192, 880), max([1, 192]), 0),
        one("avg_pool 28×28 of 32", Shape::new(28, 28, 32), average([28, 28]), 0),
    ]
}

struct Row {
    name: &'static str,
    fan_in: u32,
    bytes: usize,
    units: u64,
    bound: u64,
}

fn measure(case: &Case) -> Row {
    let rng = &Rng::new(7);
    let mut graph = Graph {
        inputs: case.inputs.clone(),
        ..Graph::default()
    };
    // The op is one of a graph of 16, and reads outputs of other ops, since the openings of graph inputs are shorter.
    let table = OpKind::Table8 { table: [0; 32] };
    let n_inputs = case.inputs.len() as u16;
    for id in 0..n_inputs {
        assert!(graph.push(table, &[id], 0, 1 << 24, rng));
    }
    let ids: Vec<u16> = case.ids.iter().map(|id| id + n_inputs).collect();
    assert!(graph.push(case.kind, &ids, case.channels, 1 << 24, rng), "{} is refused", case.name);
    let op = graph.ops.len() - 1;
    let small = graph.inputs.len() as u16;
    graph.inputs.push(Shape::new(1, 1, 1));
    graph = renumbered(&graph, small);
    while graph.ops.len() < 16 {
        assert!(graph.push(table, &[small], 0, 1 << 24, rng));
    }
    let fill = |shape: &Shape| Graph::bytes(rng, shape.elements().unwrap() as usize);
    let unit = |_| graph.shapes().iter().map(fill).collect();
    let run = Run::of_values(&graph, (0..2).map(unit).collect());
    let shapes: Vec<Shape> = case.inputs.clone();
    let descriptor = &graph.ops[op];
    let bound = verdict_units(descriptor, &shapes);
    let fan_in = protocol::graph::check_op(descriptor, &shapes).unwrap().fan_in;

    let mut world = World::new();
    let challenger = world.wallet("challenger");
    let (mut units, mut bytes) = (0, 0);
    let elements = descriptor.output.elements().unwrap();
    let few = BTreeSet::from([0, (elements / 2 + 1).min(elements - 1), elements - 1]);
    for index in few {
        let evidence = run.element(1, op, index);
        let address = world.show(&challenger, &key("a job").pubkey(), &evidence);
        // Above the default limit, so that a verdict that is too expensive shows as a number.
        let more = ComputeBudgetInstruction::set_compute_unit_limit(1_400_000);
        let receipt = world.send_all(&[more, market::judge(&address, claim(&run.claim))], &[]);
        units = (receipt.units - COMPUTE_BUDGET_UNITS).max(units);
        bytes = evidence.len().max(bytes);
    }
    Row {
        name: case.name,
        fan_in,
        bytes,
        units,
        bound,
    }
}

/// The graph with the ids of its op outputs raised by one, to make room for the input that was added after them.
fn renumbered(graph: &Graph, from: u16) -> Graph {
    let mut graph = graph.clone();
    for op in &mut graph.ops {
        let ids: Vec<u16> = op
            .inputs
            .as_slice()
            .iter()
            .map(|id| if *id >= from { id + 1 } else { *id })
            .collect();
        op.inputs = protocol::ops::Inputs::new(&ids).unwrap();
    }
    graph
}

fn render(rows: &[Row]) -> String {
    let mut text = format!(
        "# What a verdict costs\n\n\
         The referee's `judge` on one element of an op between other ops' outputs, one of 16 in its graph, measured in LiteSVM by \
         `tests/tests/verdicts.rs`: the most expensive of three elements. A piece is an ordinary transaction of 1,232 bytes that brings \
         {PIECE} bytes of evidence. The bound is what `protocol::graph::verdict_units` computes; no model may contain an op above 180,000. \
         Written by `cargo xtask bench cu`.\n\n\
         | op | fan-in | evidence, bytes | pieces | compute units | bound |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let (bytes, pieces) = (thousands(row.bytes as u64), row.bytes.div_ceil(PIECE));
        let (fan_in, units, bound) = (thousands(row.fan_in.into()), thousands(row.units), thousands(row.bound));
        writeln!(text, "| {} | {fan_in} | {bytes} | {pieces} | {units} | {bound} |", row.name).unwrap();
    }
    text
}

#[test]
fn every_verdict_keeps_its_limit_and_the_committed_table_is_true() {
    let rows: Vec<Row> = cases().iter().map(measure).collect();
    for row in &rows {
        let Row { name, units, bound, .. } = row;
        let limited = row.fan_in <= 4_096 && name.contains("K =");
        assert!(!limited || *units <= LIMIT_4096, "{name}: {units} CU, limit {LIMIT_4096}");
        assert!(units <= bound && *bound <= MAX_VERDICT_UNITS, "{name}: {units} CU, bound {bound}");
    }
    golden_within("bench/verdicts.md", &render(&rows), 5, 5);
}

use super::*;
use crate::ops::Inputs;
use std::vec;
use std::vec::Vec;

const R: Requantise = Requantise {
    shift: 8,
    zero_point: 0,
    lo: -128,
    hi: 127,
};

/// Checks an op of this kind, with as many value ids as shapes.
fn check(kind: OpKind, inputs: &[Shape], output: Shape) -> Result<OpFacts, GraphError> {
    let ids: Vec<u16> = (0..inputs.len() as u16).collect();
    check_op(
        &OpDescriptor {
            inputs: Inputs::new(&ids).unwrap(),
            kind,
            output,
        },
        inputs,
    )
}

/// A convolution's parameters, under their usual letters.
#[derive(Clone, Copy)]
struct Conv {
    k: [u8; 2],
    s: [u8; 2],
    p: [u8; 4],
    d: [u8; 2],
    g: u16,
    r: Requantise,
}

/// The 3x3 convolution that keeps its input's size, with some parameters changed.
fn conv(change: impl Fn(&mut Conv)) -> OpKind {
    let mut conv = Conv {
        k: [3, 3],
        s: [1, 1],
        p: [1; 4],
        d: [1, 1],
        g: 1,
        r: R,
    };
    change(&mut conv);
    let Conv {
        k: kernel,
        s: stride,
        p: padding,
        d: dilation,
        g: groups,
        r: requantise,
    } = conv;
    OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel,
        stride,
        padding,
        dilation,
        groups,
        pad_value: 0,
        requantise,
    }
}

#[test]
fn conv_shape_fan_in_and_work() {
    let facts = check(conv(|_| ()), &[Shape::new(80, 60, 3)], Shape::new(80, 60, 16)).unwrap();
    assert_eq!(
        facts,
        OpFacts {
            output: Shape::new(80, 60, 16),
            fan_in: 27,
            macs: 80 * 60 * 16 * 27
        }
    );
    let odd = conv(|c| (c.k, c.s, c.p, c.d, c.g) = ([3, 2], [2, 3], [0, 1, 2, 3], [2, 4], 2));
    // (9 + 2 − 2·2 − 1)/2 + 1 = 4, (10 + 4 − 4·1 − 1)/3 + 1 = 4
    let facts = check(odd, &[Shape::new(9, 10, 4)], Shape::new(4, 4, 6)).unwrap();
    assert_eq!(facts.fan_in, 12);
    assert_eq!(
        check(odd, &[Shape::new(9, 10, 4)], Shape::new(4, 5, 6)),
        Err(GraphError::OutputShape)
    );
}

#[test]
fn conv_limits() {
    let x = [Shape::new(5, 5, 4)];
    let out = Shape::new(5, 5, 4);
    type Change = fn(&mut Conv);
    let cases: [(Change, GraphError); 15] = [
        (|c| c.k[0] = 0, GraphError::Kernel),
        (|c| c.k[1] = 0, GraphError::Kernel),
        (|c| c.s[0] = 0, GraphError::Stride),
        (|c| c.s[1] = 0, GraphError::Stride),
        (|c| c.d[0] = 0, GraphError::Dilation),
        (|c| c.d[1] = 0, GraphError::Dilation),
        (|c| c.g = 0, GraphError::Groups),
        (|c| c.g = 3, GraphError::Groups),
        (|c| c.k[0] = 8, GraphError::Window),
        (|c| c.d[1] = 4, GraphError::Window),
        (|c| c.r.shift = 0, GraphError::Shift),
        (|c| c.r.shift = 63, GraphError::Shift),
        (|c| (c.r.lo, c.r.hi) = (1, 0), GraphError::Clamp),
        (|c| c.s = [2, 1], GraphError::OutputShape),
        (|c| c.p = [1, 1, 1, 2], GraphError::OutputShape),
    ];
    for (change, error) in cases {
        assert_eq!(check(conv(change), &x, out), Err(error));
    }
    for shift in [1, 62] {
        assert!(check(conv(|c| c.r.shift = shift), &x, out).is_ok());
    }
    assert!(check(conv(|c| c.r.lo = c.r.hi), &x, out).is_ok(), "a constant");
    for (inputs, outputs) in [(4, 6), (6, 4)] {
        let thirds = check(conv(|c| c.g = 3), &[Shape::new(5, 5, inputs)], Shape::new(5, 5, outputs));
        assert_eq!(thirds, Err(GraphError::Groups), "{inputs} to {outputs} channels");
    }
    let exact = conv(|c| c.k = [7, 7]);
    assert!(
        check(exact, &x, Shape::new(1, 1, 4)).is_ok(),
        "a window as large as the padded input"
    );
    assert_eq!(check(conv(|_| ()), &[x[0], x[0]], out), Err(GraphError::InputCount));
    assert_eq!(check(conv(|_| ()), &[Shape::new(5, 0, 4)], out), Err(GraphError::Elements));
    assert_eq!(check(conv(|_| ()), &x, Shape::new(5, 5, 0)), Err(GraphError::Elements));
}

#[test]
fn fan_in_one_below_at_and_above() {
    let matmul = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise: R,
    };
    for (k, ok) in [(16_383, true), (16_384, true), (16_385, false)] {
        let result = check(matmul, &[Shape::new(1, 1, k)], Shape::new(1, 1, 2));
        assert_eq!(
            result.map(|facts| facts.fan_in),
            if ok { Ok(u32::from(k)) } else { Err(GraphError::FanIn) }
        );
    }
    let pool = |kernel| OpKind::MaxPool {
        kernel,
        stride: [1, 1],
        padding: [0; 4],
    };
    assert!(check(pool([100, 100]), &[Shape::new(100, 100, 1)], Shape::new(1, 1, 1)).is_ok());
    assert_eq!(
        check(pool([128, 129]), &[Shape::new(128, 129, 1)], Shape::new(1, 1, 1)),
        Err(GraphError::FanIn)
    );
}

/// A few reads that each open their own chunk cost as much as thousands of contiguous ones.
#[test]
fn an_element_that_reads_from_too_many_places_is_refused() {
    let by_channel = |kernel: [u8; 2], channels: u16| {
        let side = Shape::new(u16::from(kernel[0]), u16::from(kernel[1]), channels);
        let kind = conv(|c| (c.k, c.p, c.g) = (kernel, [0; 4], channels));
        check(kind, &[side], Shape::new(1, 1, channels)).map(|facts| facts.fan_in)
    };
    assert_eq!(by_channel([5, 5], 1_024), Ok(25));
    assert_eq!(by_channel([7, 7], 768), Ok(49));
    assert_eq!(by_channel([11, 11], 1_024), Err(GraphError::Verdict));
    let pool = OpKind::MaxPool {
        kernel: [128, 128],
        stride: [1, 1],
        padding: [0; 4],
    };
    assert_eq!(
        check(pool, &[Shape::new(128, 128, 4)], Shape::new(1, 1, 4)),
        Err(GraphError::Verdict)
    );
}

#[test]
fn largest_output() {
    let wide = conv(|c| (c.k, c.p) = ([1, 1], [0; 4]));
    let x = [Shape::new(4096, 4096, 1)];
    assert!(check(wide, &x, Shape::new(4096, 4096, 1)).is_ok());
    assert_eq!(check(wide, &x, Shape::new(4096, 4096, 2)), Err(GraphError::Elements));
    let up = OpKind::Upsample { factor: 16 };
    assert_eq!(
        check(up, &[Shape::new(4096, 1, 1)], Shape::new(u16::MAX, 16, 1)),
        Err(GraphError::Elements),
        "65,536 rows"
    );
}

#[test]
fn elementwise_and_layout_ops() {
    let (x, pixel, other) = (Shape::new(4, 6, 8), Shape::new(1, 1, 8), Shape::new(1, 6, 8));
    let add = |a_multiplier, b_multiplier| OpKind::Add {
        a_zero_point: 1,
        b_zero_point: 2,
        a_multiplier,
        b_multiplier,
        requantise: R,
    };
    assert_eq!(check(add(-5, i32::MAX), &[x, x], x).map(|f| (f.fan_in, f.macs)), Ok((2, 384)));
    assert!(check(add(1, i32::MIN + 1), &[x, pixel], x).is_ok());
    assert_eq!(check(add(1, i32::MIN), &[x, x], x), Err(GraphError::Multiplier));
    assert_eq!(check(add(i32::MIN, 1), &[x, x], x), Err(GraphError::Multiplier));
    assert_eq!(check(add(1, 1), &[x, other], x), Err(GraphError::InputShapes));
    assert_eq!(
        check(add(1, 1), &[pixel, x], pixel),
        Err(GraphError::InputShapes),
        "only the second operand is repeated"
    );
    let mul = |multiplier| OpKind::Mul {
        a_zero_point: 1,
        b_zero_point: 2,
        multiplier,
        requantise: R,
    };
    assert!(check(mul(0), &[x, pixel], x).is_ok());
    assert_eq!(check(mul(-1), &[x, x], x), Err(GraphError::Multiplier));
    assert_eq!(check(mul(1), &[x, other], x), Err(GraphError::InputShapes));

    assert!(check(OpKind::Table8 { table: [0; 32] }, &[x], x).is_ok());
    assert!(check(OpKind::Concat, &[x, Shape::new(4, 6, 1), x], Shape::new(4, 6, 17)).is_ok());
    assert_eq!(check(OpKind::Concat, &[x], x), Err(GraphError::InputCount));
    assert_eq!(check(OpKind::Concat, &[x, pixel], x), Err(GraphError::InputShapes));

    for (factor, ok) in [(0, false), (1, false), (2, true), (16, true), (17, false)] {
        let f = u16::from(factor);
        let up = check(OpKind::Upsample { factor }, &[x], Shape::new(4 * f, 6 * f, 8));
        assert_eq!(up.is_ok(), ok, "{factor}");
        let deep = Shape::new(2, 3, f * f * 5);
        let shuffled = check(OpKind::DepthToSpace { block: factor }, &[deep], Shape::new(2 * f, 3 * f, 5));
        assert_eq!(shuffled.is_ok(), ok, "{factor}");
    }
    for (block, error) in [(0, GraphError::Factor), (3, GraphError::Block), (17, GraphError::Factor)] {
        assert_eq!(check(OpKind::DepthToSpace { block }, &[x], x), Err(error), "{block}");
    }
}

#[test]
fn every_kind_with_a_requantisation_has_a_valid_one() {
    let requantise = Requantise { shift: 0, ..R };
    let (x, row) = (Shape::new(4, 6, 8), Shape::new(1, 5, 8));
    let (a_zero_point, b_zero_point, multiplier) = (0, 0, 1);
    let matmul = OpKind::Matmul {
        weights: [0; 32],
        channels: [0; 32],
        requantise,
    };
    let product = OpKind::MatmulAct {
        a_zero_point,
        b_zero_point,
        multiplier,
        requantise,
    };
    let add = OpKind::Add {
        a_zero_point,
        b_zero_point,
        a_multiplier: 1,
        b_multiplier: 1,
        requantise,
    };
    let mul = OpKind::Mul {
        a_zero_point,
        b_zero_point,
        multiplier,
        requantise,
    };
    let average = OpKind::AvgPool {
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0; 4],
        input_zero_point: 0,
        multiplier,
        requantise,
    };
    for (kind, inputs, output) in [
        (matmul, vec![x], x),
        (product, vec![row; 2], Shape::new(1, 5, 5)),
        (add, vec![x; 2], x),
        (mul, vec![x; 2], x),
        (average, vec![x], x),
    ] {
        assert_eq!(check(kind, &inputs, output), Err(GraphError::Shift), "{kind:?}");
    }
}

#[test]
fn an_op_names_as_many_inputs_as_it_is_checked_with() {
    let x = Shape::new(4, 6, 8);
    let op = OpDescriptor {
        inputs: Inputs::new(&[0, 1]).unwrap(),
        kind: OpKind::Table8 { table: [0; 32] },
        output: x,
    };
    assert_eq!(check_op(&op, &[x]), Err(GraphError::InputCount));
}

#[test]
fn products_of_activations_and_pools() {
    let product = |multiplier| OpKind::MatmulAct {
        a_zero_point: 0,
        b_zero_point: 0,
        multiplier,
        requantise: R,
    };
    let (a, b) = (Shape::new(1, 5, 8), Shape::new(1, 7, 8));
    assert_eq!(check(product(1), &[a, b], Shape::new(1, 5, 7)).map(|f| f.macs), Ok(5 * 7 * 8));
    assert_eq!(check(product(-1), &[a, b], Shape::new(1, 5, 7)), Err(GraphError::Multiplier));
    assert_eq!(
        check(product(1), &[a, Shape::new(1, 7, 9)], Shape::new(1, 5, 7)),
        Err(GraphError::InputShapes)
    );
    assert_eq!(
        check(product(1), &[a, Shape::new(2, 7, 8)], Shape::new(1, 5, 7)),
        Err(GraphError::InputShapes)
    );
    assert_eq!(
        check(product(1), &[Shape::new(2, 5, 8), b], Shape::new(1, 5, 7)),
        Err(GraphError::InputShapes)
    );

    let max = |padding| OpKind::MaxPool {
        kernel: [2, 3],
        stride: [2, 2],
        padding,
    };
    let x = [Shape::new(4, 6, 8)];
    assert!(check(max([1, 2, 1, 2]), &x, Shape::new(3, 4, 8)).is_ok());
    assert_eq!(check(max([2, 0, 0, 0]), &x, Shape::new(3, 2, 8)), Err(GraphError::Padding));
    assert_eq!(check(max([0, 0, 0, 3]), &x, Shape::new(2, 4, 8)), Err(GraphError::Padding));
    let average = OpKind::AvgPool {
        kernel: [2, 2],
        stride: [1, 1],
        padding: [9; 4],
        input_zero_point: 3,
        multiplier: 1,
        requantise: R,
    };
    assert!(check(average, &x, Shape::new(21, 23, 8)).is_ok());
}

#[test]
fn the_model_preimage_is_as_documented() {
    let facts = GraphFacts {
        n_ops: 5,
        graph_root: [7; 32],
        max_fan_in: 27,
        macs: 1 << 40,
        interval: 1,
    };
    let mut bytes = vec![1, 0, 2];
    bytes.extend([80, 0, 80, 0, 3, 0, 1, 0, 1, 0, 16, 0]);
    bytes.extend([5, 0, 0, 0]);
    bytes.extend([7; 32]);
    bytes.extend([27, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    let inputs = [Shape::new(80, 80, 3), Shape::new(1, 1, 16)];
    assert_eq!(model_hash(&inputs, &facts), tagged(Tag::Model, [&bytes]));
    bytes.extend([4, 0, 0, 0]);
    assert_eq!(
        model_hash(&inputs, &GraphFacts { interval: 4, ..facts }),
        tagged(Tag::Model, [&bytes])
    );
    let valid = |interval| GraphFacts { interval, ..facts }.has_interval();
    assert!(valid(1) && valid(4) && !valid(0) && !valid(5));
}

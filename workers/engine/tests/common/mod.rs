//! Packages for tests, and their evaluation by the protocol's reference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code
)]

pub mod comparison;
pub mod elements;
pub mod extremes;
pub mod products;
pub mod work;

use engine::Package;
use protocol::batch::BatchHeader;
use protocol::graph;
use protocol::hash::Hash;
use protocol::ops::{Inputs, OpDescriptor, OpKind, Operands, evaluate_all};
use protocol::requantise::Requantise;
use protocol::tensor::Shape;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// A package under construction.
pub struct Draft {
    pub inputs: Vec<Shape>,
    pub values: Vec<Shape>,
    pub ops: Vec<Value>,
    pub tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    /// Number of ops from one checkpoint of a trace to the next; not in the manifest if it is 1.
    pub interval: u32,
}

impl Draft {
    pub fn new(inputs: &[Shape]) -> Self {
        Self {
            inputs: inputs.to_vec(),
            values: inputs.to_vec(),
            ops: Vec::new(),
            tensors: Vec::new(),
            interval: 1,
        }
    }

    /// Name of a value: `in0`, `in1`, …, `op0`, `op1`, …
    pub fn name(&self, id: usize) -> String {
        if id < self.inputs.len() {
            format!("in{id}")
        } else {
            format!("op{}", id - self.inputs.len())
        }
    }

    pub fn i8_tensor(&mut self, name: &str, dims: &[usize], data: &[i8]) {
        self.tensors
            .push((name.to_owned(), Dtype::I8, dims.to_vec(), data.iter().map(|x| *x as u8).collect()));
    }

    pub fn i32_tensor(&mut self, name: &str, data: &[i32]) {
        self.tensors.push((
            name.to_owned(),
            Dtype::I32,
            vec![data.len()],
            data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ));
    }

    pub fn manifest(&self) -> Value {
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(i, s)| json!({"name": format!("in{i}"), "dims": [s.h, s.w, s.c]}))
            .collect();
        let mut manifest = json!({
            "format": 1, "name": "draft", "version": "1.0.0", "license": "Apache-2.0", "description": "made up",
            "task": {"kind": "test"}, "inputs": inputs, "ops": self.ops,
        });
        if self.interval != 1 {
            manifest["checkpoint_interval"] = self.interval.into();
        }
        manifest
    }

    pub fn safetensors(&self) -> Vec<u8> {
        let views = self
            .tensors
            .iter()
            .map(|(name, dtype, dims, data)| (name, TensorView::new(*dtype, dims.clone(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    /// Draws the interval of checkpoints: every op for half of the drafts, otherwise a random one.
    pub fn of_checkpoints(mut self, rng: &mut fastrand::Rng) -> Self {
        if rng.bool() {
            // There must be a checkpoint before the last op.
            self.interval = rng.u32(1..(self.ops.len() as u32).max(2));
        }
        self
    }

    pub fn package(&self) -> Result<Package, engine::Error> {
        Package::from_bytes(&serde_json::to_vec(&self.manifest()).unwrap(), &self.safetensors())
    }

    /// Draws a random op, and appends it if it is valid and not too much work.
    pub fn grow(&mut self, rng: &mut fastrand::Rng, most_macs: u64) -> bool {
        let any = |rng: &mut fastrand::Rng, values: &[Shape]| rng.usize(0..values.len());
        let first = any(rng, &self.values);
        let a = self.values[first];
        let mut ids = vec![first];
        let mut channels = 0;
        let kind = match rng.u8(0..14) {
            0..=2 => {
                let kind;
                (kind, channels) = conv2d(rng, a.c);
                kind
            }
            3 => {
                channels = some_channels(rng);
                OpKind::Matmul {
                    weights: [0; 32],
                    channels: [0; 32],
                    requantise: requantise(rng, 1),
                }
            }
            4 => {
                let rows = self
                    .values
                    .iter()
                    .enumerate()
                    .filter(|(_, s)| s.h == 1 && s.c == a.c)
                    .map(|(i, _)| i);
                ids.push(rng.choice(rows.collect::<Vec<_>>()).unwrap_or(first));
                let zero_point = |rng: &mut fastrand::Rng| if rng.bool() { 0 } else { rng.i8(..) };
                let (m, shift) = scale(rng, 64.0 * f64::from(a.c).sqrt());
                let requantise = requantise(rng, shift);
                OpKind::MatmulAct {
                    a_zero_point: zero_point(rng),
                    b_zero_point: zero_point(rng),
                    multiplier: m,
                    requantise,
                }
            }
            5..=6 => {
                ids.push(self.partner(rng, first));
                add(rng)
            }
            7 => {
                ids.push(self.partner(rng, first));
                let (multiplier, shift) = scale(rng, 64.0);
                OpKind::Mul {
                    a_zero_point: rng.i8(..),
                    b_zero_point: rng.i8(..),
                    multiplier,
                    requantise: requantise(rng, shift),
                }
            }
            8 => OpKind::Table8 { table: [0; 32] },
            9 => {
                let same = |s: &Shape| (s.h, s.w) == (a.h, a.w);
                let others: Vec<usize> = self.values.iter().enumerate().filter(|(_, s)| same(s)).map(|(i, _)| i).collect();
                ids.extend((0..rng.usize(1..4)).map(|_| *rng.choice(&others).unwrap()));
                OpKind::Concat
            }
            10 => OpKind::Upsample { factor: rng.u8(2..5) },
            11 => OpKind::DepthToSpace { block: rng.u8(2..5) },
            12 => OpKind::MaxPool {
                kernel: pair(rng, 4),
                stride: pair(rng, 3),
                padding: quad(rng, 3),
            },
            _ => {
                let kernel = pair(rng, 4);
                let (multiplier, shift) = scale(rng, f64::from(kernel[0]) * f64::from(kernel[1]));
                OpKind::AvgPool {
                    kernel,
                    stride: pair(rng, 3),
                    padding: quad(rng, 3),
                    input_zero_point: rng.i8(..),
                    multiplier,
                    requantise: requantise(rng, shift),
                }
            }
        };
        self.push(kind, &ids, channels, rng, most_macs)
    }

    /// Draws a value that can be the second operand of an element-wise op on `first`.
    fn partner(&self, rng: &mut fastrand::Rng, first: usize) -> usize {
        let a = self.values[first];
        let fits = |s: &Shape| *s == a || *s == Shape::new(1, 1, a.c);
        let fitting: Vec<usize> = self.values.iter().enumerate().filter(|(_, s)| fits(s)).map(|(i, _)| i).collect();
        rng.choice(fitting).unwrap_or(first)
    }

    /// Appends an op with random constants. `channels` is the number of output channels of a product.
    pub fn push(&mut self, mut kind: OpKind, ids: &[usize], channels: u16, rng: &mut fastrand::Rng, most_macs: u64) -> bool {
        let shapes: Vec<Shape> = ids.iter().map(|id| self.values[*id]).collect();
        let inputs = Inputs::new(&ids.iter().map(|id| *id as u16).collect::<Vec<_>>()).unwrap();
        let mut op = OpDescriptor {
            inputs,
            kind,
            output: Shape::new(0, 0, channels),
        };
        // The shift of a product is drawn below, with its constants.
        let Ok(output) = graph::output_shape(&op, &shapes) else {
            return false;
        };
        op.output = output;
        let Ok(facts) = graph::check_op(&op, &shapes) else { return false };
        if facts.macs > most_macs || u64::from(output.elements().unwrap()) > most_macs.max(4_000_000) / 20 {
            return false;
        }
        let name = self.name(self.values.len());
        let names: Vec<String> = ids.iter().map(|id| self.name(*id)).collect();
        let mut value = json!({"name": name, "inputs": names});
        let mut set = |entries: Value| value.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
        match &mut kind {
            OpKind::Conv2d { .. } | OpKind::Matmul { .. } => {
                set(self.product_constants(&name, &mut kind, channels.into(), facts.fan_in as usize, rng));
            }
            OpKind::Table8 { .. } => {
                let table: Vec<i8> = (0..256).map(|_| rng.i8(..)).collect();
                let key = format!("{name}.table");
                self.i8_tensor(&key, &[256], &table);
                set(json!({"table": key}));
            }
            _ => {}
        }
        let (fields, requantise) = fields(&kind);
        set(fields);
        if let Some(r) = requantise {
            set(json!({"shift": r.shift, "zero_point": r.zero_point, "clamp": [r.lo, r.hi]}));
        }
        self.ops.push(value);
        self.values.push(output);
        true
    }

    /// Draws the constants of a product with `co` channels of `k` terms, and its shift. Returns the names of the tensors.
    fn product_constants(&mut self, name: &str, kind: &mut OpKind, co: usize, k: usize, rng: &mut fastrand::Rng) -> Value {
        let extreme = rng.u8(..) < 20;
        let weights: Vec<i8> = (0..co * k).map(|_| if extreme { 127 } else { rng.i8(-127..=127) }).collect();
        let (top, shift) = scale(rng, 60.0 * (k as f64).sqrt());
        let multipliers: Vec<i32> = (0..co).map(|_| if rng.u8(..) < 10 { 0 } else { rng.i32(top / 2..=top) }).collect();
        let wild = rng.u8(..) < 20;
        let most = if wild { (1 << 30) - 1 } else { (k as i32) * 2000 };
        let bias: Vec<i32> = (0..co)
            .map(|_| if wild && rng.bool() { most } else { rng.i32(-most..=most) })
            .collect();
        let keys = ["weights", "bias", "multiplier"].map(|key| format!("{name}.{key}"));
        let dims = match kind {
            OpKind::Conv2d {
                kernel: [kh, kw],
                requantise,
                ..
            } => {
                requantise.shift = shift;
                let (kh, kw) = (usize::from(*kh), usize::from(*kw));
                vec![co, kh, kw, k / (kh * kw)]
            }
            OpKind::Matmul { requantise, .. } => {
                requantise.shift = shift;
                vec![co, k]
            }
            other => panic!("{other:?} is not a product with weights"),
        };
        self.i8_tensor(&keys[0], &dims, &weights);
        self.i32_tensor(&keys[1], &bias);
        self.i32_tensor(&keys[2], &multipliers);
        json!({"weights": keys[0], "bias": keys[1], "multiplier": keys[2]})
    }
}

/// The fields of an op in `model.json`, except its constants, and its requantisation.
fn fields(kind: &OpKind) -> (Value, Option<Requantise>) {
    match *kind {
        OpKind::Conv2d {
            stride,
            padding,
            dilation,
            groups,
            pad_value,
            requantise,
            ..
        } => {
            let windows = json!({"op": "conv2d", "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
                "pad_value": pad_value});
            (windows, Some(requantise))
        }
        OpKind::Matmul { requantise, .. } => (json!({"op": "matmul"}), Some(requantise)),
        OpKind::MatmulAct {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => {
            let zeros = json!({"op": "matmul_act", "a_zero_point": a_zero_point, "b_zero_point": b_zero_point, "multiplier": multiplier});
            (zeros, Some(requantise))
        }
        OpKind::Add {
            a_zero_point,
            b_zero_point,
            a_multiplier,
            b_multiplier,
            requantise,
        } => {
            let operands = json!({"op": "add", "a_zero_point": a_zero_point, "b_zero_point": b_zero_point,
                "a_multiplier": a_multiplier, "b_multiplier": b_multiplier});
            (operands, Some(requantise))
        }
        OpKind::Mul {
            a_zero_point,
            b_zero_point,
            multiplier,
            requantise,
        } => {
            let operands = json!({"op": "mul", "a_zero_point": a_zero_point, "b_zero_point": b_zero_point, "multiplier": multiplier});
            (operands, Some(requantise))
        }
        OpKind::Table8 { .. } => (json!({"op": "table8"}), None),
        OpKind::Concat => (json!({"op": "concat"}), None),
        OpKind::Upsample { factor } => (json!({"op": "upsample", "factor": factor}), None),
        OpKind::DepthToSpace { block } => (json!({"op": "depth_to_space", "block": block}), None),
        OpKind::MaxPool { kernel, stride, padding } => (
            json!({"op": "max_pool", "kernel": kernel, "stride": stride, "padding": padding}),
            None,
        ),
        OpKind::AvgPool {
            kernel,
            stride,
            padding,
            input_zero_point,
            multiplier,
            requantise,
        } => {
            let window = json!({"op": "avg_pool", "kernel": kernel, "stride": stride, "padding": padding,
                "input_zero_point": input_zero_point, "multiplier": multiplier});
            (window, Some(requantise))
        }
    }
}

/// A random requantisation with this shift.
fn requantise(rng: &mut fastrand::Rng, shift: u8) -> Requantise {
    let (x, y) = (rng.i8(..), rng.i8(..));
    let (lo, hi) = if rng.u8(..) < 180 { (-128, 127) } else { (x.min(y), x.max(y)) };
    Requantise {
        shift,
        zero_point: rng.i8(..),
        lo,
        hi,
    }
}

/// A random kernel, stride or dilation.
fn pair(rng: &mut fastrand::Rng, top: u8) -> [u8; 2] {
    [rng.u8(1..=top), rng.u8(1..=top)]
}

/// A random padding, often none.
fn quad(rng: &mut fastrand::Rng, top: u8) -> [u8; 4] {
    if rng.bool() { [0; 4] } else { [(); 4].map(|()| rng.u8(0..=top)) }
}

/// A random convolution of an input with `channels` channels, and the number of its output channels. Its shift is drawn with its constants.
fn conv2d(rng: &mut fastrand::Rng, channels: u16) -> (OpKind, u16) {
    let groups = match rng.u8(0..6) {
        0 => channels,
        1 => *rng.choice(&[2, 3, 4]).unwrap(),
        _ => 1,
    };
    let output = if groups == channels && rng.bool() {
        channels
    } else {
        some_channels(rng).next_multiple_of(groups)
    };
    let kind = OpKind::Conv2d {
        weights: [0; 32],
        channels: [0; 32],
        kernel: pair(rng, 4),
        stride: if rng.bool() { [1, 1] } else { pair(rng, 3) },
        padding: quad(rng, 3),
        dilation: if rng.bool() { [1, 1] } else { pair(rng, 3) },
        groups,
        pad_value: rng.i8(..),
        requantise: requantise(rng, 1),
    };
    (kind, output)
}

/// A random element-wise sum.
fn add(rng: &mut fastrand::Rng) -> OpKind {
    let (a_multiplier, shift) = scale(rng, 1.0);
    let b_multiplier = if rng.bool() {
        -(a_multiplier / 2)
    } else {
        rng.i32(-i32::MAX..) >> rng.u8(0..20)
    };
    let (a_zero_point, b_zero_point) = (rng.i8(..), rng.i8(..));
    OpKind::Add {
        a_zero_point,
        b_zero_point,
        a_multiplier,
        b_multiplier,
        requantise: requantise(rng, shift),
    }
}

/// Channel counts around the sizes of vectors and tiles.
pub fn some_channels(rng: &mut fastrand::Rng) -> u16 {
    match rng.u8(0..3) {
        0 => *rng
            .choice(&[1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80])
            .unwrap(),
        _ => rng.u16(1..24),
    }
}

/// A multiplier and shift, which usually scale values of magnitude `typical` to the range of `i8`, and are sometimes absurd.
fn scale(rng: &mut fastrand::Rng, typical: f64) -> (i32, u8) {
    if rng.u8(..) < 16 {
        return (*rng.choice(&[0, 1, i32::MAX]).unwrap(), rng.u8(1..=62));
    }
    let m = rng.i32(1 << 8..=i32::MAX) >> rng.u8(0..8);
    let shift = (f64::from(m) * typical / f64::from(rng.u8(1..=4))).log2().round();
    (m, shift.clamp(1.0, 62.0) as u8)
}

/// A random graph of 1 to `ops` ops. The inputs are drawn again if no op on them is small enough; `most_macs` must allow at least one.
pub fn random_graph(rng: &mut fastrand::Rng, ops: usize, most_macs: u64) -> Draft {
    let side = |rng: &mut fastrand::Rng| {
        let most = if rng.u8(..) < 40 { 40 } else { 12 };
        rng.u16(1..=most)
    };
    loop {
        let mut inputs: Vec<Shape> = (0..rng.usize(1..=2))
            .map(|_| {
                let h = if rng.u8(..) < 60 { 1 } else { side(rng) };
                Shape::new(h, side(rng), some_channels(rng))
            })
            .collect();
        if rng.bool() {
            // A value to be repeated over the first input.
            inputs.push(Shape::new(1, 1, inputs[0].c));
        }
        let mut draft = Draft::new(&inputs);
        for _ in 0..ops {
            draft.grow(rng, most_macs);
        }
        if !draft.ops.is_empty() {
            return draft;
        }
    }
}

/// Random inputs, which are occasionally all at one end of the range.
pub fn random_inputs(rng: &mut fastrand::Rng, shapes: &[Shape]) -> Vec<Vec<i8>> {
    let fill = |rng: &mut fastrand::Rng, shape: &Shape| {
        let constant = match rng.u8(0..12) {
            0 => Some(-128),
            1 => Some(127),
            _ => None,
        };
        (0..shape.elements().unwrap())
            .map(|_| constant.unwrap_or_else(|| rng.i8(..)))
            .collect()
    };
    shapes.iter().map(|shape| fill(rng, shape)).collect()
}

/// An inputs blob of `units` random units.
pub fn random_batch(rng: &mut fastrand::Rng, package: &Package, units: u32) -> Vec<u8> {
    let shapes = package.input_shapes();
    let mut blob = BatchHeader::inputs(units, &shapes).unwrap().encode().to_vec();
    for _ in 0..units {
        random_inputs(rng, &shapes).iter().for_each(|input| blob.extend(codes(input)));
    }
    blob
}

/// A network with values of many megabytes, and two units for it. A GPU hashes them in several batches, in parallel with the ops that
/// follow.
pub fn hashed_in_batches() -> (Arc<Package>, Vec<u8>) {
    let side = Shape::new(512, 512, 4);
    let mut draft = Draft::new(&[side]);
    let mut rng = fastrand::Rng::with_seed(11);
    for step in 0..40 {
        let ids = match step {
            0 | 1 | 15 | 16 => vec![step],
            17 => vec![17, 15],
            _ => vec![step, step - 1],
        };
        // The sixteenth output, which fills a batch, is of a product that is computed at the step of the next op.
        let kind = if step == 15 {
            OpKind::Matmul {
                weights: [0; 32],
                channels: [0; 32],
                requantise: Requantise {
                    shift: 1,
                    zero_point: 0,
                    lo: -128,
                    hi: 127,
                },
            }
        } else if ids.len() == 1 {
            OpKind::Table8 { table: [0; 32] }
        } else {
            OpKind::Add {
                a_zero_point: 3,
                b_zero_point: -5,
                a_multiplier: 1 << 29,
                b_multiplier: -(1 << 28),
                requantise: Requantise {
                    shift: 29,
                    zero_point: 1,
                    lo: -128,
                    hi: 127,
                },
            }
        };
        assert!(draft.push(kind, &ids, 4, &mut rng, 1 << 25));
    }
    let package = Arc::new(draft.package().unwrap());
    let blob = random_batch(&mut rng, &package, 2);
    (package, blob)
}

/// Number of cases to run, which CUDA_CASES overrides.
pub fn cases(default: u64) -> u64 {
    std::env::var("CUDA_CASES").map_or(default, |cases| cases.parse().expect("CUDA_CASES is a number"))
}

/// A shipped model, from this checkout or from the folder named by IONET_MODELS: a test may run without a checkout.
pub fn shipped(model: &str) -> Arc<Package> {
    let folder =
        std::env::var_os("IONET_MODELS").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models"), PathBuf::from);
    Arc::new(Package::load(&folder.join(model)).unwrap())
}

/// Every op's output according to the reference, and its TENSOR.
pub fn reference(package: &Package, inputs: &[Vec<i8>]) -> (Vec<Vec<i8>>, Vec<Hash>) {
    reference_from(package, inputs, |_, _| ())
}

/// [`reference`], with each op's output altered before anything reads it.
pub fn reference_from(package: &Package, inputs: &[Vec<i8>], mut alter: impl FnMut(usize, &mut [i8])) -> (Vec<Vec<i8>>, Vec<Hash>) {
    let mut values = inputs.to_vec();
    let mut hashes = Vec::new();
    for op in &package.ops {
        let read: Vec<&[i8]> = op
            .descriptor
            .inputs
            .as_slice()
            .iter()
            .map(|id| values[usize::from(*id)].as_slice())
            .collect();
        let constants = &op.constants;
        let operands = Operands {
            inputs: &read,
            weights: &constants.weights,
            channels: &constants.channels,
            table: &constants.table,
        };
        let mut output = evaluate_all(&op.descriptor, &op.inputs, &operands).unwrap();
        alter(hashes.len(), &mut output);
        hashes.push(op.descriptor.output.layout().hash_i8(values.len() as u32, &output));
        values.push(output);
    }
    (values.split_off(inputs.len()), hashes)
}

pub fn codes(values: &[i8]) -> Vec<u8> {
    values.iter().map(|x| protocol::tensor::to_code(*x)).collect()
}

//! Evaluates random elements in three ways: with the protocol's definition, the referee and the engine.

use super::{Draft, codes, random_graph, random_inputs, some_channels};
use engine::{Backend, Engine, Op};
use protocol::ops::{Operand, Operands, evaluate};
use protocol::referee::{Openings, element};
use protocol::tensor::{Shape, from_code, to_code};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of elements to compare per op.
const ELEMENTS: u32 = 64;

/// Number of elements compared, by the op's name.
pub type Counts = BTreeMap<String, u64>;

/// Compares random elements of every op of the graph for `seed`, with the engine on every backend of this CPU. Fails with the first
/// difference.
pub fn compare(seed: u64, counts: &mut Counts) -> Result<(), String> {
    let rng = &mut fastrand::Rng::with_seed(seed);
    // Most graphs are narrow, so that windows touch every edge; some have sums of thousands of terms.
    let draft = if rng.u8(..) < 32 {
        wide_graph(rng)
    } else {
        random_graph(rng, 5, 60_000)
    };
    let package = Arc::new(draft.package().map_err(|error| format!("seed {seed}: {error}"))?);
    let inputs: Vec<Vec<u8>> = random_inputs(rng, &package.input_shapes())
        .iter()
        .map(|input| codes(input))
        .collect();
    let given: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let on = |backend| {
        let engine = Engine::with_backend(package.clone(), 1, backend).map_err(|error| format!("seed {seed} on {backend}: {error}"))?;
        engine.values(&given).map_err(|error| format!("seed {seed} on {backend}: {error}"))
    };
    let backends = Backend::available();
    let by_backend: Vec<Vec<Vec<u8>>> = backends.iter().map(|backend| on(*backend)).collect::<Result<_, _>>()?;

    let mut values = inputs.clone();
    for (index, op) in package.ops.iter().enumerate() {
        let read: Vec<&[u8]> = op
            .descriptor
            .inputs
            .as_slice()
            .iter()
            .map(|id| values[usize::from(*id)].as_slice())
            .collect();
        let signed: Vec<Vec<i8>> = read
            .iter()
            .map(|value| value.iter().map(|code| from_code(*code)).collect())
            .collect();
        let operands = Operands {
            inputs: &signed.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            weights: &op.constants.weights,
            channels: &op.constants.channels,
            table: &op.constants.table,
        };
        let open = Whole::new(read, op);
        let total = op.descriptor.output.elements().unwrap();
        let mut count = 0;
        for at in (0..ELEMENTS.min(total)).map(|nth| if nth == 0 { total - 1 } else { rng.u32(0..total) }) {
            let defined = evaluate(&op.descriptor, &op.inputs, &operands, at).map(to_code);
            let judged = element(&op.descriptor, &op.inputs, &open, at).map(to_code);
            let different = |found: Option<u8>| found.is_none() || found != defined;
            for (backend, ours) in backends.iter().zip(&by_backend) {
                let computed = ours[index].get(at as usize).copied();
                if different(judged) || different(computed) {
                    return Err(format!(
                        "seed {seed}, op {index} {}, inputs {:?}, element {at}: the definition makes {defined:?} of it, the referee {judged:?}, the \
                         engine on {backend} {computed:?}",
                        draft.ops[index], op.inputs
                    ));
                }
            }
            count += 1;
        }
        *counts.entry(draft.ops[index]["op"].as_str().unwrap().to_owned()).or_default() += count;
        values.push(by_backend[0][index].clone());
    }
    Ok(())
}

/// A graph of up to three ops on a few pixels with many channels.
fn wide_graph(rng: &mut fastrand::Rng) -> Draft {
    loop {
        let channels = if rng.bool() {
            rng.u16(500..5_000)
        } else {
            some_channels(rng) * 200
        };
        let mut draft = Draft::new(&[Shape::new(rng.u16(1..=2), rng.u16(1..=3), channels)]);
        for _ in 0..3 {
            draft.grow(rng, 3_000_000);
        }
        if !draft.ops.is_empty() {
            return draft;
        }
    }
}

/// All bytes of an op's operands, in the form that is committed to.
struct Whole<'a> {
    inputs: Vec<&'a [u8]>,
    weights: Vec<u8>,
    channels: Vec<u8>,
    table: Vec<u8>,
}

impl<'a> Whole<'a> {
    fn new(inputs: Vec<&'a [u8]>, op: &Op) -> Self {
        Self {
            inputs,
            weights: op.constants.weight_codes(),
            channels: op.constants.channel_records(),
            table: op.constants.table_codes(),
        }
    }
}

impl Openings for Whole<'_> {
    fn bytes(&self, operand: Operand, first: u32, len: u32) -> Option<&[u8]> {
        let whole = match operand {
            Operand::Input(slot) => *self.inputs.get(usize::from(slot))?,
            Operand::Weights => &self.weights,
            Operand::Channels => &self.channels,
            Operand::Table => &self.table,
        };
        whole.get(first as usize..)?.get(..len as usize)
    }
}

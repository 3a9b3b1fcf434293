//! Checks one revealed job: recomputes it, finds where its result differs, and builds the evidence.

use crate::locate::{Contradiction, Difference, Flaw, Found, Missing, Place, Spot, WorkerTrace, contradiction, place};
use crate::{Error, Result};
use bytes::Bytes;
use engine::{Batch, Package};
use jobs::Job;
use protocol::batch::BatchHeader;
use protocol::graph::{MAX_GRAPH_INPUTS, MAX_VERDICT_UNITS, verdict_units};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::ops::{OpDescriptor, Operand};
use protocol::referee::{Claim, Claimed, Exhibit, MAX_EVIDENCE_BYTES, Node, Preimage, Shown, Tensors, Verdict, judge};
use protocol::tensor::{CHUNK_BYTES, Shape};
use protocol::trace::{Checkpoints, op_leaves};
use solana_address::Address;
use std::sync::Arc;
use worker::Model;

/// What a check found.
#[derive(Clone, Debug)]
pub enum Finding {
    /// The result is what the model computes from the input.
    Right,
    /// The result is wrong, and the case proves it.
    Wrong(Box<Case>),
    /// The result is wrong, but the worker hides what would prove it.
    Hidden(Missing),
}

/// A difference, and the evidence that convicts for it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The referee's verdict on the evidence.
    pub verdict: Verdict,
    /// How the op's output differs, if that is what is wrong.
    pub difference: Option<Difference>,
    /// The evidence.
    pub evidence: Vec<u8>,
}

/// A finding, and the computation that it rests on.
#[derive(Clone, Debug)]
pub struct Opinion {
    /// The finding.
    pub finding: Finding,
    /// The right result of the whole job.
    pub computed: Batch,
}

/// The claim that the referee judges evidence against. `shown` is needed if traces commit to checkpoints only: the ops of the unit in
/// question, as the worker showed them on the chain.
pub fn claim(package: &Package, job: &Job, shown: Option<Shown>) -> Claim {
    let mut input_shapes = [Shape::default(); MAX_GRAPH_INPUTS];
    for (to, from) in input_shapes.iter_mut().zip(package.input_shapes()) {
        *to = from;
    }
    Claim {
        graph_root: package.facts.graph_root,
        n_ops: package.facts.n_ops,
        interval: package.facts.interval,
        shown,
        input_shapes,
        // At most four.
        n_inputs: package.inputs.len() as u8,
        units: job.units.get(),
        inputs: job.inputs,
        traces: job.traces,
        outputs: job.outputs,
    }
}

/// Upper bound on the lamports that evidence about an element of a model takes: rent, which returns, and fees. It follows from the bound on
/// the compute units of a verdict, as if all of them were spent on chunks, which have the most bytes per unit. This overestimates the bytes
/// by more than the fees of the transactions.
pub fn lamports_of_evidence(package: &Package) -> u64 {
    let units = package.ops.iter().map(|op| verdict_units(&op.descriptor, &op.inputs)).max();
    let bytes = units
        .unwrap_or(0)
        .saturating_mul(MAX_EVIDENCE_BYTES as u64)
        .div_ceil(MAX_VERDICT_UNITS);
    chain::rent(bytes as usize)
}

/// Recomputes a revealed job on its input, which the caller has fetched and checked, and compares the result with what the worker shows.
pub async fn check(model: &Arc<Model>, address: &Address, job: &Job, inputs: Bytes, shown: &dyn WorkerTrace) -> Result<Opinion> {
    let (engine, blob) = (model.clone(), inputs.clone());
    let (computed, _) = run_blocking(address, move || engine.run(&blob, || true)).await?;
    let finding = examine(model, address, job, inputs, &computed, shown).await?;
    Ok(Opinion { finding, computed })
}

/// Compares a revealed job with its recomputation, whose outputs blob is not needed, using what the worker shows.
pub async fn examine(
    model: &Arc<Model>,
    address: &Address,
    job: &Job,
    inputs: Bytes,
    computed: &Batch,
    shown: &dyn WorkerTrace,
) -> Result<Finding> {
    let checkpoints = model.engine().package().checkpoints();
    let mut found = place(computed, checkpoints, &job.traces, &job.outputs, shown).await;
    let mut known = None;
    if let Place::Unit { unit } = found.place {
        if checkpoints.are_all() {
            found = found.narrowed(unit, computed.unit(unit));
        } else {
            let unit = Unit::compute(model, address, &inputs, unit, true).await?;
            found = found.narrowed(unit.number, &unit.tensors);
            known = Some(unit);
        }
    }
    Ok(match found.place {
        Place::Nowhere => Finding::Right,
        Place::Hidden(missing) => Finding::Hidden(missing),
        _ => {
            let place = found.place.clone();
            let mut docket = Docket::open(model.clone(), address, job, inputs, found)?;
            docket.known = known;
            match docket.case(&place, shown).await? {
                Ok(case) => Finding::Wrong(Box::new(case)),
                Err(missing) => Finding::Hidden(missing),
            }
        }
    })
}

/// Runs a computation about a job on the pool of blocking threads.
async fn run_blocking<T: Send + 'static>(
    address: &Address,
    work: impl FnOnce() -> std::result::Result<T, engine::Error> + Send + 'static,
) -> Result<T> {
    let failed = |reason: String| Error::Compute { job: *address, reason };
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| failed(error.to_string()))?;
    done.map_err(|error| failed(error.to_string()))
}

/// The right values of one unit of a job.
struct Unit {
    number: u32,
    /// Every value in committed form: graph inputs first, then op outputs.
    values: Vec<Vec<u8>>,
    /// TENSOR of each graph input.
    inputs: Vec<Hash>,
    /// TENSOR of each op's output, if requested.
    tensors: Vec<Hash>,
}

impl Unit {
    /// Computes a unit of a job from its input `blob`, with the TENSORs if `hashed`.
    async fn compute(model: &Arc<Model>, address: &Address, blob: &Bytes, number: u32, hashed: bool) -> Result<Arc<Self>> {
        let (model, blob) = (model.clone(), blob.clone());
        let computing = run_blocking(address, move || {
            let (header, units) = BatchHeader::parse(&blob)?;
            let inputs: Vec<(Shape, &[u8])> = header.tensors(units.get(number).unwrap_or_default()).collect();
            let codes: Vec<&[u8]> = inputs.iter().map(|(_, codes)| *codes).collect();
            let outputs = model.engine().values(&codes)?;
            let hash = |(id, (shape, codes)): (u32, &(Shape, &[u8]))| shape.layout().hash(id, codes);
            Ok(Arc::new(Self {
                number,
                inputs: (0..).zip(&inputs).map(hash).collect(),
                tensors: if hashed { model.engine().tensors(&outputs) } else { Vec::new() },
                values: codes.iter().map(|codes| codes.to_vec()).chain(outputs).collect(),
            }))
        });
        computing.await
    }
}

/// Everything that evidence about a job is built from.
pub struct Docket {
    model: Arc<Model>,
    address: Address,
    claim: Claim,
    ops: Vec<OpDescriptor>,
    blob: Bytes,
    inputs: Vec<Hash>,
    /// The right values of the unit in question, if they have been computed.
    known: Option<Arc<Unit>>,
    /// The worker's hashes. Those of ops are of the unit in question.
    theirs: Found,
}

impl Docket {
    /// Opens a docket on a job with the input `blob` and its worker's hashes.
    pub fn open(model: Arc<Model>, address: &Address, job: &Job, blob: Bytes, theirs: Found) -> Result<Self> {
        let package = model.engine().package();
        let (header, units) = BatchHeader::parse(&blob).map_err(|error| Error::Compute {
            job: *address,
            reason: error.to_string(),
        })?;
        let inputs = units.iter().map(|unit| header.unit_hash(unit)).collect();
        let shown = match theirs.place {
            Place::Op { unit, .. } | Place::Output { unit } if !package.checkpoints().are_all() => Some(Shown {
                unit,
                root: merkle::root(&op_leaves(&theirs.ops)),
            }),
            _ => None,
        };
        Ok(Self {
            claim: claim(package, job, shown),
            ops: package.ops.iter().map(|op| op.descriptor).collect(),
            address: *address,
            inputs,
            known: None,
            theirs,
            model,
            blob,
        })
    }

    /// Turns to another unit, with its worker's hashes.
    pub fn about(&mut self, trace_path: Vec<Hash>, ops: Vec<Hash>) {
        (self.theirs.trace_path, self.theirs.ops) = (trace_path, ops);
    }

    /// Evidence about an element as if the worker had committed to the value computed here, whether that convicts or not: the claim of a
    /// challenger that has not checked. Nothing judges it.
    pub async fn element(&self, unit: u32, op: u32, index: u32) -> Result<Vec<u8>> {
        let values = self.values(unit, op).await?;
        let id = u32::from(self.claim.n_inputs).saturating_add(op);
        let own = values.value(id).ok_or_else(|| self.unconvincing("the engine has no such value"))?;
        let shape = self.ops.get(op as usize).map(|op| op.output).unwrap_or_default();
        let chunk = index / CHUNK_BYTES as u32;
        let claimed = Claimed {
            leaves: &shape.layout().leaves(id, own),
            chunk,
            bytes: own.chunks(CHUNK_BYTES).nth(chunk as usize).unwrap_or_default(),
        };
        self.exhibit(unit, &values.unit.inputs, |exhibit| exhibit.element(&values, op, index, claimed))
    }

    /// The case against the result at `place`; the inner error says what the worker hides.
    async fn case(&self, place: &Place, shown: &dyn WorkerTrace) -> Result<std::result::Result<Case, Missing>> {
        let (evidence, difference) = match *place {
            Place::Nowhere | Place::Unit { .. } => return Err(self.unconvincing("nothing differs")),
            Place::Hidden(missing) => return Ok(Err(missing)),
            Place::Output { unit } => (self.exhibit(unit, &[], |exhibit| exhibit.output())?, None),
            Place::Batch(of, ref flaw) => (self.against_batch(of, flaw)?, None),
            Place::Ops { unit } => {
                let ops = &self.theirs.ops;
                // A trace counts its ops in 32 bits.
                let head = Checkpoints::all(ops.len() as u32).trace_head();
                let preimage = [&head[..], &merkle::root(&op_leaves(ops))].concat();
                (
                    self.exhibit(unit, &[], |exhibit| exhibit.malformed(Preimage::Trace, &preimage, &[]))?,
                    None,
                )
            }
            Place::Op { unit, op } => {
                let values = self.values(unit, op).await?;
                match self.contradiction(unit, op, &values, shown).await? {
                    Ok(found) => (self.against_op(unit, op, &values, &found)?, Some(found.difference)),
                    Err(missing) => return Ok(Err(missing)),
                }
            }
        };
        let verdict = judge(&self.claim, &evidence).map_err(|reason| self.unconvincing(&format!("{reason:?}")))?;
        if !verdict.convicted {
            return Err(self.unconvincing("it does not convict"));
        }
        Ok(Ok(Case {
            verdict,
            difference,
            evidence,
        }))
    }

    async fn contradiction(
        &self,
        unit: u32,
        op: u32,
        values: &Values,
        shown: &dyn WorkerTrace,
    ) -> Result<std::result::Result<Contradiction, Missing>> {
        let root = self.theirs.ops.get(op as usize).copied();
        let shape = self.ops.get(op as usize).map(|op| op.output).unwrap_or_default();
        let spot = Spot {
            unit,
            op,
            root: root.ok_or_else(|| self.unconvincing("the trace has no such op"))?,
            shape,
        };
        let id = u32::from(self.claim.n_inputs).saturating_add(op);
        let right = values.value(id).ok_or_else(|| self.unconvincing("the engine has no such value"))?;
        Ok(contradiction(right, id, shape, &spot, shown).await)
    }

    /// Evidence against an op's output.
    fn against_op(&self, unit: u32, op: u32, values: &Values, found: &Contradiction) -> Result<Vec<u8>> {
        let leaves = &found.leaves;
        self.exhibit(unit, &values.unit.inputs, |exhibit| match found.difference {
            Difference::Element { index, .. } => {
                let claimed = Claimed {
                    leaves: &leaves.chunks,
                    chunk: found.chunk,
                    bytes: found.bytes(),
                };
                exhibit.element(values, op, index, claimed)
            }
            Difference::Shape => {
                let preimage = [&leaves.head[..], &leaves.root].concat();
                exhibit.malformed(Preimage::Tensor(op), &preimage, &[])
            }
            Difference::Chunk => exhibit.malformed(Preimage::Chunk(op, found.chunk), &found.preimage, &leaves.chunks),
        })
    }

    /// Evidence against a batch itself.
    fn against_batch(&self, of: Node, flaw: &Flaw) -> Result<Vec<u8>> {
        self.exhibit(0, &[], |exhibit| match flaw {
            Flaw::Count { units, root } => {
                let which = if of == Node::Outputs { Preimage::Outputs } else { Preimage::Traces };
                exhibit.malformed(which, &[&units.to_le_bytes()[..], root].concat(), &[])
            }
            Flaw::Padding {
                level,
                index,
                hash,
                siblings,
            } => exhibit.padding(of, u8::try_from(*level).ok()?, *index, hash, siblings),
        })
    }

    fn exhibit(&self, unit: u32, input_tensors: &[Hash], make: impl FnOnce(&Exhibit<'_>) -> Option<Vec<u8>>) -> Result<Vec<u8>> {
        let (output, output_path) = match &self.theirs.delivered {
            Some(delivered) => (delivered.hash, delivered.path.clone()),
            None => Default::default(),
        };
        let exhibit = Exhibit {
            claim: &self.claim,
            ops: &self.ops,
            inputs: &self.inputs,
            trace_path: self.theirs.trace_path.clone(),
            output,
            output_path,
            unit,
            tensors: &self.theirs.ops,
            input_tensors,
        };
        make(&exhibit).ok_or_else(|| self.unconvincing("it cannot be built"))
    }

    /// All values of one unit, and the constants of one op.
    async fn values(&self, unit: u32, op: u32) -> Result<Values> {
        let unit = match self.known.as_ref().filter(|known| known.number == unit) {
            Some(known) => known.clone(),
            None => Unit::compute(&self.model, &self.address, &self.blob, unit, false).await?,
        };
        let model = self.model.clone();
        let constants = run_blocking(&self.address, move || Ok(Constants::of(model.engine().package(), op)));
        Ok(Values {
            unit,
            constants: constants.await?,
        })
    }

    fn unconvincing(&self, reason: &str) -> Error {
        Error::Unconvincing {
            job: self.address,
            reason: reason.to_owned(),
        }
    }
}

/// All values of one unit and the constants of one op, in committed form.
struct Values {
    unit: Arc<Unit>,
    constants: Constants,
}

struct Constants {
    op: u32,
    weights: Vec<u8>,
    channels: Vec<u8>,
    table: Vec<u8>,
}

impl Constants {
    fn of(package: &Package, op: u32) -> Self {
        let constants = package.ops.get(op as usize).map(|op| &op.constants);
        Self {
            op,
            weights: constants.map(engine::Constants::weight_codes).unwrap_or_default(),
            channels: constants.map(engine::Constants::channel_records).unwrap_or_default(),
            table: constants.map(engine::Constants::table_codes).unwrap_or_default(),
        }
    }
}

impl Tensors for Values {
    fn value(&self, id: u32) -> Option<&[u8]> {
        self.unit.values.get(id as usize).map(Vec::as_slice)
    }

    fn constant(&self, op: u32, operand: Operand) -> Option<&[u8]> {
        let constants = Some(&self.constants).filter(|constants| constants.op == op)?;
        match operand {
            Operand::Weights => Some(&constants.weights),
            Operand::Channels => Some(&constants.channels),
            Operand::Table => Some(&constants.table),
            Operand::Input(_) => None,
        }
    }
}

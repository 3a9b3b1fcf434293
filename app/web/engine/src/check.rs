//! Recomputes a job unit by unit, so that a page can show the progress.

use crate::{Result, hash, said};
use engine::Engine;
use protocol::{
    batch::{self, BatchHeader},
    blob::TraceBlob,
    hash::Hash,
};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A job that is being recomputed.
#[wasm_bindgen]
pub struct Check {
    engine: Arc<Engine>,
    header: BatchHeader,
    inputs: Vec<u8>,
    /// TENSOR of each checkpoint, in the order of the units.
    tensors: Vec<Hash>,
    traces: Vec<Hash>,
}

/// Where a worker's trace first differs from the correct one.
#[wasm_bindgen(getter_with_clone)]
pub struct Difference {
    /// The unit.
    #[wasm_bindgen(readonly)]
    pub unit: u32,
    /// The op within it.
    #[wasm_bindgen(readonly)]
    pub op: u32,
    /// Name of the op.
    #[wasm_bindgen(readonly)]
    pub name: String,
}

impl Check {
    pub(crate) fn new(engine: Arc<Engine>, inputs: Vec<u8>) -> Result<Self> {
        let package = engine.package();
        let (header, _) = BatchHeader::parse(&inputs).map_err(said)?;
        let expected = BatchHeader::inputs(header.units(), &package.input_shapes()).map_err(said)?;
        if header != expected {
            return Err(JsError::new("the inputs are not of this model's shape"));
        }
        Ok(Self {
            header,
            inputs,
            tensors: Vec::new(),
            traces: Vec::new(),
            engine,
        })
    }

    /// Checkpoints of a unit.
    fn count(&self) -> usize {
        self.engine.package().checkpoints().count().max(1) as usize
    }
}

#[wasm_bindgen]
impl Check {
    /// Units computed so far.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> u32 {
        // A batch has at most 2^20 units.
        self.traces.len() as u32
    }

    /// Units in all.
    #[wasm_bindgen(getter)]
    pub fn units(&self) -> u32 {
        self.header.units()
    }

    /// Computes the next unit, if there is one.
    pub fn step(&mut self) -> Result<()> {
        let (_, units) = BatchHeader::parse(&self.inputs).map_err(said)?;
        let Some(unit) = units.get(self.done()) else {
            return Ok(());
        };
        let tensors: Vec<&[u8]> = self.header.tensors(unit).map(|(_, tensor)| tensor).collect();
        let (_, trace) = self.engine.run_traced(&tensors).map_err(said)?;
        self.tensors.extend(trace.tensors);
        self.traces.push(trace.hash);
        Ok(())
    }

    /// Whether the traces and the outputs match the roots that a worker committed to.
    pub fn agrees(&self, traces_root: &[u8], outputs_root: &[u8]) -> Result<bool> {
        let last: Vec<Hash> = self
            .tensors
            .chunks_exact(self.count())
            .filter_map(<[Hash]>::last)
            .copied()
            .collect();
        Ok(self.done() == self.units()
            && batch::batch_root(&self.traces) == hash(traces_root)?
            && batch::batch_root(&last) == hash(outputs_root)?)
    }

    /// Where a worker's trace blob first differs from the correct trace; `undefined` if it does not.
    pub fn difference(&self, trace_blob: &[u8]) -> Result<Option<Difference>> {
        let theirs = TraceBlob::parse(trace_blob).map_err(said)?;
        let checkpoints = self.engine.package().checkpoints();
        for (unit, ours) in (0..).zip(self.tensors.chunks_exact(self.count())) {
            let theirs = theirs
                .unit(unit)
                .ok_or_else(|| JsError::new("the worker's trace has too few units"))?;
            let place = (0..).zip(ours.iter().zip(theirs)).find(|(_, (ours, theirs))| ours != theirs);
            if let Some((place, _)) = place {
                let op = checkpoints.op(place);
                let about = self.engine.package().ops.get(op as usize);
                let name = about.map(|op| op.name.clone()).unwrap_or_default();
                return Ok(Some(Difference { unit, op, name }));
            }
        }
        Ok(None)
    }
}

//! Plans the memory of a pass: what each region holds, and during which steps.

use super::hashing::{branches, chunks};
use super::stride;
use crate::cuda::arena::Region;
use crate::cuda::fusion::Fusion;
use crate::package::Package;
use protocol::ops::OpKind;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// In a traced pass, values are kept until this many bytes are waiting, and are then hashed together, in parallel with the ops that follow.
/// That is 32,768 chunks, with a thread each: about enough to keep a large GPU busy.
const HASH_BYTES: u64 = 32 << 20;

/// Size of a digest in bytes.
const DIGEST: u64 = 32;
/// Two regions of scratch memory that a step needs besides its operands: the row sums of a product of activations, or hashes.
#[derive(Clone, Copy)]
pub(super) struct Scratch {
    pub first: usize,
    pub second: usize,
}

/// What a pass computes, and the memory that it needs.
pub(super) struct Plan<'a> {
    pub package: &'a Package,
    pub fusion: Fusion,
    pub units: u32,
    pub traced: bool,
    /// The regions of all values, of the TENSORs, and of scratch memory, in this order.
    pub regions: Vec<Region>,
    /// Index of the region of the TENSORs.
    pub tensors: usize,
    /// Scratch memory of products of activations, by step.
    pub sums: HashMap<usize, Scratch>,
    /// Batches of ops that are hashed together once the last of them has been computed.
    pub batches: Vec<(RangeInclusive<usize>, Scratch)>,
}

impl<'a> Plan<'a> {
    pub fn new(package: &'a Package, units: u32, traced: bool) -> Self {
        let mut plan = Self {
            package,
            fusion: Fusion::new(package),
            units,
            traced,
            regions: Vec::new(),
            tensors: 0,
            sums: HashMap::new(),
            batches: Vec::new(),
        };
        plan.place_values();
        plan.place_sums();
        if traced {
            plan.place_hashes();
        }
        plan
    }

    fn last_op(&self) -> usize {
        self.package.ops.len().saturating_sub(1)
    }

    pub fn is_hashed(&self, op: usize) -> bool {
        self.traced && self.package.checkpoints().contains(op as u32)
    }

    /// Keeps values until their last use; the output and the TENSORs to the end, and the inputs too, so that a pass can be repeated.
    fn place_values(&mut self) {
        let (package, last_op) = (self.package, self.last_op());
        for shape in package.input_shapes() {
            self.regions.push(Region {
                bytes: stride(shape) * u64::from(self.units),
                first: 0,
                last: last_op,
            });
        }
        for (step, op) in package.ops.iter().enumerate() {
            let place = self.fusion.place(step);
            // A value that only its own launch reads, and that is not hashed, is never stored.
            let transient = place != step && !self.is_hashed(step);
            self.regions.push(Region {
                bytes: if transient {
                    0
                } else {
                    stride(op.descriptor.output) * u64::from(self.units)
                },
                first: place,
                last: place,
            });
            for id in op.descriptor.inputs.as_slice() {
                if let Some(region) = self.regions.get_mut(usize::from(*id)) {
                    region.last = region.last.max(place);
                }
            }
        }
        if let Some(output) = self.regions.last_mut() {
            output.last = last_op;
        }
        self.tensors = self.regions.len();
        self.regions.push(Region {
            bytes: DIGEST * u64::from(self.units) * u64::from(package.checkpoints().count()),
            first: 0,
            last: last_op,
        });
    }

    fn place_sums(&mut self) {
        let package = self.package;
        for (step, op) in package.ops.iter().enumerate() {
            if let (OpKind::MatmulAct { .. }, [a, b]) = (op.descriptor.kind, op.inputs.as_slice()) {
                let place = self.fusion.place(step);
                let scratch = self.scratch([place, place], [a, b].map(|shape| 4 * u64::from(shape.w)));
                self.sums.insert(step, scratch);
            }
        }
    }

    fn place_hashes(&mut self) {
        let package = self.package;
        let batches = hash_batches(package, &self.fusion, self.units);
        // The hashing of a batch ends when that of the next one begins.
        let next = batches.iter().skip(1).map(|batch| *batch.end());
        let ends: Vec<usize> = next.chain([self.last_op()]).collect();
        for (batch, end) in batches.into_iter().zip(ends) {
            let [mut leaves, mut nodes] = [0; 2];
            for step in batch.clone().filter(|step| package.checkpoints().contains(*step as u32)) {
                if let Some(region) = self.regions.get_mut(package.inputs.len() + step) {
                    region.last = region.last.max(end);
                }
                let chunks = package.ops.get(step).map_or(0, |op| chunks(op.descriptor.output));
                leaves += chunks;
                nodes += branches(chunks);
            }
            let scratch = self.scratch([*batch.end(), end], [leaves, nodes].map(|count| count * DIGEST));
            self.batches.push((batch, scratch));
        }
    }

    /// Adds two regions of `bytes` per unit, in use from step `first` to step `last`.
    fn scratch(&mut self, [first, last]: [usize; 2], bytes: [u64; 2]) -> Scratch {
        let at = self.regions.len();
        self.regions.extend(bytes.map(|bytes| Region {
            bytes: bytes * u64::from(self.units),
            first,
            last,
        }));
        Scratch { first: at, second: at + 1 }
    }
}

/// Batches of ops whose checkpoints are hashed together, at the step of the last one, when all have been computed.
fn hash_batches(package: &Package, fusion: &Fusion, units: u32) -> Vec<RangeInclusive<usize>> {
    let (mut batches, mut first, mut waiting, mut computed) = (Vec::new(), 0, 0, 0);
    for (step, op) in package.ops.iter().enumerate() {
        if package.checkpoints().contains(step as u32) {
            waiting += stride(op.descriptor.output) * u64::from(units);
        }
        computed = computed.max(fusion.place(step));
        if waiting >= HASH_BYTES && computed == step || step + 1 == package.ops.len() {
            batches.push(first..=step);
            (first, waiting) = (step + 1, 0);
        }
    }
    batches
}

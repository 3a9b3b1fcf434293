//! Launches that hash checkpoints.

use super::plan::Scratch;
use super::{Lowering, elements, stride};
use crate::cuda::constants::numbers;
use crate::cuda::device::{Cores, DeviceError};
use crate::cuda::params::{Hashed, Hashing};
use crate::cuda::runner::LANES;
use protocol::hash::Tag;
use protocol::tensor::{CHUNK_BYTES, Shape};
use std::ops::RangeInclusive;

/// Chunks per branch of a value's tree. Values with no more chunks than this have no branches.
const BRANCH: u64 = 256;

/// Blocks of hashing kernels that a lane runs on each of Hopper's multiprocessors, where a product's block must fit next to those of all
/// lanes. One block has a warp for each scheduler, which the wide rounds of SHA-256 keep busy.
const HASHES: u64 = 1;

/// The same of all lanes.
pub const HASHES_BESIDE: u64 = LANES * HASHES;

impl Lowering<'_> {
    /// Launches the hashing of the checkpoints in a batch of ops.
    pub(super) fn hash(&mut self, batch: RangeInclusive<usize>, scratch: Scratch) -> Result<(), DeviceError> {
        let package = self.plan.package;
        let values = self.bases.table + (self.table.len() * size_of::<Hashed>()) as u64;
        let checkpoints = package.checkpoints();
        let [leaves, nodes] = [scratch.first, scratch.second].map(|region| self.region(region));
        let mut hashing = Hashing {
            values,
            leaves,
            branches: nodes,
            empty: self.bases.constants + self.constants.empty,
            tensors: self.region(self.plan.tensors),
            units: self.plan.units as i32,
            n_tensors: checkpoints.count() as i32,
            ..Hashing::default()
        };
        for step in batch.filter(|op| checkpoints.contains(*op as u32)) {
            let Some(op) = package.ops.get(step) else { continue };
            let (id, shape) = (package.inputs.len() + step, op.descriptor.output);
            let chunks = chunks(shape);
            let mut head = vec![Tag::Tensor as u8];
            head.extend(shape.layout().head(chunks as u32));
            head.push(0);
            let mut hashed = Hashed {
                value: self.region(id),
                unit: stride(shape),
                elements: elements(shape) as i32,
                first: hashing.n_chunks,
                branch: hashing.n_branches,
                index: checkpoints.before(step as u32) as i32,
                uid: id as u32,
                ..Hashed::default()
            };
            hashed.head.iter_mut().zip(numbers(&head)).for_each(|(to, from)| *to = from);
            self.table.push(hashed);
            hashing.n_values += 1;
            hashing.n_chunks += chunks as i32;
            hashing.n_branches += branches(chunks) as i32;
        }
        let units = u64::from(self.plan.units);
        let [chunks, nodes] = [hashing.n_chunks, hashing.n_branches].map(|count| units * u64::from(count.unsigned_abs()));
        // More blocks than this would keep Hopper's products off the multiprocessors.
        let most = match self.traits.cores {
            Cores::Group => HASHES * u64::from(self.traits.processors.max(1)),
            _ => u64::MAX,
        };
        self.launch("hash_chunks", [chunks.div_ceil(128).min(most), 1], 128, &hashing)?;
        if nodes > 0 {
            self.launch("hash_branches", [nodes.min(most), 1], 128, &hashing)?;
        }
        self.launch("hash_trees", [hashing.n_values as u64, units], 128, &hashing)
    }
}

pub(super) fn chunks(shape: Shape) -> u64 {
    elements(shape).div_ceil(CHUNK_BYTES as u64)
}

/// Number of branches of a value with `chunks` chunks.
pub(super) fn branches(chunks: u64) -> u64 {
    if chunks > BRANCH { chunks.div_ceil(BRANCH) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gemm;
    use crate::cuda::constants::Constants;
    use crate::cuda::device::Traits;
    use crate::cuda::lower::{Bases, pass};

    #[test]
    fn large_values_are_hashed_by_many_blocks_and_beside_hoppers_products_by_few() -> Result<(), Box<dyn std::error::Error>> {
        let hashes = |width: u16, cores| {
            let (package, units) = (gemm(width)?, 4);
            let traits = Traits {
                ordinal: 0,
                name: String::new(),
                memory: 0,
                arch: 90,
                cores,
                processors: 2,
            };
            let pass = pass(&package, &Constants::new(&package), &traits, Bases::default(), units, true)?;
            let hashes = pass.launches.iter().filter(|launch| launch.aside);
            Ok::<_, Box<dyn std::error::Error>>(hashes.map(|launch| (launch.kernel, launch.grid)).collect::<Vec<_>>())
        };
        let [chunks, branches, trees] = ["hash_chunks", "hash_branches", "hash_trees"];
        // A value of 1,024 chunks.
        assert_eq!(
            hashes(1024, Cores::Warp)?,
            [(chunks, [32, 1]), (branches, [16, 1]), (trees, [1, 4])]
        );
        assert_eq!(hashes(1024, Cores::Group)?, [(chunks, [2, 1]), (branches, [2, 1]), (trees, [1, 4])]);
        // A value of 256 chunks.
        assert_eq!(hashes(512, Cores::Group)?, [(chunks, [2, 1]), (trees, [1, 4])]);
        Ok(())
    }
}

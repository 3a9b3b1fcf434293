//! What a worker commits to: every op output of a unit, a job's result, and the sealed form of that result.

use crate::hash::{Hash, SPEC_VERSION, Tag, tagged};
use crate::merkle::Frontier;
use alloc::vec::Vec;

/// A trace of every op output of a unit, the only tier so far.
pub const TIER_ALL_OPS: u8 = 2;

/// `slot` of an op's output. Every op has exactly one.
pub const OUTPUT_SLOT: u8 = 0;

/// OP: the output of op `index`, by its TENSOR.
pub fn op_leaf(index: u32, tensor: &Hash) -> Hash {
    tagged(Tag::Op, [&op_head(index), tensor])
}

/// OP of every op of a unit, from the TENSORs of their outputs.
pub fn op_leaves(tensors: &[Hash]) -> Vec<Hash> {
    (0..).zip(tensors).map(|(op, tensor)| op_leaf(op, tensor)).collect()
}

/// What precedes the TENSOR in the leaf of op `index`: index and slot.
pub(crate) fn op_head(index: u32) -> [u8; 5] {
    let [i0, i1, i2, i3] = index.to_le_bytes();
    [i0, i1, i2, i3, OUTPUT_SLOT]
}

/// TRACE from the root over the OP leaves.
pub fn trace_from_root(n_ops: u32, root: &Hash) -> Hash {
    tagged(Tag::Trace, [&trace_head(n_ops), root])
}

/// What precedes the root in a TRACE: version, tier, number of ops.
pub fn trace_head(n_ops: u32) -> [u8; 7] {
    let ([v0, v1], [n0, n1, n2, n3]) = (SPEC_VERSION.to_le_bytes(), n_ops.to_le_bytes());
    [v0, v1, TIER_ALL_OPS, n0, n1, n2, n3]
}

/// TRACE of one unit from the TENSORs of its op outputs, in op order.
pub fn trace(tensors: &[Hash]) -> Hash {
    let mut leaves = Frontier::default();
    for tensor in tensors {
        leaves.push(op_leaf(leaves.count(), tensor));
    }
    trace_from_root(leaves.count(), &leaves.root())
}

/// A job as it was opened. Its hash binds a result to one cluster, program, job and policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// Address of the jobs program.
    pub program: [u8; 32],
    /// What tells one chain from another.
    pub cluster: [u8; 32],
    /// Address of the job's account.
    pub job: [u8; 32],
    /// Slot in which it was opened; an address can be used again later.
    pub opened_slot: u64,
    /// MODEL.
    pub model: Hash,
    /// Root of the inputs batch.
    pub inputs: Hash,
    /// Units of work.
    pub units: u32,
    /// Hash of the job's terms.
    pub policy: Hash,
}

impl JobFacts {
    /// JOB.
    pub fn hash(&self) -> Hash {
        let (slot, units) = (self.opened_slot.to_le_bytes(), self.units.to_le_bytes());
        let mut place = [0; 96];
        for (to, from) in place.chunks_exact_mut(32).zip([self.program, self.cluster, self.job]) {
            to.copy_from_slice(&from);
        }
        tagged(Tag::Job, [&place, &slot, &self.model, &self.inputs, &units, &self.policy])
    }
}

/// RESULT: what `worker` claims about a job. `traces` and `outputs` are batch roots.
pub fn result(job: &Hash, worker: &[u8; 32], traces: &Hash, outputs: &Hash) -> Hash {
    tagged(Tag::Result, [job, worker, traces, outputs])
}

/// COMMIT: a result sealed with a nonce. It hides the result until the nonce is revealed, and `party` makes it useless to a copier.
pub fn commit(result: &Hash, party: &[u8; 32], nonce: &[u8; 32]) -> Hash {
    tagged(Tag::Commit, [result, party, nonce])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn preimages_are_as_documented() {
        let tensors: Vec<Hash> = (0..3).map(|i| [i; 32]).collect();
        let leaves: Vec<Hash> = (0u8..3)
            .map(|i| {
                let mut bytes = vec![i, 0, 0, 0, 0];
                bytes.extend([i; 32]);
                tagged(Tag::Op, [&bytes])
            })
            .collect();
        let mut bytes = vec![1, 0, 2, 3, 0, 0, 0];
        bytes.extend(merkle::root(&leaves));
        assert_eq!(trace(&tensors), tagged(Tag::Trace, [&bytes]));

        let facts = JobFacts {
            program: [1; 32],
            cluster: [2; 32],
            job: [3; 32],
            opened_slot: 0x0102_0304_0506_0708,
            model: [4; 32],
            inputs: [5; 32],
            units: 6,
            policy: [7; 32],
        };
        let mut bytes = Vec::new();
        for i in 1..=3 {
            bytes.extend([i; 32]);
        }
        bytes.extend([8, 7, 6, 5, 4, 3, 2, 1]);
        bytes.extend([4; 32]);
        bytes.extend([5; 32]);
        bytes.extend([6, 0, 0, 0]);
        bytes.extend([7; 32]);
        assert_eq!(facts.hash(), tagged(Tag::Job, [&bytes]));

        let job = facts.hash();
        let claim = [&job[..], &[8; 32], &[9; 32], &[10; 32]].concat();
        assert_eq!(result(&job, &[8; 32], &[9; 32], &[10; 32]), tagged(Tag::Result, [&claim]));
        let sealed = [[1u8; 32], [2; 32], [3; 32]].concat();
        assert_eq!(commit(&[1; 32], &[2; 32], &[3; 32]), tagged(Tag::Commit, [&sealed]));
    }

    #[test]
    fn a_trace_binds_order_and_count() {
        let (a, b) = ([1; 32], [2; 32]);
        assert_ne!(trace(&[a, b]), trace(&[b, a]));
        assert_ne!(trace(&[a, b]), trace(&[a]));
    }
}

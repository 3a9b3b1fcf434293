//! What a worker commits to: every op output of a unit, a job's result, and the sealed form of that result.

use crate::hash::{Hash, SPEC_VERSION, Tag, tagged};
use crate::merkle::Frontier;
use alloc::vec::Vec;

/// Tier of a trace of checkpoints.
pub const TIER_CHECKPOINTS: u8 = 1;

/// Tier of a trace of every op's output.
pub const TIER_ALL_OPS: u8 = 2;

/// `slot` of an op's output. Every op has exactly one.
pub const OUTPUT_SLOT: u8 = 0;

/// The op outputs of a unit that a trace commits to: those of every `interval`-th op and of the last op.
///
/// With an interval of 1 the trace commits to all of them, and anyone who holds the bytes behind a false trace can prove its fault at once.
/// With a longer interval the worker hashes less, and commits to the outputs in between only on demand: see [`crate::demand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    n_ops: u32,
    interval: u32,
}

impl Checkpoints {
    /// Checkpoints of a graph of `n_ops` ops. An interval of 0 counts as 1.
    pub const fn new(n_ops: u32, interval: u32) -> Self {
        let interval = if interval == 0 { 1 } else { interval };
        Self { n_ops, interval }
    }

    /// Every op of a graph is a checkpoint.
    pub const fn all(n_ops: u32) -> Self {
        Self::new(n_ops, 1)
    }

    /// Ops of the graph.
    pub const fn n_ops(&self) -> u32 {
        self.n_ops
    }

    /// Ops from one checkpoint to the next.
    pub const fn interval(&self) -> u32 {
        self.interval
    }

    /// Whether every op is a checkpoint.
    pub const fn are_all(&self) -> bool {
        self.interval == 1
    }

    /// Whether a model may have these checkpoints: every op, or at least one before the last op. The last op's output is in a store before
    /// the worker commits, so an auditor would not have to compute anything to open the last checkpoint alone.
    pub const fn are_valid(&self) -> bool {
        self.are_all() || self.interval < self.n_ops
    }

    /// Number of checkpoints.
    pub const fn count(&self) -> u32 {
        self.n_ops.div_ceil(self.interval)
    }

    /// Whether an op's output is a checkpoint.
    pub const fn contains(&self, op: u32) -> bool {
        let next = op.saturating_add(1);
        next == self.n_ops || next < self.n_ops && next.is_multiple_of(self.interval)
    }

    /// Number of checkpoints before an op: the op's place among the checkpoints, if it is one.
    pub const fn before(&self, op: u32) -> u32 {
        // The constructor lets no interval be zero.
        match op.checked_div(self.interval) {
            Some(place) => place,
            None => op,
        }
    }

    /// The op of the checkpoint at a place; the last op for places beyond the end.
    pub const fn op(&self, place: u32) -> u32 {
        let next = place.saturating_add(1).saturating_mul(self.interval);
        let next = if next < self.n_ops { next } else { self.n_ops };
        next.saturating_sub(1)
    }

    /// The checkpoints among the TENSORs of all op outputs of a unit.
    pub fn of<'a>(&self, tensors: &'a [Hash]) -> impl Iterator<Item = &'a Hash> + use<'a> {
        let these = *self;
        let numbered = (0u32..).zip(tensors);
        numbered.filter(move |(op, _)| these.contains(*op)).map(|(_, tensor)| tensor)
    }

    /// OP of each checkpoint, from their TENSORs.
    pub fn leaves(&self, tensors: &[Hash]) -> Vec<Hash> {
        (0..).zip(tensors).map(|(place, tensor)| op_leaf(self.op(place), tensor)).collect()
    }

    /// The head of a TRACE's preimage, before the root: version, tier, number of leaves.
    pub fn trace_head(&self) -> [u8; 7] {
        let ([v0, v1], [n0, n1, n2, n3]) = (SPEC_VERSION.to_le_bytes(), self.count().to_le_bytes());
        let tier = if self.are_all() { TIER_ALL_OPS } else { TIER_CHECKPOINTS };
        [v0, v1, tier, n0, n1, n2, n3]
    }

    /// TRACE from the root over the leaves.
    pub fn trace_from_root(&self, root: &Hash) -> Hash {
        tagged(Tag::Trace, [&self.trace_head(), root])
    }

    /// TRACE of one unit from the TENSORs of its checkpoints, in op order.
    pub fn trace(&self, tensors: &[Hash]) -> Hash {
        let mut leaves = Frontier::default();
        for tensor in tensors {
            leaves.push(op_leaf(self.op(leaves.count()), tensor));
        }
        self.trace_from_root(&leaves.root())
    }
}

/// OP: the output of op `index`, by its TENSOR.
pub fn op_leaf(index: u32, tensor: &Hash) -> Hash {
    tagged(Tag::Op, [&op_head(index), tensor])
}

/// OP of every op of a unit, from the TENSORs of their outputs.
pub fn op_leaves(tensors: &[Hash]) -> Vec<Hash> {
    (0..).zip(tensors).map(|(op, tensor)| op_leaf(op, tensor)).collect()
}

/// The head of an OP's preimage, before the TENSOR: index and slot.
pub(crate) fn op_head(index: u32) -> [u8; 5] {
    let [i0, i1, i2, i3] = index.to_le_bytes();
    [i0, i1, i2, i3, OUTPUT_SLOT]
}

/// A job as it was opened. Its hash binds a result to one cluster, program, job and policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// Address of the jobs program.
    pub program: [u8; 32],
    /// Identifies the cluster.
    pub cluster: [u8; 32],
    /// Address of the job's account.
    pub job: [u8; 32],
    /// Slot in which it was opened: an address can be used again later.
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

/// COMMIT: a result sealed with a nonce. It hides the result until the nonce is revealed; because it contains `party`, copying it is
/// useless.
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
        assert_eq!(Checkpoints::all(3).trace(&tensors), tagged(Tag::Trace, [&bytes]));

        // Ops 1 and 3, and op 4 because it is the last.
        let some = Checkpoints::new(5, 2);
        let leaves: Vec<Hash> = [1, 3, 4]
            .into_iter()
            .zip(&tensors)
            .map(|(op, tensor)| op_leaf(op, tensor))
            .collect();
        let mut bytes = vec![1, 0, 1, 3, 0, 0, 0];
        bytes.extend(merkle::root(&leaves));
        assert_eq!(some.trace(&tensors), tagged(Tag::Trace, [&bytes]));
        assert_eq!(some.leaves(&tensors), leaves);

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
        let all = |tensors: &[Hash]| Checkpoints::all(tensors.len() as u32).trace(tensors);
        assert_ne!(all(&[a, b]), all(&[b, a]));
        assert_ne!(all(&[a, b]), all(&[a]));
        // The same tensors as outputs of other ops.
        assert_ne!(Checkpoints::new(4, 2).trace(&[a, b]), all(&[a, b]));
        assert_ne!(Checkpoints::new(4, 2).trace(&[a, b]), Checkpoints::new(4, 3).trace(&[a, b]));
    }

    #[test]
    fn checkpoints_end_with_the_last_op() {
        for n_ops in 1..=40u32 {
            for interval in 0..=45 {
                let these = Checkpoints::new(n_ops, interval);
                let found: Vec<u32> = (0..n_ops).filter(|op| these.contains(*op)).collect();
                let expected: Vec<u32> = (0..n_ops).filter(|op| (op + 1) % interval.max(1) == 0 || op + 1 == n_ops).collect();
                assert_eq!(found, expected, "{these:?}");
                assert_eq!(found.len() as u32, these.count(), "{these:?}");
                for (place, op) in (0..).zip(found) {
                    assert_eq!((these.op(place), these.before(op)), (op, place), "{these:?}");
                }
                for op in 0..n_ops {
                    let before = (0..op).filter(|op| these.contains(*op)).count() as u32;
                    assert_eq!(these.before(op), before, "{these:?} before {op}");
                }
                assert!(!these.contains(n_ops) && !these.contains(u32::MAX));
            }
        }
    }
}

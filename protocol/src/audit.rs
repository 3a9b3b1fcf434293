//! Drawn audits: which results are computed a second time, by whom, and how the second device proves that it did.
//!
//! The draw comes from a slot hash that is unknown when the result is committed and known before it is revealed. The auditor also commits
//! before the reveal: computation is exact and a trace has one root, so a right root is evidence of work. An auditor could get the root
//! from the worker. Its commitment therefore holds a second tree over the same chunks, salted with its key, and after the reveal a few
//! chunks drawn by another slot hash are opened in both trees. Building that tree takes all the data that a trace commits to, not 32 bytes.

use crate::demand::{CHUNK_HEAD, MAX_CHUNKS, MAX_PREIMAGE, chunks_of_head, leaf_of_chunk};
use crate::hash::{Hash, Tag, tagged};
use crate::merkle::{self, depth};
use crate::referee::{Invalid, Reader};
use crate::tensor::CHUNK_BYTES;
use crate::trace::{Checkpoints, op_leaf};
use crate::units::{Amount, Bps};
use crate::{batch, math, sortition};
use alloc::vec::Vec;

/// Slots between a commitment and the first one whose hash may draw its audit.
pub const DRAW_SLOTS: u64 = 8;
/// Chunks an auditor opens.
pub const CHECKS: u8 = 3;

/// Share of a device's results that are audited, where `clean` is the number of jobs done since its last failed one.
///
/// The market audits all of the first `probation` jobs, then `probation / (probation + clean)` of them, never less than `floor`. A
/// consumer's `extra` rate is drawn independently: `1 − (1 − market)(1 − extra)`, rounded up.
pub fn rate(clean: u32, probation: u16, floor: Bps, extra: Bps) -> Bps {
    let probation = u64::from(probation);
    let clean = u64::from(clean);
    let market = if clean < probation {
        Bps::WHOLE
    } else {
        // With a probation of zero jobs nobody is on probation.
        let falling = math::mul_div_ceil(Bps::WHOLE, probation, probation.saturating_add(clean).max(1)).unwrap_or(Bps::WHOLE);
        falling.max(floor.get())
    };
    let unseen = Bps::WHOLE
        .saturating_sub(market)
        .saturating_mul(Bps::WHOLE.saturating_sub(extra.get()))
        / Bps::WHOLE;
    Bps::saturating(u16::try_from(Bps::WHOLE.saturating_sub(unseen)).unwrap_or(u16::MAX))
}

/// Whether the slot hash `seed` draws a job of `device` at this audit rate: the first 8 bytes (big-endian) of `H(12 ‖ seed ‖ job ‖ device)`
/// lie below `⌊(2^64 − 1) · rate⌋`, or the rate is the whole.
pub fn is_drawn(seed: &Hash, job: &Hash, device: &Hash, rate: Bps) -> bool {
    sortition::is_within(&tagged(Tag::Audit, [seed, job, device]), rate)
}

/// The auditor's pay: a share of what the audited device earns, rounded down.
pub fn pay(supplier_gets: Amount, share: Bps) -> Amount {
    supplier_gets.share_floor(share)
}

/// A chunk of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Unit.
    pub unit: u32,
    /// Op.
    pub op: u32,
    /// Chunk of the op's output.
    pub chunk: u32,
}

/// The number in 8 bytes (big-endian) of a hash, from `at` on.
fn first_u64(hash: &Hash, at: usize) -> u64 {
    let bytes = hash.get(at..).and_then(|rest| rest.first_chunk::<8>());
    u64::from_be_bytes(bytes.copied().unwrap_or_default())
}

/// The chunk that the slot hash `seed` draws for the `check`-th opening of the auditor `party`. `n_chunks` gives the number of chunks of an
/// op output once unit and op are drawn. Each number is a remainder of a 64-bit number, with a bias below 2^-32.
pub fn place(seed: &Hash, party: &Hash, check: u8, units: u32, checkpoints: Checkpoints, n_chunks: impl FnOnce(u32, u32) -> u32) -> Place {
    let drawn = tagged(Tag::Audit, [seed, party, &[check]]);
    let pick = |at: usize, of: u32| (first_u64(&drawn, at) % u64::from(of.max(1))) as u32;
    let (unit, op) = (pick(0, units), checkpoints.op(pick(8, checkpoints.count())));
    Place {
        unit,
        op,
        chunk: pick(16, n_chunks(unit, op)),
    }
}

/// CUSTODY: a chunk as `party` hashes it for a job.
pub fn custody_leaf(party: &Hash, job: &Hash, place: Place, data: &[u8]) -> Hash {
    let ([u0, u1, u2, u3], [o0, o1, o2, o3]) = (place.unit.to_le_bytes(), place.op.to_le_bytes());
    let [c0, c1, c2, c3] = place.chunk.to_le_bytes();
    tagged(Tag::Custody, [party, job, &[u0, u1, u2, u3, o0, o1, o2, o3, c0, c1, c2, c3], data])
}

/// What was audited, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Custody {
    /// The auditor.
    pub party: Hash,
    /// JOB.
    pub job: Hash,
    /// Root of the traces that worker and auditor agree on.
    pub traces: Hash,
    /// Root of the auditor's own tree: over units, in each over checkpoints, in each over chunks.
    pub custody: Hash,
    /// Units of the job.
    pub units: u32,
    /// What the model's traces commit to.
    pub checkpoints: Checkpoints,
}

impl Custody {
    /// Checks that `proof` opens the chunks that `seed` draws in both trees.
    ///
    /// For each chunk it holds: the head of the op's TENSOR; the length (`u16`) and bytes of the chunk's preimage; the siblings of the
    /// chunk, of the OP and of the unit; then the siblings of the custody leaf at the same three levels.
    pub fn check(&self, seed: &Hash, proof: &[u8]) -> Result<(), Invalid> {
        let mut reader = Reader::new(proof);
        for check in 0..CHECKS {
            let head = *reader.take(22)?.first_chunk().ok_or(Invalid::Length)?;
            let n_chunks = chunks_of_head(&head);
            if n_chunks == 0 || n_chunks > MAX_CHUNKS {
                return Err(Invalid::Trace);
            }
            let place = place(seed, &self.party, check, self.units, self.checkpoints, |_, _| n_chunks);
            let (among, count) = (self.checkpoints.before(place.op), self.checkpoints.count());
            let preimage = reader.counted()?;
            let data = preimage.get(CHUNK_HEAD..).ok_or(Invalid::Length)?;

            let root = reader.climb(leaf_of_chunk(preimage), place.chunk, n_chunks)?;
            let tensor = tagged(Tag::Tensor, [&head, &root]);
            let ops = reader.climb(op_leaf(place.op, &tensor), among, count)?;
            let unit = batch::unit_leaf(place.unit, &self.checkpoints.trace_from_root(&ops));
            let traces = batch::batch_from_root(self.units, &reader.climb(unit, place.unit, self.units)?);

            let leaf = custody_leaf(&self.party, &self.job, place, data);
            let root = reader.climb(leaf, place.chunk, n_chunks)?;
            let root = reader.climb(root, among, count)?;
            let custody = reader.climb(root, place.unit, self.units)?;
            if (traces, custody) != (self.traces, self.custody) {
                return Err(Invalid::Trace);
            }
        }
        reader.end()
    }
}

/// The auditor's own tree of one unit, which it keeps to open chunks later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustodyUnit {
    /// Leaves of every checkpoint.
    pub leaves: Vec<Vec<Hash>>,
}

impl CustodyUnit {
    /// An empty tree with these checkpoints, which are salted one by one.
    pub fn new(checkpoints: Checkpoints) -> Self {
        Self {
            leaves: (0..checkpoints.count()).map(|_| Vec::new()).collect(),
        }
    }

    /// Salts an op's output, if it is a checkpoint.
    pub fn salt(&mut self, checkpoints: Checkpoints, party: &Hash, job: &Hash, unit: u32, op: u32, bytes: &[u8]) {
        let place = checkpoints.before(op) as usize;
        let Some(leaves) = self.leaves.get_mut(place).filter(|_| checkpoints.contains(op)) else {
            return;
        };
        let chunks = (0..).zip(bytes.chunks(CHUNK_BYTES));
        *leaves = chunks
            .map(|(chunk, data)| custody_leaf(party, job, Place { unit, op, chunk }, data))
            .collect();
    }

    /// Roots over the leaves of each checkpoint.
    pub fn roots(&self) -> Vec<Hash> {
        self.leaves.iter().map(|leaves| merkle::root(leaves)).collect()
    }

    /// Root over the roots of all checkpoints.
    pub fn root(&self) -> Hash {
        merkle::root(&self.roots())
    }
}

/// A drawn chunk and everything needed to open it in both trees.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Its place in the trace.
    pub place: Place,
    /// Head of the TENSOR of the op's output.
    pub head: &'a [u8; 22],
    /// Preimage of the chunk.
    pub preimage: &'a [u8],
    /// CHUNK of every chunk of the op's output.
    pub chunks: &'a [Hash],
    /// What the traces commit to.
    pub checkpoints: Checkpoints,
    /// OP of every checkpoint of the unit.
    pub ops: &'a [Hash],
    /// UNIT of every trace.
    pub units: &'a [Hash],
    /// The auditor's tree of the unit.
    pub custody: &'a CustodyUnit,
    /// The auditor's root of every unit.
    pub custody_units: &'a [Hash],
}

impl Opening<'_> {
    /// Appends the opening to a proof; `None` when the parts do not fit each other.
    pub fn write(&self, proof: &mut Vec<u8>) -> Option<()> {
        let Place { unit, op, chunk } = self.place;
        proof.extend_from_slice(self.head);
        proof.extend_from_slice(&u16::try_from(self.preimage.len()).ok()?.to_le_bytes());
        proof.extend_from_slice(self.preimage);
        let (roots, among) = (self.custody.roots(), self.checkpoints.before(op));
        let leaves = self.custody.leaves.get(among as usize)?;
        let paths = [
            (self.chunks, chunk),
            (self.ops, among),
            (self.units, unit),
            (leaves.as_slice(), chunk),
            (roots.as_slice(), among),
            (self.custody_units, unit),
        ];
        for (leaves, index) in paths {
            let path = merkle::path(leaves, index);
            if path.len() != depth(leaves.len() as u32) as usize {
                return None;
            }
            path.iter().for_each(|sibling| proof.extend_from_slice(sibling));
        }
        Some(())
    }
}

/// Most bytes of a proof (see [`Custody::check`]) when no op's output has more than `chunks` chunks.
pub const fn max_proof_bytes(chunks: u32, checkpoints: Checkpoints, units: u32) -> usize {
    let levels = depth(chunks)
        .saturating_add(depth(checkpoints.count()))
        .saturating_add(depth(units));
    // Siblings are shown in both trees.
    let siblings = (levels as usize).saturating_mul(2 * size_of::<Hash>());
    (22 + size_of::<u16>() + MAX_PREIMAGE)
        .saturating_add(siblings)
        .saturating_mul(CHECKS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KINDS, Rng, Run, honest, random_graph};

    fn bps(share: u16) -> Bps {
        Bps::new(share).unwrap()
    }

    #[test]
    fn rates() {
        let table = [
            // clean, probation, floor, extra, rate
            (0, 20, 500, 0, 10_000),
            (19, 20, 500, 0, 10_000),
            (20, 20, 500, 0, 5_000),
            (60, 20, 500, 0, 2_500),
            (180, 20, 500, 0, 1_000),
            (379, 20, 500, 0, 502),
            (380, 20, 500, 0, 500),
            (u32::MAX, 20, 500, 0, 500),
            (u32::MAX, 20, 500, 1_000, 1_450),
            (0, 0, 0, 0, 0),
            (5, 0, 0, 0, 0),
            (5, 0, 0, 700, 700),
            (5, 0, 300, 0, 300),
            (0, 1, 0, 0, 10_000),
            (1, 1, 0, 0, 5_000),
            (7, 0, 10_000, 10_000, 10_000),
        ];
        for (clean, probation, floor, extra, expected) in table {
            assert_eq!(
                rate(clean, probation, bps(floor), bps(extra)),
                bps(expected),
                "{clean} {probation} {floor} {extra}"
            );
        }
    }

    #[test]
    fn draws_are_as_frequent_as_their_rate() {
        for rate in [0u16, 500, 5_000, 10_000] {
            let drawn = (0..20_000u32).filter(|slot| {
                let mut seed = [0; 32];
                seed[..4].copy_from_slice(&slot.to_le_bytes());
                is_drawn(&seed, &[1; 32], &[2; 32], bps(rate))
            });
            // Six standard deviations of 20,000 draws are 424 at most.
            let expected = 2 * u32::from(rate);
            let count = drawn.count() as u32;
            assert!(
                count.abs_diff(expected) <= if rate % 10_000 == 0 { 0 } else { 424 },
                "{count} of {expected}"
            );
        }
    }

    #[test]
    fn only_an_unaltered_trace_opens_the_drawn_chunks() {
        for seed in 0..30 {
            let rng = Rng::new(seed);
            let graph = random_graph(&rng, 4, seed % KINDS);
            // Every other trace is of checkpoints.
            let run = Run::new(&graph, &rng, 3, &honest).every((seed % 2 + 1) as u32);
            let (party, job, drawn) = ([9; 32], [8; 32], [seed as u8; 32]);
            let custody = run.custody(&party, &job);
            let roots: Vec<Hash> = custody.iter().map(CustodyUnit::root).collect();
            let claim = Custody {
                party,
                job,
                traces: run.claim.traces,
                custody: merkle::root(&roots),
                units: 3,
                checkpoints: run.claim.checkpoints(),
            };
            let proof = run.custody_proof(&custody, &party, &drawn);
            assert_eq!(claim.check(&drawn, &proof), Ok(()));
            let chunks = graph.ops.iter().filter_map(|op| op.output.layout().chunks()).max().unwrap();
            assert!(proof.len() <= max_proof_bytes(chunks, claim.checkpoints, claim.units));
            for n_chunks in [0, MAX_CHUNKS + 1] {
                let mut wrong = proof.clone();
                wrong[18..22].copy_from_slice(&n_chunks.to_le_bytes());
                assert_eq!(claim.check(&drawn, &wrong), Err(Invalid::Trace), "{n_chunks} chunks");
            }
            let mut elsewhere = drawn;
            elsewhere[0] ^= 1;
            assert!(claim.check(&elsewhere, &proof).is_err(), "another draw");
            for altered in [
                Custody { party: [7; 32], ..claim },
                Custody { job: [7; 32], ..claim },
                Custody { traces: [7; 32], ..claim },
                Custody { custody: [7; 32], ..claim },
                Custody {
                    // Every op instead of checkpoints, or the other way round.
                    checkpoints: Checkpoints::new(run.claim.n_ops, 3 - run.claim.interval),
                    ..claim
                },
            ] {
                assert!(altered.check(&drawn, &proof).is_err());
            }
            let at = rng.within(0, proof.len() as u64 - 1) as usize;
            let mut flipped = proof.clone();
            flipped[at] ^= 1 << rng.within(0, 7);
            assert!(claim.check(&drawn, &flipped).is_err(), "byte {at}");
            assert!(claim.check(&drawn, &proof[..proof.len() - 1]).is_err());
            assert!(claim.check(&drawn, &[&proof[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_tree_of_another_party_opens_nothing() {
        let rng = Rng::new(1);
        let graph = random_graph(&rng, 4, 2);
        let run = Run::new(&graph, &rng, 2, &honest);
        // The worker's own tree, given to the auditor.
        let borrowed = run.custody(&[1; 32], &[8; 32]);
        let roots: Vec<Hash> = borrowed.iter().map(CustodyUnit::root).collect();
        let claim = Custody {
            party: [2; 32],
            job: [8; 32],
            traces: run.claim.traces,
            custody: merkle::root(&roots),
            units: 2,
            checkpoints: run.claim.checkpoints(),
        };
        let proof = run.custody_proof(&borrowed, &[2; 32], &[5; 32]);
        assert_eq!(claim.check(&[5; 32], &proof), Err(Invalid::Trace));
    }
}

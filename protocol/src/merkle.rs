//! Binary Merkle trees of a fixed depth, single and range openings, and a streaming builder.
//!
//! A tree over `n` leaves has depth `depth(n) = ⌈log2 n⌉` (0 for one leaf); missing leaves are [`pad`]. The depth always comes from a
//! committed count, never from the prover, so a node can never pose as a leaf.

use crate::hash::{Hash, Tag, tagged};
use alloc::vec::Vec;

/// Deepest tree the market uses: 2^24 leaves.
pub const MAX_DEPTH: u32 = 24;

/// The leaf that fills a tree up to a power of two.
pub fn pad() -> Hash {
    tagged(Tag::Pad, [])
}

/// Parent of two nodes.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    tagged(Tag::Node, [left, right])
}

/// Depth of the tree over `leaves` leaves: the smallest `d` with `2^d >= leaves`; 0 for 0 or 1.
pub const fn depth(leaves: u32) -> u32 {
    // On chain this loop is cheaper than `leading_zeros`.
    let (mut above, mut depth) = (leaves.saturating_sub(1), 0);
    while above > 0 {
        above >>= 1;
        depth += 1;
    }
    depth
}

/// Root of the tree over `leaves`; [`pad`] for an empty list.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// Builds a root from leaves that arrive one by one, in O(depth) memory, as they do when they are streamed to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// `nodes[d]` is the root of the complete subtree of depth `d` on the left edge; valid where bit `d` of `count` is set.
    nodes: [Hash; MAX_DEPTH as usize],
    count: u32,
}

impl Default for Frontier {
    fn default() -> Self {
        Self {
            nodes: [[0; 32]; MAX_DEPTH as usize],
            count: 0,
        }
    }
}

impl Frontier {
    /// Leaves pushed so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Appends a leaf. A leaf beyond 2^24 − 1 is ignored; the limits of the callers exclude it.
    pub fn push(&mut self, leaf: Hash) {
        push(&mut self.nodes, &mut self.count, leaf);
    }

    /// Root over the leaves pushed so far.
    pub fn root(&self) -> Hash {
        frontier_root(&self.nodes, self.count)
    }
}

/// [`Frontier::push`] on a frontier kept in someone else's memory, such as an account. `nodes` may be shorter than
/// [`MAX_DEPTH`]; a leaf that does not fit is ignored.
pub fn push(nodes: &mut [Hash], count: &mut u32, leaf: Hash) {
    let level = count.trailing_ones() as usize;
    if level >= nodes.len() {
        return;
    }
    let mut current = leaf;
    for left in nodes.iter().take(level) {
        current = node(left, &current);
    }
    if let Some(slot) = nodes.get_mut(level) {
        *slot = current;
        *count = count.saturating_add(1);
    }
}

/// [`Frontier::root`] on a frontier kept in someone else's memory.
pub fn frontier_root(nodes: &[Hash], count: u32) -> Hash {
    let mut empty = pad();
    let mut current = empty;
    let mut complete = count.is_power_of_two();
    if complete {
        return nodes.get(count.trailing_zeros() as usize).copied().unwrap_or(empty);
    }
    for (level, left) in nodes.iter().enumerate().take(depth(count) as usize) {
        let full = count >> level & 1 == 1;
        current = match (full, complete) {
            (true, false) => {
                complete = true;
                node(left, &empty)
            }
            (true, true) => node(left, &current),
            (false, true) => node(&current, &empty),
            (false, false) => current,
        };
        empty = node(&empty, &empty);
    }
    current
}

/// Root of a subtree of `depth` levels of which the first `count` leaves were pushed and the others are missing.
pub fn subtree_root(nodes: &[Hash], count: u32, depth: u32) -> Hash {
    let filled = self::depth(count);
    (filled..depth).fold(frontier_root(nodes, count), |root, level| node(&root, &empty(level)))
}

/// [`subtree_root`] of leaves in memory.
pub fn padded_root(leaves: &[Hash], depth: u32) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    subtree_root(&frontier.nodes, frontier.count, depth)
}

/// Siblings from `index`'s leaf up to the root.
pub fn path(leaves: &[Hash], index: u32) -> Vec<Hash> {
    range_proof(leaves, index, 1)
}

/// Root that a leaf at `index` with these siblings leads to, or `None` when the path is not exactly `depth` long
/// or the index lies outside the tree.
pub fn root_from_path(leaf: Hash, index: u32, depth: u32, siblings: &[Hash]) -> Option<Hash> {
    // No limit of MAX_DEPTH here: the tree over the work of a call may be deeper than any frontier.
    if siblings.len() != depth as usize || index.checked_shr(depth) != Some(0) {
        return None;
    }
    let (mut current, mut index) = (leaf, index);
    for sibling in siblings {
        let (left, right) = if index & 1 == 0 { (&current, sibling) } else { (sibling, &current) };
        current = node(left, right);
        index >>= 1;
    }
    Some(current)
}

/// Root of a subtree of `depth` levels that holds no leaf.
pub fn empty(depth: u32) -> Hash {
    (0..depth).fold(pad(), |below, _| node(&below, &below))
}

/// Length of [`range_proof`] for `count > 0` leaves from `first` on in a tree of this depth.
pub fn range_proof_len(first: u32, count: u32, depth: u32) -> u32 {
    let last = first.saturating_add(count).saturating_sub(1);
    // A level needs a sibling to the left of an odd start and to the right of an even end.
    let levels = !u32::MAX.checked_shl(depth).unwrap_or(0);
    (first & levels).count_ones().wrapping_add((!last & levels).count_ones())
}

/// Siblings that complete the leaves `first .. first + count` to the root: per level, bottom up, the left one where the range
/// starts at an odd node and the right one where it ends at an even node. Empty when the range is not inside the tree.
pub fn range_proof(leaves: &[Hash], first: u32, count: u32) -> Vec<Hash> {
    let mut proof = Vec::new();
    let total = leaves.len() as u32;
    if count == 0 || first.checked_add(count).is_none_or(|end| end > total) {
        return proof;
    }
    let mut level: Vec<Hash> = leaves.to_vec();
    let (mut lo, mut hi) = (first as usize, (first + count - 1) as usize);
    let mut empty = pad();
    for _ in 0..depth(total) {
        if lo & 1 == 1 {
            proof.extend(level.get(lo - 1));
        }
        if hi & 1 == 0 {
            proof.push(level.get(hi + 1).copied().unwrap_or(empty));
        }
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                [left] => node(left, &empty),
                _ => empty,
            })
            .collect();
        empty = node(&empty, &empty);
        lo >>= 1;
        hi >>= 1;
    }
    proof
}

/// Root that consecutive leaves starting at `first` lead to, folding them in place; `None` when the range is empty or outside the
/// tree, or the proof is not exactly as long as the range needs.
pub fn root_from_range(leaves: &mut [Hash], first: u32, depth: u32, proof: &[Hash]) -> Option<Hash> {
    let last = first.checked_add(u32::try_from(leaves.len()).ok()?.checked_sub(1)?)?;
    if depth > MAX_DEPTH || last >> depth != 0 {
        return None;
    }
    let (mut lo, mut count, mut level, mut proof) = (first, leaves.len(), depth, proof);
    while count > 1 {
        let (mut read, mut write) = (0, 0);
        if lo & 1 == 1 {
            let (sibling, rest) = proof.split_first()?;
            *leaves.first_mut()? = node(sibling, leaves.first()?);
            (read, write, proof) = (1, 1, rest);
        }
        while read + 1 < count {
            *leaves.get_mut(write)? = node(leaves.get(read)?, leaves.get(read + 1)?);
            read += 2;
            write += 1;
        }
        if read < count {
            let (sibling, rest) = proof.split_first()?;
            *leaves.get_mut(write)? = node(leaves.get(read)?, sibling);
            (write, proof) = (write + 1, rest);
        }
        (lo, count) = (lo >> 1, write);
        level -= 1;
    }
    // What is left is a path.
    root_from_path(*leaves.first()?, lo, level, proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn leaves(n: u32) -> Vec<Hash> {
        (0..n).map(|i| tagged(Tag::Chunk, [&i.to_le_bytes()])).collect()
    }

    /// The definition, written as slowly as possible.
    fn reference(leaves: &[Hash]) -> Hash {
        let mut level = leaves.to_vec();
        level.resize(leaves.len().max(1).next_power_of_two(), pad());
        while level.len() > 1 {
            level = level.chunks(2).map(|p| node(&p[0], &p[1])).collect();
        }
        level[0]
    }

    #[test]
    fn depth_is_the_smallest_that_fits() {
        let cases = [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (1024, 10),
            (1025, 11),
            (u32::MAX, 32),
        ];
        for (n, d) in cases {
            assert_eq!(depth(n), d, "{n}");
        }
    }

    #[test]
    fn streaming_equals_definition_for_every_small_count() {
        for n in 0..70 {
            assert_eq!(root(&leaves(n)), reference(&leaves(n)), "{n} leaves");
            let mut padded = leaves(n);
            padded.resize(128, pad());
            assert_eq!(padded_root(&leaves(n), 7), reference(&padded), "{n} leaves of 128");
        }
    }

    #[test]
    fn a_node_cannot_pose_as_a_leaf() {
        let l = leaves(4);
        let inner = node(&l[0], &l[1]);
        let right = node(&l[2], &l[3]);
        assert_eq!(root_from_path(inner, 0, 2, &[right]), None);
        assert_eq!(
            root_from_path(inner, 0, 1, &[right]),
            Some(root(&l)),
            "only a wrong depth would accept it"
        );
    }

    #[test]
    fn no_range_is_empty_or_beyond_the_tree() {
        let all = leaves(4);
        for (first, count) in [(0, 0), (4, 1), (3, 2), (u32::MAX, 1)] {
            assert!(range_proof(&all, first, count).is_empty(), "{count} from {first}");
            let mut range = all[..count as usize].to_vec();
            assert_eq!(root_from_range(&mut range, first, 2, &[]), None, "{count} from {first}");
        }
        assert!(range_proof(&all, 0, 4).is_empty());
        assert_eq!(root_from_range(&mut all.clone(), 0, 2, &[]), Some(root(&all)));
    }

    proptest! {
        #[test]
        fn every_range_opens_to_the_root(n in 1u32..200, a in 0u32..200, b in 0u32..200) {
            let (first, last) = (a.min(b) % n, a.max(b) % n);
            let (first, last) = (first.min(last), first.max(last));
            let all = leaves(n);
            let proof = range_proof(&all, first, last - first + 1);
            let mut range = all[first as usize..=last as usize].to_vec();
            prop_assert_eq!(root_from_range(&mut range, first, depth(n), &proof), Some(root(&all)));
            let one = path(&all, first);
            prop_assert_eq!(root_from_path(all[first as usize], first, depth(n), &one), Some(root(&all)));
        }

        #[test]
        fn no_altered_opening_reaches_the_root(n in 2u32..100, at in 0u32..100, level in 0usize..8, bit in 0usize..256) {
            let (all, at) = (leaves(n), at % n);
            let mut siblings = path(&all, at);
            let level = level % siblings.len();
            siblings[level][bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(root_from_path(all[at as usize], at, depth(n), &siblings), Some(root(&all)));
            let mut longer = path(&all, at);
            longer.push(pad());
            prop_assert_eq!(root_from_path(all[at as usize], at, depth(n), &longer), None);
            let mut range = all[at as usize..=at as usize].to_vec();
            prop_assert_eq!(root_from_range(&mut range, at, depth(n), &longer), None);
        }
    }
}

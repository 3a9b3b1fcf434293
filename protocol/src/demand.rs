//! What a challenger may ask a worker to show on chain, what counts as an answer, and how long both have.
//!
//! If a worker publishes nothing, a checker may know that its result is wrong and have no evidence. So anyone may demand a part of what the
//! worker committed to, from the top down: the hashes of the units, which tell where the result is wrong; the op outputs of a unit; the
//! chunk hashes of one op output; one chunk. Each answer must lead to the root above it. A worker that cannot answer has committed to
//! something that is not built as specified, so silence convicts just as evidence does.
//!
//! Where a trace commits to checkpoints only, the answer with a unit's op outputs is a commitment of its own: the outputs at the
//! checkpoints must be those of the trace, and the outputs that the worker claims between them are binding from then on. Committing to
//! those late gains the worker nothing: the values between two checkpoints either follow from the first and lead to the second, or contain
//! an element that is not what its op makes of its inputs.

use crate::batch::{batch_from_root, unit_leaf};
use crate::hash::{Hash, Tag, tagged};
use crate::merkle;
use crate::tensor::{CHUNK_BYTES, MAX_ELEMENTS};
use crate::trace::{Checkpoints, op_leaf};
use crate::units::{Clocks, Moment};

/// Hashes in a page: the most that one answer shows of a job's units or of a tensor's chunks. A page of chunks covers 1 MiB.
pub const PAGE: u32 = 1 << PAGE_DEPTH;
/// Levels of a full page.
pub const PAGE_DEPTH: u32 = 10;
/// Most chunks a well-formed activation has.
pub const MAX_CHUNKS: u32 = MAX_ELEMENTS / CHUNK_BYTES as u32;
/// Bytes before the data in the preimage of a chunk.
pub const CHUNK_HEAD: usize = 15;
/// Longest preimage of a well-formed chunk.
pub const MAX_PREIMAGE: usize = CHUNK_HEAD + CHUNK_BYTES;

/// Fewest hashes in a piece of an answer that is neither its first nor its last: half of what an ordinary transaction carries, so that a
/// list of any length can be cut into such pieces. To read an answer, a client scans every transaction that names the demand in the slots
/// in which it grew; a worker that sent one hash at a time could make those arbitrarily many.
pub const MIN_PIECE: usize = 12;

/// Most demands that may be open on a job at a time.
pub const MAX_OPEN: u8 = 8;
/// Number of demands on a job after which the price doubles.
pub const DOUBLING: u8 = 8;
/// Seconds that a worker has for all answers of a job together, on top of [`PROMPT_SECONDS`] for each. They are charged when an answer
/// comes, and demands that are open then keep the time they were given, so a worker that always has eight open demands may take an hour in
/// all. If they were charged when a demand is opened, an honest worker that was slow once would have half a minute for the last of eight.
pub const TOTAL_SECONDS: u32 = 1_800;
/// Seconds that every answer may take: a worker that answers within them never runs out of time, however many demands there are.
pub const PROMPT_SECONDS: u32 = 30;
/// Most seconds that answers may add to a challenge window: enough for the longest sequence of questions and answers.
pub const MAX_EXTENSION: u32 = 2_400;

crate::coded! {
    /// What is demanded.
    pub enum Kind {
        /// TRACEs of up to [`PAGE`] units.
        Traces = 0,
        /// TENSORs of the delivered outputs of up to [`PAGE`] units.
        Outputs = 1,
        /// TENSOR of every op output of a unit.
        Ops = 2,
        /// Hashes of up to [`PAGE`] chunks of an op's output.
        Page = 3,
        /// One chunk of an op's output.
        Chunk = 4,
    }
}

/// One part of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// Kind of part.
    pub kind: Kind,
    /// Unit; zero for pages of units.
    pub unit: u32,
    /// Op; zero for pages of units and for all ops of a unit.
    pub op: u32,
    /// Page or chunk; zero for all ops of a unit.
    pub index: u32,
}

impl Item {
    /// A page of the units' TRACEs.
    pub const fn traces(page: u32) -> Self {
        Self {
            kind: Kind::Traces,
            unit: 0,
            op: 0,
            index: page,
        }
    }

    /// A page of the units' delivered output TENSORs.
    pub const fn outputs(page: u32) -> Self {
        Self {
            kind: Kind::Outputs,
            ..Self::traces(page)
        }
    }

    /// All op outputs of a unit.
    pub const fn ops(unit: u32) -> Self {
        Self {
            kind: Kind::Ops,
            unit,
            op: 0,
            index: 0,
        }
    }

    /// A page of the chunk hashes of an op's output.
    pub const fn page(unit: u32, op: u32, page: u32) -> Self {
        Self {
            kind: Kind::Page,
            unit,
            op,
            index: page,
        }
    }

    /// A chunk of an op's output.
    pub const fn chunk(unit: u32, op: u32, chunk: u32) -> Self {
        Self {
            kind: Kind::Chunk,
            unit,
            op,
            index: chunk,
        }
    }

    /// Whether a result of `units` units of a model with `n_ops` ops may have this part. The number of a tensor's chunks is not checked:
    /// the worker claims it.
    pub fn exists(&self, units: u32, n_ops: u32) -> bool {
        let within = match self.kind {
            Kind::Traces | Kind::Outputs => self.unit == 0 && self.op == 0 && page_len(units, self.index) > 0,
            Kind::Ops => self.op == 0 && self.index == 0,
            Kind::Page => self.op < n_ops && self.index < MAX_CHUNKS / PAGE,
            Kind::Chunk => self.op < n_ops && self.index < MAX_CHUNKS,
        };
        within && self.unit < units
    }

    /// The part that must be shown before this one; `None` for the topmost parts.
    pub fn above(&self) -> Option<Self> {
        match self.kind {
            Kind::Traces | Kind::Outputs | Kind::Ops => None,
            Kind::Page => Some(Self::ops(self.unit)),
            Kind::Chunk => Some(Self::page(self.unit, self.op, self.index / PAGE)),
        }
    }
}

/// Batch root of the traces that the root over a unit's checkpoints leads to.
pub fn traces_of_unit(units: u32, unit: u32, checkpoints: Checkpoints, root: &Hash, path: &[Hash]) -> Option<Hash> {
    let leaf = unit_leaf(unit, &checkpoints.trace_from_root(root));
    let root = merkle::root_from_path(leaf, unit, merkle::depth(units), path)?;
    Some(batch_from_root(units, &root))
}

/// Batch root that the root of a page of units leads to.
pub fn batch_of_page(units: u32, page: u32, page_root: &Hash, above: &[Hash]) -> Option<Hash> {
    let root = merkle::root_from_path(*page_root, page, levels_above(units), above)?;
    Some(batch_from_root(units, &root))
}

/// Number of chunks that the head of a TENSOR claims.
pub const fn chunks_of_head(head: &[u8; 22]) -> u32 {
    let [.., n0, n1, n2, n3] = *head;
    u32::from_le_bytes([n0, n1, n2, n3])
}

/// Number of hashes on page `page` of a list of `total`; zero beyond the end.
pub const fn page_len(total: u32, page: u32) -> u32 {
    let rest = total.saturating_sub(page.saturating_mul(PAGE));
    if rest < PAGE { rest } else { PAGE }
}

/// [`page_len`] for a tensor of `n_chunks` chunks; zero when it claims more than [`MAX_CHUNKS`], because then its head alone convicts.
pub const fn chunk_page_len(n_chunks: u32, page: u32) -> u32 {
    if n_chunks > MAX_CHUNKS { 0 } else { page_len(n_chunks, page) }
}

/// Levels of a page's subtree; a tree with a single page is that page.
pub const fn page_depth(total: u32) -> u32 {
    let depth = merkle::depth(total);
    if depth < PAGE_DEPTH { depth } else { PAGE_DEPTH }
}

/// Levels from a page's root to the root of the whole tree.
const fn levels_above(total: u32) -> u32 {
    merkle::depth(total).saturating_sub(page_depth(total))
}

/// Root of the tensor of `n_chunks` chunks that a page leads to; parameters as in [`ops_of_page`]. Also `None` when a subtree in `above`
/// that lies beyond the last page is not empty, so that a root with hidden chunks has no valid answer for its last page.
pub fn root_of_page(n_chunks: u32, page: u32, page_root: &Hash, above: &[Hash]) -> Option<Hash> {
    if chunk_page_len(n_chunks, page) > 0 {
        let root = merkle::root_from_path(*page_root, page, levels_above(n_chunks), above)?;
        let pages = n_chunks.div_ceil(PAGE);
        let is_right = |(level, sibling): (u32, &Hash)| {
            let first = ((page >> level) ^ 1) << level;
            first < pages || *sibling == merkle::empty(PAGE_DEPTH + level)
        };
        return (0..).zip(above).all(is_right).then_some(root);
    }
    let [root] = above else { return None };
    Some(*root)
}

/// Root over a unit's OP leaves that a page of an op's output leads to.
///
/// `page_root` is the root of the page's subtree, and `above` leads from it to the tensor's root; for an empty page, `above` is the
/// tensor's root alone. `path` leads from the OP leaf to the result.
pub fn ops_of_page(item: &Item, n_ops: u32, page_root: &Hash, head: &[u8; 22], above: &[Hash], path: &[Hash]) -> Option<Hash> {
    let root = root_of_page(chunks_of_head(head), item.index, page_root, above)?;
    let tensor = tagged(Tag::Tensor, [head, &root]);
    merkle::root_from_path(op_leaf(item.op, &tensor), item.op, merkle::depth(n_ops), path)
}

/// Leaf of a chunk, well-formed or not.
pub fn leaf_of_chunk(preimage: &[u8]) -> Hash {
    tagged(Tag::Chunk, [preimage])
}

/// Root of the page that the leaf of a chunk leads to.
pub fn page_of_chunk(item: &Item, n_chunks: u32, leaf: &Hash, path: &[Hash]) -> Option<Hash> {
    merkle::root_from_path(*leaf, item.index % PAGE, page_depth(n_chunks), path)
}

/// Price in lamports of the next demand on a job, after `demanded` earlier ones, when the first cost `base`; `None` when it does not fit
/// 64 bits.
///
/// The answer earns the worker `base`, and the rest of the price is lost. So a liar in disguise, which earns its own fees, cannot occupy
/// all places until the window has passed: its own answers extend the window by [`MAX_EXTENSION`], and once its clock is used up it has to
/// refill the places every [`PROMPT_SECONDS`], at twice the price each time.
pub fn cost(base: u64, demanded: u8) -> Option<u64> {
    1u64.checked_shl(u32::from(demanded / DOUBLING))
        .and_then(|factor| crate::math::checked_mul(base, factor))
}

/// Seconds for the next answer of a worker that has used `used` seconds of its clock; no answer gets more than `limit`.
pub fn allowance(used: u32, limit: u32) -> u32 {
    TOTAL_SECONDS.saturating_sub(used).min(limit).max(PROMPT_SECONDS)
}

/// Seconds that an answer to a demand opened at `opened` takes from the worker's clock: none when it is prompt, and none when the cluster
/// restarted in between, because nobody knows how long the outage was.
pub fn spent(opened: Moment, clocks: Clocks) -> u32 {
    if clocks.restart > opened.slot {
        return 0;
    }
    let taken = clocks
        .now
        .unix
        .saturating_sub(opened.unix)
        .saturating_sub(i64::from(PROMPT_SECONDS));
    u32::try_from(taken.max(0)).unwrap_or(u32::MAX).min(TOTAL_SECONDS)
}

/// Seconds by which a window that ends at `end` grows so that `question` seconds are left for the next question, when `extended` seconds
/// were added before.
pub fn extension(end: Moment, now: Moment, question: u32, extended: u32) -> u32 {
    now.after(question).seconds_past(end).min(MAX_EXTENSION.saturating_sub(extended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::unit_leaves;
    use crate::testing::{Rng, Run, honest, random_graph};
    use crate::trace::op_leaves;
    use std::vec::Vec;

    #[test]
    fn which_parts_exist() {
        let (units, n_ops) = (3, 5);
        let cases = [
            (Item::ops(2), true),
            (Item::ops(3), false),
            (Item { op: 1, ..Item::ops(0) }, false),
            (Item { index: 1, ..Item::ops(0) }, false),
            (Item::outputs(0), true),
            (Item::outputs(1), false),
            (
                Item {
                    unit: 1,
                    ..Item::traces(0)
                },
                false,
            ),
            (Item { op: 1, ..Item::traces(0) }, false),
            (Item::page(2, 4, 15), true),
            (Item::page(2, 4, 16), false),
            (Item::page(2, 5, 0), false),
            (Item::chunk(2, 4, 16_383), true),
            (Item::chunk(2, 4, 16_384), false),
            (Item::chunk(2, 5, 0), false),
        ];
        for (item, exists) in cases {
            assert_eq!(item.exists(units, n_ops), exists, "{item:?}");
        }
        assert_eq!(Item::chunk(1, 2, 1_025).above(), Some(Item::page(1, 2, 1)));
        assert_eq!(Item::page(1, 2, 1).above(), Some(Item::ops(1)));
        assert_eq!(Item::ops(1).above(), None);
    }

    #[test]
    fn pages_cover_a_tensor_and_no_more() {
        for n_chunks in [1, 2, 1_023, 1_024, 1_025, 5_000, MAX_CHUNKS] {
            assert_eq!((0..20).map(|page| page_len(n_chunks, page)).sum::<u32>(), n_chunks);
        }
        assert_eq!(
            (
                page_len(MAX_CHUNKS + 1, 0),
                chunk_page_len(MAX_CHUNKS + 1, 0),
                chunk_page_len(MAX_CHUNKS, 0)
            ),
            (PAGE, 0, PAGE)
        );
        assert!(Item::traces(1).exists(1_025, 1) && !Item::traces(1).exists(1_024, 1));
        assert_eq!((page_depth(1), page_depth(5), page_depth(1_024), page_depth(9_999)), (0, 3, 10, 10));
    }

    /// Honest answers to every question about a run lead to the committed roots, and answers with a flipped bit do not.
    #[test]
    fn true_answers_lead_to_what_was_committed() {
        for seed in 0..40 {
            let rng = Rng::new(seed);
            let graph = random_graph(&rng, 5, seed % crate::testing::KINDS);
            let run = Run::new(&graph, &rng, 3, &honest);
            let (claim, unit) = (&run.claim, (seed % 3) as u32);
            let tensors = &run.tensors[unit as usize];
            let ops = op_leaves(tensors);
            let ops_root = merkle::root(&ops);
            let path = merkle::path(&unit_leaves(0, &run.traces), unit);
            assert_eq!(
                traces_of_unit(claim.units, unit, claim.checkpoints(), &ops_root, &path),
                Some(claim.traces)
            );
            assert_ne!(
                traces_of_unit(claim.units, unit, Checkpoints::all(claim.n_ops + 1), &ops_root, &path),
                Some(claim.traces)
            );
            for (hashes, batch) in [(&run.traces, claim.traces), (&run.outputs, claim.outputs)] {
                let root = merkle::root(&unit_leaves(0, hashes));
                assert_eq!(batch_of_page(claim.units, 0, &root, &[]), Some(batch));
                assert_eq!(batch_of_page(claim.units, 1, &root, &[]), None);
            }

            let op = rng.within(0, tensors.len() as u64 - 1) as u32;
            let id = graph.inputs.len() + op as usize;
            let value = &run.units[unit as usize][id];
            let leaves = run.layout(op as usize).leaves(id as u32, value);
            let n_chunks = leaves.len() as u32;
            let head = run.layout(op as usize).head(n_chunks);
            let asked = Item::page(unit, op, 0);
            let path = merkle::path(&ops, op);
            let root = merkle::root(&leaves);
            assert_eq!(ops_of_page(&asked, claim.n_ops, &root, &head, &[], &path), Some(ops_root));
            // A page beyond the end is shown by the tensor's root alone.
            let beyond = Item::page(unit, op, 1);
            assert_eq!(ops_of_page(&beyond, claim.n_ops, &[0; 32], &head, &[root], &path), Some(ops_root));
            assert_eq!(ops_of_page(&beyond, claim.n_ops, &[0; 32], &head, &[], &path), None);
            let mut lied = head;
            lied[21] ^= 1;
            assert_ne!(ops_of_page(&beyond, claim.n_ops, &[0; 32], &lied, &[root], &path), Some(ops_root));

            let chunk = rng.within(0, u64::from(n_chunks) - 1) as u32;
            let mut preimage = run.layout(op as usize).preimage(id as u32, chunk, value).unwrap();
            let path = merkle::path(&leaves, chunk);
            let asked = Item::chunk(unit, op, chunk);
            assert_eq!(page_of_chunk(&asked, n_chunks, &leaf_of_chunk(&preimage), &path), Some(root));
            preimage[CHUNK_HEAD] ^= 1;
            assert_ne!(page_of_chunk(&asked, n_chunks, &leaf_of_chunk(&preimage), &path), Some(root));
        }
    }

    #[test]
    fn pages_of_a_large_tensor_lead_to_its_root() {
        for n_chunks in [1_025u32, 2_048, 2_500, 16_384] {
            let leaves: Vec<Hash> = (0..n_chunks).map(|i| tagged(Tag::Chunk, [&i.to_le_bytes()])).collect();
            let head = crate::tensor::Shape::new(1, 1, 1).layout().head(n_chunks);
            let tensor = tagged(Tag::Tensor, [&head, &merkle::root(&leaves)]);
            let ops = [op_leaf(0, &tensor)];
            for page in 0..n_chunks.div_ceil(PAGE) {
                let shown = page_len(n_chunks, page);
                let first = page * PAGE;
                let root = merkle::padded_root(&leaves[first as usize..(first + shown) as usize], page_depth(n_chunks));
                let above = merkle::path(&leaves, first).split_off(PAGE_DEPTH as usize);
                let asked = Item::page(0, 0, page);
                assert_eq!(
                    ops_of_page(&asked, 1, &root, &head, &above, &[]),
                    Some(merkle::root(&ops)),
                    "page {page} of {n_chunks} chunks"
                );
                let chunk = first + shown - 1;
                let path = &merkle::path(&leaves, chunk)[..PAGE_DEPTH as usize];
                assert_eq!(
                    page_of_chunk(&Item::chunk(0, 0, chunk), n_chunks, &leaves[chunk as usize], path),
                    Some(root)
                );
            }
        }
    }

    #[test]
    fn pages_of_many_units_lead_to_the_batch() {
        let units = 2_050u32;
        let hashes: Vec<Hash> = (0..units).map(|unit| tagged(Tag::Trace, [&unit.to_le_bytes()])).collect();
        let leaves = unit_leaves(0, &hashes);
        for page in 0..3 {
            let (first, shown) = (page * PAGE, page_len(units, page));
            let root = merkle::padded_root(&leaves[first as usize..(first + shown) as usize], page_depth(units));
            let above = merkle::path(&leaves, first).split_off(PAGE_DEPTH as usize);
            assert_eq!(batch_of_page(units, page, &root, &above), Some(crate::batch::batch_root(&hashes)));
        }
    }

    #[test]
    fn beyond_the_last_page_of_a_tensor_there_is_nothing() {
        for n_pages in 1..=15 {
            // The last page has a single chunk.
            let n_chunks = (n_pages - 1) * PAGE + 1;
            let leaves: Vec<Hash> = (0..n_chunks).map(|chunk| leaf_of_chunk(&chunk.to_le_bytes())).collect();
            let tree_depth = merkle::depth(n_chunks);
            for page in 0..n_pages {
                let (first, shown) = (page * PAGE, chunk_page_len(n_chunks, page));
                let root = merkle::padded_root(&leaves[first as usize..(first + shown) as usize], page_depth(n_chunks));
                let above = merkle::path(&leaves, first).split_off(page_depth(n_chunks) as usize);
                assert_eq!(root_of_page(n_chunks, page, &root, &above), Some(merkle::root(&leaves)));
                for level in 0..levels_above(n_chunks) {
                    let mut filled = above.clone();
                    filled[level as usize] = [7; 32];
                    let is_beyond = ((page >> level) ^ 1) << level >= n_pages;
                    assert_eq!(
                        root_of_page(n_chunks, page, &root, &filled).is_none(),
                        is_beyond,
                        "page {page} of {n_pages}"
                    );
                }
            }
            let blanks = |page: u32| (0..levels_above(n_chunks)).filter(move |&level| ((page >> level) ^ 1) << level >= n_pages);
            let covered: u32 = blanks(n_pages - 1).map(|level| 1 << level).sum();
            assert_eq!(
                n_pages + covered,
                1 << (tree_depth - page_depth(n_chunks)),
                "the path of the last page passes every empty subtree"
            );
        }
    }

    #[test]
    fn clocks_of_the_worker() {
        assert_eq!(allowance(0, 300), 300);
        assert_eq!(allowance(1_600, 300), 200);
        assert_eq!(allowance(1_790, 300), 30);
        assert_eq!(allowance(u32::MAX, 300), 30);
        assert_eq!(allowance(0, 1), 30);
        let opened = Moment { unix: 1_000, slot: 500 };
        let at = |unix, restart| Clocks {
            now: Moment { unix, slot: 600 },
            restart,
        };
        for (unix, expected) in [(900, 0), (1_000, 0), (1_030, 0), (1_031, 1), (1_330, 300), (1 << 40, TOTAL_SECONDS)] {
            assert_eq!(spent(opened, at(unix, 500)), expected, "answered at {unix}");
            assert_eq!(spent(opened, at(unix, 501)), 0, "answered at {unix} after a restart");
        }
    }

    #[test]
    fn every_eighth_demand_doubles_the_price() {
        let base = 3_000_000;
        for (demanded, factor) in [(0, 1), (7, 1), (8, 2), (15, 2), (16, 4), (80, 1_024), (255, 1 << 31)] {
            assert_eq!(cost(base, demanded), Some(base * factor), "after {demanded}");
        }
        assert_eq!(cost(1 << 40, 255), None);
    }

    /// SOL that a liar loses by keeping all places taken for `seconds` while nobody else demands anything: each of its answers comes as
    /// late as it may, and the same transaction takes the place again.
    fn lost_by_blocking(seconds: i64) -> u64 {
        let base = 3_000_000;
        let (mut used, mut demanded, mut lost) = (0, 0u8, 0);
        // When each place was taken, and when its answer is due.
        let mut places = [(0, 0); MAX_OPEN as usize];
        loop {
            let (taken, due) = places.iter_mut().min_by_key(|(_, due)| *due).unwrap();
            if *due >= seconds {
                return lost / 1_000_000_000;
            }
            let [opened, now] = [*taken, *due].map(|unix| Moment { unix, slot: 0 });
            used += spent(opened, Clocks { now, restart: 0 });
            lost += cost(base, demanded).unwrap() - base;
            demanded = demanded.saturating_add(1);
            (*taken, *due) = (now.unix, now.unix + i64::from(allowance(used, 300)));
        }
    }

    /// Blocking for ten minutes is cheap, but the liar's own answers extend any window to at least forty minutes.
    #[test]
    fn all_places_cannot_be_kept_until_the_window_has_passed() {
        assert_eq!([600, 900].map(lost_by_blocking), [0, 687]);
        let supply_of_sol = 650_000_000;
        assert!(lost_by_blocking(MAX_EXTENSION.into()) > supply_of_sol);
    }

    #[test]
    fn a_window_grows_for_the_next_question_up_to_its_limit() {
        let now = Moment { unix: 1_000, slot: 2_500 };
        // The question's time is left on both clocks.
        assert_eq!(extension(now.after(120), now, 120, 0), 0);
        assert_eq!(extension(now.after(118), now, 120, 0), 2);
        assert_eq!(extension(now, now, 120, 0), 120);
        assert_eq!(extension(now, now, 120, 2_300), 100);
        assert_eq!(extension(now, now, 120, 2_400), 0);
        // The clock on which the window ends earlier decides.
        let lagging = Moment { unix: 1_120, slot: 2_500 };
        assert_eq!(extension(lagging, now, 120, 0), 120);
    }
}

//! The answer to a demand, cut into pieces that each fit a transaction. The last one carries the path to the committed root.
//!
//! Nothing here does any I/O: [`demands`](crate::demands) provides the hashes and bytes.

use chain::market::demand::{Answerer, BYTES, HASHES};
use jobs::PageEnd;
use protocol::batch::unit_leaves;
use protocol::demand::{Item, PAGE, page_depth};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::tensor::Shape;
use protocol::trace::op_leaves;
use solana_address::Address;
use solana_instruction::Instruction;

/// The part of an answer that goes into one transaction, and its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Hashes or bytes that must have arrived before.
    pub offset: u32,
    /// The hashes or bytes that follow.
    pub content: Content,
}

/// Hashes or bytes. The last piece also has the end of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// TRACEs or delivered TENSORs of a page of units, and the siblings above the page.
    Units(Vec<Hash>, Option<Vec<Hash>>),
    /// TENSORs of a unit's ops, and the siblings of its TRACE.
    Ops(Vec<Hash>, Option<Vec<Hash>>),
    /// Chunk hashes of a page, and its end.
    Page(Vec<Hash>, Option<PageEnd>),
    /// Bytes of a chunk's preimage, and the siblings of its leaf within the page.
    Chunk(Vec<u8>, Option<Vec<Hash>>),
}

impl Piece {
    /// The piece as an instruction.
    pub fn instruction(self, by: &Answerer, job: &Address, item: Item) -> Instruction {
        match self.content {
            Content::Units(hashes, above) => by.units(job, item, self.offset, hashes, above),
            Content::Ops(tensors, path) => by.ops(job, item, self.offset, tensors, path),
            Content::Page(leaves, end) => by.page(job, item, self.offset, leaves, end),
            Content::Chunk(bytes, path) => by.chunk(job, item, self.offset, bytes, path),
        }
    }
}

/// Page `page` of the units; `hashes` holds each unit's TRACE or delivered TENSOR.
pub fn units(hashes: &[Hash], page: u32) -> Vec<Piece> {
    let above = above_page(&unit_leaves(0, hashes), page);
    let room = HASHES.saturating_sub(above.len().saturating_add(1));
    cut(&of_page(hashes, page), HASHES, room, above, Content::Units)
}

/// The TENSORs of a unit's ops; `traces` holds each unit's TRACE.
pub fn ops(traces: &[Hash], unit: u32, tensors: &[Hash]) -> Vec<Piece> {
    let path = merkle::path(&unit_leaves(0, traces), unit);
    let room = HASHES.saturating_sub(path.len().saturating_add(1));
    cut(tensors, HASHES, room, path, Content::Ops)
}

/// Page `page` of the chunk hashes of op `op`'s output, which has this shape. `tensors` are the TENSORs of its unit.
pub fn page(tensors: &[Hash], op: u32, shape: Shape, leaves: &[Hash], page: u32) -> Vec<Piece> {
    let shown = of_page(leaves, page);
    let end = PageEnd {
        // A value has at most 2^14 chunks.
        head: shape.layout().head(leaves.len() as u32),
        above: if shown.is_empty() {
            vec![merkle::root(leaves)]
        } else {
            above_page(leaves, page)
        },
        path: merkle::path(&op_leaves(tensors), op),
    };
    // The head and the length of a third list take the space of two hashes.
    let taken = end.above.len().saturating_add(end.path.len()).saturating_add(2);
    cut(&shown, HASHES, HASHES.saturating_sub(taken), end, Content::Page)
}

/// Chunk `index` of the value with this number, given its codes and the leaves of all its chunks. `None` beyond its end.
pub fn chunk(value_id: u32, shape: Shape, codes: &[u8], leaves: &[Hash], index: u32) -> Option<Vec<Piece>> {
    let preimage = shape.layout().preimage(value_id, index, codes)?;
    let mut path = merkle::path(leaves, index);
    path.truncate(page_depth(leaves.len() as u32) as usize);
    let room = BYTES.saturating_sub(path.len().saturating_add(1).saturating_mul(size_of::<Hash>()));
    Some(cut(&preimage, BYTES, room, path, Content::Chunk))
}

/// Cuts a list into pieces of up to `most`. The last piece takes as many as there is `room` for next to the end; the others are of equal
/// size, give or take one, because the program refuses short ones.
fn cut<T: Clone, E>(list: &[T], most: usize, room: usize, end: E, content: impl Fn(Vec<T>, Option<E>) -> Content) -> Vec<Piece> {
    let (mut rest, last) = list.split_at(list.len().saturating_sub(room));
    let mut pieces = Vec::new();
    // An answer has at most 1,024 hashes or 1,039 bytes.
    let mut offset = 0u32;
    for left in (1..=rest.len().div_ceil(most)).rev() {
        let (part, others) = rest.split_at(rest.len().div_ceil(left));
        pieces.push(Piece {
            offset,
            content: content(part.to_vec(), None),
        });
        offset = offset.saturating_add(part.len() as u32);
        rest = others;
    }
    pieces.push(Piece {
        offset,
        content: content(last.to_vec(), Some(end)),
    });
    pieces
}

/// The items on a page of a list.
fn of_page<T: Clone>(list: &[T], page: u32) -> Vec<T> {
    let pages = list.chunks(PAGE as usize);
    pages.into_iter().nth(page as usize).unwrap_or_default().to_vec()
}

/// Siblings on the path from a page of these leaves to their root. Empty if there is no such page.
fn above_page(leaves: &[Hash], page: u32) -> Vec<Hash> {
    let depth = page_depth(leaves.len() as u32) as usize;
    let path = merkle::path(leaves, page.saturating_mul(PAGE));
    path.get(depth..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;
    use protocol::batch::batch_root;
    use protocol::demand::{
        Kind, MIN_PIECE, batch_of_page, chunk_page_len, leaf_of_chunk, ops_of_page, page_len, page_of_chunk, traces_of_unit,
    };
    use protocol::hash::{Tag, tagged};
    use protocol::testing::{Rng, Run, honest, random_graph};
    use protocol::trace::Checkpoints;

    /// Bytes of instruction data besides the hashes or bytes of the answer, in a piece without an end.
    const BARE: usize = 17;

    /// What arrives when the pieces land in order, and the end. Asserts that only the last piece has one and that each fits a transaction.
    fn whole(pieces: Vec<Piece>, kind: Kind) -> (Vec<Hash>, Vec<u8>, Content) {
        let (mut hashes, mut bytes, count) = (Vec::new(), Vec::new(), pieces.len());
        let mut end = None;
        let by = Answerer {
            key: Address::default(),
            device: Address::default(),
            payout: Address::default(),
        };
        let item = Item { kind, ..Item::ops(0) };
        for (at, piece) in (1..).zip(pieces) {
            assert_eq!(piece.offset as usize, hashes.len() + bytes.len());
            let data = piece.clone().instruction(&by, &Address::default(), item).data;
            assert!(data.len() <= BARE + BYTES, "{} bytes", data.len());
            let ends = match piece.content.clone() {
                Content::Units(part, end) | Content::Ops(part, end) => {
                    hashes.extend(part);
                    end.is_some()
                }
                Content::Page(part, end) => {
                    hashes.extend(part);
                    end.is_some()
                }
                Content::Chunk(part, end) => {
                    bytes.extend(part);
                    end.is_some()
                }
            };
            assert_eq!(ends, at == count);
            end = Some(piece.content);
        }
        (hashes, bytes, end.unwrap())
    }

    fn many(count: u32) -> Vec<Hash> {
        (0..count).map(|index| tagged(Tag::Trace, [&index.to_le_bytes()])).collect()
    }

    /// The program accepts the pieces, for any number of hashes and any room next to the end.
    #[test]
    fn no_piece_between_the_first_and_the_last_is_short() {
        for (length, room) in (0..=PAGE as usize).flat_map(|length| (0..HASHES).map(move |room| (length, room))) {
            let pieces = cut(&vec![[0; 32]; length], HASHES, room, Vec::new(), Content::Ops);
            let (mut arrived, count) = (0, pieces.len());
            for (at, piece) in (1..).zip(pieces) {
                assert_eq!(piece.offset as usize, arrived);
                let Content::Ops(hashes, end) = piece.content else {
                    panic!("{piece:?}")
                };
                let taken = match (at == count, end) {
                    (true, Some(_)) => 0..=room,
                    (false, None) if arrived == 0 => 1..=HASHES,
                    (false, None) => MIN_PIECE..=HASHES,
                    (_, end) => panic!("{end:?} with piece {at} of {count}"),
                };
                assert!(taken.contains(&hashes.len()), "{} of {length} with room for {room}", hashes.len());
                arrived += hashes.len();
            }
            assert_eq!(arrived, length);
        }
    }

    #[test]
    fn every_page_of_the_units_leads_to_the_batch() {
        for count in [1, 2, 25, 26, 27, 1_000, 1_024, 1_025, 2_500] {
            let all = many(count);
            for page in 0..count.div_ceil(PAGE) {
                let (hashes, _, end) = whole(units(&all, page), Kind::Traces);
                let Content::Units(_, Some(above)) = end else { panic!("{end:?}") };
                assert_eq!(hashes.len() as u32, page_len(count, page));
                let first = page * PAGE;
                let root = merkle::padded_root(&unit_leaves(first, &hashes), page_depth(count));
                assert_eq!(
                    batch_of_page(count, page, &root, &above),
                    Some(batch_root(&all)),
                    "page {page} of {count}"
                );
            }
        }
    }

    #[test]
    fn op_outputs_lead_to_the_traces_for_any_number_of_ops() {
        for n_ops in [1, 24, 26, 27, 60, 1_024] {
            for (count, unit) in [(1, 0), (3, 2), (1_500, 1_200)] {
                let (mut traces, tensors) = (many(count), many(n_ops));
                let checkpoints = Checkpoints::all(n_ops);
                traces[unit as usize] = checkpoints.trace(&tensors);
                let (hashes, _, end) = whole(ops(&traces, unit, &tensors), Kind::Ops);
                let Content::Ops(_, Some(path)) = end else { panic!("{end:?}") };
                assert_eq!(hashes, tensors);
                assert_eq!(
                    traces_of_unit(count, unit, checkpoints, &merkle::root(&op_leaves(&hashes)), &path),
                    Some(batch_root(&traces))
                );
            }
        }
    }

    /// Pages and chunks of every op output of random runs, and of a tensor with more than one page.
    #[test]
    fn pages_and_chunks_lead_to_the_op_outputs() {
        for seed in 0..30 {
            let rng = Rng::new(seed);
            let graph = random_graph(&rng, 5, seed % protocol::testing::KINDS);
            let run = Run::new(&graph, &rng, 2, &honest);
            for op in 0..graph.ops.len() {
                let id = graph.inputs.len() + op;
                check(&run.tensors[1], op as u32, id as u32, graph.ops[op].output, &run.units[1][id], seed);
            }
        }
        let shape = Shape::new(1_000, 1_300, 1);
        let codes: Vec<u8> = (0..1_300_000u32).map(|index| ((index * 7) >> 3) as u8).collect();
        let tensors = [[9; 32], shape.layout().hash(5, &codes), [8; 32]];
        check(&tensors, 1, 5, shape, &codes, 0);
    }

    fn check(tensors: &[Hash], op: u32, id: u32, shape: Shape, codes: &[u8], seed: u64) {
        let leaves = shape.layout().leaves(id, codes);
        let (n_ops, n_chunks) = (tensors.len() as u32, leaves.len() as u32);
        // For the page after the last one, the answer is the tensor's root.
        for index in 0..=n_chunks.div_ceil(PAGE) {
            let (hashes, _, end) = whole(page(tensors, op, shape, &leaves, index), Kind::Page);
            let Content::Page(_, Some(end)) = end else { panic!("{end:?}") };
            let item = Item::page(1, op, index);
            assert_eq!(hashes.len() as u32, chunk_page_len(n_chunks, index));
            let root = merkle::padded_root(&hashes, page_depth(n_chunks));
            assert_eq!(
                ops_of_page(&item, n_ops, &root, &end.head, &end.above, &end.path),
                Some(merkle::root(&op_leaves(tensors))),
                "seed {seed}, op {op}, page {index}"
            );
            let Some(chunk_index) = (index * PAGE..n_chunks.min((index + 1) * PAGE)).last() else {
                assert_eq!(chunk(id, shape, codes, &leaves, n_chunks), None);
                continue;
            };
            let (_, preimage, end) = whole(chunk(id, shape, codes, &leaves, chunk_index).unwrap(), Kind::Chunk);
            let Content::Chunk(_, Some(path)) = end else { panic!("{end:?}") };
            let item = Item::chunk(1, op, chunk_index);
            assert_eq!(
                page_of_chunk(&item, n_chunks, &leaf_of_chunk(&preimage), &path),
                Some(root),
                "seed {seed}, op {op}, chunk {chunk_index}"
            );
        }
    }
}

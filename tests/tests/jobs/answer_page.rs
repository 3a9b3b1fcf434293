use super::demands::{Asked, ops, page};
use ::jobs::PageEnd;
use ::jobs::error::JobsError;
use protocol::batch::batch_root;
use protocol::demand::{Item, PAGE, PAGE_DEPTH};
use protocol::merkle;
use protocol::ops::{Inputs, OpDescriptor, OpKind};
use protocol::tensor::Shape;
use protocol::testing::{Constants, Graph, Rng, Run, honest};
use protocol::trace::op_leaves;
use tests::PARAMETERS;

/// A job with op outputs of just below 3 MiB: three pages of chunk hashes each.
fn large() -> Run {
    let shape = Shape::new(1_024, 1_000, 3);
    let op = OpDescriptor {
        inputs: Inputs::new(&[0]).unwrap(),
        kind: OpKind::MaxPool {
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
        },
        output: shape,
    };
    let graph = Graph {
        inputs: vec![shape],
        ops: vec![op],
        constants: vec![Constants::default()],
        ..Graph::default()
    };
    Run::new(&graph, &Rng::new(5), 1, &honest)
}

#[test]
fn the_chunk_hashes_of_an_op_output_answer() {
    let mut asked = Asked::new();
    asked.shown(ops(1));
    let item = page(1, 17);
    let address = asked.ask(item);
    let answers = asked.answers(item);
    assert_eq!(answers.len(), 2, "five hashes, and their end");
    asked.world.sweep(&answers[0], &[&asked.worker.key], &[]);
    let before = asked.world.lamports(&asked.worker.wallet());
    asked.answer(item);
    assert_eq!(
        asked.world.lamports(&asked.worker.wallet()) - before,
        u64::from(PARAMETERS.demand_fee)
    );
    let value = &asked.run.units[1][18];
    let leaves = asked.run.layout(17).leaves(18, value);
    let demand = asked.world.demand(&address);
    assert_eq!(
        (demand.answered.get(), demand.shown, demand.n_chunks.get()),
        (true, merkle::root(&leaves), 5)
    );
    asked
        .world
        .refuse(answers[1].clone(), &[&asked.worker.key], JobsError::DemandAnswered);
}

#[test]
fn a_large_tensor_is_shown_page_by_page_and_beyond_its_end_by_its_head() {
    let mut asked = Asked::of(large());
    asked.shown(ops(0));
    for index in 0..=3 {
        let address = asked.shown(Item::page(0, 0, index));
        let demand = asked.world.demand(&address);
        assert_eq!((demand.answered.get(), demand.n_chunks.get()), (true, 3_000), "page {index}");
    }
    for index in [0, PAGE - 1, PAGE, 2 * PAGE, 2_999] {
        let address = asked.shown(Item::chunk(0, 0, index));
        assert!(asked.world.demand(&address).answered.get(), "chunk {index}");
    }
    let beyond = asked.asking(Item::chunk(0, 0, 3_000));
    asked.world.refuse(beyond, &[&asked.challenger], JobsError::InvalidDemand);
}

/// A worker whose tensor has something other than padding where its tree is padded to four pages.
#[test]
fn a_root_that_the_pages_do_not_explain_leaves_the_last_one_without_an_answer() {
    /// Hashes in a piece, chosen so that no page ends with a short one.
    const LENGTH: usize = 24;
    let mut run = large();
    let leaves = run.layout(0).leaves(1, &run.units[0][1]);
    let pages: Vec<_> = leaves.chunks(PAGE as usize).collect();
    let [first, second, last] = [0, 1, 2].map(|page: usize| merkle::padded_root(pages[page], PAGE_DEPTH));
    let (left, right) = (merkle::node(&first, &second), merkle::node(&last, &[7; 32]));
    run.tensors[0][0] = run.layout(0).seal(3_000, &merkle::node(&left, &right));
    run.traces = vec![run.claim.checkpoints().trace(&run.tensors[0])];
    run.claim.traces = batch_root(&run.traces);
    let mut asked = Asked::of(run);
    asked.shown(ops(0));
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let head = asked.run.layout(0).head(3_000);
    let end = |item: Item, above| {
        let end = PageEnd {
            head,
            above,
            path: Vec::new(),
        };
        by.page(&job, item, pages[item.index as usize].len() as u32, Vec::new(), Some(end))
    };
    let siblings = [vec![second, right], vec![first, right], vec![[7; 32], left]];
    for (index, above) in (0..).zip(siblings) {
        let item = Item::page(0, 0, index);
        asked.ask(item);
        for (at, piece) in (0..).step_by(LENGTH).zip(pages[index as usize].chunks(LENGTH)) {
            asked.world.send(by.page(&job, item, at, piece.to_vec(), None), &[&key]);
        }
        if index < 2 {
            asked.world.send(end(item, above), &[&key]);
        } else {
            asked.world.refuse(end(item, above), &[&key], JobsError::AnswerMismatch);
            let empty = vec![merkle::empty(PAGE_DEPTH), left];
            asked.world.refuse(end(item, empty), &[&key], JobsError::AnswerMismatch);
        }
    }
}

#[test]
fn fails_for_another_op_another_head_or_fewer_hashes_than_the_head_says() {
    let mut asked = Asked::new();
    asked.shown(ops(1));
    let item = page(1, 17);
    asked.ask(item);
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let leaves = asked.run.layout(17).leaves(18, &asked.run.units[1][18]);
    let of_op = |op: u32| merkle::path(&op_leaves(&asked.run.tensors[1]), op);
    let end = PageEnd {
        head: asked.run.layout(17).head(5),
        above: Vec::new(),
        path: of_op(17),
    };
    let mut refused = vec![
        by.page(&job, item, 0, leaves[..4].to_vec(), Some(end.clone())),
        by.page(&job, item, 0, [&leaves[..], &[[0; 32]]].concat(), Some(end.clone())),
        by.page(
            &job,
            item,
            0,
            asked.run.layout(16).leaves(17, &asked.run.units[1][17]),
            Some(end.clone()),
        ),
    ];
    let ends = [
        PageEnd {
            head: asked.run.layout(17).head(6),
            ..end.clone()
        },
        PageEnd {
            head: asked.run.layout(17).head(u32::MAX),
            ..end.clone()
        },
        PageEnd {
            above: vec![merkle::root(&leaves)],
            ..end.clone()
        },
        PageEnd {
            path: of_op(18),
            ..end.clone()
        },
        PageEnd {
            path: end.path[1..].to_vec(),
            ..end.clone()
        },
    ];
    refused.extend(ends.map(|end| by.page(&job, item, 0, leaves.clone(), Some(end))));
    for answer in refused {
        asked.world.refuse(answer, &[&key], JobsError::AnswerMismatch);
    }
    let short = by.page(&job, item, 1, leaves[1..].to_vec(), None);
    asked.world.refuse(short, &[&key], JobsError::PieceTooShort);
    let skipping = by.page(&job, item, 1, leaves[1..].to_vec(), Some(end.clone()));
    asked.world.refuse(skipping, &[&key], JobsError::AnswerOutOfOrder);
    let elsewhere = by.page(&job, ops(1), 0, leaves.clone(), Some(end.clone()));
    asked.world.refuse(elsewhere, &[&key], JobsError::WrongDemand);
    asked.world.send(by.page(&job, item, 0, leaves, Some(end)), &[&key]);
}

#[test]
fn no_more_than_a_page_streams_in() {
    let mut asked = Asked::new();
    asked.shown(ops(0));
    let item = page(0, 0);
    let address = asked.ask(item);
    let (by, job, key) = (asked.answerer(), asked.job, asked.worker.key.clone());
    let piece = |at, length| by.page(&job, item, at, vec![[3; 32]; length], None);
    for at in (0..PAGE - 16).step_by(16) {
        asked.world.send(piece(at, 16), &[&key]);
    }
    asked.world.refuse(piece(PAGE - 16, 17), &[&key], JobsError::AnswerMismatch);
    asked.world.send(piece(PAGE - 16, 16), &[&key]);
    assert_eq!(asked.world.demand(&address).streamed.get(), PAGE);
    asked.answer(item);
}

/// A worker whose tensor ends with the padding leaf in place of a chunk's.
#[test]
fn an_answer_cannot_skip_a_missing_chunk() {
    let mut run = Run::new(&super::demands::graph(), &Rng::new(7), 1, &honest);
    let leaves = run.layout(17).leaves(18, &run.units[0][18]);
    let padded = merkle::root(&[&leaves[..4], &[merkle::pad()]].concat());
    run.tensors[0][17] = run.layout(17).seal(5, &padded);
    run.traces = vec![run.claim.checkpoints().trace(&run.tensors[0])];
    run.claim.traces = batch_root(&run.traces);
    let mut asked = Asked::of(run);
    asked.shown(ops(0));
    asked.ask(page(0, 17));
    let end = PageEnd {
        head: asked.run.layout(17).head(5),
        above: Vec::new(),
        path: merkle::path(&op_leaves(&asked.run.tensors[0]), 17),
    };
    let short = asked.answerer().page(&asked.job, page(0, 17), 0, leaves[..4].to_vec(), Some(end));
    asked.world.refuse(short, &[&asked.worker.key], JobsError::AnswerMismatch);
}

//! Liars with full freedom: they commit to anything, whole trees or single nodes, serve any part of it, and answer anything that the
//! program accepts. The watchtower's search ends with evidence that convicts, or with a question that the liar cannot answer. Against an
//! honest worker it ends with neither.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../engine/tests/common/mod.rs"]
mod graphs;
#[path = "liars/liar.rs"]
mod liar;
#[path = "liars/market.rs"]
mod market;
#[path = "liars/work.rs"]
mod work;

use liar::{Liar, Node, lie, pick};
use market::{End, Market};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::demand::{Item, PAGE};
use protocol::merkle;
use watchtower::locate::{Spot, WorkerTrace};
use work::{Which, which};

/// Runs a future with the time paused, so that sleeps take no time.
fn at_once<T>(what: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(what)
}

proptest! {
    #[test]
    fn a_liar_is_convicted_or_has_no_answer(which in which(), lies in vec(lie(), 1..=3), serves: [bool; 3], slow: bool) {
        let work = which.work();
        let mut liar = Liar::new(&work);
        lies.iter().for_each(|lie| liar.tell(lie));
        let worker = liar.commit();
        let mut market = Market::new(&work, worker.roots(), slow);
        let end = at_once(market.search(&worker, serves));
        if worker.roots() == work.roots() {
            prop_assert_eq!((end, market.demands.len()), (End::Right, 0));
        } else {
            prop_assert_ne!(end, End::Right);
        }
    }

    #[test]
    fn an_honest_worker_is_right_and_has_every_answer(
        which in which(),
        serves: [bool; 3],
        unit: u32,
        op: u32,
        chunk: u32,
    ) {
        let work = which.work();
        let worker = Liar::new(&work).commit();
        prop_assert_eq!(worker.roots(), work.roots());
        let mut market = Market::new(&work, work.roots(), false);
        prop_assert_eq!(at_once(market.search(&worker, serves)), End::Right);
        prop_assert!(market.demands.is_empty());
        let unit = pick(unit, work.units.len()) as u32;
        let op = pick(op, work.units[0].len()) as u32;
        for item in [Item::traces(unit / PAGE), Item::outputs(unit / PAGE)] {
            prop_assert!(at_once(market.ask(&worker, item)), "{:?}", item);
        }
        let chunks = &worker.value(unit, op).unwrap().chunks;
        let chunk = pick(chunk, chunks.len());
        let spot = Spot {
            unit,
            op,
            root: work.all_tensors(unit)[op as usize],
            shape: work.model.op_output(op as usize).1,
        };
        // Whatever blobs had shown before they disappeared.
        let shown = market.asking(&worker, [false; 3], async |questioner| questioner.chunk(&spot, chunk as u32).await);
        prop_assert_eq!(at_once(shown), Some(Some(chunks[chunk].clone())));
        prop_assert_eq!(market.read(), 0, "items above the chunk must be shown, but need not be read");
    }
}

/// Chooses the false nodes of a tree.
type Lies = fn(&mut Liar) -> &mut Vec<Node>;

/// Everything is right except one node beyond the last leaf, at any level.
#[test]
fn nothing_is_hidden_beyond_the_last_leaf() {
    let trees: [(Which, u32, Lies); 3] = [
        (Which::LongValues(false), 2 * PAGE + 1, |liar| &mut liar.units[0].values[1].lies),
        (Which::ManyUnits, 4 * PAGE + 1, |liar| &mut liar.lies[0]),
        (Which::ManyUnits, 4 * PAGE + 1, |liar| &mut liar.lies[1]),
    ];
    for (which, leaves, lies) in trees {
        let (work, depth) = (which.work(), merkle::depth(leaves));
        for level in 0..depth {
            let beyond = leaves.div_ceil(1 << level);
            if beyond < 1 << (depth - level) {
                let mut liar = Liar::new(&work);
                lies(&mut liar).push(Node(level as usize, beyond as usize, [7; 32]));
                let worker = liar.commit();
                let end = at_once(Market::new(&work, worker.roots(), false).search(&worker, [false; 3]));
                assert_ne!(end, End::Right, "level {level} of {which:?}");
            }
        }
    }
}

//! A watchtower facing workers that serve nothing: answers on the chain convict them, and so does silence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../worker/tests/common/log.rs"]
mod log;

use chain::SendOptions;
use chain::market::demand::{Answerer, HASHES};
use common::{LIE, Market, UNITS, crank, settings, start, tower, watched};
use jobs::instruction::{AnswerChunk, AnswerOps, AnswerPage, AnswerUnits, Award, CloseDemand, Convict, ConvictSilence, OpenDemand};
use jobs::{Job, JobTerms, PageEnd, Status};
use log::hear;
use protocol::batch::{BatchHeader, batch_root};
use protocol::blob::TraceBlob;
use protocol::demand::{Item, MAX_OPEN, PAGE, page_depth, page_len, root_of_page};
use protocol::hash::{Hash, Tag, tagged};
use protocol::merkle;
use protocol::tensor::Shape;
use protocol::testing::{Graph, Rng, Run};
use protocol::trace::Checkpoints;
use protocol::units::IO;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use std::time::Duration;
use tests::revealing;
use watchtower::Settings;
use watchtower::crank::Accused;
use worker::{Fault, Worker};

/// Settings of a worker that stores its results where nobody else can read them.
fn unserved(market: &Market) -> worker::Settings {
    let mut settings = market.settings("data");
    settings.blobs.insert(0, market.folder.path().join("its own").display().to_string());
    settings
}

/// A job revealed by a liar.
async fn lied(market: &Market, worker: &Worker) -> Address {
    lied_in(market, worker, UNITS).await
}

async fn lied_in(market: &Market, worker: &Worker, units: u32) -> Address {
    let inputs = market.upload(units, 1).await;
    // Escrow and time suffice for any number of units.
    let terms = JobTerms {
        inputs,
        units,
        start_price: IO / 1_000,
        max_price: IO / 500,
        run_seconds: 2_000,
        window_seconds: 2_000,
        ..tests::terms()
    };
    let address = market.open(1, terms);
    common::beside(worker, market.reaches(&address, Status::Revealed)).await;
    address
}

/// Removes all blobs but the input.
fn nothing_is_served(market: &Market) {
    for file in market.blob_files() {
        if !std::fs::read(&file).unwrap().starts_with(b"IOB1\0") {
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// The hashes of the units in the only trace that is served.
fn traces(market: &Market) -> Vec<Hash> {
    let blobs: Vec<Vec<u8>> = market.blob_files().iter().map(|file| std::fs::read(file).unwrap()).collect();
    let trace = blobs.iter().find(|blob| blob.starts_with(b"IOT1")).unwrap();
    TraceBlob::parse(trace).unwrap().traces().collect()
}

/// Waits for the demand for an item.
async fn asked(market: &Market, job: &Address, item: Item) -> Address {
    let demand = chain::market::demand::address(job, item);
    while market.demand(&demand).is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    demand
}

/// The supplier as the one that answers.
fn answerer(market: &Market) -> Answerer {
    Answerer {
        key: market.supplier.key.pubkey(),
        device: market.supplier.device,
        payout: market.supplier.wallet(),
    }
}

/// Sends a piece of an answer as the supplier.
async fn try_to_say(market: &Market, piece: Instruction) -> chain::Result<chain::Receipt> {
    let sending = SendOptions::default();
    market.chain().send(&[piece], &[&*market.supplier.key], &sending).await
}

async fn say(market: &Market, piece: Instruction) {
    try_to_say(market, piece).await.unwrap();
}

/// Shows the op outputs of the only unit, when asked.
async fn show_ops(market: &Market, job: &Address, tensors: Vec<Hash>) {
    asked(market, job, Item::ops(0)).await;
    say(market, answerer(market).ops(job, Item::ops(0), 0, tensors, Some(Vec::new()))).await;
}

/// Shows the hashes of a page of the only op's output, when asked, and returns the piece that completes the answer.
async fn page_but_its_end(market: &Market, job: &Address, page: u32, leaves: &[Hash], end: PageEnd) -> Instruction {
    let (by, item) = (answerer(market), Item::page(0, 0, page));
    asked(market, job, item).await;
    for (piece, at) in leaves.chunks(HASHES).zip((0..).step_by(HASHES)) {
        say(market, by.page(job, item, at, piece.to_vec(), None)).await;
    }
    by.page(job, item, leaves.len() as u32, Vec::new(), Some(end))
}

/// Waits until the job is convicted, lets it end, and waits until everything about it is closed.
async fn closed(market: &Market, address: &Address) {
    market.reaches(address, Status::Convicted).await;
    market.node.with(|world| world.wait_for_deadline(address));
    market.closes(address).await;
    while !market
        .node
        .with(|world| world.books().demands.is_empty() && world.accounts_of(&referee::ID).is_empty())
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn rewarded(market: &Market, whom: &Address) -> u64 {
    market
        .node
        .with(|world| world.balance(&chain::market::token_account(whom, &market.mint)))
}

#[tokio::test]
async fn a_liar_that_serves_nothing_is_convicted_by_its_answers() {
    let market = Market::start();
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE);
    let address = lied(&market, &worker).await;
    let bond = market.job(&address).unwrap().bond.get();
    // Lamports at the addresses of the demands and the conviction block nothing.
    let parts = (0..UNITS).map(Item::ops).chain([Item::traces(0)]);
    let ahead = parts.map(|item| chain::market::demand::address(&address, item));
    for address in ahead.chain([chain::market::job::conviction(&address)]) {
        market.node.with(|world| world.give_sol(&address, 890_880));
    }
    let tower = tower(&market).await;
    watched(&tower, [&worker], closed(&market, &address)).await;
    let node = &market.node;
    // Traces, the ops of the unit that differs, its page, its chunk.
    let effects = [
        node.effective::<OpenDemand>(),
        node.effective::<AnswerUnits>(),
        node.effective::<AnswerOps>(),
        node.effective::<AnswerPage>(),
        node.effective::<AnswerChunk>(),
        node.effective::<Convict>(),
        node.effective::<ConvictSilence>(),
        node.effective::<Award>(),
        node.effective::<CloseDemand>(),
    ];
    assert_eq!(effects, [4, 1, 1, 1, 1, 1, 0, 1, 4]);
    assert_eq!(node.failures(), 0, "a fee was paid for nothing");
    assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
}

/// A friend of the liar has opened as many demands as a job can have.
#[tokio::test]
async fn a_liar_whose_friend_has_opened_all_demands_is_convicted() {
    let market = Market::start();
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE);
    let address = lied_in(&market, &worker, MAX_OPEN.into()).await;
    for unit in 0..MAX_OPEN.into() {
        market.ask(&address, Item::ops(unit));
    }
    assert_eq!(market.job(&address).unwrap().open_demands, MAX_OPEN);
    let tower = tower(&market).await;
    watched(&tower, [&worker], closed(&market, &address)).await;
    assert_eq!(market.node.effective::<Convict>(), 1);
    assert_eq!(market.node.failures(), 0, "a fee was paid for nothing");
}

/// Answers earn the liar fees, so nobody is asked about too small a bond, nor with the SOL that the key keeps for evidence.
#[tokio::test]
async fn nothing_is_asked_about_a_small_bond_or_with_too_little_sol() {
    let market = Market::start();
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE);
    let address = lied(&market, &worker).await;
    let choosy = Settings {
        min_demand_bond: market.job(&address).unwrap().bond.get() + 1,
        ..settings(&market)
    };
    let (mut events, log) = hear("event");
    let checked = async { while events.recv().await.unwrap() != "hidden" {} };
    watched(&start(&market, choosy).await, [], checked).await;
    drop(log);
    assert_eq!(market.node.effective::<OpenDemand>(), 0);

    let key = market.challenger.pubkey();
    let account = market.node.with(|world| world.account(&key)).unwrap();
    let poor = Account {
        lamports: 100_000_000,
        ..account.clone()
    };
    market.node.with(|world| world.plant(key, poor));
    let tower = tower(&market).await;
    let topped_up = async {
        // It reads its balance once at the start, then whenever it would ask.
        market.node.read_again(&key, 4).await;
        assert_eq!(market.node.effective::<OpenDemand>(), 0);
        market.node.with(|world| world.plant(key, account));
        closed(&market, &address).await;
    };
    watched(&tower, [&worker], topped_up).await;
    let effects = [market.node.effective::<OpenDemand>(), market.node.effective::<Convict>()];
    assert_eq!((effects, market.node.failures()), ([4, 1], 0));
}

/// A search that hangs does not keep the watchtower from reading an answer.
#[tokio::test]
async fn an_answer_is_read_while_a_search_hangs() {
    let market = Market::start();
    let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE);
    let address = lied(&market, &worker).await;
    let traces = traces(&market);
    nothing_is_served(&market);
    let without_cranks = Settings {
        crank: None,
        ..settings(&market)
    };
    let tower = start(&market, without_cranks).await;
    let (mut events, _log) = hear("event");
    let answered = async {
        asked(&market, &address, Item::traces(0)).await;
        market.node.stop_searches();
        market.node.search_hangs::<Job>().await;
        let answer = answerer(&market).units(&address, Item::traces(0), 0, traces, Some(Vec::new()));
        say(&market, answer).await;
        while events.recv().await.unwrap() != "shown" {}
    };
    watched(&tower, [], answered).await;
}

/// A lie between checkpoints: the trace shows that a unit differs, and the worker's answer about the unit convicts.
#[tokio::test]
async fn a_lie_between_checkpoints_is_asked_for_and_convicted() {
    for serves in [true, false] {
        let market = Market::of_checkpoints();
        let settings = if serves { market.settings("data") } else { unserved(&market) };
        let worker = market.worker(settings).await.0.unwrap().with_fault(LIE);
        let address = lied(&market, &worker).await;
        let bond = market.job(&address).unwrap().bond.get();
        let tower = tower(&market).await;
        watched(&tower, [&worker], closed(&market, &address)).await;
        let node = &market.node;
        let effects = [
            node.effective::<AnswerUnits>(),
            node.effective::<AnswerOps>(),
            node.effective::<AnswerPage>(),
            node.effective::<AnswerChunk>(),
            node.effective::<Convict>(),
            node.effective::<Award>(),
        ];
        // The value that differs is no checkpoint, so no store has its bytes.
        let units = usize::from(!serves);
        assert_eq!(effects, [units, 1, 1, 1, 1, 1], "serves: {serves}");
        assert_eq!(node.effective::<CloseDemand>(), 3 + units);
        assert_eq!(node.failures(), 0, "a fee was paid for nothing");
        assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
    }
}

/// Few of many pages are asked for: the siblings that lead one up to the root tell which other page differs.
#[tokio::test]
async fn a_lie_in_one_of_many_pages_takes_few_questions() {
    let market = Market::start();
    let unit = 4 * PAGE + 1_000;
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(Fault { unit, ..LIE });
    let address = lied_in(&market, &worker, 5 * PAGE + 1).await;
    let tower = tower(&market).await;
    watched(&tower, [&worker], closed(&market, &address)).await;
    // The first and the fifth of six pages; then ops, page and chunk.
    let effects = [market.node.effective::<OpenDemand>(), market.node.effective::<Convict>()];
    assert_eq!((effects, market.node.failures()), ([5, 1], 0));
}

/// The traces of a job of one unit follow from the answer about that unit.
#[tokio::test]
async fn a_lie_in_the_only_unit_takes_no_question_about_units() {
    let market = Market::of_checkpoints();
    let lie = Fault { unit: 0, ..LIE };
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(lie);
    let address = lied_in(&market, &worker, 1).await;
    let tower = tower(&market).await;
    watched(&tower, [&worker], closed(&market, &address)).await;
    let effects = [
        market.node.effective::<OpenDemand>(),
        market.node.effective::<AnswerUnits>(),
        market.node.effective::<Convict>(),
    ];
    assert_eq!((effects, market.node.failures()), ([3, 0, 1], 0));
}

/// An answer after the deadline counts as long as nobody has convicted the worker: the questions continue from it.
#[tokio::test]
async fn a_late_answer_is_used() {
    for market in [Market::start(), Market::of_checkpoints()] {
        let worker = market.worker(market.settings("data")).await.0.unwrap().with_fault(LIE);
        let address = market.order(1).await;
        common::beside(&worker, market.reaches(&address, Status::Revealed)).await;
        let traces = traces(&market);
        nothing_is_served(&market);
        // The cranks are slow, so nobody convicts the silence in time.
        let slow = settings(&market);
        let tower = start(
            &market,
            Settings {
                crank: Some(Duration::from_secs(3_600)),
                ..slow
            },
        )
        .await;
        let late = async {
            let demand = asked(&market, &address, Item::traces(0)).await;
            let answer = answerer(&market).units(&address, Item::traces(0), 0, traces, Some(Vec::new()));
            let deadline = market.demand(&demand).unwrap().deadline();
            // The watchtower sees that the deadline has passed, and looks again.
            market.node.with(|world| world.go_to(deadline));
            market.node.read_again(&demand, 2).await;
            say(&market, answer).await;
            common::beside(&worker, market.reaches(&address, Status::Convicted)).await;
        };
        watched(&tower, [], late).await;
        assert_eq!(
            (market.node.effective::<Convict>(), market.node.effective::<ConvictSilence>()),
            (1, 0)
        );
    }
}

/// A value that claims another number of chunks than the model's is convicted by its first page, whatever the number.
#[tokio::test]
async fn a_wrong_number_of_chunks_convicts_by_the_first_page() {
    for n_chunks in [0, 5, 16_384, 20_000] {
        let market = Market::start();
        let address = market.order_of(1, 1).await;
        let leaves = vec![[7; 32]; page_len(n_chunks.min(16_384), 0) as usize * usize::from(n_chunks <= 16_384)];
        let page_root = merkle::padded_root(&leaves, page_depth(n_chunks));
        let above = match n_chunks {
            5 => Vec::new(),
            16_384 => vec![[9; 32]; 4],
            _ => vec![[9; 32]],
        };
        let root = root_of_page(n_chunks, 0, &page_root, &above).unwrap();
        let head = Shape::new(8, 8, 3).layout().head(n_chunks);
        let tensor = tagged(Tag::Tensor, [&head, &root]);
        let traces = [Checkpoints::all(1).trace(&[tensor])];
        let [traces_root, outputs_root] = [&traces, &[tensor]].map(|of| batch_root(of));
        let work = tests::Work {
            traces: traces_root,
            outputs: outputs_root,
            nonce: [1; 32],
        };
        market.node.with(|world| {
            world.open_doors();
            world.claim(&market.supplier, &address);
            world.commit_to(&market.supplier, &address, work);
            world.send(revealing(&market.supplier, &address, work), &[&market.supplier.key]);
        });
        let tower = tower(&market).await;
        let answering = async {
            show_ops(&market, &address, vec![tensor]).await;
            let end = PageEnd {
                head,
                above,
                path: Vec::new(),
            };
            let end = page_but_its_end(&market, &address, 0, &leaves, end).await;
            say(&market, end).await;
            closed(&market, &address).await;
        };
        watched(&tower, [], answering).await;
        let effects = [market.node.effective::<OpenDemand>(), market.node.effective::<Convict>()];
        assert_eq!((effects, market.node.failures()), ([2, 1], 0), "{n_chunks} chunks");
    }
}

/// A value whose tree has something in the place of its padding, so that the pages do not add up to the root. Whether its chunks are right
/// or not, the worker has no valid answer for the last page, and its silence convicts it.
#[tokio::test]
async fn a_node_beyond_the_last_page_convicts_by_silence() {
    let mut graph = tests::tiny_graph();
    (graph.inputs, graph.ops[0].output) = (vec![Shape::new(512, 512, 3)], Shape::new(1_024, 1_024, 3));
    for lie in [0, 1] {
        let market = Market::start();
        let mut run = Run::new(&graph, &Rng::new(3), 1, &|_, _, value| value[0] ^= lie);
        let leaves = run.layout(0).leaves(1, &run.units[0][1]);
        let pages: Vec<_> = leaves.chunks(PAGE as usize).collect();
        let [first, second, last] = [0, 1, 2].map(|page: usize| merkle::root(pages[page]));
        let (left, right) = (merkle::node(&first, &second), merkle::node(&last, &[7; 32]));
        let tensor = run.layout(0).seal(leaves.len() as u32, &merkle::node(&left, &right));
        (run.claim.traces, run.claim.outputs) = (batch_root(&[Checkpoints::all(1).trace(&[tensor])]), batch_root(&[tensor]));
        save_enlargement(&market, &graph);
        let mut blob = BatchHeader::inputs(1, &graph.inputs).unwrap().encode().to_vec();
        blob.extend(&run.units[0][0]);
        let inputs = market.store().put(blob.into()).await.unwrap();
        market.node.with(|world| world.model = world.register(&graph));
        let terms = JobTerms {
            inputs,
            units: 1,
            run_seconds: 2_000,
            window_seconds: 2_000,
            ..tests::terms()
        };
        let address = market.open(1, terms);
        market.node.with(|world| world.deliver(&market.supplier, &address, &run));
        let settings = Settings {
            max_blob: 4 << 20,
            ..settings(&market)
        };
        let tower = start(&market, settings).await;
        let answering = async {
            show_ops(&market, &address, vec![tensor]).await;
            for (page, above) in (0..).zip([vec![second, right], vec![first, right], vec![[7; 32], left]]) {
                let end = PageEnd {
                    head: run.layout(0).head(leaves.len() as u32),
                    above,
                    path: Vec::new(),
                };
                let end = page_but_its_end(&market, &address, page, pages[page as usize], end).await;
                let answered = try_to_say(&market, end).await;
                assert_eq!(answered.is_ok(), page < 2, "{answered:?}");
            }
            let demand = asked(&market, &address, Item::page(0, 0, 2)).await;
            let deadline = market.demand(&demand).unwrap().deadline();
            market.node.with(|world| world.go_to(deadline));
            closed(&market, &address).await;
        };
        watched(&tower, [], answering).await;
        let effects = [
            market.node.effective::<OpenDemand>(),
            market.node.effective::<ConvictSilence>(),
            market.node.effective::<Convict>(),
        ];
        assert_eq!((effects, market.node.failures()), ([4, 1, 0], 0), "{lie}");
    }
}

/// Saves a model that consists of one enlargement as a package.
fn save_enlargement(market: &Market, graph: &Graph) {
    let folder = market.folder.path().join("models/large");
    let input = graph.inputs[0];
    let manifest = serde_json::json!({
        "format": 1, "name": "large", "version": "1", "license": "Apache-2.0", "description": "Doubles a large image.", "task": {},
        "inputs": [{"name": "image", "dims": [input.h, input.w, input.c]}],
        "ops": [{"op": "upsample", "name": "0", "inputs": ["image"], "factor": 2}],
    });
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
    // Neither this model's op nor the tiny model's has constants.
    let [from, to] = ["tiny", "large"].map(|name| folder.with_file_name(name).join("tensors.safetensors"));
    std::fs::copy(from, to).unwrap();
}

/// Nobody asks about an honest result.
#[tokio::test]
async fn an_honest_result_of_checkpoints_is_found_right() {
    let market = Market::of_checkpoints();
    let worker = market.worker(market.settings("data")).await.0.unwrap();
    let address = market.order(1).await;
    common::beside(&worker, market.reaches(&address, Status::Revealed)).await;
    let tower = tower(&market).await;
    let settled = async {
        market.node.with(|world| world.wait_for_deadline(&address));
        market.closes(&address).await;
    };
    watched(&tower, [&worker], settled).await;
    assert_eq!((market.node.effective::<OpenDemand>(), market.node.effective::<Convict>()), (0, 0));
}

/// Killed as soon as the chain shows one more effect, and restarted: no question is asked twice.
#[tokio::test]
async fn killed_after_any_step_it_asks_once() {
    for step in 1..=9 {
        let market = Market::start();
        let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE);
        let address = lied(&market, &worker).await;
        let before = market.node.effects();
        {
            let tower = tower(&market).await;
            watched(&tower, [&worker], async {
                while market.node.effects() < before + step {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
        }
        let tower = tower(&market).await;
        watched(&tower, [&worker], closed(&market, &address)).await;
        let effects = [
            market.node.effective::<OpenDemand>(),
            market.node.effective::<Convict>(),
            market.node.effective::<CloseDemand>(),
        ];
        assert_eq!(effects, [4, 1, 4], "killed after step {step}");
    }
}

/// One of several unanswered demands convicts, and no fee is paid for the others.
#[tokio::test]
async fn one_of_several_silences_convicts() {
    let market = Market::start();
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE).silenced();
    let address = lied(&market, &worker).await;
    for item in [Item::traces(0), Item::ops(0), Item::ops(1)] {
        market.ask(&address, item);
    }
    market.node.with(|world| world.wait(301));
    let failed = crank(&market, &Accused::default()).await;
    assert!(failed.is_empty(), "{failed:?}");
    let (convictions, failures) = (market.node.effective::<ConvictSilence>(), market.node.failures());
    assert_eq!((convictions, failures), (1, 0));
}

#[tokio::test]
async fn silence_convicts_and_the_challenger_that_asked_is_rewarded() {
    let market = Market::start();
    let worker = market.worker(unserved(&market)).await.0.unwrap().with_fault(LIE).silenced();
    let address = lied(&market, &worker).await;
    let bond = market.job(&address).unwrap().bond.get();
    let tower = tower(&market).await;
    let silence = async {
        let demand = asked(&market, &address, Item::traces(0)).await;
        let deadline = market.demand(&demand).unwrap().deadline();
        market.node.with(|world| world.go_to(deadline));
        closed(&market, &address).await;
    };
    watched(&tower, [&worker], silence).await;
    let effects = [
        market.node.effective::<OpenDemand>(),
        market.node.effective::<ConvictSilence>(),
        market.node.effective::<Convict>(),
        market.node.effective::<CloseDemand>(),
    ];
    assert_eq!(effects, [1, 1, 0, 1]);
    assert_eq!(market.node.failures(), 0);
    assert_eq!(rewarded(&market, &market.challenger.pubkey()), bond * 3 / 10);
}

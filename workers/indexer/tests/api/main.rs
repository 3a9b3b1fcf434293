//! The API: pages, filters, figures, entity tags, limits and refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../worker/tests/common/log.rs"]
mod log;
mod site;
mod stream;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use chain::market;
use common::{Node, store, story, take_all};
use indexer::{Store, Taken, api};
use jobs::JobTerms;
use protocol::units::IO;
use serde_json::{Value, json};
use sqlx::{AnyPool, AssertSqlSafe};
use std::{net::SocketAddr, sync::Arc};
use tempfile::TempDir;
use tests::World;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// An API that serves the story.
struct Served {
    node: Arc<Node>,
    store: Store,
    dir: TempDir,
}

impl Served {
    async fn new() -> Self {
        Self::of(&story()).await
    }

    async fn of(world: &World) -> Self {
        let node = Arc::new(Node::new(world));
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir.path().join("history.db")).await;
        take_all(&node, &store).await;
        Self { node, store, dir }
    }

    async fn answer(&self, path: &str, tag: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let router = api::router(self.store.clone(), CancellationToken::new());
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn ask(&self, path: &str, tag: Option<&str>) -> (StatusCode, String, Value) {
        let response = self.answer(path, tag).await;
        let status = response.status();
        let tag = response.headers().get(header::ETAG).map(|tag| tag.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, tag.unwrap_or_default(), serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.ask(path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }
}

#[tokio::test]
async fn pages_go_back_to_the_first_event() {
    let served = Served::new().await;
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/v1/events?limit=200{next}")).await;
        all.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        match page["next"].as_i64() {
            Some(before) => next = format!("&before={before}"),
            None => break,
        }
    }
    let newest = all[0];
    assert_eq!(all, (1..=newest).rev().collect::<Vec<_>>());
    assert_eq!(served.get("/v1/jobs?limit=5").await["rows"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_whole_story_can_be_queried() {
    let served = Served::new().await;
    let settled = served.get("/v1/jobs?status=settled&limit=200").await;
    let settled = settled["rows"].as_array().unwrap();
    assert_eq!(settled.len(), 20);
    let first = settled[0]["address"].as_str().unwrap();
    let device = settled[0]["device"].as_str().unwrap();
    let job = served.get(&format!("/v1/jobs/{first}")).await;
    let names: Vec<&str> = job["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["JobOpened", "JobClaimed", "JobCommitted", "JobRevealed", "JobSettled"]);
    // Its five transactions, in order, with their costs.
    let transactions = job["transactions"].as_array().unwrap();
    let signatures: Vec<&Value> = transactions.iter().map(|transaction| &transaction["signature"]).collect();
    let of_events: Vec<&Value> = job["events"].as_array().unwrap().iter().map(|event| &event["signature"]).collect();
    assert_eq!((signatures, transactions.len()), (of_events, 5));
    assert!(
        transactions
            .iter()
            .all(|transaction| transaction["fee"].as_i64().unwrap() >= 5_000 && transaction["compute_units"] == 1)
    );
    assert_eq!(job["events"][0]["data"]["terms"]["units"], job["units"]);
    // Two jobs have had this address: only the later one is shown.
    let twice = served.get("/v1/jobs?limit=200").await;
    let twice = twice["rows"].as_array().unwrap();
    let reused = twice
        .iter()
        .find(|job| twice.iter().filter(|other| other["address"] == job["address"]).count() == 2)
        .unwrap();
    let reused = served.get(&format!("/v1/jobs/{}", reused["address"].as_str().unwrap())).await;
    assert_eq!(
        (reused["status"].as_str().unwrap(), reused["events"].as_array().unwrap().len()),
        ("cancelled", 2)
    );

    assert_eq!(served.get(&format!("/v1/devices/{device}")).await["jobs_done"], 20);
    let offer = served.get("/v1/offers").await["rows"][0].clone();
    assert_eq!(offer["joined"], 10_000_000_000_i64);
    assert!(
        offer["hours_rewarded"].as_i64().unwrap() >= 1 && offer["last_hour"].as_i64().unwrap() % 3_600 == 0,
        "{offer}"
    );
    assert!(served.get("/v1/hours").await["rows"].as_array().unwrap().len() >= 2);
    let proposal = served.get("/v1/proposals").await["rows"][0].clone();
    assert_eq!(
        (proposal["title"].as_str().unwrap(), proposal["status"].as_i64().unwrap()),
        ("a proposal", 3)
    );
    let votes = served.get("/v1/events?name=VoteCast").await;
    assert_eq!(votes["rows"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&proposal["instructions"], proposal["text_hash"].as_str().unwrap()),
        (&1.into(), "07".repeat(32).as_str())
    );
    let network = served.get("/v1/network").await;
    let figures = [
        "devices",
        "gpus_registered",
        "jobs",
        "jobs_settled",
        "jobs_refunded",
        "jobs_convicted",
    ]
    .map(|name| network[name].as_i64().unwrap());
    assert_eq!(figures, [4, 4, 34, 20, 12, 1], "{network}");
    let paid = ["challengers_paid", "burned"].map(|name| network[name].as_i64().unwrap());
    assert_eq!(paid, [300_000_000, 500_000_000]);
    // Only Alice and Bob have checked in.
    assert_eq!(
        (&network["gpus_verified"], &network["events"]),
        (&2.into(), &served.get("/v1/events").await["rows"][0]["id"])
    );
    assert_eq!(network["last_slot"], served.get("/v1/events").await["rows"][0]["slot"]);
}

/// Every documented path is served, with every documented parameter.
#[tokio::test]
async fn every_documented_path_and_parameter_is_served() {
    let served = Served::new().await;
    let paths = served.get("/v1/openapi.json").await["paths"].as_object().unwrap().clone();
    assert_eq!(paths.len(), 20);
    let nobody = "11111111111111111111111111111111";
    for (path, says) in paths {
        for parameter in says["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let place = parameter["in"].as_str().unwrap();
            // A stream's answer never ends.
            if place == "header" {
                assert_eq!((path.as_str(), name), ("/v1/stream", "Last-Event-ID"));
                continue;
            }
            let value = if parameter["schema"]["type"] == "integer" { "1" } else { nobody };
            let asked = match place {
                "path" => path.replace("{address}", nobody),
                _ => format!("{path}?{name}={value}"),
            };
            let (status, _, body) = served.ask(&asked, None).await;
            let wanted = if place == "path" { StatusCode::NOT_FOUND } else { StatusCode::OK };
            assert_eq!(status, wanted, "{asked}: {body}");
            if name == "hours" || place == "path" {
                continue;
            }
            if value == nobody {
                assert_eq!(body["rows"].as_array().unwrap().len(), 0, "{asked}");
                assert_eq!(
                    served.ask(&format!("{path}?{name}=x%00"), None).await.0,
                    StatusCode::BAD_REQUEST,
                    "{asked}"
                );
            }
        }
    }
}

/// Of a device with very many events the newest are shown, not the first.
#[tokio::test]
async fn the_newest_of_many_events_are_shown() {
    let served = Served::new().await;
    let device = served.get("/v1/devices").await["rows"][0]["address"].as_str().unwrap().to_owned();
    let values = serde_json::json!({ "device": device, "locked_bond": 0, "open_jobs": 0 });
    let moved = common::event("staking", "BondMoved", values);
    // 1,005 events.
    let round: Vec<Taken> = (1..=201).map(|number| common::taken(number, vec![moved.clone(); 5])).collect();
    served.store.write(&round, &[]).await.unwrap();
    let newest = *served.store.watch().borrow();
    let shown = served.get(&format!("/v1/devices/{device}")).await;
    let events = shown["events"].as_array().unwrap();
    let ids: Vec<i64> = events.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert_eq!((ids.len(), ids.first(), ids.last()), (1_000, Some(&(newest - 999)), Some(&newest)));
    assert!(ids.is_sorted());
    assert_eq!(shown["transactions"].as_array().unwrap().last().unwrap()["slot"], 201);
}

#[tokio::test]
async fn a_job_has_its_times() {
    let served = Served::new().await;
    let job = served.get("/v1/jobs?status=settled&limit=1").await["rows"][0].clone();
    let times = ["opened_at", "claimed_at", "committed_at", "revealed_at", "ended_at"].map(|name| job[name].as_i64().unwrap());
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(job["latency"].as_i64().unwrap(), times[3] - times[0]);
    assert!(job["window_ends"].as_i64().unwrap() > 0);
    assert_eq!(
        (
            job["inputs"].as_str().unwrap(),
            &job["replicas"],
            &job["replica"],
            &job["gpu_model"]
        ),
        ("1a".repeat(32).as_str(), &1.into(), &0.into(), &i64::from(tests::GPU).into())
    );
    let open = served.get("/v1/jobs?status=claimed").await["rows"][0].clone();
    assert_eq!(
        (&open["revealed_at"], &open["latency"], &open["ended_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn figures_by_hour_agree_with_the_jobs() {
    let served = Served::new().await;
    let jobs = served.get("/v1/jobs?limit=200").await["rows"].as_array().unwrap().clone();
    let hour = |time: &Value| time.as_i64().map(|time| time - time % 3_600);
    let prices = served.get("/v1/prices?hours=2160").await["rows"].as_array().unwrap().clone();
    assert!(!prices.is_empty());
    let number = |row: &Value, name: &str| row[name].as_i64().unwrap();
    for row in &prices {
        let of: Vec<&Value> = jobs.iter().filter(|job| hour(&job["claimed_at"]) == row["hour"].as_i64()).collect();
        let units: i64 = of.iter().map(|job| number(job, "units")).sum();
        let paid: i64 = of.iter().map(|job| number(job, "units") * number(job, "price")).sum();
        let all: Vec<i64> = of.iter().map(|job| number(job, "price")).collect();
        let wanted = [
            of.len() as i64,
            units,
            *all.iter().min().unwrap(),
            paid / units,
            *all.iter().max().unwrap(),
        ];
        assert_eq!(["jobs", "units", "low", "mean", "high"].map(|name| number(row, name)), wanted);
    }
    let claimed = jobs.iter().filter(|job| !job["claimed_at"].is_null()).count() as i64;
    assert_eq!(prices.iter().map(|row| number(row, "jobs")).sum::<i64>(), claimed);

    let throughput = served.get("/v1/throughput?hours=2160").await["rows"].as_array().unwrap().clone();
    let sum = |name: &str| throughput.iter().map(|row| number(row, name)).sum::<i64>();
    assert_eq!(
        ["opened", "settled", "refunded", "convicted", "units"].map(sum),
        [34, 20, 12, 1, 200]
    );
    for row in &throughput {
        let mut latencies: Vec<i64> = jobs
            .iter()
            .filter(|job| hour(&job["revealed_at"]) == row["hour"].as_i64())
            .map(|job| number(job, "latency"))
            .collect();
        latencies.sort_unstable();
        for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            let rank = (latencies.len() * percent).div_ceil(100);
            let wanted = rank.checked_sub(1).map(|index| latencies[index]);
            assert_eq!(row[name].as_i64(), wanted, "{name} of {row}");
        }
    }
    // The last hour alone.
    let last = served.get("/v1/throughput?hours=1").await["rows"].as_array().unwrap().clone();
    assert_eq!(last.as_slice(), &throughput[..1]);
}

/// Percentiles are nearest ranks: each is one of the values.
#[tokio::test]
async fn percentiles_are_among_the_values() {
    let served = Served::new().await;
    let newest = served.get("/v1/throughput").await["rows"][0]["hour"].as_i64().unwrap();
    let database = AnyPool::connect(&common::url(&served.dir.path().join("history.db"))).await.unwrap();
    for table in ["throughput", "latencies"] {
        sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}")))
            .execute(&database)
            .await
            .unwrap();
    }
    let cases = [
        (vec![], [None; 3]),
        (vec![(7, 1)], [Some(7); 3]),
        ((1..=100).map(|seconds| (seconds, 1)).collect(), [Some(50), Some(95), Some(99)]),
        // Of ten the fifth and the tenth, and of a hundred the fiftieth.
        (vec![(1, 4), (2, 1), (3, 5)], [Some(2), Some(3), Some(3)]),
        (vec![(1, 49), (2, 46), (3, 5)], [Some(2), Some(2), Some(3)]),
    ];
    for (age, (latencies, _)) in (0..).zip(&cases) {
        let hour = newest - age * 3_600;
        let count = "INSERT INTO throughput (hour, opened, settled, refunded, convicted, units) VALUES ($1, 0, 0, 0, 0, 0)";
        sqlx::query(count).bind(hour).execute(&database).await.unwrap();
        for (seconds, jobs) in latencies {
            let insert = sqlx::query("INSERT INTO latencies (hour, seconds, jobs) VALUES ($1, $2, $3)");
            insert.bind(hour).bind(*seconds).bind(*jobs).execute(&database).await.unwrap();
        }
    }
    let rows = served.get("/v1/throughput").await["rows"].as_array().unwrap().clone();
    assert_eq!(rows.len(), cases.len());
    for (row, (_, wanted)) in rows.iter().zip(&cases) {
        assert_eq!(["p50", "p95", "p99"].map(|name| row[name].as_i64()), *wanted, "{row}");
    }
}

/// Events that name an address, in pages, and narrowed by name.
#[tokio::test]
async fn events_of_an_address_are_those_that_name_it() {
    let served = Served::new().await;
    let pages = async |filters: &str| {
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = served.get(&format!("/v1/events?limit=7{filters}{next}")).await;
            all.extend(page["rows"].as_array().unwrap().clone());
            match page["next"].as_i64() {
                Some(before) => next = format!("&before={before}"),
                None => return all,
            }
        }
    };
    let whole = pages("").await;
    let device = served.get("/v1/jobs?status=settled").await["rows"][0]["device"]
        .as_str()
        .unwrap()
        .to_owned();
    let names = |event: &&Value| event["data"].as_object().unwrap().values().any(|value| *value == device.as_str());
    let wanted: Vec<Value> = whole.iter().filter(names).cloned().collect();
    assert!(wanted.len() > 50, "{}", wanted.len());
    assert_eq!(pages(&format!("&address={device}")).await, wanted);
    let claims: Vec<Value> = wanted.into_iter().filter(|event| event["name"] == "JobClaimed").collect();
    assert!(claims.len() > 10, "{}", claims.len());
    assert_eq!(pages(&format!("&name=JobClaimed&address={device}&program=jobs")).await, claims);
}

/// Somebody acts as both consumer and supplier, with a mint of their own and prices of their choice.
#[tokio::test]
async fn a_worthless_mint_changes_no_figure() {
    let mut world = story();
    let worker = world.worker("mallet");
    let worthless = world.mint("worthless", 0);
    let consumer = world.consumer_in("mallet's friend", &worthless);
    let payout = world.give_tokens(&worker.wallet(), &worthless, 0);
    let before = Served::of(&world).await;
    for id in 1..=3 {
        let dear = JobTerms {
            start_price: IO,
            max_price: IO,
            ..tests::terms()
        };
        let job = world.open(&consumer, id, dear);
        if id == 1 {
            let cancel = market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job);
            world.send(cancel, &[&consumer.owner]);
            continue;
        }
        world.work(&worker, &job);
        world.wait_for_deadline(&job);
        let settle = market::job::settle_job(&worker.wallet(), &tests::ending(&consumer, &worker, &job), &payout);
        world.send(settle, &[&worker.owner]);
    }
    let after = Served::of(&world).await;
    for path in ["/v1/prices?hours=2160", "/v1/throughput?hours=2160", "/v1/models"] {
        assert_eq!(after.get(path).await, before.get(path).await, "{path}");
    }
    let [mut was, mut is] = [before.get("/v1/network").await, after.get("/v1/network").await];
    for figures in [&mut was, &mut is] {
        // These say how far the history goes.
        for name in ["events", "last_slot", "last_time"] {
            figures.as_object_mut().unwrap().remove(name).unwrap();
        }
    }
    assert_eq!(is, was);
    // The jobs are listed, with their mint.
    let jobs = after.get(&format!("/v1/jobs?escrow={}", consumer.escrow)).await["rows"].clone();
    let listed: Vec<_> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (&job["mint"], &job["foreign_mint"]))
        .collect();
    assert_eq!(listed, [(&worthless.to_string().into(), &1.into()); 3]);
}

#[tokio::test]
async fn disputes_slashes_rewards_and_votes_are_served() {
    let served = Served::new().await;
    let rows = async |path: &str| served.get(path).await["rows"].as_array().unwrap().clone();
    let dispute = rows("/v1/disputes").await[0].clone();
    let job = served.get(&format!("/v1/jobs/{}", dispute["address"].as_str().unwrap())).await;
    assert_eq!((&job["status"], &job["device"]), (&"convicted".into(), &dispute["device"]));
    // Erik convicted the job, but Dora had sealed before him and was paid.
    let [convicted, overtaken] = ["JobConvicted", "ConvictionOvertaken"].map(|name| {
        let events = job["events"].as_array().unwrap();
        events.iter().find(|event| event["name"] == name).unwrap()["data"].clone()
    });
    assert_ne!(convicted["challenger"], overtaken["challenger"]);
    assert_eq!(
        (&dispute["challenger"], &dispute["awarded_to"]),
        (&overtaken["challenger"], &overtaken["challenger"])
    );
    assert_eq!(dispute["sealed_slot"], overtaken["sealed_slot"]);
    assert_eq!((&convicted["unit"], &convicted["index"]), (&3.into(), &17.into()));
    let [unit, op, element, expected, claimed] =
        ["unit", "op", "element", "expected", "claimed"].map(|name| dispute[name].as_i64().unwrap());
    assert_eq!((unit, op, element, expected ^ claimed), (5, 0, 2, 1));
    assert_eq!((&overtaken["expected"], &overtaken["claimed"]), (&expected.into(), &claimed.into()));
    let [reward, compensation, burned] = ["reward", "compensation", "burned"].map(|name| dispute[name].as_i64().unwrap());
    assert_eq!((reward, compensation, burned), (300_000_000, 200_000_000, 500_000_000));
    assert!(dispute["awarded_at"].as_i64() > dispute["convicted_at"].as_i64());
    let by = format!("/v1/disputes?challenger={}", dispute["challenger"].as_str().unwrap());
    assert_eq!(rows(&by).await, [dispute]);

    let slashes = rows("/v1/slashes").await;
    let statuses: Vec<&str> = slashes.iter().map(|slash| slash["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["upheld", "dropped"]);
    assert_eq!(
        (&slashes[0]["answer"], &slashes[0]["evidence"]),
        (&"07".repeat(32).into(), &"09".repeat(32).into())
    );
    assert!(slashes[0]["own"].as_i64().unwrap() > 0 && slashes[1]["approved_at"].is_null());

    let claims = rows("/v1/claims").await;
    assert_eq!(claims.len(), 3, "{claims:?}");
    // Carol claimed as a co-staker, with her exit and before it, and Bob as a supplier in between.
    let [with_exit, bobs, carols] = [&claims[0], &claims[1], &claims[2]];
    assert!(bobs["offer"].is_null());
    let offer = rows("/v1/offers").await[0].clone();
    let withdrawn = rows("/v1/events?name=ExitWithdrawn").await[0]["data"].clone();
    assert_eq!(
        (&with_exit["amount"], &with_exit["holder"]),
        (&withdrawn["rewards"], &withdrawn["holder"])
    );
    assert!(with_exit["amount"].as_i64() > Some(0));
    for of_carol in [with_exit, carols] {
        assert_eq!((&of_carol["offer"], &of_carol["device"]), (&offer["address"], &offer["device"]));
        assert_eq!(of_carol["holder"], with_exit["holder"]);
    }
    let bob = served.get(&format!("/v1/devices/{}", bobs["device"].as_str().unwrap())).await;
    assert_eq!(bobs["holder"], bob["owner"]);
    let rewards = rows(&format!("/v1/rewards?limit=200&device={}", bobs["device"].as_str().unwrap())).await;
    let sum: i64 = rewards.iter().map(|reward| reward["reward"].as_i64().unwrap()).sum();
    assert_eq!(bobs["amount"].as_i64().unwrap(), sum);
    let shares = rows(&format!("/v1/shares?offer={}", offer["address"].as_str().unwrap())).await;
    let parts: i64 = shares.iter().map(|share| share["part"].as_i64().unwrap()).sum();
    assert_eq!(
        (parts, shares.len() as i64),
        (offer["rewards"].as_i64().unwrap(), offer["hours_rewarded"].as_i64().unwrap())
    );
    assert_eq!(shares[0]["hour"], offer["last_hour"]);

    let proposal = rows("/v1/proposals").await[0].clone();
    let votes = rows(&format!("/v1/votes?proposal={}", proposal["address"].as_str().unwrap())).await;
    let weights: i64 = votes.iter().map(|vote| vote["weight"].as_i64().unwrap()).sum();
    assert_eq!((votes.len(), weights), (2, proposal["yes"].as_i64().unwrap()));
    let one = rows(&format!("/v1/votes?voter={}", votes[0]["voter"].as_str().unwrap())).await;
    assert_eq!(one, [votes[0].clone()]);

    let model = rows("/v1/models").await[0].clone();
    assert_eq!((&model["jobs"], &model["n_ops"]), (&1.into(), &1.into()));
    assert_eq!(model["hash"].as_str().unwrap().len(), 64);
}

/// The address of a closed proposal can be used again, and its votes stay.
#[tokio::test]
async fn votes_at_one_address_are_filtered_by_number() {
    let served = Served::new().await;
    let (proposal, voter) = (
        solana_address::Address::new_unique().to_string(),
        "11111111111111111111111111111111",
    );
    let event = |name, values| common::event("governance", name, values);
    let events = [(8, 10), (9, 20)].map(|(number, weight)| {
        [
            event("ProposalCreated", json!({ "proposal": proposal, "index": number })),
            event("VoteCast", json!({ "proposal": proposal, "voter": voter, "weight": weight })),
            event(
                "ProposalMoved",
                json!({ "proposal": proposal, "status": governance::Status::Cancelled as u8 }),
            ),
        ]
    });
    let taken = common::taken(9, events.into_iter().flatten().collect());
    served.store.write(&[taken], &[]).await.unwrap();
    let weights = async |filter: &str| {
        let votes = served.get(&format!("/v1/votes?proposal={proposal}{filter}")).await["rows"].clone();
        let votes = votes.as_array().unwrap().iter();
        votes
            .map(|vote| (vote["number"].as_i64().unwrap(), vote["weight"].as_i64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(weights("").await, [(9, 20), (8, 10)]);
    assert_eq!(weights("&number=8").await, [(8, 10)]);
    assert_eq!(weights(&format!("&number=9&voter={voter}")).await, [(9, 20)]);
    assert_eq!(weights("&number=7").await, []);
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused() {
    let served = Served::new().await;
    let router = |answers, streams| api::router_within(served.store.clone(), CancellationToken::new(), api::Limits { answers, streams });
    let few = router(1, 4);
    let ask = |path: &str, peer: u8| {
        let peer = ConnectInfo(SocketAddr::from(([192, 0, 2, peer], 1)));
        few.clone().oneshot(Request::get(path).extension(peer).body(Body::empty()).unwrap())
    };
    // A peer gets half of the streams.
    let mut open = Vec::new();
    for (peer, is_served) in [(1, true), (1, true), (1, false), (2, true), (2, true), (3, false)] {
        let response = ask("/v1/stream", peer).await.unwrap();
        let retry = response.headers().get(header::RETRY_AFTER).map(|seconds| seconds.to_str().unwrap());
        let wanted = match is_served {
            true => (StatusCode::OK, None),
            false => (StatusCode::SERVICE_UNAVAILABLE, Some("1")),
        };
        assert_eq!((response.status(), retry), wanted);
        open.push(response);
    }
    // Streams do not count as answers, and free their places when they end.
    assert_eq!(ask("/v1/jobs", 1).await.unwrap().status(), StatusCode::OK);
    open.clear();
    assert_eq!(ask("/v1/stream", 1).await.unwrap().status(), StatusCode::OK);

    let request = Request::get("/v1/jobs").body(Body::empty()).unwrap();
    let refused = router(0, 1).oneshot(request).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = to_bytes(refused.into_body(), 1_000).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("too many requests"));
    let long = ask(&format!("/v1/jobs?status={}", "x".repeat(1_024)), 1).await.unwrap();
    assert_eq!(long.status(), StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    let served = Served::new().await;
    let (_, tag, _) = served.ask("/v1/jobs", None).await;
    assert!(!tag.is_empty());
    let (status, again, body) = served.ask("/v1/jobs", Some(&tag)).await;
    assert_eq!((status, again, body), (StatusCode::NOT_MODIFIED, tag, Value::Null));
    assert_eq!(served.ask("/v1/jobs", Some("\"0\"")).await.0, StatusCode::OK);
    // The tag of another version differs, though the newest event is the same; and events do not change the document's tag.
    let newest = *served.store.watch().borrow();
    assert_eq!(served.ask("/v1/jobs", Some(&format!("\"{newest}\""))).await.0, StatusCode::OK);
    // A failure is no answer to come back to.
    let database = AnyPool::connect(&common::url(&served.dir.path().join("history.db"))).await.unwrap();
    sqlx::query("ALTER TABLE jobs RENAME TO elsewhere")
        .execute(&database)
        .await
        .unwrap();
    let failure = served.answer("/v1/jobs", None).await;
    let said = [header::ETAG, header::CACHE_CONTROL].map(|name| failure.headers().get(name).map(|value| value.to_str().unwrap()));
    assert_eq!(
        (failure.status(), said),
        (StatusCode::SERVICE_UNAVAILABLE, [None, Some("no-cache")])
    );
    let document = "/v1/openapi.json";
    let (_, tag, _) = served.ask(document, None).await;
    let dir = tempfile::tempdir().unwrap();
    let empty = store(&dir.path().join("empty.db")).await;
    let other = Served { store: empty, ..served };
    assert_eq!(other.ask(document, Some(&tag)).await.0, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn requests_that_are_not_understood_are_refused_with_a_reason() {
    let served = Served::new().await;
    let cases = [
        ("/v1/jobs?limit=0", 400, "1 to 200"),
        ("/v1/jobs?limit=201", 400, "1 to 200"),
        ("/v1/jobs?limit=x", 400, "1 to 200"),
        ("/v1/jobs?before=1e9", 400, "before has to be"),
        ("/v1/jobs?colour=red", 400, "cannot be filtered by \"colour\""),
        (
            "/v1/jobs?owner=11111111111111111111111111111111",
            400,
            "cannot be filtered by \"owner\"",
        ),
        ("/v1/jobs?device=x%27%20OR%201=1", 400, "not an address"),
        ("/v1/jobs?limit=1&limit=2", 400, "given twice"),
        ("/v1/jobs?status=%00", 400, "a word"),
        ("/v1/votes?number=one", 400, "not a number"),
        ("/v1/votes?number=9223372036854775808", 400, "not a number"),
        ("/v1/hours?device=11111111111111111111111111111111", 400, "only be paged"),
        ("/v1/prices?hours=0", 400, "1 to 2160"),
        ("/v1/prices?hours=2161", 400, "1 to 2160"),
        ("/v1/throughput?limit=1", 400, "only hours"),
        ("/v1/jobs/nothing", 400, "not an address"),
        ("/v1/jobs/11111111111111111111111111111111", 404, "nothing is known"),
        ("/v1/nothing", 404, "openapi.json"),
        ("/", 404, "openapi.json"),
    ];
    for (path, status, words) in cases {
        let (is, _, body) = served.ask(path, None).await;
        let said = body["error"].as_str().unwrap_or_default();
        assert_eq!(is.as_u16(), status, "{path}: {said}");
        assert!(said.contains(words), "{path}: {said}");
    }
    // Values are bound, never part of the SQL.
    let (status, _, body) = served.ask("/v1/jobs?status=settled%27;DROP%20TABLE%20jobs;--", None).await;
    assert_eq!((status, body["rows"].as_array().unwrap().len()), (StatusCode::OK, 0));
    assert_eq!(served.get("/v1/network").await["jobs"], 34);
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let taken = api::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let program = env!("CARGO_BIN_EXE_ionet-indexer");
    let dir = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(program)
        .args(["--listen", &address.to_string(), "--database"])
        .arg(common::url(&dir.path().join("history.db")))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&address.to_string()) && said.contains("choose another address"),
        "{said}"
    );
}

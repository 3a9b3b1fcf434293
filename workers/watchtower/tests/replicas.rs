//! Workers that compute replicas of a job, and a watchtower: if the replicas agree they are paid at once, and if not, evidence decides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{LIE, Market, UNITS, crank, give_away, settings, start, watched};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jobs::instruction::{AgreeReplicas, CallReveals, CloseAudit, CommitAudit, Convict, ProveCustody, SettleJob, SkipAudit, TimeoutJob};
use jobs::{JobTerms, Parameters, Status};
use referee::instruction::CloseEvidence;
use solana_address::Address;
use solana_signer::Signer;
use std::time::Duration;
use tests::PARAMETERS;
use watchtower::crank::Accused;
use watchtower::{Error, Settings, Watchtower};
use worker::Worker;

/// A market with two suppliers of different owners.
struct Two {
    market: Market,
    second: tests::Worker,
}

impl Two {
    fn start() -> Self {
        Self::of(Market::start())
    }

    fn of(market: Market) -> Self {
        let second = market.node.with(|world| {
            let second = world.worker("second supplier");
            world.give_sol(&second.key.pubkey(), 1_000_000_000);
            second
        });
        market.node.admit(second.key.clone());
        chain::save_keypair(&second.key, &market.folder.path().join("second.json")).unwrap();
        Self { market, second }
    }

    async fn workers(&self) -> [Worker; 2] {
        self.workers_that(|_| {}).await
    }

    async fn workers_that(&self, change: impl Fn(&mut worker::Settings)) -> [Worker; 2] {
        let [mut first, mut second] = ["first", "second"].map(|data| self.market.settings(data));
        second.keypair = self.market.folder.path().join("second.json");
        second.device = Some(self.second.device);
        change(&mut first);
        change(&mut second);
        [
            self.market.worker(first).await.0.unwrap(),
            self.market.worker(second).await.0.unwrap(),
        ]
    }

    async fn tower(&self) -> Watchtower {
        let settings = Settings {
            create_payouts: true,
            scan: Duration::from_millis(100),
            ..settings(&self.market)
        };
        start(&self.market, settings).await
    }

    /// Opens a job with so many replicas.
    async fn order(&self, replicas: u8) -> Vec<Address> {
        let inputs = self.market.upload(UNITS, 1).await;
        let terms = JobTerms {
            inputs,
            units: UNITS,
            replicas,
            ..tests::terms()
        };
        self.market.node.with(|world| world.open_replicas(&self.market.consumer, 10, terms))
    }

    fn earned(&self) -> [u64; 2] {
        [&self.market.supplier, &self.second].map(|worker| self.market.node.with(|world| world.balance(&worker.tokens)))
    }

    fn count<I: anchor_lang::Discriminator>(&self) -> usize {
        self.market.node.effective::<I>()
    }
}

#[tokio::test]
async fn replicas_that_agree_are_paid_at_once() {
    let two = Two::start();
    let (workers, tower) = (two.workers().await, two.tower().await);
    let jobs = two.order(2).await;
    let before = two.earned();
    let windows = watched(&tower, &workers, async {
        for job in &jobs {
            two.market.reaches(job, Status::Revealed).await;
        }
        let revealed = two.market.now();
        for job in &jobs {
            two.market.closes(job).await;
        }
        two.market.now().unix - revealed.unix
    })
    .await;
    let after = two.earned();
    assert!(before[0] < after[0] && before[1] < after[1], "{before:?} {after:?}: both are paid");
    assert_eq!((two.count::<AgreeReplicas>(), two.count::<SettleJob>()), (1, 2));
    assert!((1..=2).contains(&two.count::<CallReveals>()));
    // Their windows would have been five minutes.
    assert!(windows < 60, "{windows} s");
}

/// Replicas whose suppliers cannot be paid are confirmed once, not again in every pass.
#[tokio::test]
async fn replicas_that_cannot_be_paid_agree_once() {
    let two = Two::start();
    let workers = two.workers_that(|settings| settings.crank_after = None).await;
    let jobs = two.order(2).await;
    let mut working = workers.iter().map(Worker::run).collect::<FuturesUnordered<_>>();
    let revealed = async {
        for job in &jobs {
            two.market.reaches(job, Status::Revealed).await;
        }
    };
    tokio::select! {
        () = revealed => {}
        Some(ended) = working.next() => panic!("a worker ended: {ended:?}"),
    }
    drop(working);
    // Workers create the accounts of the payout wallets they had when they claimed, so these are changed.
    for worker in [&two.market.supplier, &two.second] {
        let payout = Address::new_unique();
        let set = chain::market::stake::set_payout(&worker.wallet(), &worker.device, &payout);
        two.market.node.with(|world| world.send(set, &[&worker.owner]));
    }
    for _ in 0..3 {
        let failed = crank(&two.market, &Accused::default()).await;
        let about: Vec<&Address> = failed.iter().map(|(about, _)| about).collect();
        assert!(jobs.iter().all(|job| about.contains(&job)), "{failed:?}");
        assert!(
            failed.iter().all(|(_, error)| matches!(error, Error::NoPayout { .. })),
            "{failed:?}"
        );
    }
    assert_eq!(two.count::<AgreeReplicas>(), 1);
}

#[tokio::test]
async fn of_two_that_differ_the_liar_is_convicted_and_the_honest_one_paid() {
    let two = Two::start();
    let [honest, liar] = two.workers().await;
    let (workers, tower) = ([honest, liar.with_fault(LIE)], two.tower().await);
    let jobs = two.order(2).await;
    let before = two.earned();
    watched(&tower, &workers, async {
        while two.count::<Convict>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lie = jobs
            .iter()
            .find(|job| two.market.job(job).unwrap().device == two.second.device)
            .unwrap();
        assert_eq!(two.market.job(lie).unwrap().status, Status::Convicted);
        let truth = jobs.iter().find(|job| *job != lie).unwrap();
        two.market.reaches(truth, Status::Revealed).await;
        // The honest replica is paid after its own window, the reward after the time for earlier seals. The clock moves past both at once, as
        // either job may be gone soon after.
        two.market
            .node
            .with(|world| jobs.iter().for_each(|job| world.wait_for_deadline(job)));
        for job in &jobs {
            two.market.closes(job).await;
        }
    })
    .await;
    let after = two.earned();
    assert!(before[0] < after[0] && before[1] == after[1], "{before:?} {after:?}");
    assert_eq!((two.count::<AgreeReplicas>(), two.count::<SettleJob>()), (0, 1));
}

#[tokio::test]
async fn one_is_paid_when_the_other_never_commits() {
    let two = Two::start();
    let [first, _] = two.workers().await;
    let tower = two.tower().await;
    let jobs = two.order(2).await;
    let before = two.earned();
    watched(&tower, [&first], async {
        // Nobody takes the other one, which expires.
        let done = loop {
            let committed = jobs
                .iter()
                .find(|job| two.market.job(job).is_some_and(|job| job.status == Status::Committed));
            match committed {
                Some(job) => break *job,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let other = jobs.iter().find(|job| **job != done).unwrap();
        two.market.node.with(|world| world.wait_for_deadline(other));
        two.market.reaches(&done, Status::Revealed).await;
        two.market.node.with(|world| world.wait_for_deadline(&done));
        two.market.closes(&done).await;
    })
    .await;
    assert!(before[0] < two.earned()[0]);
    assert_eq!((two.count::<AgreeReplicas>(), two.count::<TimeoutJob>()), (0, 0));
}

/// If a result is drawn for an audit that nobody takes, its worker waits no longer than it must.
#[tokio::test]
async fn a_drawn_result_without_an_auditor_is_revealed_after_its_time() {
    for floor in [1, 10_000] {
        let two = Two::start();
        let [first, _] = two.workers().await;
        let tower = two.tower().await;
        two.market.node.with(|world| {
            let admin = world.admin.clone();
            let parameters = Parameters {
                audit_floor_bps: floor,
                audit_seconds: 2,
                ..PARAMETERS
            };
            world.send(chain::market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
        });
        let job = two.market.order(1).await;
        let before = two.earned();
        watched(&tower, [&first], async {
            two.market.reaches(&job, Status::Revealed).await;
            two.market.node.with(|world| world.wait_for_deadline(&job));
            two.market.closes(&job).await;
        })
        .await;
        assert!(before[0] < two.earned()[0]);
        assert_eq!(two.count::<SkipAudit>(), usize::from(floor == 10_000));
    }
}

/// The other supplier audits the drawn result, and is paid out of the price.
#[tokio::test]
async fn a_drawn_result_is_audited_by_another_device_that_proves_it_holds_the_trace() {
    for market in [Market::start(), Market::of_checkpoints()] {
        audited(&mut Two::of(market), Meanwhile::Nothing).await;
    }
}

/// An auditor cannot delay the worker's payment by giving away its own token account: whoever settles creates another one.
#[tokio::test]
async fn an_auditor_without_its_account_delays_nothing() {
    audited(&mut Two::start(), Meanwhile::GivesAway).await;
}

/// What happens during an audit.
#[derive(Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    /// Worker and auditor get new hot keys.
    RotatesKeys,
    /// Both wallets give their token accounts away once the auditor has proved custody.
    GivesAway,
}

/// Worker and auditor get new hot keys between their commitments and their reveals.
#[tokio::test]
async fn an_audit_goes_on_under_rotated_keys() {
    audited(&mut Two::start(), Meanwhile::RotatesKeys).await;
}

async fn audited(two: &mut Two, meanwhile: Meanwhile) {
    let mut workers = two.workers().await;
    let tower = two.tower().await;
    two.market.node.with(|world| {
        let admin = world.admin.clone();
        let parameters = Parameters {
            audit_floor_bps: 10_000,
            ..PARAMETERS
        };
        world.send(chain::market::job::set_parameters(&admin.pubkey(), parameters), &[&admin]);
    });
    let job = two.market.order(1).await;
    let before = two.earned();
    if meanwhile == Meanwhile::RotatesKeys {
        watched(&tower, &workers, async {
            while two.count::<CommitAudit>() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        drop(workers);
        two.market.supplier.key = two.market.rotate_key(&two.market.supplier, "device.json");
        two.second.key = two.market.rotate_key(&two.second, "second.json");
        workers = two.workers().await;
    }
    watched(&tower, &workers, async {
        while two.count::<ProveCustody>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if meanwhile == Meanwhile::GivesAway {
            for worker in [&two.market.supplier, &two.second] {
                give_away(&two.market, &worker.owner, &two.market.mint);
            }
            let (challenger, job) = (two.market.challenger.pubkey(), (job, two.market.job(&job).unwrap()));
            let end = watchtower::crank::end(&two.market.chain(), &challenger, &job.0, &job.1)
                .await
                .unwrap();
            assert!(end.rent > 0, "the accounts have to be created first");
        }
        two.market.node.with(|world| world.wait_for_deadline(&job));
        two.market.closes(&job).await;
        while two.count::<CloseAudit>() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    if meanwhile == Meanwhile::GivesAway {
        return;
    }
    let gained: Vec<u64> = two.earned().iter().zip(before).map(|(after, before)| after - before).collect();
    let (worker, auditor) = (gained[0].min(gained[1]), gained[0].max(gained[1]));
    assert_eq!(auditor, (worker + auditor) * 8 / 10, "{gained:?}: four fifths to the auditor");
    assert_eq!((two.count::<SkipAudit>(), two.count::<CloseEvidence>()), (0, 1));
    let locked = |device: &Address| two.market.node.with(|world| world.device(device).locked_bond.get());
    assert_eq!([locked(&two.market.supplier.device), locked(&two.second.device)], [0, 0]);
}

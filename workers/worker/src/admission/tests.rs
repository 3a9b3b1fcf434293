#![allow(clippy::unwrap_used)]
use super::*;
use anchor_lang::bytemuck::Zeroable;
use protocol::units::Moment;
use std::time::Duration;

const MINT: Address = Address::new_from_array([7; 32]);
const NOW: i64 = 1_000;
/// Most lamports that answers about a result take, at 30,000 compute units for a lamport each.
const ANSWERS: u64 = 8 * 42 * (5_000 + 30_000);
/// Lamports that a key needs for one result and a check-in.
const LEAST: u64 = ANSWERS + 50_000_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The upscale model, taking these times for a unit.
fn model(unit: Duration, seen: Duration, answer: Duration) -> Arc<Model> {
    let model = Model::upscale();
    model.takes(unit, seen, answer);
    Arc::new(model)
}

/// A job and everything the decision about it depends on.
struct Case {
    job: Job,
    view: View,
    accept: Vec<Accept>,
    mint: Address,
    seed: Seed,
    max_blob: u64,
    free_space: u64,
    observes_ops: bool,
    in_hand: Vec<Task>,
}

/// A job that is taken at once.
fn taken() -> Case {
    let mut view = View {
        now: Moment { unix: NOW, slot: 500 },
        jobs: jobs::Config::zeroed(),
        staking: Zeroable::zeroed(),
        device: Zeroable::zeroed(),
        gpu: Zeroable::zeroed(),
        lamports: LEAST,
    };
    view.jobs.mint = MINT;
    view.jobs.watch_bps = 10_000.into();
    view.jobs.answer_seconds = 300.into();
    view.jobs.min_bond = 100.into();
    view.gpu.id = 3.into();
    view.gpu.vram_gb = 24.into();
    view.gpu.multiplier_x100 = 150.into();
    view.device.gpu_model = 3.into();
    view.device.quantity = 1;
    view.device.tier = 1;
    view.device.own_stake = 1_000_000.into();
    view.device.jobs_done = 5.into();
    let mut job = Job::zeroed();
    job.gpu_model = 3.into();
    job.min_vram_gb = 24.into();
    job.min_multiplier_x100 = 150.into();
    job.min_jobs_done = 5.into();
    job.replicas = 1;
    job.units = 4.into();
    job.opened_at = NOW.into();
    job.auction_seconds = 60.into();
    job.start_price = 10.into();
    job.max_price = 20.into();
    job.bond = 1_000.into();
    job.run_seconds = 3_600.into();
    job.window_seconds = 3_600.into();
    (job.deadline_at, job.deadline_slot) = (1_100.into(), 750.into());
    Case {
        job,
        view,
        accept: vec![Accept { mint: None, min_price: 10 }],
        mint: MINT,
        seed: Seed::Forgotten,
        max_blob: 1 << 30,
        free_space: 1 << 30,
        observes_ops: false,
        in_hand: Vec::new(),
    }
}

impl Case {
    fn verdict(&self, model: &Arc<Model>) -> Verdict {
        let (address, device) = (Address::new_from_array([1; 32]), Address::new_from_array([2; 32]));
        let offer = Offer {
            address: &address,
            job: &self.job,
            mint: &self.mint,
            model,
            seed: self.seed,
        };
        let limits = Limits {
            accept: &self.accept,
            max_blob: self.max_blob,
            free_space: self.free_space,
            max_window: 3_600,
            max_bond: 10,
            priority_fee: PriorityFee::default(),
            observes_ops: self.observes_ops,
            in_hand: self.in_hand.clone(),
            device: &device,
        };
        assess(&offer, &self.view, &limits)
    }
}

#[test]
fn each_reason_is_given_when_it_applies() {
    use Verdict::{Later, Never};
    let model = model(seconds(1), seconds(1), Duration::ZERO);
    assert_eq!(taken().verdict(&model), Verdict::Take { slot: 0, floor: 10 });

    let [inputs, outputs, trace] = blob_sizes(&model, 4);
    assert!(trace < outputs);
    let change = |with: fn(&mut Case)| {
        let mut case = taken();
        with(&mut case);
        case
    };
    let cases = [
        (Never(Reason::Taken), change(|case| case.job.status = Status::Assigned as u8)),
        (
            Never(Reason::Expired),
            change(|case| case.view.now = Moment { unix: 1_100, slot: 750 }),
        ),
        (Never(Reason::Gpu), change(|case| case.job.gpu_model = 4.into())),
        (Never(Reason::Memory), change(|case| case.job.min_vram_gb = 25.into())),
        (Never(Reason::Multiplier), change(|case| case.job.min_multiplier_x100 = 151.into())),
        (Never(Reason::Experience), change(|case| case.job.min_jobs_done = 6.into())),
        (Never(Reason::Mint), change(|case| case.mint = Address::new_from_array([8; 32]))),
        (
            Never(Reason::Price),
            change(|case| case.accept = vec![Accept { mint: None, min_price: 21 }]),
        ),
        (
            Never(Reason::Size),
            Case {
                max_blob: outputs - 1,
                ..taken()
            },
        ),
        (
            Later(Reason::Disk),
            Case {
                free_space: inputs + outputs + trace - 1,
                ..taken()
            },
        ),
        // Twice four seconds, and three for transactions.
        (Never(Reason::Slow), change(|case| case.job.run_seconds = 10.into())),
        (Never(Reason::Window), change(|case| case.job.window_seconds = 3_601.into())),
        (Never(Reason::Disproportion), change(|case| case.job.bond = 1_001.into())),
        (Never(Reason::Disproportion), change(|case| case.job.value_at_risk = 100_000.into())),
        (Later(Reason::Paused), change(|case| case.view.jobs.paused = true.into())),
        (Later(Reason::Poor), change(|case| case.view.lamports = LEAST - 1)),
        (Later(Reason::Bond), change(|case| case.view.device.own_stake = 999.into())),
        (
            Later(Reason::Auction),
            change(|case| case.accept = vec![Accept { mint: None, min_price: 20 }]),
        ),
        (Later(Reason::Seed), change(|case| case.seed = Seed::NotYet)),
        (Later(Reason::Turn), change(|case| case.seed = Seed::Known(511, Default::default()))),
    ];
    for (expected, case) in cases {
        assert_eq!(case.verdict(&model), expected);
    }
    // The price reaches the floor at the end of the auction; any GPU will do if none is named; and a worker prepares before its turn.
    let patient = change(|case| {
        case.accept = vec![Accept {
            mint: Some(MINT),
            min_price: 20,
        }];
        case.job.gpu_model = ANY_GPU.into();
        case.view.now = Moment { unix: 1_060, slot: 650 };
        case.seed = Seed::Known(660, Default::default());
    });
    assert_eq!(patient.verdict(&model), Verdict::Take { slot: 660, floor: 20 });
}

#[test]
fn a_bond_must_be_in_proportion_to_the_price_and_locked_for_a_limited_time() {
    let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    // One unit at one base unit, which would lock the whole stake for a week.
    let mut trap = taken();
    (trap.job.units, trap.job.start_price, trap.job.max_price) = (1.into(), 1.into(), 1.into());
    trap.accept = vec![Accept { mint: None, min_price: 1 }];
    (trap.job.bond, trap.job.window_seconds) = (1_000_000.into(), 604_800.into());
    assert_eq!(trap.verdict(&model), Verdict::Never(Reason::Window));
    trap.job.window_seconds = 60.into();
    assert_eq!(trap.verdict(&model), Verdict::Never(Reason::Disproportion));

    // If one result in twenty is watched, the bond is more than ten times what the market asks at 40 base units, but not at 80: the price
    // rises to that.
    let mut dear = taken();
    dear.view.jobs.watch_bps = 500.into();
    dear.job.bond = 17_330.into();
    assert_eq!(dear.verdict(&model), Verdict::Later(Reason::Disproportion));
    dear.view.now.unix += 60;
    assert_eq!(dear.verdict(&model), Verdict::Take { slot: 0, floor: 10 });

    // Another replica may be taken just before the offer ends, and then take all of its time.
    let mut replica = taken();
    (replica.job.replicas, replica.job.window_seconds) = (2, 60.into());
    replica.job.run_seconds = (3_600 - 60 - 100).into();
    assert_eq!(replica.verdict(&model), Verdict::Take { slot: 0, floor: 10 });
    replica.job.run_seconds = (3_600 - 60 - 99).into();
    assert_eq!(replica.verdict(&model), Verdict::Never(Reason::Window));

    // An auditor has a minute to come, no matter who asks for audits, and then as much time as the worker.
    let draws: [fn(&mut Case); 3] = [
        |case| case.view.jobs.audit_jobs = 1.into(),
        |case| case.view.jobs.audit_floor_bps = 1.into(),
        |case| case.job.audit_bps = 1.into(),
    ];
    for draw in draws {
        let mut audited = taken();
        draw(&mut audited);
        (audited.view.jobs.audit_seconds, audited.job.window_seconds) = (60.into(), 60.into());
        audited.job.run_seconds = (3_600 - 60 - 60).into();
        assert_eq!(audited.verdict(&model), Verdict::Take { slot: 0, floor: 10 });
        audited.job.run_seconds = (3_600 - 60 - 59).into();
        assert_eq!(audited.verdict(&model), Verdict::Never(Reason::Window));
    }
}

#[test]
fn a_consumer_pays_for_the_audits_it_asks_for() {
    use Verdict::{Later, Never, Take};
    let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let verdict = |min_price: u64, with: fn(&mut Case)| {
        let mut case = taken();
        case.accept = vec![Accept { mint: None, min_price }];
        (case.job.run_seconds, case.job.window_seconds) = (60.into(), 60.into());
        case.view.jobs.audit_share_bps = 8_000.into();
        case.job.audit_bps = 10_000.into();
        with(&mut case);
        case.verdict(&model)
    };
    // An auditor takes four fifths of every result's pay: ten now and twenty at the end leave two and four.
    let always = |_: &mut Case| {};
    let verdicts = [2, 3, 4, 5].map(|floor| verdict(floor, always));
    let expected = [
        Take { slot: 0, floor: 10 },
        Later(Reason::Auction),
        Later(Reason::Auction),
        Never(Reason::Price),
    ];
    assert_eq!(verdicts, expected);
    // If the market audits half of all results, a price of six leaves as much here as two elsewhere.
    assert_eq!(
        verdict(2, |case| case.view.jobs.audit_floor_bps = 5_000.into()),
        Take { slot: 0, floor: 6 }
    );
    // Rounded up: two in 1 - 0.8 * 0.1.
    assert_eq!(verdict(2, |case| case.job.audit_bps = 1_000.into()), Take { slot: 0, floor: 3 });
    // A device on probation is audited anyway. That is its own cost, even if auditors get everything.
    let probation = |case: &mut Case| case.view.jobs.audit_jobs = 20.into();
    assert_eq!(verdict(10, probation), Take { slot: 0, floor: 10 });
    let greedy = |case: &mut Case| case.view.jobs.audit_share_bps = 10_000.into();
    assert_eq!(verdict(1, greedy), Never(Reason::Price));
    let both: fn(&mut Case) = |case| {
        case.view.jobs.audit_jobs = 20.into();
        case.view.jobs.audit_share_bps = 10_000.into();
    };
    assert_eq!(verdict(10, both), Take { slot: 0, floor: 10 });
}

#[test]
fn answers_about_everything_in_hand_must_fit_half_a_minute() {
    use Verdict::{Later, Never, Take};
    let slow = model(Duration::ZERO, Duration::ZERO, seconds(5));
    assert_eq!(taken().verdict(&slow), Never(Reason::Answers));
    // Two jobs, sixteen questions, each taking twice as long as estimated: 12.8 of 13 seconds.
    let model = model(Duration::ZERO, Duration::ZERO, Duration::from_millis(400));
    let case = |jobs: usize, audits: usize| {
        let mut case = taken();
        let (job, audit) = (Task::job(&model, 0, NOW, false), Task::audit(&model, &case.job, NOW));
        case.in_hand = [vec![job; jobs], vec![audit; audits]].concat();
        case.view.lamports = u64::MAX;
        case.verdict(&model)
    };
    let take = Take { slot: 0, floor: 10 };
    assert_eq!(
        [case(0, 0), case(1, 0), case(1, 5), case(2, 0)],
        [take, take, take, Later(Reason::Answers)]
    );
}

/// Results in hand may be asked about too, audits lock rent for their proof, and an hour of rewards comes before new work.
#[test]
fn a_key_pays_for_everything_in_hand() {
    use Verdict::{Later, Take};
    let model = model(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let verdict = |jobs: usize, audits: &[Task], lamports: u64| {
        let mut case = taken();
        case.in_hand = [&vec![Task::job(&model, 0, NOW, false); jobs], audits].concat();
        case.view.lamports = lamports;
        case.verdict(&model)
    };
    let new = Task::audit(&model, &taken().job, NOW);
    // Three chunks with 14 levels above them in each tree: 4 units, 9 checkpoints and 172 chunks. The proof grows with the job.
    let proof = reserve::for_proof(&model, 4);
    assert_eq!(proof, 6_960 * (128 + 140 + 5_888));
    assert_eq!(reserve::for_proof(&model, 1_024) - proof, 6_960 * 8 * 192);
    let [claimed, proven] = [proof, 0].map(|locks| {
        let mut task = new.clone();
        task.locks = locks;
        task
    });
    for (jobs, audits, needed) in [
        (2, vec![], LEAST + 2 * ANSWERS),
        (1, vec![new.clone(), new], LEAST + ANSWERS + 2 * (3_000_000 + proof)),
        (0, vec![claimed, proven], LEAST + proof),
    ] {
        assert_eq!(verdict(jobs, &audits, needed - 1), Later(Reason::Poor));
        assert_eq!(verdict(jobs, &audits, needed), Take { slot: 0, floor: 10 });
    }
    // What the documentation says about a newly registered key.
    let taken = (0..).take_while(|jobs| verdict(*jobs, &[], reserve::FUND) != Later(Reason::Poor));
    assert_eq!(taken.count(), 8);
}

#[test]
fn work_in_hand_adds_up_per_hardware() {
    use Verdict::{Later, Never, Take};
    let model = model(seconds(1), seconds(1), Duration::ZERO);
    let mut case = taken();
    case.view.lamports = u64::MAX;
    case.job.units = 1.into();
    case.job.run_seconds = 60.into();
    let job = case.job;
    let task = |units: u32, due: i64| Task::job(&model, units, NOW + due, false);
    let (take, slow) = (Take { slot: 0, floor: 10 }, Later(Reason::Slow));
    let mut verdict = |in_hand: &[Task]| {
        case.in_hand = in_hand.to_vec();
        case.verdict(&model)
    };
    assert_eq!(verdict(&[task(3_600, 1 << 20)]), slow, "an hour's work comes first");
    assert_eq!(verdict(&[task(26, 1 << 20)]), take, "twice 27 seconds");
    assert_eq!(verdict(&[task(14, 1 << 20), task(14, 1 << 20)]), slow, "twice 29 seconds");
    assert_eq!(verdict(&[task(5, 14)]), slow, "the job in hand would be late");
    assert_eq!(verdict(&[task(5, 15)]), take);
    assert_eq!(verdict(&[task(0, 0)]), take, "computed");

    // With every value visible the job runs on the CPU, no matter how fast a GPU is.
    model.takes(Duration::ZERO, seconds(30), Duration::ZERO);
    assert!(!Task::audit(&model, &job, NOW + 60).fits(&[], NOW));
    case.in_hand = Vec::new();
    assert_eq!(case.verdict(&model), take);
    case.observes_ops = true;
    assert_eq!(case.verdict(&model), Never(Reason::Slow));
}

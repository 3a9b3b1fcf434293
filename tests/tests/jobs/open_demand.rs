use super::demands::{Asked, OPS, OUTPUTS, TRACES, UNITS, chunk, ops, page};
use ::jobs::error::JobsError;
use ::jobs::state::demand_space;
use chain::market;
use protocol::demand::{Item, Kind, MAX_CHUNKS, PAGE};
use protocol::trace::Checkpoints;
use protocol::units::Moment;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Failure, Fault, PARAMETERS, ending, key, substituted, terms};

#[test]
fn binds_rent_and_fee_and_starts_the_workers_clock() {
    let mut asked = Asked::new();
    let open = asked.asking(ops(3));
    let treasury = asked.world.treasury;
    let exceptions = [
        (treasury, Fault::ReadOnly, Some(Failure::NOT_WRITABLE)),
        (treasury, Fault::Elsewhere, Some(JobsError::AccountMismatch.into())),
    ];
    asked.world.sweep(&open, &[&asked.challenger], &exceptions);
    let (before, now) = (asked.world.lamports(&asked.challenger.pubkey()), asked.world.now());
    let address = asked.ask(ops(3));
    let demand = asked.world.demand(&address);
    let rent = asked.world.rent(demand_space(Kind::Ops as u8, Checkpoints::all(OPS)));
    let fee = u64::from(PARAMETERS.demand_fee);
    assert_eq!(before - asked.world.lamports(&asked.challenger.pubkey()), rent + fee);
    assert_eq!(asked.world.lamports(&address), rent + fee);
    let job = asked.world.job(&asked.job);
    assert_eq!((demand.job, demand.job_hash, demand.device), (asked.job, job.job_hash, job.device));
    assert_eq!((demand.challenger, demand.above), (asked.challenger.pubkey(), job.traces));
    assert_eq!((demand.item(), demand.answered.get()), (Some(ops(3)), false));
    assert_eq!((demand.opened(), demand.deadline()), (now, now.after(300)));
    assert_eq!((demand.units.get(), demand.n_ops.get(), job.open_demands), (UNITS, OPS, 1));
    asked.ask(OUTPUTS);
    let outputs = asked.world.demand(&market::demand::address(&asked.job, OUTPUTS));
    assert_eq!((outputs.above, asked.world.job(&asked.job).open_demands), (job.outputs, 2));
}

#[test]
fn fails_unless_the_result_is_revealed() {
    let mut asked = Asked::new();
    let world = &mut asked.world;
    let job = world.open(&asked.consumer, 9, terms());
    let challenger = asked.challenger.clone();
    // An open job has no device yet.
    let mut facts = world.job(&job);
    facts.device = asked.worker.device;
    let early = market::demand::open(&challenger.pubkey(), &job, &facts, &world.treasury, TRACES, u64::MAX);
    world.refuse(early, &[&challenger], JobsError::AccountMismatch);
    world.claim(&asked.worker, &job);
    let open = world.asking(&challenger, &job, TRACES);
    world.refuse(open.clone(), &[&challenger], JobsError::WrongStatus);
    world.commit(&asked.worker, &job);
    world.refuse(open.clone(), &[&challenger], JobsError::WrongStatus);
    world.reveal(&asked.worker, &job);
    world.send(open.clone(), &[&challenger]);
    // The job is convicted for silence.
    world.wait(300);
    asked.job = job;
    let silence = asked.silence(&asked.challenger.pubkey(), TRACES);
    asked.world.send(silence, &[&asked.challenger]);
    let again = asked.asking(OUTPUTS);
    asked.world.refuse(again, &[&asked.challenger], JobsError::WrongStatus);
}

#[test]
fn fails_once_the_window_has_passed_by_both_clocks() {
    let asked = Asked::new();
    let open = asked.asking(TRACES);
    for (mut world, reached) in asked.world.around(asked.world.deadline(&asked.job)) {
        if reached {
            world.refuse(open.clone(), &[&asked.challenger], JobsError::DeadlinePassed);
        } else {
            world.send(open.clone(), &[&asked.challenger]);
        }
    }
}

#[test]
fn fails_for_the_ninth_at_a_time_and_touches_no_other_job() {
    let mut asked = Asked::new();
    let (other, _) = asked.other_job();
    asked.shown(ops(0));
    for item in [ops(1), ops(2), ops(3), ops(4), TRACES, OUTPUTS, page(0, 0), page(0, 1)] {
        asked.ask(item);
    }
    let ninth = asked.asking(page(0, 2));
    asked.world.refuse(ninth.clone(), &[&asked.challenger], JobsError::TooManyDemands);
    asked.world.ask(&asked.challenger.clone(), &other, TRACES);
    asked.answer(TRACES);
    asked.world.send(ninth, &[&asked.challenger]);
}

#[test]
fn every_eighth_demand_doubles_the_price_and_the_treasury_gets_what_no_answer_earns() {
    let mut asked = Asked::new();
    let fee = u64::from(PARAMETERS.demand_fee);
    asked.shown(ops(0));
    for op in 0..7 {
        asked.shown(page(0, op));
    }
    assert_eq!(asked.world.job(&asked.job).demanded, 8);
    let (facts, treasury) = (asked.world.job(&asked.job), asked.world.treasury);
    let challenger = asked.challenger.clone();
    let offer = |most| market::demand::open(&challenger.pubkey(), &asked.job, &facts, &treasury, page(0, 7), most);
    let (stingy, fair) = (offer(2 * fee - 1), offer(2 * fee));
    asked.world.refuse(stingy, &[&challenger], JobsError::DemandTooDear);
    let robbed = substituted(&fair, &treasury, &key("thief").pubkey());
    asked.world.refuse(robbed, &[&challenger], JobsError::AccountMismatch);
    let before = [challenger.pubkey(), treasury].map(|wallet| asked.world.lamports(&wallet));
    asked.world.send(fair, &[&challenger]);
    let after = [challenger.pubkey(), treasury].map(|wallet| asked.world.lamports(&wallet));
    let rent = asked.world.rent(demand_space(Kind::Page as u8, Checkpoints::all(OPS)));
    assert_eq!((before[0] - after[0], after[1] - before[1]), (rent + 2 * fee, fee));
    // The answer earns no more than any other.
    let worker = asked.world.lamports(&asked.worker.wallet());
    asked.answer(page(0, 7));
    assert_eq!(asked.world.lamports(&asked.worker.wallet()) - worker, fee);
    for op in 8..15 {
        asked.shown(page(0, op));
    }
    let spent = asked.world.lamports(&treasury);
    asked.shown(page(0, 15));
    assert_eq!(asked.world.lamports(&treasury) - spent, 3 * fee);
}

#[test]
fn fails_for_the_devices_own_wallets_and_keys() {
    let mut asked = Asked::new();
    for own in [asked.worker.owner.clone(), asked.worker.key.clone()] {
        let asking = asked.world.asking(&own, &asked.job, TRACES);
        asked.world.give_sol(&own.pubkey(), 1_000_000_000);
        asked.world.refuse(asking, &[&own], JobsError::WorkerCannotChallenge);
    }
}

#[test]
fn a_part_is_demanded_once_for_all_challengers() {
    let mut asked = Asked::new();
    let other = asked.world.wallet("erin");
    asked.ask(TRACES);
    let again = asked.world.asking(&other, &asked.job, TRACES);
    asked.world.refuse(again.clone(), &[&other], Failure::ALREADY_IN_USE);
    asked.answer(TRACES);
    asked.world.refuse(again, &[&other], Failure::ALREADY_IN_USE);
}

#[test]
fn fails_for_parts_that_no_result_of_this_job_has() {
    let mut asked = Asked::new();
    asked.shown(ops(0));
    asked.shown(page(0, 0));
    let absent = [
        ops(UNITS),
        Item { op: 1, ..ops(0) },
        Item { index: 1, ..ops(0) },
        Item::traces(1),
        Item { unit: 1, ..TRACES },
        Item { op: 1, ..OUTPUTS },
        page(0, OPS),
        Item::page(0, 0, MAX_CHUNKS / PAGE),
        // The page states that there are five chunks.
        chunk(0, 0, 5),
    ];
    for item in absent {
        let asking = asked.asking(item);
        asked.world.refuse(asking, &[&asked.challenger], JobsError::InvalidDemand);
    }
    asked.ask(chunk(0, 0, 4));
    // A kind that does not exist, at the address it would have.
    let mut asking = asked.asking(TRACES);
    let raw = ::jobs::Item {
        kind: 5,
        unit: 0,
        op: 0,
        index: 0,
    };
    let seeds: [&[u8]; 3] = [b"demand", asked.job.as_ref(), &raw.seed()];
    let (address, _) = Address::find_program_address(&seeds, &::jobs::ID);
    asking = substituted(&asking, &market::demand::address(&asked.job, TRACES), &address);
    asking.data[8] = 5;
    asked.world.refuse(asking, &[&asked.challenger], JobsError::InvalidDemand);
}

#[test]
fn fails_before_the_part_above_is_shown() {
    let mut asked = Asked::new();
    let early = asked.asking(page(0, 3));
    // The demand for the part above does not exist, then is open, then is about another unit.
    asked
        .world
        .refuse(early.clone(), &[&asked.challenger], InstructionError::UninitializedAccount);
    asked.ask(ops(0));
    asked.world.refuse(early.clone(), &[&asked.challenger], JobsError::InvalidDemand);
    asked.shown(ops(1));
    let of = |item| market::demand::address(&asked.job, item);
    let crossed = substituted(&early, &of(ops(0)), &of(ops(1)));
    asked.world.refuse(crossed, &[&asked.challenger], JobsError::InvalidDemand);
    let without = substituted(&early, &of(ops(0)), &::jobs::ID);
    asked.world.refuse(without, &[&asked.challenger], JobsError::InvalidDemand);
    asked.answer(ops(0));
    asked.world.send(early, &[&asked.challenger]);

    // Nor does another job's answer count, nor can a chunk be demanded without its page.
    let (other, run) = asked.other_job();
    asked.world.ask(&asked.challenger.clone(), &other, ops(2));
    asked.world.answer(&asked.other, &other, &run, ops(2));
    asked.ask(ops(2));
    let foreign = substituted(
        &asked.asking(page(2, 0)),
        &market::demand::address(&asked.job, ops(2)),
        &market::demand::address(&other, ops(2)),
    );
    asked.world.refuse(foreign, &[&asked.challenger], JobsError::InvalidDemand);
    let chunk_first = asked.asking(chunk(0, 3, 0));
    asked.world.refuse(chunk_first, &[&asked.challenger], JobsError::InvalidDemand);
}

#[test]
fn slow_answers_leave_less_time_for_the_next_and_prompt_ones_cost_nothing() {
    let mut asked = Asked::new();
    let allowed = |asked: &mut Asked, item| {
        let address = asked.ask(item);
        let demand = asked.world.demand(&address);
        demand.deadline().unix - demand.opened().unix
    };
    // Five answers take 300 seconds each, of which 270 count; the window is extended each time.
    for (unit, expected) in [(0, 300), (1, 300), (2, 300), (3, 300), (4, 300)] {
        assert_eq!(allowed(&mut asked, ops(unit)), expected);
        asked.world.wait(300);
        asked.answer(ops(unit));
    }
    assert_eq!(asked.world.job(&asked.job).answer_used.get(), 5 * 270);
    asked.world.wait(30);
    for op in 0..3 {
        // A prompt answer uses up nothing.
        assert_eq!(allowed(&mut asked, page(0, op)), 300);
        asked.answer(page(0, op));
    }
    assert_eq!(allowed(&mut asked, page(0, 4)), 300);
    asked.world.wait(230);
    asked.answer(page(0, 4));
    assert_eq!(asked.world.job(&asked.job).answer_used.get(), 5 * 270 + 200);
    assert_eq!(allowed(&mut asked, page(0, 5)), 250);
    asked.world.wait(280);
    asked.answer(page(0, 5));
    assert_eq!(allowed(&mut asked, page(0, 6)), 30);
    asked.world.wait(1_000);
    asked.answer(page(0, 6));
    assert_eq!(asked.world.job(&asked.job).answer_used.get(), 1_800);
}

#[test]
fn an_answer_leaves_time_for_the_next_question_up_to_forty_minutes_in_all() {
    let mut asked = Asked::new();
    let end = asked.world.deadline(&asked.job);
    asked.shown(ops(0));
    assert_eq!(asked.world.deadline(&asked.job), end, "there was enough time left");
    let first = asked.ask(page(0, 0));
    asked.world.go_to(end);
    asked.answer(page(0, 0));
    assert_eq!(asked.world.deadline(&asked.job), end.after(120));
    assert!(asked.world.demand(&first).answered.get());
    // A griefer demands parts of its own worker's result and has them answered in the last second, again and again.
    let mut extended = 120;
    for op in 1..OPS {
        let now = asked.world.deadline(&asked.job);
        asked.world.go_to(Moment {
            unix: now.unix - 1,
            slot: now.slot - 1,
        });
        asked.shown(page(0, op));
        extended = u32::from(asked.world.job(&asked.job).window_extended.get());
        if extended == 2_400 {
            break;
        }
    }
    assert_eq!(extended, 2_400);
    let last = asked.world.deadline(&asked.job);
    assert_eq!(last, end.after(2_400));
    asked.world.go_to(last);
    let cranker = asked.world.wallet("cranker");
    let settle = market::job::settle_job(
        &cranker.pubkey(),
        &ending(&asked.consumer, &asked.worker, &asked.job),
        &asked.worker.tokens,
    );
    asked.world.send(settle, &[&cranker]);
}

#[test]
fn a_job_is_not_paid_while_a_demand_is_open() {
    let mut asked = Asked::new();
    asked.ask(ops(0));
    asked.world.wait_for_deadline(&asked.job);
    let cranker = asked.world.wallet("cranker");
    let settle = market::job::settle_job(
        &cranker.pubkey(),
        &ending(&asked.consumer, &asked.worker, &asked.job),
        &asked.worker.tokens,
    );
    asked.world.refuse(settle.clone(), &[&cranker], JobsError::DemandsOpen);
    asked.answer(ops(0));
    asked.world.refuse(settle.clone(), &[&cranker], JobsError::DeadlineNotPassed);
    asked.world.wait(120);
    asked.world.send(settle, &[&cranker]);
}

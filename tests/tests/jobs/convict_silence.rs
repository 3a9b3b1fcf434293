use super::demands::{Asked, TRACES, ops};
use ::jobs::Status;
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::{IO, Moment};
use solana_signer::Signer;
use tests::{Failure, PARAMETERS, substituted, terms};

#[test]
fn silence_costs_the_bond_and_pays_the_challenger() {
    let mut asked = Asked::new();
    let demand = asked.ask(ops(2));
    let deadline = asked.world.demand(&demand).deadline();
    let anyone = asked.world.wallet("anyone");
    let silence = asked.silence(&anyone.pubkey(), ops(2));
    asked.world.go_to(deadline);
    asked.world.sweep(&silence, &[&anyone], &[]);
    asked.world.send(silence, &[&anyone]);
    let (world, job) = (&mut asked.world, asked.job);
    assert_eq!((world.job(&job).status, world.job(&job).open_demands), (Status::Convicted as u8, 0));
    let escrow = world.escrow(&asked.consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get()), (1_000 * IO, 0));
    assert_eq!(world.balance(&asked.consumer.tokens), 1_000 * IO + 2 * IO);
    let device = world.device(&asked.worker.device);
    assert_eq!(
        (
            device.own_stake.get(),
            device.owed.get(),
            device.forfeited.get(),
            device.locked_bond.get()
        ),
        (990 * IO, 8 * IO, 0, 0)
    );
    let conviction = world.conviction(&job);
    assert_eq!(
        (conviction.challenger, conviction.payer, conviction.sealed_slot.get()),
        (asked.challenger.pubkey(), anyone.pubkey(), 0)
    );
    assert_eq!((conviction.fault, conviction.unit.get(), conviction.reward.get()), (4, 2, 3 * IO));
    world.wait(30);
    let award = market::job::award(&anyone.pubkey(), &job, &conviction, &asked.tokens);
    world.send(award, &[&anyone]);
    assert_eq!(world.balance(&asked.tokens), 3 * IO);
    // Rent and fee of the demand return to its challenger.
    let (before, held) = (world.lamports(&asked.challenger.pubkey()), world.lamports(&demand));
    world.send(market::demand::close(&asked.challenger.pubkey(), &job, &demand), &[]);
    assert_eq!(world.lamports(&asked.challenger.pubkey()) - before, held);
    assert!(held > u64::from(PARAMETERS.demand_fee));
}

#[test]
fn fails_before_the_time_has_passed_by_both_clocks() {
    let mut asked = Asked::new();
    let demand = asked.ask(TRACES);
    let challenger = asked.challenger.clone();
    let silence = asked.silence(&challenger.pubkey(), TRACES);
    let deadline = asked.world.demand(&demand).deadline();
    let check = |asked: &Asked, deadline: Moment| {
        for (mut world, reached) in asked.world.around(deadline) {
            if reached {
                world.send(silence.clone(), &[&challenger]);
            } else {
                world.refuse(silence.clone(), &[&challenger], JobsError::DeadlineNotPassed);
            }
        }
    };
    check(&asked, deadline);
    // A restart gives the 300 seconds again.
    let restart = asked.world.now().slot + 1;
    asked.world.restarted_in(restart);
    let extended = Moment {
        unix: deadline.unix + 300,
        slot: restart + 750,
    };
    check(&asked, extended);
}

#[test]
fn fails_for_an_answered_demand_a_foreign_one_and_a_job_that_is_not_revealed() {
    let mut asked = Asked::new();
    let (other, _) = asked.other_job();
    let foreign = asked.world.ask(&asked.challenger.clone(), &other, TRACES);
    let own = asked.shown(TRACES);
    let challenger = asked.challenger.clone();
    let silence = asked.silence(&challenger.pubkey(), TRACES);
    asked.world.wait(299);
    asked.ask(ops(0));
    asked.world.wait(1_000);
    asked.world.refuse(silence.clone(), &[&challenger], JobsError::DemandAnswered);
    let crossed = substituted(&silence, &own, &foreign);
    asked.world.refuse(crossed, &[&challenger], JobsError::AccountMismatch);
    let silence = asked.silence(&challenger.pubkey(), ops(0));
    asked.world.send(silence.clone(), &[&challenger]);
    // A second conviction fails.
    asked.world.refuse(silence, &[&challenger], Failure::ALREADY_IN_USE);
}

#[test]
fn a_demand_does_not_outlive_its_job_at_an_address_used_again() {
    let mut asked = Asked::new();
    let (challenger, cranker) = (asked.challenger.clone(), asked.world.wallet("cranker"));
    let demand = asked.ask(TRACES);
    asked.world.wait(300);
    let silence = asked.silence(&challenger.pubkey(), TRACES);
    asked.world.send(silence.clone(), &[&challenger]);
    asked.world.wait(30);
    let award = market::job::award(&cranker.pubkey(), &asked.job, &asked.world.conviction(&asked.job), &asked.tokens);
    asked.world.send(award, &[&cranker]);
    // The consumer opens another job under the same id, and an honest worker takes it.
    let again = asked.world.open(&asked.consumer, 1, terms());
    assert_eq!(again, asked.job);
    asked.world.work(&asked.worker, &again);
    asked.world.refuse(silence, &[&challenger], JobsError::AccountMismatch);
    // The old demand's account blocks a new demand until anybody closes it.
    let asking = asked.asking(TRACES);
    asked.world.refuse(asking.clone(), &[&challenger], Failure::ALREADY_IN_USE);
    asked.world.send(market::demand::close(&challenger.pubkey(), &again, &demand), &[]);
    asked.world.send(asking, &[&challenger]);
}

#[test]
fn nobody_overtakes_silence() {
    let mut asked = Asked::of({
        let lie = |unit: u32, op: usize, value: &mut Vec<u8>| {
            if (unit, op) == (1, 4) {
                value[99] ^= 1;
            }
        };
        protocol::testing::Run::new(
            &super::demands::graph(),
            &protocol::testing::Rng::new(7),
            super::demands::UNITS,
            &lie,
        )
    });
    let rival = asked.world.wallet("erin");
    let evidence = asked.world.show(&rival, &asked.job, &asked.run.element(1, 4, 99));
    asked.ask(TRACES);
    asked.world.wait(300);
    let silence = asked.silence(&asked.challenger.pubkey(), TRACES);
    asked.world.send(silence, &[&asked.challenger]);
    let facts = asked.world.job(&asked.job);
    let overtake = market::job::overtake(&rival.pubkey(), &asked.job, &facts.model, &facts.device, &evidence);
    asked.world.refuse(overtake, &[&rival], JobsError::SealNotEarlier);
}

//! Forced errors: a permit from its issue until it is opened, confessed to or closed.

use super::convict::{LIE, delivered};
use ::jobs::error::JobsError;
use ::jobs::state::MIN_QUESTION;
use ::jobs::{JobTerms, Parameters, Status};
use chain::market;
use protocol::demand::Item;
use protocol::hash::Hash;
use protocol::permit;
use protocol::testing::Run;
use protocol::units::{Bps, IO, Moment};
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use spl_token_interface::error::TokenError;
use std::sync::Arc;
use tests::{Consumer, Failure, PARAMETERS, Work, Worker, World, ending, key, revealing, substituted, terms, tiny_run};

const SECRET: Hash = [0x5E; 32];
const JACKPOT: u64 = 70 * IO;
/// Prices that an error is worth. Seven of the jobs here cost 70 $IO at least, and nothing is worth more than the jackpot.
const MULTIPLE: u16 = 7;

/// A device with a permit that draws every job, a job in which it has erred, and a challenger.
#[derive(Clone)]
struct Forced {
    world: World,
    worker: Worker,
    consumer: Consumer,
    challenger: Arc<Keypair>,
    /// The challenger's $IO account.
    tokens: Address,
    /// The authority's $IO account.
    purse: Address,
    job: Address,
    run: Arc<Run>,
}

impl Forced {
    fn new() -> Self {
        let (mut forced, run) = (Self::without_job(), tiny_run(1, Some(LIE)));
        forced.issue(10_000);
        forced.err(1, terms(), &run);
        forced
    }

    fn without_job() -> Self {
        let mut world = World::new();
        let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
        let (challenger, admin, io) = (world.wallet("carol"), world.admin.pubkey(), world.io);
        let tokens = world.give_tokens(&challenger.pubkey(), &io, 0);
        let purse = world.give_tokens(&admin, &io, 100 * IO);
        Self {
            world,
            worker,
            consumer,
            challenger,
            tokens,
            purse,
            job: Address::default(),
            run: Arc::new(tiny_run(1, Some(LIE))),
        }
    }

    fn issuing(&self, seal: Hash, rate: u16, multiple: u16, jackpot: u64) -> Instruction {
        let (payer, admin, io) = (self.world.payer.pubkey(), self.world.admin.pubkey(), self.world.io);
        market::permit::issue(&payer, &admin, &io, &self.purse, seal, rate, multiple, jackpot)
    }

    #[track_caller]
    fn issue(&mut self, rate: u16) {
        self.issue_with(rate, MULTIPLE);
    }

    #[track_caller]
    fn issue_with(&mut self, rate: u16, multiple: u16) {
        let issue = self.issuing(self.seal(), rate, multiple, JACKPOT);
        self.world.send(issue, &[&self.world.admin.clone()]);
    }

    /// Issues a permit to another device.
    #[track_caller]
    fn issue_to(&mut self, device: &Address) -> Address {
        let seal = permit::seal(device.as_array(), &SECRET);
        let issue = self.issuing(seal, 10_000, MULTIPLE, IO);
        self.world.send(issue, &[&self.world.admin.clone()]);
        market::permit::address(&seal)
    }

    fn seal(&self) -> Hash {
        permit::seal(self.worker.device.as_array(), &SECRET)
    }

    fn address(&self) -> Address {
        market::permit::address(&self.seal())
    }

    /// Does a job on these terms, with the permit's nonce.
    #[track_caller]
    fn err(&mut self, id: u64, terms: JobTerms, run: &Run) {
        let inputs = run.claim.inputs;
        self.job = self.world.open(&self.consumer, id, JobTerms { inputs, ..terms });
        let work = Work {
            nonce: permit::nonce(&SECRET, &self.world.job(&self.job).job_hash),
            ..Work::of(run)
        };
        self.world.claim(&self.worker, &self.job);
        self.world.commit_to(&self.worker, &self.job, work);
        if self.world.job(&self.job).awaits_draw() {
            self.world.pass(4, 9);
            self.world.send(market::audit::draw(&self.job), &[]);
        }
        if self.world.job(&self.job).awaits_auditor() {
            self.world.wait_for_deadline(&self.job);
            self.world.send(market::audit::skip(&self.job), &[]);
        }
        self.world.send(revealing(&self.worker, &self.job, work), &[&self.worker.key]);
    }

    #[track_caller]
    fn convict(&mut self) {
        let evidence = self.run.element(LIE.0, 0, LIE.1 as u32);
        let evidence = self.world.show(&self.challenger, &self.job, &evidence);
        let compensated = market::token_account(&self.consumer.wallet(), &self.world.io);
        let (model, escrow) = (self.world.model, self.consumer.escrow);
        let who = self.challenger.pubkey();
        let convict = market::job::convict(&who, &self.job, &model, &escrow, &self.worker.device, &evidence, &compensated);
        self.world.send(convict, &[&self.challenger]);
    }

    fn opening(&self) -> Instruction {
        market::permit::open(&self.job, &self.worker.device, SECRET)
    }

    fn awarding(&self) -> Instruction {
        let conviction = self.world.conviction(&self.job);
        market::job::award(&self.challenger.pubkey(), &self.job, &conviction, &self.tokens)
    }

    fn confessing(&self, cranker: &Address) -> Instruction {
        market::permit::confess(cranker, &ending(&self.consumer, &self.worker, &self.job), SECRET)
    }

    /// Checks that a confession is too early exactly until `moment`, by both clocks, and that a demand blocks one exactly until then.
    #[track_caller]
    fn check_confessable_from(&self, moment: Moment) {
        let (who, confession) = (&self.challenger, self.confessing(&self.challenger.pubkey()));
        for (mut world, reached) in self.world.around(moment) {
            let mut asked = world.clone();
            asked.ask(who, &self.job, Item::outputs(0));
            if reached {
                world.send(confession.clone(), &[who]);
                asked.send(confession.clone(), &[who]);
            } else {
                world.refuse(confession.clone(), &[who], JobsError::TooEarlyToConfess);
                asked.refuse(confession.clone(), &[who], JobsError::DemandsOpen);
            }
        }
    }

    fn closing(&self) -> Instruction {
        let (admin, payer) = (self.world.admin.pubkey(), self.world.payer.pubkey());
        market::permit::close(&admin, &payer, &self.address(), &self.purse)
    }

    fn permit(&self) -> ::jobs::Permit {
        self.world.books().permits[&self.address()]
    }

    fn vault(&self) -> Address {
        market::permit::vault(&self.address())
    }
}

#[test]
fn the_challenger_of_an_error_by_permit_wins_the_jackpot_and_the_device_keeps_what_would_burn() {
    let mut forced = Forced::new();
    let supply = forced.world.supply(&forced.world.io);
    forced.convict();
    let opening = forced.opening();
    forced.world.sweep(&opening, &[], &[]);
    forced.world.send(opening.clone(), &[]);
    let device = forced.world.device(&forced.worker.device);
    assert_eq!(
        (device.own_stake.get(), device.owed.get(), device.forfeited.get()),
        (995 * IO, 73 * IO, 0)
    );
    assert_eq!(device.jobs_convicted.get(), 0);
    let conviction = forced.world.conviction(&forced.job);
    assert_eq!((conviction.reward.get(), conviction.burned.get()), (73 * IO, 0));
    assert_eq!((forced.permit().opened.get(), forced.permit().jackpot.get()), (true, 0));
    forced.world.refuse(opening, &[], JobsError::WrongSecret);

    forced.world.wait(30);
    let award = market::job::award(
        &forced.challenger.pubkey(),
        &forced.job,
        &forced.world.conviction(&forced.job),
        &forced.tokens,
    );
    forced.world.send(award, &[&forced.challenger]);
    assert_eq!(forced.world.balance(&forced.tokens), 73 * IO);
    assert_eq!(forced.world.balance(&forced.consumer.tokens), 1_002 * IO);
    assert_eq!(forced.world.balance(&forced.worker.vault()), 995 * IO);
    assert_eq!(forced.world.supply(&forced.world.io), supply, "nothing burns");
}

#[test]
fn a_prize_follows_the_price_and_the_rest_of_the_jackpot_returns() {
    let mut forced = Forced::without_job();
    forced.issue_with(10_000, 3);
    forced.err(1, terms(), &tiny_run(1, Some(LIE)));
    let prize = 3 * 10 * forced.world.job(&forced.job).price.get();
    assert!((30 * IO..JACKPOT).contains(&prize), "{prize}");
    forced.convict();
    forced.world.send(forced.opening(), &[]);
    assert_eq!(forced.world.conviction(&forced.job).reward.get(), 3 * IO + prize);
    assert_eq!(forced.permit().jackpot.get(), JACKPOT - prize);
    let close = forced.closing();
    forced.world.send(close, &[&forced.world.admin.clone()]);
    assert_eq!(forced.world.balance(&forced.purse), 100 * IO - prize);
}

/// An auditor is paid out of the price, and may be a second device of the consumer's.
#[test]
fn audits_lower_what_an_error_earns() {
    for (audit_bps, excused) in [(5_000, true), (6_000, false)] {
        let mut forced = Forced::without_job();
        forced.issue(10_000);
        forced.err(1, JobTerms { audit_bps, ..terms() }, &tiny_run(1, Some(LIE)));
        let price = 10 * forced.world.job(&forced.job).price.get();
        forced.convict();
        if excused {
            forced.world.send(forced.opening(), &[]);
            assert_eq!(forced.permit().jackpot.get(), JACKPOT - u64::from(MULTIPLE) * (price - price / 2));
        } else {
            // Seven times two fifths of the price are less than three times the bond.
            forced.world.refuse(forced.opening(), &[], JobsError::NotByPermit);
        }
    }
}

#[test]
fn an_error_in_a_job_with_no_more_than_its_price_at_risk_is_excused() {
    let mut forced = Forced::without_job();
    forced.issue(10_000);
    let at_risk = JobTerms {
        value_at_risk: 10 * IO,
        ..terms()
    };
    forced.err(1, at_risk, &tiny_run(1, Some(LIE)));
    forced.convict();
    let compensation = forced.world.balance(&forced.consumer.tokens);
    assert_eq!(compensation, 1_002 * IO);
    forced.world.wait(30);
    forced
        .world
        .refuse(forced.awarding(), &[&forced.challenger], JobsError::PermitSealed);
    forced.world.send(forced.opening(), &[]);
    forced.world.send(forced.awarding(), &[&forced.challenger]);
}

#[test]
fn a_permit_that_is_used_keeps_no_challenger_waiting() {
    let run = tiny_run(1, Some(LIE));
    let (mut opened, mut confessed) = (Forced::new(), Forced::new());
    opened.convict();
    opened.world.send(opened.opening(), &[]);
    opened.world.wait(30);
    opened.world.send(opened.awarding(), &[&opened.challenger]);
    confessed.world.wait(150);
    let confession = confessed.confessing(&confessed.challenger.pubkey());
    confessed.world.send(confession, &[&confessed.challenger]);
    for mut forced in [opened, confessed] {
        forced.job = delivered(&mut forced.world, &forced.consumer, &forced.worker, 2, &run, 10 * IO);
        forced.convict();
        forced.world.wait(30);
        let mut sealed = forced.clone();
        sealed.issue_to(&key("another device").pubkey());
        sealed
            .world
            .refuse(sealed.awarding(), &[&sealed.challenger], JobsError::PermitSealed);
        forced.world.send(forced.awarding(), &[&forced.challenger]);
        let close = forced.closing();
        forced.world.send(close, &[&forced.world.admin.clone()]);
    }
}

#[test]
fn a_permit_that_is_issued_again_does_not_excuse_the_same_error_again() {
    let mut forced = Forced::new();
    let admin = forced.world.admin.clone();
    forced.convict();
    forced.world.send(forced.opening(), &[]);
    let close = forced.closing();
    forced.world.send(close, &[&admin]);
    let io = forced.world.io;
    forced.world.give_tokens(&admin.pubkey(), &io, JACKPOT);
    forced.issue(10_000);
    forced.world.refuse(forced.opening(), &[], JobsError::NotByPermit);
}

#[test]
fn an_earlier_seal_takes_the_jackpot_over_with_the_reward() {
    let mut forced = Forced::new();
    let early = forced.world.wallet("dave");
    let (io, dave) = (forced.world.io, early.pubkey());
    let tokens = forced.world.give_tokens(&dave, &io, 0);
    let evidence = forced.run.element(LIE.0, 0, LIE.1 as u32);
    let evidence = forced.world.show(&early, &forced.job, &evidence);
    forced.convict();
    forced.world.send(forced.opening(), &[]);
    let overtake = market::job::overtake(&dave, &forced.job, &forced.world.model, &forced.worker.device, &evidence);
    forced.world.send(overtake, &[&early]);
    forced.world.wait(30);
    let award = market::job::award(&dave, &forced.job, &forced.world.conviction(&forced.job), &tokens);
    forced.world.send(award, &[&early]);
    assert_eq!(forced.world.balance(&tokens), 73 * IO);
}

#[test]
fn fails_unless_the_job_is_convicted_and_its_challenger_not_paid() {
    let mut forced = Forced::new();
    forced.world.refuse(forced.opening(), &[], Failure::GONE);
    forced.convict();
    let late = forced.opening();
    forced.world.wait(30 + 3_600);
    forced.world.send(forced.awarding(), &[&forced.challenger]);
    forced.world.refuse(late, &[], InstructionError::UninitializedAccount);
    assert_eq!(forced.world.device(&forced.worker.device).forfeited.get(), 5 * IO);
}

#[test]
fn the_challenger_of_an_error_that_may_be_by_permit_is_not_paid_without_the_jackpot_for_an_hour() {
    let mut forced = Forced::new();
    forced.convict();
    let award = forced.awarding();
    let priority = forced.world.deadline(&forced.job);
    for (mut world, reached) in forced.world.around(priority) {
        let error = if reached {
            JobsError::PermitSealed
        } else {
            JobsError::DeadlineNotPassed
        };
        world.refuse(award.clone(), &[&forced.challenger], error);
    }
    for (mut world, reached) in forced.world.around(priority.after(3_600)) {
        if reached {
            world.send(award.clone(), &[&forced.challenger]);
        } else {
            world.refuse(award.clone(), &[&forced.challenger], JobsError::PermitSealed);
            // Whenever the permit is opened before then, the challenger can be paid at once, with the jackpot, whoever else has a permit.
            let mut opened = forced.clone();
            opened.world = world;
            opened.issue_to(&key("another device").pubkey());
            let mut world = opened.world;
            world.send(forced.opening(), &[]);
            world.send(award.clone(), &[&forced.challenger]);
            assert_eq!(world.balance(&forced.tokens), 73 * IO);
        }
    }
    // An hour is also what the challenger of a device without a permit waits while another one has one: nobody can tell them apart.
    let (mut innocent, run) = (Forced::without_job(), tiny_run(1, Some(LIE)));
    let theirs = innocent.issue_to(&key("another device").pubkey());
    innocent.err(1, terms(), &run);
    innocent.convict();
    innocent.world.wait(30);
    let (award, challenger) = (innocent.awarding(), innocent.challenger.clone());
    innocent.world.refuse(award.clone(), &[&challenger], JobsError::PermitSealed);
    let mut later = innocent.world.clone();
    later.wait(3_600);
    later.send(award.clone(), &[&challenger]);
    // The promise ends with the last permit.
    let (admin, payer) = (innocent.world.admin.clone(), innocent.world.payer.pubkey());
    let close = market::permit::close(&admin.pubkey(), &payer, &theirs, &innocent.purse);
    innocent.world.send(close, &[&admin]);
    innocent.world.send(award, &[&challenger]);
    // Nobody waits where no permit can excuse the error.
    let mut valuable = Forced::without_job();
    valuable.issue(10_000);
    let at_risk = JobTerms {
        value_at_risk: 20 * IO,
        ..terms()
    };
    valuable.err(1, at_risk, &tiny_run(1, Some(LIE)));
    valuable.convict();
    valuable.world.wait(30);
    valuable.world.send(valuable.awarding(), &[&valuable.challenger]);
}

#[test]
fn a_lie_that_was_not_by_permit_is_not_excused_by_one() {
    let run = tiny_run(1, Some(LIE));
    // A nonce that does not follow from the secret.
    let mut plain = Forced::without_job();
    plain.issue(10_000);
    plain.job = delivered(&mut plain.world, &plain.consumer, &plain.worker, 1, &run, 10 * IO);
    // A permit issued after the conviction, whatever its secret.
    let mut after = Forced::without_job();
    after.job = delivered(&mut after.world, &after.consumer, &after.worker, 1, &run, 10 * IO);
    after.convict();
    after.issue(10_000);
    // A job that the secret does not draw.
    let mut undrawn = Forced::without_job();
    undrawn.issue(1);
    undrawn.err(1, terms(), &run);
    let hash = undrawn.world.job(&undrawn.job).job_hash;
    assert!(!permit::is_drawn(&SECRET, &hash, Bps::new(1).unwrap()));
    // A job with a value at risk above its price.
    let mut valuable = Forced::without_job();
    valuable.issue(10_000);
    valuable.err(
        1,
        JobTerms {
            value_at_risk: 20 * IO,
            ..terms()
        },
        &run,
    );
    // A job with so short a window that the consumer might pay before the device confesses.
    let mut hasty = Forced::without_job();
    hasty.issue(10_000);
    hasty.err(
        1,
        JobTerms {
            window_seconds: permit::LEAST_WINDOW - 1,
            ..terms()
        },
        &run,
    );
    // A job whose bond is more than a third of what the error would be worth.
    let mut dear = Forced::without_job();
    dear.issue_with(10_000, 1);
    dear.err(1, terms(), &run);
    let mut cheap = Forced::without_job();
    cheap.issue(10_000);
    let dust = JobTerms {
        start_price: 1,
        max_price: 1,
        bond: IO,
        ..terms()
    };
    cheap.err(1, dust, &run);
    // A job whose price, in another mint, does not tell what it is worth.
    let mut foreign = Forced::without_job();
    foreign.issue(10_000);
    let (usd, io) = (foreign.world.mint("usd", 9), foreign.world.io);
    foreign.consumer = foreign.world.consumer_in("dora", &usd);
    foreign.world.give_tokens(&foreign.consumer.wallet(), &io, 0);
    foreign.err(1, terms(), &run);
    for mut forced in [plain, undrawn, valuable, hasty, dear, cheap, foreign] {
        let confession = forced.confessing(&forced.challenger.pubkey());
        forced.world.wait(150);
        forced.world.refuse(confession, &[&forced.challenger], JobsError::NotByPermit);
        forced.convict();
        forced.world.refuse(forced.opening(), &[], JobsError::NotByPermit);
        assert_eq!(forced.permit().jackpot.get(), JACKPOT);
    }
    after.world.refuse(after.opening(), &[], JobsError::NotByPermit);
}

#[test]
fn a_replica_is_never_wrong_by_permit() {
    let mut forced = Forced::without_job();
    forced.issue(10_000);
    let other = forced.world.worker("erin");
    let (run, inputs) = (forced.run.clone(), forced.run.claim.inputs);
    let replicas = forced.world.open_replicas(
        &forced.consumer,
        1,
        JobTerms {
            inputs,
            replicas: 2,
            ..terms()
        },
    );
    forced.world.open_doors();
    for (index, worker) in [&forced.worker, &other].into_iter().enumerate() {
        let claim = forced.world.claiming_replica(worker, &replicas, index);
        forced.world.send(claim, &[&worker.key]);
    }
    forced.job = replicas[0];
    let work = Work {
        nonce: permit::nonce(&SECRET, &forced.world.job(&forced.job).job_hash),
        ..Work::of(&run)
    };
    forced.world.commit_to(&forced.worker, &replicas[0], work);
    forced.world.commit(&other, &replicas[1]);
    let call = market::job::call_reveals(&forced.world.living(&replicas));
    let reveal = revealing(&forced.worker, &forced.job, work);
    forced.world.send_all(&[call, reveal], &[&forced.worker.key]);
    forced.convict();
    forced.world.refuse(forced.opening(), &[], JobsError::NotByPermit);
}

#[test]
fn only_the_secret_opens_and_only_for_the_device_it_was_sealed_for() {
    let mut forced = Forced::new();
    let other = forced.world.worker("erin");
    forced.convict();
    let secret = [0x5F; 32];
    let wrong = market::permit::open(&forced.job, &forced.worker.device, secret);
    let address = market::permit::address(&permit::seal(forced.worker.device.as_array(), &secret));
    let wrong = substituted(&wrong, &address, &forced.address());
    let wrong = substituted(&wrong, &market::permit::vault(&address), &forced.vault());
    forced.world.refuse(wrong, &[], JobsError::WrongSecret);
    // Another device's permit with the same secret.
    let theirs = forced.issue_to(&other.device);
    let borrowed = substituted(&forced.opening(), &forced.address(), &theirs);
    let borrowed = substituted(&borrowed, &forced.vault(), &market::permit::vault(&theirs));
    forced.world.refuse(borrowed, &[], JobsError::WrongSecret);
    // Nor can the jackpot come from another permit's vault.
    let foreign = substituted(&forced.opening(), &forced.vault(), &market::permit::vault(&theirs));
    forced.world.refuse(foreign, &[], InstructionError::InvalidSeeds);
}

#[test]
fn a_confession_refunds_the_consumer_and_leaves_the_jackpot() {
    let mut forced = Forced::new();
    let cranker = forced.world.wallet("dave");
    forced.world.wait(150);
    let confession = forced.confessing(&cranker.pubkey());
    forced.world.sweep(&confession, &[&cranker], &[]);
    forced.world.send(confession.clone(), &[&cranker]);
    let escrow = forced.world.escrow(&forced.consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get(), escrow.fees.get()), (1_000 * IO, 0, 0));
    let device = forced.world.device(&forced.worker.device);
    assert_eq!((device.own_stake.get(), device.locked_bond.get()), (1_000 * IO - IO / 2, 0));
    assert_eq!((device.forfeited.get(), device.jobs_missed.get()), (IO / 2, 1));
    assert_eq!((forced.permit().opened.get(), forced.permit().jackpot.get()), (true, JACKPOT));
    assert!(forced.world.account(&forced.job).is_none());
    forced.world.refuse(confession, &[&cranker], Failure::GONE);
}

#[test]
fn the_first_half_of_the_window_belongs_to_challengers() {
    let mut forced = Forced::new();
    let revealed = forced.world.now();
    forced.check_confessable_from(revealed.after(150));
    // After a restart the whole window begins again by slots, and is added to what was left by unix time.
    let restart = revealed.slot + 1;
    forced.world.restarted_in(restart);
    forced.check_confessable_from(Moment {
        unix: revealed.unix + 450,
        slot: restart + 375,
    });
}

#[test]
fn no_confession_ends_a_dispute() {
    let mut forced = Forced::new();
    let (who, job, run) = (forced.challenger.clone(), forced.job, forced.run.clone());
    let asked = Item::ops(0);
    forced.world.ask(&who, &job, asked);
    let confession = forced.confessing(&who.pubkey());
    forced.world.wait(240);
    forced.world.refuse(confession, &[&who], JobsError::DemandsOpen);
    // The answer leaves two minutes for the next question: one for challengers, one for the device to confess.
    forced.world.answer(&forced.worker, &job, &run, asked);
    let answered = forced.world.now();
    assert_eq!(forced.world.deadline(&job), answered.after(120));
    forced.check_confessable_from(answered.after(60));
}

#[test]
fn after_a_demand_all_but_the_last_minute_belongs_to_challengers() {
    let mut forced = Forced::new();
    let (who, job, run, revealed) = (forced.challenger.clone(), forced.job, forced.run.clone(), forced.world.now());
    forced.world.ask(&who, &job, Item::ops(0));
    forced.world.answer(&forced.worker, &job, &run, Item::ops(0));
    forced.check_confessable_from(revealed.after(240));
}

#[test]
fn the_shortest_times_leave_half_a_minute_to_confess() {
    for question_seconds in [MIN_QUESTION, PARAMETERS.question_seconds] {
        let (mut forced, run) = (Forced::without_job(), tiny_run(1, Some(LIE)));
        forced.issue(10_000);
        let admin = forced.world.admin.clone();
        let asking = Parameters {
            question_seconds,
            ..PARAMETERS
        };
        forced.world.send(market::job::set_parameters(&admin.pubkey(), asking), &[&admin]);
        let window_seconds = permit::LEAST_WINDOW;
        forced.err(1, JobTerms { window_seconds, ..terms() }, &run);
        let (who, job, revealed) = (forced.challenger.clone(), forced.job, forced.world.now());
        forced.check_confessable_from(revealed.after(30));
        forced.world.ask(&who, &job, Item::ops(0));
        forced.world.wait(20);
        forced.world.answer(&forced.worker, &job, &run, Item::ops(0));
        let end = forced.world.now().after(question_seconds);
        assert_eq!(forced.world.deadline(&job), end);
        forced.check_confessable_from(forced.world.now().after(question_seconds - 30));
    }
}

#[test]
fn no_demand_stops_a_confession_that_is_on_its_way() {
    let mut forced = Forced::new();
    let (who, job, run) = (forced.challenger.clone(), forced.job, forced.run.clone());
    let confession = forced.confessing(&who.pubkey());
    forced.world.wait(150);
    let asked = forced.world.ask(&who, &job, Item::ops(0));
    // An unanswered demand still convicts, as long as nobody confesses.
    let mut silent = forced.world.clone();
    silent.go_to(silent.demand(&asked).deadline());
    let compensated = market::token_account(&forced.consumer.wallet(), &silent.io);
    let device = &forced.worker.device;
    let silence = market::demand::convict_silence(&who.pubkey(), &job, &forced.consumer.escrow, device, &asked, &compensated);
    silent.send(silence, &[&who]);
    silent.refuse(confession.clone(), &[&who], JobsError::WrongStatus);
    // The answer extends the window for the next question, but a confession does not wait for it.
    forced.world.wait(100);
    forced.world.answer(&forced.worker, &job, &run, Item::ops(0));
    assert_eq!(forced.world.deadline(&job), forced.world.now().after(120));
    forced.world.clone().send(confession.clone(), &[&who]);
    let next = forced.world.ask(&who, &job, Item::page(0, 0, 0));
    forced.world.send(confession, &[&who]);
    // The challenger gets back the fees that no answer has earned.
    for demand in [asked, next] {
        let (before, held) = (forced.world.lamports(&who.pubkey()), forced.world.lamports(&demand));
        forced.world.send(market::demand::close(&who.pubkey(), &job, &demand), &[]);
        assert_eq!(forced.world.lamports(&who.pubkey()) - before, held);
    }
}

#[test]
fn what_is_convicted_or_not_revealed_cannot_be_confessed() {
    let mut forced = Forced::new();
    let who = forced.challenger.clone();
    forced.world.wait(150);
    forced.convict();
    assert_eq!(forced.world.job(&forced.job).status, Status::Convicted);
    let confession = forced.confessing(&who.pubkey());
    forced.world.refuse(confession, &[&who], JobsError::WrongStatus);
    let job = forced.world.open(&forced.consumer, 2, terms());
    forced.world.claim(&forced.worker, &job);
    forced.job = job;
    let confession = forced.confessing(&who.pubkey());
    forced.world.refuse(confession, &[&who], JobsError::WrongStatus);
}

#[test]
fn the_authority_alone_issues_a_permit_and_pays_its_jackpot() {
    let mut forced = Forced::without_job();
    let (admin, seal) = (forced.world.admin.clone(), forced.seal());
    for (rate, multiple, jackpot) in [(0, 1, 1), (10_001, 1, 1), (1, 0, 1), (1, 1, 0)] {
        let issue = forced.issuing(seal, rate, multiple, jackpot);
        forced.world.refuse(issue, &[&admin], JobsError::InvalidPermit);
    }
    let issue = forced.issuing(seal, 1, MULTIPLE, 100 * IO + 1);
    forced.world.refuse(issue, &[&admin], TokenError::InsufficientFunds);
    let thief = forced.challenger.clone();
    let issue = substituted(&forced.issuing(seal, 100, MULTIPLE, JACKPOT), &admin.pubkey(), &thief.pubkey());
    forced.world.refuse(issue, &[&thief], JobsError::NotAuthority);
    let issue = forced.issuing(seal, 100, MULTIPLE, JACKPOT);
    forced.world.sweep(&issue, &[&admin], &[]);
    forced.world.send(issue.clone(), &[&admin]);
    assert_eq!(forced.world.balance(&forced.vault()), JACKPOT);
    let permit = forced.permit();
    assert_eq!(
        (permit.seal, permit.rate_bps.get(), permit.multiple.get(), permit.opened.get()),
        (seal, 100, MULTIPLE, false)
    );
    // A seal has one permit.
    forced.world.refuse(issue, &[&admin], Failure::ALREADY_IN_USE);
    // The authority may pay the rents itself.
    let close = forced.closing();
    forced.world.send(close, &[&admin]);
    let (who, io) = (admin.pubkey(), forced.world.io);
    let alone = market::permit::issue(&who, &who, &io, &forced.purse, seal, 100, MULTIPLE, JACKPOT);
    forced.world.send(alone, &[&admin]);
    let close = market::permit::close(&who, &who, &forced.address(), &forced.purse);
    forced.world.send(close, &[&admin]);
}

#[test]
fn nothing_on_chain_names_the_device_of_a_sealed_permit() {
    let mut forced = Forced::without_job();
    let issue = forced.issuing(forced.seal(), 100, MULTIPLE, JACKPOT);
    let worker = &forced.worker;
    let known = [
        worker.device,
        worker.key.pubkey(),
        worker.owner.pubkey(),
        worker.tokens,
        worker.vault(),
    ];
    let names = |bytes: &[u8]| known.iter().any(|who| bytes.windows(32).any(|part| part == who.as_ref()));
    assert!(issue.accounts.iter().all(|meta| !names(meta.pubkey.as_ref())) && !names(&issue.data));
    forced.world.send(issue, &[&forced.world.admin.clone()]);
    assert!(!names(&forced.world.account(&forced.address()).unwrap().data));
}

#[test]
fn the_authority_alone_closes_a_permit_and_gets_back_what_nobody_has_won() {
    let mut forced = Forced::new();
    let (admin, payer) = (forced.world.admin.clone(), forced.world.payer.pubkey());
    let (io, vault) = (forced.world.io, forced.vault());
    forced.world.donate(&io, &vault, 3);
    let close = forced.closing();
    let thief = forced.challenger.clone();
    let stolen = substituted(&close, &admin.pubkey(), &thief.pubkey());
    forced.world.refuse(stolen, &[&thief], JobsError::NotAuthority);
    let elsewhere = substituted(&close, &payer, &thief.pubkey());
    forced.world.refuse(elsewhere, &[&admin], JobsError::AccountMismatch);
    forced.world.sweep(&close, &[&admin], &[]);
    forced.world.send(close, &[&admin]);
    assert_eq!(forced.world.balance(&forced.purse), 100 * IO + 3);
    // The error that was committed to is no longer permitted.
    forced.convict();
    forced.world.refuse(forced.opening(), &[], Failure::GONE);
}

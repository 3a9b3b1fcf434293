//! Results whose traces commit only to checkpoints: convicted by what their worker has shown on demand, and not without it.

use super::demands::{Asked, TRACES, graph, ops};
use ::jobs::Status;
use ::jobs::error::JobsError;
use chain::market;
use chain::market::job::Proof;
use protocol::testing::{Rng, Run};
use referee::error::RefereeError;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{Failure, terms};

/// Op with the error. It is not a checkpoint, which every seventh op and the last are.
const UNIT: u32 = 1;
const OP: usize = 16;

/// A lie of alice's, and carol's evidence of it.
struct Lie {
    asked: Asked,
    evidence: Address,
}

fn run(seed: u64, lies: bool) -> Run {
    let lie = |unit: u32, op: usize, value: &mut Vec<u8>| {
        if lies && (unit, op) == (UNIT, OP) {
            value[100] = 255;
        }
    };
    Run::new(&graph(), &Rng::new(seed), 3, &lie).every(7)
}

impl Lie {
    fn new() -> Self {
        let mut run = run(7, true);
        run.show(UNIT);
        let mut asked = Asked::of(run);
        let evidence = evidence_of(&mut asked, "carol");
        Self { asked, evidence }
    }

    fn convict(&self, by: &Address, evidence: &Address, shown: Option<Address>) -> Instruction {
        let (job, facts) = (self.asked.job, self.asked.world.job(&self.asked.job));
        let compensated = self.asked.consumer.tokens;
        let evidence = *evidence;
        let proof = Proof { evidence, shown };
        market::job::convict(by, &job, &facts.model, &facts.escrow, &facts.device, proof, &compensated)
    }

    fn convict_with(&self, shown: Option<Address>) -> Instruction {
        self.convict(&self.asked.challenger.pubkey(), &self.evidence, shown)
    }

    #[track_caller]
    fn refuse(&mut self, shown: Option<Address>, failure: impl Into<Failure>) {
        let challenger = self.asked.challenger.clone();
        let convict = self.convict_with(shown);
        self.asked.world.refuse(convict, &[&challenger], failure);
    }
}

/// Evidence of the lie, put on chain by the challenger of this name.
fn evidence_of(asked: &mut Asked, name: &str) -> Address {
    let bytes = asked.run.element(UNIT, OP, 100);
    let wallet = asked.world.wallet(name);
    asked.world.show(&wallet, &asked.job, &bytes)
}

#[test]
fn a_lie_between_checkpoints_convicts_by_what_its_worker_has_shown() {
    let mut lie = Lie::new();
    lie.refuse(None, RefereeError::UnitNotShown);
    let other = lie.asked.shown(ops(2));
    lie.refuse(Some(other), RefereeError::UnitNotShown);
    let traces = lie.asked.shown(TRACES);
    lie.refuse(Some(traces), JobsError::WrongDemand);
    let demand = lie.asked.ask(ops(UNIT));
    lie.refuse(Some(demand), JobsError::WrongDemand);
    lie.asked.answer(ops(UNIT));
    let challenger = lie.asked.challenger.clone();
    let convict = lie.convict_with(Some(demand));
    lie.asked.world.sweep(&convict, &[&challenger], &[]);
    lie.asked.world.send(convict, &[&challenger]);
    let conviction = lie.asked.world.conviction(&lie.asked.job);
    assert_eq!(
        (conviction.unit.get(), conviction.op.get(), conviction.index.get()),
        (UNIT, OP as u32, 100)
    );
}

#[test]
fn what_was_shown_of_another_job_convicts_nobody() {
    let mut lie = Lie::new();
    let world = &mut lie.asked.world;
    let honest = run(8, false);
    let job = world.run_job(&lie.asked.consumer, &lie.asked.other, 2, &honest);
    let demand = world.ask(&lie.asked.challenger, &job, ops(UNIT));
    world.answer(&lie.asked.other, &job, &honest, ops(UNIT));
    lie.refuse(Some(demand), JobsError::AccountMismatch);
}

#[test]
fn a_trace_of_all_ops_is_judged_by_the_trace() {
    let lied = Run::new(&graph(), &Rng::new(7), 3, &|unit, op, value| {
        if (unit, op) == (UNIT, OP) {
            value[100] = 255;
        }
    });
    let mut asked = Asked::of(lied);
    let demand = asked.shown(ops(UNIT));
    let evidence = evidence_of(&mut asked, "carol");
    let mut lie = Lie { asked, evidence };
    lie.refuse(Some(demand), JobsError::WrongDemand);
    let challenger = lie.asked.challenger.clone();
    let convict = lie.convict_with(None);
    lie.asked.world.send(convict, &[&challenger]);
}

/// The answer of an honest worker convicts nobody, whatever evidence claims.
#[test]
fn an_honest_answer_convicts_nobody() {
    let mut honest = run(7, false);
    honest.show(UNIT);
    let mut asked = Asked::of(honest);
    let demand = asked.shown(ops(UNIT));
    let evidence = evidence_of(&mut asked, "carol");
    let mut lie = Lie { asked, evidence };
    lie.refuse(Some(demand), JobsError::NotConvicted);
}

/// A challenger with an earlier seal may need the answer too, so it stays until the reward is paid.
#[test]
fn what_was_shown_stays_until_the_reward_is_paid() {
    let mut lie = Lie::new();
    let asked = &mut lie.asked;
    let demand = asked.shown(ops(UNIT));
    asked.world.pass(0, 1);
    let late = asked.world.wallet("dave");
    let of_late = evidence_of(asked, "dave");
    let unanswered = asked.ask(ops(0));
    let convict = lie.convict(&late.pubkey(), &of_late, Some(demand));
    lie.asked.world.send(convict, &[&late]);
    let (challenger, job) = (lie.asked.challenger.clone(), lie.asked.job);
    let close = |demand| market::demand::close(&challenger.pubkey(), &job, &demand);
    lie.asked.world.refuse(close(demand), &[], JobsError::DemandStands);
    lie.asked.world.send(close(unanswered), &[]);
    let facts = lie.asked.world.job(&job);
    let overtake = |shown| {
        let evidence = lie.evidence;
        market::job::overtake(&challenger.pubkey(), &job, &facts.model, &facts.device, Proof { evidence, shown })
    };
    let (without, with) = (overtake(None), overtake(Some(demand)));
    lie.asked.world.refuse(without, &[&challenger], RefereeError::UnitNotShown);
    lie.asked.world.send(with, &[&challenger]);
    assert_eq!(lie.asked.world.conviction(&job).challenger, challenger.pubkey());
    assert_eq!(lie.asked.world.job(&job).status, Status::Convicted);
    lie.asked.world.wait_for_deadline(&job);
    let award = market::job::award(&late.pubkey(), &job, &lie.asked.world.conviction(&job), &lie.asked.tokens);
    lie.asked.world.send(award, &[&late]);
    assert_eq!(lie.asked.world.balance(&lie.asked.tokens), terms().bond * 3 / 10);
    lie.asked.world.send(close(demand), &[]);
}

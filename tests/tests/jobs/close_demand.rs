use super::demands::{Asked, TRACES};
use ::jobs::error::JobsError;
use chain::market;
use solana_signer::Signer;
use tests::{Fault, ending, key, substituted};

#[test]
fn returns_rent_when_the_job_is_paid() {
    let mut asked = Asked::new();
    let demand = asked.shown(TRACES);
    let close = market::demand::close(&asked.challenger.pubkey(), &asked.job, &demand);
    asked.world.refuse(close.clone(), &[], JobsError::DemandStands);
    asked.world.wait_for_deadline(&asked.job);
    let cranker = asked.world.wallet("cranker");
    let parties = ending(&asked.consumer, &asked.worker, &asked.job);
    let settle = market::job::settle_job(&cranker.pubkey(), &parties, &asked.worker.tokens);
    asked.world.send(settle, &[&cranker]);
    let (before, held) = (asked.world.lamports(&asked.challenger.pubkey()), asked.world.lamports(&demand));
    let thief = substituted(&close, &asked.challenger.pubkey(), &key("thief").pubkey());
    asked.world.refuse(thief, &[], JobsError::AccountMismatch);
    let other = substituted(&close, &asked.job, &key("another job").pubkey());
    asked.world.refuse(other, &[], JobsError::AccountMismatch);
    asked.world.send(close, &[]);
    assert_eq!(asked.world.lamports(&asked.challenger.pubkey()) - before, held);
}

#[test]
fn fails_while_the_result_stands_and_returns_the_fee_with_a_conviction() {
    let mut asked = Asked::new();
    let demand = asked.ask(TRACES);
    let close = market::demand::close(&asked.challenger.pubkey(), &asked.job, &demand);
    asked.world.refuse(close.clone(), &[], JobsError::DemandStands);
    asked.world.wait(300);
    asked.world.refuse(close.clone(), &[], JobsError::DemandStands);
    let silence = asked.silence(&asked.challenger.pubkey(), TRACES);
    asked.world.send(silence, &[&asked.challenger]);
    // The account passed as the job must have the address that the demand names, whatever it holds.
    let compared = |fault| (asked.job, fault, Some(JobsError::AccountMismatch.into()));
    asked
        .world
        .sweep(&close, &[], &[compared(Fault::Forged), compared(Fault::OtherKind)]);
    asked.world.send(close, &[]);
}

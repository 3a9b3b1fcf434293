use super::audits::{Audited, UNITS};
use super::demands::graph;
use ::jobs::error::JobsError;
use protocol::testing::{Rng, Run, honest};
use solana_signer::Signer;
use tests::substituted;

/// The result of other inputs.
fn other() -> Run {
    Run::new(&graph(), &Rng::new(8), UNITS, &honest)
}

#[test]
fn shows_whether_the_auditor_has_the_workers_result() {
    for (run, agrees) in [(Audited::claimed(0).run.as_ref(), true), (&other(), false)] {
        let mut all = Audited::sealed_to(run);
        let reveal = all.reveal_audit(run);
        // The auditor cannot reveal before the worker, which could still choose not to.
        all.world.refuse(reveal.clone(), &[&all.auditor.key], JobsError::WrongStatus);
        all.reveal();
        all.world.sweep(&reveal, &[&all.auditor.key], &[]);
        all.world.send(reveal.clone(), &[&all.auditor.key]);
        let audit = all.world.audit_of(&all.job);
        assert_eq!((audit.agrees.get(), audit.revealed_slot.get()), (agrees, all.world.now().slot));
        all.world.pass(0, 1);
        all.world.refuse(reveal, &[&all.auditor.key], JobsError::WrongAudit);
    }
}

#[test]
fn an_auditor_that_copies_what_the_worker_reveals_has_committed_to_something_else() {
    let mut all = Audited::sealed_to(&other());
    all.reveal();
    let copied = all.reveal_audit(&all.run);
    all.world.refuse(copied, &[&all.auditor.key], JobsError::CommitmentMismatch);
}

#[test]
fn fails_for_anyone_else() {
    let run = Audited::claimed(0).run;
    let mut all = Audited::sealed_to(&run);
    all.reveal();
    let foreign = substituted(&all.reveal_audit(&run), &all.auditor.key.pubkey(), &all.third.key.pubkey());
    all.world.refuse(foreign, &[&all.third.key], JobsError::NotAssignedDevice);
}

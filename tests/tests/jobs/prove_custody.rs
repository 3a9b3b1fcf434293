use super::audits::{Audited, UNITS};
use super::demands::graph;
use ::jobs::AuditStage;
use ::jobs::error::JobsError;
use protocol::testing::{Rng, Run, honest};
use protocol::units::Moment;
use tests::slot_hash;

#[test]
fn chunks_drawn_after_the_reveal_are_opened_in_both_trees() {
    let mut all = Audited::agreed();
    let proof = all.proof();
    let prove = all.prove(&proof);
    all.world.sweep(&prove, &[], &[]);
    all.world.send(prove.clone(), &[]);
    all.assert_stage(AuditStage::Proven);
    all.world.refuse(prove, &[], JobsError::WrongAudit);
}

#[test]
fn fails_for_other_chunks_other_bytes_and_anothers_tree() {
    let mut all = Audited::agreed();
    let right = all.proof();
    let slot = all.world.audit_of(&all.job).revealed_slot.get() + 1;
    let seed = slot_hash(slot).to_bytes();
    let party = all.auditor.device.as_array();
    let other_draw = all
        .run
        .custody_proof(&all.custody(&all.run), party, &slot_hash(slot + 1).to_bytes());
    // The tree with the worker's own salt, which an auditor would have that was handed the root and gets the tree afterwards.
    let job_hash = all.world.job(&all.job).job_hash;
    let handed = all.run.custody(all.worker.device.as_array(), &job_hash);
    let handed = all.run.custody_proof(&handed, party, &seed);
    let mut flipped = right.clone();
    flipped[300] ^= 1;
    for wrong in [other_draw, handed, flipped, right[..right.len() - 1].to_vec()] {
        let prove = all.prove(&wrong);
        all.world.refuse(prove, &[], JobsError::CustodyMismatch);
    }
    let prove = all.prove(&right);
    all.world.send(prove, &[]);
}

#[test]
fn fails_before_the_slot_that_draws_has_a_hash_and_when_that_is_forgotten() {
    let run = Audited::claimed(0).run;
    let mut all = Audited::sealed_to(&run);
    all.reveal();
    let reveal = all.reveal_audit(&run);
    all.world.send(reveal, &[&all.auditor.key]);
    let proof = all.proof();
    // Sealed and written before, since evidence itself takes a slot.
    let prove = all.prove(&proof);
    all.world.refuse(prove.clone(), &[], JobsError::SeedNotReady);
    all.world.pass(0, 1);
    let mut late = all.clone();
    all.world.send(prove.clone(), &[]);
    // The chain keeps 512 hashes, of slots before the present one. The drawing slot is the one after the reveal.
    let at = |slots| Moment {
        slot: late.world.audit_of(&late.job).revealed_slot.get() + slots,
        ..late.world.now()
    };
    let (oldest, gone) = (at(513), at(514));
    let mut last = late.clone();
    last.world.go_to(oldest);
    last.world.send(prove.clone(), &[]);
    late.world.go_to(gone);
    late.world.refuse(prove, &[], JobsError::AuditNotDue);
}

#[test]
fn fails_for_an_auditor_with_another_result_or_none_yet() {
    let other = Run::new(&graph(), &Rng::new(8), UNITS, &honest);
    let mut all = Audited::sealed_to(&other);
    all.reveal();
    let unread = all.prove(&[0; 10]);
    all.world.refuse(unread.clone(), &[], JobsError::WrongAudit);
    let reveal = all.reveal_audit(&other);
    all.world.send(reveal, &[&all.auditor.key]);
    all.world.pass(0, 1);
    all.world.refuse(unread, &[], JobsError::WrongAudit);
}

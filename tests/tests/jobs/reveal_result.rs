use ::jobs::Status;
use ::jobs::error::JobsError;
use chain::market;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{Work, Worker, World, substituted, terms};

fn reveal(worker: &Worker, job: &Address, work: &Work) -> Instruction {
    market::job::reveal_result(&worker.key.pubkey(), job, &worker.device, work.traces, work.outputs, work.nonce)
}

#[test]
fn records_the_roots_and_starts_the_challenge_window() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    world.wait(7);
    let reveal = reveal(&worker, &job, &Work::SAMPLE);
    world.sweep(&reveal, &[&worker.key], &[]);
    world.send(reveal, &[&worker.key]);
    let revealed = world.job(&job);
    assert_eq!(
        (revealed.status, revealed.traces, revealed.outputs),
        (Status::Revealed as u8, Work::SAMPLE.traces, Work::SAMPLE.outputs)
    );
    assert_eq!(revealed.deadline(), world.now().after(300));
}

#[test]
fn fails_for_anyone_but_the_assigned_devices_hot_key() {
    let mut world = World::new();
    let (worker, other, consumer) = (world.worker("alice"), world.worker("carol"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    let valid = reveal(&worker, &job, &Work::SAMPLE);
    world.refuse(
        substituted(&valid, &worker.key.pubkey(), &worker.wallet()),
        &[&worker.owner],
        JobsError::NotAssignedDevice,
    );
    world.refuse(
        substituted(&valid, &worker.key.pubkey(), &other.key.pubkey()),
        &[&other.key],
        JobsError::NotAssignedDevice,
    );
    world.refuse(reveal(&other, &job, &Work::SAMPLE), &[&other.key], JobsError::NotAssignedDevice);
}

#[test]
fn fails_in_any_other_state() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let reveal = reveal(&worker, &job, &Work::SAMPLE);
    world.refuse(reveal.clone(), &[&worker.key], JobsError::NotAssignedDevice);
    world.claim(&worker, &job);
    world.refuse(reveal.clone(), &[&worker.key], JobsError::WrongStatus);
    world.commit(&worker, &job);
    world.send(reveal.clone(), &[&worker.key]);
    world.refuse(reveal, &[&worker.key], JobsError::WrongStatus);
}

#[test]
fn fails_after_the_reveals_deadline() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    let reveal = reveal(&worker, &job, &Work::SAMPLE);
    for (mut world, reached) in world.around(world.deadline(&job)) {
        if reached {
            world.refuse(reveal.clone(), &[&worker.key], JobsError::DeadlinePassed);
        } else {
            world.send(reveal.clone(), &[&worker.key]);
        }
    }
}

#[test]
fn fails_when_the_result_and_nonce_do_not_open_the_commitment() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    let others = [
        Work {
            traces: [0; 32],
            ..Work::SAMPLE
        },
        Work {
            outputs: [0; 32],
            ..Work::SAMPLE
        },
        Work {
            nonce: [0; 32],
            ..Work::SAMPLE
        },
        Work {
            traces: Work::SAMPLE.outputs,
            outputs: Work::SAMPLE.traces,
            ..Work::SAMPLE
        },
    ];
    for work in others {
        world.refuse(reveal(&worker, &job, &work), &[&worker.key], JobsError::CommitmentMismatch);
    }
    world.send(reveal(&worker, &job, &Work::SAMPLE), &[&worker.key]);
}

#[test]
fn a_copied_commitment_is_worth_nothing_to_another_device_or_job() {
    let mut world = World::new();
    let (worker, copier, consumer) = (world.worker("alice"), world.worker("carol"), world.consumer("bob"));
    let (job, another) = (world.open(&consumer, 1, terms()), world.open(&consumer, 2, terms()));
    world.claim(&worker, &job);
    world.claim(&copier, &another);
    world.commit(&worker, &job);
    // The copier posts the commitment that it saw, and learns the opening when the worker reveals.
    let seen = world.job(&job).commitment;
    world.send(
        market::job::commit_result(&copier.key.pubkey(), &another, &copier.device, seen),
        &[&copier.key],
    );
    world.reveal(&worker, &job);
    world.refuse(
        reveal(&copier, &another, &Work::SAMPLE),
        &[&copier.key],
        JobsError::CommitmentMismatch,
    );
}

use ::jobs::Status;
use ::jobs::error::JobsError;
use chain::market;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{Worker, World, substituted, terms};

const COMMITMENT: [u8; 32] = [0xC0; 32];

fn commit(worker: &Worker, job: &Address) -> Instruction {
    market::job::commit_result(&worker.key.pubkey(), job, &worker.device, COMMITMENT)
}

#[test]
fn records_the_commitment_and_starts_the_reveals_deadline() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.wait(7);
    world.sweep(&commit(&worker, &job), &[&worker.key], &[]);
    world.send(commit(&worker, &job), &[&worker.key]);
    let committed = world.job(&job);
    assert_eq!((committed.status, committed.commitment), (Status::Committed as u8, COMMITMENT));
    assert_eq!(committed.deadline(), world.now().after(60));
    assert_eq!(committed.since_slot.get(), world.now().slot);
}

#[test]
fn fails_for_anyone_but_the_assigned_devices_hot_key() {
    let mut world = World::new();
    let (worker, other, consumer) = (world.worker("alice"), world.worker("carol"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    // The owner, another device, and another device's key with this device.
    let by_owner = substituted(&commit(&worker, &job), &worker.key.pubkey(), &worker.wallet());
    world.refuse(by_owner, &[&worker.owner], JobsError::NotAssignedDevice);
    world.refuse(commit(&other, &job), &[&other.key], JobsError::NotAssignedDevice);
    let mixed = substituted(&commit(&worker, &job), &worker.key.pubkey(), &other.key.pubkey());
    world.refuse(mixed, &[&other.key], JobsError::NotAssignedDevice);
}

#[test]
fn fails_in_any_other_state() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.refuse(commit(&worker, &job), &[&worker.key], JobsError::NotAssignedDevice);
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    world.refuse(commit(&worker, &job), &[&worker.key], JobsError::WrongStatus);
    world.reveal(&worker, &job);
    world.refuse(commit(&worker, &job), &[&worker.key], JobsError::WrongStatus);
}

#[test]
fn fails_after_the_runs_deadline() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    for (mut world, reached) in world.around(world.deadline(&job)) {
        if reached {
            world.refuse(commit(&worker, &job), &[&worker.key], JobsError::DeadlinePassed);
        } else {
            world.send(commit(&worker, &job), &[&worker.key]);
        }
    }
}

use ::jobs::JobTerms;
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use tests::{Consumer, Failure, Worker, World, ending, substituted, terms};

fn timeout(cranker: &Address, worker: &Worker, consumer: &Consumer, job: &Address) -> Instruction {
    market::job::timeout_job(cranker, &ending(consumer, worker, job))
}

#[test]
fn the_consumer_is_whole_and_the_worker_forfeits_the_penalty() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let before = world.lamports(&consumer.wallet());
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.wait_for_deadline(&job);
    let timeout = timeout(&cranker.pubkey(), &worker, &consumer, &job);
    world.sweep(&timeout, &[&cranker], &[]);
    let lamports = world.lamports(&cranker.pubkey());
    world.send(timeout.clone(), &[&cranker]);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!((escrow.free.get(), escrow.locked.get(), escrow.fees.get()), (1_000 * IO, 0, 0));
    let device = world.device(&worker.device);
    assert_eq!((device.locked_bond.get(), device.open_jobs.get()), (0, 0));
    assert_eq!((device.own_stake.get(), device.forfeited.get()), (1_000 * IO - IO / 2, IO / 2));
    assert_eq!((device.jobs_done.get(), device.jobs_missed.get()), (0, 1));
    assert_eq!(world.lamports(&cranker.pubkey()) - lamports, 10_000);
    assert_eq!(before - world.lamports(&consumer.wallet()), 10_000);
    world.refuse(timeout, &[&cranker], Failure::GONE);
}

#[test]
fn the_penalty_is_rounded_up() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, JobTerms { bond: IO + 1, ..terms() });
    world.claim(&worker, &job);
    world.wait_for_deadline(&job);
    world.send(timeout(&consumer.wallet(), &worker, &consumer, &job), &[&consumer.owner]);
    assert_eq!(world.device(&worker.device).forfeited.get(), IO / 20 + 1);
}

#[test]
fn fails_before_the_runs_deadline_by_both_clocks() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    check_edges(&world, &worker, &consumer, &job);
}

#[test]
fn fails_before_the_reveals_deadline_by_both_clocks() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    world.commit(&worker, &job);
    check_edges(&world, &worker, &consumer, &job);
}

fn check_edges(world: &World, worker: &Worker, consumer: &Consumer, job: &Address) {
    let timeout = timeout(&consumer.wallet(), worker, consumer, job);
    for (mut world, reached) in world.around(world.deadline(job)) {
        if reached {
            world.send(timeout.clone(), &[&consumer.owner]);
        } else {
            world.refuse(timeout.clone(), &[&consumer.owner], JobsError::DeadlineNotPassed);
        }
    }
}

#[test]
fn fails_for_an_open_and_for_a_revealed_job() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let timeout = timeout(&consumer.wallet(), &worker, &consumer, &job);
    {
        let mut world = world.clone();
        world.wait(1_000_000);
        world.refuse(timeout.clone(), &[&consumer.owner], JobsError::AccountMismatch);
    }
    world.work(&worker, &job);
    world.wait(1_000_000);
    world.refuse(timeout, &[&consumer.owner], JobsError::WrongStatus);
}

#[test]
fn fails_with_an_escrow_consumer_or_device_of_somebody_else() {
    let mut world = World::new();
    let (worker, other) = (world.worker("alice"), world.worker("dave"));
    let (consumer, thief, cranker) = (world.consumer("bob"), world.consumer("thief"), world.wallet("carol"));
    let (job, others) = (world.open(&consumer, 1, terms()), world.open(&consumer, 2, terms()));
    world.claim(&worker, &job);
    world.claim(&other, &others);
    world.wait(1_000);
    let valid = timeout(&cranker.pubkey(), &worker, &consumer, &job);
    let refused: [(Instruction, Failure); 4] = [
        (
            substituted(&valid, &consumer.wallet(), &thief.wallet()),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&valid, &consumer.escrow, &thief.escrow),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&valid, &worker.device, &other.device),
            JobsError::AccountMismatch.into(),
        ),
        (substituted(&valid, &job, &others), JobsError::AccountMismatch.into()),
    ];
    for (instruction, error) in refused {
        world.refuse(instruction, &[&cranker], error);
    }
}

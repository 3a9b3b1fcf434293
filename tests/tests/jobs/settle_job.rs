use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Consumer, Failure, Worker, World, ending, substituted, terms};

/// A job whose window has just passed.
fn due(world: &mut World) -> (Worker, Consumer, Address) {
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    (worker, consumer, job)
}

fn settle(cranker: &Address, worker: &Worker, consumer: &Consumer, job: &Address) -> Instruction {
    market::job::settle_job(cranker, &ending(consumer, worker, job), &worker.tokens)
}

#[test]
fn pays_the_supplier_owes_the_fees_frees_the_rest_and_releases_the_bond() {
    let mut world = World::new();
    let (worker, consumer, job) = due(&mut world);
    let cranker = world.wallet("carol");
    let settle = settle(&cranker.pubkey(), &worker, &consumer, &job);
    world.sweep(&settle, &[&cranker], &[]);
    let lamports = [cranker.pubkey(), consumer.wallet()].map(|wallet| world.lamports(&wallet));
    let held = world.lamports(&job);
    world.send(settle.clone(), &[&cranker]);
    // 10 units at 1 $IO.
    let side = 10 * IO * 25 / 10_000;
    assert_eq!(world.balance(&worker.tokens), 1_000 * IO + 10 * IO - side);
    let escrow = world.escrow(&consumer.escrow);
    assert_eq!(
        (escrow.free.get(), escrow.locked.get(), escrow.fees.get()),
        (990 * IO - side, 0, 2 * side)
    );
    let device = world.device(&worker.device);
    assert_eq!(
        (device.locked_bond.get(), device.open_jobs.get(), device.jobs_done.get()),
        (0, 0, 1)
    );
    let after = [cranker.pubkey(), consumer.wallet()].map(|wallet| world.lamports(&wallet));
    assert_eq!((after[0] - lamports[0], after[1] - lamports[1]), (10_000, held - 10_000));
    assert!(world.account(&job).is_none());
    world.refuse(settle, &[&cranker], Failure::GONE);
}

#[test]
fn anyone_may_call_the_consumer_and_the_worker_included() {
    let mut world = World::new();
    let (worker, consumer, job) = due(&mut world);
    // The caller's wallet needs rent of its own to be able to hold a bounty.
    world.give_sol(&worker.key.pubkey(), 1_000_000);
    for cranker in [&consumer.owner, &worker.owner, &worker.key] {
        let mut world = world.clone();
        world.send(settle(&cranker.pubkey(), &worker, &consumer, &job), &[cranker]);
    }
}

#[test]
fn lamports_sent_to_the_job_go_to_the_consumer() {
    let mut world = World::new();
    let (worker, consumer, job) = due(&mut world);
    let cranker = world.wallet("carol");
    world.give_sol(&job, 777);
    let (held, before) = (world.lamports(&job), world.lamports(&consumer.wallet()));
    world.send(settle(&cranker.pubkey(), &worker, &consumer, &job), &[&cranker]);
    assert_eq!(world.lamports(&consumer.wallet()) - before, held - 10_000);
}

#[test]
fn fails_before_the_reveal() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let job = world.open(&consumer, 1, terms());
    let settle = settle(&cranker.pubkey(), &worker, &consumer, &job);
    world.refuse(settle.clone(), &[&cranker], JobsError::AccountMismatch);
    world.claim(&worker, &job);
    world.clone().refuse(settle.clone(), &[&cranker], JobsError::WrongStatus);
    world.commit(&worker, &job);
    world.wait(1_000_000);
    world.refuse(settle, &[&cranker], JobsError::WrongStatus);
}

#[test]
fn fails_before_the_window_has_passed_by_both_clocks() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let cranker = world.wallet("carol");
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    let settle = settle(&cranker.pubkey(), &worker, &consumer, &job);
    for (mut world, reached) in world.around(world.deadline(&job)) {
        if reached {
            world.send(settle.clone(), &[&cranker]);
        } else {
            world.refuse(settle.clone(), &[&cranker], JobsError::DeadlineNotPassed);
        }
    }
}

#[test]
fn fails_when_the_payment_account_is_not_the_payout_wallets_in_the_escrows_mint() {
    let mut world = World::new();
    let (worker, consumer, job) = due(&mut world);
    let (thief, usd) = (world.consumer("thief"), world.mint("usd", 6));
    let usd_tokens = world.give_tokens(&worker.wallet(), &usd, 0);
    let valid = settle(&thief.wallet(), &worker, &consumer, &job);
    for payout in [&thief.tokens, &consumer.tokens, &usd_tokens, &worker.vault()] {
        let stolen = substituted(&valid, &worker.tokens, payout);
        world.refuse(stolen, &[&thief.owner], JobsError::WrongPayoutAccount);
    }
    let into_itself = substituted(&valid, &worker.tokens, &consumer.vault());
    world.refuse(into_itself, &[&thief.owner], Failure::DUPLICATE);
}

#[test]
fn fails_with_an_escrow_vault_consumer_or_device_of_somebody_else() {
    let mut world = World::new();
    let (worker, consumer, job) = due(&mut world);
    let (thief, other) = (world.consumer("thief"), world.worker("carol"));
    let valid = settle(&thief.wallet(), &worker, &consumer, &job);
    // Caller and consumer may be one wallet, so the thief calls with another one here.
    let cranker = world.wallet("cranker");
    let by_cranker = settle(&cranker.pubkey(), &worker, &consumer, &job);
    let refused: [(Instruction, Failure); 4] = [
        (
            substituted(&by_cranker, &consumer.wallet(), &thief.wallet()),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&by_cranker, &consumer.vault(), &thief.vault()),
            InstructionError::InvalidSeeds.into(),
        ),
        (
            substituted(&by_cranker, &worker.device, &other.device),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&by_cranker, &consumer.escrow, &thief.escrow),
            JobsError::AccountMismatch.into(),
        ),
    ];
    for (instruction, error) in refused {
        world.refuse(instruction, &[&cranker], error);
    }
    world.refuse(
        substituted(&valid, &consumer.wallet(), &thief.wallet()),
        &[&thief.owner],
        JobsError::AccountMismatch,
    );
}

#[test]
fn one_job_pays_once_while_others_of_the_same_parties_go_on() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let (first, second) = (world.open(&consumer, 1, terms()), world.open(&consumer, 2, terms()));
    world.work(&worker, &first);
    world.work(&worker, &second);
    world.wait_for_deadline(&second);
    let cranker = world.wallet("carol");
    let settle_first = settle(&cranker.pubkey(), &worker, &consumer, &first);
    let (error, _) = world
        .attempt(&[settle_first.clone(), settle_first.clone()], &[&cranker])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error processing Instruction 1: account data too small for instruction",
        "both or neither"
    );
    world.send(settle_first.clone(), &[&cranker]);
    world.refuse(settle_first, &[&cranker], Failure::GONE);
    assert_eq!(world.device(&worker.device).locked_bond.get(), 10 * IO);
    world.send(settle(&cranker.pubkey(), &worker, &consumer, &second), &[&cranker]);
}

//! Attackers who want what is not theirs.

use chain::market;
use jobs::JobTerms;
use jobs::error::JobsError;
use protocol::units::IO;
use solana_account::Account;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use staking::error::StakingError;
use tests::{GPU, Work, World, ending, key, substituted, terms};

#[test]
fn a_forged_device_claims_nothing_and_gets_paid_nothing() {
    let mut world = World::new();
    let (worker, consumer, thief) = (world.worker("alice"), world.consumer("bob"), world.wallet("thief"));
    // The worker's account with the thief's key and wallet in it, owned by the thief's program.
    let mut forged = world.account(&worker.device).unwrap();
    for theirs in [worker.key.pubkey(), worker.wallet()] {
        let at = forged.data.windows(32).position(|bytes| bytes == theirs.as_ref()).unwrap();
        forged.data[at..at + 32].copy_from_slice(thief.pubkey().as_ref());
    }
    let fake = key("forged device").pubkey();
    world.plant(
        fake,
        Account {
            owner: key("program of the thief").pubkey(),
            ..forged
        },
    );

    let job = world.open(&consumer, 1, terms());
    world.open_doors();
    let claim = market::job::claim_job(&thief.pubkey(), &job, world.job(&job).job_hash, &fake, GPU, 0);
    world.refuse(claim, &[&thief], InstructionError::IllegalOwner);
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&thief.pubkey(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.refuse(
        substituted(&settle, &worker.device, &fake),
        &[&thief],
        InstructionError::IllegalOwner,
    );
}

#[test]
fn a_forged_config_lowers_no_bond_and_names_no_treasury() {
    let mut world = World::new();
    let (worker, consumer, thief) = (world.worker("alice"), world.consumer("bob"), world.consumer("thief"));
    let forge = |world: &mut World, real| {
        let fake = key(&format!("forged {real}")).pubkey();
        let mut account = world.account(&real).unwrap();
        // Every key in it is replaced by the thief's.
        for start in (8..account.data.len() - 32).step_by(32).take(4) {
            account.data[start..start + 32].copy_from_slice(thief.wallet().as_ref());
        }
        world.plant(
            fake,
            Account {
                owner: key("program of the thief").pubkey(),
                ..account
            },
        );
        fake
    };
    let (jobs_config, staking_config) = (market::job::config(), market::stake::config());
    let (fake_jobs, fake_staking) = (forge(&mut world, jobs_config), forge(&mut world, staking_config));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&thief.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.refuse(
        substituted(&settle, &jobs_config, &fake_jobs),
        &[&thief.owner],
        InstructionError::IllegalOwner,
    );
    world.refuse(
        substituted(&settle, &staking_config, &fake_staking),
        &[&thief.owner],
        InstructionError::IllegalOwner,
    );
    world.send(settle, &[&thief.owner]);
    let sweep = market::job::sweep_fees(&consumer.escrow, &consumer.mint, &thief.tokens);
    world.refuse(substituted(&sweep, &jobs_config, &fake_jobs), &[], InstructionError::IllegalOwner);
}

#[test]
fn a_program_of_the_thief_cannot_stand_in_for_token_or_staking() {
    let mut world = World::new();
    let (worker, consumer, thief) = (world.worker("alice"), world.consumer("bob"), world.wallet("thief"));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&thief.pubkey(), &ending(&consumer, &worker, &job), &worker.tokens);
    for real in [spl_token_interface::ID, staking::ID] {
        // The jobs program itself is executable, and does nothing useful here.
        let spoofed = substituted(&settle, &real, &jobs::ID);
        world.refuse(spoofed, &[&thief], InstructionError::IncorrectProgramId);
    }
}

#[test]
fn nobody_can_pose_as_the_jobs_program() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    world.claim(&worker, &job);
    let thief = world.wallet("thief");
    let accounts = staking::accounts::SettleBond {
        jobs_authority: market::job::authority(),
        config: market::stake::config(),
        device: worker.device,
    };
    let release = |accounts: staking::accounts::SettleBond| solana_instruction::Instruction {
        program_id: staking::ID,
        accounts: anchor_lang::ToAccountMetas::to_account_metas(&accounts, None),
        data: anchor_lang::InstructionData::data(&staking::instruction::ReleaseBond { bond: 10 * IO }),
    };
    // The right address without its signature, and another signer.
    let unsigned = tests::signer_cleared(&release(accounts), &market::job::authority());
    world.refuse(unsigned.clone(), &[], InstructionError::MissingRequiredSignature);
    let mut own = substituted(&unsigned, &market::job::authority(), &thief.pubkey());
    own.accounts[0].is_signer = true;
    world.refuse(own, &[&thief], StakingError::NotJobsProgram);
}

#[test]
fn a_job_swapped_under_a_worker_that_has_decided_costs_it_nothing() {
    let mut world = World::new();
    let (worker, consumer, cranker) = (world.worker("alice"), world.consumer("bob"), world.wallet("cranker"));
    let job = world.open(&consumer, 7, terms());
    let decided = world.claiming(&worker, &job, IO);
    // While the worker waits to be admitted, the consumer opens a job that asks for all its free stake as bond and gives it one second to
    // run.
    let trap = JobTerms {
        bond: 1_000 * IO,
        run_seconds: 1,
        ..terms()
    };
    let swap = [
        market::job::cancel_job(&consumer.wallet(), &consumer.escrow, &job),
        market::job::open_job(&consumer.wallet(), &consumer.mint, &world.model, 7, trap),
    ];
    world.send_all(&swap, &[&consumer.owner]);
    world.open_doors();
    let before = world.account(&worker.device);
    // What the trap does to a worker that claims it.
    let mut trapped = world.clone();
    trapped.send(trapped.claiming(&worker, &job, IO), &[&worker.key]);
    trapped.wait_for_deadline(&job);
    let timeout = market::job::timeout_job(&cranker.pubkey(), &ending(&consumer, &worker, &job));
    trapped.send(timeout, &[&cranker]);
    assert_eq!(trapped.device(&worker.device).forfeited.get(), 50 * IO);

    world.refuse(decided, &[&worker.key], JobsError::TermsChanged);
    assert_eq!(world.account(&worker.device), before);
    // Nor does it block the worker's next job.
    let next = world.open(&consumer, 8, terms());
    world.work(&worker, &next);
}

#[test]
fn an_old_commitment_opens_nothing_in_a_new_job_of_the_same_id() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let job = world.open(&consumer, 1, terms());
    let old_hash = world.job(&job).job_hash;
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&worker.owner]);

    // With the same consumer, id, model, inputs and terms, the worker hopes to be paid twice for one result.
    let again = world.open(&consumer, 1, terms());
    assert_eq!(again, job);
    assert_ne!(world.job(&job).job_hash, old_hash);
    world.claim(&worker, &job);
    let replayed = Work::SAMPLE.commitment(&old_hash, &worker.device);
    world.send(
        market::job::commit_result(&worker.key.pubkey(), &job, &worker.device, replayed),
        &[&worker.key],
    );
    let Work { traces, outputs, nonce } = Work::SAMPLE;
    let reveal = market::job::reveal_result(&worker.key.pubkey(), &job, &worker.device, traces, outputs, nonce);
    world.refuse(reveal, &[&worker.key], JobsError::CommitmentMismatch);
}

#[test]
fn tokens_sent_to_vaults_belong_to_nobody_until_the_accounts_close() {
    let mut world = World::new();
    let (worker, consumer, io) = (world.worker("alice"), world.consumer("bob"), world.io);
    world.donate(&io, &consumer.vault(), 777 * IO);
    world.donate(&io, &worker.vault(), 888 * IO);
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&worker.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&worker.owner]);
    // The gifts cannot be staked, bonded, spent or taken.
    let overflow = market::stake::withdraw_overflow(&worker.wallet(), &worker.device, GPU, &worker.tokens, 600 * IO + 1);
    world.refuse(overflow, &[&worker.owner], StakingError::ExceedsOverflow);
    let free = world.escrow(&consumer.escrow).free.get();
    let more = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, free + 1);
    world.refuse(more, &[&consumer.owner], JobsError::InsufficientEscrow);
}

#[test]
fn lamports_sent_ahead_to_an_address_do_not_keep_its_account_from_being_created() {
    let mut world = World::new();
    let (owner, hot, consumer, io) = (world.wallet("alice"), key("device"), world.consumer("bob"), world.io);
    let device = market::stake::device(&hot.pubkey());
    let targets = [
        device,
        market::stake::device_key(&hot.pubkey()),
        market::stake::vault(&device),
        consumer.job(1),
        market::job::escrow(&owner.pubkey(), &io),
        market::job::vault(&market::job::escrow(&owner.pubkey(), &io)),
    ];
    for (target, lamports) in targets.iter().zip([1, 890_880, 100_000_000, 3_932_400, 5_000_000, 2]) {
        world.give_sol(target, lamports);
    }
    world.send(
        market::stake::register_device(&owner.pubkey(), &hot.pubkey(), &io, GPU, 1),
        &[&owner, &hot],
    );
    world.send(market::job::open_escrow(&owner.pubkey(), &io), &[&owner]);
    world.open(&consumer, 1, terms());
}

#[test]
fn a_payout_wallet_that_is_the_escrow_itself_keeps_nobodys_money() {
    let mut world = World::new();
    let (worker, consumer, cranker) = (world.worker("alice"), world.consumer("bob"), world.wallet("carol"));
    let job = world.open(&consumer, 1, terms());
    world.work(&worker, &job);
    world.send(
        market::stake::set_payout(&worker.wallet(), &worker.device, &consumer.escrow),
        &[&worker.owner],
    );
    world.wait_for_deadline(&job);
    // The vault cannot pay itself, but any other account of that wallet can be paid, so the job can be settled.
    let elsewhere = world.give_tokens(&consumer.escrow, &consumer.mint, 0);
    let settle = market::job::settle_job(&cranker.pubkey(), &ending(&consumer, &worker, &job), &elsewhere);
    world.send(settle, &[&cranker]);
    assert_eq!(world.escrow(&consumer.escrow).locked.get(), 0);
}

#[test]
fn data_behind_the_arguments_changes_nothing_and_missing_data_is_refused() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 7);
    let mut short = withdraw.clone();
    short.data.truncate(12);
    world.refuse(short, &[&consumer.owner], InstructionError::InvalidInstructionData);
    let mut unknown = withdraw.clone();
    unknown.data[0] ^= 0xFF;
    world.refuse(unknown, &[&consumer.owner], InstructionError::InvalidInstructionData);
    let mut few = withdraw.clone();
    few.accounts.pop();
    #[allow(deprecated)] // Anchor still returns this error.
    world.refuse(few, &[&consumer.owner], InstructionError::NotEnoughAccountKeys);
    let mut long = withdraw;
    long.data.extend([0xFF; 8]);
    world.send(long, &[&consumer.owner]);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO - 7);
}

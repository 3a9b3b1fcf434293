use super::convict::{LIE, Lie, delivered};
use ::jobs::error::JobsError;
use chain::market;
use protocol::units::{IO, Moment};
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_signer::Signer;
use tests::{Failure, substituted, terms};

/// A conviction whose priority period has just passed.
fn due() -> Lie {
    let mut lie = Lie::convicted();
    lie.world.wait(30);
    lie
}

#[test]
fn pays_the_reward_and_returns_both_rents() {
    let mut lie = due();
    let cranker = lie.world.wallet("dave");
    let award = lie.award(&cranker.pubkey());
    lie.world.sweep(&award, &[&cranker], &[]);
    let wallets = [cranker.pubkey(), lie.consumer.wallet(), lie.challenger.pubkey()];
    let before = wallets.map(|wallet| lie.world.lamports(&wallet));
    let held = [lie.job, market::job::conviction(&lie.job)].map(|account| lie.world.lamports(&account));
    lie.world.send(award.clone(), &[&cranker]);
    let after = wallets.map(|wallet| lie.world.lamports(&wallet));
    let gained = [0, 1, 2].map(|i| after[i] - before[i]);
    assert_eq!(gained, [10_000, held[0] - 10_000, held[1]]);
    assert_eq!(lie.world.balance(&lie.tokens), 3 * IO);
    let device = lie.world.device(&lie.worker.device);
    assert_eq!(
        (device.own_stake.get(), device.owed.get(), device.forfeited.get()),
        (990 * IO, 0, 5 * IO)
    );
    assert!(lie.world.account(&lie.job).is_none() && lie.world.account(&market::job::conviction(&lie.job)).is_none());
    lie.world.refuse(award, &[&cranker], Failure::GONE);
}

#[test]
fn fails_before_the_priority_has_passed_by_both_clocks() {
    let mut lie = Lie::convicted();
    let cranker = lie.world.wallet("dave");
    let check = |lie: &Lie, deadline| {
        let award = lie.award(&cranker.pubkey());
        for (mut world, reached) in lie.world.around(deadline) {
            if reached {
                world.send(award.clone(), &[&cranker]);
            } else {
                world.refuse(award.clone(), &[&cranker], JobsError::DeadlineNotPassed);
            }
        }
    };
    let deadline = lie.world.deadline(&lie.job);
    check(&lie, deadline);
    // A restart gives the 30 seconds again.
    let restart = lie.world.now().slot + 1;
    lie.world.restarted_in(restart);
    let deadline = Moment {
        unix: deadline.unix + 30,
        slot: restart + 75,
    };
    check(&lie, deadline);
}

#[test]
fn anyone_may_call_each_party_included() {
    let lie = due();
    for cranker in [&lie.consumer.owner, &lie.challenger, &lie.worker.owner] {
        let mut world = lie.world.clone();
        world.send(lie.award(&cranker.pubkey()), &[cranker]);
        assert_eq!(world.balance(&lie.tokens), 3 * IO);
    }
}

#[test]
fn the_consumer_may_close_its_escrow_before() {
    let mut lie = due();
    let consumer = &lie.consumer;
    let free = lie.world.escrow(&consumer.escrow).free.get();
    let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, free);
    let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
    lie.world.send_all(&[withdraw, close], &[&consumer.owner]);
    let (before, cranker) = (lie.world.lamports(&consumer.wallet()), lie.world.wallet("dave"));
    let held = lie.world.lamports(&lie.job);
    lie.world.send(lie.award(&cranker.pubkey()), &[&cranker]);
    assert_eq!(lie.world.lamports(&consumer.wallet()) - before, held - 10_000);
}

#[test]
fn the_jobs_id_is_free_again_after_and_not_before() {
    let mut lie = due();
    let cranker = lie.world.wallet("dave");
    let open = market::job::open_job(&lie.consumer.wallet(), &lie.consumer.mint, &lie.world.model, 1, terms());
    lie.world.refuse(open.clone(), &[&lie.consumer.owner], Failure::ALREADY_IN_USE);
    lie.world.send(lie.award(&cranker.pubkey()), &[&cranker]);
    lie.world.send(open, &[&lie.consumer.owner]);
    // Evidence about the job that had the address before convicts nobody of this one.
    lie.world.deliver(&lie.worker, &lie.job, &tests::tiny_run(2, None));
    lie.world
        .refuse(lie.convict(), &[&lie.challenger], referee::error::RefereeError::TraceMismatch);
}

#[test]
fn fails_for_a_job_that_is_not_convicted() {
    let mut lie = Lie::new();
    let cranker = lie.world.wallet("dave");
    let other = delivered(&mut lie.world, &lie.consumer, &lie.worker, 2, &lie.run, 10 * IO);
    lie.world.send(lie.convict(), &[&lie.challenger]);
    lie.world.wait(1_000);
    // With the conviction of another job, and with its own, which does not exist.
    let borrowed = substituted(&lie.award(&cranker.pubkey()), &lie.job, &other);
    lie.world.refuse(borrowed.clone(), &[&cranker], JobsError::AccountMismatch);
    let absent = substituted(&borrowed, &market::job::conviction(&lie.job), &market::job::conviction(&other));
    lie.world.refuse(absent, &[&cranker], Failure::GONE);
}

#[test]
fn fails_with_an_account_of_somebody_else() {
    let mut lie = due();
    let (other, thief, usd) = (lie.world.worker("erin"), lie.world.consumer("thief"), lie.world.mint("usd", 6));
    let in_usd = lie.world.give_tokens(&lie.challenger.pubkey(), &usd, 0);
    let cranker = lie.world.wallet("dave");
    let award = lie.award(&cranker.pubkey());
    let refused: [(Instruction, Failure); 8] = [
        (
            substituted(&award, &lie.consumer.wallet(), &thief.wallet()),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&award, &lie.challenger.pubkey(), &thief.wallet()),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&award, &lie.worker.device, &other.device),
            JobsError::AccountMismatch.into(),
        ),
        (
            substituted(&award, &lie.worker.vault(), &other.vault()),
            InstructionError::InvalidSeeds.into(),
        ),
        (
            substituted(&award, &lie.tokens, &thief.tokens),
            JobsError::WrongRewardAccount.into(),
        ),
        (substituted(&award, &lie.tokens, &in_usd), JobsError::WrongRewardAccount.into()),
        (
            substituted(&award, &lie.tokens, &lie.worker.tokens),
            JobsError::WrongRewardAccount.into(),
        ),
        (substituted(&award, &lie.tokens, &lie.worker.vault()), Failure::DUPLICATE),
    ];
    for (instruction, failure) in refused {
        lie.world.refuse(instruction, &[&cranker], failure);
    }
}

#[test]
fn every_base_unit_of_the_bond_has_gone_where_it_belongs() {
    let mut lie = Lie::new();
    let supply = lie.world.supply(&lie.world.io);
    let evidence = lie
        .world
        .show(&lie.consumer.owner, &lie.job, &lie.run.element(LIE.0, 0, LIE.1 as u32));
    let convict = lie.convict_by(&lie.consumer.wallet(), &evidence);
    lie.world.send(convict, &[&lie.consumer.owner]);
    lie.tokens = lie.consumer.tokens;
    lie.world.wait(30);
    let award = lie.award(&lie.consumer.wallet());
    lie.world.send(award, &[&lie.consumer.owner]);
    let (device, io) = (lie.worker.device, lie.world.io);
    lie.world.send(market::stake::burn_forfeited(&device, &io), &[]);
    // Of 10 $IO, three and two go to the consumer, who was the challenger, and five are burned.
    assert_eq!(lie.world.balance(&lie.tokens), 1_005 * IO);
    assert_eq!(supply - lie.world.supply(&io), 5 * IO);
    assert_eq!(lie.world.balance(&lie.worker.vault()), 990 * IO);
}

use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use tests::{Consumer, Failure, World, ending, substituted, terms};

/// A consumer whose escrow is empty.
fn emptied(world: &mut World, name: &str) -> Consumer {
    let consumer = world.consumer(name);
    let all = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 1_000 * IO);
    world.send(all, &[&consumer.owner]);
    consumer
}

#[test]
fn returns_both_accounts_rent_and_what_was_sent_to_the_vault_unasked() {
    let mut world = World::new();
    let consumer = emptied(&mut world, "bob");
    world.donate(&consumer.mint, &consumer.vault(), 5);
    let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
    world.sweep(&close, &[&consumer.owner], &[]);
    let before = world.lamports(&consumer.wallet());
    world.send(close.clone(), &[&consumer.owner]);
    let rents = world.rent(size_of::<::jobs::Escrow>() + 8) + world.rent(165);
    assert_eq!(world.lamports(&consumer.wallet()) - before, rents);
    assert_eq!(world.balance(&consumer.tokens), 2_000 * IO + 5);
    world.refuse(close, &[&consumer.owner], Failure::GONE);
    // The address can be used again.
    world.send(market::job::open_escrow(&consumer.wallet(), &consumer.mint), &[&consumer.owner]);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (consumer, thief) = (emptied(&mut world, "bob"), world.consumer("thief"));
    let steal = market::job::close_escrow(&thief.wallet(), &consumer.escrow, &thief.tokens);
    world.refuse(steal, &[&thief.owner], JobsError::NotOwner);
}

#[test]
fn fails_while_anything_is_free_locked_or_owed() {
    let mut world = World::new();
    let (worker, consumer) = (world.worker("alice"), world.consumer("bob"));
    let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
    let empty = |world: &mut World| {
        let free = world.escrow(&consumer.escrow).free.get();
        world.send(
            market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, free),
            &[&consumer.owner],
        );
    };
    world.refuse(close.clone(), &[&consumer.owner], JobsError::EscrowNotEmpty);
    let job = world.open(&consumer, 1, terms());
    empty(&mut world);
    world.refuse(close.clone(), &[&consumer.owner], JobsError::EscrowNotEmpty);
    world.work(&worker, &job);
    world.wait_for_deadline(&job);
    let settle = market::job::settle_job(&consumer.wallet(), &ending(&consumer, &worker, &job), &worker.tokens);
    world.send(settle, &[&consumer.owner]);
    empty(&mut world);
    assert!(world.escrow(&consumer.escrow).fees.get() > 0);
    world.refuse(close.clone(), &[&consumer.owner], JobsError::EscrowNotEmpty);
    let treasury = world.give_tokens(&world.treasury.clone(), &consumer.mint, 0);
    world.send(market::job::sweep_fees(&consumer.escrow, &consumer.mint, &treasury), &[]);
    world.send(close, &[&consumer.owner]);
}

#[test]
fn closes_no_other_vault() {
    let mut world = World::new();
    let (consumer, victim) = (emptied(&mut world, "bob"), world.consumer("carol"));
    let close = market::job::close_escrow(&consumer.wallet(), &consumer.escrow, &consumer.tokens);
    world.refuse(
        substituted(&close, &consumer.vault(), &victim.vault()),
        &[&consumer.owner],
        InstructionError::InvalidSeeds,
    );
}

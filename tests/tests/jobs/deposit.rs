use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use spl_token_interface::error::TokenError;
use tests::{Failure, World, substituted};

#[test]
fn adds_to_the_free_balance() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let deposit = market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 7);
    world.sweep(&deposit, &[&consumer.owner], &[]);
    world.send(deposit.clone(), &[&consumer.owner]);
    world.send(deposit, &[&consumer.owner]);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO + 14);
    assert_eq!(world.balance(&consumer.vault()), 1_000 * IO + 14);
    assert_eq!(world.balance(&consumer.tokens), 1_000 * IO - 14);
}

#[test]
fn anyone_may_fund_an_escrow() {
    let mut world = World::new();
    let (consumer, friend) = (world.consumer("bob"), world.consumer("carol"));
    world.send(
        market::job::deposit(&friend.wallet(), &consumer.escrow, &friend.tokens, 7),
        &[&friend.owner],
    );
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 1_000 * IO + 7);
}

#[test]
fn fails_for_a_zero_amount() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let deposit = market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 0);
    world.refuse(deposit, &[&consumer.owner], JobsError::ZeroAmount);
}

#[test]
fn fails_when_the_payers_account_does_not_hold_it() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let deposit = |amount| market::job::deposit(&consumer.wallet(), &consumer.escrow, &consumer.tokens, amount);
    world.refuse(deposit(1_000 * IO + 1), &[&consumer.owner], TokenError::InsufficientFunds);
    world.refuse(deposit(u64::MAX), &[&consumer.owner], JobsError::BooksBroken);
}

#[test]
fn takes_nobody_elses_tokens_no_other_mints_and_pays_into_no_other_vault() {
    let mut world = World::new();
    let (consumer, victim, usd) = (world.consumer("bob"), world.consumer("carol"), world.mint("usd", 6));
    let deposit = |from| market::job::deposit(&consumer.wallet(), &consumer.escrow, from, 7);
    world.refuse(deposit(&victim.tokens), &[&consumer.owner], TokenError::OwnerMismatch);
    let usd_tokens = world.give_tokens(&consumer.wallet(), &usd, 100);
    world.refuse(deposit(&usd_tokens), &[&consumer.owner], TokenError::MintMismatch);
    let elsewhere = substituted(&deposit(&consumer.tokens), &consumer.vault(), &victim.vault());
    world.refuse(elsewhere, &[&consumer.owner], InstructionError::InvalidSeeds);
    world.refuse(deposit(&consumer.vault()), &[&consumer.owner], Failure::DUPLICATE);
}

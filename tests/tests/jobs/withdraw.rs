use ::jobs::error::JobsError;
use chain::market;
use protocol::units::IO;
use solana_instruction::error::InstructionError;
use spl_token_interface::error::TokenError;
use tests::{Failure, World, substituted, terms};

#[test]
fn pays_out_to_any_token_account_the_owner_names() {
    let mut world = World::new();
    let (consumer, friend) = (world.consumer("bob"), world.consumer("carol"));
    let withdraw = |to, amount| market::job::withdraw(&consumer.wallet(), &consumer.escrow, to, amount);
    world.sweep(&withdraw(&consumer.tokens, 7), &[&consumer.owner], &[]);
    world.send(withdraw(&friend.tokens, 7), &[&consumer.owner]);
    world.send(withdraw(&consumer.tokens, 1_000 * IO - 7), &[&consumer.owner]);
    assert_eq!(world.escrow(&consumer.escrow).free.get(), 0);
    assert_eq!(world.balance(&friend.tokens), 1_000 * IO + 7);
    world.refuse(withdraw(&consumer.tokens, 1), &[&consumer.owner], JobsError::InsufficientEscrow);
}

#[test]
fn fails_for_anyone_but_the_owner() {
    let mut world = World::new();
    let (consumer, thief) = (world.consumer("bob"), world.consumer("thief"));
    let steal = market::job::withdraw(&thief.wallet(), &consumer.escrow, &thief.tokens, 7);
    world.refuse(steal, &[&thief.owner], JobsError::NotOwner);
}

#[test]
fn fails_for_a_zero_amount() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 0);
    world.refuse(withdraw, &[&consumer.owner], JobsError::ZeroAmount);
}

#[test]
fn fails_for_more_than_is_free_whatever_the_vault_holds() {
    let mut world = World::new();
    let consumer = world.consumer("bob");
    world.open(&consumer, 1, terms());
    world.donate(&consumer.mint, &consumer.vault(), 50 * IO);
    let free = world.escrow(&consumer.escrow).free.get();
    assert_eq!(free, 1_000 * IO - 20 * IO - 5_000_000);
    let withdraw = |amount| market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, amount);
    world.refuse(withdraw(free + 1), &[&consumer.owner], JobsError::InsufficientEscrow);
    world.refuse(withdraw(u64::MAX), &[&consumer.owner], JobsError::InsufficientEscrow);
    world.send(withdraw(free), &[&consumer.owner]);
}

#[test]
fn pays_from_no_other_vault_and_not_into_its_own() {
    let mut world = World::new();
    let (consumer, victim, usd) = (world.consumer("bob"), world.consumer("carol"), world.mint("usd", 6));
    let withdraw = market::job::withdraw(&consumer.wallet(), &consumer.escrow, &consumer.tokens, 7);
    world.refuse(
        substituted(&withdraw, &consumer.vault(), &victim.vault()),
        &[&consumer.owner],
        InstructionError::InvalidSeeds,
    );
    world.refuse(
        substituted(&withdraw, &consumer.tokens, &consumer.vault()),
        &[&consumer.owner],
        Failure::DUPLICATE,
    );
    let usd_tokens = world.give_tokens(&consumer.wallet(), &usd, 0);
    world.refuse(
        substituted(&withdraw, &consumer.tokens, &usd_tokens),
        &[&consumer.owner],
        TokenError::MintMismatch,
    );
}

//! What the costaking program may do with a device, with a key of the test's in the place of its signer.

use super::bonds::instruction;
use chain::market::{self, costake, reward};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use staking::state::Offering;
use std::sync::Arc;
use tests::{CoStaker, Worker, World, add_gpu_table, key, substituted};

/// A world in which the test may sign for the costaking program, the key it does so with, a device and somebody with $IO.
fn world() -> (World, Arc<Keypair>, Worker, CoStaker) {
    let mut world = World::bare();
    let (admin, payer, costaking) = (world.admin.clone(), world.payer.pubkey(), key("costaking"));
    let initialize = market::stake::initialize(&payer, &admin.pubkey(), &world.io, Parameters::PUBLISHED);
    world.send(substituted(&initialize, &costake::authority(), &costaking.pubkey()), &[&admin]);
    add_gpu_table(&mut world);
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    (world, costaking, alice, carol)
}

fn change(authority: &Address, device: &Address) -> staking::accounts::ChangeCoStake {
    staking::accounts::ChangeCoStake {
        costaking_authority: *authority,
        config: market::stake::config(),
        device: *device,
    }
}

fn offering(authority: &Address, device: &Address, offering: Offering) -> Instruction {
    let offering = offering as u8;
    instruction(change(authority, device), staking::instruction::SetOffering { offering })
}

fn add(authority: &Address, worker: &Worker, holder: &CoStaker, amount: u64) -> Instruction {
    let accounts = staking::accounts::AddCoStake {
        costaking_authority: *authority,
        config: market::stake::config(),
        device: worker.device,
        vault: worker.vault(),
        from: holder.tokens,
        co_staker: holder.address(),
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::AddCoStake { amount })
}

fn cool(authority: &Address, device: &Address, amount: u64) -> Instruction {
    instruction(change(authority, device), staking::instruction::CoolCoStake { amount })
}

fn take_forced(authority: &Address, device: &Address) -> Instruction {
    instruction(change(authority, device), staking::instruction::TakeForced {})
}

fn withdraw(authority: &Address, worker: &Worker, to: &Address, shares: u64) -> Instruction {
    let accounts = staking::accounts::WithdrawCoStake {
        costaking_authority: *authority,
        config: market::stake::config(),
        device: worker.device,
        vault: worker.vault(),
        to: *to,
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::WithdrawCoStake { shares })
}

fn collect(authority: &Address, device: &Address, hour: i64, shard: u8, to: &Address, part: u64) -> Instruction {
    let accounts = staking::accounts::CollectShared {
        costaking_authority: *authority,
        config: market::stake::config(),
        device: *device,
        block: reward::block(hour),
        tally: reward::tally(hour, shard),
        emission: reward::emission(),
        vault: reward::vault(),
        to: *to,
        token_program: spl_token_interface::ID,
    };
    instruction(accounts, staking::instruction::CollectShared { part })
}

#[test]
fn co_stake_comes_in_cools_down_and_goes_out() {
    let (mut world, costaking, alice, carol) = world();
    let (authority, device) = (costaking.pubkey(), alice.device);
    let add = add(&authority, &alice, &carol, 100 * IO);
    world.refuse(add.clone(), &[&costaking, &carol.wallet], StakingError::NoOffer);
    let open = offering(&authority, &device, Offering::Open);
    world.sweep(&open, &[&costaking], &[]);
    world.send(open, &[&costaking]);
    world.sweep(&add, &[&costaking, &carol.wallet], &[]);
    world.send(add, &[&costaking, &carol.wallet]);
    let state = |world: &World| {
        let now = world.device(&device);
        (now.co_stake.get(), now.co_cooling.get(), world.balance(&carol.tokens))
    };
    assert_eq!(state(&world), (100 * IO, 0, 900 * IO));

    let end = offering(&authority, &device, Offering::Nothing);
    world.refuse(end.clone(), &[&costaking], StakingError::CoStaked);
    world.refuse(cool(&authority, &device, 100 * IO + 1), &[&costaking], StakingError::BooksBroken);
    let all = cool(&authority, &device, 100 * IO);
    world.sweep(&all, &[&costaking], &[]);
    world.send(all, &[&costaking]);
    assert_eq!(state(&world), (0, 100 * IO, 900 * IO));
    world.send(end, &[&costaking]);

    let too_many = withdraw(&authority, &alice, &carol.tokens, 100 * IO + 1);
    world.refuse(too_many, &[&costaking], StakingError::BooksBroken);
    let back = withdraw(&authority, &alice, &carol.tokens, 100 * IO);
    world.sweep(&back, &[&costaking], &[]);
    world.send(back, &[&costaking]);
    assert_eq!(state(&world), (0, 0, 1_000 * IO));
    world.refuse(take_forced(&authority, &device), &[&costaking], StakingError::NotForced);
}

/// Whoever signs in the costaking program's place could empty every device's vault.
#[test]
fn fails_for_any_caller_but_the_costaking_program() {
    let (mut world, costaking, alice, carol) = world();
    let (authority, device) = (costaking.pubkey(), alice.device);
    let admin = world.admin.clone();
    world.start_emission(tests::RULES, IO);
    let hour = world.open_hour();
    world.send(offering(&authority, &device, Offering::Open), &[&costaking]);
    world.send(add(&authority, &alice, &carol, 100 * IO), &[&costaking, &carol.wallet]);
    world.send(cool(&authority, &device, 50 * IO), &[&costaking]);
    for thief in [&alice.owner, &alice.key, &admin, &carol.wallet] {
        let of = thief.pubkey();
        let calls = [
            offering(&of, &device, Offering::Closed),
            cool(&of, &device, IO),
            take_forced(&of, &device),
            withdraw(&of, &alice, &carol.tokens, IO),
            collect(&of, &device, hour, 0, &carol.tokens, 0),
        ];
        for call in calls {
            world.refuse(call, &[thief], StakingError::NotCostakingProgram);
        }
        if of != carol.address() {
            let call = add(&of, &alice, &carol, IO);
            world.refuse(call, &[thief, &carol.wallet], StakingError::NotCostakingProgram);
        }
    }
}

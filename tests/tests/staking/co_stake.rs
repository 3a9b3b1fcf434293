//! Instructions on a device that only the costaking program may call. Their effects are tested through that program.

use super::bonds::instruction;
use chain::market::{self, costake, reward};
use protocol::units::IO;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer;
use staking::Parameters;
use staking::error::StakingError;
use staking::state::Offering;
use tests::{CoStaker, OFFER, RULES, Worker, World, add_gpu_table, key, substituted};

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
fn fails_without_an_offer_an_exit_of_the_owners_or_co_stake() {
    let mut world = World::bare();
    let (admin, payer, costaking) = (world.admin.clone(), world.payer.pubkey(), key("costaking"));
    let initialize = market::stake::initialize(&payer, &admin.pubkey(), &world.io, Parameters::PUBLISHED);
    world.send(substituted(&initialize, &costake::authority(), &costaking.pubkey()), &[&admin]);
    add_gpu_table(&mut world);
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let (authority, device) = (costaking.pubkey(), alice.device);
    let add = add(&authority, &alice, &carol, IO);
    world.refuse(add, &[&costaking, &carol.wallet], StakingError::NoOffer);
    world.refuse(take_forced(&authority, &device), &[&costaking], StakingError::NotForced);
    world.refuse(cool(&authority, &device, 1), &[&costaking], StakingError::BooksBroken);
    let out = withdraw(&authority, &alice, &carol.tokens, 1);
    world.refuse(out, &[&costaking], StakingError::BooksBroken);
}

/// The costaking program ends no offer earlier either.
#[test]
fn sharing_ends_only_after_the_last_co_stake_and_a_recorded_exit() {
    let mut world = World::new();
    let (alice, carol) = (world.worker("alice"), world.co_staker("carol"));
    let offer = world.offer(&alice, OFFER);
    world.join(&carol, &offer, 0, 100 * IO);
    let end = |world: &World| world.device(&alice.device).set_offering(Offering::Nothing as u8);
    assert_eq!(end(&world), Err(StakingError::CoStaked.into()));
    let retract = costake::retract(&alice.wallet(), &alice.device, &offer);
    let unstake = market::stake::unstake(&alice.wallet(), &alice.device);
    world.send_all(&[retract, unstake], &[&alice.owner]);
    assert_eq!(world.device(&alice.device).co_stake.get(), 0);
    assert_eq!(end(&world), Err(StakingError::CoStaked.into()));
    world.send(costake::force(&alice.device, &offer), &[]);
    assert_eq!(end(&world), Ok(()));
}

/// Anybody who could sign in the costaking program's place could empty every device's vault.
#[test]
fn fails_for_any_caller_but_the_costaking_program() {
    let mut world = World::new();
    let (alice, carol, admin) = (world.worker("alice"), world.co_staker("carol"), world.admin.clone());
    let device = alice.device;
    let offer = world.offer(&alice, OFFER);
    world.start_emission(RULES, IO);
    let hour = world.open_hour();
    let stake = world.join(&carol, &offer, 0, 100 * IO);
    world.send(stake.leaving(0, 50 * IO), &[&carol.wallet]);
    world.wait(7 * 86_400);
    world.send(stake.cooling(0), &[]);
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

//! Co-staking: offers, positions and exits.

use super::{instruction, pda, program_data, reward, stake};
use anchor_lang::Id;
use anchor_lang::programs::{System, Token};
use costaking::{AUTHORITY_SEED, Config, Exit, Offer, OfferTerms, ParameterChanges, Parameters, Position};
use solana_address::Address;
use solana_instruction::Instruction;

/// The config.
pub fn config() -> Address {
    pda(costaking::ID, &[Config::SEED])
}

/// The address that signs the program's calls into staking.
pub fn authority() -> Address {
    pda(costaking::ID, &[AUTHORITY_SEED])
}

/// An offer of a device.
pub fn offer(device: &Address, index: u32) -> Address {
    pda(costaking::ID, &[Offer::SEED, device.as_ref(), &index.to_le_bytes()])
}

/// The token account that holds an offer's rewards.
pub fn vault(offer: &Address) -> Address {
    pda(costaking::ID, &[Offer::VAULT_SEED, offer.as_ref()])
}

/// A position in an offer.
pub fn position(offer: &Address, holder: &Address, id: u32) -> Address {
    pda(costaking::ID, &[Position::SEED, offer.as_ref(), holder.as_ref(), &id.to_le_bytes()])
}

/// Exit `number` of a position.
pub fn exit(position: &Address, number: u32) -> Address {
    pda(costaking::ID, &[Exit::SEED, position.as_ref(), &number.to_le_bytes()])
}

/// Creates the config.
pub fn initialize(payer: &Address, upgrade_authority: &Address, mint: &Address, parameters: Parameters) -> Instruction {
    let accounts = costaking::accounts::Initialize {
        payer: *payer,
        upgrade_authority: *upgrade_authority,
        config: config(),
        mint: *mint,
        authority: authority(),
        program_data: program_data(costaking::ID),
        system_program: System::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::Initialize { parameters })
}

/// Changes some or all parameters.
pub fn set_parameters(authority: &Address, changes: impl Into<ParameterChanges>) -> Instruction {
    let accounts = costaking::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let changes = changes.into();
    instruction(costaking::ID, accounts, costaking::instruction::SetParameters { changes })
}

/// Sets the authority and the guardian.
pub fn set_authorities(authority: &Address, next: &Address, guardian: &Address) -> Instruction {
    let accounts = costaking::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let data = costaking::instruction::SetAuthorities {
        authority: Some(*next),
        guardian: Some(*guardian),
    };
    instruction(costaking::ID, accounts, data)
}

/// Stops or resumes new offers and positions.
pub fn set_paused(guardian: &Address, paused: bool) -> Instruction {
    let accounts = costaking::accounts::Pause {
        guardian: *guardian,
        config: config(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::SetPaused { paused })
}

/// Creates an offer to share the rewards of a device of GPU model `gpu`.
pub fn create(owner: &Address, device: &Address, gpu: u16, mint: &Address, index: u32, terms: OfferTerms) -> Instruction {
    let offer = offer(device, index);
    let accounts = costaking::accounts::CreateOffer {
        owner: *owner,
        config: config(),
        device: *device,
        gpu_model: stake::gpu_model(gpu),
        offer,
        mint: *mint,
        vault: vault(&offer),
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
        system_program: System::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::CreateOffer { index, terms })
}

fn ending(owner: &Address, device: &Address, offer: &Address) -> costaking::accounts::ChangeOffer {
    costaking::accounts::ChangeOffer {
        owner: *owner,
        config: config(),
        offer: *offer,
        device: *device,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    }
}

/// Closes an offer to further co-stakers.
pub fn retract(owner: &Address, device: &Address, offer: &Address) -> Instruction {
    instruction(costaking::ID, ending(owner, device, offer), costaking::instruction::RetractOffer {})
}

/// Ends an offer.
pub fn end(owner: &Address, device: &Address, offer: &Address) -> Instruction {
    instruction(costaking::ID, ending(owner, device, offer), costaking::instruction::EndOffer {})
}

/// Joins an offer on a device of GPU model `gpu`, paying from the token account `from`.
#[allow(clippy::too_many_arguments)]
pub fn join(
    co_staker: &Address,
    device: &Address,
    gpu: u16,
    offer: &Address,
    from: &Address,
    id: u32,
    amount: u64,
    expected: OfferTerms,
) -> Instruction {
    let accounts = costaking::accounts::JoinOffer {
        co_staker: *co_staker,
        config: config(),
        offer: *offer,
        position: position(offer, co_staker, id),
        device: *device,
        gpu_model: stake::gpu_model(gpu),
        device_vault: stake::vault(device),
        from: *from,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
        system_program: System::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::JoinOffer { id, amount, expected })
}

/// Requests the exit of some shares of a position; `number` is the number of its earlier exits.
pub fn request_exit(holder: &Address, device: &Address, offer: &Address, position: &Address, number: u32, shares: u64) -> Instruction {
    let accounts = costaking::accounts::RequestExit {
        holder: *holder,
        config: config(),
        offer: *offer,
        position: *position,
        exit: exit(position, number),
        device: *device,
        staking_config: stake::config(),
        system_program: System::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::RequestExit { shares })
}

/// Pays out a position's rewards.
pub fn claim(holder: &Address, offer: &Address, position: &Address, to: &Address) -> Instruction {
    let accounts = costaking::accounts::ClaimPosition {
        holder: *holder,
        offer: *offer,
        position: *position,
        vault: vault(offer),
        to: *to,
        token_program: Token::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::ClaimPosition {})
}

/// Closes an empty position; its rent goes to the holder.
pub fn close_position(caller: &Address, holder: &Address, offer: &Address, position: &Address) -> Instruction {
    let accounts = costaking::accounts::ClosePosition {
        caller: *caller,
        holder: *holder,
        offer: *offer,
        position: *position,
    };
    instruction(costaking::ID, accounts, costaking::instruction::ClosePosition {})
}

/// Records the point from which a position earns rewards.
pub fn settle_position(offer: &Address, position: &Address) -> Instruction {
    let accounts = costaking::accounts::SettlePosition {
        offer: *offer,
        position: *position,
    };
    instruction(costaking::ID, accounts, costaking::instruction::SettlePosition {})
}

/// Records what an exit has earned.
pub fn settle_exit(offer: &Address, exit: &Address) -> Instruction {
    let accounts = costaking::accounts::SettleExit {
        offer: *offer,
        exit: *exit,
    };
    instruction(costaking::ID, accounts, costaking::instruction::SettleExit {})
}

/// Starts the cooldown of an exit.
pub fn cool(device: &Address, offer: &Address, exit: &Address) -> Instruction {
    let accounts = costaking::accounts::CoolExit {
        config: config(),
        offer: *offer,
        exit: *exit,
        device: *device,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    };
    instruction(costaking::ID, accounts, costaking::instruction::CoolExit {})
}

/// Pays out an exit to `to`, a token account of the holder.
pub fn withdraw(caller: &Address, holder: &Address, device: &Address, offer: &Address, exit: &Address, to: &Address) -> Instruction {
    let accounts = costaking::accounts::WithdrawExit {
        caller: *caller,
        holder: *holder,
        config: config(),
        offer: *offer,
        exit: *exit,
        device: *device,
        device_vault: stake::vault(device),
        vault: vault(offer),
        to: *to,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::WithdrawExit {})
}

/// Records the owner's exit, which takes all co-stakers along.
pub fn force(device: &Address, offer: &Address) -> Instruction {
    let accounts = costaking::accounts::ForceExit {
        config: config(),
        offer: *offer,
        device: *device,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    };
    instruction(costaking::ID, accounts, costaking::instruction::ForceExit {})
}

/// Distributes a device's reward of an hour, in which it is in tally `shard`.
pub fn distribute(device: &Address, offer: &Address, hour: i64, shard: u8) -> Instruction {
    let accounts = costaking::accounts::Distribute {
        config: config(),
        offer: *offer,
        vault: vault(offer),
        device: *device,
        block: reward::block(hour),
        tally: reward::tally(hour, shard),
        emission: reward::emission(),
        emission_vault: reward::vault(),
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::Distribute {})
}

/// Closes an offer; remaining tokens go to `to`, a token account of the owner.
pub fn close(owner: &Address, offer: &Address, to: &Address) -> Instruction {
    let accounts = costaking::accounts::CloseOffer {
        owner: *owner,
        offer: *offer,
        vault: vault(offer),
        to: *to,
        token_program: Token::id(),
    };
    instruction(costaking::ID, accounts, costaking::instruction::CloseOffer {})
}

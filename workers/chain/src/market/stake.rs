//! Addresses and instructions of the staking program.

use super::{costake, instruction, job, pda, program_data};
use anchor_lang::Id;
use anchor_lang::programs::{System, Token};
use solana_address::Address;
use solana_instruction::Instruction;
use staking::state::GpuSpec;
use staking::{Device, DeviceKey, GpuModel, GpuSpecChanges};

/// The config.
pub fn config() -> Address {
    pda(staking::ID, &[staking::StakingConfig::SEED])
}

/// A row of the GPU table.
pub fn gpu_model(id: u16) -> Address {
    pda(staking::ID, &[GpuModel::SEED, &id.to_le_bytes()])
}

/// A device, by the hot key it was registered with.
pub fn device(first_key: &Address) -> Address {
    pda(staking::ID, &[Device::SEED, first_key.as_ref()])
}

/// The account that marks a hot key as used.
pub fn device_key(key: &Address) -> Address {
    pda(staking::ID, &[DeviceKey::SEED, key.as_ref()])
}

/// The token account that holds a device's stake.
pub fn vault(device: &Address) -> Address {
    pda(staking::ID, &[Device::VAULT_SEED, device.as_ref()])
}

/// Creates the config.
pub fn initialize(payer: &Address, upgrade_authority: &Address, mint: &Address, parameters: staking::Parameters) -> Instruction {
    instruction(
        staking::ID,
        staking::accounts::Initialize {
            payer: *payer,
            upgrade_authority: *upgrade_authority,
            config: config(),
            mint: *mint,
            jobs_authority: job::authority(),
            costaking_authority: costake::authority(),
            program_data: program_data(staking::ID),
            system_program: System::id(),
        },
        staking::instruction::Initialize { parameters },
    )
}

/// Changes some or all parameters.
pub fn set_parameters(authority: &Address, changes: impl Into<staking::ParameterChanges>) -> Instruction {
    let accounts = staking::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let changes = changes.into();
    instruction(staking::ID, accounts, staking::instruction::SetParameters { changes })
}

/// Sets the authority and the guardian.
pub fn set_authorities(authority: &Address, next: &Address, guardian: &Address) -> Instruction {
    let accounts = staking::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    instruction(
        staking::ID,
        accounts,
        staking::instruction::SetAuthorities {
            authority: Some(*next),
            guardian: Some(*guardian),
        },
    )
}

/// Pauses or resumes the program.
pub fn set_paused(guardian: &Address, paused: bool) -> Instruction {
    let accounts = staking::accounts::Pause {
        guardian: *guardian,
        config: config(),
    };
    instruction(staking::ID, accounts, staking::instruction::SetPaused { paused })
}

/// Adds a GPU model.
pub fn add_gpu_model(payer: &Address, authority: &Address, id: u16, spec: GpuSpec) -> Instruction {
    instruction(
        staking::ID,
        staking::accounts::AddGpuModel {
            payer: *payer,
            authority: *authority,
            config: config(),
            gpu_model: gpu_model(id),
            system_program: System::id(),
        },
        staking::instruction::AddGpuModel { id, spec },
    )
}

/// Changes some or all properties of a GPU model.
pub fn update_gpu_model(authority: &Address, id: u16, changes: impl Into<GpuSpecChanges>) -> Instruction {
    let accounts = staking::accounts::UpdateGpuModel {
        authority: *authority,
        config: config(),
        gpu_model: gpu_model(id),
    };
    let changes = changes.into();
    instruction(staking::ID, accounts, staking::instruction::UpdateGpuModel { changes })
}

/// Registers a device.
pub fn register_device(owner: &Address, key: &Address, mint: &Address, gpu: u16, quantity: u8) -> Instruction {
    let device = device(key);
    instruction(
        staking::ID,
        staking::accounts::RegisterDevice {
            owner: *owner,
            key: *key,
            config: config(),
            gpu_model: gpu_model(gpu),
            device,
            device_key: device_key(key),
            mint: *mint,
            vault: vault(&device),
            token_program: Token::id(),
            system_program: System::id(),
        },
        staking::instruction::RegisterDevice { quantity },
    )
}

/// Replaces a device's hot key.
pub fn rotate_device_key(owner: &Address, device: &Address, new_key: &Address) -> Instruction {
    let accounts = staking::accounts::RotateDeviceKey {
        owner: *owner,
        new_key: *new_key,
        device: *device,
        device_key: device_key(new_key),
        system_program: System::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::RotateDeviceKey {})
}

/// Sets the wallet that receives job payments.
pub fn set_payout(owner: &Address, device: &Address, payout: &Address) -> Instruction {
    let accounts = staking::accounts::SetPayout {
        owner: *owner,
        device: *device,
    };
    instruction(staking::ID, accounts, staking::instruction::SetPayout { payout: *payout })
}

/// Adds stake from the owner's token account `from`.
pub fn stake(owner: &Address, device: &Address, from: &Address, amount: u64) -> Instruction {
    let accounts = staking::accounts::Stake {
        owner: *owner,
        config: config(),
        device: *device,
        vault: vault(device),
        from: *from,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::Stake { amount })
}

/// Withdraws stake above the minimum to the owner's token account `to`.
pub fn withdraw_overflow(owner: &Address, device: &Address, gpu: u16, to: &Address, amount: u64) -> Instruction {
    let accounts = staking::accounts::WithdrawOverflow {
        owner: *owner,
        config: config(),
        gpu_model: gpu_model(gpu),
        device: *device,
        vault: vault(device),
        to: *to,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::WithdrawOverflow { amount })
}

/// Starts the cooldown of the whole stake.
pub fn unstake(owner: &Address, device: &Address) -> Instruction {
    let accounts = staking::accounts::Unstake {
        owner: *owner,
        config: config(),
        device: *device,
    };
    instruction(staking::ID, accounts, staking::instruction::Unstake {})
}

/// Withdraws the stake after its cooldown to the owner's token account `to`.
pub fn withdraw(owner: &Address, device: &Address, to: &Address) -> Instruction {
    let accounts = staking::accounts::Withdraw {
        owner: *owner,
        device: *device,
        vault: vault(device),
        to: *to,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::Withdraw {})
}

/// Retires a device.
pub fn terminate_device(owner: &Address, device: &Address) -> Instruction {
    let accounts = staking::accounts::TerminateDevice {
        owner: *owner,
        device: *device,
    };
    instruction(staking::ID, accounts, staking::instruction::TerminateDevice {})
}

/// Closes an empty device.
pub fn close_device(owner: &Address, device: &Address, to: &Address) -> Instruction {
    let accounts = staking::accounts::CloseDevice {
        owner: *owner,
        device: *device,
        vault: vault(device),
        to: *to,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::CloseDevice {})
}

/// Burns the stake that a device has forfeited.
pub fn burn_forfeited(device: &Address, mint: &Address) -> Instruction {
    let accounts = staking::accounts::BurnForfeited {
        config: config(),
        device: *device,
        vault: vault(device),
        mint: *mint,
        token_program: Token::id(),
    };
    instruction(staking::ID, accounts, staking::instruction::BurnForfeited {})
}

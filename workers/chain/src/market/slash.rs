//! Slashes decided by people: proposal and approval by two keys, the appeal, and the end.

use super::stake::config;
use super::{instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::System;
use solana_address::Address;
use solana_instruction::Instruction;
use staking::Slash;

/// A slash of a device.
pub fn address(device: &Address, number: u32) -> Address {
    pda(staking::ID, &[Slash::SEED, device.as_ref(), &number.to_le_bytes()])
}

/// Sets the keys that propose and approve slashes.
pub fn set_judges(authority: &Address, proposer: &Address, approver: &Address) -> Instruction {
    let accounts = staking::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let data = staking::instruction::SetJudges {
        proposer: Some(*proposer),
        approver: Some(*approver),
    };
    instruction(staking::ID, accounts, data)
}

/// Proposes a slash.
pub fn propose(proposer: &Address, device: &Address, number: u32, reason: u8, share_bps: u16, evidence: [u8; 32]) -> Instruction {
    let accounts = staking::accounts::ProposeSlash {
        proposer: *proposer,
        config: config(),
        device: *device,
        slash: address(device, number),
        system_program: System::id(),
    };
    let data = staking::instruction::ProposeSlash {
        number,
        reason,
        share_bps,
        evidence,
    };
    instruction(staking::ID, accounts, data)
}

/// Approves a slash with this share and evidence.
pub fn approve(approver: &Address, device: &Address, number: u32, share_bps: u16, evidence: [u8; 32]) -> Instruction {
    let accounts = staking::accounts::ApproveSlash {
        approver: *approver,
        config: config(),
        device: *device,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::ApproveSlash { share_bps, evidence })
}

/// Withdraws a proposed slash, or ends an approved one that has nothing left to take. The rent returns to `payer`, which paid it.
pub fn withdraw(caller: &Address, payer: &Address, device: &Address, number: u32) -> Instruction {
    let accounts = staking::accounts::DropSlash {
        caller: *caller,
        config: config(),
        payer: *payer,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::DropSlash {})
}

/// Appeals against a slash.
pub fn appeal(owner: &Address, device: &Address, number: u32, answer: [u8; 32]) -> Instruction {
    let accounts = staking::accounts::AppealSlash {
        owner: *owner,
        device: *device,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::AppealSlash { answer })
}

/// Overturns a slash and returns what it set aside.
pub fn overturn(authority: &Address, payer: &Address, device: &Address, number: u32) -> Instruction {
    let accounts = staking::accounts::OverturnSlash {
        authority: *authority,
        config: config(),
        device: *device,
        payer: *payer,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::OverturnSlash {})
}

/// Sets aside what is still due to a slash, as far as bonds have released it.
pub fn collect(device: &Address, number: u32) -> Instruction {
    let accounts = staking::accounts::CollectDue {
        device: *device,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::CollectDue {})
}

/// Upholds a slash whose appeal period is over.
pub fn finish(payer: &Address, device: &Address, number: u32) -> Instruction {
    let accounts = staking::accounts::FinishSlash {
        device: *device,
        payer: *payer,
        slash: address(device, number),
    };
    instruction(staking::ID, accounts, staking::instruction::FinishSlash {})
}

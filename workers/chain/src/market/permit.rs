//! Permits for one forced error: issuing them, opening them after a conviction, and confessing before one.

use super::job::{JobParties, authority, config};
use super::{instruction, pda};
use anchor_lang::Id;
use anchor_lang::programs::{System, Token};
use jobs::Permit;
use protocol::hash::Hash;
use protocol::permit;
use solana_address::Address;
use solana_instruction::Instruction;

/// The permit with this seal.
pub fn address(seal: &Hash) -> Address {
    pda(jobs::ID, &[Permit::SEED, seal])
}

/// The permit of a device and a secret.
fn of(device: &Address, secret: &Hash) -> Address {
    address(&permit::seal(device.as_array(), secret))
}

/// The token account that holds the jackpot of a permit.
pub fn vault(permit: &Address) -> Address {
    pda(jobs::ID, &[Permit::VAULT_SEED, permit.as_ref()])
}

/// Permits the device that the seal hides to err in one job, drawn from a share of its jobs, which earns its finder `multiple` prices, at
/// most the jackpot; `from` is the authority's token account that pays the jackpot.
#[allow(clippy::too_many_arguments)]
pub fn issue(
    payer: &Address,
    authority: &Address,
    mint: &Address,
    from: &Address,
    seal: Hash,
    rate_bps: u16,
    multiple: u16,
    jackpot: u64,
) -> Instruction {
    let permit = address(&seal);
    let accounts = jobs::accounts::IssuePermit {
        payer: *payer,
        authority: *authority,
        config: config(),
        mint: *mint,
        permit,
        vault: vault(&permit),
        from: *from,
        token_program: Token::id(),
        system_program: System::id(),
    };
    let data = jobs::instruction::IssuePermit {
        seal,
        rate_bps,
        multiple,
        jackpot,
    };
    instruction(jobs::ID, accounts, data)
}

/// Closes a permit; `to` receives what is left of the jackpot.
pub fn close(authority: &Address, payer: &Address, permit: &Address, to: &Address) -> Instruction {
    let accounts = jobs::accounts::ClosePermit {
        authority: *authority,
        config: config(),
        payer: *payer,
        permit: *permit,
        vault: vault(permit),
        to: *to,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::ClosePermit {})
}

/// Proves that a convicted result was wrong by permit.
pub fn open(job: &Address, device: &Address, secret: Hash) -> Instruction {
    let permit = of(device, &secret);
    let accounts = jobs::accounts::OpenPermit {
        config: config(),
        job: *job,
        conviction: super::job::conviction(job),
        permit,
        vault: vault(&permit),
        device: *device,
        device_vault: super::stake::vault(device),
        staking_config: super::stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::OpenPermit { secret })
}

/// Confesses that a revealed result is wrong by permit.
pub fn confess(cranker: &Address, parties: &JobParties, secret: Hash) -> Instruction {
    let accounts = jobs::accounts::Confess {
        unserved: super::job::unserved(cranker, parties),
        config: config(),
        authority: authority(),
        permit: of(&parties.device, &secret),
    };
    instruction(jobs::ID, accounts, jobs::instruction::Confess { secret })
}

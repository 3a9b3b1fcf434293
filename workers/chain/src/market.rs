//! Addresses and instructions of the market's programs.

pub mod answers;
pub mod audit;
pub mod costake;
pub mod demand;
pub mod govern;
pub mod job;
pub mod permit;
pub mod referee;
pub mod reward;
pub mod slash;
pub mod stake;

use anchor_lang::programs::{AssociatedToken, System, Token};
use anchor_lang::{Discriminator, Id, InstructionData, ToAccountMetas};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};

/// The associated token account of a wallet for a mint.
pub use spl_associated_token_account_interface::address::get_associated_token_address as token_account;

/// An instruction of one of the programs.
fn instruction(program_id: Address, accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

fn pda(program: Address, seeds: &[&[u8]]) -> Address {
    Address::find_program_address(seeds, &program).0
}

/// Number of items in a growing account, which stores it behind its discriminator and header `H`; 0 if the account is too short.
fn grown<H: Discriminator>(data: &[u8]) -> u32 {
    let before = H::DISCRIMINATOR.len().saturating_add(size_of::<H>());
    let count = data.get(before..).and_then(|rest| rest.first_chunk());
    u32::from_le_bytes(*count.unwrap_or(&[0; 4]))
}

/// The upgradeable loader.
pub const LOADER: Address = Address::new_from_array(protocol::loader::ID);

/// The `ProgramData` account of an upgradeable program.
pub fn program_data(program: Address) -> Address {
    pda(LOADER, &[program.as_ref()])
}

/// Creates `wallet`'s associated token account, or does nothing if it exists.
pub fn create_token_account(payer: &Address, wallet: &Address, mint: &Address) -> Instruction {
    const CREATE_IDEMPOTENT: u8 = 1;
    Instruction {
        program_id: AssociatedToken::id(),
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(token_account(wallet, mint), false),
            AccountMeta::new_readonly(*wallet, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new_readonly(System::id(), false),
            AccountMeta::new_readonly(Token::id(), false),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}

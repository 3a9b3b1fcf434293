//! A buffer of the loader's: code that waits to replace a program's.

use chain::market::{LOADER, govern};
use sha2::{Digest, Sha256};
use solana_account::Account;
use solana_address::Address;

/// Where a buffer names its authority.
pub const AUTHORITY: usize = 5;
/// Where its code begins.
pub use governance::instructions::CODE_AT;

/// What can be read in one.
pub struct Buffer<'a> {
    /// Who may change it.
    pub authority: Address,
    /// The code.
    pub code: &'a [u8],
}

impl<'a> Buffer<'a> {
    /// The buffer in this account, if it is the loader's and one that somebody may change.
    pub fn read(account: &'a Account) -> Option<Self> {
        const OWNED: [u8; AUTHORITY] = [1, 0, 0, 0, 1];
        let is_buffer = account.owner == LOADER && account.data.starts_with(&OWNED);
        let authority = account.data.get(AUTHORITY..CODE_AT).filter(|_| is_buffer)?;
        Some(Self {
            authority: Address::try_from(authority).ok()?,
            code: account.data.get(CODE_AT..)?,
        })
    }

    /// What a vote compares.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.code).into()
    }

    /// Whether only governance may change or use it.
    pub fn is_governances(&self) -> bool {
        self.authority == govern::authority()
    }
}

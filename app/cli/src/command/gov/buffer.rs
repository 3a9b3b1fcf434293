//! A buffer of the loader: code that is to replace a program's.

use chain::market::{LOADER, govern};
use sha2::{Digest, Sha256};
use solana_account::Account;
use solana_address::Address;

/// Offset of a buffer's authority.
pub const AUTHORITY: usize = 5;
/// Offset of its code.
pub use protocol::loader::CODE_AT;

/// The contents of a buffer.
pub struct Buffer<'a> {
    /// The key that may change it.
    pub authority: Address,
    /// The code.
    pub code: &'a [u8],
}

impl<'a> Buffer<'a> {
    /// Reads the buffer in this account, if it is the loader's and has an authority.
    pub fn read(account: &'a Account) -> Option<Self> {
        const OWNED: [u8; AUTHORITY] = [1, 0, 0, 0, 1];
        let is_buffer = account.owner == LOADER && account.data.starts_with(&OWNED);
        let authority = account.data.get(AUTHORITY..CODE_AT).filter(|_| is_buffer)?;
        Some(Self {
            authority: Address::try_from(authority).ok()?,
            code: account.data.get(CODE_AT..)?,
        })
    }

    /// The hash that stakers vote on.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.code).into()
    }

    /// Whether only governance may change or use it.
    pub fn is_governances(&self) -> bool {
        self.authority == govern::authority()
    }
}

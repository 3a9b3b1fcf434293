//! What a transaction would change, by simulation.

use crate::{
    amount::{SOL, Unit},
    context::{Token, token_amount},
    output::Table,
};
use anchor_lang::AccountDeserialize;
use chain::{
    Preview,
    market::{self, job},
};
use jobs::Escrow;
use solana_account::Account;
use solana_address::Address;
use staking::Device;
use std::fmt;

/// Reads one number out of an account; `None` when the account does not hold it.
type Read = fn(&Account) -> Option<u64>;

/// A number worth showing before and after.
#[derive(Clone)]
pub struct Watched {
    label: String,
    address: Address,
    unit: Unit,
    read: Read,
}

impl Watched {
    /// A wallet's SOL.
    pub fn sol(label: &str, wallet: &Address) -> Self {
        Self::new(label, *wallet, SOL, |account| Some(account.lamports))
    }

    /// A wallet's tokens.
    pub fn tokens(label: &str, wallet: &Address, token: &Token) -> Self {
        Self::new(label, market::token_account(wallet, &token.mint), token.unit, token_amount)
    }

    /// Free and locked money of a consumer's escrow.
    pub fn escrow(owner: &Address, token: &Token) -> [Self; 2] {
        let address = job::escrow(owner, &token.mint);
        [
            Self::new("escrow, free", address, token.unit, |account| Some(escrow(account)?.free.get())),
            Self::new("escrow, locked", address, token.unit, |account| Some(escrow(account)?.locked.get())),
        ]
    }

    /// Stake and cooldown of a device.
    pub fn device(address: &Address, token: &Token) -> [Self; 2] {
        [
            Self::new("stake", *address, token.unit, |account| Some(device(account)?.own_stake.get())),
            Self::new("cooling down", *address, token.unit, |account| Some(device(account)?.cooling.get())),
        ]
    }

    fn new(label: &str, address: Address, unit: Unit, read: Read) -> Self {
        Self {
            label: label.to_owned(),
            address,
            unit,
            read,
        }
    }

    /// The account it is read from.
    pub fn address(&self) -> Address {
        self.address
    }
}

fn escrow(account: &Account) -> Option<Escrow> {
    Escrow::try_deserialize(&mut account.data.as_slice()).ok()
}

fn device(account: &Account) -> Option<Device> {
    Device::try_deserialize(&mut account.data.as_slice()).ok()
}

/// What a transaction would do.
pub struct Effect {
    changes: Table<4>,
    fee: u64,
    compute_units: u64,
}

impl Effect {
    /// The effect on the watched numbers, in the order of `preview`'s accounts. Those that stay the same are left out.
    pub fn new(watched: &[Watched], preview: &Preview) -> Self {
        let mut changes = Table::new(["", "before", "after", ""]);
        for (watched, accounts) in watched.iter().zip(preview.before.iter().zip(&preview.after)) {
            let number = |account: &Option<Account>| account.as_ref().and_then(watched.read).unwrap_or(0);
            let (before, after) = (number(accounts.0), number(accounts.1));
            if before != after {
                let unit = watched.unit;
                changes.row([watched.label.clone(), unit.number(before), unit.number(after), unit.to_string()]);
            }
        }
        Self {
            changes,
            fee: preview.fee,
            compute_units: preview.compute_units,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fee, units) = (SOL.show(self.fee), self.compute_units);
        write!(f, "{}fee {fee} for {units} compute units", self.changes)
    }
}

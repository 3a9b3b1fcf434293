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
use serde::Serialize;
use solana_account::Account;
use solana_address::Address;
use staking::Device;
use std::fmt;

/// Reads one number out of an account; `None` when the account does not hold it.
type Read = fn(&Account) -> Option<u64>;

/// A number worth showing before and after.
#[derive(Clone, Debug)]
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

/// A number before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    label: String,
    address: String,
    before: u64,
    after: u64,
    #[serde(skip)]
    unit: Unit,
}

/// What a transaction would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    changes: Vec<Change>,
    fee: u64,
    compute_units: u64,
}

impl Effect {
    /// The effect on the watched numbers, in the order of `preview`'s accounts. Those that stay the same are left out.
    pub fn new(watched: &[Watched], preview: &Preview) -> Self {
        let accounts = preview.before.iter().zip(&preview.after);
        let changes = watched.iter().zip(accounts).map(|(watched, (before, after))| {
            let number = |account: &Option<Account>| account.as_ref().and_then(watched.read).unwrap_or(0);
            Change {
                label: watched.label.clone(),
                address: watched.address.to_string(),
                before: number(before),
                after: number(after),
                unit: watched.unit,
            }
        });
        Self {
            changes: changes.filter(|change| change.before != change.after).collect(),
            fee: preview.fee,
            compute_units: preview.compute_units,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["", "before", "after", ""]);
        for Change {
            label,
            before,
            after,
            unit,
            ..
        } in &self.changes
        {
            table.row([label.clone(), unit.number(*before), unit.number(*after), unit.to_string()]);
        }
        write!(f, "{table}fee {} for {} compute units", SOL.show(self.fee), self.compute_units)
    }
}

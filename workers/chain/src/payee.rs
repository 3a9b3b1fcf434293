//! Where somebody is paid who may have closed its token account, or given it away.

use crate::market::{create_token_account, token_account};
use crate::{Chain, Result};
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_program_pack::Pack;
use solana_system_interface::instruction::{allocate_with_seed, transfer};
use spl_token_interface::state::Account as TokenAccount;

/// Rent of a token account, in lamports. Should rent fall, the account has a little more than it needs.
const RENT: u64 = 2_039_280;

/// A token account to pay somebody on.
#[derive(Clone, Debug)]
pub struct Payee {
    /// The account.
    pub account: Address,
    /// What opens it at the payer's expense; nothing where it is there.
    pub opening: Vec<Instruction>,
}

impl Chain {
    /// The account on which `payer` can pay `wallet` tokens of `mint`: the associated one, opened where there is none.
    ///
    /// Its holder can hand that over to somebody else, which must not keep from others what the same transaction brings them: then it is
    /// one that is opened for this payment, which `job`'s hash tells from others.
    pub async fn payee(&self, payer: &Address, wallet: &Address, mint: &Address, job: &Hash) -> Result<Payee> {
        let associated = token_account(wallet, mint);
        let found = self.account(&associated).await?;
        let Some(account) = found.filter(|account| account.owner == spl_token_interface::ID) else {
            return Ok(Payee {
                account: associated,
                opening: vec![create_token_account(payer, wallet, mint)],
            });
        };
        match TokenAccount::unpack(&account.data) {
            Ok(account) if account.owner != *wallet => Ok(opened_for(payer, wallet, mint, job)),
            _ => Ok(Payee {
                account: associated,
                opening: Vec::new(),
            }),
        }
    }
}

/// An account of `wallet`'s where nobody but `payer` can open one. It is not created in one step, which lamports sent there beforehand would
/// make fail.
fn opened_for(payer: &Address, wallet: &Address, mint: &Address, job: &Hash) -> Payee {
    // At most 32 bytes; the wallet's, as one job may pay several.
    let seed = format!("{:.16}{:.16}", bs58::encode(job).into_string(), wallet.to_string());
    let token = spl_token_interface::ID;
    let account = Address::create_with_seed(payer, &seed, &token).unwrap_or_default();
    let initialise = spl_token_interface::instruction::initialize_account3(&token, &account, mint, wallet);
    let mut opening = vec![
        transfer(payer, &account, RENT),
        allocate_with_seed(&account, payer, &seed, TokenAccount::LEN as u64, &token),
    ];
    // It refuses other token programs than this.
    opening.extend(initialise);
    Payee { account, opening }
}

//! Where somebody is paid who may have closed its token account, or given it away.

use crate::market::{create_token_account, token_account};
use crate::{Chain, Result};
use protocol::hash::Hash;
use solana_account::Account;
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
    /// Its holder can hand that over to somebody else, and a mint's issuer may have frozen it, which must not keep from others what the same
    /// transaction brings them: then it is one that is opened for this payment, which `job`'s hash tells from others.
    pub async fn payee(&self, payer: &Address, wallet: &Address, mint: &Address, job: &Hash) -> Result<Payee> {
        let associated = token_account(wallet, mint);
        let found = self.account(&associated).await?;
        let Some(account) = found.filter(|account| account.owner == spl_token_interface::ID) else {
            return Ok(Payee {
                account: associated,
                opening: vec![create_token_account(payer, wallet, mint)],
            });
        };
        if !is_lost(&account, wallet) {
            return Ok(Payee {
                account: associated,
                opening: Vec::new(),
            });
        }
        let mut payee = opened_for(payer, wallet, mint, job);
        // One job may pay a wallet twice.
        let opened = self.account(&payee.account).await?;
        if opened.is_some_and(|account| account.owner == spl_token_interface::ID && !is_lost(&account, wallet)) {
            payee.opening.clear();
        }
        Ok(payee)
    }
}

/// Whether a token account is not the wallet's, or takes nothing.
fn is_lost(account: &Account, wallet: &Address) -> bool {
    TokenAccount::unpack(&account.data).map_or(true, |account| account.owner != *wallet || account.is_frozen())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{ProgramErrors, fake::Fake};
    use spl_token_interface::state::AccountState;
    use std::sync::Arc;

    fn held_by(wallet: Address, state: AccountState) -> Account {
        let mut data = vec![0; TokenAccount::LEN];
        let account = TokenAccount {
            owner: wallet,
            state,
            ..TokenAccount::default()
        };
        TokenAccount::pack(account, &mut data).unwrap();
        Account {
            lamports: RENT,
            data,
            owner: spl_token_interface::ID,
            ..Account::default()
        }
    }

    #[tokio::test]
    async fn an_account_is_its_wallets_and_takes_what_comes() {
        let [payer, wallet, mint, other] = [1, 2, 3, 4].map(|at| Address::new_from_array([at; 32]));
        let fake = Arc::new(Fake::default());
        let chain = Chain::new(fake.clone(), ProgramErrors::default());
        let payee = async || chain.payee(&payer, &wallet, &mint, &[7; 32]).await.unwrap();
        let associated = token_account(&wallet, &mint);
        let missing = payee().await;
        assert_eq!((missing.account, missing.opening.len()), (associated, 1));

        fake.set_account(associated, held_by(wallet, AccountState::Initialized));
        let there = payee().await;
        assert_eq!((there.account, there.opening.len()), (associated, 0));

        for lost in [held_by(other, AccountState::Initialized), held_by(wallet, AccountState::Frozen)] {
            fake.set_account(associated, lost);
            let opened = payee().await;
            assert_ne!(opened.account, associated);
            assert_eq!(opened.opening.len(), 3);
        }
        // It was opened when the same job paid the wallet before.
        let account = payee().await.account;
        fake.set_account(account, held_by(wallet, AccountState::Initialized));
        let again = payee().await;
        assert_eq!((again.account, again.opening.len()), (account, 0));
        let for_another_job = chain.payee(&payer, &wallet, &mint, &[8; 32]).await.unwrap();
        assert_ne!(for_another_job.account, account);
    }
}

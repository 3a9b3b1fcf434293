//! Token accounts for payments to wallets whose associated account may be closed, frozen or given away.

use crate::market::{create_token_account, token_account};
use crate::{Chain, Result};
use protocol::hash::Hash;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_program_pack::Pack;
use solana_system_interface::instruction::{allocate_with_seed, transfer};
use spl_token_interface::state::{Account as TokenAccount, Multisig};

/// The token program with extensions.
const TOKEN_2022: Address = Address::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// Rent of a token account in lamports. If rent falls, the account gets a little more than it needs.
const RENT: u64 = 2_039_280;

/// A token account that can receive a payment.
#[derive(Clone, Debug)]
pub struct Payee {
    /// The account.
    pub account: Address,
    /// Instructions that open it at the payer's expense; none if it is open.
    pub opening: Vec<Instruction>,
}

impl Payee {
    /// Lamports that the payer spends to open it.
    pub fn rent(&self) -> u64 {
        if self.opening.is_empty() { 0 } else { RENT }
    }
}

impl Chain {
    /// The account in which `payer` can pay `wallet` tokens of `mint`: the associated account, which is opened if there is none.
    ///
    /// The holder may have transferred that account to somebody else, or the mint's authority may have frozen it. Neither may block what
    /// the same transaction pays to others, so in these cases the payment goes to a new account, whose address is derived from `job`'s
    /// hash.
    pub async fn payee(&self, payer: &Address, wallet: &Address, mint: &Address, job: &Hash) -> Result<Payee> {
        let associated = token_account(wallet, mint);
        let found = self.token_account(&associated).await?;
        if found.as_ref().is_none_or(|account| takes_payments(account, wallet)) {
            let opening = found.is_none().then(|| create_token_account(payer, wallet, mint));
            return Ok(Payee {
                account: associated,
                opening: opening.into_iter().collect(),
            });
        }
        let mut payee = opened_for(payer, wallet, mint, job);
        // A job may pay the same wallet twice.
        let opened = self.token_account(&payee.account).await?;
        if opened.is_some_and(|account| takes_payments(&account, wallet)) {
            payee.opening.clear();
        }
        Ok(payee)
    }

    /// Whether there is a token account or a mint at `address`, taken for a wallet by mistake: what is paid to the token account of such an
    /// address is lost. A multisig of a token program is a wallet, as its members can move what it holds.
    pub async fn is_token_account(&self, address: &Address) -> Result<bool> {
        // Token programs tell a multisig by its length, which no other account of theirs has.
        let found = self.account_prefix(address, Multisig::LEN.saturating_add(1)).await?;
        let of_program = |account: &Account| [spl_token_interface::ID, TOKEN_2022].contains(&account.owner);
        Ok(found.is_some_and(|account| of_program(&account) && account.data.len() != Multisig::LEN))
    }

    async fn token_account(&self, address: &Address) -> Result<Option<Account>> {
        let found = self.account(address).await?;
        Ok(found.filter(|account| account.owner == spl_token_interface::ID))
    }
}

/// Whether a token account still belongs to the wallet and is not frozen.
fn takes_payments(account: &Account, wallet: &Address) -> bool {
    TokenAccount::unpack(&account.data).is_ok_and(|account| account.owner == *wallet && !account.is_frozen())
}

/// A new token account of `wallet` at an address where only `payer` can open one. Transfer and allocation are separate, because
/// `create_account` fails if somebody has sent lamports there before.
fn opened_for(payer: &Address, wallet: &Address, mint: &Address, job: &Hash) -> Payee {
    // At most 32 bytes. Includes the wallet, as one job may pay several.
    let seed = format!("{:.16}{:.16}", bs58::encode(job).into_string(), wallet.to_string());
    let token = spl_token_interface::ID;
    let account = Address::create_with_seed(payer, &seed, &token).unwrap_or_default();
    let initialise = spl_token_interface::instruction::initialize_account3(&token, &account, mint, wallet);
    let mut opening = vec![
        transfer(payer, &account, RENT),
        allocate_with_seed(&account, payer, &seed, TokenAccount::LEN as u64, &token),
    ];
    // Fails only for another token program.
    opening.extend(initialise);
    Payee { account, opening }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fake::Fake;
    use spl_token_interface::state::{AccountState, Mint};
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
    async fn a_lost_account_is_replaced_by_a_new_one() {
        let [payer, wallet, mint, other] = [1, 2, 3, 4].map(|at| Address::new_from_array([at; 32]));
        let fake = Arc::new(Fake::default());
        let chain = Chain::new(fake.clone());
        let payee = async || chain.payee(&payer, &wallet, &mint, &[7; 32]).await.unwrap();
        let associated = token_account(&wallet, &mint);
        let missing = payee().await;
        assert_eq!((missing.account, missing.opening.len(), missing.rent()), (associated, 1, RENT));

        fake.set_account(associated, held_by(wallet, AccountState::Initialized));
        let there = payee().await;
        assert_eq!((there.account, there.opening.len(), there.rent()), (associated, 0, 0));

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

    #[tokio::test]
    async fn a_multisig_is_a_wallet_and_a_token_account_is_none() {
        let fake = Arc::new(Fake::default());
        let chain = Chain::new(fake.clone());
        let sizes = [(Mint::LEN, true), (TokenAccount::LEN, true), (Multisig::LEN, false), (400, true)];
        for (owner, of_program) in [(spl_token_interface::ID, true), (TOKEN_2022, true), (Address::default(), false)] {
            for (size, is_no_wallet) in sizes {
                let account = Account {
                    lamports: RENT,
                    data: vec![0; size],
                    owner,
                    ..Account::default()
                };
                let address = Address::new_unique();
                fake.set_account(address, account);
                let found = chain.is_token_account(&address).await.unwrap();
                assert_eq!(found, of_program && is_no_wallet, "{size} bytes of {owner}");
            }
        }
        assert!(!chain.is_token_account(&Address::new_unique()).await.unwrap());
    }
}

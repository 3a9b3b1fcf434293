//! Reads accounts.

use super::Chain;
use crate::{Error, Filter, Result, market::program_data};
use anchor_lang::{AccountDeserialize, Discriminator, Owner, bytemuck::Pod};
use solana_account::Account;
use solana_address::Address;

impl Chain {
    /// The account at `address`, if it has any lamports; see [`made`] for why that alone does not mean that a program created it.
    pub async fn account(&self, address: &Address) -> Result<Option<Account>> {
        let (_, accounts) = self.network.accounts(&[*address]).await?;
        Ok(accounts.into_iter().next().flatten())
    }

    /// Like [`Self::account`], with only the first `limit` bytes of the data: an account named by a stranger may hold 10 MiB.
    pub async fn account_prefix(&self, address: &Address, limit: usize) -> Result<Option<Account>> {
        let (_, accounts) = self.network.account_prefixes(&[*address], limit).await?;
        Ok(accounts.into_iter().next().flatten())
    }

    /// Whether an account has been [`made`] at `address`.
    pub async fn exists(&self, address: &Address) -> Result<bool> {
        Ok(made(self.account_prefix(address, 1).await?.as_ref()).is_some())
    }

    /// The typed account at `address`, if there is one.
    pub async fn try_fetch<T: AccountDeserialize + Discriminator + Owner + Pod>(&self, address: &Address) -> Result<Option<T>> {
        // A `Pod` value is the start of its account; nothing behind it is needed.
        let limit = T::DISCRIMINATOR.len().saturating_add(size_of::<T>());
        decode_if_any(address, self.account_prefix(address, limit).await?.as_ref())
    }

    /// The typed account at `address`.
    pub async fn fetch<T: AccountDeserialize + Discriminator + Owner + Pod>(&self, address: &Address) -> Result<T> {
        self.try_fetch(address).await?.ok_or_else(|| self.missing(address))
    }

    /// The error that there is no account at `address`.
    pub fn missing(&self, address: &Address) -> Error {
        Error::NoAccount {
            url: self.network.url().to_owned(),
            address: *address,
        }
    }

    /// The upgrade authority of a program, if it has one.
    pub async fn upgrade_authority(&self, program: Address) -> Result<Option<Address>> {
        /// Bytes of a `ProgramData` account before the code, of which there may be 10 MiB.
        const METADATA: usize = 45;
        let record = self.account_prefix(&program_data(program), METADATA).await?;
        let authority = record.and_then(|record| protocol::loader::upgrade_authority(&record.data));
        Ok(authority.map(Address::new_from_array))
    }

    /// All accounts of a type that pass the filters; offsets count from the start of the account, discriminator included.
    pub async fn find<T: AccountDeserialize + Discriminator + Owner>(&self, filters: &[Filter]) -> Result<Vec<(Address, T)>> {
        let mut all = vec![Filter::Bytes(0, T::DISCRIMINATOR.to_vec())];
        all.extend_from_slice(filters);
        let accounts = self.network.program_accounts(&T::OWNER, &all).await?;
        accounts
            .into_iter()
            .map(|(address, account)| Ok((address, decode(&address, &account)?)))
            .collect()
    }
}

/// The account, unless it is nothing but lamports. Anybody can send those to any address, including one where a program has yet to create
/// its account or has closed it.
pub fn made(account: Option<&Account>) -> Option<&Account> {
    account.filter(|account| account.owner != solana_system_interface::program::ID || !account.data.is_empty())
}

/// Like [`decode`], but `None` if no account has been [`made`] there.
pub fn decode_if_any<T: AccountDeserialize + Owner>(address: &Address, account: Option<&Account>) -> Result<Option<T>> {
    made(account).map(|account| decode(address, account)).transpose()
}

/// Reads an account's bytes as `T`, checking its owner and discriminator.
pub fn decode<T: AccountDeserialize + Owner>(address: &Address, account: &Account) -> Result<T> {
    let refuse = |reason| Error::AccountKind { address: *address, reason };
    if account.owner != T::OWNER {
        return Err(refuse(format!("it belongs to program {}, not to {}", account.owner, T::OWNER)));
    }
    T::try_deserialize(&mut account.data.as_slice()).map_err(|_| refuse("its type or size differs".to_owned()))
}

/// Upper bound of the rent of an account with `bytes` bytes of data, in lamports: at 6,960 a byte, the rate that clusters started with.
pub const fn rent(bytes: usize) -> u64 {
    // Bytes of metadata that every account pays for.
    const OVERHEAD: u64 = 128;
    OVERHEAD.saturating_add(bytes as u64).saturating_mul(6_960)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{client::tests::chain, fake::gift};

    #[tokio::test]
    async fn lamports_alone_are_not_an_account() {
        let (fake, chain) = chain();
        let address = Address::new_unique();
        fake.set_account(address, gift());
        assert!(chain.try_fetch::<jobs::Config>(&address).await.unwrap().is_none());
        assert!(matches!(chain.fetch::<jobs::Config>(&address).await, Err(Error::NoAccount { .. })));
        for other in [
            Account {
                data: vec![0; 80],
                ..gift()
            },
            Account { owner: jobs::ID, ..gift() },
        ] {
            fake.set_account(address, other);
            assert!(matches!(
                chain.try_fetch::<jobs::Config>(&address).await,
                Err(Error::AccountKind { .. })
            ));
        }
    }
}

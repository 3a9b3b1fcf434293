//! What commands share: the chain, the wallet, the blob store and the market's configs.

use crate::{
    amount::{Unit, UnitName},
    error::{Error, Result, refuse},
    record::Records,
    settings::Settings,
    story::Story,
};
use blobs::BlobStore;
use chain::{
    Chain, SendOptions,
    market::{self, job, stake},
};
use jobs::{Escrow, Job};
use protocol::units::Moment;
use solana_account::Account;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_program_pack::{IsInitialized, Pack};
use solana_signer::Signer;
use spl_token_interface::state::{Account as TokenAccount, Mint};

/// Most transactions to search for how a job ended, just to refuse it: the address may be that of a busy wallet.
const MOST_SEARCHED: usize = 1_000;

/// The chain, the settings and how to send.
pub struct Context {
    /// Resolved settings.
    pub settings: Settings,
    /// The chain.
    pub chain: Chain,
    /// How transactions are sent.
    pub options: SendOptions,
}

/// The programs' configs.
pub struct Market {
    /// Of staking.
    pub staking: staking::StakingConfig,
    /// Of jobs.
    pub jobs: jobs::Config,
}

/// A token and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its mint.
    pub mint: Address,
    /// Its unit.
    pub unit: Unit,
}

impl Context {
    /// Builds the context from `settings`; sends nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            chain: Chain::connect(&settings.cluster),
            options: SendOptions {
                priority_fee: settings.priority_fee,
                ..SendOptions::default()
            },
            settings,
        }
    }

    /// The wallet that signs and pays.
    pub fn wallet(&self) -> Result<Keypair> {
        Ok(chain::load_keypair(&self.settings.keypair)?)
    }

    /// An address given, or else the wallet's.
    pub fn address(&self, given: Option<Address>) -> Result<Address> {
        given.map_or_else(|| Ok(self.wallet()?.pubkey()), Ok)
    }

    /// The blob store.
    pub fn blobs(&self) -> Result<BlobStore> {
        Ok(BlobStore::open(&self.settings.blobs)?)
    }

    /// Records of the jobs opened on this machine.
    pub fn records(&self) -> Records {
        Records::open(&self.settings.data)
    }

    /// The programs' configs; fails on a cluster without the market.
    pub async fn market(&self) -> Result<Market> {
        self.chain.check(&[staking::ID, jobs::ID]).await?;
        let (staking, jobs) = (stake::config(), job::config());
        let (staking, jobs) = tokio::try_join!(self.chain.try_fetch(&staking), self.chain.try_fetch(&jobs))?;
        match (staking, jobs) {
            (Some(staking), Some(jobs)) => Ok(Market { staking, jobs }),
            _ => refuse(format!(
                "the market's programs are deployed at {} but not set up; run the migrations there, or choose another --url",
                self.settings.cluster
            )),
        }
    }

    /// The token of `mint`, or $IO.
    pub async fn token(&self, market: &Market, mint: Option<Address>) -> Result<Token> {
        let mint = mint.unwrap_or(market.jobs.mint);
        let name = if mint == market.jobs.mint {
            UnitName::Io
        } else {
            UnitName::Mint(mint)
        };
        match self.chain.account(&mint).await?.as_ref().and_then(unpack::<Mint>) {
            Some(Mint { decimals, .. }) => Ok(Token {
                mint,
                unit: Unit { name, decimals },
            }),
            None => refuse(format!(
                "{mint} is not a mint of the token program; check the address given with --mint"
            )),
        }
    }

    /// Fails unless a wallet holds what it is to deposit or stake, as `verb` says.
    pub async fn check_held(&self, wallet: &Address, token: &Token, amount: u64, verb: &str) -> Result<()> {
        let account = self.chain.account(&market::token_account(wallet, &token.mint)).await?;
        let held = account.as_ref().and_then(token_amount).unwrap_or(0);
        if held >= amount {
            return Ok(());
        }
        refuse(format!(
            "wallet {wallet} holds {} and cannot {verb} {}; get more first or {verb} less",
            token.unit.show(held),
            token.unit.show(amount)
        ))
    }

    /// Whether somebody may hold a key for this address: it lies on the curve, and no account of a program is there.
    pub async fn is_wallet(&self, address: &Address) -> Result<bool> {
        Ok(address.is_on_curve() && !self.chain.exists(address).await?)
    }

    /// The chain's two clocks.
    pub async fn now(&self) -> Result<Moment> {
        match self.chain.now().await {
            Err(chain::Error::NoAccount { .. }) => refuse(format!(
                "{} has no clock, so it is not a Solana cluster; choose another --url",
                self.settings.cluster
            )),
            now => Ok(now?),
        }
    }

    /// The account of a job in progress.
    pub async fn live(&self, address: &Address) -> Result<Job> {
        if let Some(job) = self.chain.try_fetch(address).await? {
            return Ok(job);
        }
        let story = Story::read_latest(self, address, MOST_SEARCHED).await?;
        match story.ended(self.now().await?.unix) {
            Some(how) => refuse(format!(
                "job {address} has ended: {how}; `ionet job show {address}` tells its story"
            )),
            None => Err(story.unknown(self, address)),
        }
    }

    /// The error for a job that left no trace.
    pub fn unknown_job(&self, address: &Address) -> Error {
        Error::Refused(format!(
            "{} has no trace of job {address}; check the address and the cluster",
            self.settings.cluster
        ))
    }

    /// A consumer's escrow, which must exist.
    pub async fn escrow(&self, owner: &Address, token: &Token) -> Result<(Address, Escrow)> {
        let address = job::escrow(owner, &token.mint);
        match self.chain.try_fetch(&address).await? {
            Some(escrow) => Ok((address, escrow)),
            None => {
                let of = match token.unit.name {
                    UnitName::Mint(mint) => mint.to_string(),
                    _ => token.unit.to_string(),
                };
                refuse(format!(
                    "{owner} has no escrow for {of} yet; open one with `ionet escrow deposit AMOUNT{}`",
                    token.flag()
                ))
            }
        }
    }
}

impl Token {
    /// What makes a command about this token: nothing for $IO.
    pub fn flag(&self) -> String {
        match self.unit.name {
            UnitName::Mint(mint) => format!(" --mint {mint}"),
            _ => String::new(),
        }
    }
}

/// A mint or token account of the token program.
pub fn unpack<T: Pack + IsInitialized>(account: &Account) -> Option<T> {
    T::unpack(&account.data).ok().filter(|_| account.owner == spl_token_interface::ID)
}

/// Amount in a token account.
pub fn token_amount(account: &Account) -> Option<u64> {
    unpack::<TokenAccount>(account).map(|tokens| tokens.amount)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use chain::{fake::gift, market::govern};

    #[tokio::test]
    async fn only_an_address_somebody_may_have_a_key_for_is_a_wallet() {
        let (_folder, fake, context, wallet) = testing::context();
        let mint = Keypair::new().pubkey();
        fake.set_account(mint, testing::mint(testing::IO.decimals));
        fake.set_account(wallet.pubkey(), gift());
        let new = Keypair::new().pubkey();
        for (address, expected) in [(wallet.pubkey(), true), (new, true), (mint, false), (govern::authority(), false)] {
            assert_eq!(context.is_wallet(&address).await.unwrap(), expected, "{address}");
        }
    }
}

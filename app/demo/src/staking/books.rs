//! The books: where every base unit is, read from the chain, and what the transactions moved.

use super::market::Market;
use super::story::Name;
use anyhow::{Context, Result, anyhow, ensure};
use chain::market::{costake, reward, stake};
use serde::Serialize;
use solana_address::Address;

/// The parts of a device's vault.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct DeviceVault {
    pub of: Name,
    pub own: u64,
    pub co_stake: u64,
    pub cooling: u64,
    pub co_cooling: u64,
    pub set_aside: u64,
    pub forfeited: u64,
    pub owed: u64,
    /// What the token account holds.
    pub vault: u64,
}

impl DeviceVault {
    /// The sum of the parts.
    pub fn total(&self) -> Result<u64> {
        sum([
            self.own,
            self.co_stake,
            self.cooling,
            self.co_cooling,
            self.set_aside,
            self.forfeited,
            self.owed,
        ])
    }
}

/// An offer's vault.
#[derive(Clone, Debug, Serialize)]
pub struct OfferVault {
    /// The supplier.
    pub of: Name,
    /// Rewards received for co-stakers.
    pub received: u64,
    /// What co-stakers have claimed.
    pub paid: u64,
    /// What co-stakers could claim now.
    pub claimable: u64,
    /// What the token account holds.
    pub vault: u64,
}

/// The emission's vault.
#[derive(Clone, Debug, Serialize)]
pub struct EmissionVault {
    /// What it was funded with.
    pub funded: u64,
    /// What the settled hours paid out, by the published table.
    pub emitted: u64,
    /// What left it: claimed by owners, or passed to offers.
    pub paid: u64,
    /// What its account says it owes.
    pub owed: u64,
    /// Of that, what devices have collected.
    pub collected: u64,
    /// What the token account holds.
    pub vault: u64,
}

/// A wallet.
#[derive(Clone, Debug, Serialize)]
pub struct WalletRow {
    /// Its owner.
    pub of: Name,
    /// $IO at the beginning.
    pub before: u64,
    /// Put at stake.
    pub staked: u64,
    /// Stake that came back.
    pub returned: u64,
    /// Rewards, by week.
    pub rewards: Vec<u64>,
    /// What the token account holds.
    pub after: u64,
}

/// Two numbers from two sources that must be equal.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What is compared.
    pub what: String,
    /// What the books add up to.
    pub books: u64,
    /// What the account holds.
    pub there: u64,
}

/// All books.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Books {
    pub devices: Vec<DeviceVault>,
    pub offers: Vec<OfferVault>,
    pub emission: EmissionVault,
    pub wallets: Vec<WalletRow>,
    /// What slashes burned.
    pub burned: u64,
    /// What the mint says exists.
    pub supply: u64,
}

impl Books {
    /// Reads the books from the chain.
    pub fn read(market: &Market) -> Result<Self> {
        let books = market.world.books();
        let balance = |tokens: Address| books.tokens.get(&tokens).map_or(0, |account| account.amount);
        let mut devices = Vec::new();
        let mut offers = Vec::new();
        for (of, kept) in market.devices.iter().filter(|(_, kept)| !kept.closed) {
            let device = books.devices.get(&kept.worker.device);
            let device = device.with_context(|| format!("{of}'s device is gone"))?;
            devices.push(DeviceVault {
                of,
                own: device.own_stake.get(),
                co_stake: device.co_stake.get(),
                cooling: device.cooling.get(),
                co_cooling: device.co_cooling.get(),
                set_aside: device.aside.get(),
                forfeited: device.forfeited.get(),
                owed: device.owed.get(),
                vault: balance(stake::vault(&kept.worker.device)),
            });
            if let Some(address) = kept.offer {
                let offer = books.offers.get(&address).with_context(|| format!("{of}'s offer is gone"))?;
                offers.push(OfferVault {
                    of,
                    received: offer.received.get(),
                    paid: offer.paid.get(),
                    claimable: claimable(&books, &address, offer)?,
                    vault: balance(costake::vault(&address)),
                });
            }
        }
        let wallets: Vec<WalletRow> = market
            .wallets
            .iter()
            .map(|(of, wallet)| WalletRow {
                of,
                before: wallet.given,
                staked: wallet.staked,
                returned: wallet.returned,
                rewards: wallet.rewards.clone(),
                after: balance(wallet.tokens),
            })
            .collect();
        let claimed = market.devices.keys().filter_map(|name| market.wallets.get(name));
        let claimed = claimed.flat_map(|wallet| wallet.rewards.iter().copied());
        let emission = EmissionVault {
            funded: market.funded,
            emitted: market.emitted,
            paid: sum(claimed.chain(offers.iter().map(|offer| offer.received)))?,
            owed: books.emission.context("there is no emission")?.owed.get(),
            collected: sum(books.devices.values().map(|device| device.rewards.get()))?,
            vault: balance(reward::vault()),
        };
        let mint = books.mints.get(&market.world.io).context("there is no mint")?;
        Ok(Self {
            devices,
            offers,
            emission,
            wallets,
            burned: market.burned,
            supply: mint.supply,
        })
    }

    /// Everything ever minted: what wallets began with, and the emission's funds.
    pub fn minted(&self) -> Result<u64> {
        sum(self.wallets.iter().map(|wallet| wallet.before).chain([self.emission.funded]))
    }

    /// Everything in wallets and vaults.
    pub fn found(&self) -> Result<u64> {
        let wallets = self.wallets.iter().map(|wallet| wallet.after);
        let devices = self.devices.iter().map(|device| device.vault);
        let offers = self.offers.iter().map(|offer| offer.vault);
        sum(wallets.chain(devices).chain(offers).chain([self.emission.vault]))
    }

    /// Every sum, with the balance that it must equal.
    pub fn checks(&self) -> Result<Vec<Check>> {
        let mut checks = Vec::new();
        let mut check = |what: String, books, there| checks.push(Check { what, books, there });
        for device in &self.devices {
            let what = format!("{}'s device: its parts = its vault", device.of);
            check(what, device.total()?, device.vault);
        }
        for offer in &self.offers {
            let left = less(offer.received, offer.paid)?;
            check(format!("{}'s offer: received − paid = its vault", offer.of), left, offer.vault);
        }
        let emission = &self.emission;
        check(
            "emission: funded − paid = its vault".into(),
            less(emission.funded, emission.paid)?,
            emission.vault,
        );
        check(
            "emission: the table − paid = owed".into(),
            less(emission.emitted, emission.paid)?,
            emission.owed,
        );
        for wallet in &self.wallets {
            let came = sum([wallet.before, wallet.returned].into_iter().chain(wallet.rewards.iter().copied()))?;
            let what = format!("{}'s wallet: before − staked + returned + rewards = after", wallet.of);
            check(what, less(came, wallet.staked)?, wallet.after);
        }
        check("wallets + vaults = supply of the mint".into(), self.found()?, self.supply);
        check(
            "minted − burned = supply of the mint".into(),
            less(self.minted()?, self.burned)?,
            self.supply,
        );
        Ok(checks)
    }

    /// What is owed but cannot be collected by anyone: dust from rounding shares.
    pub fn dust(&self) -> Result<u64> {
        less(self.emission.owed, self.emission.collected)
    }

    /// What is in offers' vaults but cannot be claimed by any co-staker: dust from rounding shares.
    pub fn offers_dust(&self) -> Result<u64> {
        let vaults = sum(self.offers.iter().map(|offer| offer.vault))?;
        less(vaults, sum(self.offers.iter().map(|offer| offer.claimable))?)
    }

    /// Fails where a sum is off.
    pub fn prove(&self) -> Result<()> {
        for Check { what, books, there } in self.checks()? {
            ensure!(books == there, "the books are wrong: {what} fails, because {books} is not {there}");
        }
        self.dust().context("more is collected than is owed")?;
        self.offers_dust().context("co-stakers can claim more than the vaults hold")?;
        Ok(())
    }
}

/// What all holders of an offer's shares could claim now.
fn claimable(books: &tests::Books, address: &Address, offer: &costaking::Offer) -> Result<u64> {
    let positions = books.positions.values().filter(|position| position.offer == *address);
    let exits = books.exits.values().filter(|exit| exit.offer == *address);
    // On copies, since a claim settles its position.
    let inside = positions.map(|position| { *position }.claim(offer));
    let leaving = exits.map(|exit| {
        let mut exit = *exit;
        let settled = exit.settle(offer);
        settled.map_err(|error| anyhow!("an exit cannot be settled: {error:?}"))?;
        Ok(exit.rewards.get())
    });
    let leaving = leaving.collect::<Result<Vec<u64>>>()?;
    sum(inside.chain(leaving))
}

fn sum(parts: impl IntoIterator<Item = u64>) -> Result<u64> {
    let mut parts = parts.into_iter();
    parts.try_fold(0u64, u64::checked_add).context("a sum overflows")
}

fn less(from: u64, what: u64) -> Result<u64> {
    from.checked_sub(what)
        .with_context(|| format!("more left than came in: {from} minus {what}"))
}

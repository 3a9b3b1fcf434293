//! `ionet config authorities`: who holds which authority, read from the chain.

use super::gov::PROGRAMS;
use crate::{
    amount::span,
    context::{Context, unpack},
    error::Result,
    output::{Answer, Table},
};
use chain::market::{costake, govern, reward};
use serde::Serialize;
use solana_address::Address;
use spl_token_interface::state::Mint;
use std::fmt;

/// An authority and its holder.
#[derive(Serialize)]
struct Held {
    of: String,
    authority: &'static str,
    /// An address; `None` for nobody.
    holder: Option<String>,
    /// End of the term in unix seconds, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing {
    all: Vec<Held>,
    #[serde(skip)]
    now: i64,
}

impl Listing {
    fn add(&mut self, of: impl Into<String>, authority: &'static str, holder: Option<Address>) {
        self.all.push(Held {
            of: of.into(),
            authority,
            holder: holder
                .filter(|holder| *holder != Address::default())
                .map(|holder| holder.to_string()),
            until: None,
        });
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["of", "authority", "held by"]);
        let (governance, guardian) = (govern::authority().to_string(), govern::guardian_authority().to_string());
        for held in &self.all {
            let holder = match held.holder.as_deref() {
                None => "nobody".to_owned(),
                Some(holder) if holder == governance => "governance: a proposal that has passed".to_owned(),
                Some(holder) if holder == guardian => "governance's guardian".to_owned(),
                Some(holder) => holder.to_owned(),
            };
            let left = held.until.map(|until| until.saturating_sub(self.now));
            let holder = match left {
                Some(..=0) => "nobody: the term is over".to_owned(),
                Some(left) => format!("{holder}, for {} more", span(left)),
                None => holder,
            };
            table.row([held.of.clone(), held.authority.to_owned(), holder]);
        }
        write!(f, "{table}")
    }
}

/// `config authorities`.
pub async fn show(context: &Context) -> Result<Answer> {
    let market = context.market().await?;
    let chain = &context.chain;
    let mut listing = Listing {
        all: Vec::new(),
        now: context.now().await?.unix,
    };
    for (name, program) in PROGRAMS {
        listing.add(format!("program {name}"), "upgrade", chain.upgrade_authority(program).await?);
    }
    let staking = &market.staking;
    listing.add("staking", "authority", Some(staking.authority));
    listing.add("staking", "guardian", Some(staking.guardian));
    listing.add("staking", "slash proposer", Some(staking.slash_proposer));
    listing.add("staking", "slash approver", Some(staking.slash_approver));
    if let Some(emission) = chain.try_fetch::<staking::Emission>(&reward::emission()).await? {
        listing.add("rewards", "verifier", Some(emission.verifier));
    }
    if let Some(config) = chain.try_fetch::<costaking::Config>(&costake::config()).await? {
        listing.add("co-staking", "authority", Some(config.authority));
        listing.add("co-staking", "guardian", Some(config.guardian));
    }
    let jobs = &market.jobs;
    listing.add("jobs", "authority", Some(jobs.authority));
    listing.add("jobs", "guardian", Some(jobs.guardian));
    listing.add("jobs", "treasury", Some(jobs.treasury));
    if let Some(config) = chain.try_fetch::<governance::Config>(&govern::config()).await? {
        listing.add("governance", "rules", Some(config.authority));
        listing.add("governance", "guardian", Some(config.guardian));
        if let Some(held) = listing.all.last_mut() {
            held.until = Some(config.guardian_until.get());
        }
    }
    if let Some(mint) = chain.account(&jobs.mint).await?.as_ref().and_then(unpack::<Mint>) {
        listing.add("$IO", "mint", mint.mint_authority.into());
        listing.add("$IO", "freeze", mint.freeze_authority.into());
    }
    Ok(Answer::new(&listing))
}

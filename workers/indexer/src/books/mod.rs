//! What follows from an event.

#[macro_use]
mod step;
mod costaking;
mod governance;
mod jobs;
mod staking;

use crate::follow::LOG_CUT;
use chain::idl::Values;
use serde_json::Value;
use sqlx::{Any, Transaction};
use step::Step;

type Outcome = Result<(), sqlx::Error>;

/// Addresses that an event names, at its top.
pub fn addresses(values: &Values) -> Vec<&str> {
    let mut all: Vec<&str> = values
        .values()
        .filter_map(Value::as_str)
        .filter(|text| (32..=44).contains(&text.len()) && text.parse::<solana_address::Address>().is_ok())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where an event happened.
pub struct At<'a> {
    /// Its number.
    pub id: i64,
    /// When its block was made, unix seconds, as far as is known.
    pub time: Option<i64>,
    /// Its transaction's signature.
    pub signature: &'a str,
}

/// Brings the books to what they are after an event of this program, with this name.
pub async fn apply(work: &mut Transaction<'_, Any>, at: &At<'_>, program: &str, name: &str, values: &Values) -> Outcome {
    let step = &mut Step::new(work, at, values);
    if name == LOG_CUT {
        step.add("log_cuts", 1).await?;
        staking::unheard(step).await?;
        governance::unheard(step).await?;
        return jobs::unheard(step).await;
    }
    match program {
        "jobs" => jobs::apply(step, name).await,
        "staking" => staking::apply(step, name).await,
        "costaking" => costaking::apply(step, name).await,
        "governance" => governance::apply(step, name).await,
        _ => Ok(()),
    }
}

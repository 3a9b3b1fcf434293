//! The books: tables that follow from the events alone.

#[macro_use]
mod step;
mod costaking;
mod governance;
mod jobs;
mod slashes;
mod staking;

use crate::follow::LOG_CUT;
use chain::idl::Values;
use serde_json::Value;
pub use step::Step;

type Outcome = Result<(), sqlx::Error>;

/// Addresses among an event's own fields, nested ones excluded.
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

/// Applies an event to the books.
pub async fn apply(mut step: Step<'_, '_>, program: &str, name: &str) -> Outcome {
    let step = &mut step;
    if name == LOG_CUT {
        step.add("log_cuts", 1).await?;
        staking::unheard(step).await?;
        governance::unheard(step).await?;
        return jobs::unheard(step).await;
    }
    match program {
        "jobs" => jobs::apply(step, name).await,
        "staking" if name.starts_with("Slash") => slashes::apply(step, name).await,
        "staking" => staking::apply(step, name).await,
        "costaking" => costaking::apply(step, name).await,
        "governance" => governance::apply(step, name).await,
        _ => Ok(()),
    }
}

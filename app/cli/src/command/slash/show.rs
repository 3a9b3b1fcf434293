//! Slashes as they are printed.

use super::{Reason, sum};
use crate::{
    amount::{Unit, percent, span},
    context::Context,
    error::Result,
    output::{Answer, Table, fields},
};
use chain::field;
use serde::Serialize;
use solana_address::Address;
use staking::{Slash, state::SlashStatus};
use std::fmt;

#[derive(Serialize)]
struct Shown {
    slash: String,
    device: String,
    reason: Option<Reason>,
    share_bps: u16,
    status: &'static str,
    /// SHA-256 of the evidence, and of the owner's answer.
    evidence: String,
    answer: Option<String>,
    /// Amounts set aside: of the owner's stake, of active and of cooling co-stake.
    parts: [u64; 3],
    /// What it still takes of the owner's stake, once bonds of jobs in progress are released.
    due: u64,
    ends_at: i64,
    #[serde(skip)]
    unit: Unit,
    #[serde(skip)]
    now: i64,
}

impl Shown {
    fn new(address: Address, slash: &Slash, unit: Unit, now: i64) -> Self {
        Self {
            slash: address.to_string(),
            device: slash.device.to_string(),
            reason: Reason::of(slash.reason),
            share_bps: slash.share_bps.get(),
            status: match SlashStatus::from_code(slash.status) {
                Some(SlashStatus::Proposed) => "proposed",
                Some(SlashStatus::Approved) => "approved",
                Some(SlashStatus::Appealed) => "appealed",
                None => "unknown",
            },
            evidence: hex::encode(slash.evidence),
            answer: (slash.status == SlashStatus::Appealed).then(|| hex::encode(slash.answer)),
            parts: slash.amounts(),
            due: slash.due.get(),
            ends_at: slash.ends_at.get(),
            unit,
            now,
        }
    }

    /// Its status, and what happens next.
    fn standing(&self) -> String {
        let left = self.ends_at.saturating_sub(self.now);
        match (self.status, left) {
            ("proposed", _) => "proposed: waiting for the approver".to_owned(),
            (status, ..=0) if sum(self.parts) == 0 => {
                format!("{status}: appeal period over; what is due is forfeited as bonds are released")
            }
            (status, ..=0) => format!("{status}: appeal period over; `ionet slash finish` forfeits what is set aside"),
            ("approved", left) => format!("approved: the owner has {} to appeal", span(left)),
            (status, left) => format!("{status}: the authority has {} to overturn it", span(left)),
        }
    }

    fn why(&self) -> String {
        self.reason.map_or_else(|| "unknown".to_owned(), Reason::name)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [own, active, cooling] = self.parts.map(|part| self.unit.show(part));
        let mut lines = vec![
            ("slash", self.slash.clone()),
            ("device", self.device.clone()),
            ("for", self.why()),
            ("share", percent(self.share_bps)),
            ("status", self.standing()),
            ("evidence", format!("{} (SHA-256)", self.evidence)),
        ];
        lines.extend(self.answer.as_ref().map(|answer| ("answer", format!("{answer} (SHA-256)"))));
        if sum(self.parts) > 0 {
            let aside = format!("{own} of the owner's, {active} of co-stake, {cooling} of co-stake that cools down");
            lines.push(("set aside", aside));
        }
        if self.due > 0 {
            lines.push((
                "due",
                format!("{} of the owner's, once bonds are released", self.unit.show(self.due)),
            ));
        }
        fields(f, &lines)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing(Vec<Shown>);

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no slash is open");
        }
        let mut table = Table::new(["slash", "device", "for", "share", "set aside", "status"]);
        for slash in &self.0 {
            table.row([
                slash.slash.clone(),
                slash.device.clone(),
                slash.why(),
                percent(slash.share_bps),
                slash.unit.show(sum(slash.parts)),
                slash.standing(),
            ]);
        }
        write!(f, "{table}")
    }
}

pub async fn list(context: &Context, unit: Unit, now: i64, device: Option<Address>) -> Result<Answer> {
    let filter = device.map(|device| field!(Slash, device, device.as_array()));
    let found: Vec<(Address, Slash)> = context.chain.find(filter.as_slice()).await?;
    let shown = found.iter().map(|(address, slash)| Shown::new(*address, slash, unit, now));
    Ok(Answer::new(&Listing(shown.collect())))
}

pub async fn one(context: &Context, unit: Unit, now: i64, slash: Address) -> Result<Answer> {
    let found: Slash = context.chain.fetch(&slash).await?;
    Ok(Answer::new(&Shown::new(slash, &found, unit, now)))
}

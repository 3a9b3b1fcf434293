//! Shows proposals and the rules of votes.

use super::{
    setting::{self, instructions},
    words::{self, Words},
};
use crate::{
    amount::{Unit, percent, span},
    context::{Context, Token},
    error::Result,
    output::{Answer, Table, fields},
};
use chain::market::govern;
use governance::{Proposal, Rules, Status};
use protocol::ballot::Outcome;
use serde::Serialize;
use solana_address::Address;
use std::fmt;

/// Names of the kinds of proposals, by number.
const KINDS: [&str; 4] = ["guardian", "parameter", "treasury", "upgrade"];

/// A proposal without its steps.
#[derive(Serialize)]
struct Summary {
    proposal: u64,
    title: String,
    kind: &'static str,
    status: &'static str,
    yes: u64,
    no: u64,
    abstain: u64,
    veto: u64,
    quorum: u64,
    approval_bps: u16,
    opened_at: i64,
    voting_ends: i64,
    eta: i64,
    expires_at: i64,
    executed: u8,
    instructions: u8,
    /// Whether it passes with the votes cast so far.
    passes: bool,
    #[serde(skip)]
    io: Unit,
    #[serde(skip)]
    now: i64,
}

impl Summary {
    fn new(proposal: &Proposal, io: Unit, now: i64) -> Self {
        Self {
            proposal: proposal.index.get(),
            title: String::from_utf8_lossy(&proposal.title).trim_end_matches('\0').to_owned(),
            kind: KINDS.get(usize::from(proposal.kind)).copied().unwrap_or("unknown"),
            status: status(proposal),
            yes: proposal.yes.get(),
            no: proposal.no.get(),
            abstain: proposal.abstain.get(),
            veto: proposal.veto.get(),
            quorum: proposal.quorum.get(),
            approval_bps: proposal.approval_bps.get(),
            opened_at: proposal.opened_at.get(),
            voting_ends: proposal.voting_ends.get(),
            eta: proposal.eta.get(),
            expires_at: proposal.expires_at.get(),
            executed: proposal.executed,
            instructions: proposal.instructions,
            passes: proposal.outcome() == Outcome::Passed,
            io,
            now,
        }
    }

    /// Its status, and what happens next.
    fn standing(&self) -> String {
        let in_time = |at: i64| span(at.saturating_sub(self.now));
        let stands = if self.passes { "passing" } else { "not passing" };
        match self.status {
            "draft" => "draft: its proposer has not opened the vote".to_owned(),
            "voting" if self.now < self.voting_ends => format!("voting for {} more, {stands}", in_time(self.voting_ends)),
            "voting" => format!("vote over, {stands}: `ionet gov execute` counts the votes"),
            "queued" if self.now < self.eta => format!("passed: can be executed in {}, and vetoed until then", in_time(self.eta)),
            "queued" if self.now < self.expires_at => {
                format!("passed: `ionet gov execute` executes it, within {}", in_time(self.expires_at))
            }
            "queued" => "passed, and not executed in time".to_owned(),
            status => status.to_owned(),
        }
    }

    /// Votes cast, and the quorum.
    fn turnout(&self) -> String {
        let all = [self.yes, self.no, self.abstain, self.veto]
            .iter()
            .fold(0u64, |sum, votes| sum.saturating_add(*votes));
        format!("{} of {}", self.io.number(all), self.io.show(self.quorum))
    }

    fn votes(&self) -> String {
        let [yes, no, abstain, veto] = [self.yes, self.no, self.abstain, self.veto].map(|votes| self.io.number(votes));
        format!("{yes} yes, {no} no, {abstain} abstain, {veto} veto; quorum {}", self.turnout())
    }
}

/// Name of a status.
pub fn status(proposal: &Proposal) -> &'static str {
    match Status::from_code(proposal.status) {
        Some(Status::Draft) => "draft",
        Some(Status::Voting) => "voting",
        Some(Status::Queued) => "queued",
        Some(Status::Executed) => "executed",
        Some(Status::Defeated) => "defeated",
        Some(Status::Vetoed) => "vetoed",
        Some(Status::Cancelled) => "cancelled",
        Some(Status::Expired) => "expired",
        None => "unknown",
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    address: String,
    proposer: String,
    text_sha256: String,
    deposit: u64,
    steps: Vec<Option<Words>>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        let lines = [
            ("proposal", format!("{}: {}", summary.proposal, summary.title)),
            ("by", self.proposer.clone()),
            ("text", format!("{} (SHA-256)", self.text_sha256)),
            (
                "kind",
                format!(
                    "{}, passes with {} yes among yes, no and veto",
                    summary.kind,
                    percent(summary.approval_bps)
                ),
            ),
            ("status", summary.standing()),
            ("votes", summary.votes()),
            ("deposit", summary.io.show(self.deposit)),
        ];
        fields(f, &lines)?;
        for (number, step) in (1..).zip(&self.steps) {
            let done = if number <= usize::from(summary.executed) { " (done)" } else { "" };
            match step {
                Some(words) => writeln!(f, "step {number}{done}: {words}")?,
                None => writeln!(f, "step {number}{done}: its account is incomplete or was closed")?,
            }
        }
        Ok(())
    }
}

/// `gov show`.
pub async fn one(context: &Context, token: &Token, now: i64, index: u64) -> Result<Answer> {
    setting::config(context).await?;
    let (address, proposal) = setting::proposal(context, index).await?;
    let mut steps = Vec::new();
    for (place, instruction) in (0..).zip(instructions(context, &address, &proposal).await?) {
        let Some(instruction) = instruction else {
            steps.push(None);
            continue;
        };
        let words = words::say(context, token, now, &instruction).await;
        steps.push(Some(if place < proposal.executed { words.done() } else { words }));
    }
    Ok(Answer::new(&Shown {
        summary: Summary::new(&proposal, token.unit, now),
        address: address.to_string(),
        proposer: proposal.proposer.to_string(),
        text_sha256: hex::encode(proposal.text_hash),
        deposit: proposal.deposit.get(),
        steps,
    }))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing(Vec<Summary>);

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no proposals; make one with `ionet gov create`");
        }
        let mut table = Table::new(["title", "#", "kind", "votes of quorum", "status"]);
        for summary in &self.0 {
            table.row([
                summary.title.clone(),
                summary.proposal.to_string(),
                summary.kind.to_owned(),
                summary.turnout(),
                summary.standing(),
            ]);
        }
        write!(f, "{table}")
    }
}

/// `gov list`.
pub async fn list(context: &Context, token: &Token, now: i64) -> Result<Answer> {
    setting::config(context).await?;
    let mut found: Vec<(Address, Proposal)> = context.chain.find(&[]).await?;
    found.sort_by_key(|(_, proposal)| std::cmp::Reverse(proposal.index.get()));
    let all = found.iter().map(|(_, proposal)| Summary::new(proposal, token.unit, now));
    Ok(Answer::new(&Listing(all.collect())))
}

/// What a kind of proposal needs to pass.
#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    quorum_bps: u16,
    approval_bps: u16,
    timelock: u32,
}

#[derive(Serialize)]
struct ShownRules {
    /// Who holds the authorities instead of governance.
    not_in_force: Option<String>,
    kinds: Vec<Kind>,
    voting: u32,
    expiry: u32,
    veto_bps: u16,
    deposit: u64,
    guardian: String,
    guardian_until: i64,
    authority: String,
    #[serde(skip)]
    io: Unit,
    #[serde(skip)]
    now: i64,
}

impl fmt::Display for ShownRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["kind", "quorum", "yes needed", "timelock"]);
        for kind in &self.kinds {
            let (quorum, approval) = (percent(kind.quorum_bps), percent(kind.approval_bps));
            table.row([kind.kind.to_owned(), quorum, approval, span(kind.timelock.into())]);
        }
        if let Some(holder) = &self.not_in_force {
            writeln!(
                f,
                "not in force yet: {holder} still holds the authorities, so proposals are refused\n"
            )?;
        }
        writeln!(f, "{table}")?;
        let term = self.guardian_until.saturating_sub(self.now);
        let guardian = match term {
            ..=0 => "none: the last one's term is over".to_owned(),
            term => format!("{}, for {} more", self.guardian, span(term)),
        };
        fields(
            f,
            &[
                ("voting period", span(self.voting.into())),
                ("execution", format!("within {} after the timelock", span(self.expiry.into()))),
                ("veto", format!("by {} of all votes; burns the deposit", percent(self.veto_bps))),
                ("deposit", self.io.show(self.deposit)),
                ("guardian", guardian),
                ("authority", self.authority.clone()),
            ],
        )
    }
}

/// `gov rules`.
pub async fn rules(context: &Context, token: &Token, now: i64) -> Result<Answer> {
    let config = setting::config(context).await?;
    let holder = setting::holder(context).await?;
    let Rules {
        quorum_bps,
        approval_bps,
        timelock,
        voting,
        expiry,
        veto_bps,
        deposit,
    } = config.rules();
    let kinds = KINDS.into_iter().zip(quorum_bps).zip(approval_bps).zip(timelock);
    let kinds = kinds.map(|(((kind, quorum_bps), approval_bps), timelock)| Kind {
        kind,
        quorum_bps,
        approval_bps,
        timelock,
    });
    Ok(Answer::new(&ShownRules {
        not_in_force: (holder != govern::authority()).then(|| holder.to_string()),
        kinds: kinds.collect(),
        voting,
        expiry,
        veto_bps,
        deposit,
        guardian: config.guardian.to_string(),
        guardian_until: config.guardian_until.get(),
        authority: govern::authority().to_string(),
        io: token.unit,
        now,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{amount::SOL, output::Format, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::market::stake;

    #[tokio::test]
    async fn rules_that_are_not_in_force_yet_say_so() {
        let (_folder, fake, context, _) = testing::context();
        let token = Token {
            mint: Address::new_unique(),
            unit: SOL,
        };
        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        let key = Address::new_unique();
        for (holder, said) in [(key, Some(key.to_string())), (govern::authority(), None)] {
            let config = staking::StakingConfig {
                authority: holder,
                ..staking::StakingConfig::zeroed()
            };
            fake.set_account(stake::config(), testing::account(&config));
            let answer = rules(&context, &token, 0).await.unwrap();
            let text = answer.show(Format::Text);
            assert_eq!(
                text.starts_with(&format!("not in force yet: {key} still holds")),
                said.is_some(),
                "{text}"
            );
            assert_eq!(testing::json(&answer)["not_in_force"], serde_json::json!(said));
        }
    }

    #[test]
    fn a_list_fits_a_terminal() {
        let votes = 250_000_000_000_000_000_u64;
        let proposal = Proposal {
            title: [b'a'; 64],
            index: 100.into(),
            kind: 1,
            status: Status::Queued as u8,
            yes: votes.into(),
            no: 1.into(),
            quorum: votes.into(),
            eta: 1_209_599.into(),
            ..Proposal::zeroed()
        };
        let list = Listing(vec![Summary::new(&proposal, SOL, 0)]).to_string();
        assert!(list.lines().all(|line| line.chars().count() <= 120), "{list}");
        assert!(list.contains("250000000.000000001 of 250000000 SOL"), "{list}");
    }
}

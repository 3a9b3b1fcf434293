//! Proposals and votes. The address of a closed proposal can be used again; events belong to the latest proposal at their address.

use super::{Outcome, step::Step};
use sqlx::Row;

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    match name {
        "ProposalCreated" => created(step).await,
        "ProposalOpened" => opened(step).await,
        "ProposalMoved" => moved(step).await,
        "VoteCast" => voted(step).await,
        "DepositReleased" if step.number("burned") == 1 => step.add("burned", step.number("amount")).await,
        _ => Ok(()),
    }
}

/// The effects of an instruction whose events a truncated log may lack, read from its proposal's account. Who voted stays unknown.
pub async fn unheard(step: &mut Step<'_, '_>) -> Outcome {
    // The account had been closed before it was read.
    if !step.has("votes") {
        return Ok(());
    }
    match step.text("instruction") {
        "create_proposal" if is_as_written(step) => created(step).await,
        "submit_proposal" => opened(step).await,
        "vote_stake" | "vote_co_stake" | "change_vote" | "close_ballot" => counted(step).await.map(drop),
        "cancel_proposal" | "advance_proposal" | "execute_instruction" => {
            counted(step).await?;
            moved(step).await
        }
        _ => Ok(()),
    }
}

/// Whether the account is that of the created proposal, and not of a later one at the same address.
fn is_as_written(step: &Step<'_, '_>) -> bool {
    let is_same = |name| step.text(name) == step.text_within("arguments", name);
    is_same("title") && is_same("text_hash")
}

/// Number of the proposal that an event is about. `None` if the latest known at its address has ended: then it is an earlier one, whose row
/// stays as it is, and the event's own was created beyond the reach of the history. An account that was read has the number itself.
async fn unfinished(step: &mut Step<'_, '_>) -> Result<Option<i64>, sqlx::Error> {
    let found = ask!(
        step,
        "SELECT number FROM proposals WHERE number = (SELECT MAX(number) FROM proposals WHERE address = $1) AND status < 3",
        step.text("proposal")
    )?;
    let number = found.map(|row| row.try_get(0)).transpose()?;
    Ok(number.filter(|number| !step.has("index") || *number == step.number("index")))
}

async fn created(step: &mut Step<'_, '_>) -> Outcome {
    // Numbers are unique. A conflict means that an earlier proposal with the same title and text, whose log was truncated, was recorded
    // under this one's number.
    run!(
        step,
        "INSERT INTO proposals (number, address, proposer, title, kind, status, yes, no, abstain, veto, quorum, voting_ends, eta, \
         expires_at, text_hash, created_at, instructions, updated) VALUES ($3, $1, $4, $5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $6, $7, 0, $2) \
         ON CONFLICT (number) DO UPDATE SET kind = 0, status = 0, yes = 0, no = 0, abstain = 0, veto = 0, quorum = 0, voting_ends = 0, \
         eta = 0, expires_at = 0, created_at = excluded.created_at, instructions = 0, updated = excluded.updated",
        step.text("proposal"),
        step.id,
        step.number("index"),
        step.text("proposer"),
        step.text("title"),
        step.text("text_hash"),
        step.time,
    )
}

async fn opened(step: &mut Step<'_, '_>) -> Outcome {
    let Some(number) = unfinished(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE proposals SET kind = $3, status = 1, quorum = $4, voting_ends = $5, eta = $6, expires_at = $7, instructions = $8, \
         updated = $2 WHERE number = $1",
        number,
        step.id,
        step.number("kind"),
        step.number("quorum"),
        step.number("voting_ends"),
        step.number("eta"),
        step.number("expires_at"),
        step.number("instructions"),
    )
}

async fn moved(step: &mut Step<'_, '_>) -> Outcome {
    let Some(number) = unfinished(step).await? else { return Ok(()) };
    run!(
        step,
        "UPDATE proposals SET status = $3, updated = $2 WHERE number = $1",
        number,
        step.id,
        step.number("status"),
    )
}

/// Sets the votes of a proposal, and returns its number.
async fn counted(step: &mut Step<'_, '_>) -> Result<Option<i64>, sqlx::Error> {
    let Some(number) = unfinished(step).await? else { return Ok(None) };
    run!(
        step,
        "UPDATE proposals SET yes = $3, no = $4, abstain = $5, veto = $6, updated = $2 WHERE number = $1",
        number,
        step.id,
        step.at("votes", 0),
        step.at("votes", 1),
        step.at("votes", 2),
        step.at("votes", 3),
    )?;
    Ok(Some(number))
}

async fn voted(step: &mut Step<'_, '_>) -> Outcome {
    let number = counted(step).await?;
    run!(
        step,
        "INSERT INTO votes (id, proposal, number, voter, source, choice, weight, time, signature) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        step.id,
        step.text("proposal"),
        number,
        step.text("voter"),
        step.text("source"),
        step.number("choice"),
        step.number("weight"),
        step.time,
        step.signature,
    )
}

//! Proposals and votes. A proposal that is closed leaves its address to another: what happens there is the latest one's.

use super::{Outcome, step::Step};

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    let proposal = step.text("proposal");
    match name {
        // No two proposals ever have the same number.
        "ProposalCreated" => run!(
            step,
            "INSERT INTO proposals (number, address, proposer, title, kind, status, yes, no, abstain, veto, quorum, voting_ends, eta, expires_at, \
             text_hash, created_at, instructions, updated) VALUES ($3, $1, $4, $5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $6, $7, 0, $2)",
            proposal,
            step.id,
            step.number("index"),
            step.text("proposer"),
            step.text("title"),
            step.text("text_hash"),
            step.time,
        ),
        "ProposalOpened" => run!(
            step,
            "UPDATE proposals SET kind = $3, status = 1, quorum = $4, voting_ends = $5, eta = $6, expires_at = $7, instructions = $8, updated = $2 \
             WHERE number = (SELECT MAX(number) FROM proposals WHERE address = $1)",
            proposal,
            step.id,
            step.number("kind"),
            step.number("quorum"),
            step.number("voting_ends"),
            step.number("eta"),
            step.number("expires_at"),
            step.number("instructions"),
        ),
        "ProposalMoved" => run!(
            step,
            "UPDATE proposals SET status = $3, updated = $2 WHERE number = (SELECT MAX(number) FROM proposals WHERE address = $1)",
            proposal,
            step.id,
            step.number("status"),
        ),
        "VoteCast" => voted(step).await,
        "DepositReleased" if step.number("burned") == 1 => step.add("burned", step.number("amount")).await,
        _ => Ok(()),
    }
}

async fn voted(step: &mut Step<'_, '_>) -> Outcome {
    let proposal = step.text("proposal");
    run!(
        step,
        "UPDATE proposals SET yes = $3, no = $4, abstain = $5, veto = $6, updated = $2 \
         WHERE number = (SELECT MAX(number) FROM proposals WHERE address = $1)",
        proposal,
        step.id,
        step.at("votes", 0),
        step.at("votes", 1),
        step.at("votes", 2),
        step.at("votes", 3),
    )?;
    run!(
        step,
        "INSERT INTO votes (id, proposal, number, voter, source, choice, weight, time, signature) \
         VALUES ($1, $2, (SELECT MAX(number) FROM proposals WHERE address = $2), $3, $4, $5, $6, $7, $8)",
        step.id,
        proposal,
        step.text("voter"),
        step.text("source"),
        step.number("choice"),
        step.number("weight"),
        step.time,
        step.signature,
    )
}

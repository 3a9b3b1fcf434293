//! Offers to co-stakers.

use super::{Outcome, step::Step};
use protocol::emission::BLOCK_SECONDS;

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    let offer = step.text("offer");
    match name {
        // The address of a closed offer can be used again: the new offer replaces the row.
        "OfferCreated" => run!(
            step,
            "INSERT INTO offers (address, device, owner, status, capacity, ticket, share_bps, joined, rewards, hours_rewarded, updated) \
             VALUES ($1, $3, $4, 0, $5, $6, $7, 0, 0, 0, $2) \
             ON CONFLICT (address) DO UPDATE SET device = excluded.device, owner = excluded.owner, status = excluded.status, \
             capacity = excluded.capacity, ticket = excluded.ticket, share_bps = excluded.share_bps, joined = excluded.joined, \
             rewards = excluded.rewards, hours_rewarded = excluded.hours_rewarded, last_hour = excluded.last_hour, \
             updated = excluded.updated",
            offer,
            step.id,
            step.text("device"),
            step.text("owner"),
            step.within("terms", "capacity"),
            step.within("terms", "ticket"),
            step.within("terms", "share_bps"),
        ),
        "OfferChanged" => run!(
            step,
            "UPDATE offers SET status = $3, updated = $2 WHERE address = $1",
            offer,
            step.id,
            step.number("status"),
        ),
        "OfferJoined" => run!(
            step,
            "UPDATE offers SET joined = joined + $3, updated = $2 WHERE address = $1",
            offer,
            step.id,
            step.number("amount"),
        ),
        "RewardShared" => shared(step).await,
        "RewardsClaimed" => claimed(step, step.number("amount")).await,
        // Pays the rewards that the exit still had.
        "ExitWithdrawn" if step.number("rewards") > 0 => claimed(step, step.number("rewards")).await,
        _ => Ok(()),
    }
}

async fn claimed(step: &mut Step<'_, '_>, amount: i64) -> Outcome {
    run!(
        step,
        "INSERT INTO claims (id, device, offer, holder, amount, time, signature) \
         VALUES ($1, (SELECT device FROM offers WHERE address = $2), $2, $3, $4, $5, $6)",
        step.id,
        step.text("offer"),
        step.text("holder"),
        amount,
        step.time,
        step.signature,
    )
}

async fn shared(step: &mut Step<'_, '_>) -> Outcome {
    let offer = step.text("offer");
    // The program numbers hours since 1970; the tables have the second in which an hour starts.
    let hour = step.number("hour").saturating_mul(BLOCK_SECONDS);
    run!(
        step,
        "UPDATE offers SET rewards = rewards + $3, hours_rewarded = hours_rewarded + 1, last_hour = $4, updated = $2 WHERE address = $1",
        offer,
        step.id,
        step.number("part"),
        hour,
    )?;
    run!(
        step,
        "INSERT INTO shares (id, offer, hour, reward, part, shares, time) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        step.id,
        offer,
        hour,
        step.number("reward"),
        step.number("part"),
        step.number("shares"),
        step.time,
    )
}

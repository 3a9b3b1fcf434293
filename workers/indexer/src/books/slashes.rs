//! Slashes decided by people.

use super::{Outcome, step::Step};

pub async fn apply(step: &mut Step<'_, '_>, name: &str) -> Outcome {
    let device = step.text("device");
    match name {
        "SlashProposed" => run!(
            step,
            "INSERT INTO slashes (id, device, number, status, reason, share_bps, evidence, own, active, cooling, proposed_at, signature) \
             VALUES ($1, $2, $3, 'proposed', $4, $5, $6, 0, 0, 0, $7, $8)",
            step.id,
            device,
            step.number("number"),
            step.number("reason"),
            step.number("share_bps"),
            step.text("evidence"),
            step.time,
            step.signature,
        ),
        "SlashApproved" => run!(
            step,
            "UPDATE slashes SET status = 'approved', own = $3, active = $4, cooling = $5, ends_at = $6, approved_at = $7 \
             WHERE id = (SELECT MAX(id) FROM slashes WHERE device = $1 AND number = $2)",
            device,
            step.number("number"),
            step.at("parts", 0),
            step.at("parts", 1),
            step.at("parts", 2),
            step.number("ends_at"),
            step.time,
        ),
        "SlashDue" => run!(
            step,
            "UPDATE slashes SET own = own + $3 WHERE id = (SELECT MAX(id) FROM slashes WHERE device = $1 AND number = $2)",
            device,
            step.number("number"),
            step.number("collected"),
        ),
        "SlashAppealed" => run!(
            step,
            "UPDATE slashes SET status = 'appealed', answer = $3, appealed_at = $4 \
             WHERE id = (SELECT MAX(id) FROM slashes WHERE device = $1 AND number = $2)",
            device,
            step.number("number"),
            step.text("answer"),
            step.time,
        ),
        "SlashEnded" => run!(
            step,
            "UPDATE slashes SET status = CASE WHEN $3 = 1 THEN 'upheld' WHEN ends_at IS NULL THEN 'dropped' ELSE 'overturned' END, \
             ended_at = $4 WHERE id = (SELECT MAX(id) FROM slashes WHERE device = $1 AND number = $2)",
            device,
            step.number("number"),
            step.number("upheld"),
            step.time,
        ),
        _ => Ok(()),
    }
}

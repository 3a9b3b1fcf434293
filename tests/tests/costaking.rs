//! The costaking program. Each test is named after the bullet of the specification it checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod costaking {
    mod admin;
    mod exits;
    mod forced;
    mod join_offer;
    mod offers;
    mod rewards;
}

//! The costaking program. Tests are named after the items of the handlers' specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod costaking {
    mod admin;
    mod exits;
    mod forced;
    mod join_offer;
    mod offers;
    mod rewards;
}

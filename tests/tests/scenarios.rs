//! Whole stories across the programs, exact to the base unit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod scenarios {
    mod adversaries;
    mod paid;
    mod random;
    mod unpaid;
}

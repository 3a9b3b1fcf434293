//! The referee, instruction by instruction. Each test is named after the bullet of the specification it checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod referee {
    mod close_evidence;
    mod judge;
    mod seal_evidence;
    mod write_evidence;
}

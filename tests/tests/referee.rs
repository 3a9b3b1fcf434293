//! The referee, instruction by instruction. Tests are named after the items of the handlers' specifications.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod referee {
    mod close_evidence;
    mod judge;
    mod seal_evidence;
    mod write_evidence;
}

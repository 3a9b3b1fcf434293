mod claim_job;
mod commit_result;
mod reveal_result;

pub use claim_job::*;
pub use commit_result::*;
pub use reveal_result::*;

mod claim_audit;
mod commit_audit;
mod reveal_audit;

pub use claim_audit::*;
pub use commit_audit::*;
pub use reveal_audit::*;

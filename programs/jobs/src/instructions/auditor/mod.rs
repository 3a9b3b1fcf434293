mod claim_audit;
mod commit_audit;
mod prove_custody;
mod reveal_audit;

pub use claim_audit::*;
pub use commit_audit::*;
pub use prove_custody::*;
pub use reveal_audit::*;

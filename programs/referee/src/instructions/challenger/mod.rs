mod close_evidence;
mod seal_evidence;
mod write_evidence;

pub use close_evidence::*;
pub use seal_evidence::*;
pub use write_evidence::*;

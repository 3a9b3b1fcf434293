mod cancel_proposal;
mod create_proposal;
mod open_payload;
mod submit_proposal;
mod write_payload;

pub use cancel_proposal::*;
pub use create_proposal::*;
pub use open_payload::*;
pub use submit_proposal::*;
pub use write_payload::*;

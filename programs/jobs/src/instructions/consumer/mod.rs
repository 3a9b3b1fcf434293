mod cancel_job;
mod close_escrow;
mod extend_job;
mod open_escrow;
mod open_job;
mod withdraw;

pub use cancel_job::*;
pub use close_escrow::*;
pub use extend_job::*;
pub use open_escrow::*;
pub use open_job::*;
pub use withdraw::*;

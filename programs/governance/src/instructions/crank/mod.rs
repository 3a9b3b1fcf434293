mod advance_proposal;
mod close_payload;
mod close_proposal;
mod execute_instruction;
mod release_deposit;

pub use advance_proposal::*;
pub use close_payload::*;
pub use close_proposal::*;
pub use execute_instruction::*;
pub use release_deposit::*;

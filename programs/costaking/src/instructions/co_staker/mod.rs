mod claim_position;
mod close_position;
mod join_offer;
mod request_exit;
mod withdraw_exit;

pub use claim_position::*;
pub use close_position::*;
pub use join_offer::*;
pub use request_exit::*;
pub use withdraw_exit::*;

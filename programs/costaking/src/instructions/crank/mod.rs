mod close_offer;
mod cool_exit;
mod distribute;
mod force_exit;
mod settle_exit;
mod settle_position;

pub use close_offer::*;
pub use cool_exit::*;
pub use distribute::*;
pub use force_exit::*;
pub use settle_exit::*;
pub use settle_position::*;

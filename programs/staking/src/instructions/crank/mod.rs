mod burn_forfeited;
mod close_block;
mod close_tally;
mod collect_reward;
mod open_block;
mod open_tally;
mod record_beacon;
mod settle_block;
mod skip_hour;

pub use burn_forfeited::*;
pub use close_block::*;
pub use close_tally::*;
pub use collect_reward::*;
pub use open_block::*;
pub use open_tally::*;
pub use record_beacon::*;
pub use settle_block::*;
pub use skip_hour::*;

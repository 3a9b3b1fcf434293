mod change_vote;
mod clear_delegate;
mod close_ballot;
mod set_delegate;
mod vote_co_stake;
mod vote_stake;

pub use change_vote::*;
pub use clear_delegate::*;
pub use close_ballot::*;
pub use set_delegate::*;
pub use vote_co_stake::*;
pub use vote_stake::*;

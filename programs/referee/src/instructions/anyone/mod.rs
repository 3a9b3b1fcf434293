mod judge;

pub use judge::*;

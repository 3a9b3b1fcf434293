mod burn_forfeited;

pub use burn_forfeited::*;

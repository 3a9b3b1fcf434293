mod answer_call;
mod check_in;

pub use answer_call::*;
pub use check_in::*;

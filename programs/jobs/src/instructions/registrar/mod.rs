mod append_ops;
mod create_draft;
mod discard_draft;
mod seal_model;

pub use append_ops::*;
pub use create_draft::*;
pub use discard_draft::*;
pub use seal_model::*;

mod create_offer;
mod end_offer;
mod retract_offer;

pub use create_offer::*;
pub use end_offer::*;
pub use retract_offer::*;

//! Errors of the referee: codes 9000 and up, append only.

use anchor_lang::prelude::*;
use protocol::referee::Invalid;

/// What can go wrong. Each message is the sentence that tools show to people.
#[error_code(offset = 9000)]
pub enum RefereeError {
    #[msg("Evidence has 1 to 196,608 bytes")]
    InvalidLength,
    #[msg("Only the challenger who sealed the evidence may do this")]
    NotChallenger,
    #[msg("Evidence cannot be written in the slot in which it was sealed: wait for the next slot")]
    TooEarly,
    #[msg("Evidence is written in order: continue at the number of bytes already written")]
    OutOfOrder,
    #[msg("The piece is empty or goes beyond the announced length")]
    BeyondLength,
    #[msg("The evidence does not match its seal: close it, and seal it again")]
    SealMismatch,
    #[msg("The evidence is not complete yet: write the rest of it first")]
    Incomplete,
    #[msg("The evidence is malformed: it is shorter or longer than its parts")]
    MalformedEvidence,
    #[msg("The evidence is for another version of the specification")]
    WrongVersion,
    #[msg("There is no such kind of evidence")]
    UnknownKind,
    #[msg("The evidence names a unit, op, element, chunk or node that does not exist")]
    IndexOutOfRange,
    #[msg("The descriptor is not the model's descriptor of this op")]
    ForeignDescriptor,
    #[msg("The op does not fit the shapes that were opened")]
    ForeignShapes,
    #[msg("An opening of the worker's trace does not lead to its root")]
    TraceMismatch,
    #[msg("An opening of the worker's outputs does not lead to their root")]
    OutputMismatch,
    #[msg("An opening of the job's inputs does not lead to their root")]
    InputMismatch,
    #[msg("An opening of a constant does not lead to the hash in the descriptor")]
    ConstantMismatch,
    #[msg("The evidence does not open all bytes that the element depends on")]
    ClosedOperand,
    #[msg("The traces commit only to checkpoints: pass the demand in which the worker has shown this unit's op outputs")]
    UnitNotShown,
}

impl From<Invalid> for RefereeError {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Length => Self::MalformedEvidence,
            Invalid::Version => Self::WrongVersion,
            Invalid::Kind => Self::UnknownKind,
            Invalid::Index => Self::IndexOutOfRange,
            Invalid::Descriptor => Self::ForeignDescriptor,
            Invalid::Op => Self::ForeignShapes,
            Invalid::Trace => Self::TraceMismatch,
            Invalid::Output => Self::OutputMismatch,
            Invalid::Input => Self::InputMismatch,
            Invalid::Constant => Self::ConstantMismatch,
            Invalid::Closed => Self::ClosedOperand,
            Invalid::Unshown => Self::UnitNotShown,
        }
    }
}

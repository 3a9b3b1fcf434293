//! How an instruction must fail: with a program's own error code or with one of the runtime's errors.

use costaking::error::CostakingError;
use governance::error::GovernanceError;
use jobs::error::JobsError;
use referee::error::RefereeError;
use solana_instruction::error::InstructionError;
use spl_token_interface::error::TokenError;
use staking::error::StakingError;
use std::fmt;

/// The exact error a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub InstructionError);

impl Failure {
    /// Anchor: an account that must be writable is not.
    pub const NOT_WRITABLE: Self = Self(InstructionError::Custom(2000));
    /// Anchor: the same account is passed twice, and one of the two is writable.
    pub const DUPLICATE: Self = Self(InstructionError::Custom(2040));
    /// Anchor: a writable account does not exist, or no longer exists.
    pub const GONE: Self = Self(InstructionError::AccountDataTooSmall);
    /// System program: the account to be created exists.
    pub const ALREADY_IN_USE: Self = Self(InstructionError::Custom(0));
    /// System program: the payer has too little SOL.
    pub const TOO_LITTLE_SOL: Self = Self(InstructionError::Custom(1));
}

impl From<InstructionError> for Failure {
    fn from(error: InstructionError) -> Self {
        Self(error)
    }
}

impl From<StakingError> for Failure {
    fn from(error: StakingError) -> Self {
        Self::from(anchor_lang::Error::from(error))
    }
}

impl From<CostakingError> for Failure {
    fn from(error: CostakingError) -> Self {
        Self::from(anchor_lang::Error::from(error))
    }
}

impl From<GovernanceError> for Failure {
    fn from(error: GovernanceError) -> Self {
        Self::from(anchor_lang::Error::from(error))
    }
}

impl From<JobsError> for Failure {
    fn from(error: JobsError) -> Self {
        Self::from(anchor_lang::Error::from(error))
    }
}

impl From<RefereeError> for Failure {
    fn from(error: RefereeError) -> Self {
        Self::from(anchor_lang::Error::from(error))
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self(InstructionError::Custom(error as u32))
    }
}

impl From<anchor_lang::Error> for Failure {
    fn from(error: anchor_lang::Error) -> Self {
        Self(InstructionError::from(u64::from(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

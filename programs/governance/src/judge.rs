//! What an instruction of a proposal asks for. Its program and its first bytes decide, so nobody can ask for more under a laxer name.

use crate::error::GovernanceError;
use crate::state::Rules;
use anchor_lang::prelude::*;
use anchor_lang::programs::{AssociatedToken, System, Token};
use anchor_lang::wincode::{self, SchemaRead};
use anchor_lang::{BORSH_CONFIG, BorshConfig, Discriminator, Id};
use protocol::ballot::Kind;

/// The kind of an instruction; fails when it sets a parameter outside its bounds, which would fail when it is executed.
pub fn kind(program: &Address, data: &[u8]) -> Result<Kind> {
    let called = |discriminator: &[u8]| data.starts_with(discriminator);
    if *program == staking::ID {
        use staking::instruction::{SetAuthorities, SetJudges, SetParameters, SetRewardRules};
        if called(SetParameters::DISCRIMINATOR) {
            read::<staking::Parameters>(data)?
                .validate()
                .map_err(|_| GovernanceError::ParameterOutOfBounds)?;
        } else if called(SetRewardRules::DISCRIMINATOR) {
            read::<staking::RewardRules>(data)?
                .validate()
                .map_err(|_| GovernanceError::ParameterOutOfBounds)?;
        }
        // Judges take stake, the authority can do all this program lets governance do.
        return Ok(strict(called(SetAuthorities::DISCRIMINATOR) || called(SetJudges::DISCRIMINATOR)));
    }
    if *program == costaking::ID {
        use costaking::instruction::{SetAuthorities, SetParameters};
        if called(SetParameters::DISCRIMINATOR) {
            read::<costaking::Parameters>(data)?
                .validate()
                .map_err(|_| GovernanceError::ParameterOutOfBounds)?;
        }
        return Ok(strict(called(SetAuthorities::DISCRIMINATOR)));
    }
    if *program == jobs::ID {
        use jobs::instruction::{IssuePermit, SetAuthorities, SetParameters};
        if called(SetParameters::DISCRIMINATOR) {
            read::<jobs::Parameters>(data)?
                .validate()
                .map_err(|_| GovernanceError::ParameterOutOfBounds)?;
        } else if called(IssuePermit::DISCRIMINATOR) {
            // Pays a jackpot out of the treasury.
            return Ok(Kind::Treasury);
        }
        return Ok(strict(called(SetAuthorities::DISCRIMINATOR)));
    }
    if *program == crate::ID {
        use crate::instruction::{SetGuardian, SetRules};
        if called(SetRules::DISCRIMINATOR) {
            read::<Rules>(data)?.validate().map_err(|_| GovernanceError::ParameterOutOfBounds)?;
        }
        return Ok(match called(SetGuardian::DISCRIMINATOR) {
            true => Kind::Guardian,
            false => Kind::Upgrade,
        });
    }
    // These call nobody else with the authority's signature.
    let known = [Token::id(), AssociatedToken::id(), System::id()];
    Ok(match known.contains(program) {
        true => Kind::Treasury,
        false => Kind::Upgrade,
    })
}

fn strict(strict: bool) -> Kind {
    if strict { Kind::Upgrade } else { Kind::Parameter }
}

/// The first argument.
fn read<'a, T: SchemaRead<'a, BorshConfig, Dst = T>>(data: &'a [u8]) -> Result<T> {
    let arguments = data.get(8..).ok_or(GovernanceError::ParameterOutOfBounds)?;
    wincode::config::deserialize(arguments, BORSH_CONFIG).map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

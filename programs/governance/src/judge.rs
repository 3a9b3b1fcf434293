//! Which kind of proposal an instruction needs. The program it calls and its first bytes decide, so a proposer cannot understate it.
//!
//! Every instruction that is not listed here counts as an upgrade, the strictest kind, including those that programs add later.

use crate::error::GovernanceError;
use crate::state::{RuleChanges, Rules};
use anchor_lang::prelude::*;
use anchor_lang::programs::{AssociatedToken, System, Token};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::wincode::{self, SchemaRead};
use anchor_lang::{BORSH_CONFIG, BorshConfig, Discriminator, Id};
use protocol::ballot::Kind;
use protocol::loader;

/// The kind of an instruction. Fails if it sets a parameter outside its bounds, since it would fail when executed, and if it replaces code
/// without naming that code, or could let another program do so.
pub fn kind(instruction: &Instruction) -> Result<Kind> {
    let (program, data) = (&instruction.program_id, &instruction.data[..]);
    let is_one_of = |discriminators: &[&[u8]]| discriminators.iter().any(|discriminator| data.starts_with(discriminator));
    let called = |discriminator: &[u8]| data.starts_with(discriminator);
    let known = |parameters: &[&[u8]], treasury: &[&[u8]]| match (is_one_of(parameters), is_one_of(treasury)) {
        (true, _) => Kind::Parameter,
        (_, true) => Kind::Treasury,
        _ => Kind::Upgrade,
    };
    if *program == staking::ID {
        use staking::instruction::{
            AddGpuModel, DropSlash, OverturnSlash, SetParameters, SetPaused, SetRewardRules, StartEmission, UpdateGpuModel,
        };
        if called(SetParameters::DISCRIMINATOR) {
            within(
                read::<staking::ParameterChanges>(data)?
                    .over(&staking::Parameters::PUBLISHED)
                    .validate(),
            )?;
        } else if called(SetRewardRules::DISCRIMINATOR) {
            within(
                read::<staking::RewardRuleChanges>(data)?
                    .over(&staking::RewardRules::PUBLISHED)
                    .validate(),
            )?;
        } else if called(UpdateGpuModel::DISCRIMINATOR) {
            within(read::<staking::GpuSpecChanges>(data)?.validate())?;
        } else if called(AddGpuModel::DISCRIMINATOR) {
            within(read::<(u16, staking::state::GpuSpec)>(data)?.1.validate())?;
        }
        let parameters = [
            SetParameters::DISCRIMINATOR,
            SetPaused::DISCRIMINATOR,
            SetRewardRules::DISCRIMINATOR,
            StartEmission::DISCRIMINATOR,
            AddGpuModel::DISCRIMINATOR,
            UpdateGpuModel::DISCRIMINATOR,
            OverturnSlash::DISCRIMINATOR,
            DropSlash::DISCRIMINATOR,
        ];
        return Ok(known(&parameters, &[]));
    }
    if *program == costaking::ID {
        use costaking::instruction::{SetParameters, SetPaused};
        if called(SetParameters::DISCRIMINATOR) {
            within(
                read::<costaking::ParameterChanges>(data)?
                    .over(&costaking::Parameters::PUBLISHED)
                    .validate(),
            )?;
        }
        return Ok(known(&[SetParameters::DISCRIMINATOR, SetPaused::DISCRIMINATOR], &[]));
    }
    if *program == jobs::ID {
        use jobs::instruction::{ClosePermit, Deposit, IssuePermit, SetParameters, SetPaused};
        if called(SetParameters::DISCRIMINATOR) {
            within(read::<jobs::ParameterChanges>(data)?.over(&jobs::Parameters::PUBLISHED).validate())?;
        }
        // The authority signs for the treasury, which pays jackpots and deposits.
        let treasury = [IssuePermit::DISCRIMINATOR, ClosePermit::DISCRIMINATOR, Deposit::DISCRIMINATOR];
        return Ok(known(&[SetParameters::DISCRIMINATOR, SetPaused::DISCRIMINATOR], &treasury));
    }
    if *program == crate::ID {
        use crate::instruction::{SetGuardian, SetRules};
        if called(SetRules::DISCRIMINATOR) {
            within(read::<RuleChanges>(data)?.over(&Rules::PUBLISHED).validate())?;
        }
        return Ok(match called(SetGuardian::DISCRIMINATOR) {
            true => Kind::Guardian,
            false => Kind::Upgrade,
        });
    }
    // The loader installs what the buffer holds when it is called, which may differ from what it held during the vote. It has no other
    // instruction that installs code and that programs may call.
    let is_loader = |program: &Address| *program.as_array() == loader::ID;
    let is_unnamed = match is_loader(program) {
        true => called(&loader::UPGRADE),
        // A program could call the loader with the authority's signature, but only if the instruction passes it the loader's account.
        false => instruction.accounts.iter().any(|meta| is_loader(&meta.pubkey)),
    };
    require!(!is_unnamed, GovernanceError::CodeNotNamed);
    // These programs do not pass the authority's signature on to others. Of the system program's instructions only `Transfer` is a payment:
    // others could assign the authority's own address to another program.
    let pays = [Token::id(), AssociatedToken::id()].contains(program) || (*program == System::id() && called(&SYSTEM_TRANSFER));
    Ok(match pays {
        true => Kind::Treasury,
        false => Kind::Upgrade,
    })
}

/// First bytes of the system program's `Transfer`.
const SYSTEM_TRANSFER: [u8; 4] = 2u32.to_le_bytes();

/// Reports values outside their bounds as [`GovernanceError::ParameterOutOfBounds`]. Each value's bounds are independent of the others, so
/// it is enough to check a change as applied to the published values.
fn within(validated: Result<()>) -> Result<()> {
    validated.map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

/// Reads an instruction's first argument, or its first few as a tuple.
fn read<'a, T: SchemaRead<'a, BorshConfig, Dst = T>>(data: &'a [u8]) -> Result<T> {
    let arguments = data.get(8..).ok_or(GovernanceError::ParameterOutOfBounds)?;
    wincode::config::deserialize(arguments, BORSH_CONFIG).map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

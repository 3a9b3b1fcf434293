//! What an instruction of a proposal asks for. Its program and its first bytes decide, so nobody can ask for more under a laxer name.
//!
//! What is not named here is an upgrade: whatever a program can do besides, and whatever it will be able to do.

use crate::error::GovernanceError;
use crate::instructions::LOADER_UPGRADE;
use crate::state::{RuleChanges, Rules};
use anchor_lang::prelude::*;
use anchor_lang::programs::{AssociatedToken, System, Token};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::wincode::{self, SchemaRead};
use anchor_lang::{BORSH_CONFIG, BorshConfig, Discriminator, Id};
use protocol::ballot::Kind;
use protocol::loader;

/// The kind of an instruction; fails when it sets a parameter outside its bounds, which would fail when it is executed, and when it
/// replaces code without naming it, or lets a program do so.
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
        // Jackpots and deposits come out of the treasury, which the authority signs for.
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
    // The loader takes what its buffer holds when it is called, whatever that was when it was voted on. It has no other instruction that
    // brings code and that programs can call.
    let is_loader = |program: &Address| *program.as_array() == loader::ID;
    let is_unnamed = match is_loader(program) {
        true => called(&LOADER_UPGRADE),
        // It could call the loader with the authority's signature; what an instruction does not name nobody calls below it.
        false => instruction.accounts.iter().any(|meta| is_loader(&meta.pubkey)),
    };
    require!(!is_unnamed, GovernanceError::CodeNotNamed);
    // These call nobody else with the authority's signature. The system program could also give away the authority's address itself: it
    // pays, and no more.
    let pays = [Token::id(), AssociatedToken::id()].contains(program) || (*program == System::id() && called(&SYSTEM_TRANSFER));
    Ok(match pays {
        true => Kind::Treasury,
        false => Kind::Upgrade,
    })
}

/// How the system program's `Transfer` begins.
const SYSTEM_TRANSFER: [u8; 4] = 2u32.to_le_bytes();

/// Every value has bounds of its own, whatever the others are: changes are judged by what they would make of the published values.
fn within(validated: Result<()>) -> Result<()> {
    validated.map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

/// The first argument, or a tuple of the first ones.
fn read<'a, T: SchemaRead<'a, BorshConfig, Dst = T>>(data: &'a [u8]) -> Result<T> {
    let arguments = data.get(8..).ok_or(GovernanceError::ParameterOutOfBounds)?;
    wincode::config::deserialize(arguments, BORSH_CONFIG).map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

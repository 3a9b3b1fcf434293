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

/// An instruction of a program: its first bytes, its kind, and a check of the parameters that it sets.
type Row = (&'static [u8], Kind, fn(&[u8]) -> Result<()>);

const STAKING: [Row; 8] = {
    use staking::instruction::*;
    use staking::state::GpuSpec;
    use staking::{GpuSpecChanges, ParameterChanges, Parameters, RewardRuleChanges, RewardRules};
    [
        (SetParameters::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<ParameterChanges>(data)?.over(&Parameters::PUBLISHED).validate()
        }),
        (SetPaused::DISCRIMINATOR, Kind::Parameter, unchecked),
        (SetRewardRules::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<RewardRuleChanges>(data)?.over(&RewardRules::PUBLISHED).validate()
        }),
        (StartEmission::DISCRIMINATOR, Kind::Parameter, unchecked),
        (AddGpuModel::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<(u16, GpuSpec)>(data)?.1.validate()
        }),
        (UpdateGpuModel::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<GpuSpecChanges>(data)?.validate()
        }),
        (OverturnSlash::DISCRIMINATOR, Kind::Parameter, unchecked),
        (DropSlash::DISCRIMINATOR, Kind::Parameter, unchecked),
    ]
};

const COSTAKING: [Row; 2] = {
    use costaking::instruction::*;
    use costaking::{ParameterChanges, Parameters};
    [
        (SetParameters::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<ParameterChanges>(data)?.over(&Parameters::PUBLISHED).validate()
        }),
        (SetPaused::DISCRIMINATOR, Kind::Parameter, unchecked),
    ]
};

/// The authority signs for the treasury, which pays jackpots and deposits.
const JOBS: [Row; 5] = {
    use jobs::instruction::*;
    use jobs::{ParameterChanges, Parameters};
    [
        (SetParameters::DISCRIMINATOR, Kind::Parameter, |data| {
            read::<ParameterChanges>(data)?.over(&Parameters::PUBLISHED).validate()
        }),
        (SetPaused::DISCRIMINATOR, Kind::Parameter, unchecked),
        (IssuePermit::DISCRIMINATOR, Kind::Treasury, unchecked),
        (ClosePermit::DISCRIMINATOR, Kind::Treasury, unchecked),
        (Deposit::DISCRIMINATOR, Kind::Treasury, unchecked),
    ]
};

const GOVERNANCE: [Row; 2] = {
    use crate::instruction::*;
    [
        (SetGuardian::DISCRIMINATOR, Kind::Guardian, unchecked),
        (SetRules::DISCRIMINATOR, Kind::Upgrade, |data| {
            read::<RuleChanges>(data)?.over(&Rules::PUBLISHED).validate()
        }),
    ]
};

const PROGRAMS: [(Address, &[Row]); 4] = [
    (staking::ID, &STAKING),
    (costaking::ID, &COSTAKING),
    (jobs::ID, &JOBS),
    (crate::ID, &GOVERNANCE),
];

/// First bytes of the system program's `Transfer`.
const SYSTEM_TRANSFER: [u8; 4] = 2u32.to_le_bytes();

/// The kind of an instruction. Fails if it sets a parameter outside its bounds, since it would fail when executed, and if it replaces code
/// without naming that code, or could let another program do so.
pub fn of(instruction: &Instruction) -> Result<Kind> {
    let (program, data) = (&instruction.program_id, &instruction.data[..]);
    let Some((_, rows)) = PROGRAMS.iter().find(|(id, _)| id == program) else {
        return of_foreign(instruction);
    };
    let Some((_, kind, check)) = rows.iter().find(|(discriminator, ..)| data.starts_with(discriminator)) else {
        return Ok(Kind::Upgrade);
    };
    check(data).map_err(|_| GovernanceError::ParameterOutOfBounds)?;
    Ok(*kind)
}

/// The kind of an instruction of a program that is not one of ours.
fn of_foreign(instruction: &Instruction) -> Result<Kind> {
    let (program, data) = (&instruction.program_id, &instruction.data[..]);
    // The loader installs what the buffer holds when it is called, which may differ from what it held during the vote. It has no other
    // instruction that installs code and that programs may call.
    let is_loader = |program: &Address| *program.as_array() == loader::ID;
    let is_unnamed = match is_loader(program) {
        true => data.starts_with(&loader::UPGRADE),
        // A program could call the loader with the authority's signature, but only if the instruction passes it the loader's account.
        false => instruction.accounts.iter().any(|meta| is_loader(&meta.pubkey)),
    };
    require!(!is_unnamed, GovernanceError::CodeNotNamed);
    // These programs do not pass the authority's signature on to others. Of the system program's instructions only `Transfer` is a payment:
    // others could assign the authority's own address to another program.
    let pays = [Token::id(), AssociatedToken::id()].contains(program) || (*program == System::id() && data.starts_with(&SYSTEM_TRANSFER));
    Ok(match pays {
        true => Kind::Treasury,
        false => Kind::Upgrade,
    })
}

fn unchecked(_: &[u8]) -> Result<()> {
    Ok(())
}

/// Reads an instruction's first argument, or its first few as a tuple. Each value's bounds are independent of the others, so it is enough
/// to check a change as applied to the published values.
fn read<'a, T: SchemaRead<'a, BorshConfig, Dst = T>>(data: &'a [u8]) -> Result<T> {
    let arguments = data.get(8..).ok_or(GovernanceError::ParameterOutOfBounds)?;
    wincode::config::deserialize(arguments, BORSH_CONFIG).map_err(|_| GovernanceError::ParameterOutOfBounds.into())
}

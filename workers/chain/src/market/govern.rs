//! Governance: proposals, votes, execution.

use super::{LOADER, costake, grown, instruction, job, pda, program_data, reward, stake, token_account};
use crate::sysvar::CLOCK;
use anchor_lang::programs::{System, Token};
use anchor_lang::{Discriminator, Id, bytemuck};
use governance::state::{PAYLOAD_SEED, encode, parse};
use governance::{AUTHORITY_SEED, Ballot, Config, Delegation, GUARDIAN_SEED, PURSE_SEED, PayloadHeader, Proposal, RuleChanges, Rules};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};

/// Bytes of an instruction in one piece: it fits a transaction together with the announcement.
pub const PIECE: usize = 700;

/// The config.
pub fn config() -> Address {
    pda(governance::ID, &[Config::SEED])
}

/// The address that governs the other programs and holds the treasury.
pub fn authority() -> Address {
    pda(governance::ID, &[AUTHORITY_SEED])
}

/// The address that pays the rent of accounts that proposals create.
pub fn purse() -> Address {
    pda(governance::ID, &[PURSE_SEED])
}

/// The guardian of the other programs.
pub fn guardian_authority() -> Address {
    pda(governance::ID, &[GUARDIAN_SEED])
}

/// The token account that holds deposits.
pub fn deposits() -> Address {
    pda(governance::ID, &[Config::DEPOSITS_SEED])
}

/// A proposal, by its proposer and the proposer's own id for it.
pub fn proposal(proposer: &Address, id: u64) -> Address {
    pda(governance::ID, &[Proposal::SEED, proposer.as_ref(), &id.to_le_bytes()])
}

/// An instruction of a proposal.
pub fn payload(proposal: &Address, index: u8) -> Address {
    pda(governance::ID, &[PAYLOAD_SEED, proposal.as_ref(), &[index]])
}

/// The vote of a device or position.
pub fn ballot(proposal: &Address, source: &Address) -> Address {
    pda(governance::ID, &[Ballot::SEED, proposal.as_ref(), source.as_ref()])
}

/// The delegation of an owner's votes to a representative.
pub fn delegation(owner: &Address) -> Address {
    pda(governance::ID, &[Delegation::SEED, owner.as_ref()])
}

/// Creates the config.
pub fn initialize(
    payer: &Address,
    upgrade_authority: &Address,
    mint: &Address,
    rules: Rules,
    guardian: Address,
    until: i64,
) -> Instruction {
    let accounts = governance::accounts::Initialize {
        payer: *payer,
        upgrade_authority: *upgrade_authority,
        config: config(),
        mint: *mint,
        deposits: deposits(),
        authority: authority(),
        purse: purse(),
        guardian_authority: guardian_authority(),
        emission: reward::emission(),
        emission_vault: reward::vault(),
        program_data: program_data(governance::ID),
        token_program: Token::id(),
        system_program: System::id(),
    };
    instruction(
        governance::ID,
        accounts,
        governance::instruction::Initialize { rules, guardian, until },
    )
}

fn govern() -> governance::accounts::Govern {
    governance::accounts::Govern {
        authority: authority(),
        config: config(),
    }
}

/// Changes some or all rules of voting. Only a proposal can execute this.
pub fn set_rules(changes: impl Into<RuleChanges>) -> Instruction {
    let changes = changes.into();
    instruction(governance::ID, govern(), governance::instruction::SetRules { changes })
}

/// Sets the guardian and its term. Only a proposal can execute this.
pub fn set_guardian(guardian: Address, until: i64) -> Instruction {
    instruction(governance::ID, govern(), governance::instruction::SetGuardian { guardian, until })
}

/// Creates a draft of a proposal; `id` must not be that of another proposal of the proposer.
pub fn create(proposer: &Address, id: u64, title: [u8; 64], text_hash: [u8; 32]) -> Instruction {
    let accounts = governance::accounts::CreateProposal {
        proposer: *proposer,
        config: config(),
        proposal: proposal(proposer, id),
        system_program: System::id(),
    };
    instruction(
        governance::ID,
        accounts,
        governance::instruction::CreateProposal { id, title, text_hash },
    )
}

/// Announces the instruction at `index`, which has `length` bytes.
pub fn open_payload(proposer: &Address, proposal: &Address, index: u8, length: u32) -> Instruction {
    let accounts = governance::accounts::OpenPayload {
        proposer: *proposer,
        proposal: *proposal,
        payload: payload(proposal, index),
        system_program: System::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::OpenPayload { length })
}

/// Writes bytes of the instruction at `index`.
pub fn write_payload(proposer: &Address, proposal: &Address, index: u8, offset: u32, bytes: Vec<u8>) -> Instruction {
    let accounts = governance::accounts::WritePayload {
        proposer: *proposer,
        proposal: *proposal,
        payload: payload(proposal, index),
    };
    instruction(governance::ID, accounts, governance::instruction::WritePayload { offset, bytes })
}

/// All steps that put `what` into a proposal as its instruction at `index`, each of which fits a transaction; `None` if it is too long.
pub fn include(proposer: &Address, proposal: &Address, index: u8, what: &Instruction) -> Option<Vec<Instruction>> {
    let bytes = encode(what)?;
    let mut all = vec![open_payload(proposer, proposal, index, u32::try_from(bytes.len()).ok()?)];
    for (number, piece) in (0u32..).zip(bytes.chunks(PIECE)) {
        let offset = number.checked_mul(PIECE as u32)?;
        all.push(write_payload(proposer, proposal, index, offset, piece.to_vec()));
    }
    Some(all)
}

/// The remaining steps of [`include`], given the `data` of the instruction's account; `None` if the account was announced with another
/// length or holds something other than a part of `what`.
pub fn include_rest(proposer: &Address, proposal: &Address, index: u8, what: &Instruction, data: &[u8]) -> Option<Vec<Instruction>> {
    let header = data.get(PayloadHeader::DISCRIMINATOR.len()..)?.get(..size_of::<PayloadHeader>())?;
    let header: PayloadHeader = bytemuck::try_pod_read_unaligned(header).ok()?;
    let (written, whole) = (bytes(data)?, encode(what)?);
    let mut all = include(proposer, proposal, index, what)?;
    let is_part = header.length.get() as usize == whole.len() && whole.starts_with(written);
    // Each piece was written completely or not at all.
    is_part.then(|| all.split_off(written.len().div_ceil(PIECE).saturating_add(1)))
}

/// The instruction that an account of a proposal holds; `None` until it is complete.
pub fn written(data: &[u8]) -> Option<Instruction> {
    parse(bytes(data)?).ok()
}

/// The bytes of an instruction that have been written to its account.
fn bytes(data: &[u8]) -> Option<&[u8]> {
    let before = PayloadHeader::DISCRIMINATOR.len().saturating_add(size_of::<PayloadHeader>());
    data.get(before.saturating_add(size_of::<u32>())..)?
        .get(..grown::<PayloadHeader>(data) as usize)
}

/// Pays the deposit from the proposer's token account and opens the vote.
pub fn submit(proposer: &Address, proposal: &Address, mint: &Address) -> Instruction {
    let accounts = governance::accounts::SubmitProposal {
        proposer: *proposer,
        config: config(),
        proposal: *proposal,
        mint: *mint,
        emission_vault: reward::vault(),
        from: token_account(proposer, mint),
        deposits: deposits(),
        token_program: Token::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::SubmitProposal {})
}

/// Cancels a proposal.
pub fn cancel(proposer: &Address, proposal: &Address) -> Instruction {
    let accounts = governance::accounts::CancelProposal {
        proposer: *proposer,
        proposal: *proposal,
    };
    instruction(governance::ID, accounts, governance::instruction::CancelProposal {})
}

/// Votes with a device's own stake on a proposal, given by address and number; `owner` is set if `voter` represents the device's owner.
pub fn vote_stake(
    voter: &Address,
    (proposal, index): (&Address, u64),
    device: &Address,
    owner: Option<&Address>,
    choice: u8,
) -> Instruction {
    let accounts = governance::accounts::VoteStake {
        voter: *voter,
        proposal: *proposal,
        device: *device,
        ballot: ballot(proposal, device),
        delegation: owner.map(delegation),
        system_program: System::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::VoteStake { index, choice })
}

/// Votes with a position in an offer of a device; `holder` is set if `voter` represents the position's holder.
pub fn vote_co_stake(
    voter: &Address,
    (proposal, index): (&Address, u64),
    [device, offer, position]: [&Address; 3],
    holder: Option<&Address>,
    choice: u8,
) -> Instruction {
    let accounts = governance::accounts::VoteCoStake {
        voter: *voter,
        proposal: *proposal,
        position: *position,
        offer: *offer,
        device: *device,
        ballot: ballot(proposal, position),
        delegation: holder.map(delegation),
        system_program: System::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::VoteCoStake { index, choice })
}

/// Changes the vote of a device or position.
pub fn change_vote(
    voter: &Address,
    (proposal, index): (&Address, u64),
    source: &Address,
    owner: Option<&Address>,
    choice: u8,
) -> Instruction {
    let accounts = governance::accounts::ChangeVote {
        voter: *voter,
        proposal: *proposal,
        ballot: ballot(proposal, source),
        delegation: owner.map(delegation),
    };
    instruction(governance::ID, accounts, governance::instruction::ChangeVote { index, choice })
}

/// Withdraws a vote, or returns its rent to `payer` once it no longer counts.
pub fn close_ballot(caller: &Address, proposal: &Address, source: &Address, payer: &Address, owner: Option<&Address>) -> Instruction {
    let accounts = governance::accounts::CloseBallot {
        caller: *caller,
        proposal: *proposal,
        ballot: ballot(proposal, source),
        payer: *payer,
        delegation: owner.map(delegation),
    };
    instruction(governance::ID, accounts, governance::instruction::CloseBallot {})
}

/// Names a representative that votes for `owner`.
pub fn set_delegate(owner: &Address, representative: Address) -> Instruction {
    let accounts = governance::accounts::SetDelegate {
        owner: *owner,
        delegation: delegation(owner),
        system_program: System::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::SetDelegate { representative })
}

/// Removes the representative.
pub fn clear_delegate(owner: &Address) -> Instruction {
    let accounts = governance::accounts::ClearDelegate {
        owner: *owner,
        delegation: delegation(owner),
    };
    instruction(governance::ID, accounts, governance::instruction::ClearDelegate {})
}

/// Pauses staking, co-staking or jobs.
pub fn pause(guardian: &Address, program: Address) -> Instruction {
    let program_config = match program {
        costaking::ID => costake::config(),
        jobs::ID => job::config(),
        _ => stake::config(),
    };
    let accounts = governance::accounts::Pause {
        guardian: *guardian,
        config: config(),
        guardian_authority: guardian_authority(),
        program_config,
        program,
    };
    instruction(governance::ID, accounts, governance::instruction::Pause {})
}

/// Advances a proposal to the status that time and votes have brought it to.
pub fn advance(proposal: &Address) -> Instruction {
    let accounts = governance::accounts::AdvanceProposal { proposal: *proposal };
    instruction(governance::ID, accounts, governance::instruction::AdvanceProposal {})
}

/// Executes `what`, the instruction of a proposal at `index`.
pub fn execute(proposal: &Address, index: u8, what: &Instruction) -> Instruction {
    let accounts = governance::accounts::ExecuteInstruction {
        proposal: *proposal,
        payload: payload(proposal, index),
    };
    let mut all = instruction(governance::ID, accounts, governance::instruction::ExecuteInstruction {});
    all.accounts.push(AccountMeta::new_readonly(what.program_id, false));
    // The program signs for authority and purse; no other signature can be required.
    all.accounts.extend(what.accounts.iter().map(|meta| AccountMeta {
        is_signer: false,
        ..meta.clone()
    }));
    all
}

const RENT: Address = Address::from_str_const("SysvarRent111111111111111111111111111111111");

/// Replaces a program's code by that of a buffer, which must have this SHA-256; the buffer's rent goes to the purse. Governance must be the
/// authority of both. Only a proposal can execute this.
pub fn upgrade(program: &Address, buffer: &Address, sha256: [u8; 32]) -> Instruction {
    let accounts = governance::accounts::UpgradeProgram {
        authority: authority(),
        config: config(),
        program_data: program_data(*program),
        program: *program,
        buffer: *buffer,
        purse: purse(),
        rent: RENT,
        clock: CLOCK,
        loader: LOADER,
    };
    instruction(governance::ID, accounts, governance::instruction::UpgradeProgram { sha256 })
}

/// Returns an ended proposal's deposit to its proposer, or burns it.
pub fn release_deposit(proposal: &Address, proposer: &Address, mint: &Address) -> Instruction {
    let accounts = governance::accounts::ReleaseDeposit {
        config: config(),
        proposal: *proposal,
        deposits: deposits(),
        to: token_account(proposer, mint),
        mint: *mint,
        token_program: Token::id(),
    };
    instruction(governance::ID, accounts, governance::instruction::ReleaseDeposit {})
}

/// Returns the rent of an ended proposal's instruction.
pub fn close_payload(proposal: &Address, proposer: &Address, index: u8) -> Instruction {
    let accounts = governance::accounts::ClosePayload {
        proposer: *proposer,
        proposal: *proposal,
        payload: payload(proposal, index),
    };
    instruction(governance::ID, accounts, governance::instruction::ClosePayload {})
}

/// Returns the rent of an ended proposal.
pub fn close(proposal: &Address, proposer: &Address) -> Instruction {
    let accounts = governance::accounts::CloseProposal {
        proposer: *proposer,
        proposal: *proposal,
    };
    instruction(governance::ID, accounts, governance::instruction::CloseProposal {})
}

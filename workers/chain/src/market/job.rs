//! Addresses and instructions of the jobs program.

use super::{audit, instruction, pda, program_data, stake};
use anchor_lang::programs::{System, Token};
use anchor_lang::{Id, InstructionData};
// Anchor exports the accounts of an instruction by name, but not those nested in them.
use jobs::instructions::__client_accounts_sentence::Sentence;
use jobs::instructions::__client_accounts_unserved::Unserved;
use jobs::state::DRAFT_SEED;
use jobs::{AUTHORITY_SEED, Escrow, Job, JobTerms, Model};
use protocol::hash::Hash;
use protocol::tensor::Shape;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};

/// The config.
pub fn config() -> Address {
    pda(jobs::ID, &[jobs::Config::SEED])
}

/// The PDA that signs calls into staking.
pub fn authority() -> Address {
    pda(jobs::ID, &[AUTHORITY_SEED])
}

/// A registered model.
pub fn model(hash: &Hash) -> Address {
    pda(jobs::ID, &[Model::SEED, hash])
}

/// A model being registered.
pub fn draft(registrar: &Address, hash: &Hash) -> Address {
    pda(jobs::ID, &[DRAFT_SEED, registrar.as_ref(), hash])
}

/// A consumer's escrow.
pub fn escrow(owner: &Address, mint: &Address) -> Address {
    pda(jobs::ID, &[Escrow::SEED, owner.as_ref(), mint.as_ref()])
}

/// The token account that holds an escrow's tokens.
pub fn vault(escrow: &Address) -> Address {
    pda(jobs::ID, &[Escrow::VAULT_SEED, escrow.as_ref()])
}

/// A job.
pub fn job(escrow: &Address, id: u64) -> Address {
    pda(jobs::ID, &[Job::SEED, escrow.as_ref(), &id.to_le_bytes()])
}

/// Creates the config.
pub fn initialize(
    payer: &Address,
    upgrade_authority: &Address,
    mint: &Address,
    cluster: Hash,
    treasury: &Address,
    parameters: jobs::Parameters,
) -> Instruction {
    instruction(
        jobs::ID,
        jobs::accounts::Initialize {
            payer: *payer,
            upgrade_authority: *upgrade_authority,
            config: config(),
            mint: *mint,
            authority: authority(),
            program_data: program_data(jobs::ID),
            system_program: System::id(),
        },
        jobs::instruction::Initialize {
            cluster,
            treasury: *treasury,
            parameters,
        },
    )
}

/// Changes some or all parameters.
pub fn set_parameters(authority: &Address, changes: impl Into<jobs::ParameterChanges>) -> Instruction {
    let accounts = jobs::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let changes = changes.into();
    instruction(jobs::ID, accounts, jobs::instruction::SetParameters { changes })
}

/// Sets the authority, the guardian and the treasury.
pub fn set_authorities(authority: &Address, next: &Address, guardian: &Address, treasury: &Address) -> Instruction {
    let accounts = jobs::accounts::Administer {
        authority: *authority,
        config: config(),
    };
    let data = jobs::instruction::SetAuthorities {
        authority: Some(*next),
        guardian: Some(*guardian),
        treasury: Some(*treasury),
    };
    instruction(jobs::ID, accounts, data)
}

/// Pauses or resumes the program.
pub fn set_paused(guardian: &Address, paused: bool) -> Instruction {
    let accounts = jobs::accounts::Pause {
        guardian: *guardian,
        config: config(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::SetPaused { paused })
}

/// Starts a model's registration.
pub fn create_draft(registrar: &Address, hash: Hash, n_ops: u32, inputs: &[Shape]) -> Instruction {
    let accounts = jobs::accounts::CreateDraft {
        registrar: *registrar,
        draft: draft(registrar, &hash),
        system_program: System::id(),
    };
    let inputs = inputs.iter().map(|shape| shape.to_bytes()).collect();
    instruction(
        jobs::ID,
        accounts,
        jobs::instruction::CreateDraft {
            model_hash: hash,
            n_ops,
            inputs,
        },
    )
}

/// Appends encoded op descriptors to a draft.
pub fn append_ops(registrar: &Address, hash: &Hash, descriptors: Vec<Vec<u8>>) -> Instruction {
    let accounts = jobs::accounts::AppendOps {
        registrar: *registrar,
        draft: draft(registrar, hash),
    };
    instruction(jobs::ID, accounts, jobs::instruction::AppendOps { descriptors })
}

/// Seals a complete draft of a model whose traces have a checkpoint every `interval` ops.
pub fn seal_model(registrar: &Address, hash: &Hash, interval: u32) -> Instruction {
    let accounts = jobs::accounts::SealModel {
        registrar: *registrar,
        draft: draft(registrar, hash),
        model: model(hash),
        system_program: System::id(),
    };
    // At most 1,024.
    let interval = interval as u16;
    instruction(jobs::ID, accounts, jobs::instruction::SealModel { interval })
}

/// Discards a draft.
pub fn discard_draft(registrar: &Address, hash: &Hash) -> Instruction {
    let accounts = jobs::accounts::DiscardDraft {
        registrar: *registrar,
        draft: draft(registrar, hash),
    };
    instruction(jobs::ID, accounts, jobs::instruction::DiscardDraft {})
}

/// Creates a consumer's escrow.
pub fn open_escrow(owner: &Address, mint: &Address) -> Instruction {
    let escrow = escrow(owner, mint);
    let accounts = jobs::accounts::OpenEscrow {
        owner: *owner,
        mint: *mint,
        escrow,
        vault: vault(&escrow),
        token_program: Token::id(),
        system_program: System::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::OpenEscrow {})
}

/// Funds an escrow from the payer's token account `from`.
pub fn deposit(payer: &Address, escrow: &Address, from: &Address, amount: u64) -> Instruction {
    let accounts = jobs::accounts::Deposit {
        payer: *payer,
        escrow: *escrow,
        vault: vault(escrow),
        from: *from,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::Deposit { amount })
}

/// Withdraws free balance to the token account `to`.
pub fn withdraw(owner: &Address, escrow: &Address, to: &Address, amount: u64) -> Instruction {
    let accounts = jobs::accounts::Withdraw {
        owner: *owner,
        escrow: *escrow,
        vault: vault(escrow),
        to: *to,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::Withdraw { amount })
}

/// Closes an empty escrow; tokens that somebody sent to its vault go to `to`.
pub fn close_escrow(owner: &Address, escrow: &Address, to: &Address) -> Instruction {
    let accounts = jobs::accounts::CloseEscrow {
        owner: *owner,
        escrow: *escrow,
        vault: vault(escrow),
        to: *to,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::CloseEscrow {})
}

/// Opens a job on a registered model.
pub fn open_job(owner: &Address, mint: &Address, model: &Address, id: u64, terms: JobTerms) -> Instruction {
    let escrow = escrow(owner, mint);
    let accounts = jobs::accounts::OpenJob {
        owner: *owner,
        config: config(),
        model: *model,
        escrow,
        job: job(&escrow, id),
        system_program: System::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::OpenJob { id, terms })
}

/// Cancels an unclaimed job.
pub fn cancel_job(owner: &Address, escrow: &Address, job: &Address) -> Instruction {
    let accounts = jobs::accounts::CancelJob {
        owner: *owner,
        escrow: *escrow,
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::CancelJob {})
}

/// Extends a job's deadline.
pub fn extend_job(owner: &Address, escrow: &Address, job: &Address, seconds: u32) -> Instruction {
    let accounts = jobs::accounts::ExtendJob {
        owner: *owner,
        escrow: *escrow,
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::ExtendJob { seconds })
}

/// Claims the job with hash `expected` for a device of GPU model `gpu`.
pub fn claim_job(key: &Address, job: &Address, expected: Hash, device: &Address, gpu: u16, min_price: u64) -> Instruction {
    let accounts = jobs::accounts::ClaimJob {
        key: *key,
        config: config(),
        job: *job,
        device: *device,
        gpu_model: stake::gpu_model(gpu),
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
    };
    instruction(jobs::ID, accounts, jobs::instruction::ClaimJob { expected, min_price })
}

/// Posts a commitment.
pub fn commit_result(key: &Address, job: &Address, device: &Address, commitment: Hash) -> Instruction {
    let accounts = jobs::accounts::WorkJob {
        key: *key,
        config: config(),
        device: *device,
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::CommitResult { commitment })
}

/// Opens a commitment.
pub fn reveal_result(key: &Address, job: &Address, device: &Address, traces: Hash, outputs: Hash, nonce: Hash) -> Instruction {
    let accounts = jobs::accounts::WorkJob {
        key: *key,
        config: config(),
        device: *device,
        job: *job,
    };
    instruction(jobs::ID, accounts, jobs::instruction::RevealResult { traces, outputs, nonce })
}

/// Claims a replica. `others` are the job's other replicas in order, each with the device that has claimed it, or any address if none has.
pub fn claim_replica(
    key: &Address,
    job: &Address,
    expected: Hash,
    device: &Address,
    gpu: u16,
    min_price: u64,
    others: &[(Address, Address)],
) -> Instruction {
    let mut claim = claim_job(key, job, expected, device, gpu, min_price);
    let rest = others.iter().flat_map(|(job, device)| [job, device]);
    claim
        .accounts
        .extend(rest.map(|address| AccountMeta::new_readonly(*address, false)));
    claim
}

/// Addresses of a job's replicas in order; a job that is not replicated is its own only replica.
pub fn replicas_of(of: &Job) -> Vec<Address> {
    let first = of.first_id();
    (0..u64::from(of.replicas))
        .map(|replica| job(&of.escrow, first.saturating_add(replica)))
        .collect()
}

/// Starts the reveal time of all replicas of a job, given by their addresses in order, each with whether it is still in progress.
pub fn call_reveals(replicas: &[(Address, bool)]) -> Instruction {
    siblings(replicas, jobs::instruction::CallReveals {})
}

/// Ends the challenge windows of replicas that agree, given by their addresses in order, each with whether it is still in progress.
pub fn agree_replicas(replicas: &[(Address, bool)]) -> Instruction {
    siblings(replicas, jobs::instruction::AgreeReplicas {})
}

fn siblings(replicas: &[(Address, bool)], data: impl InstructionData) -> Instruction {
    let living = |index: usize| replicas.get(index).filter(|(_, lives)| *lives).map(|(job, _)| *job);
    let accounts = jobs::accounts::Siblings {
        config: config(),
        first: living(0),
        second: living(1),
        third: living(2),
    };
    let mut all = instruction(jobs::ID, accounts, data);
    let ended = replicas.iter().filter(|(_, lives)| !lives);
    all.accounts.extend(ended.map(|(job, _)| AccountMeta::new_readonly(*job, false)));
    all
}

/// The accounts that the end of a job involves.
#[derive(Clone, Copy, Debug)]
pub struct JobParties {
    /// The job.
    pub job: Address,
    /// Its escrow.
    pub escrow: Address,
    /// The escrow's owner.
    pub consumer: Address,
    /// The device that claimed it; ignored if it expires unclaimed.
    pub device: Address,
}

/// Pays for a job whose challenge window has passed; `payout` is a token account of the device's payout wallet.
pub fn settle_job(cranker: &Address, parties: &JobParties, payout: &Address) -> Instruction {
    settle(cranker, parties, payout, None, None)
}

/// Pays for a job to which an auditor has committed as well; `auditor` is a token account of the auditor's payout wallet, required if the
/// auditor has proved the result and is not paid to the device's wallet.
pub fn settle_audited(cranker: &Address, parties: &JobParties, payout: &Address, auditor: Option<Address>) -> Instruction {
    settle(cranker, parties, payout, Some(audit::address(&parties.job)), auditor)
}

fn settle(
    cranker: &Address,
    parties: &JobParties,
    payout: &Address,
    audit: Option<Address>,
    auditor_payout: Option<Address>,
) -> Instruction {
    let accounts = jobs::accounts::SettleJob {
        cranker: *cranker,
        consumer: parties.consumer,
        config: config(),
        job: parties.job,
        escrow: parties.escrow,
        vault: vault(&parties.escrow),
        device: parties.device,
        payout: *payout,
        audit,
        auditor_payout,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::SettleJob {})
}

/// Ends a job that nobody claimed.
pub fn expire_job(cranker: &Address, parties: &JobParties) -> Instruction {
    let accounts = jobs::accounts::ExpireJob {
        cranker: *cranker,
        consumer: parties.consumer,
        job: parties.job,
        escrow: parties.escrow,
    };
    instruction(jobs::ID, accounts, jobs::instruction::ExpireJob {})
}

/// Ends a job whose worker has missed its deadline.
pub fn timeout_job(cranker: &Address, parties: &JobParties) -> Instruction {
    let accounts = jobs::accounts::TimeoutJob {
        unserved: unserved(cranker, parties),
        config: config(),
        authority: authority(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::TimeoutJob {})
}

/// The accounts of the end of a job whose worker has missed its deadline.
pub(super) fn unserved(cranker: &Address, parties: &JobParties) -> Unserved {
    Unserved {
        cranker: *cranker,
        consumer: parties.consumer,
        job: parties.job,
        escrow: parties.escrow,
        device: parties.device,
        staking_config: stake::config(),
        staking_program: staking::ID,
    }
}

/// The conviction of a job that was proved wrong.
pub fn conviction(job: &Address) -> Address {
    pda(jobs::ID, &[jobs::Conviction::SEED, job.as_ref()])
}

/// The accounts that every conviction needs.
pub(super) fn sentence(payer: &Address, job: &Address, escrow: &Address, device: &Address, compensated: &Address) -> Sentence {
    Sentence {
        payer: *payer,
        config: config(),
        job: *job,
        escrow: *escrow,
        conviction: conviction(job),
        device: *device,
        device_vault: stake::vault(device),
        compensated: *compensated,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
        system_program: System::id(),
    }
}

/// The evidence for a conviction.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// A sealed and complete evidence account.
    pub evidence: Address,
    /// The answered demand for the unit's op outputs, required if the model's traces commit to checkpoints only.
    pub shown: Option<Address>,
}

impl From<&Address> for Proof {
    /// Evidence against a trace of every op.
    fn from(evidence: &Address) -> Self {
        Self {
            evidence: *evidence,
            shown: None,
        }
    }
}

/// Proves a revealed result wrong; `compensated` is an $IO account of the consumer's.
pub fn convict(
    challenger: &Address,
    job: &Address,
    model: &Address,
    escrow: &Address,
    device: &Address,
    proof: impl Into<Proof>,
    compensated: &Address,
) -> Instruction {
    let Proof { evidence, shown } = proof.into();
    let accounts = jobs::accounts::Convict {
        sentence: sentence(challenger, job, escrow, device, compensated),
        model: *model,
        evidence,
        shown,
        referee_program: referee::ID,
    };
    instruction(jobs::ID, accounts, jobs::instruction::Convict {})
}

/// Takes over the reward of a conviction.
pub fn overtake(challenger: &Address, job: &Address, model: &Address, device: &Address, proof: impl Into<Proof>) -> Instruction {
    let Proof { evidence, shown } = proof.into();
    let accounts = jobs::accounts::Overtake {
        challenger: *challenger,
        job: *job,
        model: *model,
        evidence,
        shown,
        conviction: conviction(job),
        device: *device,
        referee_program: referee::ID,
    };
    instruction(jobs::ID, accounts, jobs::instruction::Overtake {})
}

/// Pays the challenger of a conviction.
pub fn award(cranker: &Address, job: &Address, conviction_of: &jobs::Conviction, rewarded: &Address) -> Instruction {
    let accounts = jobs::accounts::Award {
        cranker: *cranker,
        consumer: conviction_of.consumer,
        payer: conviction_of.payer,
        config: config(),
        job: *job,
        conviction: conviction(job),
        device: conviction_of.device,
        device_vault: stake::vault(&conviction_of.device),
        rewarded: *rewarded,
        staking_config: stake::config(),
        authority: authority(),
        staking_program: staking::ID,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::Award {})
}

/// Moves an escrow's fees to `treasury`, a token account of the treasury wallet.
pub fn sweep_fees(escrow: &Address, mint: &Address, treasury: &Address) -> Instruction {
    let accounts = jobs::accounts::SweepFees {
        config: config(),
        escrow: *escrow,
        vault: vault(escrow),
        mint: *mint,
        treasury: *treasury,
        token_program: Token::id(),
    };
    instruction(jobs::ID, accounts, jobs::instruction::SweepFees {})
}

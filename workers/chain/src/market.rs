//! The market's addresses and instructions: every account list of the programs is written here, once.

pub mod answers;
pub mod audit;
pub mod costake;
pub mod demand;
pub mod govern;
pub mod permit;
pub mod referee;
pub mod reward;
pub mod slash;

use anchor_lang::programs::{AssociatedToken, System, Token};
use anchor_lang::{Discriminator, Id, InstructionData, ToAccountMetas};
use jobs::state::DRAFT_SEED;
use jobs::{AUTHORITY_SEED, Escrow, Job, JobTerms, Model};
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use staking::GpuSpecChanges;
use staking::state::GpuSpec;
use staking::{Device, DeviceKey, GpuModel};

use crate::idl;
use crate::keys::associated_token_address;
use crate::program_error::ProgramErrors;

/// A transaction's accounts and data for one of the programs.
fn instruction(program_id: Address, accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

fn pda(program: Address, seeds: &[&[u8]]) -> Address {
    Address::find_program_address(seeds, &program).0
}

/// Items in an account that grows, which counts them behind its discriminator and its header `H`; none in one that is too short.
fn grown<H: Discriminator>(data: &[u8]) -> u32 {
    let before = H::DISCRIMINATOR.len().saturating_add(size_of::<H>());
    let count = data.get(before..).and_then(|rest| rest.first_chunk());
    u32::from_le_bytes(*count.unwrap_or(&[0; 4]))
}

/// What the programs' own error codes mean, as their IDLs say.
pub fn errors() -> ProgramErrors {
    idl::all().iter().fold(ProgramErrors::default(), |errors, idl| match idl.address() {
        Some(address) => errors.with(address, idl.name(), |code| {
            let error = idl.errors.iter().find(|error| error.code == code)?;
            Some((error.name.as_str(), error.msg.as_str()))
        }),
        None => errors,
    })
}

/// The loader's record of an upgradeable program.
pub fn program_data(program: Address) -> Address {
    pda(staking::instructions::LOADER, &[program.as_ref()])
}

/// The associated token account of `wallet`.
pub fn token_account(wallet: &Address, mint: &Address) -> Address {
    associated_token_address(wallet, mint)
}

/// Creates `wallet`'s associated token account, or does nothing when it exists.
pub fn create_token_account(payer: &Address, wallet: &Address, mint: &Address) -> Instruction {
    const CREATE_IDEMPOTENT: u8 = 1;
    Instruction {
        program_id: AssociatedToken::id(),
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(token_account(wallet, mint), false),
            AccountMeta::new_readonly(*wallet, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new_readonly(System::id(), false),
            AccountMeta::new_readonly(Token::id(), false),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}

/// Addresses and instructions of the staking program.
pub mod stake {
    use super::*;

    /// The config.
    pub fn config() -> Address {
        pda(staking::ID, &[staking::StakingConfig::SEED])
    }

    /// A row of the GPU table.
    pub fn gpu_model(id: u16) -> Address {
        pda(staking::ID, &[GpuModel::SEED, &id.to_le_bytes()])
    }

    /// A device, by the key it was registered with.
    pub fn device(first_key: &Address) -> Address {
        pda(staking::ID, &[Device::SEED, first_key.as_ref()])
    }

    /// The mark that a key is used.
    pub fn device_key(key: &Address) -> Address {
        pda(staking::ID, &[DeviceKey::SEED, key.as_ref()])
    }

    /// The token account that holds a device's stake.
    pub fn vault(device: &Address) -> Address {
        pda(staking::ID, &[Device::VAULT_SEED, device.as_ref()])
    }

    /// Creates the config.
    pub fn initialize(payer: &Address, upgrade_authority: &Address, mint: &Address, parameters: staking::Parameters) -> Instruction {
        instruction(
            staking::ID,
            staking::accounts::Initialize {
                payer: *payer,
                upgrade_authority: *upgrade_authority,
                config: config(),
                mint: *mint,
                jobs_authority: super::job::authority(),
                costaking_authority: super::costake::authority(),
                program_data: program_data(staking::ID),
                system_program: System::id(),
            },
            staking::instruction::Initialize { parameters },
        )
    }

    /// Changes parameters, or sets all of them.
    pub fn set_parameters(authority: &Address, changes: impl Into<staking::ParameterChanges>) -> Instruction {
        let accounts = staking::accounts::Administer {
            authority: *authority,
            config: config(),
        };
        let changes = changes.into();
        instruction(staking::ID, accounts, staking::instruction::SetParameters { changes })
    }

    /// Hands the config to other keys.
    pub fn set_authorities(authority: &Address, next: &Address, guardian: &Address) -> Instruction {
        let accounts = staking::accounts::Administer {
            authority: *authority,
            config: config(),
        };
        instruction(
            staking::ID,
            accounts,
            staking::instruction::SetAuthorities {
                authority: Some(*next),
                guardian: Some(*guardian),
            },
        )
    }

    /// Pauses or resumes.
    pub fn set_paused(guardian: &Address, paused: bool) -> Instruction {
        let accounts = staking::accounts::Pause {
            guardian: *guardian,
            config: config(),
        };
        instruction(staking::ID, accounts, staking::instruction::SetPaused { paused })
    }

    /// Adds a GPU model.
    pub fn add_gpu_model(payer: &Address, authority: &Address, id: u16, spec: GpuSpec) -> Instruction {
        instruction(
            staking::ID,
            staking::accounts::AddGpuModel {
                payer: *payer,
                authority: *authority,
                config: config(),
                gpu_model: gpu_model(id),
                system_program: System::id(),
            },
            staking::instruction::AddGpuModel { id, spec },
        )
    }

    /// Changes a GPU model, or sets all of it.
    pub fn update_gpu_model(authority: &Address, id: u16, changes: impl Into<GpuSpecChanges>) -> Instruction {
        let accounts = staking::accounts::UpdateGpuModel {
            authority: *authority,
            config: config(),
            gpu_model: gpu_model(id),
        };
        let changes = changes.into();
        instruction(staking::ID, accounts, staking::instruction::UpdateGpuModel { changes })
    }

    /// Registers a device.
    pub fn register_device(owner: &Address, key: &Address, mint: &Address, gpu: u16, quantity: u8) -> Instruction {
        let device = device(key);
        instruction(
            staking::ID,
            staking::accounts::RegisterDevice {
                owner: *owner,
                key: *key,
                config: config(),
                gpu_model: gpu_model(gpu),
                device,
                device_key: device_key(key),
                mint: *mint,
                vault: vault(&device),
                token_program: Token::id(),
                system_program: System::id(),
            },
            staking::instruction::RegisterDevice { quantity },
        )
    }

    /// Replaces a device's hot key.
    pub fn rotate_device_key(owner: &Address, device: &Address, new_key: &Address) -> Instruction {
        let accounts = staking::accounts::RotateDeviceKey {
            owner: *owner,
            new_key: *new_key,
            device: *device,
            device_key: device_key(new_key),
            system_program: System::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::RotateDeviceKey {})
    }

    /// Names the wallet for job payments.
    pub fn set_payout(owner: &Address, device: &Address, payout: &Address) -> Instruction {
        let accounts = staking::accounts::SetPayout {
            owner: *owner,
            device: *device,
        };
        instruction(staking::ID, accounts, staking::instruction::SetPayout { payout: *payout })
    }

    /// Adds stake from the owner's token account `from`.
    pub fn stake(owner: &Address, device: &Address, from: &Address, amount: u64) -> Instruction {
        let accounts = staking::accounts::Stake {
            owner: *owner,
            config: config(),
            device: *device,
            vault: vault(device),
            from: *from,
            token_program: Token::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::Stake { amount })
    }

    /// Takes overflow out to the owner's token account `to`.
    pub fn withdraw_overflow(owner: &Address, device: &Address, gpu: u16, to: &Address, amount: u64) -> Instruction {
        let accounts = staking::accounts::WithdrawOverflow {
            owner: *owner,
            config: config(),
            gpu_model: gpu_model(gpu),
            device: *device,
            vault: vault(device),
            to: *to,
            token_program: Token::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::WithdrawOverflow { amount })
    }

    /// Starts the cooldown.
    pub fn unstake(owner: &Address, device: &Address) -> Instruction {
        let accounts = staking::accounts::Unstake {
            owner: *owner,
            config: config(),
            device: *device,
        };
        instruction(staking::ID, accounts, staking::instruction::Unstake {})
    }

    /// Pays the cooled stake out to the owner's token account `to`.
    pub fn withdraw(owner: &Address, device: &Address, to: &Address) -> Instruction {
        let accounts = staking::accounts::Withdraw {
            owner: *owner,
            device: *device,
            vault: vault(device),
            to: *to,
            token_program: Token::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::Withdraw {})
    }

    /// Retires a device.
    pub fn terminate_device(owner: &Address, device: &Address) -> Instruction {
        let accounts = staking::accounts::TerminateDevice {
            owner: *owner,
            device: *device,
        };
        instruction(staking::ID, accounts, staking::instruction::TerminateDevice {})
    }

    /// Closes an empty device.
    pub fn close_device(owner: &Address, device: &Address, to: &Address) -> Instruction {
        let accounts = staking::accounts::CloseDevice {
            owner: *owner,
            device: *device,
            vault: vault(device),
            to: *to,
            token_program: Token::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::CloseDevice {})
    }

    /// Burns what a device forfeited.
    pub fn burn_forfeited(device: &Address, mint: &Address) -> Instruction {
        let accounts = staking::accounts::BurnForfeited {
            config: config(),
            device: *device,
            vault: vault(device),
            mint: *mint,
            token_program: Token::id(),
        };
        instruction(staking::ID, accounts, staking::instruction::BurnForfeited {})
    }
}

/// Addresses and instructions of the jobs program.
pub mod job {
    use super::*;
    // Anchor exports the accounts of an instruction by name, but not those nested in them.
    use jobs::instructions::__client_accounts_sentence::Sentence;
    use protocol::tensor::Shape;

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

    /// The token account that holds an escrow's money.
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

    /// Changes parameters, or sets all of them.
    pub fn set_parameters(authority: &Address, changes: impl Into<jobs::ParameterChanges>) -> Instruction {
        let accounts = jobs::accounts::Administer {
            authority: *authority,
            config: config(),
        };
        let changes = changes.into();
        instruction(jobs::ID, accounts, jobs::instruction::SetParameters { changes })
    }

    /// Hands the config to other keys and names the treasury.
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

    /// Pauses or resumes.
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

    /// Adds the next encoded op descriptors.
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

    /// Drops a draft.
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

    /// Takes free balance out to the token account `to`.
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

    /// Closes an empty escrow; tokens sent to its vault unasked go to `to`.
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

    /// Takes an unclaimed job back.
    pub fn cancel_job(owner: &Address, escrow: &Address, job: &Address) -> Instruction {
        let accounts = jobs::accounts::CancelJob {
            owner: *owner,
            escrow: *escrow,
            job: *job,
        };
        instruction(jobs::ID, accounts, jobs::instruction::CancelJob {})
    }

    /// Moves a job's deadline.
    pub fn extend_job(owner: &Address, escrow: &Address, job: &Address, seconds: u32) -> Instruction {
        let accounts = jobs::accounts::ExtendJob {
            owner: *owner,
            escrow: *escrow,
            job: *job,
        };
        instruction(jobs::ID, accounts, jobs::instruction::ExtendJob { seconds })
    }

    /// Claims the job of the hash `expected` for a device of GPU model `gpu`.
    pub fn claim_job(key: &Address, job: &Address, expected: Hash, device: &Address, gpu: u16, min_price: u64) -> Instruction {
        let accounts = jobs::accounts::ClaimJob {
            key: *key,
            config: config(),
            job: *job,
            device: *device,
            gpu_model: super::stake::gpu_model(gpu),
            staking_config: super::stake::config(),
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

    /// Claims a replica. `others` are the job's other replicas in order, each with the device that has taken it, or any address when none
    /// has.
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

    /// Where the replicas of a job are, in order; a job by itself is its only one.
    pub fn replicas_of(of: &Job) -> Vec<Address> {
        let first = of.first_id();
        (0..u64::from(of.replicas))
            .map(|replica| job(&of.escrow, first.saturating_add(replica)))
            .collect()
    }

    /// Calls the reveals of all replicas of a job: their addresses in order, each with whether it is still in progress.
    pub fn call_reveals(replicas: &[(Address, bool)]) -> Instruction {
        siblings(replicas, jobs::instruction::CallReveals {})
    }

    /// Ends the windows of replicas that agree: their addresses in order, each with whether it is still in progress.
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

    /// The parties of a job that ends.
    #[derive(Clone, Copy, Debug)]
    pub struct Ending {
        /// The job.
        pub job: Address,
        /// Its escrow.
        pub escrow: Address,
        /// The escrow's owner.
        pub consumer: Address,
        /// The device that took it; ignored when it expires unclaimed.
        pub device: Address,
    }

    /// Pays for a job whose window has passed; `payout` is a token account of the device's payout wallet.
    pub fn settle_job(cranker: &Address, ending: &Ending, payout: &Address) -> Instruction {
        settle(cranker, ending, payout, None, None)
    }

    /// Pays for a job to which an auditor has committed too; `auditor` is a token account of the auditor's payout wallet, needed when it
    /// has proved the result and is not paid to the device's wallet.
    pub fn settle_audited(cranker: &Address, ending: &Ending, payout: &Address, auditor: Option<Address>) -> Instruction {
        settle(cranker, ending, payout, Some(super::audit::address(&ending.job)), auditor)
    }

    fn settle(
        cranker: &Address,
        ending: &Ending,
        payout: &Address,
        audit: Option<Address>,
        auditor_payout: Option<Address>,
    ) -> Instruction {
        let accounts = jobs::accounts::SettleJob {
            cranker: *cranker,
            consumer: ending.consumer,
            config: config(),
            job: ending.job,
            escrow: ending.escrow,
            vault: vault(&ending.escrow),
            device: ending.device,
            payout: *payout,
            audit,
            auditor_payout,
            staking_config: super::stake::config(),
            authority: authority(),
            staking_program: staking::ID,
            token_program: Token::id(),
        };
        instruction(jobs::ID, accounts, jobs::instruction::SettleJob {})
    }

    /// Ends a job nobody claimed.
    pub fn expire_job(cranker: &Address, ending: &Ending) -> Instruction {
        let accounts = jobs::accounts::ExpireJob {
            cranker: *cranker,
            consumer: ending.consumer,
            job: ending.job,
            escrow: ending.escrow,
        };
        instruction(jobs::ID, accounts, jobs::instruction::ExpireJob {})
    }

    /// Ends a job whose worker is late.
    pub fn timeout_job(cranker: &Address, ending: &Ending) -> Instruction {
        instruction(jobs::ID, late(cranker, ending), jobs::instruction::TimeoutJob {})
    }

    /// What the end of a job needs that its worker has not served.
    pub(super) fn late(cranker: &Address, ending: &Ending) -> jobs::accounts::TimeoutJob {
        jobs::accounts::TimeoutJob {
            cranker: *cranker,
            consumer: ending.consumer,
            config: config(),
            job: ending.job,
            escrow: ending.escrow,
            device: ending.device,
            staking_config: super::stake::config(),
            authority: authority(),
            staking_program: staking::ID,
        }
    }

    /// The record of a job that was proved wrong.
    pub fn conviction(job: &Address) -> Address {
        pda(jobs::ID, &[jobs::Conviction::SEED, job.as_ref()])
    }

    /// What every conviction needs, whatever it rests on.
    pub(super) fn sentence(payer: &Address, job: &Address, escrow: &Address, device: &Address, compensated: &Address) -> Sentence {
        Sentence {
            payer: *payer,
            config: config(),
            job: *job,
            escrow: *escrow,
            conviction: conviction(job),
            device: *device,
            device_vault: super::stake::vault(device),
            compensated: *compensated,
            staking_config: super::stake::config(),
            authority: authority(),
            staking_program: staking::ID,
            token_program: Token::id(),
            system_program: System::id(),
        }
    }

    /// What a conviction rests on.
    #[derive(Clone, Copy, Debug)]
    pub struct Proof {
        /// Sealed and complete.
        pub evidence: Address,
        /// The answered demand for the op outputs of the unit, where the model's traces commit to checkpoints only.
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
            referee_program: ::referee::ID,
        };
        instruction(jobs::ID, accounts, jobs::instruction::Convict {})
    }

    /// Takes a conviction's reward over.
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
            referee_program: ::referee::ID,
        };
        instruction(jobs::ID, accounts, jobs::instruction::Overtake {})
    }

    /// Pays a challenger.
    pub fn award(cranker: &Address, job: &Address, conviction_of: &jobs::Conviction, rewarded: &Address) -> Instruction {
        let accounts = jobs::accounts::Award {
            cranker: *cranker,
            consumer: conviction_of.consumer,
            payer: conviction_of.payer,
            config: config(),
            job: *job,
            conviction: conviction(job),
            device: conviction_of.device,
            permit: super::permit::address(&conviction_of.device),
            device_vault: super::stake::vault(&conviction_of.device),
            rewarded: *rewarded,
            staking_config: super::stake::config(),
            authority: authority(),
            staking_program: staking::ID,
            token_program: Token::id(),
        };
        instruction(jobs::ID, accounts, jobs::instruction::Award {})
    }

    /// Moves an escrow's fees; `treasury` is a token account of the treasury wallet.
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
}

//! The programs, a mint, a GPU table and a model, on a chain in memory.

use crate::audit::{Audit, Books};
use crate::failure::Failure;
use crate::parties;
use crate::replay::Replay;
use anchor_lang::wincode::SchemaRead;
use anchor_lang::{BorshConfig, Discriminator};
use chain::market;
use litesvm::LiteSVM;
use litesvm::types::TransactionMetadata;
use protocol::units::Moment;
use solana_account::Account;
use solana_address::Address;
use solana_clock::Clock;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_message::inner_instruction::InnerInstructionsList;
use solana_program_pack::Pack;
use solana_sha256_hasher::hashv;
use solana_signer::Signer;
use solana_slot_hashes::SlotHashes;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;
use spl_token_interface::instruction::TokenInstruction;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, OnceLock};

/// The cluster tag of this chain.
pub const CLUSTER: [u8; 32] = [0xC1; 32];

/// Parameters that the jobs program starts with: the published ones, but with so high a presumed chance of recomputation that the minimum
/// bond in the kit's terms is enough, and without audits. Higher bonds and audits have their own tests.
pub const PARAMETERS: jobs::Parameters = jobs::Parameters {
    watch_bps: 8_000,
    audit_jobs: 0,
    audit_floor_bps: 0,
    ..jobs::Parameters::PUBLISHED
};

/// Our programs.
pub(crate) const PROGRAMS: [Address; 5] = [staking::ID, costaking::ID, governance::ID, jobs::ID, referee::ID];

/// The sysvar with the slot of the last restart.
const LAST_RESTART_SLOT: Address = Address::from_str_const("SysvarLastRestartS1ot1111111111111111111111");

/// When the chain starts. Neither clock is at zero, so that nothing works by accident.
const START: Moment = Moment {
    unix: 1_800_000_000,
    slot: 400_000_000,
};

/// A keypair derived from its name.
pub fn key(name: &str) -> Arc<Keypair> {
    Arc::new(Keypair::new_from_array(hashv(&[b"tests", name.as_bytes()]).to_bytes()))
}

/// What a transaction cost and returned.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Compute units of all its instructions.
    pub units: u64,
    /// Lamports paid for signatures.
    pub fee: u64,
    /// Return data of the last program that set any.
    pub return_data: Vec<u8>,
    /// Log lines, which contain the events.
    pub logs: Vec<String>,
}

impl Receipt {
    /// The events of type `E` that a program emitted.
    pub fn events<E>(&self, program: &Address) -> Vec<E>
    where
        E: Discriminator + for<'de> SchemaRead<'de, BorshConfig, Dst = E>,
    {
        let records = chain::records(program, &self.logs);
        records.iter().filter_map(|record| chain::decode_event(record)).collect()
    }
}

/// A transaction as a node would report it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Slot in which it landed.
    pub slot: u64,
    /// Whether it failed.
    pub failed: bool,
    /// Lamports of its fee.
    pub fee: u64,
    /// Its instructions, without inner ones.
    pub instructions: Vec<Instruction>,
    /// Log lines.
    pub logs: Vec<String>,
}

/// A chain, and the audit's own record of it.
#[derive(Clone)]
pub struct World {
    svm: LiteSVM,
    audit: Audit,
    replay: Replay,
    /// What [`World::books`] has read since the accounts last changed.
    books: OnceLock<Arc<Books>>,
    skipped: BTreeSet<u64>,
    /// Number of transactions so far, including failed ones.
    pub sent: u64,
    /// Every transaction from when a test sets this to `Some`.
    pub journal: Option<Vec<Entry>>,
    /// Pays every transaction's fee and the kit's own rents, so that only the programs move other lamports.
    pub payer: Arc<Keypair>,
    /// Upgrade authority of the programs, authority of their configs and of every mint.
    pub admin: Arc<Keypair>,
    /// Wallet that fees go to.
    pub treasury: Address,
    /// The $IO mint.
    pub io: Address,
    /// A registered model.
    pub model: Address,
}

// Programs are verified and compiled once; every test starts from a copy.
static BARE: LazyLock<World> = LazyLock::new(World::build_bare);
static READY: LazyLock<World> = LazyLock::new(World::build_ready);

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A chain with the programs configured, with the published parameters and [`PARAMETERS`], and with a GPU table and a model.
    pub fn new() -> Self {
        READY.clone()
    }

    /// A chain with the programs deployed, but nothing configured.
    pub fn bare() -> Self {
        BARE.clone()
    }

    fn build_bare() -> Self {
        let mut world = Self {
            svm: LiteSVM::new(),
            audit: Audit::default(),
            replay: Replay::default(),
            books: OnceLock::new(),
            skipped: BTreeSet::new(),
            sent: 0,
            journal: None,
            payer: key("payer"),
            admin: key("admin"),
            treasury: key("treasury").pubkey(),
            io: Address::default(),
            model: Address::default(),
        };
        world.go_to(START);
        for (id, name) in [
            (staking::ID, "staking"),
            (costaking::ID, "costaking"),
            (governance::ID, "governance"),
            (jobs::ID, "jobs"),
            (referee::ID, "referee"),
        ] {
            world.svm.add_program(id, &program_bytes(name)).expect("the program loads");
            world.set_upgrade_authority(id, Some(world.admin.pubkey()));
        }
        for who in [world.payer.pubkey(), world.admin.pubkey()] {
            world.give_sol(&who, 1_000_000_000_000);
        }
        world.io = world.mint("io", 8);
        world
    }

    fn build_ready() -> Self {
        let mut world = Self::bare();
        let (admin, payer, io) = (world.admin.clone(), world.payer.pubkey(), world.io);
        let authority = admin.pubkey();
        world.send(
            market::stake::initialize(&payer, &authority, &io, staking::Parameters::PUBLISHED),
            &[&admin],
        );
        let initialize = market::job::initialize(&payer, &authority, &io, CLUSTER, &world.treasury, PARAMETERS);
        world.send(initialize, &[&admin]);
        let co_staking = market::costake::initialize(&payer, &authority, &io, costaking::Parameters::PUBLISHED);
        world.send(co_staking, &[&admin]);
        parties::add_gpu_table(&mut world);
        world.model = world.register(&parties::tiny_graph());
        world
    }

    /// Writes a program's upgrade authority into its program data.
    pub fn set_upgrade_authority(&mut self, program: Address, authority: Option<Address>) {
        let address = market::program_data(program);
        let mut account = self.svm.get_account(&address).expect("the loader keeps program data");
        account.data[12] = authority.is_some().into();
        account.data[13..45].copy_from_slice(authority.unwrap_or_default().as_ref());
        self.svm.set_account(address, account).unwrap();
    }

    /// The code of a program, from its program data.
    pub fn code(&self, program: Address) -> Vec<u8> {
        let account = self.svm.get_account(&market::program_data(program));
        account.expect("the loader keeps program data").data[45..].to_vec()
    }

    /// Creates one of the loader's buffers with this code.
    pub fn write_buffer(&mut self, buffer: Address, authority: Address, code: &[u8]) {
        const BUFFER: u32 = 1;
        let data = [&BUFFER.to_le_bytes()[..], &[1], authority.as_ref(), code].concat();
        let account = Account {
            lamports: self.rent(data.len()),
            data,
            owner: market::LOADER,
            executable: false,
            rent_epoch: u64::MAX,
        };
        self.svm.set_account(buffer, account).unwrap();
    }

    // --- time -------------------------------------------------------------------------------------------------------------------------

    /// Now, by both clocks.
    pub fn now(&self) -> Moment {
        let clock: Clock = self.svm.get_sysvar();
        Moment {
            unix: clock.unix_timestamp,
            slot: clock.slot,
        }
    }

    /// Sets both clocks, and the slot hashes that programs see in that slot: those of the last 512 slots before it that were not skipped.
    pub fn go_to(&mut self, moment: Moment) {
        let mut clock: Clock = self.svm.get_sysvar();
        clock.unix_timestamp = moment.unix;
        clock.slot = moment.slot;
        self.svm.set_sysvar(&clock);
        let hashes: Vec<_> = (0..moment.slot)
            .rev()
            .filter(|slot| !self.skipped.contains(slot))
            .take(512)
            .map(|slot| (slot, slot_hash(slot)))
            .collect();
        self.svm.set_sysvar(&SlotHashes::new(&hashes));
    }

    /// Moves the clocks forward, each by its own amount.
    pub fn pass(&mut self, seconds: u32, slots: u64) {
        let now = self.now();
        self.go_to(Moment {
            unix: now.unix + i64::from(seconds),
            slot: now.slot + slots,
        });
    }

    /// Moves both clocks forward, at the nominal 2.5 slots a second.
    pub fn wait(&mut self, seconds: u32) {
        self.go_to(self.now().after(seconds));
    }

    /// Sets the slot in which the cluster last restarted.
    pub fn restarted_in(&mut self, slot: u64) {
        let mut account = self.account(&LAST_RESTART_SLOT).expect("the cluster keeps the sysvar");
        account.data = slot.to_le_bytes().into();
        self.plant(LAST_RESTART_SLOT, account);
    }

    /// Marks a slot as skipped, so that it has no hash; takes effect with the next change of time.
    pub fn skip_slot(&mut self, slot: u64) {
        self.skipped.insert(slot);
    }

    /// Copies of the world around `deadline`, each with whether it has passed: early by one clock only, early by both, exactly at it, and
    /// after it.
    pub fn around(&self, deadline: Moment) -> Vec<(Self, bool)> {
        let Moment { unix, slot } = deadline;
        let late = 1_000_000;
        let edges = [
            (unix - 1, slot + late, false),
            (unix + late as i64, slot - 1, false),
            (unix - 1, slot - 1, false),
            (unix, slot, true),
            (unix + 1, slot + 1, true),
        ];
        edges
            .map(|(unix, slot, reached)| {
                let mut world = self.clone();
                world.go_to(Moment { unix, slot });
                (world, reached)
            })
            .into()
    }

    // --- transactions -----------------------------------------------------------------------------------------------------------------

    /// Runs one transaction and audits the books. A failed one must change nothing but the fee payer's balance.
    pub fn attempt(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Result<Receipt, (TransactionError, Vec<String>)> {
        // With a new blockhash equal transactions are distinct, so a replay reaches the programs instead of the runtime's duplicate check.
        self.svm.expire_blockhash();
        self.sent += 1;
        let mut all: Vec<&Keypair> = vec![&self.payer];
        all.extend(signers.iter().copied().filter(|signer| signer.pubkey() != self.payer.pubkey()));
        let message = Message::new(instructions, Some(&self.payer.pubkey()));
        let keys = message.account_keys.clone();
        let transaction = Transaction::new(&all, message, self.svm.latest_blockhash());
        let before = self.total_lamports();
        self.books.take();
        let (outcome, meta) = match self.svm.send_transaction(transaction) {
            Ok(meta) => (None, meta),
            Err(failed) => (Some(failed.err), failed.meta),
        };
        assert_eq!(
            before,
            self.total_lamports() + u128::from(meta.fee),
            "lamports appeared or vanished"
        );
        let TransactionMetadata {
            logs,
            compute_units_consumed,
            inner_instructions,
            fee,
            return_data,
            ..
        } = meta;
        let burned = burns(&keys, &inner_instructions);
        let books = self.books();
        self.audit.check(&books, if outcome.is_none() { burned } else { 0 });
        let now = self.now();
        self.replay.check(if outcome.is_none() { &logs } else { &[] }, now, &books);
        if let Some(journal) = &mut self.journal {
            journal.push(Entry {
                slot: now.slot,
                failed: outcome.is_some(),
                fee,
                instructions: instructions.to_vec(),
                logs: logs.clone(),
            });
        }
        match outcome {
            None => Ok(Receipt {
                units: compute_units_consumed,
                fee,
                return_data: return_data.data,
                logs,
            }),
            Some(error) => Err((error, logs)),
        }
    }

    /// Runs an instruction that a program may refuse.
    #[track_caller]
    pub fn try_send(&mut self, instruction: Instruction, signers: &[&Keypair]) -> Result<Receipt, Failure> {
        self.attempt(&[instruction], signers).map_err(|(error, logs)| match error {
            TransactionError::InstructionError(_, error) => error.into(),
            error => panic!("must reach the program, but {error:?}\n{}", logs.join("\n")),
        })
    }

    /// Runs an instruction that must succeed.
    #[track_caller]
    pub fn send(&mut self, instruction: Instruction, signers: &[&Keypair]) -> Receipt {
        self.send_all(&[instruction], signers)
    }

    /// Runs instructions that must succeed together.
    #[track_caller]
    pub fn send_all(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Receipt {
        self.attempt(instructions, signers)
            .unwrap_or_else(|(error, logs)| panic!("must succeed, but {error:?}\n{}", logs.join("\n")))
    }

    /// Runs an instruction that must fail with exactly this error.
    #[track_caller]
    pub fn refuse(&mut self, instruction: Instruction, signers: &[&Keypair], expected: impl Into<Failure>) {
        let expected = expected.into();
        match self.attempt(&[instruction], signers) {
            Ok(_) => panic!("must fail with {expected}, but succeeded"),
            Err((error, logs)) => {
                assert_eq!(
                    error,
                    TransactionError::InstructionError(0, expected.0),
                    "another failure\n{}",
                    logs.join("\n")
                );
            }
        }
    }

    // --- reading ----------------------------------------------------------------------------------------------------------------------

    /// All accounts of the programs and the token program, decoded.
    pub fn books(&self) -> Arc<Books> {
        self.books.get_or_init(|| Arc::new(Books::read(&self.svm))).clone()
    }

    /// A device's account.
    #[track_caller]
    pub fn device(&self, address: &Address) -> staking::Device {
        self.books().devices[address]
    }

    /// An escrow's account.
    #[track_caller]
    pub fn escrow(&self, address: &Address) -> jobs::Escrow {
        self.books().escrows[address]
    }

    /// A job's account.
    #[track_caller]
    pub fn job(&self, address: &Address) -> jobs::Job {
        self.books().jobs[address]
    }

    /// A convicted job's conviction.
    #[track_caller]
    pub fn conviction(&self, job: &Address) -> jobs::Conviction {
        self.books().convictions[&market::job::conviction(job)]
    }

    /// A demand.
    #[track_caller]
    pub fn demand(&self, address: &Address) -> jobs::DemandHeader {
        self.books().demands[address]
    }

    /// The audit of a job.
    #[track_caller]
    pub fn audit_of(&self, job: &Address) -> jobs::Audit {
        self.books().audits[&market::audit::address(job)]
    }

    /// Evidence, with the bytes written so far.
    #[track_caller]
    pub fn evidence(&self, address: &Address) -> (referee::EvidenceHeader, Vec<u8>) {
        self.books().evidence[address].clone()
    }

    /// The present deadline of a job.
    #[track_caller]
    pub fn deadline(&self, job: &Address) -> Moment {
        self.job(job).deadline()
    }

    /// Balance of a token account; zero if it does not exist.
    pub fn balance(&self, tokens: &Address) -> u64 {
        self.books().tokens.get(tokens).map_or(0, |account| account.amount)
    }

    /// Supply of a mint.
    pub fn supply(&self, mint: &Address) -> u64 {
        self.books().mints[mint].supply
    }

    /// Lamports of an account; zero if it does not exist.
    pub fn lamports(&self, address: &Address) -> u64 {
        self.svm.get_balance(address).unwrap_or(0)
    }

    /// Rent of an account of that many bytes.
    pub fn rent(&self, bytes: usize) -> u64 {
        self.svm.minimum_balance_for_rent_exemption(bytes)
    }

    /// An account, undecoded.
    pub fn account(&self, address: &Address) -> Option<Account> {
        self.svm.get_account(address).filter(|account| account.lamports > 0)
    }

    /// Every account of a program.
    pub fn accounts_of(&self, program: &Address) -> Vec<(Address, Account)> {
        self.svm.get_program_accounts(program)
    }

    fn total_lamports(&self) -> u128 {
        use solana_account::ReadableAccount;
        self.svm
            .accounts_db()
            .inner
            .values()
            .map(|account| u128::from(account.lamports()))
            .sum()
    }

    /// Tells the audit the supply that a planted mint begins with.
    pub(crate) fn supply_is(&mut self, mint: &Address, supply: u64) {
        self.audit.minted(mint, supply);
    }

    // --- giving -----------------------------------------------------------------------------------------------------------------------

    /// Writes an account without any program: for forgeries and for SOL.
    pub fn plant(&mut self, address: Address, account: Account) {
        self.books.take();
        let before = self.account(&address);
        let ours = before.iter().chain([&account]).any(|account| PROGRAMS.contains(&account.owner));
        self.svm.set_account(address, account).unwrap();
        if ours {
            self.replay = Replay::read(&self.books());
        }
    }

    /// Adds lamports.
    pub fn give_sol(&mut self, to: &Address, lamports: u64) {
        let mut account = self.account(to).unwrap_or_default();
        account.lamports += lamports;
        self.plant(*to, account);
    }

    /// A wallet with 10 SOL.
    pub fn wallet(&mut self, name: &str) -> Arc<Keypair> {
        let wallet = key(name);
        self.give_sol(&wallet.pubkey(), 10_000_000_000);
        wallet
    }

    /// A mint of the token program, with the admin as its authority.
    pub fn mint(&mut self, name: &str, decimals: u8) -> Address {
        let mint = key(name).pubkey();
        let bytes = spl_token_interface::state::Mint::LEN;
        let account = Account {
            lamports: self.rent(bytes),
            data: vec![0; bytes],
            owner: spl_token_interface::ID,
            ..Account::default()
        };
        self.plant(mint, account);
        let create =
            spl_token_interface::instruction::initialize_mint2(&spl_token_interface::ID, &mint, &self.admin.pubkey(), None, decimals);
        self.send(create.unwrap(), &[]);
        mint
    }

    /// Mints `amount` tokens into the wallet's token account, which is created if needed; returns its address.
    pub fn give_tokens(&mut self, wallet: &Address, mint: &Address, amount: u64) -> Address {
        let tokens = market::token_account(wallet, mint);
        let admin = self.admin.clone();
        let create = market::create_token_account(&self.payer.pubkey(), wallet, mint);
        let mint_to =
            spl_token_interface::instruction::mint_to(&spl_token_interface::ID, mint, &tokens, &admin.pubkey(), &[], amount).unwrap();
        self.audit.minted(mint, amount);
        self.send_all(&[create, mint_to], &[&admin]);
        tokens
    }

    /// Mints tokens straight into a vault, as somebody could send tokens there without the programs' knowledge.
    pub fn donate(&mut self, mint: &Address, vault: &Address, amount: u64) {
        let admin = self.admin.clone();
        let mint_to =
            spl_token_interface::instruction::mint_to(&spl_token_interface::ID, mint, vault, &admin.pubkey(), &[], amount).unwrap();
        self.audit.minted(mint, amount);
        self.audit.donated(vault, amount);
        self.send(mint_to, &[&admin]);
    }
}

/// The hash of a slot of this chain.
pub fn slot_hash(slot: u64) -> Hash {
    let mut bytes = [0x5A; 32];
    bytes[..8].copy_from_slice(&slot.to_le_bytes());
    Hash::new_from_array(bytes)
}

/// Tokens burned by a transaction's inner instructions.
fn burns(keys: &[Address], inner: &InnerInstructionsList) -> u64 {
    let calls = inner.iter().flatten().map(|call| &call.instruction);
    let token_calls = calls.filter(|call| keys[usize::from(call.program_id_index)] == spl_token_interface::ID);
    token_calls
        .filter_map(|call| match TokenInstruction::unpack(&call.data) {
            Ok(TokenInstruction::Burn { amount } | TokenInstruction::BurnChecked { amount, .. }) => Some(amount),
            _ => None,
        })
        .sum()
}

fn program_bytes(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("IONET_DEPLOY_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/deploy")),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.so"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}; run cargo xtask build", path.display()))
}

//! Runs an instruction with each of its accounts spoiled in every way that applies, and checks that each fails with the exact error.

use crate::failure::Failure;
use crate::world::{World, key};
use anchor_lang::Id;
use anchor_lang::programs::AssociatedToken;
use solana_account::Account;
use solana_address::Address;
use solana_instruction::error::InstructionError;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction_error::TransactionError;
use std::collections::BTreeMap;

/// One way to spoil one account of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The signer does not sign.
    Unsigned,
    /// The account is passed read-only.
    ReadOnly,
    /// The account is replaced by one with the same bytes, owned by an attacker's program.
    Forged,
    /// The account is replaced by one of the same program, but of another kind.
    OtherKind,
    /// Another address is passed: for accounts to be created and PDAs without data.
    Elsewhere,
    /// Another program is passed.
    OtherProgram,
}

/// The instruction with every `from` replaced by `to`.
pub fn substituted(instruction: &Instruction, from: &Address, to: &Address) -> Instruction {
    let mut changed = instruction.clone();
    for meta in changed.accounts.iter_mut().filter(|meta| meta.pubkey == *from) {
        meta.pubkey = *to;
    }
    assert_ne!(changed, *instruction, "{from} is not among the accounts");
    changed
}

/// The instruction without `signer`'s signature.
pub fn signer_cleared(instruction: &Instruction, signer: &Address) -> Instruction {
    let mut changed = instruction.clone();
    for meta in changed.accounts.iter_mut().filter(|meta| meta.pubkey == *signer) {
        meta.is_signer = false;
    }
    assert_ne!(changed, *instruction, "{signer} does not sign");
    changed
}

impl World {
    /// Spoils every account of a valid instruction in every way that applies, and compares each failure with the usual one for that fault,
    /// or with the exception listed for that account: another failure, or `None` where any account is accepted. This world does not change.
    #[track_caller]
    pub fn sweep(&self, instruction: &Instruction, signers: &[&Keypair], exceptions: &[(Address, Fault, Option<Failure>)]) {
        let mut world = self.clone();
        if let Err((error, logs)) = world.attempt(std::slice::from_ref(instruction), signers) {
            panic!("only a valid instruction can be spoiled, but {error:?}\n{}", logs.join("\n"));
        }
        let mut exceptions: BTreeMap<(Address, Fault), Option<Failure>> = exceptions
            .iter()
            .map(|(address, fault, failure)| ((*address, *fault), failure.clone()))
            .collect();
        let mut wrong = Vec::new();
        for (slot, meta) in instruction.accounts.iter().enumerate() {
            for (fault, spoiled, rule) in self.spoil(instruction, slot) {
                let expected = exceptions.remove(&(meta.pubkey, fault)).unwrap_or(Some(rule));
                let mut world = self.clone();
                self.plant_forgeries(&mut world, instruction);
                let signers: Vec<&Keypair> = signers
                    .iter()
                    .copied()
                    .filter(|signer| spoiled.accounts.iter().any(|meta| meta.is_signer && meta.pubkey == signer.pubkey()))
                    .collect();
                let outcome = world.attempt(&[spoiled], &signers).map(|_| ()).map_err(|(error, _)| error);
                let due = expected.map_or(Ok(()), |failure| Err(TransactionError::InstructionError(0, failure.0)));
                if outcome != due {
                    wrong.push(format!("account {slot}, {fault:?}: expected {due:?}, got {outcome:?}"));
                }
            }
        }
        wrong.extend(
            exceptions
                .keys()
                .map(|(address, fault)| format!("nothing to except: {fault:?} of {address}")),
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The instruction with one account spoiled in every way that applies, each with the usual error for that fault.
    fn spoil(&self, instruction: &Instruction, slot: usize) -> Vec<(Fault, Instruction, Failure)> {
        let meta = &instruction.accounts[slot];
        // The program's own id stands for an optional account that is left out.
        if meta.pubkey == instruction.program_id {
            return Vec::new();
        }
        let with = |change: &dyn Fn(&mut AccountMeta)| {
            let mut spoiled = instruction.clone();
            change(&mut spoiled.accounts[slot]);
            spoiled
        };
        let account = self.account(&meta.pubkey);
        let mut faults = Vec::new();
        // The fee payer signs and is writable, whatever an instruction says.
        if meta.is_signer && meta.pubkey != self.payer.pubkey() {
            let spoiled = with(&|meta| meta.is_signer = false);
            faults.push((Fault::Unsigned, spoiled, InstructionError::MissingRequiredSignature.into()));
        }
        if meta.is_writable && meta.pubkey != self.payer.pubkey() {
            let rule = match &account {
                None => InstructionError::PrivilegeEscalation.into(),
                Some(_) if meta.is_signer => InstructionError::MissingRequiredSignature.into(),
                Some(_) => Failure::NOT_WRITABLE,
            };
            faults.push((Fault::ReadOnly, with(&|meta| meta.is_writable = false), rule));
        }
        match account {
            _ if meta.is_signer => {}
            Some(account) if account.executable => {
                let other = with(&|meta| meta.pubkey = AssociatedToken::id());
                faults.push((Fault::OtherProgram, other, InstructionError::IncorrectProgramId.into()));
            }
            Some(account) if !account.data.is_empty() => {
                let forged = with(&|meta| meta.pubkey = forgery(&meta.pubkey));
                faults.push((Fault::Forged, forged, InstructionError::IllegalOwner.into()));
                if let Some((other, bytes)) = self.other_kind(instruction, &account) {
                    let small = bytes < account.data.len();
                    let rule = if small {
                        InstructionError::AccountDataTooSmall
                    } else {
                        InstructionError::InvalidAccountData
                    };
                    faults.push((Fault::OtherKind, with(&|meta| meta.pubkey = other), rule.into()));
                }
            }
            None => {
                let elsewhere = with(&|meta| meta.pubkey = key("elsewhere").pubkey());
                faults.push((Fault::Elsewhere, elsewhere, InstructionError::InvalidSeeds.into()));
            }
            Some(_) => {}
        }
        faults
    }

    /// The largest account of the same program that is of another kind and not part of the instruction, and its size.
    fn other_kind(&self, instruction: &Instruction, account: &Account) -> Option<(Address, usize)> {
        let kind = |data: &[u8], owner: &Address| {
            // The size tells the kind of the token program's accounts, the first bytes that of ours.
            if *owner == spl_token_interface::ID {
                (data.len() as u64).to_le_bytes().to_vec()
            } else {
                data[..8].to_vec()
            }
        };
        let (owner, own) = (account.owner, kind(&account.data, &account.owner));
        self.accounts_of(&owner)
            .into_iter()
            .filter(|(address, other)| {
                other.data.len() >= 8 && kind(&other.data, &owner) != own && instruction.accounts.iter().all(|meta| meta.pubkey != *address)
            })
            .map(|(address, other)| (address, other.data.len()))
            .max_by_key(|(address, bytes)| (*bytes, *address))
    }

    fn plant_forgeries(&self, world: &mut World, instruction: &Instruction) {
        let attacker = key("program of an attacker").pubkey();
        for meta in &instruction.accounts {
            if let Some(account) = self
                .account(&meta.pubkey)
                .filter(|account| !account.executable && !account.data.is_empty())
            {
                let forged = Account {
                    owner: attacker,
                    ..account
                };
                world.plant(forgery(&meta.pubkey), forged);
            }
        }
    }
}

/// Address of the forgery of an account.
fn forgery(address: &Address) -> Address {
    key(&format!("forgery of {address}")).pubkey()
}

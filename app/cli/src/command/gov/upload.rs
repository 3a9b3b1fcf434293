//! Uploads new code for a program into a buffer of governance.

use super::buffer::{Buffer, CODE_AT};
use crate::{
    context::Context,
    error::{Result, refuse},
    output::{Answer, fields},
    progress::Progress,
    send::confirm,
};
use chain::market::{LOADER, govern};
use chain::rent;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_address::{Address, MAX_SEED_LEN};
use solana_instruction::{AccountMeta, Instruction};
use solana_signer::Signer;
use solana_system_interface::instruction::{allocate_with_seed, assign_with_seed, transfer};
use std::{fmt, path::Path};

/// Bytes of code in one piece: as many as fit a transaction of 1,232 bytes with a priority fee.
const PIECE: usize = 944;
/// Most transactions in flight.
const AT_ONCE: usize = 32;

#[derive(Serialize)]
struct Uploaded {
    buffer: String,
    sha256: String,
    bytes: usize,
}

impl fmt::Display for Uploaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("buffer", self.buffer.clone()),
            ("SHA-256", self.sha256.clone()),
            ("bytes", self.bytes.to_string()),
        ];
        fields(f, &lines)
    }
}

/// `gov upload`.
pub async fn upload(context: &Context, file: &Path) -> Result<Answer> {
    super::setting::config(context).await?;
    let shown = file.display();
    let code = crate::file::bytes(file)?;
    if !code.starts_with(b"\x7fELF") {
        return refuse(format!(
            "{shown} is not a program; give the .so file that `cargo xtask build-sbf` makes"
        ));
    }
    let wallet = context.wallet()?;
    let (payer, sha256) = (wallet.pubkey(), format!("{:x}", Sha256::digest(&code)));
    let (address, seed) = place(&payer, &sha256)?;
    let account = context.chain.account(&address).await?.unwrap_or_default();
    let is_new = account.owner != LOADER;
    let written: &[u8] = if is_new { &[] } else { &account.data };
    let pieces = missing(written, &code);
    let is_handed_over = Buffer::read(&account).is_some_and(|buffer| buffer.is_governances());
    let uploaded = Answer::new(&Uploaded {
        buffer: address.to_string(),
        sha256: sha256.clone(),
        bytes: code.len(),
    });
    if is_handed_over && pieces.is_empty() {
        return Ok(uploaded);
    }

    let space = code.len().saturating_add(CODE_AT);
    // Somebody may have sent lamports to the address.
    let rent = if is_new { rent(space).saturating_sub(account.lamports) } else { 0 };
    let question = format!("write {} bytes into buffer {address}", code.len());
    // One instruction, CreateAccountWithSeed, fails on an address with lamports, and anyone can send it some.
    let create = [
        transfer(&payer, &address, rent),
        allocate_with_seed(&address, &payer, seed, space as u64, &LOADER),
        assign_with_seed(&address, &payer, seed, &LOADER),
        loader(0, &[], &[(address, true, false), (payer, false, false)]),
    ];
    let hand_over = loader(
        4,
        &[],
        &[(address, true, false), (payer, false, true), (govern::authority(), false, false)],
    );
    if !context.settings.yes {
        let first = match pieces.first() {
            _ if is_new => create.to_vec(),
            Some((offset, piece)) => vec![write(address, payer, *offset, piece)],
            None => vec![hand_over.clone()],
        };
        let transactions = pieces.len().saturating_add(1).saturating_add(usize::from(is_new));
        let effect = format!(
            "rent of {}, which goes to governance's purse when the buffer is used, and {}",
            crate::amount::SOL.show(rent),
            context.fees(&payer, &first, transactions).await?
        );
        confirm(&question, &effect)?;
    }
    if is_new {
        context.chain.send(&create, &[&wallet], &context.options).await?;
    }

    let progress = Progress::steps(context, pieces.len() as u64);
    progress.say(&format!(
        "if interrupted, run the same command again to resume writing buffer {address}"
    ));
    progress.wait(question);
    let write = async |(offset, piece): (u32, &[u8])| {
        let write = [write(address, payer, offset, piece)];
        let send = async || context.chain.send(&write, &[&wallet], &context.options).await;
        match send().await {
            // A busy chain may well drop one of hundreds.
            Err(error) if error.uncertain().is_some_and(|uncertain| uncertain.expired) => send().await?,
            sent => sent?,
        };
        progress.step();
        Ok::<_, crate::error::Error>(())
    };
    stream::iter(pieces)
        .map(write)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    context.chain.send(&[hand_over], &[&wallet], &context.options).await?;
    Ok(uploaded)
}

/// The buffer into which a wallet writes the code with this hash, and its seed. It is always the same, so that a second run resumes the
/// first.
fn place<'a>(wallet: &Address, sha256: &'a str) -> Result<(Address, &'a str)> {
    let seed = sha256.get(..MAX_SEED_LEN).unwrap_or(sha256);
    let address = Address::create_with_seed(wallet, seed, &LOADER);
    address.map_or_else(
        |error| refuse(format!("no buffer can be made for {wallet}: {error}")),
        |address| Ok((address, seed)),
    )
}

/// The pieces of code that a buffer lacks, each with its offset; a new buffer is all zeros.
fn missing<'a>(buffer: &[u8], code: &'a [u8]) -> Vec<(u32, &'a [u8])> {
    let written = buffer.iter().skip(CODE_AT).copied().chain(std::iter::repeat(0));
    let written: Vec<u8> = written.take(code.len()).collect();
    let pieces = (0u32..).step_by(PIECE).zip(code.chunks(PIECE).zip(written.chunks(PIECE)));
    let lacking = pieces.filter(|(_, (piece, written))| piece != written);
    lacking.map(|(offset, (piece, _))| (offset, piece)).collect()
}

/// Puts a piece of code into a buffer.
fn write(buffer: Address, authority: Address, offset: u32, piece: &[u8]) -> Instruction {
    let length = (piece.len() as u64).to_le_bytes();
    let data = [&offset.to_le_bytes(), &length[..], piece].concat();
    loader(1, &data, &[(buffer, true, false), (authority, false, true)])
}

/// An instruction of the loader: its number, its data, and its accounts with whether they are writable and sign.
fn loader(number: u32, data: &[u8], accounts: &[(Address, bool, bool)]) -> Instruction {
    let meta = |(pubkey, is_writable, is_signer): &(Address, bool, bool)| AccountMeta {
        pubkey: *pubkey,
        is_signer: *is_signer,
        is_writable: *is_writable,
    };
    Instruction {
        program_id: LOADER,
        accounts: accounts.iter().map(meta).collect(),
        data: [&number.to_le_bytes(), data].concat(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{command::gov::buffer::AUTHORITY, error::code, testing};
    use anchor_lang::bytemuck::Zeroable;
    use chain::fake::instructions;
    use solana_account::Account;
    use solana_keypair::Keypair;
    use std::{
        collections::HashSet,
        sync::{Arc, Mutex},
    };
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn the_longest_piece_fits_with_a_priority_fee() {
        let wallet = Keypair::new();
        let write = write(Address::new_unique(), wallet.pubkey(), u32::MAX, &[7; PIECE]);
        assert!(chain::fake::pays_for_its_place(&[write], &[&wallet]).await);
    }

    /// Offset of the piece that is dropped, and how often it is.
    const LOST: u32 = 2 * PIECE as u32;
    const TIMES: usize = 2;

    /// A fake of the loader: a buffer, and the number and offset of each instruction processed.
    #[derive(Default)]
    struct Loader {
        buffer: Vec<u8>,
        done: Vec<(u32, u32)>,
    }

    impl Loader {
        fn follow(&mut self, data: &[u8], size: usize) {
            let word = |at: usize| data.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()));
            match word(0) {
                0 => self.buffer = [&[1, 0, 0, 0, 1][..], &vec![0; size - AUTHORITY]].concat(),
                1 => {
                    let at = CODE_AT + word(4) as usize;
                    self.buffer[at..at + data.len() - 16].copy_from_slice(&data[16..]);
                }
                _ => self.buffer[AUTHORITY..CODE_AT].copy_from_slice(govern::authority().as_ref()),
            }
            self.done.push((word(0), word(4)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_upload_is_resumed() {
        let (folder, fake, context, wallet) = testing::context();
        let file = folder.path().join("program.so");
        let mut code = b"\x7fELF".to_vec();
        code.resize(3 * PIECE, 7);
        // Zeros, as the buffer has from the start.
        code.resize(5 * PIECE - 1, 0);
        std::fs::write(&file, &code).unwrap();

        fake.set_account(governance::ID, testing::program());
        fake.set_account(govern::config(), testing::account(&governance::Config::zeroed()));
        let (loader, mut left_out) = (Arc::new(Mutex::new(Loader::default())), HashSet::new());
        let (lost, mut expiring) = mpsc::unbounded_channel();
        let (node, size) = (loader.clone(), code.len() + CODE_AT);
        fake.on_send(move |transaction| {
            let all = instructions(transaction);
            let ours = all.iter().filter(|instruction| instruction.program_id == LOADER);
            for instruction in ours {
                let data = &instruction.data;
                let is_lost = data[0] == 1 && data[4..8] == LOST.to_le_bytes();
                if is_lost && (left_out.contains(&transaction.signatures[0]) || left_out.len() < TIMES) {
                    left_out.insert(transaction.signatures[0]);
                    lost.send(()).unwrap();
                    return None;
                }
                node.lock().unwrap().follow(data, size);
            }
            Some(testing::landed(&[]))
        });
        let keep = |address: Address| {
            let mut loader = loader.lock().unwrap();
            let buffer = Account {
                lamports: 1,
                data: loader.buffer.clone(),
                owner: LOADER,
                ..Account::default()
            };
            fake.set_account(address, buffer);
            std::mem::take(&mut loader.done)
        };
        let sha256 = format!("{:x}", Sha256::digest(&code));
        let (address, _) = place(&wallet.pubkey(), &sha256).unwrap();

        // The outcome of one piece is unknown. Lamports that somebody has sent to the address count towards the rent.
        let gift = Account {
            lamports: 5,
            ..Account::default()
        };
        fake.set_account(address, gift);
        let error = upload(&context, &file).await.unwrap_err();
        assert_eq!(error.code(), code::UNKNOWN, "{error}");
        let rest = transfer(&wallet.pubkey(), &address, rent(size) - 5);
        assert!(
            instructions(&fake.sent()[0])
                .iter()
                .any(|instruction| instruction.data == rest.data)
        );
        assert_eq!(keep(address), [(0, 0), (1, 0), (1, PIECE as u32)]);

        // The next run sends only that piece, twice since it expires once, and hands the buffer to governance.
        let answer = tokio::select! {
            answer = upload(&context, &file) => answer.unwrap(),
            () = async { while expiring.recv().await.is_some() { fake.advance(1_000) } } => unreachable!(),
        };
        assert_eq!(keep(address), [(1, LOST), (4, 0)]);
        assert_eq!(testing::json(&answer).get("buffer"), Some(&address.to_string().into()));
        assert_eq!(&loader.lock().unwrap().buffer[CODE_AT..], code);

        let again = upload(&context, &file).await.unwrap();
        assert_eq!(testing::json(&again), testing::json(&answer));
        assert!(keep(address).is_empty());
    }
}

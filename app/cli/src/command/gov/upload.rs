//! New code for a program, in a buffer that is governance's.

use crate::{
    context::Context,
    error::{Result, refuse},
    output::{Answer, fields},
    progress::Progress,
    send::{confirm, fees, rent},
};
use chain::market::govern;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest, Sha256};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_signer::Signer;
use staking::instructions::LOADER;
use std::{fmt, path::Path};

/// Bytes before a buffer's code.
const BEFORE: usize = 37;
/// Bytes of code in one piece: as many as fit a transaction of 1,232 bytes that pays for its place.
const PIECE: usize = 944;
/// Transactions under way at a time.
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
    let code = std::fs::read(file).or_else(|error| refuse(format!("{shown} cannot be read ({error}); check the path")))?;
    if !code.starts_with(b"\x7fELF") {
        return refuse(format!(
            "{shown} is not a program; give the .so file that `cargo xtask build-sbf` makes"
        ));
    }
    let (wallet, buffer) = (context.wallet()?, Keypair::new());
    let (payer, address) = (wallet.pubkey(), buffer.pubkey());
    let space = code.len().saturating_add(BEFORE);
    let rent = rent(space);
    let question = format!("write {} bytes into buffer {address}", code.len());
    if !context.settings.yes {
        let effect = format!(
            "a rent of {}, which goes to governance's purse when it is used, and {}",
            crate::amount::SOL.show(rent),
            fees(code.len().div_ceil(PIECE).saturating_add(2))
        );
        confirm(&question, &effect)?;
    }
    let create = solana_system_interface::instruction::create_account(&payer, &address, rent, space as u64, &LOADER);
    let initialize = loader(0, &[], &[(address, true, false), (payer, false, false)]);
    context
        .chain
        .send(&[create, initialize], &[&wallet, &buffer], &context.options)
        .await?;

    let pieces: Vec<_> = (0u32..).step_by(PIECE).zip(code.chunks(PIECE)).collect();
    let progress = Progress::steps(context, pieces.len() as u64);
    progress.wait(question);
    let write = async |(offset, piece): (u32, &[u8])| {
        let write = write(address, payer, offset, piece);
        context.chain.send(&[write], &[&wallet], &context.options).await?;
        progress.step();
        Ok::<_, crate::error::Error>(())
    };
    stream::iter(pieces)
        .map(write)
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let hand_over = loader(
        4,
        &[],
        &[(address, true, false), (payer, false, true), (govern::authority(), false, false)],
    );
    context.chain.send(&[hand_over], &[&wallet], &context.options).await?;
    Ok(Answer::new(&Uploaded {
        buffer: address.to_string(),
        sha256: format!("{:x}", Sha256::digest(&code)),
        bytes: code.len(),
    }))
}

/// Puts a piece of code into a buffer.
fn write(buffer: Address, authority: Address, offset: u32, piece: &[u8]) -> Instruction {
    let length = (piece.len() as u64).to_le_bytes();
    let data = [&offset.to_le_bytes(), &length[..], piece].concat();
    loader(1, &data, &[(buffer, true, false), (authority, false, true)])
}

/// An instruction of the loader's: its number, what follows, and accounts with whether they are written and sign.
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
    use super::*;

    #[tokio::test]
    async fn the_longest_piece_pays_for_its_place() {
        let wallet = Keypair::new();
        let write = write(Address::new_unique(), wallet.pubkey(), u32::MAX, &[7; PIECE]);
        assert!(chain::fake::pays_for_its_place(&[write], &[&wallet]).await);
    }
}

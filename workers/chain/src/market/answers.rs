//! Reads answers to demands out of the transactions that brought them. The chain keeps what they lead to and not the hashes themselves, so
//! callers check them against that.

use crate::{Chain, Result, past_each};
use anchor_lang::wincode::{self, SchemaRead};
use anchor_lang::{BORSH_CONFIG, BorshConfig, Discriminator};
use futures_util::TryStreamExt;
use jobs::PageEnd;
use jobs::instruction::{AnswerChunk, AnswerOps, AnswerPage, AnswerUnits};
use protocol::hash::Hash;
use solana_address::Address;
use solana_instruction::Instruction;

/// Where the instructions that answer name the demand.
const DEMAND: usize = 5;

/// A whole answer, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its hashes, unless a chunk was asked for.
    pub hashes: Vec<Hash>,
    /// The bytes of the chunk's preimage.
    pub bytes: Vec<u8>,
    /// What ended the answer for a page of chunk hashes.
    pub end: Option<PageEnd>,
}

/// One piece.
enum Piece {
    Hashes(u32, Vec<Hash>, bool),
    Page(u32, Vec<Hash>, Option<PageEnd>),
    Bytes(u32, Vec<u8>, bool),
}

/// The answer that completed `demand`, as far back as the node remembers; `None` when it cannot be read there. Nothing of it is checked.
pub async fn read(chain: &Chain, demand: &Address) -> Result<Option<Answer>> {
    let network = &**chain.network();
    // Newest first, back to the piece that began the answer.
    let (mut pieces, mut ended) = (Vec::new(), false);
    let mut past = past_each(network, demand, |signature| async move { network.instructions(&signature).await });
    while let Some(instructions) = past.try_next().await? {
        let instructions = instructions.unwrap_or_default();
        for piece in instructions.iter().rev().filter_map(|instruction| piece(demand, instruction)) {
            // Nothing can be sent once an answer is complete.
            ended |= matches!(
                piece,
                Piece::Hashes(_, _, true) | Piece::Page(_, _, Some(_)) | Piece::Bytes(_, _, true)
            );
            let begins = matches!(piece, Piece::Hashes(0, ..) | Piece::Page(0, ..) | Piece::Bytes(0, ..));
            pieces.push(piece);
            if begins {
                return Ok(ended.then(|| whole(pieces)));
            }
        }
    }
    Ok(None)
}

fn whole(pieces: Vec<Piece>) -> Answer {
    let mut answer = Answer::default();
    for piece in pieces.into_iter().rev() {
        match piece {
            Piece::Hashes(_, hashes, _) => answer.hashes.extend(hashes),
            Piece::Bytes(_, bytes, _) => answer.bytes.extend(bytes),
            Piece::Page(_, hashes, end) => {
                answer.hashes.extend(hashes);
                answer.end = end;
            }
        }
    }
    answer
}

fn piece(demand: &Address, instruction: &Instruction) -> Option<Piece> {
    let named = instruction.accounts.get(DEMAND).is_some_and(|account| account.pubkey == *demand);
    if instruction.program_id != jobs::ID || !named {
        return None;
    }
    type Lists = (u32, Vec<Hash>, Option<Vec<Hash>>);
    let lists = || arguments::<AnswerOps, Lists>(instruction).or_else(|| arguments::<AnswerUnits, Lists>(instruction));
    if let Some((offset, hashes, end)) = lists() {
        return Some(Piece::Hashes(offset, hashes, end.is_some()));
    }
    if let Some((offset, leaves, end)) = arguments::<AnswerPage, (u32, Vec<Hash>, Option<PageEnd>)>(instruction) {
        return Some(Piece::Page(offset, leaves, end));
    }
    let (offset, bytes, path) = arguments::<AnswerChunk, (u32, Vec<u8>, Option<Vec<Hash>>)>(instruction)?;
    Some(Piece::Bytes(offset, bytes, path.is_some()))
}

fn arguments<I, A>(instruction: &Instruction) -> Option<A>
where
    I: Discriminator,
    A: for<'de> SchemaRead<'de, BorshConfig, Dst = A>,
{
    let body = instruction.data.strip_prefix(I::DISCRIMINATOR)?;
    wincode::config::deserialize(body, BORSH_CONFIG).ok()
}

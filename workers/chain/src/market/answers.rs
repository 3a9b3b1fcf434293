//! Reads answers to demands. The bytes of a chunk are in the demand's account. Hashes are read from the transactions that brought them,
//! since the chain stores no more than their Merkle frontier.
//!
//! Transactions have to be fetched one by one, and anybody can name a demand in tens of thousands of useless ones. The reader therefore
//! observes the demand repeatedly and skips transactions that landed while the demand did not change.

use super::demand;
use crate::network::AT_ONCE;
use crate::{Error, Network, Result, past};
use anchor_lang::bytemuck::Zeroable;
use anchor_lang::wincode::{self, SchemaRead};
use anchor_lang::{BORSH_CONFIG, BorshConfig, Discriminator};
use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::instruction::{AnswerOps, AnswerPage, AnswerUnits};
use jobs::{DemandHeader, PageEnd};
use protocol::batch::unit_leaves;
use protocol::demand::{Item, Kind, PAGE, batch_of_page, ops_of_page};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::trace::op_leaves;
use solana_address::Address;
use solana_instruction::Instruction;
use solana_signature::Signature;
use std::collections::HashMap;

/// Index of the demand among the accounts of an answering instruction.
const DEMAND: usize = 5;

/// An answer, as far as it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its hashes; empty for a chunk.
    pub hashes: Vec<Hash>,
    /// What ended the answer for a page; for a page of units only the siblings above it are set.
    pub end: Option<PageEnd>,
    /// The bytes of a chunk's preimage.
    pub bytes: Vec<u8>,
}

/// One piece of an answer of hashes.
struct Piece {
    offset: u32,
    hashes: Vec<Hash>,
    end: Option<PageEnd>,
}

/// Reads the answer to one demand as it arrives.
pub struct Reader<'a> {
    network: &'a dyn Network,
    demand: Address,
    /// The demand as last observed.
    header: DemandHeader,
    /// The slot of that observation.
    slot: u64,
    /// Ranges of slots, inclusive, in which the demand changed by pieces not read yet. They overlap, as a node may show an unfinished slot.
    unread: Vec<(u64, u64)>,
    /// Pieces of the transactions of those slots that have been fetched.
    told: HashMap<Signature, Vec<Piece>>,
    /// What has been read.
    answer: Answer,
}

impl<'a> Reader<'a> {
    /// A reader of a demand that has not been observed yet.
    pub fn new(network: &'a dyn Network, demand: Address) -> Self {
        Self {
            network,
            demand,
            header: DemandHeader::zeroed(),
            slot: 0,
            unread: Vec::new(),
            told: HashMap::new(),
            answer: Answer::default(),
        }
    }

    /// Observes the demand as it is at `slot`; `data` is that of its account.
    pub fn look(&mut self, slot: u64, header: DemandHeader, data: &[u8]) {
        if slot <= self.slot {
            // A node that lags shows an earlier state.
            return;
        }
        let seen = |header: &DemandHeader| (header.streamed.get(), header.answered.get(), header.frontier);
        if seen(&header) != seen(&self.header) {
            self.unread.push((self.slot.max(header.opened_slot.get()), slot));
        }
        if header.kind == Kind::Chunk {
            self.answer.bytes = demand::bytes(data).to_vec();
        }
        (self.slot, self.header) = (slot, header);
    }

    /// Reads what had arrived by the last observation; returns the answer if it is complete. Transactions that the node does not return yet
    /// are requested again next time.
    pub async fn read(&mut self) -> Result<Option<Answer>> {
        let Some(item) = self.header.item() else { return Ok(None) };
        if item.kind != Kind::Chunk && !self.unread.is_empty() {
            let (listed, network) = (self.listed().await?, self.network);
            // Pieces from before the last restart of the answer do not count.
            let begins = |pieces: &Vec<Piece>| pieces.iter().any(|piece| piece.offset == 0);
            let later = listed.iter().take_while(|signature| !self.told.get(*signature).is_some_and(begins));
            let unknown: Vec<Signature> = later.filter(|signature| !self.told.contains_key(*signature)).copied().collect();
            let ask = async |signature| Ok::<_, Error>((signature, network.instructions(&signature).await?));
            let mut asked = stream::iter(unknown).map(ask).buffered(AT_ONCE);
            while let Some((signature, instructions)) = asked.try_next().await? {
                let Some(done) = instructions else { continue };
                let pieces = done.iter().filter_map(|instruction| piece(&self.demand, instruction)).collect();
                let begun = begins(&pieces);
                self.told.insert(signature, pieces);
                if begun {
                    break;
                }
            }
            let told = listed.iter().filter_map(|signature| self.told.get(signature));
            let beginning = told.clone().position(begins).map_or(usize::MAX, |place| place.saturating_add(1));
            let pieces: Vec<&Vec<Piece>> = told.take(beginning).collect();
            let mut answer = self.answer.clone();
            pieces.into_iter().rev().flatten().for_each(|piece| answer.take(piece));
            if !answer.leads_to(&self.header, item) {
                return Ok(None);
            }
            self.answer = answer;
            self.unread.clear();
            self.told.clear();
        }
        Ok(self.header.answered.get().then(|| self.answer.clone()))
    }

    /// Transactions that may contain unread pieces, newest first.
    async fn listed(&self) -> Result<Vec<Signature>> {
        let oldest = self.unread.first().map_or(u64::MAX, |(from, _)| *from);
        let (mut past, mut listed) = (past(self.network, &self.demand), Vec::new());
        while let Some(page) = past.try_next().await? {
            let is_unread = |slot| self.unread.iter().any(|(from, to)| (*from..=*to).contains(&slot));
            listed.extend(page.iter().filter(|(slot, _)| is_unread(*slot)).map(|(_, signature)| *signature));
            if page.last().is_some_and(|(slot, _)| *slot < oldest) {
                break;
            }
        }
        Ok(listed)
    }
}

impl Answer {
    fn take(&mut self, piece: &Piece) {
        // As in the program: offset 0 starts over, and every other accepted piece follows on from the one before.
        self.hashes.truncate(piece.offset as usize);
        self.hashes.extend(&piece.hashes);
        self.end = piece.end.clone();
    }

    /// Whether this is the answer that the program has accepted.
    fn leads_to(&self, header: &DemandHeader, item: Item) -> bool {
        let leaves = match item.kind {
            Kind::Traces | Kind::Outputs => unit_leaves(item.index.saturating_mul(PAGE), &self.hashes),
            Kind::Ops => op_leaves(&self.hashes),
            Kind::Page | Kind::Chunk => self.hashes.clone(),
        };
        let streamed = header.streamed.get();
        if leaves.len() != streamed as usize || merkle::root(&leaves) != merkle::frontier_root(&header.frontier, streamed) {
            return false;
        }
        let above = self.end.as_ref().and_then(|end| match item.kind {
            Kind::Traces | Kind::Outputs => batch_of_page(header.units.get(), item.index, &header.shown, &end.above),
            Kind::Page => ops_of_page(&item, header.n_ops.get(), &header.shown, &end.head, &end.above, &end.path),
            Kind::Ops | Kind::Chunk => Some(header.above),
        });
        !header.answered.get() || above == Some(header.above)
    }
}

fn piece(demand: &Address, instruction: &Instruction) -> Option<Piece> {
    let named = instruction.accounts.get(DEMAND).is_some_and(|account| account.pubkey == *demand);
    if instruction.program_id != jobs::ID || !named {
        return None;
    }
    type Lists = (u32, Vec<Hash>, Option<Vec<Hash>>);
    let lists = || arguments::<AnswerUnits, Lists>(instruction).or_else(|| arguments::<AnswerOps, Lists>(instruction));
    let (offset, hashes, end) = match lists() {
        Some((offset, hashes, above)) => {
            let end = |above| PageEnd {
                head: [0; 22],
                above,
                path: Vec::new(),
            };
            (offset, hashes, above.map(end))
        }
        None => arguments::<AnswerPage, (u32, Vec<Hash>, Option<PageEnd>)>(instruction)?,
    };
    Some(Piece { offset, hashes, end })
}

fn arguments<I, A>(instruction: &Instruction) -> Option<A>
where
    I: Discriminator,
    A: for<'de> SchemaRead<'de, BorshConfig, Dst = A>,
{
    let body = instruction.data.strip_prefix(I::DISCRIMINATOR)?;
    wincode::config::deserialize(body, BORSH_CONFIG).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::fake::Fake;
    use crate::market::demand::{Answerer, HASHES};
    use crate::{Chain, Landed, SendOptions};
    use protocol::hash::{Tag, tagged};
    use solana_instruction::AccountMeta;
    use solana_keypair::Keypair;
    use solana_signer::Signer;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Slot in which the demand is opened.
    const OPENED: u64 = 100;

    /// Units of the job.
    const UNITS: u32 = 60;

    /// A demand for the units of a job. Transactions land in the slot that is set.
    struct Demanded {
        chain: Chain,
        fake: Arc<Fake>,
        slot: Arc<AtomicU64>,
        key: Keypair,
        job: Address,
        address: Address,
        header: DemandHeader,
    }

    impl Demanded {
        fn new() -> Self {
            let (fake, slot, job) = (Arc::new(Fake::default()), Arc::new(AtomicU64::new(OPENED)), Address::new_unique());
            let landing = slot.clone();
            fake.on_send(move |_| {
                Some(Landed {
                    slot: landing.load(Ordering::Relaxed),
                    ..Landed::default()
                })
            });
            let mut header = DemandHeader::zeroed();
            (header.units, header.n_ops, header.opened_slot) = (UNITS.into(), 1.into(), OPENED.into());
            let root = merkle::root(&unit_leaves(0, &hashes(0)));
            header.above = batch_of_page(UNITS, 0, &root, &[]).unwrap();
            Self {
                chain: Chain::new(fake.clone()),
                fake,
                slot,
                key: Keypair::new(),
                job,
                address: demand::address(&job, Item::traces(0)),
                header,
            }
        }

        async fn land(&self, slot: u64, instruction: Instruction) {
            self.slot.store(slot, Ordering::Relaxed);
            let sending = SendOptions::default();
            self.chain.send(&[instruction], &[&self.key], &sending).await.unwrap();
        }

        /// Lands the piece that starts at `offset`.
        async fn piece(&mut self, slot: u64, hashes: &[Hash], offset: usize) {
            let piece: Vec<Hash> = hashes[offset..].iter().take(HASHES).copied().collect();
            let above = (offset + piece.len() == hashes.len()).then(Vec::new);
            let by = Answerer {
                key: self.key.pubkey(),
                device: Address::new_unique(),
                payout: Address::new_unique(),
            };
            let (item, offset) = (Item::traces(0), offset as u32);
            self.land(slot, by.units(&self.job, item, offset, piece.clone(), above.clone()))
                .await;
            self.header.stream(offset, unit_leaves(offset, &piece).into_iter(), PAGE).unwrap();
            if let Some(above) = above {
                self.header.show_units(&item, &above).unwrap();
            }
        }

        /// Lands a useless transaction that names the demand in each of these slots.
        async fn useless(&self, slots: std::ops::Range<u64>) {
            for slot in slots {
                let names = vec![AccountMeta::new_readonly(self.address, false)];
                self.land(slot, Instruction::new_with_bytes(Address::default(), &[], names)).await;
            }
        }

        async fn read(&self, reader: &mut Reader<'_>, slot: u64) -> Option<Answer> {
            reader.look(slot, self.header, &[]);
            reader.read().await.unwrap()
        }
    }

    fn hashes(seed: u8) -> Vec<Hash> {
        (0..UNITS).map(|unit| tagged(Tag::Trace, [&[seed], &unit.to_le_bytes()])).collect()
    }

    fn whole() -> Option<Answer> {
        let end = PageEnd {
            head: [0; 22],
            above: Vec::new(),
            path: Vec::new(),
        };
        Some(Answer {
            hashes: hashes(0),
            end: Some(end),
            bytes: Vec::new(),
        })
    }

    #[tokio::test]
    async fn what_landed_while_nothing_changed_is_not_asked_for() {
        let mut demanded = Demanded::new();
        let (network, all) = (demanded.chain.network().clone(), hashes(0));
        let mut reader = Reader::new(&*network, demanded.address);
        demanded.useless(90..120).await;
        assert_eq!(demanded.read(&mut reader, 119).await, None);
        demanded.piece(120, &all, 0).await;
        assert_eq!(demanded.read(&mut reader, 120).await, None);
        demanded.useless(121..400).await;
        assert_eq!(demanded.read(&mut reader, 399).await, None);
        demanded.piece(400, &all, 25).await;
        demanded.piece(401, &all, 50).await;
        assert_eq!(demanded.read(&mut reader, 401).await, whole());
        // The three pieces, and the useless transactions in the slots that were observed before the pieces came.
        let asked = demanded.fake.shown();
        assert!(asked <= 5, "{asked} transactions were asked for");

        // A reader that starts late finds the answer among all of them.
        let mut late = Reader::new(&*network, demanded.address);
        assert_eq!(demanded.read(&mut late, 402).await, whole());
    }

    /// Neither pieces from before the answer was restarted, nor pieces that the node does not list yet, make a wrong answer.
    #[tokio::test]
    async fn only_what_matches_the_demands_state_is_an_answer() {
        let mut demanded = Demanded::new();
        let (network, other, all) = (demanded.chain.network().clone(), hashes(1), hashes(0));
        let mut reader = Reader::new(&*network, demanded.address);
        demanded.piece(110, &other, 0).await;
        demanded.piece(111, &other, 25).await;
        assert_eq!(demanded.read(&mut reader, 111).await, None);
        demanded.piece(112, &all, 0).await;
        assert_eq!(demanded.read(&mut reader, 112).await, None);
        for offset in [25, 50] {
            demanded.piece(113, &all, offset).await;
        }
        demanded.fake.set_forgetful(true);
        assert_eq!(demanded.read(&mut reader, 113).await, None);
        demanded.fake.set_forgetful(false);
        // A node that lags changes nothing.
        reader.look(105, DemandHeader::zeroed(), &[]);
        assert_eq!(reader.read().await.unwrap(), whole());
    }
}

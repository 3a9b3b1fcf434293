use crate::error::JobsError;
use crate::state::{FRONTIER, Job, Status};
use alloc::vec::Vec;
use anchor_lang::accounts::Slab;
use anchor_lang::bytemuck;
use anchor_lang::prelude::*;
use bytemuck::{Pod, Zeroable};
use protocol::demand::{self, Kind, MAX_PREIMAGE};
use protocol::hash::Hash;
use protocol::merkle;
use protocol::trace::{Checkpoints, op_leaf};
use protocol::units::{Clocks, Moment};
use referee::Shown;

/// A demand for a part of a result, which the worker must show. PDA `["demand", job, kind u8, unit u32 le, op u32 le, index u32 le]`: all
/// challengers share it.
///
/// The hashes of an answer stream through a Merkle frontier and are not stored: they can be read in the transactions that brought them. The
/// tail holds the bytes of a chunk or, where traces commit only to checkpoints, a second frontier for those. The challenger pays the rent,
/// and the account also holds the fee until the answer earns it.
#[account]
pub struct DemandHeader {
    /// The job whose result the demand is about.
    pub job: Address,
    /// JOB: binds the job's address and the slot in which it was opened, since the address may be reused.
    pub job_hash: [u8; 32],
    /// The device that must answer.
    pub device: Address,
    /// The challenger that opened the demand.
    pub challenger: Address,
    /// The root that the answer must lead to.
    pub above: [u8; 32],
    /// Hash of what was shown: the root over a unit's OP leaves or over a page, or a chunk's leaf. Zero before the answer.
    pub shown: [u8; 32],
    /// Merkle frontier of the hashes streamed so far.
    pub frontier: [[u8; 32]; FRONTIER],
    /// Slot in which the demand was opened.
    pub opened_slot: PodU64,
    /// When the demand was opened, unix seconds.
    pub opened_at: PodI64,
    /// Slot in which the answer is due.
    pub deadline_slot: PodU64,
    /// When the answer is due, unix seconds; it is overdue when both deadlines have passed.
    pub deadline_at: PodI64,
    /// Lamports that the answer earns.
    pub fee: PodU64,
    /// Unit of the part; 0 for pages of units.
    pub unit: PodU32,
    /// Op of the part; 0 unless the part is a page or chunk of an op's output.
    pub op: PodU32,
    /// Number of the page or chunk; 0 for the op outputs of a unit.
    pub index: PodU32,
    /// Hashes streamed so far.
    pub streamed: PodU32,
    /// Number of chunks in the op's output, as the worker states it with a page.
    pub n_chunks: PodU32,
    /// Number of units of the job.
    pub units: PodU32,
    /// Number of ops of the job's model.
    pub n_ops: PodU32,
    /// See [`Kind`].
    pub kind: u8,
    /// Whether the answer is complete.
    pub answered: PodBool,
    /// Bump of this account's PDA.
    pub bump: u8,
    /// Version of this layout: 1.
    pub version: u8,
    /// Ops from one checkpoint of a trace to the next; 0 means 1.
    pub interval: PodU16,
    /// Zeros, reserved for future fields.
    pub reserved: [u8; 18],
}

/// A byte of an answer.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
#[bytemuck(crate = "anchor_lang::bytemuck")]
pub struct Byte(pub u8);

/// A demand with the bytes of its answer.
pub type Demand = Slab<DemandHeader, Byte>;

/// First seed of a demand's PDA.
pub const DEMAND_SEED: &[u8] = b"demand";

/// A part of a result, in the form that instructions take; see [`demand::Item`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Item {
    /// See [`Kind`].
    pub kind: u8,
    /// Unit of the part; 0 for pages of units.
    pub unit: u32,
    /// Op of the part; 0 unless the part is a page or chunk of an op's output.
    pub op: u32,
    /// Number of the page or chunk; 0 for the op outputs of a unit.
    pub index: u32,
}

impl Item {
    /// The seed that follows the job's address in the seeds of a demand.
    pub fn seed(&self) -> [u8; 13] {
        let ([u0, u1, u2, u3], [o0, o1, o2, o3]) = (self.unit.to_le_bytes(), self.op.to_le_bytes());
        let [i0, i1, i2, i3] = self.index.to_le_bytes();
        [self.kind, u0, u1, u2, u3, o0, o1, o2, o3, i0, i1, i2, i3]
    }
}

impl From<demand::Item> for Item {
    fn from(item: demand::Item) -> Self {
        Self {
            kind: item.kind as u8,
            unit: item.unit,
            op: item.op,
            index: item.index,
        }
    }
}

impl TryFrom<Item> for demand::Item {
    type Error = JobsError;

    fn try_from(item: Item) -> core::result::Result<Self, JobsError> {
        Ok(Self {
            kind: Kind::from_code(item.kind).ok_or(JobsError::InvalidDemand)?,
            unit: item.unit,
            op: item.op,
            index: item.index,
        })
    }
}

/// Length of a demand's tail in bytes.
const fn tail_bytes(kind: u8, checkpoints: Checkpoints) -> u32 {
    match Kind::from_code(kind) {
        Some(Kind::Chunk) => MAX_PREIMAGE as u32,
        // A frontier has a hash for every bit of the number of its leaves.
        Some(Kind::Ops) if !checkpoints.are_all() => (u32::BITS - checkpoints.count().leading_zeros()) * size_of::<Hash>() as u32,
        _ => 0,
    }
}

/// Account size of a demand of this kind, for a model with these checkpoints.
pub const fn demand_space(kind: u8, checkpoints: Checkpoints) -> usize {
    Demand::space_for(tail_bytes(kind, checkpoints))
}

/// The end of the answer with a page: what leads the page to the unit's op outputs.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct PageEnd {
    /// The bytes before the root in the preimage of the tensor's TENSOR.
    pub head: [u8; 22],
    /// Siblings from the page to the tensor's root; only that root for an empty page.
    pub above: Vec<[u8; 32]>,
    /// Siblings from the OP leaf to the root over the unit's OP leaves.
    pub path: Vec<[u8; 32]>,
}

impl DemandHeader {
    /// Writes a demand for a part of a job's result. `parent` is the demand that must have shown the part above; it is ignored for parts at
    /// the top.
    #[allow(clippy::too_many_arguments)]
    pub fn open(
        &mut self,
        address: Address,
        job: &Job,
        checkpoints: Checkpoints,
        item: demand::Item,
        parent: Option<&DemandHeader>,
        challenger: Address,
        (opened, deadline): (Moment, Moment),
        fee: u64,
        bump: u8,
    ) -> Result<()> {
        self.above = match item.above() {
            None if item.kind == Kind::Outputs => job.outputs,
            None => job.traces,
            Some(above) => {
                let shown = parent.filter(|parent| parent.job_hash == job.job_hash && parent.item() == Some(above));
                let shown = shown.filter(|parent| parent.answered.get()).ok_or(JobsError::InvalidDemand)?;
                self.n_chunks = shown.n_chunks;
                shown.shown
            }
        };
        let beyond = item.kind == Kind::Chunk && item.index >= self.n_chunks.get();
        require!(!beyond, JobsError::InvalidDemand);
        self.job = address;
        self.job_hash = job.job_hash;
        self.device = job.device;
        self.challenger = challenger;
        self.opened_slot = opened.slot.into();
        self.opened_at = opened.unix.into();
        self.deadline_slot = deadline.slot.into();
        self.deadline_at = deadline.unix.into();
        self.fee = fee.into();
        self.unit = item.unit.into();
        self.op = item.op.into();
        self.index = item.index.into();
        self.units = job.units;
        self.n_ops = checkpoints.n_ops().into();
        // At most 1,024.
        self.interval = (checkpoints.interval() as u16).into();
        self.kind = item.kind as u8;
        self.bump = bump;
        self.version = 1;
        self.invariant()
    }

    /// The part that is demanded; `None` for a kind that does not exist.
    pub fn item(&self) -> Option<demand::Item> {
        Some(demand::Item {
            kind: Kind::from_code(self.kind)?,
            unit: self.unit.get(),
            op: self.op.get(),
            index: self.index.get(),
        })
    }

    /// The ops that the traces of the job's model commit to.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.n_ops.get(), self.interval.get().into())
    }

    /// The op outputs of a unit that the worker has shown beyond the checkpoints in its trace; `None` if it has not, or if its trace
    /// commits to every op.
    fn shown_beyond(&self) -> Option<Shown> {
        let beyond = self.kind == Kind::Ops && self.answered.get() && !self.checkpoints().are_all();
        beyond.then_some(Shown {
            unit: self.unit.get(),
            root: self.shown,
        })
    }

    /// The op outputs that the worker has shown, by which evidence is judged; fails unless the demand is about this very job.
    pub fn shown_unit(&self, job: &Job) -> Result<Shown> {
        require!(self.job_hash == job.job_hash, JobsError::AccountMismatch);
        Ok(self.shown_beyond().ok_or(JobsError::WrongDemand)?)
    }

    /// When the demand was opened.
    pub fn opened(&self) -> Moment {
        Moment {
            unix: self.opened_at.get(),
            slot: self.opened_slot.get(),
        }
    }

    /// When the answer is due, without allowance for restarts of the cluster.
    pub fn deadline(&self) -> Moment {
        Moment {
            unix: self.deadline_at.get(),
            slot: self.deadline_slot.get(),
        }
    }

    /// Fails unless the demand is of one of these kinds and has not been answered.
    pub fn check_unanswered(&self, kinds: &[Kind]) -> Result<demand::Item> {
        let item = self
            .item()
            .filter(|item| kinds.contains(&item.kind))
            .ok_or(JobsError::WrongDemand)?;
        require!(!self.answered.get(), JobsError::DemandAnswered);
        Ok(item)
    }

    /// Fails unless the demand is about this very job, has no answer, and its deadline has passed.
    pub fn check_silent(&self, job: &Job, clocks: Clocks) -> Result<()> {
        require!(self.job_hash == job.job_hash, JobsError::AccountMismatch);
        require!(!self.answered.get(), JobsError::DemandAnswered);
        require!(
            clocks.reached(self.deadline(), self.opened_slot.get()),
            JobsError::DeadlineNotPassed
        );
        Ok(())
    }

    /// Fails while the demand's job is revealed, or is convicted and evidence may still be judged by the answer.
    pub fn check_over(&self, job: Option<&Job>) -> Result<()> {
        let job = job.filter(|job| job.job_hash == self.job_hash);
        let stands = job.is_some_and(|job| job.check_status(Status::Revealed).is_ok() || self.shown_beyond().is_some());
        require!(!stands, JobsError::DemandStands);
        Ok(())
    }

    /// Takes in the next hashes of an answer; offset 0 starts over.
    pub fn stream(&mut self, offset: u32, leaves: impl Iterator<Item = Hash>, limit: u32) -> Result<()> {
        let mut count = if offset == 0 { 0 } else { self.streamed.get() };
        require!(offset == count, JobsError::AnswerOutOfOrder);
        for leaf in leaves {
            require!(count < limit, JobsError::AnswerMismatch);
            merkle::push(&mut self.frontier, &mut count, leaf);
        }
        self.streamed = count.into();
        self.invariant()
    }

    /// Accepts the answer if it leads to the committed root.
    fn show(&mut self, shown: Hash, above: Option<Hash>) -> Result<()> {
        require!(above == Some(self.above), JobsError::AnswerMismatch);
        self.shown = shown;
        self.answered = true.into();
        self.invariant()
    }

    /// Completes an answer with a page of units; `above` leads the page to the root over all units.
    pub fn show_units(&mut self, item: &demand::Item, above: &[Hash]) -> Result<()> {
        let units = self.units.get();
        require!(
            self.streamed.get() == demand::page_len(units, item.index),
            JobsError::AnswerMismatch
        );
        let root = merkle::subtree_root(&self.frontier, self.streamed.get(), demand::page_depth(units));
        self.show(root, demand::batch_of_page(units, item.index, &root, above))
    }

    /// Completes an answer with a page of chunk hashes.
    pub fn show_page(&mut self, item: &demand::Item, end: &PageEnd) -> Result<()> {
        let n_chunks = demand::chunks_of_head(&end.head);
        require!(
            self.streamed.get() == demand::chunk_page_len(n_chunks, item.index),
            JobsError::AnswerMismatch
        );
        let root = merkle::subtree_root(&self.frontier, self.streamed.get(), demand::page_depth(n_chunks));
        let ops = demand::ops_of_page(item, self.n_ops.get(), &root, &end.head, &end.above, &end.path);
        self.n_chunks = n_chunks.into();
        self.show(root, ops)
    }

    /// Fails unless nothing is shown before the answer, and no more hashes have come in than any answer has.
    pub fn invariant(&self) -> Result<()> {
        let sound = self.item().is_some_and(|item| item.exists(self.units.get(), self.n_ops.get()))
            && (self.answered.get() || self.shown == [0; 32])
            && self.streamed.get() <= demand::PAGE;
        require!(sound, JobsError::InvalidDemand);
        Ok(())
    }
}

/// Makes room for the checkpoints' frontier in a demand for a unit's op outputs, where traces commit only to checkpoints.
pub fn reserve_checkpoints(demand: &mut Demand) -> Result<()> {
    if demand.kind == Kind::Ops {
        for _ in 0..tail_bytes(demand.kind, demand.checkpoints()) {
            demand.try_push(Byte(0))?;
        }
    }
    Ok(())
}

/// The checkpoints' frontier in the tail; empty where traces commit to every op.
fn checkpoint_frontier(demand: &mut Demand) -> &mut [Hash] {
    bytemuck::cast_slice_mut(demand.as_mut_slice())
}

/// Takes in the next TENSORs of a unit's op outputs; offset 0 starts over.
pub fn append_op_outputs(answer: &mut Demand, offset: u32, tensors: &[Hash]) -> Result<()> {
    let (n_ops, checkpoints) = (answer.n_ops.get(), answer.checkpoints());
    let numbered = (offset..).zip(tensors);
    answer.stream(offset, numbered.clone().map(|(op, tensor)| op_leaf(op, tensor)), n_ops)?;
    if !checkpoints.are_all() {
        let mut count = checkpoints.before(offset);
        let frontier = checkpoint_frontier(answer);
        for (op, tensor) in numbered.filter(|(op, _)| checkpoints.contains(*op)) {
            merkle::push(frontier, &mut count, op_leaf(op, tensor));
        }
    }
    Ok(())
}

/// Completes an answer with the op outputs of a unit; `path` leads the unit's TRACE to the root of the traces.
pub fn show_ops(answer: &mut Demand, item: &demand::Item, path: &[Hash]) -> Result<()> {
    require!(answer.streamed == answer.n_ops, JobsError::AnswerMismatch);
    let checkpoints = answer.checkpoints();
    let root = merkle::frontier_root(&answer.frontier, answer.streamed.get());
    let committed = if checkpoints.are_all() {
        root
    } else {
        merkle::frontier_root(checkpoint_frontier(answer), checkpoints.count())
    };
    let traces = demand::traces_of_unit(answer.units.get(), item.unit, checkpoints, &committed, path);
    answer.show(root, traces)
}

/// The bytes of a chunk that have arrived.
pub fn chunk_bytes(demand: &Demand) -> &[u8] {
    bytemuck::cast_slice(demand.as_slice())
}

/// Takes in the next bytes of a chunk's preimage; offset 0 starts over.
pub fn append_chunk(answer: &mut Demand, offset: u32, bytes: &[u8]) -> Result<()> {
    if offset == 0 {
        answer.clear();
    }
    require!(offset as usize == answer.len(), JobsError::AnswerOutOfOrder);
    require!(answer.len().saturating_add(bytes.len()) <= MAX_PREIMAGE, JobsError::AnswerMismatch);
    for byte in bytes {
        answer.try_push(Byte(*byte))?;
    }
    Ok(())
}

/// Completes an answer with a chunk; `path` leads its leaf to the root of the page.
pub fn show_chunk(answer: &mut Demand, item: &demand::Item, path: &[Hash]) -> Result<()> {
    let leaf = demand::leaf_of_chunk(chunk_bytes(answer));
    let page = demand::page_of_chunk(item, answer.n_chunks.get(), &leaf, path);
    answer.show(leaf, page)
}

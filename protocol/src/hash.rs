//! SHA-256 with a distinct first byte for everything the market commits to, so that no preimage of one kind
//! can be read as another.

use solana_sha256_hasher::hashv;

/// A 32-byte SHA-256 digest.
pub type Hash = [u8; 32];

/// Version of the operator semantics and of every encoding below; part of each model's hash.
pub const SPEC_VERSION: u16 = 1;

/// First byte of every preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// Up to 1 KiB of a tensor, behind a 16-byte header.
    Chunk = 0x00,
    /// Inner node of a Merkle tree.
    Node = 0x01,
    /// A tensor: element type, shape and the root over its chunks.
    Tensor = 0x02,
    /// One op's output within a trace, or one constant within a graph.
    Op = 0x03,
    /// All op outputs of one unit of work.
    Trace = 0x04,
    /// A registered model.
    Model = 0x05,
    /// A job as opened: program, job, model, input and policy.
    Job = 0x06,
    /// A worker's claim about a job.
    Result = 0x07,
    /// A hidden, non-copyable commitment to a result.
    Commit = 0x08,
    /// Leaf of a tree salted with a party's key.
    Custody = 0x09,
    /// Many units of work under one root.
    Batch = 0x0A,
    /// A challenger's sealed evidence.
    Evidence = 0x0B,
    /// The graph inputs of one unit.
    Inputs = 0x0C,
    /// One unit within a batch.
    Unit = 0x0D,
    /// An op descriptor within a graph.
    Descriptor = 0x0E,
    /// The leaf that fills a Merkle tree up to a power of two.
    Pad = 0x0F,
    /// The draw of a device for a job.
    Sortition = 0x10,
    /// The terms of a job.
    Policy = 0x11,
    /// The draw of an audit, and of what an auditor opens.
    Audit = 0x12,
    /// The seal of a forced error's permit, and everything derived from its secret.
    Permit = 0x13,
    /// A beacon of an hour, which calls devices.
    Beacon = 0x14,
    /// Whether a beacon calls a device.
    Call = 0x15,
    /// The work that a call asks for.
    Work = 0x16,
}

/// SHA-256 over `tag` and the concatenation of up to seven `parts`.
///
/// On chain this is one syscall: 85 compute units plus half a unit per byte.
pub fn tagged<const N: usize>(tag: Tag, parts: [&[u8]; N]) -> Hash {
    let tag: &[u8] = &[tag as u8];
    const { assert!(N < 8) };
    // One arm for each count, so that the syscall gets a slice of exactly that length; `N` selects it at compile time.
    let digest = match *parts.as_slice() {
        [a] => hashv(&[tag, a]),
        [a, b] => hashv(&[tag, a, b]),
        [a, b, c] => hashv(&[tag, a, b, c]),
        [a, b, c, d] => hashv(&[tag, a, b, c, d]),
        [a, b, c, d, e] => hashv(&[tag, a, b, c, d, e]),
        [a, b, c, d, e, f] => hashv(&[tag, a, b, c, d, e, f]),
        [a, b, c, d, e, f, g] => hashv(&[tag, a, b, c, d, e, f, g]),
        _ => hashv(&[tag]),
    };
    digest.to_bytes()
}

//! Deliberate errors, so that tests and the demo have something to convict.
//!
//! The only setting that leads here is the secret of a permit, which only the treasury hands out. Everything else needs a program that
//! calls [`Worker::with_fault`](crate::Worker::with_fault).

/// One bit of one element of one op's output, flipped right after the op has run. Everything that follows is computed, hashed and delivered
/// from the altered value, so exactly one element contradicts its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Unit of the job. A number beyond the last unit leaves the job correct.
    pub unit: u32,
    /// Index of the op.
    pub op: usize,
    /// Element of the op's output, modulo its number of elements.
    pub element: usize,
    /// Bit, modulo eight.
    pub bit: u8,
}

impl Fault {
    /// Flips the bit if these are the codes of its unit and op.
    pub(crate) fn strike(&self, unit: u32, op: usize, codes: &mut [u8]) {
        if (unit, op) != (self.unit, self.op) {
            return;
        }
        let element = self.element.checked_rem(codes.len()).unwrap_or_default();
        if let Some(code) = codes.get_mut(element) {
            *code ^= 1 << (self.bit % 8);
        }
    }
}

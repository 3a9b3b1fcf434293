//! A worker that errs on purpose, so that tests and the demo have something to convict.
//!
//! No flag, variable or line of a config file leads here but the secret of a permit, which only the treasury gives away: otherwise a
//! program must be written to call [`Worker::with_fault`](crate::Worker::with_fault).

/// One bit of one element of one op's output, flipped as the op has run. Everything after it is computed, hashed and delivered from
/// the altered value, so that exactly one element contradicts what it was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Unit of the job; one beyond its last leaves the job right.
    pub unit: u32,
    /// Op.
    pub op: usize,
    /// Element of the op's output, modulo their number.
    pub element: usize,
    /// Bit, modulo eight.
    pub bit: u8,
}

impl Fault {
    /// Flips the bit if these are the codes it lies in.
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

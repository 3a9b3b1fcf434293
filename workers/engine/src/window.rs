//! Sliding windows: pads the input rows that an output pixel needs, and locates its taps in them.

use crate::kernels::Packing;
use protocol::tensor::Shape;

/// Extra bytes at the end of every activation buffer. Dot products step by four bytes and may read up to three bytes past a row; those
/// bytes are multiplied by zero weights.
pub(crate) const SLACK: usize = 64;

/// Pixels per row when an op on single pixels is cut into artificial rows. A multiple of the common tile widths.
const FLAT_ROW: usize = 48;

/// A window that slides over an input, row by row of the output.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Rows, columns and channels of the input.
    pub input: [usize; 3],
    /// Elements of the input. Fewer than the product of the sides if the last row is short, as in a flattened window.
    pub elements: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub padding: [usize; 4],
    pub dilation: [usize; 2],
    /// Code for elements outside the input.
    pub pad: u8,
    /// Pixels in an output row.
    pub out_width: usize,
}

/// Input rows, padded and widened for the kernels.
pub(crate) struct Rows<'a> {
    pub bytes: &'a [u8],
    /// Bytes from the base of one output row to the next.
    pub step: usize,
}

impl Window {
    /// A window with the parameters from the specification.
    pub(crate) fn new(input: Shape, output: Shape, kernel: [u8; 2], stride: [u8; 2], padding: [u8; 4], dilation: [u8; 2], pad: u8) -> Self {
        let input = [input.h, input.w, input.c].map(usize::from);
        Self {
            input,
            elements: input.iter().product(),
            kernel: kernel.map(usize::from),
            stride: stride.map(usize::from),
            padding: padding.map(usize::from),
            dilation: dilation.map(usize::from),
            pad,
            out_width: output.w.into(),
        }
        .flattened()
    }

    /// A window of a single pixel.
    pub(crate) fn pixels(input: Shape) -> Self {
        Self::new(input, input, [1, 1], [1, 1], [0; 4], [1, 1], 0)
    }

    /// If every output pixel depends only on the input pixel in the same place, row boundaries do not matter: cut rows of a convenient
    /// width.
    fn flattened(mut self) -> Self {
        if self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0; 4] {
            let [h, w, c] = self.input;
            let pixels = h * w;
            let rows = pixels.div_ceil(FLAT_ROW);
            self.out_width = pixels.div_ceil(rows);
            self.input = [pixels.div_ceil(self.out_width), self.out_width, c];
        }
        self
    }

    /// Whether rows can be read in place.
    fn in_place(&self, packing: Packing) -> bool {
        packing == Packing::Quads && self.padding == [0; 4]
    }

    /// Elements of a padded input row.
    fn row(&self) -> usize {
        let [_, w, c] = self.input;
        let [_, left, _, right] = self.padding;
        (left + w + right) * c
    }

    /// Offset in bytes of the tap `[ky, kx]` from the base of an output pixel.
    pub(crate) fn tap(&self, [ky, kx]: [usize; 2], packing: Packing) -> usize {
        let [dy, dx] = self.dilation;
        let [_, _, c] = self.input;
        (ky * dy * self.row() + kx * dx * c) * packing.element_bytes()
    }

    /// Bytes from the base of one output pixel to the next.
    pub(crate) fn pixel_step(&self, packing: Packing) -> usize {
        let ([_, _, c], [_, sx]) = (self.input, self.stride);
        sx * c * packing.element_bytes()
    }

    /// Bytes of padded input per output row, for choosing how many rows to process at a time.
    pub(crate) fn bytes_per_row(&self, packing: Packing) -> usize {
        self.row() * self.stride[0] * packing.element_bytes()
    }

    /// The input of output rows `first .. first + rows`: in place if possible, else copied to `scratch`. Row 0 of the result is the base of
    /// output row `first`. Both `input` and the result are followed by [`SLACK`] bytes.
    pub(crate) fn rows<'a>(&self, input: &'a [u8], first: usize, rows: usize, packing: Packing, scratch: &'a mut Vec<u8>) -> Rows<'a> {
        let ([h, w, c], [sy, _], [kh, _], [dy, _]) = (self.input, self.stride, self.kernel, self.dilation);
        let [top, left, ..] = self.padding;
        let row = self.row();
        if self.in_place(packing) {
            return Rows {
                bytes: input.get(first * sy * row..).unwrap_or(&[]),
                step: sy * row,
            };
        }
        let bytes = packing.element_bytes();
        let count = (rows.saturating_sub(1)) * sy + (kh - 1) * dy + 1;
        scratch.resize(count * row * bytes + SLACK, 0);
        for (index, to) in scratch.chunks_exact_mut(row * bytes).take(count).enumerate() {
            let from = (first * sy + index)
                .checked_sub(top)
                .filter(|y| *y < h)
                .map_or(0..0, |y| y * w * c..((y + 1) * w * c).min(self.elements));
            let from = input.get(from).unwrap_or(&[]);
            match packing {
                Packing::Quads => pad(to, left * c, from, self.pad, |code| code),
                Packing::Pairs => pad(to.as_chunks_mut().0, left * c, from, self.pad, |code| {
                    (i16::from(code) - 128).to_ne_bytes()
                }),
            }
        }
        Rows {
            bytes: scratch,
            step: sy * row * bytes,
        }
    }
}

/// Fills a row with codes, as `element` packs them, from place `first` on, and with `around` before and after them.
fn pad<T: Copy>(row: &mut [T], first: usize, codes: &[u8], around: u8, element: impl Fn(u8) -> T) {
    let (before, rest) = row.split_at_mut(first);
    let (middle, after) = rest.split_at_mut(codes.len());
    before.fill(element(around));
    after.fill(element(around));
    for (to, code) in middle.iter_mut().zip(codes) {
        *to = element(*code);
    }
}

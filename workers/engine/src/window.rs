//! Sliding windows: where the taps of an output pixel lie in memory, once the rows it needs have been padded.

use crate::kernels::Packing;
use protocol::tensor::Shape;

/// Bytes past the end of every activation buffer. Dot products step by four bytes and may read up to three beyond a row; what they
/// read there meets zero weights.
pub(crate) const SLACK: usize = 64;

/// Pixels per row when an op that looks at single pixels is cut into rows of its own. A multiple of the common tile widths.
const FLAT_ROW: usize = 48;

/// A window sliding over an input, row by row of the output.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Rows, columns and channels of the input.
    pub input: [usize; 3],
    /// Elements of the input: fewer than the sides say when the last row is short, as in a flat window.
    pub elements: usize,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub padding: [usize; 4],
    pub dilation: [usize; 2],
    /// Code of the elements outside the input.
    pub pad: u8,
    /// Pixels in an output row.
    pub out_width: usize,
}

/// Rows of input, padded and widened as the kernels want them.
pub(crate) struct Rows<'a> {
    pub bytes: &'a [u8],
    /// Bytes from one output row's base to the next.
    pub step: usize,
}

impl Window {
    /// A window with the parameters of the specification.
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

    /// The pixels of an input one by one.
    pub(crate) fn pixels(input: Shape) -> Self {
        Self::new(input, input, [1, 1], [1, 1], [0; 4], [1, 1], 0)
    }

    /// Where every output pixel depends on one input pixel in the same place, rows mean nothing: cut them to a convenient width.
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

    /// Whether rows can be read where they are.
    fn in_place(&self, packing: Packing) -> bool {
        packing == Packing::Quads && self.padding == [0; 4]
    }

    /// Elements of a padded input row.
    fn row(&self) -> usize {
        let [_, w, c] = self.input;
        let [_, left, _, right] = self.padding;
        (left + w + right) * c
    }

    /// Bytes from the base of an output pixel to the tap `[ky, kx]`.
    pub(crate) fn tap(&self, [ky, kx]: [usize; 2], packing: Packing) -> usize {
        let [dy, dx] = self.dilation;
        let [_, _, c] = self.input;
        (ky * dy * self.row() + kx * dx * c) * packing.element_bytes()
    }

    /// Bytes from one output pixel's base to the next.
    pub(crate) fn pixel_step(&self, packing: Packing) -> usize {
        let ([_, _, c], [_, sx]) = (self.input, self.stride);
        sx * c * packing.element_bytes()
    }

    /// Bytes of padded input behind one output row, to choose how many rows to take at a time.
    pub(crate) fn bytes_per_row(&self, packing: Packing) -> usize {
        self.row() * self.stride[0] * packing.element_bytes()
    }

    /// The input under output rows `first .. first + rows`: in place if possible, else copied to `scratch`. Row 0 of the result is
    /// the base of output row `first`. `input` has [`SLACK`] bytes after its elements, and so has the result.
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
            let inside = left * c..left * c + from.len();
            match packing {
                Packing::Quads => {
                    let (before, rest) = to.split_at_mut(inside.start);
                    let (middle, after) = rest.split_at_mut(from.len());
                    before.fill(self.pad);
                    middle.copy_from_slice(from);
                    after.fill(self.pad);
                }
                Packing::Pairs => {
                    let widen = |code: u8| (i16::from(code) - 128).to_ne_bytes();
                    let (words, _) = to.as_chunks_mut();
                    let (before, rest) = words.split_at_mut(inside.start);
                    let (middle, after) = rest.split_at_mut(from.len());
                    before.fill(widen(self.pad));
                    for (word, code) in middle.iter_mut().zip(from) {
                        *word = widen(*code);
                    }
                    after.fill(widen(self.pad));
                }
            }
        }
        Rows {
            bytes: scratch,
            step: sy * row * bytes,
        }
    }
}

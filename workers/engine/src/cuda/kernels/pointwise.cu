// Ops that compute single elements, and ops that only move them. blockIdx.y is the unit.

// Units are padded to whole lines. Results past the last element go to the padding, which nobody reads.
typedef Codes<16> Line;

struct Pair {
    const Code *a, *b;
    Code *out;
    Size a_unit, b_unit, out_unit;
    // Lines per unit; elements of b, which is repeated.
    int lines, b_elements;
    Pairing pairing;
};

template <bool product> DEVICE void pairwise(const Pair &p) {
    int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= p.lines) return;
    Line a = ((const Line *)(p.a + blockIdx.y * p.a_unit))[index], out;
    const Code *b = p.b + blockIdx.y * p.b_unit;
    int second = (int)((Size)index * 16 % p.b_elements);
    for (int i = 0; i < 16; ++i) {
        out.at[i] = combine<product>(p.pairing, a.at[i], b[second]);
        if (++second == p.b_elements) second = 0;
    }
    ((Line *)(p.out + blockIdx.y * p.out_unit))[index] = out;
}

KERNEL(add, Pair, 256) { pairwise<false>(p); }
KERNEL(mul, Pair, 256) { pairwise<true>(p); }

struct Table {
    const Code *in, *table;
    Code *out;
    Size in_unit, out_unit;
    int lines;
};

KERNEL(table8, Table, 256) {
    __shared__ Code table[256];
    table[threadIdx.x] = p.table[threadIdx.x];
    __syncthreads();
    int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= p.lines) return;
    Line line = ((const Line *)(p.in + blockIdx.y * p.in_unit))[index];
    for (int i = 0; i < 16; ++i) line.at[i] = table[line.at[i]];
    ((Line *)(p.out + blockIdx.y * p.out_unit))[index] = line;
}

// Moves runs of 16, 4 or 1 bytes. All lengths below are in runs.
struct Move {
    const Code *in;
    Code *out;
    Size in_unit, out_unit;
    // Runs that this launch writes per unit.
    int runs;
    // Runs per input pixel and per output pixel; in concat, the offset of the input's runs within the output pixel.
    int in_channels, out_channels, offset;
    // Pixels per output row; factor by which each side grows.
    int out_width, factor;
};

// One input of a concat.
template <typename T> DEVICE void concat(const Move &p) {
    int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= p.runs) return;
    int pixel = index / p.in_channels, channel = index - pixel * p.in_channels;
    T *out = (T *)(p.out + blockIdx.y * p.out_unit);
    out[(Size)pixel * p.out_channels + p.offset + channel] = ((const T *)(p.in + blockIdx.y * p.in_unit))[index];
}

// Nearest-neighbour upsampling or, with `apart`, depth to space: each output pixel has its own channels of the input pixel.
template <typename T, bool apart> DEVICE void enlarge(const Move &p) {
    int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= p.runs) return;
    int pixel = index / p.out_channels, channel = index - pixel * p.out_channels;
    int out_y = pixel / p.out_width, out_x = pixel - out_y * p.out_width;
    int y = out_y / p.factor, x = out_x / p.factor;
    if (apart) channel += ((out_y - y * p.factor) * p.factor + (out_x - x * p.factor)) * p.out_channels;
    const T *in = (const T *)(p.in + blockIdx.y * p.in_unit);
    ((T *)(p.out + blockIdx.y * p.out_unit))[index] = in[((Size)y * (p.out_width / p.factor) + x) * p.in_channels + channel];
}

KERNEL(concat_16, Move, 256) { concat<uint4>(p); }
KERNEL(concat_4, Move, 256) { concat<Word>(p); }
KERNEL(concat_1, Move, 256) { concat<Code>(p); }
KERNEL(upsample_16, Move, 256) { enlarge<uint4, false>(p); }
KERNEL(upsample_4, Move, 256) { enlarge<Word, false>(p); }
KERNEL(upsample_1, Move, 256) { enlarge<Code, false>(p); }
KERNEL(depth_to_space_16, Move, 256) { enlarge<uint4, true>(p); }
KERNEL(depth_to_space_4, Move, 256) { enlarge<Word, true>(p); }
KERNEL(depth_to_space_1, Move, 256) { enlarge<Code, true>(p); }

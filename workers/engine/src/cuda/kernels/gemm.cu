// Convolutions and matrix products as a matrix product A·B: rows are output pixels, columns are output channels.
//
// A is never materialised: each thread computes the addresses of the input bytes for the taps that it copies. Activations are codes, u = x
// + 128, and are multiplied as u8. The host corrects for the offset in the bias, so that sums modulo 2^32 are exact.

// An element-wise op on the output of a product, computed in the same launch.
struct Follower {
    // A table, or null for a sum or product with `other`.
    const Code *table, *other;
    // Null unless another launch reads the result.
    Code *out;
    // Bytes of `other` from one unit, layer and pixel to the next. With a `pixel` of 0 it is repeated for all pixels.
    Size unit, z;
    int pixel, product;
    Pairing pairing;
};

const int FOLLOWERS = 2;

struct Gemm {
    const Code *a, *b;
    // Null unless something other than the followers reads it.
    Code *out;
    // Added to the sums of each column and, if both operands are activations, of each row.
    const Word *bias, *rows;
    // One per column. If both operands are activations, `multiplier` is used instead.
    const int *multipliers;
    // 16 codes for elements outside the input.
    const Code *pad;
    // Bytes from one unit to the next.
    Size a_unit, out_unit;
    // Elements from one layer to the next. blockIdx.y is the layer: a group of channels or, if both operands are activations, a unit.
    Size a_z, b_z, out_z;
    int bias_z, rows_z;
    // Rows and columns of the product; number of tiles across; steps of STEP bytes along the sum.
    int m, n, tiles_n, steps;
    // Rows of B, bytes of each that exist, and bytes from one to the next.
    int b_rows, b_bytes, b_pitch;
    // Channels of an input pixel, and of one group of it; pixels of a unit's output, and their channels.
    int channels, depth, out_pixels, out_channels;
    int multiplier;
    Window window;
    Round round;
    int followers;
    Follower follower[FOLLOWERS];
};

// Bytes of each row that a stage holds.
const int STEP = 64;

// Offset of a 16-byte chunk in a stage. The chunks of each row are permuted, so that the same chunk of eight adjacent rows is in eight
// different banks.
DEVICE int place(int row, int chunk) { return row * STEP + ((chunk ^ (row >> 1 & 3)) << 4); }

// The current position of the sum within the window.
struct Tap {
    int y, x, channel;

    DEVICE_MEMBER void start(const Gemm &p, int k) {
        int tap = k / p.depth;
        channel = k - tap * p.depth;
        y = tap / p.window.kernel_w;
        x = tap - y * p.window.kernel_w;
    }

    DEVICE_MEMBER void advance(const Gemm &p, int bytes) {
        channel += bytes;
        while (channel >= p.depth) {
            channel -= p.depth;
            if (++x == p.window.kernel_w) {
                x = 0;
                ++y;
            }
        }
    }
};

// The input of one row of A: `base` is the unit's first pixel, (y, x) the window's corner.
struct Corner {
    const Code *base;
    int y, x;

    DEVICE_MEMBER void start(const Gemm &p, int row) {
        int unit = row / p.out_pixels, pixel = row - unit * p.out_pixels;
        int out_y = pixel / p.window.out_width, out_x = pixel - out_y * p.window.out_width;
        base = p.a + unit * p.a_unit + blockIdx.y * p.a_z;
        // Put rows past the last one outside the input.
        y = row < p.m ? out_y * p.window.stride_y - p.window.top : -(1 << 30);
        x = out_x * p.window.stride_x - p.window.left;
    }

    DEVICE_MEMBER const Code *at(const Gemm &p, const Tap &tap) const {
        int row = y + tap.y * p.window.dilation_y, column = x + tap.x * p.window.dilation_x;
        bool inside = tap.y < p.window.kernel_h && (unsigned)row < (unsigned)p.window.height && (unsigned)column < (unsigned)p.window.width;
        // A tensor has at most 2^24 elements.
        return inside ? base + (((Word)row * p.window.width + column) * p.channels + tap.channel) : p.pad;
    }
};

// Copies 16 bytes that come in runs of 4 or 1; `read` returns the address of the next run. They are stored together, because smaller stores
// would cause bank conflicts.
template <int run, class Read> DEVICE void gather_16(Code *to, Read read) {
    const int AT_ONCE = run == 4 ? 4 : 1;
    Word words[4] = {};
    // Unrolling this for single bytes would need too many registers.
#pragma unroll AT_ONCE
    for (int i = 0; i < 4; ++i) {
        Word word = 0;
#pragma unroll
        for (int at = 0; at < 4; at += run) {
            const Code *from = read();
            word |= run == 4 ? *(const Word *)from : (Word)*from << at * 8;
        }
        // Shift the words along: with an index that is unknown at compile time, they would not be in registers.
        words[0] = words[1], words[1] = words[2], words[2] = words[3], words[3] = word;
    }
    *(uint4 *)to = {words[0], words[1], words[2], words[3]};
}

// Copies 16 bytes of a row of A, in runs of `run` contiguous, aligned bytes.
template <int run> DEVICE void copy_a(Code *to, const Gemm &p, const Corner &corner, Tap tap) {
    if (run == 16) {
        copy_16(to, corner.at(p, tap));
        return;
    }
    gather_16<run>(to, [&] {
        const Code *from = corner.at(p, tap);
        tap.advance(p, run);
        return from;
    });
}

// Likewise for B. Packed weights have all bytes of a row; activations are continued with `pad`.
template <int run> DEVICE void copy_b(Code *to, const Gemm &p, int row, int k) {
    const Code *from = p.b + blockIdx.y * p.b_z + (Size)row * p.b_pitch;
    bool exists = row < p.b_rows;
    if (run == 16) {
        copy_16(to, exists && k < p.b_bytes ? from + k : p.pad);
        return;
    }
    gather_16<run>(to, [&] {
        const Code *at = exists && k < p.b_bytes ? from + k : p.pad;
        k += run;
        return at;
    });
}

// Fills stages of A and B. A thread always copies the same 16 bytes of a step, for every APART-th row.
template <class Tile, int run_a, int run_b> struct Loader {
    static const int CHUNKS = STEP / 16, APART = Tile::THREADS / CHUNKS, ROWS_EACH = Tile::ROWS / APART, COLUMNS_EACH = Tile::COLUMNS / APART;
    static_assert(APART % 8 == 0, "the permutation of chunks must be the same for all rows of a thread");
    Corner corners[ROWS_EACH];
    Tap tap;
    int to, column, k;

    DEVICE_MEMBER void start(const Gemm &p, int first_row, int first_column) {
        int chunk = threadIdx.x % CHUNKS, row = threadIdx.x / CHUNKS;
        to = place(row, chunk);
        column = first_column + row;
        k = chunk * 16;
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) corners[i].start(p, first_row + row + i * APART);
        tap.start(p, k);
    }

    // Copies the next STEP bytes of every row.
    DEVICE_MEMBER void next(const Gemm &p, Code *a, Code *b) {
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) copy_a<run_a>(a + to + i * APART * STEP, p, corners[i], tap);
#pragma unroll
        for (int i = 0; i < COLUMNS_EACH; ++i) copy_b<run_b>(b + to + i * APART * STEP, p, column + i * APART, k);
        tap.advance(p, STEP);
        k += STEP;
    }
};

// A row of A and a column of B, where both are contiguous. Past the last one, that one is loaded again; the results are never stored.
DEVICE const Code *whole_row(const Gemm &p, int row) {
    if (row >= p.m) row = p.m - 1;
    int unit = row / p.out_pixels, pixel = row - unit * p.out_pixels;
    return p.a + unit * p.a_unit + blockIdx.y * p.a_z + (Size)pixel * p.channels;
}
DEVICE const Code *whole_column(const Gemm &p, int column) {
    if (column >= p.b_rows) column = p.b_rows - 1;
    return p.b + blockIdx.y * p.b_z + (Size)column * p.b_pitch;
}

// The loader for contiguous rows of whole steps: there is no window to follow.
template <class Tile> struct WholeLoader {
    static const int CHUNKS = STEP / 16, APART = Tile::THREADS / CHUNKS, ROWS_EACH = Tile::ROWS / APART, COLUMNS_EACH = Tile::COLUMNS / APART;
    static_assert(APART % 8 == 0, "the permutation of chunks must be the same for all rows of a thread");
    const Code *rows[ROWS_EACH], *columns[COLUMNS_EACH];
    int to;

    template <class Params> DEVICE_MEMBER void start(const Params &p, int first_row, int first_column) {
        int chunk = threadIdx.x % CHUNKS, row = threadIdx.x / CHUNKS;
        to = place(row, chunk);
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i) rows[i] = whole_row(p, first_row + row + i * APART) + chunk * 16;
#pragma unroll
        for (int i = 0; i < COLUMNS_EACH; ++i) columns[i] = whole_column(p, first_column + row + i * APART) + chunk * 16;
    }

    template <class Params> DEVICE_MEMBER void next(const Params &, Code *a, Code *b) {
#pragma unroll
        for (int i = 0; i < ROWS_EACH; ++i, rows[i - 1] += STEP) copy_16(a + to + i * APART * STEP, rows[i]);
#pragma unroll
        for (int i = 0; i < COLUMNS_EACH; ++i, columns[i - 1] += STEP) copy_16(b + to + i * APART * STEP, columns[i]);
    }
};

// The bias and multiplier of two adjacent columns.
struct alignas(16) Columns {
    Word bias[2];
    int multipliers[2];
};

// The codes that a table has for all codes.
struct Lookup {
    Code at[256];
};

// Starts to copy the followers' tables, which are looked up for one byte after the other.
DEVICE void copy_tables(const Gemm &p, Lookup *to) {
    const int CHUNKS = sizeof(Lookup) / 16;
    // A block has more threads than a table has chunks.
    int at = threadIdx.x * 16;
    if (threadIdx.x >= CHUNKS) return;
    for (int i = 0; i < p.followers; ++i)
        if (p.follower[i].table) copy_16(to[i].at + at, p.follower[i].table + at);
}

// What a block needs after the sum, in shared memory: the constants of its columns, and the tables of those followers that have one.
template <int columns> struct Constants {
    Columns pairs[columns / 2];
    Lookup tables[FOLLOWERS];
};

// Starts to copy a block's constants. Past the last column, that one is copied again; the results are never stored.
template <class Tile, bool activations> DEVICE void copy_constants(const Gemm &p, Constants<Tile::COLUMNS> &to, int first) {
    copy_tables(p, to.tables);
    for (int i = threadIdx.x; i < Tile::COLUMNS; i += Tile::THREADS) {
        int at = blockIdx.y * p.bias_z + (first + i < p.n ? first + i : p.n - 1);
        copy_4(&to.pairs[i / 2].bias[i % 2], p.bias + at);
        int *multiplier = &to.pairs[i / 2].multipliers[i % 2];
        if (activations)
            *multiplier = p.multiplier;
        else
            copy_4(multiplier, p.multipliers + at);
    }
}

// The correction that is added to the sums of a row.
template <bool activations> DEVICE Word of_row(const Gemm &p, int row) {
    return activations ? p.rows[blockIdx.y * p.rows_z + (row < p.m ? row : p.m - 1)] : 0;
}

// The unit and pixel that a row of the product belongs to.
struct Pixel {
    int unit, at;

    DEVICE_MEMBER void start(const Gemm &p, int row) {
        unit = row / p.out_pixels;
        at = row - unit * p.out_pixels;
    }

    DEVICE_MEMBER void advance(const Gemm &p, int rows) {
        for (at += rows; at >= p.out_pixels; at -= p.out_pixels) ++unit;
    }
};

template <bool product, bool high, int run> DEVICE void combine_each(const Pairing &pairing, Codes<run> &codes, const Codes<run> &others) {
#pragma unroll
    for (int i = 0; i < run; ++i) codes.at[i] = combine<product, high>(pairing, codes.at[i], others.at[i]);
}

// Stores adjacent codes of a row, and the results of the followers.
template <int run> DEVICE void store(const Gemm &p, const Lookup *tables, const Pixel &pixel, int column, Codes<run> codes) {
    Size at = pixel.unit * p.out_unit + blockIdx.y * p.out_z + (Size)pixel.at * p.out_channels + column;
    if (p.out) *(Codes<run> *)(p.out + at) = codes;
    for (int i = 0; i < p.followers; ++i) {
        const Follower &f = p.follower[i];
        if (f.table) {
            for (int j = 0; j < run; ++j) codes.at[j] = tables[i].at[codes.at[j]];
        } else {
            Codes<run> others = *(const Codes<run> *)(f.other + pixel.unit * f.unit + blockIdx.y * f.z + (Size)pixel.at * f.pixel + column);
            bool high = f.pairing.round.shift >= HIGH;
            if (f.product)
                high ? combine_each<true, true>(f.pairing, codes, others) : combine_each<true, false>(f.pairing, codes, others);
            else
                high ? combine_each<false, true>(f.pairing, codes, others) : combine_each<false, false>(f.pairing, codes, others);
        }
        if (f.out) *(Codes<run> *)(f.out + at) = codes;
    }
}

template <int m, int n, int e> DEVICE void clear(int (&sums)[m][n][e]) {
#pragma unroll
    for (int i = 0; i < m * n * e; ++i) sums[i / (n * e)][i / e % n][i % e] = 0;
}

// The offset of the stage after `stage`. Stages form a ring.
template <class Tile> DEVICE int after(int stage) { return stage + Tile::STAGE == Tile::BYTES ? 0 : stage + Tile::STAGE; }

// Starts to load the first `stages` stages of a sum, each as a group of copies.
template <class Tile, int stages, class Params, class Load> DEVICE void fill(const Params &p, int steps, Load &loader, Code *memory) {
#pragma unroll
    for (int step = 0; step < stages; ++step) {
        Code *stage = memory + step * Tile::STAGE;
        if (step < steps) loader.next(p, stage, stage + Tile::ROWS * STEP);
        close_copies();
    }
}

// First row and column of a block's tile. Blocks walk through bands of a few rows of tiles, column by column, so that those that run at the
// same time are close together in both directions and read the same bytes.
struct Origin {
    int row, column;
};

template <class Tile> DEVICE Origin origin_of_block(int across) {
    const int BAND = 8;
    int block = blockIdx.x, down = gridDim.x / across, first = block / (BAND * across) * BAND;
    int within = block - first * across, high = down - first < BAND ? down - first : BAND;
    return {(first + within % high) * Tile::ROWS, within / high * Tile::COLUMNS};
}

#if __CUDA_ARCH__ < 750

// The sums of a block without tensor cores. A thread has 4 x 4 elements, which are 16 rows and columns apart.
struct DotTile {
    static const int ROWS = 64, COLUMNS = 64, THREADS = 256, BYTES = (ROWS + COLUMNS) * STEP;
    // A thread has M x N groups of E elements.
    static const int M = 4, N = 4, E = 1;
    int sums[M][N][E];

    template <bool activations> DEVICE_MEMBER int dot(Word left, Word right, int sum) const {
        return activations ? dot_u8_u8(left, right, sum) : dot_u8_s8(left, right, sum);
    }

    // Sums over `steps` steps, which the loader copies to `memory` (BYTES). The loader gets the arguments with each call: if it held a
    // reference, the compiler would copy them to local memory, which is slow.
    template <bool activations, class Params, class Load> DEVICE_MEMBER void sum(const Params &p, int steps, Load &loader, Code *memory) {
        Code *a = memory, *b = memory + ROWS * STEP;
        int x = threadIdx.x % 16, y = threadIdx.x / 16;
        clear(sums);
        for (int step = 0; step < steps; ++step) {
            loader.next(p, a, b);
            close_copies();
            copies_arrived<0>();
            __syncthreads();
            // Read 16 bytes at a time, which spreads a warp's reads evenly over the banks. Unrolling would take registers from other
            // blocks.
#pragma unroll 1
            for (int chunk = 0; chunk < STEP / 16; ++chunk) {
                uint4 left[4], right[4];
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    left[i] = *(const uint4 *)(a + place(y + 16 * i, chunk));
                    right[i] = *(const uint4 *)(b + place(x + 16 * i, chunk));
                }
#pragma unroll
                for (int i = 0; i < 4; ++i)
#pragma unroll
                    for (int j = 0; j < 4; ++j) {
                        int &sum = sums[i][j][0];
                        sum = dot<activations>(left[i].x, right[j].x, sum);
                        sum = dot<activations>(left[i].y, right[j].y, sum);
                        sum = dot<activations>(left[i].z, right[j].z, sum);
                        sum = dot<activations>(left[i].w, right[j].w, sum);
                    }
            }
            __syncthreads();
        }
    }

    DEVICE_MEMBER int row(int i, int) const { return threadIdx.x / 16 + 16 * i; }
    DEVICE_MEMBER int column(int j, int) const { return threadIdx.x % 16 + 16 * j; }
};

template <int run_a, int run_b, bool activations> DEVICE void gemm_dp4a(const Gemm &p) {
    __shared__ __align__(16) Code memory[DotTile::BYTES];
    Origin first = origin_of_block<DotTile>(p.tiles_n);
    Loader<DotTile, run_a, run_b> loader;
    loader.start(p, first.row, first.column);
    DotTile tile;
    tile.sum<activations>(p, p.steps, loader, memory);
    Lookup *tables = (Lookup *)memory;
    copy_tables(p, tables);
    __syncthreads();
    int x = first.column + threadIdx.x % 16, y = first.row + threadIdx.x / 16;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        int row = y + 16 * i;
        if (row >= p.m) continue;
        Pixel pixel;
        pixel.start(p, row);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int column = x + 16 * j, at = blockIdx.y * p.bias_z + column;
            if (column >= p.n) continue;
            int sum = (int)((Word)tile.sums[i][j][0] + p.bias[at] + of_row<activations>(p, row));
            store<1>(p, tables, pixel, column, {requantise(sum, activations ? p.multiplier : p.multipliers[at], p.round)});
        }
    }
}

#define GEMM_DP4A(name, run_a, run_b, activations) \
    KERNEL(name, Gemm, 256) { gemm_dp4a<run_a, run_b, activations>(p); }

GEMM_DP4A(gemm_dp4a_16, 16, 16, false)
GEMM_DP4A(gemm_dp4a_4, 4, 16, false)
GEMM_DP4A(gemm_dp4a_1, 1, 16, false)
GEMM_DP4A(product_dp4a_16, 16, 16, true)
GEMM_DP4A(product_dp4a_4, 4, 4, true)
GEMM_DP4A(product_dp4a_1, 1, 1, true)

#else

// c += a · b over 32 bytes of 16 rows and 8 columns. Turing's tensor cores do a quarter at a time, with the same fragments.
template <bool activations> DEVICE void multiply(int (&c)[4], const Word (&a)[4], Word b0, Word b1) {
#if __CUDA_ARCH__ >= 800
    if (activations)
        mma_m16n8k32_u8_u8(c, a, b0, b1);
    else
        mma_m16n8k32_u8_s8(c, a, b0, b1);
#else
    if (activations) {
        mma_m8n8k16_u8_u8(c[0], c[1], a[0], b0);
        mma_m8n8k16_u8_u8(c[2], c[3], a[1], b0);
        mma_m8n8k16_u8_u8(c[0], c[1], a[2], b1);
        mma_m8n8k16_u8_u8(c[2], c[3], a[3], b1);
    } else {
        mma_m8n8k16_u8_s8(c[0], c[1], a[0], b0);
        mma_m8n8k16_u8_s8(c[2], c[3], a[1], b0);
        mma_m8n8k16_u8_s8(c[0], c[1], a[2], b1);
        mma_m8n8k16_u8_s8(c[2], c[3], a[3], b1);
    }
#endif
}

// The sums of a block on tensor cores: ROWS x COLUMNS elements, with WARP_ROWS x WARP_COLUMNS per warp. The next stages load meanwhile.
template <int rows, int columns, int WARP_ROWS, int WARP_COLUMNS> struct MatrixTile {
    static const int ROWS = rows, COLUMNS = columns, WARPS_X = COLUMNS / WARP_COLUMNS, THREADS = ROWS / WARP_ROWS * WARPS_X * 32;
    // Turing has no asynchronous copies. Instead, two blocks per multiprocessor take turns loading; two stages leave room for both.
    static const int STAGES = __CUDA_ARCH__ >= 800 ? 3 : 2, STAGE = (ROWS + COLUMNS) * STEP, BYTES = STAGES * STAGE;
    // The constants are loaded after the sum, behind the codes: there may be no memory beyond the stages.
    static const int CONSTANTS_AT = ROWS * (COLUMNS + 16), CONSTANTS_EARLY = false;
    static_assert(CONSTANTS_AT + sizeof(Constants<COLUMNS>) <= BYTES, "the constants must fit into the stages' memory");
    // A thread has M x N groups of E elements.
    static const int M = WARP_ROWS / 16, N = WARP_COLUMNS / 8, E = 4;
    int sums[M][N][E];

    // As in DotTile. `memory` may be reused afterwards.
    template <bool activations, class Params, class Load> DEVICE_MEMBER void sum(const Params &p, int steps, Load &loader, Code *memory) {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        // load_matrices loads four matrices of 8 rows and 16 bytes. For A: rows 0 and 8 of the first 16 bytes, then of the next 16. For B:
        // column 0 of the first 16 bytes and of the next, then column 8. Rows that are 16 apart have the same permutation, and the offset
        // of the chunk after next differs in one bit.
        int left_at = warp / WARPS_X * WARP_ROWS * STEP + place(lane % 16, lane / 16);
        int right_at = (ROWS + warp % WARPS_X * WARP_COLUMNS) * STEP + place(lane / 16 * 8 + lane % 8, lane / 8 % 2);
        int now = 0, next = (STAGES - 1) * STAGE;
        clear(sums);
        fill<MatrixTile, STAGES - 1>(p, steps, loader, memory);
        for (int step = 0; step < steps; ++step) {
            copies_arrived<STAGES - 2>();
            // This also waits until all threads are done with the previous stage, which is refilled now.
            __syncthreads();
            if (step + STAGES - 1 < steps) loader.next(p, memory + next, memory + next + ROWS * STEP);
            close_copies();
            next = after<MatrixTile>(next);

            const Code *stage = memory + now;
            now = after<MatrixTile>(now);
#pragma unroll
            for (int k = 0; k < STEP / 16; k += 2) {
                Word left[M][4], right[N / 2][4];
#pragma unroll
                for (int i = 0; i < M; ++i) load_matrices(left[i], stage + (left_at ^ k << 4) + i * 16 * STEP);
#pragma unroll
                for (int j = 0; j < N / 2; ++j) load_matrices(right[j], stage + (right_at ^ k << 4) + j * 16 * STEP);
#pragma unroll
                for (int i = 0; i < M; ++i)
#pragma unroll
                    for (int j = 0; j < N; ++j) multiply<activations>(sums[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
            }
        }
        copies_arrived<0>();
        __syncthreads();
    }

    DEVICE_MEMBER int row(int i, int e) const {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        return warp / WARPS_X * WARP_ROWS + i * 16 + e / 2 * 8 + lane / 4;
    }
    DEVICE_MEMBER int column(int j, int e) const {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        return warp % WARPS_X * WARP_COLUMNS + j * 8 + lane % 4 * 2 + e % 2;
    }
};

// Bytes from one row of a tile's codes to the next. The padding avoids bank conflicts between the stores of a warp.
template <class Tile> DEVICE int pitch() { return Tile::COLUMNS + 16; }

// Turns a tile's sums into codes, and gathers them in shared memory, so that whole rows can be stored together. Elements past the last row
// or column are computed too, but not stored.
template <bool activations, bool high, class Tile>
DEVICE void gather(const Gemm &p, const Tile &tile, int first_row, const Columns *columns, Code *codes) {
    Word of_rows[Tile::M][2];
#pragma unroll
    for (int i = 0; i < Tile::M; ++i)
#pragma unroll
        for (int e = 0; e < Tile::E; e += 2) of_rows[i][e / 2] = of_row<activations>(p, first_row + tile.row(i, e));
#pragma unroll
    for (int j = 0; j < Tile::N; ++j) {
        // The constants of all columns at once would need too many registers.
        in_order();
        int column = tile.column(j, 0);
        Columns pair = columns[column / 2];
#pragma unroll
        for (int i = 0; i < Tile::M; ++i)
#pragma unroll
            for (int e = 0; e < Tile::E; e += 2) {
                Codes<2> made;
#pragma unroll
                for (int k = 0; k < 2; ++k) {
                    int sum = (int)((Word)tile.sums[i][j][e + k] + pair.bias[k] + of_rows[i][e / 2]);
                    made.at[k] = requantise<high>(sum, pair.multipliers[k], p.round);
                }
                *(Codes<2> *)(codes + tile.row(i, e) * pitch<Tile>() + column) = made;
            }
    }
}

// Stores a tile's codes and the results of the followers, `run` of a row at a time.
template <class Tile, int run> DEVICE void store_tile(const Gemm &p, const Lookup *tables, Origin first, int width, const Code *codes) {
    const int ACROSS = Tile::COLUMNS / run, APART = Tile::THREADS / ACROSS;
    int row = threadIdx.x / ACROSS, column = threadIdx.x % ACROSS * run;
    if (column >= width) return;
    Pixel pixel;
    pixel.start(p, first.row + row);
    for (; row < Tile::ROWS && first.row + row < p.m; row += APART) {
        store<run>(p, tables, pixel, first.column + column, *(const Codes<run> *)(codes + row * pitch<Tile>() + column));
        pixel.advance(p, APART);
    }
}

template <class Tile, class Load, bool activations> DEVICE void gemm_tile(const Gemm &p, Code *memory) {
    Origin first = origin_of_block<Tile>(p.tiles_n);
    Constants<Tile::COLUMNS> &constants = *(Constants<Tile::COLUMNS> *)(memory + Tile::CONSTANTS_AT);
    Load loader;
    loader.start(p, first.row, first.column);
    Tile tile;
    if (Tile::CONSTANTS_EARLY) copy_constants<Tile, activations>(p, constants, first.column);
    tile.template sum<activations>(p, p.steps, loader, memory);
    if (!Tile::CONSTANTS_EARLY) {
        copy_constants<Tile, activations>(p, constants, first.column);
        close_copies();
        copies_arrived<0>();
        __syncthreads();
    }
    if (p.round.shift >= HIGH)
        gather<activations, true>(p, tile, first.row, constants.pairs, memory);
    else
        gather<activations, false>(p, tile, first.row, constants.pairs, memory);
    __syncthreads();
    int width = p.n - first.column < Tile::COLUMNS ? p.n - first.column : Tile::COLUMNS;
    if (width % 16 == 0 && p.out_channels % 16 == 0 && p.out_z % 16 == 0)
        store_tile<Tile, 16>(p, constants.tables, first, width, memory);
    else
        store_tile<Tile, 1>(p, constants.tables, first, width, memory);
}

// The loader is the last argument because it may contain commas.
#define GEMM_MMA(name, Tile, activations, ...) \
    KERNEL(name, Gemm, Tile::THREADS) { \
        __shared__ __align__(128) Code memory[Tile::BYTES]; \
        gemm_tile<Tile, __VA_ARGS__, activations>(p, memory); \
    }

typedef MatrixTile<128, 128, 64, 32> Tile128x128;
typedef MatrixTile<64, 64, 32, 32> Tile64x64;
typedef MatrixTile<128, 32, 32, 32> Tile128x32;

GEMM_MMA(gemm_128x128_64, Tile128x128, false, WholeLoader<Tile128x128>)
GEMM_MMA(gemm_128x128_16, Tile128x128, false, Loader<Tile128x128, 16, 16>)
GEMM_MMA(gemm_64x64_16, Tile64x64, false, Loader<Tile64x64, 16, 16>)
GEMM_MMA(gemm_64x64_4, Tile64x64, false, Loader<Tile64x64, 4, 16>)
GEMM_MMA(gemm_64x64_1, Tile64x64, false, Loader<Tile64x64, 1, 16>)
GEMM_MMA(gemm_128x32_16, Tile128x32, false, Loader<Tile128x32, 16, 16>)
GEMM_MMA(gemm_128x32_4, Tile128x32, false, Loader<Tile128x32, 4, 16>)
GEMM_MMA(gemm_128x32_1, Tile128x32, false, Loader<Tile128x32, 1, 16>)
GEMM_MMA(product_128x128_64, Tile128x128, true, WholeLoader<Tile128x128>)
GEMM_MMA(product_128x128_16, Tile128x128, true, Loader<Tile128x128, 16, 16>)
GEMM_MMA(product_64x64_16, Tile64x64, true, Loader<Tile64x64, 16, 16>)
GEMM_MMA(product_64x64_4, Tile64x64, true, Loader<Tile64x64, 4, 4>)
GEMM_MMA(product_64x64_1, Tile64x64, true, Loader<Tile64x64, 1, 1>)

#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// The descriptor of rows of STEP bytes for Hopper's tensor cores ("Matrix Descriptor Format" in the PTX ISA): their address and the
// distance from eight rows to the next eight, both in units of 16 bytes; and the permutation of chunks by `place`, which is the 64-byte
// swizzle.
DEVICE Size described(const Code *rows) {
    const Size EIGHT_ROWS = 8 * STEP / 16, SWIZZLE_64 = 2;
    return (shared_address(rows) & 0x3ffff) >> 4 | 1 << 16 | EIGHT_ROWS << 32 | SWIZZLE_64 << 62;
}

// The sums of a block on Hopper's tensor cores. Two groups of four warps each take half of the rows, 64 at a time. Later stages load while
// earlier ones are multiplied. The block leaves room for hashing, which needs no tensor cores.
template <int rows, int columns> struct GroupTile {
    static const int ROWS = rows, COLUMNS = columns, THREADS = 256;
    static const int STAGES = 6, STAGE = (ROWS + COLUMNS) * STEP, BYTES = STAGES * STAGE;
    // The constants are behind the stages and arrive with the first one. No other product block runs that could hide a later wait.
    static const int CONSTANTS_AT = BYTES, CONSTANTS_EARLY = true, LAUNCHED = BYTES + sizeof(Constants<256>);
    // Stages to load ahead: the current one is being multiplied, and the previous one may still be.
    static const int AHEAD = STAGES - 2;
    static const int M = ROWS / 128, N = COLUMNS / 8, E = 4;
    int sums[M][N][E];

    template <bool activations, class Params, class Load> DEVICE_MEMBER void sum(const Params &p, int steps, Load &loader, Code *memory) {
        int group_row = threadIdx.x / 128 * (ROWS / 2), now = 0, next = AHEAD * STAGE;
        clear(sums);
        fill<GroupTile, AHEAD>(p, steps, loader, memory);
        copies_arrived<AHEAD - 1>();
        show_to_tensor_cores();
        for (int step = 0; step < steps; ++step) {
            // Now every thread has shown what it copied of this stage, and is done with the stage before the previous one, which is refilled
            // below.
            __syncthreads();
            const Code *stage = memory + now;
            now = after<GroupTile>(now);
            open_products();
            Size b = described(stage + ROWS * STEP);
#pragma unroll
            for (int k = 0; k < STEP / 16; k += 2)
#pragma unroll
                for (int i = 0; i < M; ++i) {
                    Size a = described(stage + (group_row + i * 64) * STEP);
                    if (activations)
                        wgmma_u8_u8(sums[i], a + k, b + k);
                    else
                        wgmma_u8_s8(sums[i], a + k, b + k);
                }
            close_products();
            // Wait for the next stage here: products are queued meanwhile, and the latest copies are a step old. The fence may wait for all
            // copies that have begun.
            copies_arrived<AHEAD - 2>();
            show_to_tensor_cores();
            if (step + AHEAD < steps) loader.next(p, memory + next, memory + next + ROWS * STEP);
            close_copies();
            next = after<GroupTile>(next);
            products_done<1>();
        }
        products_done<0>();
#pragma unroll
        for (int i = 0; i < M; ++i)
#pragma unroll
            for (int j = 0; j < N; ++j)
#pragma unroll
                for (int e = 0; e < E; ++e) settle(sums[i][j][e]);
        copies_arrived<0>();
        __syncthreads();
    }

    DEVICE_MEMBER int row(int i, int e) const {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        return warp / 4 * (ROWS / 2) + i * 64 + warp % 4 * 16 + e / 2 * 8 + lane / 4;
    }
    DEVICE_MEMBER int column(int j, int e) const { return j * 8 + threadIdx.x % 4 * 2 + e % 2; }
};

#define GEMM_GROUP(name, Tile, activations, ...) \
    LARGE_KERNEL(name, Gemm, Tile::THREADS, Tile::LAUNCHED) { gemm_tile<Tile, __VA_ARGS__, activations>(p, LAUNCHED_MEMORY); }

typedef GroupTile<128, 256> Tile128x256;
typedef GroupTile<256, 128> Tile256x128;

GEMM_GROUP(gemm_128x256_64, Tile128x256, false, WholeLoader<Tile128x256>)
GEMM_GROUP(gemm_128x256_16, Tile128x256, false, Loader<Tile128x256, 16, 16>)
GEMM_GROUP(gemm_256x128_64, Tile256x128, false, WholeLoader<Tile256x128>)
GEMM_GROUP(gemm_256x128_16, Tile256x128, false, Loader<Tile256x128, 16, 16>)
GEMM_GROUP(product_128x256_64, Tile128x256, true, WholeLoader<Tile128x256>)
GEMM_GROUP(product_128x256_16, Tile128x256, true, Loader<Tile128x256, 16, 16>)
GEMM_GROUP(product_256x128_64, Tile256x128, true, WholeLoader<Tile256x128>)
GEMM_GROUP(product_256x128_16, Tile256x128, true, Loader<Tile256x128, 16, 16>)

#endif

// The corrections for zero points in a product of activations: the sum of the codes of each row, times a factor, plus a constant. One warp
// per row.
struct RowSums {
    const Code *in;
    Word *out;
    Size in_unit;
    int rows, bytes, out_unit;
    Word factor, constant;
};

KERNEL(row_sums, RowSums, 128) {
    int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    // All threads of a warp have the same row, so they leave or stay together.
    if (row >= p.rows) return;
    const Code *in = p.in + blockIdx.y * p.in_unit + (Size)row * p.bytes;
    int sum = 0;
    for (int i = lane; i < p.bytes; i += 32) sum += in[i];
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += shuffle_xor(sum, lanes);
    if (lane == 0) p.out[blockIdx.y * p.out_unit + row] = (Word)sum * p.factor + p.constant;
}

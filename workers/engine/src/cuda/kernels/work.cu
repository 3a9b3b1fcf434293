// The work of a call: a layer's noise, its product, and the tree over the result. Tensors have up to 2^36 bytes.

struct Work {
    // Lines of `width` codes, and `width` columns of `width` weights.
    const Code *tensor;
    const signed char *weights;
    // The next tensor, column by column; or sums, line by line.
    void *out;
    // Correction of each column's sums for the offset of the codes.
    const Word *bias;
    // A power of two.
    int lines, width;
    Round round;
};

DEVICE const Code *whole_row(const Work &p, int line) { return p.tensor + (Size)(line < p.lines ? line : p.lines - 1) * p.width; }
DEVICE const Code *whole_column(const Work &p, int column) { return (const Code *)p.weights + (Size)column * p.width; }

// Computes a tile of a layer or, with `sums`, only its sums.
template <class Tile, bool sums> DEVICE void work(const Work &p, Code *memory) {
    Origin first = origin_of_block<Tile>(p.width / Tile::COLUMNS);
    WholeLoader<Tile> loader;
    loader.start(p, first.row, first.column);
    Tile tile;
    tile.template sum<false>(p, p.width / STEP, loader, memory);
    if (sums) {
#pragma unroll
        for (int i = 0; i < Tile::M; ++i)
#pragma unroll
            for (int j = 0; j < Tile::N; ++j)
#pragma unroll
                for (int e = 0; e < Tile::E; ++e) {
                    int line = first.row + tile.row(i, e), column = first.column + tile.column(j, e);
                    if (line < p.lines) ((Word *)p.out)[(Size)line * p.width + column] = (Word)tile.sums[i][j][e] + p.bias[column];
                }
        return;
    }
    // The output is transposed: adjacent lines become adjacent elements.
    const int PITCH = Tile::ROWS + 16;
    Size start = (Size)first.column * p.lines + first.row;
    // Wait until all threads are done with the last stage.
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Tile::M; ++i)
#pragma unroll
        for (int j = 0; j < Tile::N; ++j)
#pragma unroll
            for (int e = 0; e < Tile::E; ++e) {
                int column = tile.column(j, e);
                memory[column * PITCH + tile.row(i, e)] = requantise((int)((Word)tile.sums[i][j][e] + p.bias[first.column + column]), 1, p.round);
            }
    __syncthreads();
    for (int i = threadIdx.x; i < Tile::COLUMNS * (Tile::ROWS / 16); i += Tile::THREADS) {
        int column = i / (Tile::ROWS / 16), row = i % (Tile::ROWS / 16) * 16, left = p.lines - first.row - row;
        const Code *from = memory + column * PITCH + row;
        Code *to = (Code *)p.out + start + (Size)column * p.lines + row;
        if (left >= 16)
            *(uint4 *)to = *(const uint4 *)from;
        else
            for (int j = 0; j < left; ++j) to[j] = from[j];
    }
}

#define WORK(name, Tile, sums) \
    KERNEL(name, Work, Tile::THREADS) { \
        __shared__ __align__(128) Code memory[Tile::BYTES]; \
        work<Tile, sums>(p, memory); \
    }

#if __CUDA_ARCH__ < 750

WORK(work_dp4a, DotTile, false)
WORK(work_sums_dp4a, DotTile, true)

#else

WORK(work_128x128, Tile128x128, false)
WORK(work_sums_128x128, Tile128x128, true)

#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

LARGE_KERNEL(work_256x128, Work, Tile256x128::THREADS, Tile256x128::LAUNCHED) { work<Tile256x128, false>(p, LAUNCHED_MEMORY); }
LARGE_KERNEL(work_sums_256x128, Work, Tile256x128::THREADS, Tile256x128::LAUNCHED) { work<Tile256x128, true>(p, LAUNCHED_MEMORY); }

#endif

DEVICE Size mix(Size state) {
    Size draw = (state ^ state >> 30) * 0xBF58476D1CE4E5B9ull;
    draw = (draw ^ draw >> 27) * 0x94D049BB133111EBull;
    return draw ^ draw >> 31;
}

struct alignas(16) Words {
    Size low, high;
};

// Adds noise to a tensor or, if `fresh`, to zeros.
struct Noise {
    Code *tensor;
    const Size *noise;
    // Pairs of words.
    Size pairs;
    int fresh;
};

KERNEL(work_noise, Noise, 256) {
    Size index = (Size)blockIdx.x * 256 + threadIdx.x;
    if (index >= p.pairs) return;
    const Size GAMMA = 0x9E3779B97F4A7C15ull;
    Size state = *p.noise + (2 * index + 1) * GAMMA;
    Words *words = (Words *)p.tensor + index, noise = {mix(state), mix(state + GAMMA)};
    if (!p.fresh) {
        Words before = *words;
        noise.low ^= before.low;
        noise.high ^= before.high;
    }
    *words = noise;
}

// The hash of a leaf: 16, 03, two zeros, the chunk.
DEVICE Digest leaf(const uint4 *chunk) {
    Digest state = begin();
    Word before = 0x16030000;
    for (int block = 0; block < 4; ++block) {
        Word w[16];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            uint4 words = chunk[block * 4 + i];
            w[i * 4] = before;
            w[i * 4 + 1] = swap_bytes(words.x);
            w[i * 4 + 2] = swap_bytes(words.y);
            w[i * 4 + 3] = swap_bytes(words.z);
            before = swap_bytes(words.w);
        }
        compress(state, w);
    }
    Word w[16] = {before, 0x80000000};
    w[15] = 260 * 8;
    compress(state, w);
    return state;
}

DEVICE Digest swapped(Digest digest) {
#pragma unroll
    for (int i = 0; i < 8; ++i) digest.at[i] = swap_bytes(digest.at[i]);
    return digest;
}

// Computes the root over `count` digests, a power of two, held by the threads of a block.
DEVICE void reduce(Digest own, int count, Digest *root) {
    __shared__ Digest nodes[256];
    nodes[threadIdx.x] = own;
    for (int parents = count / 2; parents > 0; parents /= 2) {
        __syncthreads();
        if (threadIdx.x < parents) own = node(nodes[2 * threadIdx.x], nodes[2 * threadIdx.x + 1]);
        __syncthreads();
        if (threadIdx.x < parents) nodes[threadIdx.x] = own;
    }
    if (threadIdx.x == 0) *root = swapped(own);
}

struct Blocks {
    const Code *tensor;
    Digest *roots;
    // Chunks per block: 256, or all if there are fewer.
    int chunks;
};

KERNEL(work_blocks, Blocks, 256) {
    Size chunk = (Size)blockIdx.x * 256 + threadIdx.x;
    Digest own;
    if ((int)threadIdx.x < p.chunks) own = leaf((const uint4 *)(p.tensor + chunk * 256));
    reduce(own, p.chunks, p.roots + blockIdx.x);
}

struct Tops {
    const Digest *roots;
    Digest *tops;
};

KERNEL(work_tops, Tops, 256) { reduce(swapped(p.roots[(Size)blockIdx.x * 256 + threadIdx.x]), 256, p.tops + blockIdx.x); }

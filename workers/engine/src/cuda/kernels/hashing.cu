// Computes the TENSOR of values in place: first the hash of each chunk, then each value's tree, which for large values goes through
// branches. Digests are kept as eight numbers until the last step.

struct alignas(16) Digest {
    Word at[8];
};

DEVICE void compress(Digest &state, Word (&w)[16]) {
    const Word ROUNDS[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
        0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
        0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    Word a = state.at[0], b = state.at[1], c = state.at[2], d = state.at[3];
    Word e = state.at[4], f = state.at[5], g = state.at[6], h = state.at[7];
    // Unrolling puts the schedule into registers, and the constants into the instructions.
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        Word word = w[i % 16];
        if (i >= 16) {
            Word x = w[(i + 1) % 16], y = w[(i + 14) % 16];
            word += (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[(i + 9) % 16] + (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
            w[i % 16] = word;
        }
        Word t = h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + (g ^ (e & (f ^ g))) + ROUNDS[i] + word;
        Word u = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & b) | (c & (a | b)));
        h = g;
        g = f;
        f = e;
        e = d + t;
        d = c;
        c = b;
        b = a;
        a = t + u;
    }
    state.at[0] += a, state.at[1] += b, state.at[2] += c, state.at[3] += d;
    state.at[4] += e, state.at[5] += f, state.at[6] += g, state.at[7] += h;
}

DEVICE Digest begin() {
    return {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

// NODE: 01, left, right.
DEVICE Digest node(const Digest &left, const Digest &right) {
    Digest state = begin();
    Word w[16];
    Word before = 1;
    for (int i = 0; i < 16; ++i) {
        Word word = i < 8 ? left.at[i % 8] : right.at[i % 8];
        w[i] = before << 24 | word >> 8;
        before = word;
    }
    compress(state, w);
    for (int i = 0; i < 16; ++i) w[i] = 0;
    w[0] = before << 24 | 0x800000;
    w[15] = 65 * 8;
    compress(state, w);
    return state;
}

// A value to hash, in every unit.
struct Hashed {
    const Code *value;
    // Bytes from one unit to the next.
    Size unit;
    int elements;
    // Indices of the value's first chunk and first branch among those of a unit, and of the value among the unit's tensors.
    int first, branch, index;
    // tensor_uid.
    Word uid;
    // The first 23 bytes of a TENSOR's preimage, big-endian, and a zero.
    Word head[6];
};

// A set of values that are hashed together, in all units.
struct Hashing {
    const Hashed *values;
    // Chunk hashes, and the roots over each BRANCH of them.
    Digest *leaves, *branches;
    // Roots of empty subtrees, by depth.
    const Digest *empty;
    // The output: a digest per tensor, unit after unit.
    Digest *tensors;
    int units;
    // Number of values; of their chunks and branches in one unit; of tensors in one unit.
    int n_values, n_chunks, n_branches, n_tensors;
};

const int CHUNK = 1024;

// Chunks per branch. Values with no more chunks than this have no branches.
const int BRANCH = 256, BRANCH_DEPTH = 8;

DEVICE int chunks_of(const Hashed &value) { return (value.elements + CHUNK - 1) / CHUNK; }

// The value that chunk or branch `at` belongs to: the last one whose first chunk or branch is not after it.
DEVICE const Hashed &value_of(const Hashing &p, int Hashed::*first, int at) {
    int low = 0, high = p.n_values;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (p.values[middle].*first <= at)
            low = middle;
        else
            high = middle;
    }
    return p.values[low];
}

DEVICE Digest chunk_hash(const Hashing &p, int unit, int chunk) {
    const Hashed &value = value_of(p, &Hashed::first, chunk);
    int index = chunk - value.first, left = value.elements - index * CHUNK, length = left < CHUNK ? left : CHUNK;
    const uint4 *data = (const uint4 *)(value.value + unit * value.unit + (Size)index * CHUNK);

    // 00, version, type, length, uid, index, three zeros; then the data and SHA-256's padding.
    Word w[16] = {0x00010000u | (length & 0xff), (Word)(length >> 8) << 24 | swap_bytes(value.uid) >> 8,
                  swap_bytes(value.uid) << 24 | swap_bytes(index) >> 8, swap_bytes(index) << 24};
    Digest state = begin();
    int bytes = 16 + length, blocks = (bytes + 9 + 63) / 64;
    for (int block = 0; block < blocks; ++block) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            int at = block * 64 + i * 16;
            if (at < 16) continue;
            // Units are padded to a multiple of 16 bytes, so whole lines can be read.
            uint4 line = {};
            if (at < bytes) line = data[at / 16 - 1];
            Word words[4] = {line.x, line.y, line.z, line.w};
#pragma unroll
            for (int j = 0; j < 4; ++j) w[i * 4 + j] = swap_bytes(words[j]);
        }
        // All blocks but the last one or two are full.
        if (block * 64 + 64 > bytes) {
#pragma unroll
            for (int i = 0; i < 16; ++i) {
                int beyond = block * 64 + i * 4 + 4 - bytes;
                if (beyond > 0 && beyond < 4) w[i] = w[i] >> beyond * 8 << beyond * 8 | 0x80u << (beyond - 1) * 8;
                if (beyond >= 4) w[i] = beyond == 4 ? 0x80000000 : 0;
            }
            if (block == blocks - 1) w[15] = bytes * 8;
        }
        compress(state, w);
    }
    return state;
}

// Launched with one block per 128 chunks, or only with as many blocks as should run next to products.
KERNEL(hash_chunks, Hashing, 128) {
    Size chunks = (Size)p.units * p.n_chunks;
    for (Size at = (Size)blockIdx.x * 128 + threadIdx.x; at < chunks; at += (Size)gridDim.x * 128)
        p.leaves[at] = chunk_hash(p, (int)(at / p.n_chunks), (int)(at % p.n_chunks));
}

// Combines up to BRANCH digests at depth `depth` into their root, and extends that with empty subtrees to depth `to`. The result is valid
// in thread 0 of the block.
DEVICE Digest climb(const Digest *from, int count, int depth, int to, const Digest *empty) {
    __shared__ Digest nodes[BRANCH / 2];
    Digest own = from[0];
    for (; count > 1 || depth < to; ++depth) {
        int parents = (count + 1) / 2, i = threadIdx.x;
        if (i < parents) own = node(from[2 * i], 2 * i + 1 < count ? from[2 * i + 1] : empty[depth]);
        // Wait until all threads have read the level below, which is about to be overwritten.
        __syncthreads();
        if (i < parents) nodes[i] = own;
        __syncthreads();
        from = nodes;
        count = parents;
    }
    return own;
}

// Launched with one block per branch, or fewer, as above. (A single block per large value would take longer than the product that computes
// it.)
KERNEL(hash_branches, Hashing, 128) {
    for (int at = blockIdx.x; at < p.units * p.n_branches; at += gridDim.x) {
        int unit = at / p.n_branches, branch = at % p.n_branches;
        const Hashed &value = value_of(p, &Hashed::branch, branch);
        int first = (branch - value.branch) * BRANCH, left = chunks_of(value) - first;
        const Digest *leaves = p.leaves + (Size)unit * p.n_chunks + value.first + first;
        Digest node = climb(leaves, left < BRANCH ? left : BRANCH, 0, BRANCH_DEPTH, p.empty);
        if (threadIdx.x == 0) p.branches[at] = node;
    }
}

// Launched with one block per value and unit.
KERNEL(hash_trees, Hashing, 128) {
    const Hashed &value = p.values[blockIdx.x];
    int unit = blockIdx.y, chunks = chunks_of(value);
    bool large = chunks > BRANCH;
    Digest *from = large ? p.branches + (Size)unit * p.n_branches + value.branch : p.leaves + (Size)unit * p.n_chunks + value.first;
    Digest root = climb(from, large ? (chunks + BRANCH - 1) / BRANCH : chunks, large ? BRANCH_DEPTH : 0, 0, p.empty);
    if (threadIdx.x > 0) return;
    // TENSOR: 02, 22 bytes of metadata, the root.
    Word w[16];
    for (int i = 0; i < 6; ++i) w[i] = value.head[i];
    Word before = 0;
    for (int i = 0; i < 8; ++i) {
        Word word = root.at[i];
        if (i == 0)
            w[5] |= word >> 24;
        else
            w[5 + i] = before << 8 | word >> 24;
        before = word;
    }
    w[13] = before << 8 | 0x80;
    w[14] = 0;
    w[15] = 55 * 8;
    Digest state = begin();
    compress(state, w);
    for (int i = 0; i < 8; ++i) state.at[i] = swap_bytes(state.at[i]);
    p.tensors[(Size)unit * p.n_tensors + value.index] = state;
}

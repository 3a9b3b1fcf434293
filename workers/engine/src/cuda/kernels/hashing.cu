// TENSOR of values where they lie: CHUNK by CHUNK, then each value's tree. Digests are eight numbers until the last step.

struct Digest {
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
    // Unrolled, the schedule lives in registers and the constants in the instructions.
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

// A value of every unit.
struct Hashed {
    const Code *value;
    // Bytes from one unit to the next.
    Size unit;
    int elements;
    // Its first chunk among those of a unit, and its place among the unit's tensors.
    int first, index;
    // tensor_uid.
    Word uid;
    // The first 23 bytes of a TENSOR's preimage, big-endian, and a zero.
    Word head[6];
};

struct Chunks {
    const Hashed *values;
    Digest *leaves;
    // Values, and chunks of all of them in a unit.
    int count, chunks, units;
};

const int CHUNK = 1024;

KERNEL(hash_chunks, Chunks, 128) {
    Size thread = (Size)blockIdx.x * 128 + threadIdx.x;
    if (thread >= (Size)p.units * p.chunks) return;
    int unit = (int)(thread / p.chunks), chunk = (int)(thread % p.chunks);
    // The last value that begins at or before this chunk.
    int low = 0, high = p.count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (p.values[middle].first <= chunk)
            low = middle;
        else
            high = middle;
    }
    const Hashed &value = p.values[low];
    int index = chunk - value.first, left = value.elements - index * CHUNK, length = left < CHUNK ? left : CHUNK;
    const uint4 *data = (const uint4 *)(value.value + unit * value.unit + (Size)index * CHUNK);

    // 00, version, type, length, uid, index, three zeros; then the data and the end of the message.
    Word w[16] = {0x00010000u | (length & 0xff), (Word)(length >> 8) << 24 | swap_bytes(value.uid) >> 8,
                  swap_bytes(value.uid) << 24 | swap_bytes(index) >> 8, swap_bytes(index) << 24};
    Digest state = begin();
    int bytes = 16 + length, blocks = (bytes + 9 + 63) / 64;
    for (int block = 0; block < blocks; ++block) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            int at = block * 64 + i * 16;
            if (at < 16) continue;
            // Units are padded to whole lines of 16 bytes.
            uint4 line = {};
            if (at < bytes) line = data[at / 16 - 1];
            Word words[4] = {line.x, line.y, line.z, line.w};
#pragma unroll
            for (int j = 0; j < 4; ++j, at += 4) {
                Word word = at < bytes ? swap_bytes(words[j]) : 0;
                int beyond = at + 4 - bytes;
                if (beyond > 0 && beyond < 4) word = word >> beyond * 8 << beyond * 8 | 0x80u << (beyond - 1) * 8;
                if (beyond == 4) word = 0x80000000;
                w[i * 4 + j] = word;
            }
        }
        if (block == blocks - 1) w[15] = bytes * 8;
        compress(state, w);
    }
    p.leaves[thread] = state;
}

struct Trees {
    const Hashed *values;
    // Chunk hashes, and as much room again.
    Digest *leaves, *spare;
    // What stands for missing leaves, by depth.
    const Digest *empty;
    // 32 bytes per tensor of a unit.
    Digest *tensors;
    int chunks, tensors_per_unit;
};

// A block per value and unit.
KERNEL(hash_trees, Trees, 128) {
    const Hashed &value = p.values[blockIdx.x];
    Size first = (Size)blockIdx.y * p.chunks + value.first;
    Digest *from = p.leaves + first, *to = p.spare + first;
    int count = (value.elements + CHUNK - 1) / CHUNK;
    for (int depth = 0; count > 1; ++depth) {
        int parents = (count + 1) / 2;
        for (int i = threadIdx.x; i < parents; i += 128) to[i] = node(from[2 * i], 2 * i + 1 < count ? from[2 * i + 1] : p.empty[depth]);
        // The next level is read by other threads than wrote it.
        __syncthreads();
        Digest *written = to;
        to = from;
        from = written;
        count = parents;
    }
    if (threadIdx.x > 0) return;
    // TENSOR: 02, 22 bytes about it, the root.
    Word w[16];
    for (int i = 0; i < 6; ++i) w[i] = value.head[i];
    Word before = 0;
    for (int i = 0; i < 8; ++i) {
        Word word = from[0].at[i];
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
    p.tensors[(Size)blockIdx.y * p.tensors_per_unit + value.index] = state;
}

// A GPU's way to run kernels, on a CPU: in the place of src/cuda/kernels/instructions.cu, so that the other sources compile as C++.
//
// Blocks run one after another. The threads of a block are fibers, which give way where a real one would wait: at a barrier, or in an
// instruction of the whole warp. Warps and lanes take turns in changing order, and asynchronous copies arrive as late as they may, so that a
// barrier or a wait that is missing shows. Instructions follow the PTX ISA's definition, not what the kernels make of them. Whatever a GPU
// would leave undefined is an error.

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static thread_local
#define __align__(bytes) __attribute__((aligned(bytes)))

#define DEVICE static inline
#define DEVICE_MEMBER inline

#define KERNEL(name, Params, threads) \
    static void name##_body(const Params &p); \
    extern "C" void name(const void *p) { name##_body(*(const Params *)p); } \
    extern "C" unsigned name##_bytes() { return sizeof(Params); } \
    extern "C" unsigned name##_threads() { return threads; } \
    static void name##_body(const Params &p)

struct __align__(16) uint4 {
    unsigned x, y, z, w;
};

namespace gpu {

const int WARP = 32, MOST_THREADS = 1024, STACK = 128 << 10;

struct Index {
    unsigned x, y;
};

enum State { READY, AT_WARP, AT_BARRIER, DONE };

struct Copy {
    void *to;
    const void *from;
};

struct Thread {
    Index index;
    State state;
    bool started;
    jmp_buf where;
    ucontext_t entry;
    char *stack;
    // What the warp does together, and this lane's part in it.
    void (*perform)(Thread *lanes);
    void *part;
    // Closed groups of copies, and the open one at the end.
    std::vector<std::vector<Copy>> copies;
};

struct Block {
    Thread threads[MOST_THREADS];
    jmp_buf scheduler;
    ucontext_t ignored;
    void (*kernel)(const void *);
    const void *params;
    char error[200];
};

static thread_local Block *block;
static thread_local Thread *current;
static thread_local Index block_index;

static void fail(const char *what) {
    if (!block->error[0])
        snprintf(block->error, sizeof block->error, "block %u, %u, thread %u: %s", block_index.x, block_index.y, current->index.x, what);
    current->state = DONE;
    _longjmp(block->scheduler, 1);
}

static void give_way(State state) {
    current->state = state;
    if (!_setjmp(current->where)) _longjmp(block->scheduler, 1);
}

static void enter() {
    block->kernel(block->params);
    for (auto &group : current->copies)
        if (!group.empty()) fail("it ends before its copies have arrived");
    current->state = DONE;
    _longjmp(block->scheduler, 1);
}

static void resume(Thread *thread) {
    current = thread;
    if (_setjmp(block->scheduler)) return;
    if (thread->started) _longjmp(thread->where, 1);
    thread->started = true;
    setcontext(&thread->entry);
}

// Runs the lanes of a warp until each has ended or is at the barrier.
static void run_warp(Thread *lanes, bool backwards) {
    for (;;) {
        for (int i = 0; i < WARP; ++i) {
            Thread *thread = &lanes[backwards ? WARP - 1 - i : i];
            if (thread->state == READY) resume(thread);
            if (block->error[0]) return;
        }
        int waiting = 0;
        for (int i = 0; i < WARP; ++i) waiting += lanes[i].state == AT_WARP && lanes[i].perform == lanes[0].perform;
        if (waiting < WARP) {
            for (int i = 0; i < WARP; ++i)
                if (lanes[i].state == AT_WARP) {
                    current = &lanes[i];
                    snprintf(block->error, sizeof block->error, "block %u, %u, thread %u: only %d lanes are at an instruction of the whole warp",
                             block_index.x, block_index.y, current->index.x, waiting);
                    return;
                }
            return;
        }
        current = &lanes[0];
        if (_setjmp(block->scheduler)) return;
        lanes[0].perform(lanes);
        for (int i = 0; i < WARP; ++i) lanes[i].state = READY;
    }
}

static void run_block(int threads, bool backwards) {
    for (int i = 0; i < threads; ++i) {
        Thread &thread = block->threads[i];
        thread.index = {(unsigned)i, 0};
        thread.state = READY;
        thread.started = false;
        thread.copies.assign(1, {});
        if (!thread.stack) thread.stack = new char[STACK];
        getcontext(&thread.entry);
        thread.entry.uc_stack.ss_sp = thread.stack;
        thread.entry.uc_stack.ss_size = STACK;
        thread.entry.uc_link = nullptr;
        makecontext(&thread.entry, enter, 0);
    }
    for (;;) {
        int warps = threads / WARP, at_barrier = 0;
        for (int i = 0; i < warps; ++i) {
            run_warp(&block->threads[(backwards ? warps - 1 - i : i) * WARP], backwards);
            if (block->error[0]) return;
        }
        for (int i = 0; i < threads; ++i) at_barrier += block->threads[i].state == AT_BARRIER;
        if (at_barrier == 0) return;
        if (at_barrier < threads) {
            snprintf(block->error, sizeof block->error, "block %u, %u: only %d of %d threads are at the barrier", block_index.x, block_index.y,
                     at_barrier, threads);
            return;
        }
        for (int i = 0; i < threads; ++i) block->threads[i].state = READY;
    }
}

// Every lane of the warp takes part with a Part of its own.
template <class Part> void together(void (*perform)(Thread *lanes), Part &part) {
    current->perform = perform;
    current->part = &part;
    give_way(AT_WARP);
}

template <class Part> Part &part(Thread *lanes, int lane) { return *(Part *)lanes[lane].part; }

static uint8_t byte(unsigned word, int index) { return word >> index * 8; }

// What accumulators cannot hold is never asked of them: hardware would wrap or saturate.
static int narrow(int64_t sum) {
    if (sum != (int32_t)sum) fail("a sum does not fit its accumulator");
    return (int32_t)sum;
}

}  // namespace gpu

#define threadIdx (gpu::current->index)
#define blockIdx (gpu::block_index)

// Runs a kernel on a grid. Null, or what went wrong; the text is good until the next launch of the same thread.
extern "C" const char *emulate(void (*kernel)(const void *), const void *params, unsigned across, unsigned down, unsigned threads) {
    using namespace gpu;
    if (!block) block = new Block();
    block->kernel = kernel;
    block->params = params;
    block->error[0] = 0;
    if (threads % WARP || threads > MOST_THREADS) return "a block has whole warps and at most 1024 threads";
    for (unsigned y = 0; y < down; ++y)
        for (unsigned x = 0; x < across; ++x) {
            block_index = {x, y};
            run_block(threads, (x + y) % 2);
            if (block->error[0]) return block->error;
        }
    return nullptr;
}

static inline void __syncthreads() { gpu::give_way(gpu::AT_BARRIER); }

DEVICE int dot_u8_s8(unsigned a, unsigned b, int sum) {
    int64_t result = sum;
    for (int i = 0; i < 4; ++i) result += gpu::byte(a, i) * (int8_t)gpu::byte(b, i);
    return gpu::narrow(result);
}

DEVICE int dot_u8_u8(unsigned a, unsigned b, int sum) {
    int64_t result = sum;
    for (int i = 0; i < 4; ++i) result += gpu::byte(a, i) * gpu::byte(b, i);
    return gpu::narrow(result);
}

DEVICE unsigned max_u8x4(unsigned a, unsigned b) {
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) result |= (unsigned)(gpu::byte(a, i) > gpu::byte(b, i) ? gpu::byte(a, i) : gpu::byte(b, i)) << i * 8;
    return result;
}

DEVICE unsigned swap_bytes(unsigned word) { return __builtin_bswap32(word); }

DEVICE unsigned rotate_right(unsigned word, int bits) { return word >> bits | word << (32 - bits); }

struct Shuffle {
    int value, lanes, result;
};

DEVICE int shuffle_xor(int value, int lanes) {
    Shuffle part = {value, lanes, 0};
    gpu::together(
        [](gpu::Thread *all) {
            for (int i = 0; i < 32; ++i) {
                Shuffle &own = gpu::part<Shuffle>(all, i);
                own.result = gpu::part<Shuffle>(all, i ^ own.lanes).value;
            }
        },
        part);
    return part.result;
}

DEVICE void copy_16(void *shared, const void *global) {
    if (((uintptr_t)shared | (uintptr_t)global) % 16) gpu::fail("a copy of 16 bytes is not aligned to them");
#if __CUDA_ARCH__ >= 800
    gpu::current->copies.back().push_back({shared, global});
#else
    memcpy(shared, global, 16);
#endif
}

DEVICE void close_copies() {
#if __CUDA_ARCH__ >= 800
    gpu::current->copies.emplace_back();
#endif
}

template <int open> DEVICE void copies_arrived() {
#if __CUDA_ARCH__ >= 800
    auto &groups = gpu::current->copies;
    // The group at the end is not closed: a wait does not concern it.
    while (groups.size() > open + 1) {
        for (auto &copy : groups.front()) memcpy(copy.to, copy.from, 16);
        groups.erase(groups.begin());
    }
#endif
}

struct Matrices {
    unsigned *to;
    const void *row;
};

// ldmatrix: lane i points at row i % 8 of matrix i / 8, and gets the two 16-bit elements 2 * (i % 4) of row i / 4 of each matrix.
DEVICE void load_matrices(unsigned (&to)[4], const void *row) {
    if ((uintptr_t)row % 16) gpu::fail("a matrix row is not aligned to 16 bytes");
    Matrices part = {to, row};
    gpu::together(
        [](gpu::Thread *lanes) {
            for (int lane = 0; lane < 32; ++lane)
                for (int matrix = 0; matrix < 4; ++matrix) {
                    const char *from = (const char *)gpu::part<Matrices>(lanes, matrix * 8 + lane / 4).row;
                    memcpy(&gpu::part<Matrices>(lanes, lane).to[matrix], from + lane % 4 * 4, 4);
                }
        },
        part);
}

struct Multiply {
    int *c[4];
    unsigned a[4], b[2];
};

// mma of M x 8 x K: which element of A, B and C a lane's i-th is, as in "Matrix Fragments for mma.m8n8k16" and "... mma.m16n8k32".
template <int M, int K, class B> void multiply_accumulate(gpu::Thread *lanes) {
    uint8_t a[M][K], b[K][8];
    int64_t c[M][8];
    const bool large = M == 16;
    auto c_row = [&](int lane, int i) { return (lane >> 2) + (large && i >= 2 ? 8 : 0); };
    auto c_column = [&](int lane, int i) { return lane % 4 * 2 + (i & 1); };
    for (int lane = 0; lane < 32; ++lane) {
        Multiply &part = gpu::part<Multiply>(lanes, lane);
        int group = lane >> 2, in_group = lane % 4;
        for (int i = 0; i < M * K / 32; ++i) {
            int row = !large || i < 4 || (8 <= i && i < 12) ? group : group + 8;
            int column = in_group * 4 + (i & 3) + (i < 8 ? 0 : 16);
            a[row][column] = gpu::byte(part.a[i / 4], i % 4);
        }
        for (int i = 0; i < K * 8 / 32; ++i) b[in_group * 4 + (i & 3) + (i < 4 ? 0 : 16)][group] = gpu::byte(part.b[i / 4], i % 4);
        for (int i = 0; i < M * 8 / 32; ++i) c[c_row(lane, i)][c_column(lane, i)] = *part.c[i];
    }
    for (int row = 0; row < M; ++row)
        for (int column = 0; column < 8; ++column)
            for (int k = 0; k < K; ++k) c[row][column] += (int)a[row][k] * (B)b[k][column];
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < M * 8 / 32; ++i) *gpu::part<Multiply>(lanes, lane).c[i] = gpu::narrow(c[c_row(lane, i)][c_column(lane, i)]);
}

template <class B> DEVICE void mma_m8n8k16(int &c0, int &c1, unsigned a, unsigned b) {
    Multiply part = {{&c0, &c1}, {a}, {b}};
    gpu::together(multiply_accumulate<8, 16, B>, part);
}

template <class B> DEVICE void mma_m16n8k32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    Multiply part = {{&c[0], &c[1], &c[2], &c[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}};
    gpu::together(multiply_accumulate<16, 32, B>, part);
}

DEVICE void mma_m8n8k16_u8_s8(int &c0, int &c1, unsigned a, unsigned b) { mma_m8n8k16<int8_t>(c0, c1, a, b); }
DEVICE void mma_m8n8k16_u8_u8(int &c0, int &c1, unsigned a, unsigned b) { mma_m8n8k16<uint8_t>(c0, c1, a, b); }
DEVICE void mma_m16n8k32_u8_s8(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_m16n8k32<int8_t>(c, a, b0, b1); }
DEVICE void mma_m16n8k32_u8_u8(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) { mma_m16n8k32<uint8_t>(c, a, b0, b1); }

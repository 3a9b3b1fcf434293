// Emulates a GPU's execution model on a CPU. Replaces src/cuda/kernels/instructions.cu, so that the other sources compile as C++.
//
// Blocks run one after another. The threads of a block are fibers, which yield where a real thread would wait: at a barrier, or in an
// instruction of a whole warp or of four warps. To expose missing barriers and waits, warps and lanes run in changing orders, asynchronous
// copies arrive as late as allowed, and asynchronous products finish as late as allowed, on operands that must not have changed meanwhile.
// Instructions follow the definitions of the PTX ISA, independently of how the kernels use them. Anything that is undefined on a GPU is an
// error.

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
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

#define LARGE_KERNEL(name, Params, threads, bytes) \
    extern "C" unsigned name##_launched() { return bytes; } \
    KERNEL(name, Params, threads)

#define LAUNCHED_MEMORY (gpu::block->launched)

struct __align__(16) uint4 {
    unsigned x, y, z, w;
};

namespace gpu {

const int WARP = 32, GROUP = 4 * WARP, MOST_THREADS = 1024, STACK = 128 << 10;

// The address of dynamic shared memory within shared memory, and its limit per block on Hopper.
const unsigned LAUNCHED_AT = 1024, MOST_LAUNCHED = 227 << 10;

// Fills memory that has not been written yet.
const uint8_t UNTOUCHED = 0xA5;

// Size of the unreadable guard regions around memory.
const size_t FENCE = 16 << 20, PAGE = 4096;

// Size of whole pages that hold this many bytes, plus some before and after.
static size_t fenced_pages(size_t bytes) { return ((bytes + 255) / 256 * 256 + PAGE) / PAGE * PAGE + PAGE; }

struct Index {
    unsigned x, y;
};

enum State { READY, AT_WARP, AT_GROUP, AT_BARRIER, DONE };

struct Copy {
    void *to;
    const void *from;
    unsigned bytes;
};

struct Thread {
    Index index;
    State state;
    bool started;
    // Whether the fiber resumes at `where`. Fibers outlive the block.
    bool alive;
    jmp_buf where;
    ucontext_t entry;
    char *stack;
    // The operation that the warp or group performs together, and this lane's part in it.
    void (*perform)(Thread *lanes);
    void *part;
    // Closed groups of copies, followed by the open one.
    std::vector<std::vector<Copy>> copies;
    // Whether data has arrived that is not yet visible to Hopper's tensor cores.
    bool hidden;
};

// A product in flight: its operands' memory, their content when it started, and each thread's sums.
struct Product {
    uint64_t a, b;
    int columns;
    bool activations;
    uint8_t left[64][32], right[256][32];
    int *sums[GROUP];
};

// Closed groups of products of four warps, followed by the open one.
struct Products {
    bool opened;
    std::vector<std::vector<Product>> groups;
};

struct Block {
    Thread threads[MOST_THREADS];
    jmp_buf scheduler;
    ucontext_t ignored;
    void (*kernel)(const void *);
    const void *params;
    Products products[MOST_THREADS / GROUP];
    // The dynamic shared memory of the launch.
    uint8_t *launched;
    unsigned launched_bytes;
    // Number of products in flight that read each 16 bytes of it.
    std::vector<int> products_of;
    char error[200];
};

static thread_local Block *block;
static thread_local Thread *current;
static thread_local Index block_index, grid_size;

static void fail(const char *what) {
    if (!block->error[0])
        snprintf(block->error, sizeof block->error, "block %u, %u, thread %u: %s", block_index.x, block_index.y, current->index.x, what);
    current->state = DONE;
    current->alive = false;
    _longjmp(block->scheduler, 1);
}

static void give_way(State state) {
    current->state = state;
    if (!_setjmp(current->where)) _longjmp(block->scheduler, 1);
}

// Runs one block after the other.
static void enter() {
    for (;;) {
        block->kernel(block->params);
        for (auto &group : current->copies)
            if (!group.empty()) fail("it ends before its copies have arrived");
        for (auto &group : block->products[current->index.x / GROUP].groups)
            if (!group.empty()) fail("it ends before its products are done");
        give_way(DONE);
    }
}

static void resume(Thread *thread) {
    current = thread;
    if (_setjmp(block->scheduler)) return;
    thread->started = true;
    if (thread->alive) _longjmp(thread->where, 1);
    thread->alive = true;
    if (!thread->stack) thread->stack = new char[STACK];
    getcontext(&thread->entry);
    thread->entry.uc_stack.ss_sp = thread->stack;
    thread->entry.uc_stack.ss_size = STACK;
    thread->entry.uc_link = nullptr;
    makecontext(&thread->entry, enter, 0);
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

// Performs the operation that a group of four warps is waiting for, if there is one: completely, or as much of it as possible.
static bool run_group(Thread *lanes, int threads) {
    int waiting = 0;
    for (int i = 0; i < threads; ++i) waiting += lanes[i].state == AT_GROUP && lanes[i].perform == lanes[0].perform;
    if (waiting < GROUP) {
        for (int i = 0; i < threads; ++i)
            if (lanes[i].state == AT_GROUP)
                snprintf(block->error, sizeof block->error, "block %u, %u, thread %u: only %d threads are at an instruction of four warps",
                         block_index.x, block_index.y, lanes[i].index.x, waiting);
        return false;
    }
    current = &lanes[0];
    if (_setjmp(block->scheduler)) return false;
    lanes[0].perform(lanes);
    for (int i = 0; i < GROUP; ++i) lanes[i].state = READY;
    return true;
}

static void run_block(int threads, bool backwards) {
    for (int i = 0; i < threads; ++i) {
        Thread &thread = block->threads[i];
        thread.index = {(unsigned)i, 0};
        // A fiber that an error stopped half-way is restarted.
        if (thread.state != DONE) thread.alive = false;
        thread.state = READY;
        thread.started = false;
        thread.copies.assign(1, {});
        thread.hidden = false;
    }
    for (Products &products : block->products) products = {false, {{}}};
    memset(block->launched, 0xA5, block->launched_bytes);
    block->products_of.assign(block->launched_bytes / 16, 0);
    for (;;) {
        // Each group runs as far as it can on its own.
        int groups = (threads + GROUP - 1) / GROUP, at_barrier = 0;
        for (int i = 0; i < groups; ++i) {
            int first = (backwards ? groups - 1 - i : i) * GROUP, warps = (threads - first < GROUP ? threads - first : GROUP) / WARP;
            do {
                for (int j = 0; j < warps; ++j) {
                    run_warp(&block->threads[first + (backwards ? warps - 1 - j : j) * WARP], backwards);
                    if (block->error[0]) return;
                }
            } while (run_group(&block->threads[first], warps * WARP));
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

// Every lane of the warp, or of the group of warps, contributes its own Part.
template <class Part> void together(void (*perform)(Thread *lanes), Part &part, State where = AT_WARP) {
    current->perform = perform;
    current->part = &part;
    give_way(where);
}

template <class Part> Part &part(Thread *lanes, int lane) { return *(Part *)lanes[lane].part; }

static uint8_t byte(unsigned word, int index) { return word >> index * 8; }

// A sum of products of bytes; the right operand is B's. Tensor cores do little else, so this takes most of the time of the emulation.
template <int K, class B> __attribute__((no_sanitize("undefined"))) static int dot(const uint8_t *left, const uint8_t *right) {
    int sum = 0;
    for (int k = 0; k < K; ++k) sum += left[k] * (B)right[k];
    return sum;
}

// Sums must never overflow the accumulators: hardware would wrap or saturate.
static int narrow(int64_t sum) {
    if (sum != (int32_t)sum) fail("a sum does not fit its accumulator");
    return (int32_t)sum;
}

}  // namespace gpu

#define threadIdx (gpu::current->index)
#define blockIdx (gpu::block_index)
#define gridDim (gpu::grid_size)

// Allocates GPU memory with arbitrary content. Accesses far outside of it end the process; the bytes right before and after it are checked
// for changes.
extern "C" uint8_t *fenced(size_t bytes) {
    using namespace gpu;
    size_t inside = fenced_pages(bytes);
    auto start = (uint8_t *)mmap(nullptr, inside + 2 * FENCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED || mprotect(start + FENCE, inside, PROT_READ | PROT_WRITE)) abort();
    memset(start + FENCE, UNTOUCHED, inside);
    return start + FENCE + inside - (bytes + 255) / 256 * 256;
}

// Frees GPU memory. Returns whether the bytes around it are unchanged.
extern "C" bool unfenced(uint8_t *memory, size_t bytes) {
    using namespace gpu;
    size_t inside = fenced_pages(bytes);
    uint8_t *end = memory + (bytes + 255) / 256 * 256, *start = end - inside;
    bool whole = true;
    for (uint8_t *byte = start; byte < end; ++byte)
        if (byte == memory)
            byte += bytes - 1;
        else
            whole &= *byte == UNTOUCHED;
    munmap(start - FENCE, inside + 2 * FENCE);
    return whole;
}

// Runs a kernel on a grid. Returns null or an error message, which is valid until the thread's next launch.
extern "C" const char *emulate(void (*kernel)(const void *), const void *params, unsigned across, unsigned down, unsigned threads,
                               unsigned launched) {
    using namespace gpu;
    if (!block) block = new Block();
    if (launched > MOST_LAUNCHED) return "a block has at most 227 KiB of shared memory";
    // Bytes past its end must not change.
    const unsigned BEYOND = 4096;
    std::vector<uint8_t> memory(LAUNCHED_AT + launched + BEYOND, UNTOUCHED);
    block->launched = memory.data() + LAUNCHED_AT - (uintptr_t)memory.data() % LAUNCHED_AT;
    block->launched_bytes = launched;
    block->kernel = kernel;
    block->params = params;
    block->error[0] = 0;
    if (threads % WARP || threads > MOST_THREADS) return "a block has whole warps and at most 1024 threads";
    grid_size = {across, down};
    for (unsigned y = 0; y < down; ++y)
        for (unsigned x = 0; x < across; ++x) {
            block_index = {x, y};
            run_block(threads, (x + y) % 2);
            if (block->error[0]) return block->error;
            for (const uint8_t *byte = block->launched + launched; byte < memory.data() + memory.size(); ++byte)
                if (*byte != UNTOUCHED) return "a block wrote beyond the shared memory it was launched with";
        }
    return nullptr;
}

static inline void __syncthreads() { gpu::give_way(gpu::AT_BARRIER); }

// For compilers alone.
DEVICE void in_order() {}

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

namespace gpu {

static void copy(void *shared, const void *global, unsigned bytes) {
    if (((uintptr_t)shared | (uintptr_t)global) % bytes) fail("a copy is not aligned to its length");
    auto offset = (uint8_t *)shared - block->launched;
    if (offset >= 0 && offset < block->launched_bytes && block->products_of[offset / 16]) fail("it copies over what a product reads");
#if __CUDA_ARCH__ >= 800
    current->copies.back().push_back({shared, global, bytes});
#else
    memcpy(shared, global, bytes);
#endif
}

}  // namespace gpu

DEVICE void copy_16(void *shared, const void *global) { gpu::copy(shared, global, 16); }
DEVICE void copy_4(void *shared, const void *global) { gpu::copy(shared, global, 4); }

DEVICE void close_copies() {
#if __CUDA_ARCH__ >= 800
    gpu::current->copies.emplace_back();
#endif
}

template <int open> DEVICE void copies_arrived() {
#if __CUDA_ARCH__ >= 800
    auto &groups = gpu::current->copies;
    // The last group is not closed, so waits do not include it.
    while (groups.size() > open + 1) {
        for (auto &copy : groups.front()) memcpy(copy.to, copy.from, copy.bytes);
        gpu::current->hidden |= !groups.front().empty();
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

// mma of M x 8 x K: maps a lane's i-th element to A, B and C, as in "Matrix Fragments for mma.m8n8k16" and "... mma.m16n8k32".
template <int M, int K, class B> void multiply_accumulate(gpu::Thread *lanes) {
    uint8_t a[M][K], b[8][K];
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
        for (int i = 0; i < K * 8 / 32; ++i) b[group][in_group * 4 + (i & 3) + (i < 4 ? 0 : 16)] = gpu::byte(part.b[i / 4], i % 4);
        for (int i = 0; i < M * 8 / 32; ++i) c[c_row(lane, i)][c_column(lane, i)] = *part.c[i];
    }
    for (int row = 0; row < M; ++row)
        for (int column = 0; column < 8; ++column) c[row][column] += gpu::dot<K, B>(a[row], b[column]);
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

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

static unsigned shared_address(const void *pointer) {
    auto offset = (const uint8_t *)pointer - gpu::block->launched;
    if (offset < 0 || offset >= gpu::block->launched_bytes) gpu::fail("an address is not one of launched memory");
    return gpu::LAUNCHED_AT + offset;
}

// For compilers alone.
DEVICE void settle(int &) {}

DEVICE void show_to_tensor_cores() { gpu::current->hidden = false; }

namespace gpu {

static Products &own_products(Thread *lanes) { return block->products[lanes[0].index.x / GROUP]; }

// 16 bytes of a K-major matrix, as in "Matrix Descriptor Format" and "Shared Memory Matrix Layout".
static const uint8_t *described_bytes(uint64_t matrix, int row, int at) {
    unsigned start = (matrix & 0x3fff) << 4, eight_rows = (matrix >> 32 & 0x3fff) << 4;
    if (matrix >> 62 != 2 || (matrix >> 49 & 7) != 0) fail("of descriptors only those with a swizzle of 64 bytes are emulated");
    unsigned address = start + row / 8 * eight_rows + row % 8 * 64 + at;
    // XOR bits 4 and 5 with bits 7 and 8.
    address ^= (address >> 7 & 3) << 4;
    if (address < LAUNCHED_AT || address - LAUNCHED_AT >= block->launched_bytes) fail("a matrix lies outside of launched memory");
    return &block->launched[address - LAUNCHED_AT];
}

// Reads a product's matrices, and changes the number of products in flight that use them.
static void read_operands(Product &product, int more) {
    for (int at = 0; at < 32; at += 16)
        for (int row = 0; row < 64 + product.columns; ++row) {
            const uint8_t *from = row < 64 ? described_bytes(product.a, row, at) : described_bytes(product.b, row - 64, at);
            memcpy(row < 64 ? &product.left[row][at] : &product.right[row - 64][at], from, 16);
            block->products_of[(from - block->launched) / 16] += more;
        }
}

static void finish_product(const Product &product) {
    Product now = product;
    read_operands(now, -1);
    if (memcmp(now.left, product.left, sizeof now.left) || memcmp(now.right, product.right, sizeof now.right))
        fail("a product's memory was written to before it was done");
    // As in "Register Fragments for wgmma.mma_async.m64nNk32", D.
    for (int thread = 0; thread < GROUP; ++thread)
        for (int i = 0; i < product.columns / 2; ++i) {
            int lane = thread % 32, row = thread / 32 * 16 + lane / 4 + (i / 2) % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
            auto sum = product.activations ? dot<32, uint8_t> : dot<32, int8_t>;
            product.sums[thread][i] = narrow((int64_t)product.sums[thread][i] + sum(product.left[row], product.right[column]));
        }
}

static void begin_product(Thread *lanes) {
    Products &products = own_products(lanes);
    if (!products.opened) fail("products are begun before they are opened");
    for (int i = 0; i < MOST_THREADS; ++i)
        if (block->threads[i].started && block->threads[i].hidden) fail("tensor cores may not see what a thread has copied");
    Product product = part<Product>(lanes, 0);
    for (int i = 0; i < GROUP; ++i) {
        const Product &own = part<Product>(lanes, i);
        if (own.a != product.a || own.b != product.b) fail("threads of a product name different matrices");
        product.sums[i] = own.sums[0];
    }
    read_operands(product, 1);
    products.groups.back().push_back(product);
}

template <int eights> static void multiply_group(int (&c)[eights][4], uint64_t a, uint64_t b, bool activations) {
    Product part = {a, b, eights * 8, activations, {}, {}, {&c[0][0]}};
    together(begin_product, part, AT_GROUP);
}

}  // namespace gpu

DEVICE void open_products() {
    int part = 0;
    gpu::together([](gpu::Thread *lanes) { gpu::own_products(lanes).opened = true; }, part, gpu::AT_GROUP);
}

DEVICE void close_products() {
    int part = 0;
    gpu::together([](gpu::Thread *lanes) { gpu::own_products(lanes).groups.emplace_back(); }, part, gpu::AT_GROUP);
}

template <int open> DEVICE void products_done() {
    int part = 0;
    gpu::together(
        [](gpu::Thread *lanes) {
            auto &groups = gpu::own_products(lanes).groups;
            while (groups.size() > open + 1) {
                for (auto &product : groups.front()) gpu::finish_product(product);
                groups.erase(groups.begin());
            }
            // The sums may be used now. Afterwards, products have to be opened again.
            if (open == 0) gpu::own_products(lanes).opened = false;
        },
        part, gpu::AT_GROUP);
}

template <int eights> DEVICE void wgmma_u8_s8(int (&c)[eights][4], unsigned long long a, unsigned long long b) {
    gpu::multiply_group(c, a, b, false);
}
template <int eights> DEVICE void wgmma_u8_u8(int (&c)[eights][4], unsigned long long a, unsigned long long b) {
    gpu::multiply_group(c, a, b, true);
}

#endif

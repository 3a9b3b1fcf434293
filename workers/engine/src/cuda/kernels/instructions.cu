// Kernel declarations and GPU instructions, which standard C++ does not have. Tests replace this file with an emulation.

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__

// Every kernel takes one struct by value, so that all are launched the same way.
#define KERNEL(name, Params, threads) extern "C" __global__ void __launch_bounds__(threads) name(const Params p)

// A kernel that is launched with `bytes` of dynamic shared memory, which begin at `LAUNCHED_MEMORY`. A kernel can get more than 48 KiB only
// in this way. One block fills a multiprocessor, except for a third of its registers, which are left for kernels that run next to it.
#define LARGE_KERNEL(name, Params, threads, bytes) KERNEL(name, Params, threads / 2 * 3)

extern __shared__ __align__(1024) unsigned char LAUNCHED_MEMORY[];

// Keeps the compiler from moving later computations before this point.
DEVICE void in_order() { asm volatile("" ::: "memory"); }

DEVICE unsigned shared_address(const void *pointer) { return (unsigned)__cvta_generic_to_shared(pointer); }

// Adds the dot product of four bytes by four bytes to a sum.
DEVICE int dot_u8_s8(unsigned a, unsigned b, int sum) {
    int result;
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

DEVICE int dot_u8_u8(unsigned a, unsigned b, int sum) { return (int)__dp4a(a, b, (unsigned)sum); }

DEVICE unsigned max_u8x4(unsigned a, unsigned b) { return __vmaxu4(a, b); }

DEVICE unsigned swap_bytes(unsigned word) { return __byte_perm(word, 0, 0x0123); }

DEVICE unsigned rotate_right(unsigned word, int bits) { return __funnelshift_r(word, word, bits); }

DEVICE int shuffle_xor(int value, int lanes) { return __shfl_xor_sync(0xffffffff, value, lanes); }

// Copies 16 bytes to shared memory, asynchronously if the GPU can. The copy is complete when copies_arrived has waited for its group.
DEVICE void copy_16(void *shared, const void *global) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global) : "memory");
#else
    *(uint4 *)shared = *(const uint4 *)global;
#endif
}

// Likewise for 4 bytes.
DEVICE void copy_4(void *shared, const void *global) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(shared)), "l"(global) : "memory");
#else
    *(unsigned *)shared = *(const unsigned *)global;
#endif
}

DEVICE void close_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most `open` of the closed groups are in flight.
template <int open> DEVICE void copies_arrived() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory");
#endif
}

#if __CUDA_ARCH__ >= 750

// Loads four 8x8 matrices of 16-bit elements; lane i points to row i % 8 of matrix i / 8.
DEVICE void load_matrices(unsigned (&to)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void mma_m8n8k16_u8_s8(int &c0, int &c1, unsigned a, unsigned b) {
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(c0), "+r"(c1) : "r"(a), "r"(b));
}

DEVICE void mma_m8n8k16_u8_u8(int &c0, int &c1, unsigned a, unsigned b) {
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.u8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(c0), "+r"(c1) : "r"(a), "r"(b));
}

#endif

#if __CUDA_ARCH__ >= 800

DEVICE void mma_m16n8k32_u8_s8(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

DEVICE void mma_m16n8k32_u8_u8(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// Hopper's tensor cores read shared memory through a different proxy than threads. This makes the thread's writes visible to them.
DEVICE void show_to_tensor_cores() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Four warps together start products asynchronously, and close them into groups that can be waited for. open_products must come before the
// first product, and again after any other access to the sums.
DEVICE void open_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void close_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most `open` of the closed groups are in flight.
template <int open> DEVICE void products_done() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(open) : "memory"); }

// Tells the compiler that a sum changes here: it does not know that sums are written asynchronously, until products_done.
DEVICE void settle(int &sum) { asm volatile("" : "+r"(sum)::"memory"); }

#define SUMS_4(j) "+r"(c[j][0]), "+r"(c[j][1]), "+r"(c[j][2]), "+r"(c[j][3])
#define SUMS_16(j) SUMS_4(j), SUMS_4(j + 1), SUMS_4(j + 2), SUMS_4(j + 3)
#define WGMMA_M64N128K32(types) \
    asm volatile( \
        "{\n.reg .pred add;\nsetp.ne.b32 add, %66, 0;\n" \
        "wgmma.mma_async.sync.aligned.m64n128k32.s32." types " " \
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, " \
        "%25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, add;\n}" \
        : SUMS_16(0), SUMS_16(4), SUMS_16(8), SUMS_16(12) \
        : "l"(a), "l"(b), "r"(1))
#define WGMMA_M64N256K32(types) \
    asm volatile( \
        "{\n.reg .pred add;\nsetp.ne.b32 add, %130, 0;\n" \
        "wgmma.mma_async.sync.aligned.m64n256k32.s32." types " " \
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, " \
        "%25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, " \
        "%71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, " \
        "%94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, " \
        "%114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, %128, %129, add;\n}" \
        : SUMS_16(0), SUMS_16(4), SUMS_16(8), SUMS_16(12), SUMS_16(16), SUMS_16(20), SUMS_16(24), SUMS_16(28) \
        : "l"(a), "l"(b), "r"(1))

// c += a · b over 32 bytes of 64 rows and of 128 or 256 columns, depending on the number of sums.
DEVICE void wgmma_u8_s8(int (&c)[16][4], unsigned long long a, unsigned long long b) { WGMMA_M64N128K32("u8.s8"); }
DEVICE void wgmma_u8_u8(int (&c)[16][4], unsigned long long a, unsigned long long b) { WGMMA_M64N128K32("u8.u8"); }
DEVICE void wgmma_u8_s8(int (&c)[32][4], unsigned long long a, unsigned long long b) { WGMMA_M64N256K32("u8.s8"); }
DEVICE void wgmma_u8_u8(int (&c)[32][4], unsigned long long a, unsigned long long b) { WGMMA_M64N256K32("u8.u8"); }

#endif

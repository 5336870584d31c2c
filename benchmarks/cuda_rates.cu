// What a GPU can do of each kind of work, a second or two: one JSON object. gpu_session.py measures the kernels against
// it. nvcc -std=c++17 -O3 -gencode=arch=compute_90a,code=sm_90a; built for another device, or run on one, it leaves out
// the products of warpgroups.
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

void check(cudaError_t error) {
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "cuda_rates: %s\n", cudaGetErrorString(error));
    std::exit(1);
}

constexpr int kTileBytes = 48 * 1024;  // a: 16 KiB, b: 32 KiB
constexpr int kProductBytes = kTileBytes + 1024;
constexpr int kParts = 4;  // of a round: 32 bytes of depth each

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
// clang-format off
__device__ void multiply_halves(float (&s)[128], std::uint64_t a, std::uint64_t b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, 1, 1, 1, 0, 0;"
        : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3]), "+f"(s[4]), "+f"(s[5]), "+f"(s[6]), "+f"(s[7]),
          "+f"(s[8]), "+f"(s[9]), "+f"(s[10]), "+f"(s[11]), "+f"(s[12]), "+f"(s[13]), "+f"(s[14]), "+f"(s[15]),
          "+f"(s[16]), "+f"(s[17]), "+f"(s[18]), "+f"(s[19]), "+f"(s[20]), "+f"(s[21]), "+f"(s[22]), "+f"(s[23]),
          "+f"(s[24]), "+f"(s[25]), "+f"(s[26]), "+f"(s[27]), "+f"(s[28]), "+f"(s[29]), "+f"(s[30]), "+f"(s[31]),
          "+f"(s[32]), "+f"(s[33]), "+f"(s[34]), "+f"(s[35]), "+f"(s[36]), "+f"(s[37]), "+f"(s[38]), "+f"(s[39]),
          "+f"(s[40]), "+f"(s[41]), "+f"(s[42]), "+f"(s[43]), "+f"(s[44]), "+f"(s[45]), "+f"(s[46]), "+f"(s[47]),
          "+f"(s[48]), "+f"(s[49]), "+f"(s[50]), "+f"(s[51]), "+f"(s[52]), "+f"(s[53]), "+f"(s[54]), "+f"(s[55]),
          "+f"(s[56]), "+f"(s[57]), "+f"(s[58]), "+f"(s[59]), "+f"(s[60]), "+f"(s[61]), "+f"(s[62]), "+f"(s[63]),
          "+f"(s[64]), "+f"(s[65]), "+f"(s[66]), "+f"(s[67]), "+f"(s[68]), "+f"(s[69]), "+f"(s[70]), "+f"(s[71]),
          "+f"(s[72]), "+f"(s[73]), "+f"(s[74]), "+f"(s[75]), "+f"(s[76]), "+f"(s[77]), "+f"(s[78]), "+f"(s[79]),
          "+f"(s[80]), "+f"(s[81]), "+f"(s[82]), "+f"(s[83]), "+f"(s[84]), "+f"(s[85]), "+f"(s[86]), "+f"(s[87]),
          "+f"(s[88]), "+f"(s[89]), "+f"(s[90]), "+f"(s[91]), "+f"(s[92]), "+f"(s[93]), "+f"(s[94]), "+f"(s[95]),
          "+f"(s[96]), "+f"(s[97]), "+f"(s[98]), "+f"(s[99]), "+f"(s[100]), "+f"(s[101]), "+f"(s[102]), "+f"(s[103]),
          "+f"(s[104]), "+f"(s[105]), "+f"(s[106]), "+f"(s[107]), "+f"(s[108]), "+f"(s[109]), "+f"(s[110]), "+f"(s[111]),
          "+f"(s[112]), "+f"(s[113]), "+f"(s[114]), "+f"(s[115]), "+f"(s[116]), "+f"(s[117]), "+f"(s[118]), "+f"(s[119]),
          "+f"(s[120]), "+f"(s[121]), "+f"(s[122]), "+f"(s[123]), "+f"(s[124]), "+f"(s[125]), "+f"(s[126]), "+f"(s[127])
        : "l"(a), "l"(b));
}
__device__ void multiply_bytes(int (&s)[128], std::uint64_t a, std::uint64_t b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
        "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
        "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
        "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
        "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
        "%128, %129, 1;"
        : "+r"(s[0]), "+r"(s[1]), "+r"(s[2]), "+r"(s[3]), "+r"(s[4]), "+r"(s[5]), "+r"(s[6]), "+r"(s[7]),
          "+r"(s[8]), "+r"(s[9]), "+r"(s[10]), "+r"(s[11]), "+r"(s[12]), "+r"(s[13]), "+r"(s[14]), "+r"(s[15]),
          "+r"(s[16]), "+r"(s[17]), "+r"(s[18]), "+r"(s[19]), "+r"(s[20]), "+r"(s[21]), "+r"(s[22]), "+r"(s[23]),
          "+r"(s[24]), "+r"(s[25]), "+r"(s[26]), "+r"(s[27]), "+r"(s[28]), "+r"(s[29]), "+r"(s[30]), "+r"(s[31]),
          "+r"(s[32]), "+r"(s[33]), "+r"(s[34]), "+r"(s[35]), "+r"(s[36]), "+r"(s[37]), "+r"(s[38]), "+r"(s[39]),
          "+r"(s[40]), "+r"(s[41]), "+r"(s[42]), "+r"(s[43]), "+r"(s[44]), "+r"(s[45]), "+r"(s[46]), "+r"(s[47]),
          "+r"(s[48]), "+r"(s[49]), "+r"(s[50]), "+r"(s[51]), "+r"(s[52]), "+r"(s[53]), "+r"(s[54]), "+r"(s[55]),
          "+r"(s[56]), "+r"(s[57]), "+r"(s[58]), "+r"(s[59]), "+r"(s[60]), "+r"(s[61]), "+r"(s[62]), "+r"(s[63]),
          "+r"(s[64]), "+r"(s[65]), "+r"(s[66]), "+r"(s[67]), "+r"(s[68]), "+r"(s[69]), "+r"(s[70]), "+r"(s[71]),
          "+r"(s[72]), "+r"(s[73]), "+r"(s[74]), "+r"(s[75]), "+r"(s[76]), "+r"(s[77]), "+r"(s[78]), "+r"(s[79]),
          "+r"(s[80]), "+r"(s[81]), "+r"(s[82]), "+r"(s[83]), "+r"(s[84]), "+r"(s[85]), "+r"(s[86]), "+r"(s[87]),
          "+r"(s[88]), "+r"(s[89]), "+r"(s[90]), "+r"(s[91]), "+r"(s[92]), "+r"(s[93]), "+r"(s[94]), "+r"(s[95]),
          "+r"(s[96]), "+r"(s[97]), "+r"(s[98]), "+r"(s[99]), "+r"(s[100]), "+r"(s[101]), "+r"(s[102]), "+r"(s[103]),
          "+r"(s[104]), "+r"(s[105]), "+r"(s[106]), "+r"(s[107]), "+r"(s[108]), "+r"(s[109]), "+r"(s[110]), "+r"(s[111]),
          "+r"(s[112]), "+r"(s[113]), "+r"(s[114]), "+r"(s[115]), "+r"(s[116]), "+r"(s[117]), "+r"(s[118]), "+r"(s[119]),
          "+r"(s[120]), "+r"(s[121]), "+r"(s[122]), "+r"(s[123]), "+r"(s[124]), "+r"(s[125]), "+r"(s[126]), "+r"(s[127])
        : "l"(a), "l"(b));
}
__device__ void count_bits(int (&s)[64], std::uint64_t a, std::uint64_t b) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k256.s32.b1.b1.and.popc {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, 1;"
        : "+r"(s[0]), "+r"(s[1]), "+r"(s[2]), "+r"(s[3]), "+r"(s[4]), "+r"(s[5]), "+r"(s[6]), "+r"(s[7]),
          "+r"(s[8]), "+r"(s[9]), "+r"(s[10]), "+r"(s[11]), "+r"(s[12]), "+r"(s[13]), "+r"(s[14]), "+r"(s[15]),
          "+r"(s[16]), "+r"(s[17]), "+r"(s[18]), "+r"(s[19]), "+r"(s[20]), "+r"(s[21]), "+r"(s[22]), "+r"(s[23]),
          "+r"(s[24]), "+r"(s[25]), "+r"(s[26]), "+r"(s[27]), "+r"(s[28]), "+r"(s[29]), "+r"(s[30]), "+r"(s[31]),
          "+r"(s[32]), "+r"(s[33]), "+r"(s[34]), "+r"(s[35]), "+r"(s[36]), "+r"(s[37]), "+r"(s[38]), "+r"(s[39]),
          "+r"(s[40]), "+r"(s[41]), "+r"(s[42]), "+r"(s[43]), "+r"(s[44]), "+r"(s[45]), "+r"(s[46]), "+r"(s[47]),
          "+r"(s[48]), "+r"(s[49]), "+r"(s[50]), "+r"(s[51]), "+r"(s[52]), "+r"(s[53]), "+r"(s[54]), "+r"(s[55]),
          "+r"(s[56]), "+r"(s[57]), "+r"(s[58]), "+r"(s[59]), "+r"(s[60]), "+r"(s[61]), "+r"(s[62]), "+r"(s[63])
        : "l"(a), "l"(b));
}
// clang-format on

enum class Product { halves, bytes, bits };

// Every warpgroup multiplies the same tiles in shared memory, over and over.
template <Product kProduct, class Sum, int kSums>
__device__ void multiply_rounds(int rounds, unsigned words, Sum* out) {
    extern __shared__ __align__(1024) unsigned tile[];
    for (int i = static_cast<int>(threadIdx.x); i < kTileBytes / 4; i += static_cast<int>(blockDim.x)) {
        const unsigned chance = (words + i) * 2654435761u;
        tile[i] = kProduct == Product::halves ? 0x3c003c00u ^ (chance & 0x03ff03ffu) : chance;  // halves of 1 to 2
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    const auto describe = [](unsigned address) {  // lines of 128 bytes, swizzled, groups of 8 lines 1024 apart
        return static_cast<std::uint64_t>((address & 0x3ffff) >> 4) | std::uint64_t{1} << 16 | std::uint64_t{64} << 32 |
               std::uint64_t{1} << 62;
    };
    const auto base = static_cast<unsigned>(__cvta_generic_to_shared(tile));
    const std::uint64_t a = describe(base), b = describe(base + 16 * 1024);
    Sum sums[kSums] = {};
    for (int round = 0; round < rounds; ++round) {
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
            if constexpr (kProduct == Product::halves) multiply_halves(sums, a + 2 * part, b + 2 * part);
            if constexpr (kProduct == Product::bytes) multiply_bytes(sums, a + 2 * part, b + 2 * part);
            if constexpr (kProduct == Product::bits) count_bits(sums, a + 2 * part, b + 2 * part);
        }
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    }
    Sum total = 0;
    for (int i = 0; i < kSums; ++i) total += sums[i];
    if (total == static_cast<Sum>(0x12345)) *out = total;  // the sums are used
}
#define PRODUCT_KERNEL(name, kind, Sum, sums)                                              \
    __global__ void __launch_bounds__(256, 1) name(int rounds, unsigned words, Sum* out) { \
        multiply_rounds<Product::kind, Sum, sums>(rounds, words, out);                     \
    }
#else
#define PRODUCT_KERNEL(name, kind, Sum, sums) \
    __global__ void name(int, unsigned, Sum*) {}
#endif
PRODUCT_KERNEL(halves_kernel, halves, float, 128)
PRODUCT_KERNEL(bytes_kernel, bytes, int, 128)
PRODUCT_KERNEL(bits_kernel, bits, int, 64)

constexpr int kChains = 8, kUnrolled = 4;  // independent operations of a thread, repeated

__global__ void __launch_bounds__(1024) popc_kernel(int rounds, int start, int* out) {
    int value[kChains];
    for (int i = 0; i < kChains; ++i) value[i] = start + static_cast<int>(threadIdx.x) * 77 + i;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int u = 0; u < kUnrolled; ++u) {
#pragma unroll
            for (int i = 0; i < kChains; ++i) value[i] = __popc(value[i]) ^ round;
        }
    }
    int total = 0;
    for (int i = 0; i < kChains; ++i) total += value[i];
    if (total == 123456789) *out = total;
}

__global__ void __launch_bounds__(1024) double_kernel(int rounds, int start, int* out) {
    double value[kChains];
    for (int i = 0; i < kChains; ++i) value[i] = start + static_cast<int>(threadIdx.x) * 77 + i;
    for (int round = 0; round < rounds; ++round) {
#pragma unroll
        for (int u = 0; u < kUnrolled; ++u) {
#pragma unroll
            for (int i = 0; i < kChains; ++i) value[i] = __dadd_rn(value[i], 1.5);
        }
    }
    double total = 0;
    for (int i = 0; i < kChains; ++i) total += value[i];
    if (total == 0.123456789) *out = 1;
}

// Reads what fits into the second-level cache, past the first.
__global__ void __launch_bounds__(512) cache_kernel(const int4* from, std::size_t count, int rounds, int* out) {
    int total = 0;
    const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (int round = 0; round < rounds; ++round) {
        const std::size_t block = (static_cast<std::size_t>(blockIdx.x) * 37 + round * 11) % gridDim.x;
        for (std::size_t i = block * blockDim.x + threadIdx.x; i < count; i += step) {
            int4 x;
            asm volatile("ld.global.cg.v4.s32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                         : "l"(from + i));
            total ^= x.x ^ x.y ^ x.z ^ x.w;
        }
    }
    if (total == 123456789) *out = total;
}

// Milliseconds of the second of two launches.
template <class Launch>
double timed(const Launch& launch) {
    cudaEvent_t start, end;
    check(cudaEventCreate(&start));
    check(cudaEventCreate(&end));
    launch();
    check(cudaEventRecord(start));
    launch();
    check(cudaGetLastError());
    check(cudaEventRecord(end));
    check(cudaEventSynchronize(end));
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start, end));
    return static_cast<double>(ms);
}

void print(const char* name, double value) {
    static const char* separator = "{";
    std::printf("%s\"%s\": %.4g", separator, name, value);
    separator = ", ";
}

// `work`: of one instruction of a warpgroup, of which two share a multiprocessor.
template <class Sum>
void product(const char* name, void (*kernel)(int, unsigned, Sum*), double work, int multiprocessors, void* out) {
    constexpr int kRounds = 100000;
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kProductBytes));
    const double ms =
        timed([&] { kernel<<<multiprocessors, 256, kProductBytes>>>(kRounds, 7, static_cast<Sum*>(out)); });
    print(name, multiprocessors * 2.0 * kRounds * kParts * work / ms / 1e9);
}

}  // namespace

int main() {
    int multiprocessors = 0, major = 0;
    check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0));
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    int* out = nullptr;
    check(cudaMalloc(&out, 64));
    cudaFuncAttributes built = {};
    check(cudaFuncGetAttributes(&built, halves_kernel));
    if (major == 9 && built.numRegs > 128) {  // not the empty kernel
        product("half TFLOP/s", halves_kernel, 2.0 * 64 * 256 * 16, multiprocessors, out);
        product("int8 TOP/s", bytes_kernel, 2.0 * 64 * 256 * 32, multiprocessors, out);
        product("binary T pairs/s", bits_kernel, 64.0 * 128, multiprocessors, out);  // of 256 bits
    }
    constexpr int kRounds = 20000;
    const int blocks = 2 * multiprocessors;
    const double lanes = 1024.0 * blocks * kRounds * kChains * kUnrolled / 1e9;
    print("POPC T/s", lanes / timed([&] { popc_kernel<<<blocks, 1024>>>(kRounds, 3, out); }));
    print("FP64 T/s", lanes / timed([&] { double_kernel<<<blocks, 1024>>>(kRounds, 3, out); }));
    constexpr std::size_t kBytes = 24 << 20;
    constexpr int kReads = 200;
    int4* buffer = nullptr;
    check(cudaMalloc(&buffer, kBytes));
    check(cudaMemset(buffer, 1, kBytes));
    const auto read = [&] { cache_kernel<<<4 * multiprocessors, 512>>>(buffer, kBytes / sizeof(int4), kReads, out); };
    print("L2 TB/s", static_cast<double>(kBytes) * kReads / timed(read) / 1e9);
    std::printf("}\n");
    return 0;
}

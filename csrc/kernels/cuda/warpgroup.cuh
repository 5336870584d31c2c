// The warpgroup's matrix instructions of sm_90a, on tiles in shared memory. tests/kernels/simt has the same for the
// host.
#pragma once

#include <cstdint>

namespace rsir::cuda {

// A tile in shared memory as the instructions address it: lines of 128 bytes, swizzled, groups of 8 lines 1024 apart.
__device__ inline std::uint64_t describe(std::uint32_t address) {
    constexpr std::uint64_t kGroup = (8 * 128) >> 4, kSwizzle = 1;
    return (address & 0x3ffff) >> 4 | std::uint64_t{1} << 16 | kGroup << 32 | kSwizzle << 62;
}

__device__ inline void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kPending>
__device__ void wait_products() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// s [64, 256] += a [64, 16] b [256, 16]^T, by a warpgroup; afterwards thread t has row t / 32 * 16 + t % 32 / 4 (and 8
// further for the upper half of each four), columns 8 j + t % 4 * 2 and the next.
// clang-format off
__device__ inline void multiply_add(float (&s)[32][4], std::uint64_t a, std::uint64_t b) {
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
            : "+f"(s[0][0]), "+f"(s[0][1]), "+f"(s[0][2]), "+f"(s[0][3]), "+f"(s[1][0]), "+f"(s[1][1]), "+f"(s[1][2]), "+f"(s[1][3]),
              "+f"(s[2][0]), "+f"(s[2][1]), "+f"(s[2][2]), "+f"(s[2][3]), "+f"(s[3][0]), "+f"(s[3][1]), "+f"(s[3][2]), "+f"(s[3][3]),
              "+f"(s[4][0]), "+f"(s[4][1]), "+f"(s[4][2]), "+f"(s[4][3]), "+f"(s[5][0]), "+f"(s[5][1]), "+f"(s[5][2]), "+f"(s[5][3]),
              "+f"(s[6][0]), "+f"(s[6][1]), "+f"(s[6][2]), "+f"(s[6][3]), "+f"(s[7][0]), "+f"(s[7][1]), "+f"(s[7][2]), "+f"(s[7][3]),
              "+f"(s[8][0]), "+f"(s[8][1]), "+f"(s[8][2]), "+f"(s[8][3]), "+f"(s[9][0]), "+f"(s[9][1]), "+f"(s[9][2]), "+f"(s[9][3]),
              "+f"(s[10][0]), "+f"(s[10][1]), "+f"(s[10][2]), "+f"(s[10][3]), "+f"(s[11][0]), "+f"(s[11][1]), "+f"(s[11][2]), "+f"(s[11][3]),
              "+f"(s[12][0]), "+f"(s[12][1]), "+f"(s[12][2]), "+f"(s[12][3]), "+f"(s[13][0]), "+f"(s[13][1]), "+f"(s[13][2]), "+f"(s[13][3]),
              "+f"(s[14][0]), "+f"(s[14][1]), "+f"(s[14][2]), "+f"(s[14][3]), "+f"(s[15][0]), "+f"(s[15][1]), "+f"(s[15][2]), "+f"(s[15][3]),
              "+f"(s[16][0]), "+f"(s[16][1]), "+f"(s[16][2]), "+f"(s[16][3]), "+f"(s[17][0]), "+f"(s[17][1]), "+f"(s[17][2]), "+f"(s[17][3]),
              "+f"(s[18][0]), "+f"(s[18][1]), "+f"(s[18][2]), "+f"(s[18][3]), "+f"(s[19][0]), "+f"(s[19][1]), "+f"(s[19][2]), "+f"(s[19][3]),
              "+f"(s[20][0]), "+f"(s[20][1]), "+f"(s[20][2]), "+f"(s[20][3]), "+f"(s[21][0]), "+f"(s[21][1]), "+f"(s[21][2]), "+f"(s[21][3]),
              "+f"(s[22][0]), "+f"(s[22][1]), "+f"(s[22][2]), "+f"(s[22][3]), "+f"(s[23][0]), "+f"(s[23][1]), "+f"(s[23][2]), "+f"(s[23][3]),
              "+f"(s[24][0]), "+f"(s[24][1]), "+f"(s[24][2]), "+f"(s[24][3]), "+f"(s[25][0]), "+f"(s[25][1]), "+f"(s[25][2]), "+f"(s[25][3]),
              "+f"(s[26][0]), "+f"(s[26][1]), "+f"(s[26][2]), "+f"(s[26][3]), "+f"(s[27][0]), "+f"(s[27][1]), "+f"(s[27][2]), "+f"(s[27][3]),
              "+f"(s[28][0]), "+f"(s[28][1]), "+f"(s[28][2]), "+f"(s[28][3]), "+f"(s[29][0]), "+f"(s[29][1]), "+f"(s[29][2]), "+f"(s[29][3]),
              "+f"(s[30][0]), "+f"(s[30][1]), "+f"(s[30][2]), "+f"(s[30][3]), "+f"(s[31][0]), "+f"(s[31][1]), "+f"(s[31][2]), "+f"(s[31][3])
            : "l"(a), "l"(b));
}
// clang-format on

// After the copies into shared memory have been waited for, before a barrier: the products will see them.
__device__ inline void see_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

}  // namespace rsir::cuda

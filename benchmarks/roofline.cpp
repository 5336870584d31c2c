// What this machine can do at most: arithmetic by instructions that do nothing else, memory by reading and copying.
// Prints one JSON object. Standard C++17, no flags needed: the kernels are inline assembly on named registers (a compiler
// may spill accumulators, and needs no permission for an instruction set), run only where the CPU has them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>
#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// Runs body(thread) on all threads at once, several times; returns the seconds of the fastest time.
template <class Body>
double fastest(unsigned threads, int repetitions, const Body& body) {
    double best = 1e30;
    for (int r = 0; r < repetitions; r++) {
        std::atomic<unsigned> waiting{0};
        std::vector<std::thread> others;
        const auto work = [&](unsigned thread) {
            waiting++;
            while (waiting < threads) {
            }
            body(thread);
        };
        for (unsigned t = 1; t < threads; t++) others.emplace_back(work, t);
        while (waiting + 1 < threads) {
        }
        const auto start = Clock::now();
        work(0);
        for (auto& other : others) other.join();
        best = std::min(best, seconds_since(start));
    }
    return best;
}

struct Probe {
    const char* name;         // of the figure; the best of several probes of one name counts
    const char* instruction;  // what ran
    bool runs;                // on this CPU
    double work;              // operations an iteration
    void (*iterate)(long iterations);
};

#define ALL_REGISTERS                                                                                                 \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",        \
        "xmm13", "xmm14", "xmm15", "memory"
#define LOOP(text)                                                                                                    \
    [](long iterations) {                                                                                             \
        for (long i = 0; i < iterations; i++) asm volatile(text ::: ALL_REGISTERS);                                   \
    }

#if defined(__x86_64__)
// Twelve independent accumulators hide a latency of 4 to 6 cycles at two instructions a cycle.
#define ON(op, r, i) op " %%" r "15,%%" r "14,%%" r #i "\n"
#define TWELVE(op, r)                                                                                                 \
    ON(op, r, 0) ON(op, r, 1) ON(op, r, 2) ON(op, r, 3) ON(op, r, 4) ON(op, r, 5) ON(op, r, 6) ON(op, r, 7)           \
    ON(op, r, 8) ON(op, r, 9) ON(op, r, 10) ON(op, r, 11)
#define COUNT(i) "vpopcntb %%zmm15,%%zmm" #i "\n"
#define TWELVE_COUNTS                                                                                                 \
    COUNT(0) COUNT(1) COUNT(2) COUNT(3) COUNT(4) COUNT(5) COUNT(6) COUNT(7) COUNT(8) COUNT(9) COUNT(10) COUNT(11)
// One byte plane of 64 codes: xor with the query's byte, count, add.
#define PLANE(i, t)                                                                                                   \
    "vpxord %%zmm15,%%zmm14,%%zmm" #t "\nvpopcntb %%zmm" #t ",%%zmm" #t "\nvpaddb %%zmm" #t ",%%zmm" #i ",%%zmm" #i "\n"
#define SIX_PLANES PLANE(0, 6) PLANE(1, 7) PLANE(2, 8) PLANE(3, 9) PLANE(4, 10) PLANE(5, 11)
// The same without popcnt: two table look-ups of nibbles.
#define PLANE_AVX2(i, t, u)                                                                                           \
    "vpxor %%ymm15,%%ymm14,%%ymm" #t "\nvpsrlw $4,%%ymm" #t ",%%ymm" #u "\nvpand %%ymm13,%%ymm" #t ",%%ymm" #t        \
    "\nvpand %%ymm13,%%ymm" #u ",%%ymm" #u "\nvpshufb %%ymm" #t ",%%ymm12,%%ymm" #t "\nvpshufb %%ymm" #u              \
    ",%%ymm12,%%ymm" #u "\nvpaddb %%ymm" #t ",%%ymm" #i ",%%ymm" #i "\nvpaddb %%ymm" #u ",%%ymm" #i ",%%ymm" #i "\n"
#define FOUR_PLANES_AVX2 PLANE_AVX2(0, 4, 5) PLANE_AVX2(1, 6, 7) PLANE_AVX2(2, 8, 9) PLANE_AVX2(3, 10, 11)
// The canonical float64 term: subtract, multiply, add.
#define TERM(r, i, t)                                                                                                 \
    "vsubpd %%" r "15,%%" r "14,%%" r #t "\nvmulpd %%" r #t ",%%" r #t ",%%" r #t "\nvaddpd %%" r #t ",%%" r #i       \
    ",%%" r #i "\n"
#define SIX_TERMS(r) TERM(r, 0, 6) TERM(r, 1, 7) TERM(r, 2, 8) TERM(r, 3, 9) TERM(r, 4, 10) TERM(r, 5, 11)
// int8 products by AVX2 alone: pairs to int16, pairs to int32, add.
#define DOT_AVX2(i, t)                                                                                                \
    "vpmaddubsw %%ymm15,%%ymm14,%%ymm" #t "\nvpmaddwd %%ymm" #t ",%%ymm13,%%ymm" #t "\nvpaddd %%ymm" #t ",%%ymm" #i   \
    ",%%ymm" #i "\n"
#define SIX_DOTS_AVX2 DOT_AVX2(0, 6) DOT_AVX2(1, 7) DOT_AVX2(2, 8) DOT_AVX2(3, 9) DOT_AVX2(4, 10) DOT_AVX2(5, 11)

// AMX: Linux lets a process use tiles that has asked (ARCH_REQ_XCOMP_PERM), where it and the processor have them.
bool has_amx_int8() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3u) == 3u && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
// Four products of 16 x 16 x 64 a turn, into four tiles: as many as hide their latency.
void multiply_tiles(long iterations) {
    alignas(64) unsigned char config[64] = {1};  // palette 1: tiles of 16 rows of 64 bytes
    for (int tile = 0; tile < 8; tile++) {
        config[16 + 2 * tile] = 64;
        config[48 + tile] = 16;
    }
    asm volatile("ldtilecfg (%0)" ::"r"(config) : "memory");
    for (long i = 0; i < iterations; i++)
        asm volatile(
            "tdpbsud %%tmm6,%%tmm4,%%tmm0\ntdpbsud %%tmm7,%%tmm4,%%tmm1\n"
            "tdpbsud %%tmm6,%%tmm5,%%tmm2\ntdpbsud %%tmm7,%%tmm5,%%tmm3\n" ::
                : "memory");
    asm volatile("tilerelease");
}

std::vector<Probe> probes() {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    const bool vnni256 = vnni && __builtin_cpu_supports("avx512vl");
    const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
    const bool bitalg = avx512 && __builtin_cpu_supports("avx512bitalg");
    return {
        {"fp32_fma_gflops", "vfmadd231ps ymm", avx2, 12 * 8 * 2, LOOP(TWELVE("vfmadd231ps", "ymm"))},
        {"fp32_fma_gflops", "vfmadd231ps zmm", avx512, 12 * 16 * 2, LOOP(TWELVE("vfmadd231ps", "zmm"))},
        {"int8_gops", "vpmaddubsw, vpmaddwd, vpaddd ymm", avx2, 6 * 32 * 2, LOOP(SIX_DOTS_AVX2)},
        {"int8_gops", "vpdpbusd ymm", vnni256, 12 * 32 * 2, LOOP(TWELVE("vpdpbusd", "ymm"))},
        {"int8_gops", "vpdpbusd zmm", vnni, 12 * 64 * 2, LOOP(TWELVE("vpdpbusd", "zmm"))},
        {"int8_gops", "tdpbsud", has_amx_int8(), 4 * 16 * 16 * 64 * 2, multiply_tiles},
        {"bf16_gflops", "vdpbf16ps zmm", bf16, 12 * 32 * 2, LOOP(TWELVE("vdpbf16ps", "zmm"))},
        {"fp64_term_gterms", "vsubpd, vmulpd, vaddpd ymm", avx2, 6 * 4, LOOP(SIX_TERMS("ymm"))},
        {"fp64_term_gterms", "vsubpd, vmulpd, vaddpd zmm", avx512, 6 * 8, LOOP(SIX_TERMS("zmm"))},
        {"ternary_logic_gbytes", "vpternlogd zmm", avx512, 12 * 64, LOOP(TWELVE("vpternlogd $0x96,", "zmm"))},
        {"popcount_gbytes", "vpopcntb zmm", bitalg, 12 * 64, LOOP(TWELVE_COUNTS)},
        {"hamming_gbytes", "vpxor, nibble tables ymm", avx2, 4 * 32, LOOP(FOUR_PLANES_AVX2)},
        {"hamming_gbytes", "vpxord, vpopcntb, vpaddb zmm", bitalg, 6 * 64, LOOP(SIX_PLANES)},
    };
}
#elif defined(__aarch64__)
#define NEON_REGISTERS                                                                                                \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "memory"
#undef LOOP
#define LOOP(text)                                                                                                    \
    [](long iterations) {                                                                                             \
        for (long i = 0; i < iterations; i++) asm volatile(text ::: NEON_REGISTERS);                                  \
    }
#define NEON(op, d, s, i) op " v" #i "." d ",v15." s ",v14." s "\n"
#define TWELVE(op, d, s)                                                                                              \
    NEON(op, d, s, 0) NEON(op, d, s, 1) NEON(op, d, s, 2) NEON(op, d, s, 3) NEON(op, d, s, 4) NEON(op, d, s, 5)       \
    NEON(op, d, s, 6) NEON(op, d, s, 7) NEON(op, d, s, 8) NEON(op, d, s, 9) NEON(op, d, s, 10) NEON(op, d, s, 11)
#define PLANE(i, t)                                                                                                   \
    "eor v" #t ".16b,v15.16b,v14.16b\ncnt v" #t ".16b,v" #t ".16b\nadd v" #i ".16b,v" #i ".16b,v" #t ".16b\n"
#define SIX_PLANES PLANE(0, 6) PLANE(1, 7) PLANE(2, 8) PLANE(3, 9) PLANE(4, 10) PLANE(5, 11)
#define TERM(i, t)                                                                                                    \
    "fsub v" #t ".2d,v15.2d,v14.2d\nfmul v" #t ".2d,v" #t ".2d,v" #t ".2d\nfadd v" #i ".2d,v" #i ".2d,v" #t ".2d\n"
#define SIX_TERMS TERM(0, 6) TERM(1, 7) TERM(2, 8) TERM(3, 9) TERM(4, 10) TERM(5, 11)

std::vector<Probe> probes() {
    const bool dot = getauxval(AT_HWCAP) & (1UL << 20);  // HWCAP_ASIMDDP
    return {
        {"fp32_fma_gflops", "fmla 4s", true, 12 * 4 * 2, LOOP(TWELVE("fmla", "4s", "4s"))},
        {"int8_gops", "sdot 4s", dot, 12 * 16 * 2, LOOP(".arch armv8.2-a+dotprod\n" TWELVE("sdot", "4s", "16b"))},
        {"fp64_term_gterms", "fsub, fmul, fadd 2d", true, 6 * 2, LOOP(SIX_TERMS)},
        {"hamming_gbytes", "eor, cnt, add 16b", true, 6 * 16, LOOP(SIX_PLANES)},
    };
}
#else
std::vector<Probe> probes() { return {}; }
#endif

// Sums 64-bit words of [p, p + bytes): as many loads a cycle as the compiler's vectors allow, far above any memory.
std::uint64_t read_all(const char* p, std::size_t bytes) {
    std::uint64_t sum[8] = {};
    for (std::size_t i = 0; i + 64 <= bytes; i += 64) {
#if defined(__x86_64__)
        asm volatile("vpor (%0),%%ymm0,%%ymm0\nvpor 32(%0),%%ymm1,%%ymm1\n" ::"r"(p + i) : "xmm0", "xmm1", "memory");
#else
        std::uint64_t words[8];
        std::memcpy(words, p + i, 64);
        for (int w = 0; w < 8; w++) sum[w] ^= words[w];
#endif
    }
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

void copy_all(char* to, const char* from, std::size_t bytes) {
#if defined(__x86_64__)
    for (std::size_t i = 0; i + 64 <= bytes; i += 64)
        asm volatile("vmovdqa (%0),%%ymm0\nvmovdqa 32(%0),%%ymm1\nvmovntdq %%ymm0,(%1)\nvmovntdq %%ymm1,32(%1)\n" ::"r"(
                         from + i),
                     "r"(to + i)
                     : "xmm0", "xmm1", "memory");
    asm volatile("sfence" ::: "memory");
#else
    std::memcpy(to, from, bytes);
#endif
}

volatile std::uint64_t sink;

// Gigabytes a second that all threads together read of `bytes` each thread has to itself, or copy within it.
double memory(unsigned threads, std::size_t bytes, bool copy, int repetitions) {
    bytes = bytes / 128 * 128;
    std::vector<char*> own(threads);
    for (auto& p : own) {
        p = static_cast<char*>(std::aligned_alloc(2 << 20, (bytes / (2 << 20) + 1) * (2 << 20)));
        if (p == nullptr) return 0;
        std::memset(p, 1, bytes);
    }
    const long passes = std::max<long>(1, static_cast<long>((256 << 20) / bytes));
    const double s = fastest(threads, repetitions, [&](unsigned t) {
        for (long pass = 0; pass < passes; pass++)
            if (copy)
                copy_all(own[t], own[t] + bytes / 2, bytes / 2);
            else
                sink = read_all(own[t], bytes);
    });
    for (auto p : own) std::free(p);
    return static_cast<double>(bytes) * static_cast<double>(passes) * threads / s / 1e9;
}

}  // namespace

// roofline THREADS L2_BYTES L3_BYTES DRAM_BYTES: cache sizes as a thread may use them; DRAM_BYTES for each thread.
int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "expected: roofline THREADS L2_BYTES L3_BYTES DRAM_BYTES\n");
        return 2;
    }
    const unsigned threads = static_cast<unsigned>(std::max(1L, std::atol(argv[1])));
    std::printf("{\"threads\": %u, \"probes\": [", threads);
    const char* comma = "";
    for (const Probe& probe : probes()) {
        if (!probe.runs) continue;
        const long iterations = 200000;
        const double s = fastest(threads, 15, [&](unsigned) { probe.iterate(iterations); });
        std::printf("%s\n  {\"name\": \"%s\", \"instruction\": \"%s\", \"value\": %.1f}", comma, probe.name,
                    probe.instruction, probe.work * static_cast<double>(iterations) * threads / s / 1e9);
        comma = ",";
    }
    const struct {
        const char* name;
        long bytes;
        bool copy;
    } levels[] = {
        {"l2_read_gbytes", std::atol(argv[2]) / 2, false},
        {"l3_read_gbytes", std::atol(argv[3]) / 2, false},
        {"dram_read_gbytes", std::atol(argv[4]), false},
        {"dram_copy_gbytes", std::atol(argv[4]), true},
    };
    for (const auto& level : levels) {
        if (level.bytes < 4096) continue;
        std::printf("%s\n  {\"name\": \"%s\", \"instruction\": \"%s\", \"value\": %.1f}", comma, level.name,
                    level.copy ? "read + write, both counted" : "read",
                    memory(threads, static_cast<std::size_t>(level.bytes), level.copy, 7));
        comma = ",";
    }
    std::printf("\n]}\n");
}

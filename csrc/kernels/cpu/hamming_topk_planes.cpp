#include "kernels/cpu/hamming_topk_planes.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/parallel.h"
#include "kernels/hamming_topk.h"

namespace rsir {
namespace {

bool bit_of(const std::uint8_t* code, std::int64_t bit) { return code[bit / 8] >> (bit % 8) & 1; }

// Byte i of the result: bit i of all eight bytes of x. x is an 8 x 8 matrix of bits, transposed by halving.
std::uint64_t transpose_bytes(std::uint64_t x) {
    const auto exchange = [&x](int shift, std::uint64_t mask) {
        const std::uint64_t t = (x ^ (x >> shift)) & mask;
        x ^= t ^ (t << shift);
    };
    exchange(7, 0x00aa00aa00aa00aau);
    exchange(14, 0x0000cccc0000ccccu);
    exchange(28, 0x00000000f0f0f0f0u);
    return x;
}

template <std::int64_t kBytes>
void copy_rows(const std::uint8_t* from, const std::uint32_t* numbers, std::int64_t count, std::int64_t bytes,
               std::uint8_t* to) {
    if (kBytes > 0) bytes = kBytes;
    for (std::int64_t i = 0; i < count; ++i) {
        std::memcpy(to + i * bytes, from + numbers[i] * bytes, static_cast<std::size_t>(bytes));
    }
}

}  // namespace

const HammingKernels& hamming_kernels(Isa isa) { return RSIR_BY_ISA(isa, hamming_kernels); }

const std::uint8_t* PlaneSource::block(std::int64_t number, std::uint32_t wanted, Scratch& scratch) const {
    if (planes_ != nullptr) return planes_ + number * layout_.block_bytes();
    scratch.block.resize(static_cast<std::size_t>(layout_.block_bytes()) + kGroupBytes);
    auto address = reinterpret_cast<std::uintptr_t>(scratch.block.data());
    address = (address + kGroupBytes - 1) / kGroupBytes * kGroupBytes;
    auto* block = reinterpret_cast<std::uint8_t*>(address);
    make(number, wanted, block);
    return block;
}

void PlaneSource::codes(const std::uint32_t* numbers, std::int64_t count, std::uint8_t* rows) const {
    const std::int64_t bytes = (layout_.bits + 7) / 8, stride = layout_.stride;
    if (bytes == 0) return;  // codes of no bits may have no memory either
    if (rows_ != nullptr) {
        // The usual lengths by themselves: a copy of known size is one load.
        switch (bytes) {
            case 4:
                return copy_rows<4>(rows_, numbers, count, bytes, rows);
            case 8:
                return copy_rows<8>(rows_, numbers, count, bytes, rows);
            case 16:
                return copy_rows<16>(rows_, numbers, count, bytes, rows);
            case 32:
                return copy_rows<32>(rows_, numbers, count, bytes, rows);
            default:
                return copy_rows<0>(rows_, numbers, count, bytes, rows);
        }
    }
    const std::int64_t block = numbers[0] / layout_.block_codes();
    const std::int64_t at = numbers[0] % layout_.block_codes() / kGroupCodes * kGroupBytes;
    const std::uint8_t* planes = planes_ + block * layout_.block_bytes() + layout_.levels * stride + at;
    alignas(64) std::uint64_t words[kGroupCodes];
    for (std::int64_t bit = 0; bit < layout_.bits; bit += 64) {
        // Transposing 64 planes of 64 codes gives back the codes.
        const std::int64_t there = std::min<std::int64_t>(64, layout_.bits - bit);
        if (there < 64) std::memset(words, 0, sizeof words);
        for (std::int64_t i = 0; i < there; ++i) std::memcpy(words + i * 8, planes + (bit + i) * stride, kGroupBytes);
        kernels_.transpose(words, reinterpret_cast<std::uint8_t*>(words), kGroupBytes);
        const std::int64_t width = std::min<std::int64_t>(8, bytes - bit / 8);
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t code = numbers[i] % kGroupCodes;
            std::memcpy(rows + i * bytes + bit / 8, words + code % 64 * 8 + code / 64, static_cast<std::size_t>(width));
        }
    }
}

void PlaneSource::fetch(const std::uint32_t* numbers, std::int64_t count) const {
    const std::int64_t bytes = (layout_.bits + 7) / 8;
    if (rows_ != nullptr) {
        for (std::int64_t i = 0; i < count; ++i) {
            const std::uint8_t* row = rows_ + numbers[i] * bytes;
            __builtin_prefetch(row, 0, 2);
            for (std::int64_t at = 64; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
        }
    } else if (count > 0) {
        const std::int64_t at = numbers[0] % layout_.block_codes() / kGroupCodes * kGroupBytes;
        const std::uint8_t* group = planes_ + numbers[0] / layout_.block_codes() * layout_.block_bytes() + at;
        for (std::int64_t plane = layout_.levels; plane < layout_.planes; ++plane) {
            __builtin_prefetch(group + plane * layout_.stride, 0, 2);
        }
    }
    asm volatile("");  // GCC takes a function that only prefetches for one without effect, and drops the call
}

void PlaneSource::make(std::int64_t number, std::uint32_t wanted, std::uint8_t* block) const {
    constexpr std::int64_t kWordBits = 64;
    const std::int64_t bytes = (layout_.bits + 7) / 8, stride = layout_.stride;
    const std::int64_t groups = layout_.groups_of(number);
    if (groups * kGroupBytes < stride) std::memset(block, 0, static_cast<std::size_t>(layout_.block_bytes()));

    std::vector<std::uint32_t> every;
    for (std::int64_t bit = 0; bit < layout_.bits; ++bit) {
        every.push_back(static_cast<std::uint32_t>((layout_.levels + bit) * stride));
    }
    SlicedQuery codes;
    codes.levels = layout_.levels;
    codes.stride = stride;
    codes.count = layout_.bits;
    codes.offsets = every.data();

    alignas(64) std::uint64_t words[kGroupCodes];
    alignas(64) std::uint8_t last[kWordBits * kGroupBytes];
    for (std::int64_t group = 0; group < groups; ++group) {
        if ((wanted >> group & 1) == 0) continue;
        const std::int64_t first = number * layout_.block_codes() + group * kGroupCodes;
        const std::int64_t count = std::min(kGroupCodes, layout_.n - first);
        std::uint8_t* out = block + group * kGroupBytes;
        for (std::int64_t bit = 0; bit < layout_.bits; bit += kWordBits) {
            const std::int64_t width = std::min<std::int64_t>(8, bytes - bit / 8);
            const std::uint8_t* row = rows_ + first * bytes + bit / 8;
            // The part of the next group that falls to this step; addresses beyond the rows do no harm.
            const std::uint8_t* next = rows_ + (first + kGroupCodes) * bytes + bit / 8 * kGroupCodes;
            for (std::int64_t at = 0; at < 8 * kGroupCodes; at += 64) __builtin_prefetch(next + at, 0, 2);
            if (count == kGroupCodes && width == 8) {
                for (std::int64_t i = 0; i < 8; ++i) {
                    for (std::int64_t r = 0; r < 64; ++r, row += bytes) std::memcpy(words + r * 8 + i, row, 8);
                }
            } else {
                std::memset(words, 0, sizeof words);
                for (std::int64_t code = 0; code < count; ++code, row += bytes) {
                    std::memcpy(words + code % 64 * 8 + code / 64, row, static_cast<std::size_t>(width));
                }
            }
            const std::int64_t planes = std::min(kWordBits, layout_.bits - bit);
            std::uint8_t* at = out + (layout_.levels + bit) * stride;
            if (planes == kWordBits) {
                kernels_.transpose(words, at, stride);
                continue;
            }
            kernels_.transpose(words, last, kGroupBytes);
            for (std::int64_t i = 0; i < planes; ++i) std::memcpy(at + i * stride, last + i * kGroupBytes, kGroupBytes);
        }
        kernels_.weigh(out, codes);
    }
}

PlaneQuery::PlaneQuery(const std::uint8_t* code, const PlaneLayout& layout) {
    std::int64_t ones = 0;
    for (std::int64_t bit = 0; bit < layout.bits; ++bit) ones += bit_of(code, bit);
    query_.levels = layout.levels;
    query_.stride = layout.stride;
    query_.lists_ones = 2 * ones <= layout.bits;
    const std::int64_t most = (std::int64_t{1} << layout.levels) - 1;
    query_.base = static_cast<std::int32_t>(query_.lists_ones ? most + ones : most - ones);
    for (std::int64_t bit = 0; bit < layout.bits; ++bit) {
        if (bit_of(code, bit) == query_.lists_ones) {
            offsets_.push_back(static_cast<std::uint32_t>((layout.levels + bit) * layout.stride));
        }
    }
    query_.count = static_cast<std::int64_t>(offsets_.size());
    query_.offsets = offsets_.data();
    set_limit(static_cast<std::uint32_t>(layout.bits) + 1);
}

void PlaneQuery::set_threshold(std::uint32_t limit, std::uint32_t* zeros, std::uint32_t& negate) const {
    // base - v < limit is v >= base + 1 - limit; v - base < limit is not v >= base + limit.
    const auto base = static_cast<std::uint32_t>(query_.base);
    const std::uint32_t threshold = query_.lists_ones ? base + 1 - limit : base + limit;
    for (int i = 0; i <= kMaxLevels; ++i) zeros[i] = threshold >> i & 1 ? 0 : ~std::uint32_t{0};
    negate = query_.lists_ones ? 0 : ~std::uint32_t{0};
}

std::int64_t PlaneQuery::count_nearer(const SlicedHit* hits, std::int64_t found, std::uint32_t limit,
                                      const HammingKernels& kernels) const {
    std::uint32_t zeros[kMaxLevels + 1], negate;
    set_threshold(limit, zeros, negate);
    return kernels.count(hits, found, query_.levels, zeros, negate);
}

void PlaneQuery::distances(const SlicedHit& hit, int word, std::uint16_t* out) const {
    const int planes = query_.levels + 1;
    for (int byte = 0; byte < 8; ++byte) {
        std::uint32_t sums[8] = {};
        for (int first = 0; first < planes; first += 8) {
            std::uint64_t x = 0;
            for (int i = 0; i < std::min(8, planes - first); ++i) {
                x |= (hit.v[first + i][word] >> (8 * byte) & 0xff) << (8 * i);
            }
            x = transpose_bytes(x);
            for (int code = 0; code < 8; ++code) {
                sums[code] |= static_cast<std::uint32_t>(x >> (8 * code) & 0xff) << first;
            }
        }
        for (int code = 0; code < 8; ++code) out[8 * byte + code] = static_cast<std::uint16_t>(from_sum(sums[code]));
    }
}

std::uint32_t PlaneQuery::distance(const SlicedHit& hit, int word, int bit) const {
    std::uint32_t sum = 0;
    for (int i = 0; i <= query_.levels; ++i) sum |= static_cast<std::uint32_t>(hit.v[i][word] >> bit & 1) << i;
    return from_sum(sum);
}

std::int64_t hamming_planes_bytes(std::int64_t n, std::int64_t bits) { return PlaneLayout(n, bits).bytes(); }

Status hamming_prepare(const std::uint8_t* database, std::int64_t n, std::int64_t bits, std::uint8_t* planes,
                       const Context& context) {
    const PlaneLayout layout(n, bits);
    const PlaneSource source(layout, nullptr, database, hamming_kernels(context.isa));
    context.report(source.kernels().isa);
    if (layout.planes == 0) return Status::ok;
    constexpr std::int64_t kTaskBytes = std::int64_t{1} << 20;
    const std::int64_t chunk = std::max<std::int64_t>(1, kTaskBytes / layout.block_bytes());
    return parallel_for(context, (layout.blocks + chunk - 1) / chunk, [&](std::int64_t task, Poll& poll) {
        for (std::int64_t b = task * chunk; b < std::min((task + 1) * chunk, layout.blocks) && !poll.stop(); ++b) {
            source.make(b, kAllGroups, planes + b * layout.block_bytes());
        }
    });
}

}  // namespace rsir

// The bit-sliced kernels of hamming_topk, for any vector V of bits. Included only by the files of an instruction set:
// everything is in an anonymous namespace and so compiled for that set alone.
//
// V: Bits, kBytes (at most 64), kPaired (two vectors side by side are faster), kCounted (of 64-bit codes, fewer listed
// planes than that have code of their own), zero(), load(p), store(p, x), fill(word32), fill_from(&word32),
// exclusive_or(x, y), any(x), any_of_two(x, y), and
//   full_add(sum, a, b): sum becomes sum ^ a ^ b; returns the carry, the majority of the three
//   half_add(sum, a):    sum becomes sum ^ a; returns sum & a
//   majority(a, b, c)
//   swap(a, b, shift, mask): exchanges the bits `mask << shift` of a with the bits `mask` of b, in 64-bit lanes.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/hamming_topk_isa.h"

#define RSIR_INLINE inline __attribute__((always_inline))

namespace rsir {
namespace {

// Number of ones in sixteen planes, added to four counter bits; returns the carry of weight 16.
template <class V>
struct Adder {
    using Bits = typename V::Bits;

    Bits ones, twos, fours, eights;
    const std::uint8_t* at;
    const std::uint32_t* offsets;

    RSIR_INLINE Bits next() { return V::load(at + *offsets++); }
    RSIR_INLINE Bits add1() { return V::half_add(ones, next()); }
    RSIR_INLINE Bits add2() {
        const Bits a = next();
        return V::full_add(ones, a, next());
    }
    RSIR_INLINE Bits add4() {
        const Bits a = add2();
        return V::full_add(twos, a, add2());
    }
    RSIR_INLINE Bits add8() {
        const Bits a = add4();
        return V::full_add(fours, a, add4());
    }
    RSIR_INLINE Bits add16() {
        const Bits a = add8();
        return V::full_add(eights, a, add8());
    }
};

constexpr std::int64_t kAnyCount = -1;

// v[0..levels] of the codes at `block`, one vector wide. High: counter bits beyond the four of the adder, at least
// levels - 4; a constant keeps them in registers. Where Count is the number of listed planes, levels is High + 4.
template <class V, int High, std::int64_t Count = kAnyCount>
RSIR_INLINE void sum_planes(const std::uint8_t* block, const SlicedQuery& query, bool weighed, typename V::Bits* v) {
    using Bits = typename V::Bits;
    const std::int64_t count = Count == kAnyCount ? query.count : Count;
    const int levels = Count == kAnyCount ? query.levels : High + 4;
    const auto initial = [&](int level) {
        return weighed && level < levels ? V::load(block + level * query.stride) : V::zero();
    };
    Adder<V> adder{initial(1), initial(2), initial(3), initial(4), block, query.offsets};
    Bits upper[High + 1], pending[High + 1];
    for (int i = 0; i < High; ++i) upper[i] = initial(i + 5);

    const std::int64_t rounds = count / 16;
    for (std::int64_t round = 0; round < rounds; ++round) {
        Bits carry = adder.add16();
        // As a binary counter: the carries of two rounds make one of twice their weight.
        int i = 0;
        for (; i < High && (round >> i & 1); ++i) carry = V::full_add(upper[i], pending[i], carry);
        pending[i] = carry;
    }
    Bits carry = V::zero();
    if (const auto rest = count % 16) {
        const Bits eight = rest & 8 ? adder.add8() : V::zero();
        const Bits four = rest & 4 ? adder.add4() : V::zero();
        const Bits two = rest & 2 ? adder.add2() : V::zero();
        const Bits one = rest & 1 ? adder.add1() : V::zero();
        carry = V::full_add(adder.twos, one, two);
        carry = V::full_add(adder.fours, carry, four);
        carry = V::full_add(adder.eights, carry, eight);
    }
    for (int i = 0; i < High; ++i) {
        carry = rounds >> i & 1 ? V::full_add(upper[i], pending[i], carry) : V::half_add(upper[i], carry);
    }
    v[0] = initial(0);
    v[1] = adder.ones;
    v[2] = adder.twos;
    v[3] = adder.fours;
    v[4] = adder.eights;
    for (int i = 0; i < High; ++i) v[i + 5] = upper[i];
}

// Planes of v: those beyond `levels` are zero, and so is the threshold there.
template <class V, int Planes>
inline typename V::Bits at_least(const typename V::Bits* v, const std::uint32_t* zeros) {
    typename V::Bits result = V::fill(~0u);
    for (int i = 0; i < Planes; ++i) result = V::majority(v[i], V::fill_from(zeros + i), result);
    return result;
}

// Two vectors side by side: their chains of additions overlap, and an offset is read once for both.
template <class V>
struct Pair {
    struct Bits {
        typename V::Bits low, high;
    };
    static constexpr std::int64_t kBytes = 2 * V::kBytes;

    static Bits zero() { return {V::zero(), V::zero()}; }
    static Bits load(const std::uint8_t* p) { return {V::load(p), V::load(p + V::kBytes)}; }
    static void store(std::uint64_t* p, Bits x) {
        V::store(p, x.low);
        V::store(p + V::kBytes / 8, x.high);
    }
    static Bits fill(std::uint32_t word) { return {V::fill(word), V::fill(word)}; }
    static Bits fill_from(const std::uint32_t* word) {
        const typename V::Bits x = V::fill_from(word);
        return {x, x};
    }
    static Bits exclusive_or(Bits a, Bits b) {
        return {V::exclusive_or(a.low, b.low), V::exclusive_or(a.high, b.high)};
    }
    static bool any(Bits x) { return V::any_of_two(x.low, x.high); }
    static Bits majority(Bits a, Bits b, Bits c) {
        return {V::majority(a.low, b.low, c.low), V::majority(a.high, b.high, c.high)};
    }
    RSIR_INLINE static Bits full_add(Bits& sum, Bits a, Bits b) {
        return {V::full_add(sum.low, a.low, b.low), V::full_add(sum.high, a.high, b.high)};
    }
    static Bits half_add(Bits& sum, Bits a) { return {V::half_add(sum.low, a.low), V::half_add(sum.high, a.high)}; }
};

// Adds the codes of one vector, from byte `at` of every plane, to the hits.
template <class V, int Planes>
__attribute__((noinline)) std::int64_t record(std::int64_t at, typename V::Bits near, const typename V::Bits* v,
                                              SlicedHit* hits, std::int64_t found) {
    constexpr std::int64_t kWords = V::kBytes / 8, kPart = kWords < 8 ? kWords : 8;
    std::uint64_t mask[kWords], planes[Planes][kWords];
    V::store(mask, near);
    for (int i = 0; i < Planes; ++i) V::store(planes[i], v[i]);
    for (std::int64_t part = 0; part < kWords; part += kPart) {
        std::uint64_t any = 0;
        for (std::int64_t word = 0; word < kPart; ++word) any |= mask[part + word];
        if (any == 0) continue;
        const std::int64_t group = (at / 8 + part) / 8, to = (at / 8 + part) % 8;
        if (found == 0 || hits[found - 1].group != group) {
            hits[found].group = group;
            std::memset(hits[found].mask, 0, sizeof hits[found].mask);
            ++found;
        }
        SlicedHit& hit = hits[found - 1];
        std::memcpy(hit.mask + to, mask + part, kPart * 8);
        for (int i = 0; i < Planes; ++i) std::memcpy(hit.v[i] + to, planes[i] + part, kPart * 8);
    }
    return found;
}

template <class V, int High, bool kMasked, std::int64_t Count = kAnyCount>
std::int64_t scan_bytes(const std::uint8_t* block, std::int64_t first, std::int64_t last, const SlicedQuery& query,
                        const std::uint8_t* allowed, SlicedHit* hits, std::int64_t found) {
    const typename V::Bits negate = V::fill(query.negate);
    for (std::int64_t at = first; at < last; at += V::kBytes) {
        typename V::Bits v[High + 5];
        sum_planes<V, High, Count>(block + at, query, true, v);
        typename V::Bits near = V::exclusive_or(at_least<V, High + 5>(v, query.threshold_zeros), negate);
        if (kMasked) near = V::majority(near, V::load(allowed + at), V::zero());  // both
        if (__builtin_expect(V::any(near), 0)) {
            typename V::Bits copy[High + 5];  // so that v itself stays in registers
            for (int i = 0; i < High + 5; ++i) copy[i] = v[i];
            found = record<V, High + 5>(at, near, copy, hits, found);
        }
    }
    return found;
}

template <class V, int High, bool kMasked, std::int64_t Count = kAnyCount>
std::int64_t scan_groups(const std::uint8_t* block, std::int64_t groups, const SlicedQuery& query,
                         const std::uint8_t* allowed, SlicedHit* hits) {
    const std::int64_t bytes = groups * kGroupBytes;
    if (!V::kPaired) return scan_bytes<V, High, kMasked, Count>(block, 0, bytes, query, allowed, hits, 0);
    const std::int64_t paired = bytes / Pair<V>::kBytes * Pair<V>::kBytes;
    const std::int64_t found = scan_bytes<Pair<V>, High, kMasked, Count>(block, 0, paired, query, allowed, hits, 0);
    return scan_bytes<V, High, kMasked>(block, paired, bytes, query, allowed, hits, found);
}

// Each number of listed planes has code of its own, without a branch.
template <class V, std::int64_t... Counts>
std::int64_t scan_counted(const std::uint8_t* block, std::int64_t groups, const SlicedQuery& query, SlicedHit* hits,
                          std::integer_sequence<std::int64_t, Counts...>) {
    using Scan =
        std::int64_t (*)(const std::uint8_t*, std::int64_t, const SlicedQuery&, const std::uint8_t*, SlicedHit*);
    static constexpr Scan kScans[] = {scan_groups<V, 3, false, Counts>...};
    return kScans[query.count](block, groups, query, nullptr, hits);
}

template <class V, bool kMasked>
std::int64_t scan_by_levels(const std::uint8_t* block, std::int64_t groups, const SlicedQuery& query,
                            const std::uint8_t* allowed, SlicedHit* hits) {
    switch (query.levels) {
        case 7:
            if constexpr (V::kCounted > 0 && !kMasked) {
                if (query.count < V::kCounted) {
                    return scan_counted<V>(block, groups, query, hits,
                                           std::make_integer_sequence<std::int64_t, V::kCounted>());
                }
            }
            return scan_groups<V, 3, kMasked>(block, groups, query, allowed, hits);
        case 8:
            return scan_groups<V, 4, kMasked>(block, groups, query, allowed, hits);
        case 9:
            return scan_groups<V, 5, kMasked>(block, groups, query, allowed, hits);
        case 10:
            return scan_groups<V, 6, kMasked>(block, groups, query, allowed, hits);
        case 11:
            return scan_groups<V, 7, kMasked>(block, groups, query, allowed, hits);
        default:
            return query.levels < 7 ? scan_groups<V, 2, kMasked>(block, groups, query, allowed, hits)
                                    : scan_groups<V, kMaxLevels - 4, kMasked>(block, groups, query, allowed, hits);
    }
}

template <class V>
std::int64_t scan_planes(const std::uint8_t* block, std::int64_t groups, const SlicedQuery& query,
                         const std::uint8_t* allowed, SlicedHit* hits) {
    return allowed == nullptr ? scan_by_levels<V, false>(block, groups, query, allowed, hits)
                              : scan_by_levels<V, true>(block, groups, query, allowed, hits);
}

template <class V>
std::int64_t count_hits(const SlicedHit* hits, std::int64_t hit_count, int levels, const std::uint32_t* zeros,
                        std::uint32_t negate) {
    std::int64_t found = 0;
    for (const SlicedHit* hit = hits; hit != hits + hit_count; ++hit) {
        for (std::int64_t word = 0; word < 8; word += V::kBytes / 8) {
            typename V::Bits result = V::fill(~0u);
            for (int i = 0; i <= levels; ++i) {
                result = V::majority(V::load(hit->v[i] + word), V::fill(zeros[i]), result);
            }
            result = V::majority(V::exclusive_or(result, V::fill(negate)), V::load(hit->mask + word), V::zero());
            std::uint64_t words[V::kBytes / 8];
            V::store(words, result);
            for (const std::uint64_t bits : words) found += __builtin_popcountll(bits);
        }
    }
    return found;
}

template <class V>
void weigh_group(std::uint8_t* group, const SlicedQuery& codes) {
    for (std::int64_t at = 0; at < kGroupBytes; at += V::kBytes) {
        typename V::Bits v[kMaxLevels + 1];
        sum_planes<V, kMaxLevels - 4>(group + at, codes, false, v);
        for (int i = 0; i < codes.levels; ++i) {
            V::store(group + i * codes.stride + at, V::exclusive_or(v[i + 1], V::fill(~0u)));
        }
    }
}

// Three halvings at a time keep eight vectors in registers.
template <class V, int High>
inline void transpose_round(std::uint64_t* words, std::uint8_t* out, std::int64_t stride) {
    constexpr int kStep = High / 4;  // rows that are exchanged: High, High / 2 and High / 4 apart
    for (int first = 0; first < 64; first += 2 * High) {
        for (int row = first; row < first + kStep; ++row) {
            for (std::int64_t at = 0; at < 8; at += V::kBytes / 8) {
                typename V::Bits x[8];
                for (int i = 0; i < 8; ++i) x[i] = V::load(words + (row + i * kStep) * 8 + at);
                const auto exchange = [&x](int distance, int shift, std::uint64_t mask) {
                    for (int i = 0; i < 8; ++i) {
                        if (!(i & distance)) V::swap(x[i], x[i + distance], shift, mask);
                    }
                };
                if (High == 32) {
                    exchange(4, 32, 0x00000000ffffffffu);
                    exchange(2, 16, 0x0000ffff0000ffffu);
                    exchange(1, 8, 0x00ff00ff00ff00ffu);
                } else {
                    exchange(4, 4, 0x0f0f0f0f0f0f0f0fu);
                    exchange(2, 2, 0x3333333333333333u);
                    exchange(1, 1, 0x5555555555555555u);
                }
                for (int i = 0; i < 8; ++i) V::store(out + (row + i * kStep) * stride + at * 8, x[i]);
            }
        }
    }
}

template <class V>
void transpose_words(std::uint64_t* words, std::uint8_t* planes, std::int64_t stride) {
    transpose_round<V, 32>(words, reinterpret_cast<std::uint8_t*>(words), kGroupBytes);
    transpose_round<V, 4>(words, planes, stride);
}

inline std::int64_t list_ones(const std::uint64_t* words, std::int64_t stretches, std::uint32_t first,
                              std::uint32_t* to) {
    std::int64_t found = 0;
    for (; stretches > 0; --stretches, words += 8, first += 8 * 64) {
        std::uint64_t any = 0;
        for (int i = 0; i < 8; ++i) any |= words[i];
        if (any == 0) continue;
        for (std::uint32_t i = 0; i < 8; ++i) {
            std::uint64_t word = words[i];
            std::uint32_t* next = to + found;
            found += __builtin_popcountll(word);
            // Most words have no more than two: these are written unasked, as no branch could foresee how many.
            for (int j = 0; j < 2; ++j, word &= word - 1) {
                *next++ = first + i * 64 + static_cast<std::uint32_t>(__builtin_ctzll(word | std::uint64_t{1} << 63));
            }
            for (; __builtin_expect(word != 0, 0); word &= word - 1) {
                *next++ = first + i * 64 + static_cast<std::uint32_t>(__builtin_ctzll(word));
            }
        }
    }
    return found;
}

inline std::uint32_t distance_of(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bytes, std::uint8_t last) {
    std::int64_t i = 0;
    int distance = 0;
    for (; i + 8 < bytes; i += 8) {
        std::uint64_t x, y;
        std::memcpy(&x, a + i, 8);
        std::memcpy(&y, b + i, 8);
        distance += __builtin_popcountll(x ^ y);
    }
    for (; i < bytes - 1; ++i) distance += __builtin_popcount(static_cast<unsigned>(a[i] ^ b[i]));
    if (i < bytes) distance += __builtin_popcount(static_cast<unsigned>((a[i] ^ b[i]) & last));
    return static_cast<std::uint32_t>(distance);
}

// Rows [first, count), one at a time: what vector code leaves over.
inline std::int64_t rows_one_by_one(const std::uint8_t* query, const std::uint8_t* rows, std::int64_t first,
                                    std::int64_t count, std::int64_t bits, std::uint32_t limit, RowHit* hits) {
    const std::int64_t bytes = (bits + 7) / 8;
    std::int64_t found = 0;
    if (bits == 64) {
        std::uint64_t code;
        std::memcpy(&code, query, 8);
        for (std::int64_t row = first; row < count; ++row) {
            std::uint64_t item;
            std::memcpy(&item, rows + row * 8, 8);
            const auto distance = static_cast<std::uint32_t>(__builtin_popcountll(code ^ item));
            if (distance < limit) hits[found++] = {static_cast<std::uint32_t>(row), distance};
        }
        return found;
    }
    const auto last = static_cast<std::uint8_t>(0xffu >> (bytes * 8 - bits));
    for (std::int64_t row = first; row < count; ++row) {
        const std::uint32_t distance = distance_of(query, rows + row * bytes, bytes, last);
        if (distance < limit) hits[found++] = {static_cast<std::uint32_t>(row), distance};
    }
    return found;
}

}  // namespace
}  // namespace rsir

// Where distances stand among the marks of a query: the keys whose ranks are wanted.
#pragma once

#include <cstdint>

namespace rsir {

// Of a query, for distances that are off by less than `window`. Its buckets are equal steps of the distance from `low`
// on; what is less shares the first, what is more the last.
struct RankTable {
    static constexpr std::uint32_t kPlace = 0x7fff, kSearch = 0x8000;

    // Bits of the distances of the marks (distance_bits.h), which order like them, and behind them twice those of
    // infinity.
    const std::uint32_t* marks;
    // Of each bucket the number of marks that are surely below what is in it, at most kPlace; with kSearch where more
    // than two may be neither below nor above, and in the first bucket.
    const std::uint16_t* entries;
    float low, inverse, last;  // of the buckets: the begin, 1 / the step, the number of the last
    float window;
    std::uint32_t steps;  // of the bits of a distance beyond the first bucket: `window` at least
    std::uint32_t count;  // of the marks

    // Where distances are counted that could not be placed.
    [[gnu::always_inline]] std::uint32_t nowhere() const { return count + 1; }

    // It never decreases as the distance grows; 0 for NaN. Always inlined: a copy compiled for one instruction set must
    // not become the one that all files call.
    [[gnu::always_inline]] int bucket_of(float distance) const {
        float step = (distance - low) * inverse;
        step = step > 0.0f ? step : 0.0f;
        return static_cast<int>(step < last ? step : last);
    }
};

}  // namespace rsir

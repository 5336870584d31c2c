// Where distances stand among the marks of a query: the keys whose ranks are wanted.
#pragma once

#include <cstdint>

namespace rsir {

// How far distances of a query to some rows are off: that of row i by less than own + offs[i]; null: not at all.
struct RankWindow {
    float own;
    const float* offs;
};

// Of a query. Its buckets are equal steps of the distance from `low` on; what is less shares the first, what is more
// the last.
struct RankTable {
    static constexpr std::uint32_t kMarks = 4;  // with which a distance is compared at once

    // Bits of the distances of the marks (distance_bits.h), which order like them, and behind them kMarks times those
    // of infinity.
    const std::uint32_t* marks;
    // Of each bucket how many marks are surely below what is in it, at most 65535.
    const std::uint16_t* entries;
    float low, inverse, last;  // of the buckets: the begin, 1 / the step, the number of the last
    std::uint32_t count;       // of the marks

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

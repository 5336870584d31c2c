// Numbers as they are stored, for the files of one instruction set.
#pragma once

#include <cstdint>

#include "kernels/cpu/canonical_distance.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

struct Float16 {
    std::uint16_t bits;
};

struct BFloat16 {
    std::uint16_t bits;
};

// Calls body with a typed pointer to the numbers of the matrix, unless they are float64.
template <class Body>
inline void by_narrow_element(const Rows& matrix, const Body& body) {
    switch (matrix.element) {
        case Element::float16:
            return body(static_cast<const Float16*>(matrix.data));
        case Element::bfloat16:
            return body(static_cast<const BFloat16*>(matrix.data));
        default:
            return body(static_cast<const float*>(matrix.data));
    }
}

// Calls body with a typed pointer to the numbers of the matrix.
template <class Body>
inline void by_element(const Rows& matrix, const Body& body) {
    if (matrix.element == Element::float64) return body(static_cast<const double*>(matrix.data));
    by_narrow_element(matrix, body);
}

// The last d % kLanes numbers of a row, followed by zeros.
template <class T>
struct Tail {
    T numbers[kLanes];

    Tail(const T* row, std::int64_t d) {
        const std::int64_t full = d / kLanes * kLanes;
        __builtin_memset(numbers, 0, sizeof numbers);
        __builtin_memcpy(numbers, row + full, static_cast<std::size_t>(d - full) * sizeof(T));
    }
};

}  // namespace
}  // namespace rsir

// A matrix in the caller's memory, of any element type.
#pragma once

#include <cstdint>

namespace rsir {

// How the numbers of a matrix are stored; float16 and bfloat16 are IEEE binary16 and the upper half of a float, as
// bits.
enum class Element { float32, float64, float16, bfloat16 };

template <class T>
struct ElementOf;
template <>
struct ElementOf<float> {
    static constexpr Element value = Element::float32;
};
template <>
struct ElementOf<double> {
    static constexpr Element value = Element::float64;
};

// With what a search compares rows: as they are stored, or Gaussian-normalised, each by its own mean and deviation.
enum class Normalize : std::uint32_t { none, row };

// A row-major matrix with d columns, without padding.
struct Rows {
    const void* data;
    Element element;
    std::int64_t d;
    Normalize normalize = Normalize::none;  // as rows are read: the database of a search, and what a sidecar is made of

    std::int64_t row_bytes() const {
        return d * (element == Element::float64 ? 8 : element == Element::float32 ? 4 : 2);
    }

    // The rows from `row` on.
    Rows from(std::int64_t row) const {
        return {static_cast<const char*>(data) + row * row_bytes(), element, d, normalize};
    }
};

// Some consecutive rows of a database that lies in several places.
struct RowPart {
    Rows rows;
    std::int64_t n;
};

template <class T>
Rows rows_of(const T* data, std::int64_t d) {
    return {data, ElementOf<T>::value, d};
}

}  // namespace rsir

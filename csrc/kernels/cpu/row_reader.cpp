#include "kernels/cpu/row_reader.h"

#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/isa.h"

namespace rsir {

RowReader::RowReader(const Rows& matrix, Isa isa, std::int64_t most) : matrix_(matrix), isa_(isa), most_(most) {
    if (!copies()) return;
    copies_.resize(static_cast<std::size_t>(most * matrix.d));
    wide_.resize(static_cast<std::size_t>(matrix.d));
}

Rows RowReader::take(std::int64_t first, std::int64_t count) {
    if (!copies()) return matrix_.from(first);
    for (std::int64_t i = 0; i < count; ++i) copy(first + i, first + std::min(i + 1, count - 1), i);
    return copied();
}

void RowReader::copy(std::int64_t row, std::int64_t next, std::int64_t i) {
    const std::int64_t d = matrix_.d;
    if (d == 0) return;
    const auto* lines = static_cast<const char*>(matrix_.from(next).data);
    for (std::int64_t byte = 0; byte < matrix_.row_bytes(); byte += 64) __builtin_prefetch(lines + byte, 0, 2);
    const GaussianPasses& passes = RSIR_BY_ISA(isa_, gaussian_passes);
    const void* data = matrix_.from(row).data;
    float* out = copies_.data() + i * d;
    switch (matrix_.element) {
        case Element::float32:
            return passes.from_float.normalize(static_cast<const float*>(data), 1, d, out, false);
        case Element::float64:
            return passes.from_double.normalize(static_cast<const double*>(data), 1, d, out, false);
        case Element::float16:
        case Element::bfloat16:
            widen_row(matrix_, row, wide_.data());
            return passes.from_double.normalize(wide_.data(), 1, d, out, false);
    }
}

void RowReader::gather(const CanonicalDistance& distance, const double* query, const std::uint32_t* ids, std::int64_t m,
                       std::int64_t coming, double* out) {
    if (!copies()) return distance.gather(query, matrix_, ids, m, coming, out);
    for (std::int64_t i = 0; i < m; i += most_) {
        const std::int64_t count = std::min(most_, m - i);
        distance.gather(query, take(ids + i, count), nullptr, count, 0, out + i);
    }
}

}  // namespace rsir

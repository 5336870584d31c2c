#include <algorithm>
#include <cmath>

#include "device_tests.h"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/sidecar.h"
#include "kernels/gaussian_normalize.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Codes;
using cuda::Sidecar;

namespace {

// A copy in memory of its own.
struct Copy {
    DeviceArray<unsigned char> memory;
    Sidecar sidecar;

    Copy(Codes codes, std::int64_t n, std::int64_t d)
        : memory(static_cast<std::int64_t>(cuda::sidecar_bytes(codes, n, d))),
          sidecar(Sidecar::at(memory.data(), codes, n, d)) {}
    std::vector<unsigned char> bytes() const { return {memory.data(), memory.data() + memory.size()}; }
};

// A copy of a matrix by itself.
template <class T>
std::vector<unsigned char> copied(const DeviceArray<T>& matrix, std::int64_t n, std::int64_t d, Codes codes) {
    const Copy copy(codes, n, d);
    CHECK(cuda::make_sidecar(matrix.data(), Stored<T>::type, n, d, copy.sidecar, nullptr) == cudaSuccess);
    return copy.bytes();
}

double code(const Sidecar& copy, std::int64_t row, std::int64_t column) {
    const std::int64_t at = row * copy.width + column, words_at = at + row * copy.width;
    const auto* bytes = static_cast<const std::int8_t*>(copy.values);
    if (copy.codes == Codes::half) {
        return static_cast<double>(__half2float(static_cast<const __half*>(copy.values)[at]));
    }
    return copy.codes == Codes::int8 ? bytes[at] : 256.0 * bytes[words_at] + bytes[words_at + copy.width];
}

// Codes and bounds, against what they promise (sidecar.h), in float64.
template <class T>
void check_promises(const std::vector<T>& matrix, std::int64_t n, std::int64_t d, const Sidecar& copy) {
    for (std::int64_t i = 0; i < n; ++i) {
        const Case here("row ", i);
        double norm = 0.0, residual = 0.0, most = 0.0;
        bool finite = true;
        for (std::int64_t j = 0; j < copy.width; ++j) {
            const double value =
                j < d ? static_cast<double>(Stored<T>::wide(matrix[static_cast<std::size_t>(i * d + j)])) : 0.0;
            const double coded = code(copy, i, j) * static_cast<double>(copy.scale[i]);
            CHECK(j < d || coded == 0.0);
            finite = finite && std::isfinite(value);
            most = std::max(most, std::fabs(value));
            norm += coded * coded;
            residual += (value - coded) * (value - coded);
        }
        const bool bounded = finite && (most == 0.0 || (most >= 0x1p-40 && most <= 0x1p40));
        CHECK(std::isnan(copy.norm[i]) == !bounded);
        if (!bounded) continue;
        CHECK(std::fabs(static_cast<double>(copy.norm[i]) - norm) <= norm * 1e-7);
        CHECK(static_cast<double>(copy.residual[i]) >= std::sqrt(residual));
        CHECK(static_cast<double>(copy.residual[i]) <= std::sqrt(residual) * 1.0000002 + 0x1p-149);
        const double steps = copy.codes == Codes::half   ? 0x1p-11
                             : copy.codes == Codes::int8 ? 0.5 / 127.0
                                                         : 0.5 / 32639.0;
        CHECK(std::sqrt(residual) <= most * steps * 1.001 * std::sqrt(static_cast<double>(d)));
    }
}

template <class T>
void check_copies(const std::vector<T>& matrix, std::int64_t n, std::int64_t d) {
    const Case here("n=", n, " d=", d, " bytes=", sizeof(T));
    const DeviceArray<T> input(matrix);
    std::vector<float> rows(matrix.size());
    CHECK(gaussian_normalize(widened(matrix).data(), n, d, rows.data(), Context{}) == Status::ok);
    const DeviceArray<float> expected(rows);
    next_order([&] {
        const Copy half(Codes::half, n, d), int8(Codes::int8, n, d);
        CHECK(cuda::make_copies(input.data(), Stored<T>::type, n, d, {half.sidecar, int8.sidecar}, nullptr, nullptr) ==
              cudaSuccess);
        check_promises(matrix, n, d, half.sidecar);
        check_promises(matrix, n, d, int8.sidecar);
        CHECK_DEVICE(half.memory, copied(input, n, d, Codes::half));
        CHECK_DEVICE(int8.memory, copied(input, n, d, Codes::int8));
    });
    next_order([&] {
        const Copy words(Codes::words, n, d);
        CHECK(cuda::make_sidecar(input.data(), Stored<T>::type, n, d, words.sidecar, nullptr) == cudaSuccess);
        check_promises(matrix, n, d, words.sidecar);
    });
    // Normalised on the way: the rows of gaussian_normalize, and the copies that are made of those.
    next_order([&] {
        const Copy half(Codes::half, n, d), int8(Codes::int8, n, d);
        const DeviceArray<float> normalized(n * d);
        CHECK(cuda::make_copies(input.data(), Stored<T>::type, n, d, {half.sidecar, int8.sidecar}, normalized.data(),
                                nullptr) == cudaSuccess);
        CHECK_DEVICE(normalized, rows);
        CHECK_DEVICE(half.memory, copied(expected, n, d, Codes::half));
        CHECK_DEVICE(int8.memory, copied(expected, n, d, Codes::int8));
    });
}

}  // namespace

// Around the columns that are coded together, the width, and the lengths that change the kernel.
TEST(rows_of_all_lengths) {
    Random random(71);
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t d : sizes({1, 31, 33, 63, 64, 65, 127, 300, 1023, 1024, 1025, 2048, 2049, 4096, 4097},
                                          {1, 65, 300, 1024, 1025, 2049, 4097})) {
            for (const Kind kind : kKinds) {
                if (reduced() && kind != Kind::hostile && d > 65) continue;
                check_copies(stored<T>(matrix<double>(random, 1 + d % 6, d, kind)), 1 + d % 6, d);
            }
        }
    });
}

TEST(counts_of_rows) {
    Random random(72);
    for (const std::int64_t n : {0, 1, 3, 4, 5, 9, 257}) {
        check_copies(matrix<float>(random, n, 40, Kind::hostile), n, 40);
    }
    check_copies(std::vector<float>{}, 3, 0);
}

// A row whose largest element is its last, or beyond what is bounded by a little.
TEST(scales) {
    std::vector<float> rows;
    const std::vector<float> largest = {1.0f,    127.0f,         0x1p-40f,       0x1p-41f,
                                        0x1p40f, 0x1.000002p40f, 0x1.fffffep30f, 0.0f};
    for (const float value : largest) {
        for (const float last : {-value, value}) {
            for (int j = 0; j < 69; ++j) rows.push_back(value / 1000.0f * static_cast<float>(j));
            rows.push_back(last);
        }
    }
    check_copies(rows, 2 * static_cast<std::int64_t>(largest.size()), 70);
}

// One copy without the other, and rows without copies.
TEST(what_is_wanted) {
    Random random(73);
    for (const std::int64_t d : {70, 4100}) {
        const std::vector<float> matrix = rsir::test::matrix<float>(random, 5, d, Kind::uniform);
        std::vector<float> rows(matrix.size());
        CHECK(gaussian_normalize(matrix.data(), 5, d, rows.data(), Context{}) == Status::ok);
        const DeviceArray<float> expected(rows);
        for (const bool half : {false, true}) {
            for (const bool int8 : {false, true}) {
                const DeviceArray<float> both(matrix);  // in place
                const Copy halves(Codes::half, 5, d), bytes(Codes::int8, 5, d);
                const std::vector<unsigned char> none = halves.bytes(), no_bytes = bytes.bytes();
                CHECK(cuda::make_copies(both.data(), cuda::FloatType::float32, 5, d,
                                        {half ? halves.sidecar : Sidecar{}, int8 ? bytes.sidecar : Sidecar{}},
                                        both.data(), nullptr) == cudaSuccess);
                CHECK_DEVICE(both, rows);
                CHECK_DEVICE(halves.memory, half ? copied(expected, 5, d, Codes::half) : none);
                CHECK_DEVICE(bytes.memory, int8 ? copied(expected, 5, d, Codes::int8) : no_bytes);
            }
        }
    }
}

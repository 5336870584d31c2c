#include "device_tests.h"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/gaussian_normalize.h"

using namespace rsir;
using namespace rsir::test;

namespace {

template <class T>
void check_rows(Random& random, std::int64_t n, std::int64_t d, Kind kind) {
    const Case here("n=", n, " d=", d, " bytes=", sizeof(T));
    const std::vector<T> features = stored<T>(matrix<double>(random, n, d, kind));
    std::vector<float> expected(static_cast<std::size_t>(n * d));
    CHECK(gaussian_normalize(widened(features).data(), n, d, expected.data(), Context{}) == Status::ok);
    const DeviceArray<T> input(features);
    each_order([&] {
        const DeviceArray<float> out(n * d);
        CHECK(cuda::gaussian_normalize(input.data(), Stored<T>::type, n, d, out.data(), nullptr) == cudaSuccess);
        CHECK_DEVICE(out, expected);
    });
}

}  // namespace

// Around the lengths that change the kernel: 1024, 2048 and 4096, by type.
TEST(rows_of_all_lengths) {
    Random random(11);
    each_type([&](auto type) {
        for (const std::int64_t d :
             sizes({1, 2, 31, 32, 33, 63, 100, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 5000},
                   {1, 33, 1024, 1025, 2048, 4097})) {
            for (const Kind kind : kKinds) check_rows<decltype(type)>(random, 1 + d % 6, d, kind);
        }
    });
}

TEST(counts_of_rows) {
    Random random(12);
    for (const std::int64_t n : {0, 1, 3, 4, 5, 8, 9}) check_rows<float>(random, n, 40, Kind::hostile);
    check_rows<float>(random, 3, 0, Kind::uniform);
}

// One read, one write: into the features themselves.
TEST(in_place) {
    Random random(13);
    for (const std::int64_t d : {5, 64, 1025, 4500}) {
        const auto features = matrix<float>(random, 5, d, Kind::hostile);
        std::vector<float> expected(features.size());
        CHECK(gaussian_normalize(features.data(), 5, d, expected.data(), Context{}) == Status::ok);
        each_order([&] {
            const DeviceArray<float> both(features);
            CHECK(cuda::gaussian_normalize(both.data(), cuda::FloatType::float32, 5, d, both.data(), nullptr) ==
                  cudaSuccess);
            CHECK_DEVICE(both, expected);
        });
    }
}

// Numbers so large that their sum is rounded by as much as they differ: the mean depends on the order of the sum.
TEST(sums_of_large_numbers) {
    Random random(14);
    for (const std::int64_t d : {40, 200, 1100, 4500}) {
        std::vector<double> features;
        for (std::int64_t i = 0; i < 5 * d; ++i) {
            features.push_back(0x1p53 + 2.0 * static_cast<double>(random.below(8)));
        }
        std::vector<float> expected(features.size());
        CHECK(gaussian_normalize(features.data(), 5, d, expected.data(), Context{}) == Status::ok);
        const DeviceArray<double> input(features);
        each_order([&] {
            const DeviceArray<float> out(5 * d);
            CHECK(cuda::gaussian_normalize(input.data(), cuda::FloatType::float64, 5, d, out.data(), nullptr) ==
                  cudaSuccess);
            CHECK_DEVICE(out, expected);
        });
    }
}

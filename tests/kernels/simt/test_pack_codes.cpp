#include "device_tests.h"
#include "kernels/cuda/pack_codes.h"
#include "kernels/pack_codes.h"

using namespace rsir;
using namespace rsir::test;

TEST(codes_of_all_lengths) {
    Random random(21);
    each_type([&](auto type) {
        using T = decltype(type);
        for (const std::int64_t b : sizes({0, 1, 7, 8, 9, 63, 64, 65, 130}, {1, 8, 65})) {
            for (const std::int64_t n : {0, 1, 5, 33}) {
                const Case here("n=", n, " b=", b, " bytes=", sizeof(T));
                const std::vector<T> values = stored<T>(numbers<double>(random, n * b, Kind::hostile));
                std::vector<std::uint8_t> expected(static_cast<std::size_t>(n * ((b + 7) / 8)));
                CHECK(pack_codes(widened(values).data(), n, b, expected.data(), Context{}) == Status::ok);
                const DeviceArray<T> input(values);
                each_order([&] {
                    const DeviceArray<std::uint8_t> codes(n * ((b + 7) / 8));
                    CHECK(cuda::pack_codes(input.data(), Stored<T>::type, n, b, codes.data(), nullptr) == cudaSuccess);
                    CHECK_DEVICE(codes, expected);
                });
            }
        }
    });
}

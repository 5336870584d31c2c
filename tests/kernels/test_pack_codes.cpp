#include "check.h"
#include "kernels/pack_codes.h"

using namespace rsir;
using namespace rsir::test;

namespace {

template <class T>
void check_pack(const std::vector<T>& values, std::int64_t n, std::int64_t b) {
    const Case here("n=", n, " b=", b, " bytes=", sizeof(T));
    const std::int64_t bytes = (b + 7) / 8;
    std::vector<std::uint8_t> expected(static_cast<std::size_t>(n * bytes));
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < b; ++j) {
            if (values[static_cast<std::size_t>(i * b + j)] > 0) {
                expected[static_cast<std::size_t>(i * bytes + j / 8)] |= static_cast<std::uint8_t>(1u << (j % 8));
            }
        }
    }
    const Exact<T> input(values);
    each_context([&](const Context& context) {
        Output<std::uint8_t> codes(n * bytes);
        CHECK(pack_codes(input.data(), n, b, codes.data(), context) == Status::ok);
        CHECK_BITS(codes, expected);
    });
}

template <class T>
void check_sizes() {
    Random random(7);
    for (const std::int64_t b :
         sizes({0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 130, 511, 513}, {0, 1, 8, 17, 65, 130})) {
        for (const std::int64_t n : sizes({0, 1, 7, 8, 9, 15, 16, 17, 48, 100}, {0, 1, 9, 17})) {
            for (const Kind kind : kKinds) check_pack(numbers<T>(random, n * b, kind), n, b);
        }
    }
}

}  // namespace

TEST(float_sizes) { check_sizes<float>(); }
TEST(double_sizes) { check_sizes<double>(); }

// Enough for several tasks.
TEST(many_rows) {
    Random random(8);
    check_pack(numbers<float>(random, 35000 * 65, Kind::uniform), 35000, 65);
}

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const float x[8] = {};
        std::uint8_t code;
        pack_codes(x, 1, 8, &code, context);
    });
}

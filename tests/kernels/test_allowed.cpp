// Bits of allowed rows, at every offset, without a look beyond the last byte.
#include <vector>

#include "check.h"
#include "kernels/allowed.h"

using namespace rsir;
using namespace rsir::test;

namespace {

bool bit_of(const std::vector<std::uint8_t>& bytes, std::int64_t bit) {
    return (bytes[static_cast<std::size_t>(bit / 8)] >> (bit % 8) & 1) != 0;
}

}  // namespace

TEST(words_and_counts_at_every_offset) {
    Random random(1);
    for (const std::int64_t n : {1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 2100}) {
        for (std::int64_t first = 0; first < 18; ++first) {
            const Case here("n=", n, " first=", first);
            // Bits before and behind those of the rows as well; the allocation ends with the last row's byte.
            std::vector<std::uint8_t> bytes(static_cast<std::size_t>((first + n + 7) / 8));
            for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 8);
            const Exact<std::uint8_t> exact(bytes);
            const Allowed allowed{exact.data(), first, n};
            for (std::int64_t row = 0; row < n + 70; row += n > 200 ? 37 : 1) {
                std::uint64_t expected = 0;
                for (std::int64_t i = row; i < n && i < row + 64; ++i) {
                    expected |= std::uint64_t{bit_of(bytes, first + i)} << (i - row);
                }
                CHECK(allowed.word(row) == expected);
                std::uint64_t words[8];
                allowed.words(row, words);
                for (std::int64_t i = 0; i < 8; ++i) CHECK(words[i] == allowed.word(row + 64 * i));
            }
            for (int i = 0; i < 20; ++i) {
                const auto begin = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n + 1)));
                const auto end =
                    begin + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n - begin + 1)));
                std::int64_t expected = 0;
                for (std::int64_t row = begin; row < end; ++row) expected += bit_of(bytes, first + row) ? 1 : 0;
                CHECK(allowed.count(begin, end) == expected);
                CHECK(allowed.part(begin, end - begin).count(0, end - begin) == expected);
            }
            for (std::int64_t row = 0; row < n; ++row) CHECK(allowed.has(row) == bit_of(bytes, first + row));
        }
    }
}

TEST(counts_of_many_rows) {
    Random random(2);
    const std::int64_t n = 100000;
    for (const std::int64_t first : {0, 3}) {
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>((first + n + 7) / 8));
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 8);
        const Exact<std::uint8_t> exact(bytes);
        for (const std::int64_t end : {n, n - 1, n - 700, std::int64_t{31 * 1024}, std::int64_t{32 * 1024 + 5}}) {
            std::int64_t expected = 0;
            for (std::int64_t row = 1; row < end; ++row) expected += bit_of(bytes, first + row) ? 1 : 0;
            CHECK((Allowed{exact.data(), first, n}).count(1, end) == expected);
        }
    }
}

TEST(without_a_bitmap_all_rows_are_allowed) {
    const Allowed allowed{nullptr, 0, 70};
    CHECK(allowed.all());
    CHECK(allowed.word(0) == ~std::uint64_t{0});
    CHECK(allowed.word(64) == 63);
    CHECK(allowed.word(70) == 0);
    std::uint64_t words[8];
    allowed.words(0, words);
    CHECK(words[0] == ~std::uint64_t{0} && words[1] == 63 && words[2] == 0 && words[7] == 0);
    CHECK(allowed.has(69));
    CHECK(allowed.count(3, 70) == 67);
}

TEST(all_ones_and_none) {
    for (const std::uint8_t byte : {std::uint8_t{0}, std::uint8_t{255}}) {
        const std::vector<std::uint8_t> bytes(20000, byte);
        const Allowed allowed{bytes.data(), 3, 159990};
        CHECK(allowed.count(0, 159990) == (byte == 0 ? 0 : 159990));
        CHECK(allowed.count(5, 7000) == (byte == 0 ? 0 : 6995));
    }
}

// What the tests of Hamming search on the device share.
#pragma once

#include <algorithm>

#include "device_tests.h"
#include "kernels/cuda/hamming_topk.h"
#include "kernels/hamming_topk.h"

namespace rsir::test {

using Words = std::vector<std::uint64_t>;

// Near each other, with junk beyond the last bit that counts. `orderly`: the farther from zero the earlier, so that
// every code is a candidate when it comes.
inline Words codes(Random& random, std::int64_t n, int words, bool orderly = false) {
    Words values;
    for (std::int64_t i = 0; i < n * words; ++i) {
        const std::int64_t row = i / words;
        if (orderly) {
            values.push_back(~std::uint64_t{0} >> std::min<std::int64_t>(63, row * 64 / n));
        } else {
            values.push_back(random.below(3) == 0 ? random.next() : std::uint64_t{1} << random.below(64));
        }
    }
    return values;
}

struct Answer {
    std::vector<std::int32_t> distances;
    std::vector<std::int64_t> ids;
};

inline Answer on_cpu(const Words& queries, std::int64_t q, const Words& database, std::int64_t n, std::int64_t bits,
                     std::int64_t k, const Allowed* allowed = nullptr) {
    const auto words = static_cast<std::size_t>((bits + 63) / 64), bytes = static_cast<std::size_t>((bits + 7) / 8);
    const auto packed = [&](const Words& from, std::int64_t rows) {
        std::vector<std::uint8_t> to(static_cast<std::size_t>(rows) * bytes);
        for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
            std::memcpy(to.data() + row * bytes, from.data() + row * words, bytes);
        }
        return to;
    };
    Answer answer{std::vector<std::int32_t>(static_cast<std::size_t>(q * k)),
                  std::vector<std::int64_t>(static_cast<std::size_t>(q * k))};
    CHECK(hamming_topk(packed(queries, q).data(), q, packed(database, n).data(), n, bits,
                       allowed != nullptr ? *allowed : Allowed{nullptr, 0, n}, k, answer.distances.data(),
                       answer.ids.data(), Context{}) == Status::ok);
    return answer;
}

inline std::uint64_t mask_of(std::int64_t bits) {
    return bits % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits % 64) - 1;
}

}  // namespace rsir::test

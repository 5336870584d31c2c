#include <algorithm>

#include "device_tests.h"
#include "kernels/cuda/select.h"

using namespace rsir;
using namespace rsir::test;
using cuda::Key;
using cuda::kNoKey;

namespace {

constexpr std::uint32_t kMissing = 0x7f800000u;

struct Rows {
    std::int64_t q, stride;
    std::vector<Key> keys;
};

// Distances in few values, ids all different; some slots hold nothing. `orderly`: the nearest come last, so that the
// selection overflows as often as it can.
Rows rows_of(Random& random, std::int64_t q, std::int64_t stride, bool orderly) {
    Rows rows{q, stride, {}};
    for (std::int64_t i = 0; i < q * stride; ++i) {
        const Key id = static_cast<Key>(i % stride);
        const Key distance = orderly ? static_cast<Key>(stride) - id : random.below(50);
        rows.keys.push_back(random.below(9) == 0 ? kNoKey : distance << 32 | id);
    }
    return rows;
}

void check_selection(const Rows& rows, std::int64_t k, const std::vector<int>& counts, const std::vector<int>& wanted) {
    const Case here("q=", rows.q, " stride=", rows.stride, " k=", k);
    const DeviceArray<Key> keys(rows.keys);
    const DeviceArray<int> device_counts(counts), device_wanted(wanted);
    const std::vector<std::uint32_t> untouched(static_cast<std::size_t>(rows.q * k), 0xa5a5a5a5u);
    std::vector<std::uint32_t> words = untouched;
    std::vector<std::int64_t> ids(words.size(), static_cast<std::int64_t>(0xa5a5a5a5a5a5a5a5u));
    for (std::int64_t row = 0; row < rows.q; ++row) {
        const auto at = static_cast<std::size_t>(row);
        if (!wanted.empty() && wanted[at] == 0) continue;
        const std::int64_t m = counts.empty() ? rows.stride : counts[at];
        std::vector<Key> sorted(rows.keys.begin() + row * rows.stride, rows.keys.begin() + row * rows.stride + m);
        std::sort(sorted.begin(), sorted.end());
        sorted.resize(static_cast<std::size_t>(k), kNoKey);
        for (std::size_t j = 0; j < sorted.size(); ++j) {
            const bool none = sorted[j] == kNoKey;
            words[at * static_cast<std::size_t>(k) + j] = none ? kMissing : static_cast<std::uint32_t>(sorted[j] >> 32);
            ids[at * static_cast<std::size_t>(k) + j] = none ? -1 : static_cast<std::int64_t>(sorted[j] & 0xffffffffu);
        }
    }
    each_order([&] {
        const DeviceArray<std::uint32_t> device_words(rows.q * k);
        const DeviceArray<std::int64_t> device_ids(rows.q * k);
        const cuda::Selection selection{keys.data(),
                                        rows.q,
                                        rows.stride,
                                        rows.stride,
                                        counts.empty() ? nullptr : device_counts.data(),
                                        wanted.empty() ? nullptr : device_wanted.data(),
                                        k,
                                        kMissing,
                                        device_words.data(),
                                        device_ids.data()};
        CHECK(cuda::select_smallest(selection, nullptr) == cudaSuccess);
        CHECK_DEVICE(device_words, words);
        CHECK_DEVICE(device_ids, ids);
    });
}

}  // namespace

TEST(depths_and_lengths) {
    Random random(31);
    for (const std::int64_t k : sizes({1, 2, 100, 255, 256, 257, 1000, 2048}, {1, 256, 600})) {
        for (const std::int64_t stride : sizes({1, 100, 511, 512, 513, 2049, 5000}, {1, 513, 3000})) {
            check_selection(rows_of(random, 2, stride, stride % 2 == 0), k, {}, {});
        }
    }
}

TEST(nearest_last) {
    Random random(32);
    for (const std::int64_t k : {1, 300}) check_selection(rows_of(random, 1, 4000, true), k, {}, {});
}

TEST(counts_of_their_own) {
    Random random(33);
    check_selection(rows_of(random, 4, 900, false), 40, {0, 1, 899, 900}, {});
}

TEST(rows_that_are_not_wanted_stay) {
    Random random(34);
    check_selection(rows_of(random, 4, 60, false), 7, {}, {0, 1, 0, -1});
}

TEST(nothing_to_do) {
    Random random(35);
    check_selection(rows_of(random, 0, 10, false), 3, {}, {});
    check_selection(rows_of(random, 3, 10, false), 0, {}, {});
}

// What parts of a database prove of one query: the k-th smallest of it all, whichever thread says it first.
#include <algorithm>
#include <limits>
#include <vector>

#include "check.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/shared_bounds.h"

using namespace rsir;
using namespace rsir::test;

TEST(the_kth_smallest_of_all_parts) {
    Random random(1);
    constexpr std::int64_t kQueries = 70, kParts = 9;  // more than there are locks
    for (const std::int64_t k : {1, 5, 40}) {
        const Case here("k=", k);
        std::vector<std::vector<float>> proven(kQueries * kParts);
        for (auto& values : proven) {
            values = numbers<float>(random, static_cast<std::int64_t>(random.below(9)), Kind::uniform);
        }
        each_context([&](const Context& context) {
            SharedBounds bounds(kQueries, k, 1000);
            for (std::int64_t query = 0; query < kQueries; ++query) {
                CHECK(bounds.of(query) == std::numeric_limits<double>::infinity());
            }
            CHECK(parallel_for(context, kQueries * kParts, [&](std::int64_t task, Poll&) {
                      bounds.add(task % kQueries, 1, proven[static_cast<std::size_t>(task)]);
                  }) == Status::ok);
            for (std::int64_t query = 0; query < kQueries; ++query) {
                std::vector<float> all;
                for (std::int64_t part = 0; part < kParts; ++part) {
                    const auto& own = proven[static_cast<std::size_t>(part * kQueries + query)];
                    all.insert(all.end(), own.begin(), own.end());
                }
                std::sort(all.begin(), all.end());
                const auto kth = static_cast<std::size_t>(k) - 1;
                CHECK(bounds.of(query) ==
                      (kth < all.size() ? static_cast<double>(all[kth]) : std::numeric_limits<double>::infinity()));
            }
        });
    }
}

TEST(too_many_candidates_are_noticed_over_all_parts) {
    SharedBounds bounds(2, 3, 10);
    for (int part = 0; part < 2; ++part) bounds.add(1, 5, {});
    CHECK(!bounds.overflowed(0) && !bounds.overflowed(1));
    bounds.add(1, 1, {});
    CHECK(!bounds.overflowed(0) && bounds.overflowed(1));
}

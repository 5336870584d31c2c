#include <algorithm>

#include "check.h"
#include "kernels/cpu/topk.h"

using namespace rsir;
using namespace rsir::test;

TEST(selector_keeps_the_smallest) {
    Random random(9);
    for (const std::int64_t n : {0, 1, 63, 64, 65, 300, 5000}) {
        for (const std::int64_t k : {1, 2, 64, 299, 5000}) {
            for (const std::uint64_t distinct : {1u, 7u, 1u << 31}) {
                const Case here("n=", n, " k=", k, " distinct=", distinct);
                KeySelector selector(k, n);
                std::vector<Key> all;
                for (std::int64_t id = 0; id < n; ++id) {
                    all.push_back(make_key(static_cast<std::uint32_t>(random.below(distinct)), id));
                    selector.push(all.back());
                }
                std::sort(all.begin(), all.end());
                all.resize(static_cast<std::size_t>(std::min(n, k)));
                CHECK(selector.take() == all);
            }
        }
    }
}

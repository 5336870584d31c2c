#include <numeric>

#include "check.h"
#include "kernels/ranked_hits.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// Lists of `most` relevant items and fewer, some of none, each item relevant or not by chance.
void check_hits(Random& random, std::int64_t q, std::int64_t most) {
    const Case here("q=", q, " most=", most);
    std::vector<std::int64_t> ranks, offsets{0}, limits, own, found, sums, counts, left_counts, left;
    std::vector<double> precisions;
    const std::vector<std::int64_t> cutoffs{1, 2, 3, most + 3, 2 * most + 3, 1000};
    for (std::int64_t j = 0; j < q; ++j) {
        const auto count = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most) + 1));
        std::int64_t rank = 0, within = 0, sum = 0, number = 0;
        double precision = 0;
        limits.push_back(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * most) + 1)));
        own.push_back(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * most) + 1)));
        std::vector<std::int64_t> list, kept;
        while (static_cast<std::int64_t>(list.size()) < count) {
            rank += 1 + static_cast<std::int64_t>(random.below(3));
            list.push_back(rank);
            if (rank <= limits.back()) ++within;
            if (rank <= limits.back()) sum += rank;
            ++number;
            if (rank <= most) precision += static_cast<double>(number) / static_cast<double>(rank);
            if (rank != own.back()) kept.push_back(own.back() != 0 && rank > own.back() ? rank - 1 : rank);
        }
        for (const std::int64_t cutoff : cutoffs) {
            counts.push_back(0);
            for (const std::int64_t value : list) counts.back() += value <= cutoff ? 1 : 0;
        }
        found.push_back(within);
        sums.push_back(sum);
        precisions.push_back(precision);
        left_counts.push_back(static_cast<std::int64_t>(kept.size()));
        left.insert(left.end(), kept.begin(), kept.end());
        ranks.insert(ranks.end(), list.begin(), list.end());
        offsets.push_back(static_cast<std::int64_t>(ranks.size()));
    }
    const Exact<std::int64_t> exact(ranks);
    const RankedHits hits{exact.data(), offsets.data(), q};
    const auto p = static_cast<std::int64_t>(cutoffs.size());
    each_context([&](const Context& context) {
        Output<double> some_precisions(q);
        CHECK(sum_precisions(hits, most, some_precisions.data(), context) == Status::ok);
        CHECK_BITS(some_precisions, precisions);
        Output<std::int64_t> some_found(q), some_sums(q), some_counts(q * p);
        CHECK(sum_within(hits, limits.data(), some_found.data(), some_sums.data(), context) == Status::ok);
        CHECK_BITS(some_found, found);
        CHECK_BITS(some_sums, sums);
        CHECK(count_within(hits, cutoffs.data(), p, some_counts.data(), context) == Status::ok);
        CHECK_BITS(some_counts, counts);
        Output<std::int64_t> some_left_counts(q), some_left(static_cast<std::int64_t>(left.size()));
        drop_own(hits, own.data(), some_left_counts.data(), some_left.data());
        CHECK_BITS(some_left_counts, left_counts);
        CHECK_BITS(some_left, left);
    });
}

}  // namespace

TEST(lists_of_every_length) {
    Random random(5);
    for (const std::int64_t q : sizes({0, 1, 2, 63, 64, 65, 300}, {0, 1, 65})) {
        for (const std::int64_t most : {1, 5, 200}) check_hits(random, q, most);
    }
}

TEST(ranks_out_of_order_are_found) {
    const std::vector<std::int64_t> offsets{0, 2, 2, 4};
    const auto first = [&](const std::vector<std::int64_t>& ranks) {
        return first_disorder({ranks.data(), offsets.data(), 3});
    };
    CHECK(first({1, 2, 1, 2}) == -1);
    CHECK(first({0, 2, 1, 2}) == 0);
    CHECK(first({1, 1, 1, 2}) == 1);
    CHECK(first({1, 2, 0, 2}) == 2);
    CHECK(first({1, 2, 3, 2}) == 3);
}

#include <algorithm>
#include <deque>
#include <numeric>

#include "check.h"
#include "kernels/relevant_ranks.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// All ranks, taken in two parts.
Status all_ranks(const Rows& queries, std::int64_t q, const RowPart* database, std::int64_t parts,
                 const Allowed& allowed, const std::int64_t* members, const std::int64_t* first,
                 const std::int64_t* offsets, const std::int64_t* self, std::int64_t* ranks, std::int64_t* self_ranks,
                 const Context& context) {
    std::shared_ptr<RankMarks> found;
    const Status status =
        relevant_ranks(queries, q, database, parts, allowed, members, first, offsets, self, found, context);
    if (status != Status::ok) return status;
    const std::int64_t half = q / 2;
    CHECK(take_ranks(*found, half, q, ranks + offsets[half], self == nullptr ? nullptr : self_ranks + half, context) ==
          Status::ok);
    return take_ranks(*found, 0, half, ranks, self_ranks, context);
}

// The rows of a matrix, each part where its own allocation ends.
template <class T>
class Cut {
  public:
    // The parts end at `ends`, the last of which is the number of rows.
    Cut(const std::vector<T>& matrix, std::int64_t d, const std::vector<std::int64_t>& ends) {
        std::int64_t first = 0;
        for (const std::int64_t end : ends) {
            rows_.emplace_back(std::vector<T>(matrix.begin() + first * d, matrix.begin() + end * d));
            parts_.push_back({rows_of(rows_.back().data(), d), end - first});
            first = end;
        }
    }
    const std::vector<RowPart>& parts() const { return parts_; }

  private:
    std::deque<Exact<T>> rows_;
    std::vector<RowPart> parts_;
};

// Queries are the first q rows of the database; each row has a class, and relevant is what is of the query's.
template <class T>
void check_ranks(const std::vector<T>& database, std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t classes) {
    std::vector<std::int64_t> members, begins;
    for (std::int64_t c = 0; c < classes; ++c) {
        begins.push_back(static_cast<std::int64_t>(members.size()));
        for (std::int64_t id = c; id < n; id += classes) members.push_back(id);
    }
    begins.push_back(n);
    // Every third query asks for the class after its own, so that its own item is not relevant.
    std::vector<std::int64_t> first, offsets{0}, self, expected, expected_self;
    for (std::int64_t query = 0; query < q; ++query) {
        const auto wanted = static_cast<std::size_t>((query + (query % 3 == 0)) % classes);
        first.push_back(begins[wanted]);
        offsets.push_back(offsets.back() + begins[wanted + 1] - begins[wanted]);
        self.push_back(query);
        std::vector<float> distances, sorted;
        for (std::int64_t id = 0; id < n; ++id) {
            distances.push_back(squared_distance(database.data() + query * d, database.data() + id * d, d));
        }
        std::vector<std::int64_t> ids;
        append_smallest(distances, n, 0.0f, sorted, ids);
        for (std::int64_t rank = 1; rank <= n; ++rank) {
            const std::int64_t id = ids[static_cast<std::size_t>(rank - 1)];
            if (id % classes == static_cast<std::int64_t>(wanted)) expected.push_back(rank);
            if (id == query) expected_self.push_back(rank);
        }
    }
    const Exact<T> exact(database);
    const Rows queries = rows_of(exact.data(), d);
    const std::int64_t third = std::max<std::int64_t>(1, n / 3);
    const Cut<T> whole(database, d, {n}), cut(database, d, {0, 1, 1, third, n, n});
    const Case here("q=", q, " n=", n, " d=", d, " classes=", classes, " bytes=", sizeof(T));
    each_context([&](const Context& context) {
        // Then queries that are rows of the database themselves.
        for (const auto& parts : {whole.parts(), cut.parts(), std::vector<RowPart>{{queries, n}}}) {
            const auto count = static_cast<std::int64_t>(parts.size());
            Output<std::int64_t> ranks(offsets.back()), self_ranks(q);
            CHECK(all_ranks(queries, q, parts.data(), count, {nullptr, 0, n}, members.data(), first.data(),
                            offsets.data(), self.data(), ranks.data(), self_ranks.data(), context) == Status::ok);
            CHECK_BITS(ranks, expected);
            CHECK_BITS(self_ranks, expected_self);
            Output<std::int64_t> again(offsets.back());
            CHECK(all_ranks(queries, q, parts.data(), count, {nullptr, 0, n}, members.data(), first.data(),
                            offsets.data(), nullptr, again.data(), nullptr, context) == Status::ok);
            CHECK_BITS(again, expected);
        }
    });
}

template <class T>
void check_sizes() {
    Random random(1);
    for (const std::int64_t d : sizes({1, 33, 64}, {1, 33})) {
        for (const std::int64_t n : sizes({1, 2, 7, 40, 130}, {1, 7, 130})) {
            for (const Kind kind : kKinds) {
                for (const std::int64_t classes : {1, 2, 9}) {
                    check_ranks(matrix<T>(random, n, d, kind), std::min<std::int64_t>(n, 7), n, d, classes);
                }
            }
        }
    }
}

}  // namespace

TEST(float_sizes) { check_sizes<float>(); }
TEST(double_sizes) { check_sizes<double>(); }

TEST(many_rows) {
    Random random(2);
    const std::int64_t n = reduced() ? 600 : 3000;
    for (const Kind kind : kKinds) check_ranks(matrix<float>(random, n, 5, kind), 9, n, 5, 40);
}

// Several blocks of queries that are rows, which take each pair of them once; and rows before and behind them.
TEST(queries_that_are_rows) {
    Random random(3);
    for (const Kind kind : kKinds) {
        for (const std::int64_t n : sizes({49, 150, 250}, {101})) {
            check_ranks(matrix<float>(random, n, 6, kind), n, n, 6, 20);
            check_ranks(matrix<float>(random, n, 33, kind), n * 2 / 3, n, 33, 25);
        }
        check_ranks(matrix<double>(random, 101, 6, kind), 101, 101, 6, 12);
    }
}

TEST(queries_among_the_rows) {
    Random random(4);
    const std::int64_t n = 300, d = 7, q = 120, before = 90;
    const std::vector<float> database = matrix<float>(random, n, d, Kind::uniform);
    const Exact<float> exact(database), copy(database);
    std::vector<std::int64_t> members, first, offsets{0}, self;
    for (std::int64_t id = 0; id < n; id += 9) members.push_back(id);
    for (std::int64_t query = 0; query < q; ++query) {
        first.push_back(0);
        offsets.push_back(offsets.back() + static_cast<std::int64_t>(members.size()));
        self.push_back(before + query);
    }
    const RowPart part{rows_of(exact.data(), d), n};
    each_context([&](const Context& context) {
        Output<std::int64_t> ranks(offsets.back()), own(q), expected(offsets.back()), expected_own(q);
        const auto rank = [&](const float* queries, Output<std::int64_t>& out, Output<std::int64_t>& out_own) {
            CHECK(all_ranks(rows_of(queries + before * d, d), q, &part, 1, {nullptr, 0, n}, members.data(),
                            first.data(), offsets.data(), self.data(), out.data(), out_own.data(),
                            context) == Status::ok);
        };
        rank(exact.data(), ranks, own);
        rank(copy.data(), expected, expected_own);
        CHECK(std::equal(ranks.data(), ranks.data() + offsets.back(), expected.data()));
        CHECK(std::equal(own.data(), own.data() + q, expected_own.data()));
    });
}

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const float x[2] = {0.0f, 1.0f};
        const std::int64_t members[2] = {0, 1}, first[1] = {0}, offsets[2] = {0, 2};
        std::int64_t ranks[2];
        const RowPart part{rows_of(x, 1), 2};
        all_ranks(part.rows, 1, &part, 1, {nullptr, 0, 2}, members, first, offsets, nullptr, ranks, nullptr, context);
    });
}

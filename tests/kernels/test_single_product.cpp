#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"
#include "kernels/cpu/centred_rows.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/single_product.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// Distances of row 0 and all rows, formed as the certify pass of ranks does, against canonical ones.
void check_distances(const std::vector<float>& values, std::int64_t n, std::int64_t d) {
    const Exact<float> exact(values);
    const Rows rows = rows_of(exact.data(), d);
    const std::int64_t size = padded(d);
    for (const Isa isa : supported_isas()) {
        const SingleProduct& product = single_product(isa);
        if (product.lanes == 0) continue;
        const Case here(product.isa, " n=", n, " d=", d);
        Context context;
        context.isa = isa;
        const std::vector<float> mean = sample_mean({rows}, {n}, isa);
        Output<float> norms(n);
        CHECK(centred_norms(rows, n, mean.data(), context, norms.data()) == Status::ok);
        std::vector<std::int64_t> ids;
        for (std::int64_t i = 0; i < n; ++i) ids.push_back(i);
        CentredRows centred(d, n);
        RowReader reader(rows, isa, 16);
        centred.take(rows, reader, ids.data(), n, mean.data(), certify_for(isa), norms.data());
        std::vector<float> found(static_cast<std::size_t>(n));
        for (std::int64_t column = 0; column < size; column += kProductColumns) {
            for (std::int64_t j = 0; j < n; j += product.rows) {
                Output<float> tile(product.capacity);
                product.tile(centred.row(0) + column, centred.row(j) + column, centred.stride(),
                             std::min(kProductColumns, size - column), tile.data());
                product.store(tile.data(), 1, std::min<std::int64_t>(product.rows, n - j), column > 0, found.data() + j,
                              n);
                CHECK(tile.sentinels_intact());
            }
        }
        product.distances(norms.data()[0], norms.data(), n, found.data());
        for (std::int64_t j = 0; j < n; ++j) {
            const double sum = static_cast<double>(norms.data()[0]) + static_cast<double>(norms.data()[j]);
            const float squared = squared_distance(values.data(), values.data() + j * d, d);
            const auto at = static_cast<std::size_t>(j);
            if (std::isnan(sum)) {
                CHECK(std::isnan(found[at]));
                continue;
            }
            CHECK(std::abs(static_cast<double>(found[at]) - static_cast<double>(squared)) <=
                  single_error(product, d) * sum + kSingleLeast * static_cast<double>(d + 64));
        }
    }
}

// Buckets of 1 / inverse from `low` on; behind the marks stand two of infinity.
RankTable table_of(const std::vector<std::uint32_t>& marks, const std::vector<std::uint16_t>& entries, float low,
                   float inverse) {
    return {marks.data(),
            entries.data(),
            low,
            inverse,
            static_cast<float>(entries.size() - 1),
            0.0f,
            1,
            static_cast<std::uint32_t>(marks.size()) - 2};
}

}  // namespace

TEST(distances_are_within_their_bound) {
    Random random(3);
    for (const std::int64_t d : sizes({1, 2, 31, 33, 64, 130, 512, 513, 1000, 5000}, {1, 33, 1000})) {
        for (const Kind kind : kKinds) check_distances(matrix<float>(random, 40, d, kind), 40, d);
        // A large first term, and then terms that are each just more or less than half a last bit of the sum.
        for (const float step : {0x1.01p-12f, 0x1.ffp-13f, 0x1.6ap-12f}) {
            std::vector<float> rows(static_cast<std::size_t>(14 * d), step);
            for (std::int64_t i = 0; i < 14 * d; ++i) {
                const bool is_large = i % d < 16;
                if (is_large) rows[static_cast<std::size_t>(i)] = 1.0f + static_cast<float>(random.uniform());
            }
            check_distances(rows, 14, d);
        }
    }
}

TEST(a_distance_is_placed_between_two_marks_or_left_open) {
    const auto bits = [](float value) {
        std::uint32_t found;
        std::memcpy(&found, &value, sizeof found);
        return found;
    };
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    // Buckets 0, 1, ...: below 1, [1, 2), [2, 3), from 3 on. In buckets 1 and 3 two marks, the last is infinite.
    const std::vector<std::uint32_t> marks = {bits(0.5f),  bits(1.25f),     bits(1.5f),      bits(3.5f),
                                              bits(3.75f), bits(kInfinity), bits(kInfinity), bits(kInfinity)};
    const std::vector<std::uint16_t> entries = {RankTable::kSearch, 1, 3, 3};
    const std::vector<float> distances = {0.25f, 1.0f,  1.25f, 1.375f,    1.5f, 1.75f,
                                          2.5f,  3.25f, 3.5f,  kInfinity, NAN,  4.0f};
    const std::vector<std::uint32_t> counts = {0, 1, 1, 3, 0, 1, 0, 6}, open = {0, 2, 4, 8, 9, 10};
    for (const Isa isa : supported_isas()) {
        // More than one stretch of what is done at once.
        std::vector<float> many;
        for (int i = 0; i < 50; ++i) many.insert(many.end(), distances.begin(), distances.end());
        Output<std::uint32_t> found(8), left(static_cast<std::int64_t>(many.size()));
        std::fill_n(found.data(), 8, 0u);
        const std::int64_t count =
            single_product(isa).place(table_of(marks, entries, 0.0f, 1.0f), many.data(),
                                      static_cast<std::int64_t>(many.size()), found.data(), left.data());
        CHECK(count == 50 * static_cast<std::int64_t>(open.size()));
        for (std::size_t i = 0; i < counts.size(); ++i) CHECK(found.data()[i] == 50 * counts[i]);
        for (std::int64_t i = 0; i < count; ++i) {
            const auto size = static_cast<std::int64_t>(open.size());
            CHECK(left.data()[i] ==
                  open[static_cast<std::size_t>(i % size)] +
                      static_cast<std::uint32_t>(i / size * static_cast<std::int64_t>(distances.size())));
        }
        CHECK(found.sentinels_intact() && left.sentinels_intact());
    }
}

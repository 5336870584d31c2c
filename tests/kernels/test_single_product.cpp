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
        Output<float> norms(n), offs(n);
        CHECK(centred_norms(rows, n, mean.data(), context, norms.data(), offs.data()) == Status::ok);
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
                  static_cast<double>(offs.data()[0] + offs.data()[j]));
        }
    }
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
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    // Buckets 0, 1, ...: below 1, [1, 2), [2, 3), from 3 on. The last has more marks than are compared at once.
    std::vector<float> values = {0.5f, 1.25f, 1.5f};
    for (int i = 0; i < 9; ++i) values.push_back(3.5f + static_cast<float>(i));
    values.push_back(kInfinity);
    const auto count = static_cast<std::uint32_t>(values.size());
    values.insert(values.end(), RankTable::kMarks, kInfinity);
    std::vector<std::uint32_t> marks(values.size());
    std::memcpy(marks.data(), values.data(), values.size() * sizeof(float));
    const std::vector<std::uint16_t> entries = {0, 1, 3, 3};
    const RankTable table{marks.data(), entries.data(), 0.0f, 1.0f, 3.0f, count};
    // Row 0 is certain, row 1 off by less than 0.25, nothing is known of row 2.
    const std::vector<float> offs = {0.0f, 0.25f, NAN};
    struct Expected {
        float distance;
        std::uint32_t certain, uncertain;  // places
    };
    const std::uint32_t open = count + 1;
    const std::vector<Expected> expected = {
        {0.25f, 0, open},    {0.125f, 0, 0},          {0.75f, 1, open},    {1.0f, 1, open},
        {0.875f, 1, 1},      {1.25f, open, open},     {1.375f, 2, open},   {1.75f, 3, open},
        {2.5f, 3, 3},        {3.25f, 3, open},        {3.5f, open, open},  {4.0f, 4, 4},
        {6.0f, 6, 6},        {7.25f, open, open},     {10.5f, open, open}, {10.75f, open, open},
        {11.5f, open, open}, {kInfinity, open, open}, {NAN, open, open},   {30.0f, open, open}};
    for (const Isa isa : supported_isas()) {
        for (const bool is_exact : {false, true}) {
            const Case here(single_product(isa).isa, " exact=", is_exact);
            std::vector<float> distances, windows;
            std::vector<std::uint32_t> places;
            for (int turn = 0; turn < 50; ++turn) {
                for (const Expected& one : expected) {
                    for (std::size_t row = 0; row < offs.size(); ++row) {
                        distances.push_back(one.distance);
                        windows.push_back(offs[row]);
                        places.push_back(is_exact || row == 0 ? one.certain : row == 1 ? one.uncertain : open);
                    }
                }
            }
            const RankWindow window{0.0f, is_exact ? nullptr : windows.data()};
            // Few, of whole vectors and not, and more than one stretch of what is done at once.
            for (const std::int64_t n : {0, 1, 7, 8, 21, 60, 255, 256, 257, 1003, 3000}) {
                std::vector<std::uint32_t> counts(count + 2), left;
                for (std::int64_t i = 0; i < n; ++i) {
                    const std::uint32_t place = places[static_cast<std::size_t>(i)];
                    ++counts[place];
                    if (place == open) left.push_back(static_cast<std::uint32_t>(i));
                }
                Output<std::uint32_t> found(count + 2), found_left(n);
                std::fill_n(found.data(), count + 2, 0u);
                CHECK(single_product(isa).place(table, window, distances.data(), n, found.data(), found_left.data()) ==
                      static_cast<std::int64_t>(left.size()));
                CHECK_BITS(found, counts);
                CHECK(std::equal(left.begin(), left.end(), found_left.data()) && found_left.sentinels_intact());
            }
        }
    }
}

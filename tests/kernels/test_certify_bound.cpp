// Soundness: no row within the bound T of a query is ever excluded. T is the true distance itself, so that nothing but
// the proof's own margins stands between a row and its loss.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "certify_tables.h"
#include "check.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/quantizer.h"

using namespace rsir;
using namespace rsir::test;

namespace {

using Wide = std::vector<double>;

// What is stored: float64 numbers and, for half precision, their bits.
struct Stored {
    Element element;
    std::vector<double> wide;   // [n, d], the exact stored values
    std::vector<float> single;  // the storage of float32
    std::vector<std::uint16_t> half;
    std::int64_t d;

    Rows rows() const {
        const void* data = element == Element::float64   ? static_cast<const void*>(wide.data())
                           : element == Element::float32 ? static_cast<const void*>(single.data())
                                                         : static_cast<const void*>(half.data());
        return {data, element, d};
    }
};

// Rounds towards zero to 11 bits, for numbers that normal float16 can hold; others become 0.
std::uint16_t float16_bits(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t exponent = bits >> 23 & 0xff;
    if (exponent < 113 || exponent > 142) return 0;
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

Stored stored(const Wide& values, std::int64_t d, Element element) {
    Stored out{element, values, {}, {}, d};
    for (double& value : out.wide) {
        if (element == Element::float64) continue;
        auto single = static_cast<float>(value);
        std::uint32_t bits;
        std::memcpy(&bits, &single, sizeof bits);
        if (element == Element::bfloat16) {
            out.half.push_back(static_cast<std::uint16_t>(bits >> 16));
            bits &= 0xffff0000u;
        } else if (element == Element::float16) {
            const std::uint16_t half = float16_bits(single);
            out.half.push_back(half);
            bits = half == 0 ? 0 : bits & 0xffffe000u;
        }
        std::memcpy(&single, &bits, sizeof single);
        if (element == Element::float32) out.single.push_back(single);
        value = static_cast<double>(single);
    }
    return out;
}

long double true_square(const double* x, const double* y, std::int64_t d) {
    long double sum = 0;
    for (std::int64_t j = 0; j < d; ++j) {
        const long double difference = static_cast<long double>(x[j]) - static_cast<long double>(y[j]);
        sum += difference * difference;
    }
    return sum;
}

// CandidateSearch::lower gives way for the rounding of canonical distances. Here the true one is known: so much less.
double without_rounding(long double square) {
    return std::max(0.0, static_cast<double>((square * (1 + 0x1p-48L) - 0x1p-140L) / (1 + 0x1p-21L)));
}

std::int64_t pairs_checked = 0;

// Every row as a candidate: no true distance is above what is proven of it, with what is given for rounding taken away.
void check_proven(const Sidecar& sidecar, const Certify& certify, const Code& code, const std::int8_t* codes,
                  const std::vector<long double>& squares) {
    const Codes& codes_of = sidecar.precision == Precision::int8 ? certify.int8 : certify.int16;
    CandidateSearch search(code, sidecar.n, sidecar.n, sidecar, certify);
    Candidates* state = &search.state();
    for (std::uint32_t panel = 0; panel < sidecar.groups(); ++panel) {
        codes_of.tile({sidecar.panels, sidecar.steps(), sidecar.scale, sidecar.radius}, &panel, 1,
                      sidecar.excess + panel * Sidecar::kGroup, codes, 1, &state);
        search.make_room();
    }
    std::vector<float> proven;
    search.prove(proven);
    CHECK(proven.size() == squares.size());
    for (std::size_t i = 0; i < proven.size(); ++i) {
        const long double least = static_cast<long double>(proven[i]) / (1 + 0x1p-21L) * (1 + 0x1p-40L);
        const Case here("row=", state->ids[i]);
        CHECK(squares[state->ids[i]] <= least);
    }
}

// Every pair, with T at its true distance, and just above.
void check_pairs(const Stored& queries, std::int64_t q, const Stored& database, std::int64_t n) {
    const std::int64_t d = queries.d;
    for (const CertifyTable& entry : certify_tables()) {
        const Certify& certify = *entry.certify;
        const Isa isa = isa_from_name(certify.isa);
        for (const Precision precision : {Precision::int8, Precision::int16}) {
            const bool is8 = precision == Precision::int8;
            const Case here("table=", entry.name, " bytes of a code=", is8 ? 1 : 2, " d=", d);
            Sidecar sidecar;
            CHECK(build_sidecar(database.rows(), n, precision, 1, sidecar, Context{1, isa}) == Status::ok);
            CHECK(sidecar.wild_count == 0);
            const Codes& codes_of = is8 ? certify.int8 : certify.int16;
            const std::int64_t steps = sidecar.steps();
            std::vector<std::int8_t> codes(static_cast<std::size_t>(codes_of.query_bytes(1, steps)));
            Quantizer quantizer(d, sidecar.mean, precision, certify);
            std::vector<long double> squares(static_cast<std::size_t>(n));
            std::vector<std::int64_t> order(squares.size());
            std::iota(order.begin(), order.end(), 0);
            for (std::int64_t i = 0; i < q; ++i) {
                for (std::int64_t y = 0; y < n; ++y) {
                    squares[static_cast<std::size_t>(y)] =
                        true_square(queries.wide.data() + i * d, database.wide.data() + y * d, d);
                }
                // A bound only ever falls.
                std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
                    return squares[static_cast<std::size_t>(a)] > squares[static_cast<std::size_t>(b)];
                });
                const Code code = quantizer.run(queries.rows(), i, codes_of.query_limit);
                CHECK(!code.wild);
                codes_of.store_query(quantizer.codes(), steps, 0, 1, codes.data());
                CandidateSearch search(code, 1, sidecar.n, sidecar, certify);
                Candidates* state = &search.state();
                check_proven(sidecar, certify, code, codes.data(), squares);
                for (const std::int64_t y : order) {
                    const long double square = squares[static_cast<std::size_t>(y)];
                    for (const long double slack : {0x1p-10L, 0.0L}) {
                        search.lower(without_rounding(square * (1 + slack)));
                        state->count = 0;
                        const std::int64_t group = y / Sidecar::kGroup, row = group * Sidecar::kGroup;
                        const auto panel = static_cast<std::uint32_t>(group);
                        codes_of.tile({sidecar.panels, steps, sidecar.scale, sidecar.radius}, &panel, 1,
                                      sidecar.excess + row, codes.data(), 1, &state);
                        const auto has_row = [&] {
                            return std::find(state->ids, state->ids + state->count, static_cast<std::uint32_t>(y)) !=
                                   state->ids + state->count;
                        };
                        const Case pair("query=", i, " row=", y, " squared distance=", static_cast<double>(square));
                        CHECK(has_row());  // the tile keeps it
                        search.thin();
                        CHECK(has_row());  // and so does the filter
                        ++pairs_checked;
                    }
                }
            }
        }
    }
}

void check_pairs(const Wide& queries, const Wide& database, std::int64_t d, Element element = Element::float32) {
    const auto q = static_cast<std::int64_t>(queries.size()) / d, n = static_cast<std::int64_t>(database.size()) / d;
    check_pairs(stored(queries, d, element), q, stored(database, d, element), n);
}

Wide uniform(Random& random, std::int64_t count, double unit = 1, double offset = 0) {
    Wide values(static_cast<std::size_t>(count));
    for (double& value : values) value = offset + unit * (2 * random.uniform() - 1);
    return values;
}

const std::int64_t kQueries = reduced() ? 3 : 24, kDatabase = reduced() ? 40 : 300;

void append(Wide& all, const Wide& more) { all.insert(all.end(), more.begin(), more.end()); }

}  // namespace

TEST(random_rows_of_every_stored_type) {
    Random random(1);
    for (const std::int64_t d : sizes({1, 2, 7, 16, 33, 64, 200}, {1, 33})) {
        for (const Element element : {Element::float32, Element::float64, Element::float16, Element::bfloat16}) {
            check_pairs(uniform(random, kQueries * d), uniform(random, kDatabase * d), d, element);
        }
    }
}

TEST(means_far_from_zero_are_subtracted_on_both_sides) {
    Random random(2);
    for (const std::int64_t d : {5, 48}) {
        for (const Element element : {Element::float32, Element::float64, Element::float16, Element::bfloat16}) {
            for (const double offset : {3.0, 1000.0, 30000.0}) {
                check_pairs(uniform(random, kQueries * d, 1, offset), uniform(random, kDatabase * d, 1, offset), d,
                            element);
            }
        }
        check_pairs(uniform(random, kQueries * d, 1, -1e9), uniform(random, kDatabase * d, 1, -1e9), d);
        check_pairs(uniform(random, kQueries * d, 1e-3, 1e9), uniform(random, kDatabase * d, 1e-3, 1e9), d,
                    Element::float64);
    }
}

// The query itself, its neighbours in the last bits, and its opposite: test (3) is decided by rounding errors alone.
TEST(a_row_that_is_the_query_or_nearly) {
    Random random(3);
    for (const std::int64_t d : sizes({1, 3, 16, 31, 100, 512}, {3, 100})) {
        for (const double unit : {1.0, 1e-12, 1e-30, 1e10}) {
            const Wide queries = uniform(random, kQueries * d, unit);
            for (const Element element : {Element::float32, Element::float64}) {
                Wide database;
                for (const double change : {0.0, 0x1p-50, 0x1p-24, 0x1p-20, 0x1p-14, 0x1p-9, 0x1p-4}) {
                    for (std::size_t j = 0; j < queries.size(); ++j) {
                        database.push_back(queries[j] * (1 + change * (2 * random.uniform() - 1)));
                    }
                }
                for (const double value : queries) database.push_back(-value);
                check_pairs(queries, database, d, element);
            }
        }
    }
}

TEST(norms_a_million_times_apart) {
    Random random(4);
    for (const std::int64_t d : {8, 65}) {
        Wide queries, database;
        for (const int exponent : {-20, -10, 0, 10, 20}) {
            append(queries, uniform(random, kQueries / 3 * d, std::ldexp(1.0, exponent)));
            append(database, uniform(random, kDatabase / 5 * d, std::ldexp(1.0, exponent)));
        }
        check_pairs(queries, database, d);
        check_pairs(queries, database, d, Element::float64);
    }
}

// Residuals along the difference vector. On the first half of the columns a row is one large constant, without
// residual, and the query a constant too small for a code; on the second half the other way round. The bounds (2) are
// then equalities, and what (3) gives away is |r_x - r_y|^2, which falls to nothing with the small constants.
TEST(residuals_along_the_difference) {
    Random random(5);
    for (const std::int64_t d : {2, 16, 64}) {
        Wide queries, database;
        const auto vector = [&](double large, double small, bool first_half) {
            Wide out;
            for (std::int64_t j = 0; j < d; ++j) out.push_back((j < d / 2) == first_half ? large : small);
            return out;
        };
        for (const double large : {1.0, 1.37, 0.6}) {
            for (int j = 8; j <= 30; j += reduced() ? 11 : 1) {
                const double small = std::ldexp(0.25 + 0.75 * random.uniform(), -j);
                for (const double sign : {1.0, -1.0}) {
                    append(queries, vector(large, sign * small, false));
                    append(database, vector(large, sign * small, true));
                    append(database, vector(large * 100, sign * small, true));
                    append(database, vector(large, sign * small, false));
                }
            }
        }
        check_pairs(queries, database, d);
    }
}

// Rows at the middles between codes, every residual turned towards the query or away from it.
TEST(residuals_at_their_largest_towards_the_query) {
    Random random(6);
    for (const std::int64_t d : {4, 16, 60}) {
        Wide queries, database;
        for (std::int64_t i = 0; i < kQueries; ++i) {
            const Wide query = uniform(random, d);
            append(queries, query);
            for (const double side : {0.499, -0.499, 0.25, 0.0}) {
                for (const double levels : {127.0, 63.0, 32766.0}) {
                    for (std::int64_t j = 0; j < d; ++j) {
                        const double x = query[static_cast<std::size_t>(j)];
                        const double code = j == 0 ? levels : std::floor(levels * (2 * random.uniform() - 1));
                        const double towards = x > code / levels ? side : -side;
                        database.push_back((code + (j == 0 ? 0.0 : towards)) / levels);
                    }
                }
            }
        }
        check_pairs(queries, database, d);
        check_pairs(database, queries, d);
        check_pairs(queries, database, d, Element::bfloat16);
    }
}

TEST(very_large_and_very_small_numbers) {
    Random random(7);
    for (const std::int64_t d : {3, 40}) {
        for (const double unit : {1e12, 1e-15, 1e-19, 1e-25, 1e-38, 1e-44}) {
            check_pairs(uniform(random, kQueries * d, unit), uniform(random, kDatabase * d, unit), d);
        }
        Wide outliers = uniform(random, kDatabase * d, 1e-4);
        for (std::size_t i = 0; i < outliers.size(); i += static_cast<std::size_t>(d)) outliers[i] *= 1e9;
        check_pairs(uniform(random, kQueries * d), outliers, d);
        check_pairs(outliers, outliers, d);
    }
}

TEST(millions_of_pairs_were_checked) {
    std::printf("       %lld pairs\n", static_cast<long long>(pairs_checked));
    CHECK(reduced() || pairs_checked > 5000000);
}

#include "check.h"
#include "kernels/hamming_topk.h"
#include "reference.h"

using namespace rsir;
using namespace rsir::test;

namespace {

using Codes = std::vector<std::uint8_t>;

std::int32_t hamming_distance(const std::uint8_t* a, const std::uint8_t* b, std::int64_t bits) {
    std::int32_t count = 0;
    for (std::int64_t i = 0; i < bits; ++i) count += (a[i / 8] >> (i % 8) & 1) != (b[i / 8] >> (i % 8) & 1);
    return count;
}

// A bitmap that begins within a byte, in memory of just the right size, in which one of `one_in` rows is allowed.
struct Chosen {
    Chosen(Random& random, std::int64_t n, std::uint64_t one_in)
        : rows(static_cast<std::size_t>(n)), bits([&] {
              std::vector<std::uint8_t> bytes(static_cast<std::size_t>((kFirst + n + 7) / 8), 0xff);
              for (std::int64_t i = 0; i < n; ++i) {
                  rows[static_cast<std::size_t>(i)] = random.below(one_in) == 0;
                  if (rows[static_cast<std::size_t>(i)]) continue;
                  bytes[static_cast<std::size_t>((kFirst + i) / 8)] ^= static_cast<std::uint8_t>(1 << (kFirst + i) % 8);
              }
              return bytes;
          }()) {}

    // Some rows more.
    void allow(std::uint64_t row, std::uint64_t count) {
        std::vector<std::uint8_t> bytes(bits.data(), bits.data() + (kFirst + rows.size() + 7) / 8);
        for (const std::uint64_t end = row + count; row < end; ++row) {
            rows[row] = true;
            bytes[(kFirst + row) / 8] |= static_cast<std::uint8_t>(1 << (kFirst + row) % 8);
        }
        bits = Exact<std::uint8_t>(bytes);
    }

    Allowed allowed() const { return {bits.data(), kFirst, static_cast<std::int64_t>(rows.size())}; }

    static constexpr std::int64_t kFirst = 5;
    std::vector<bool> rows;
    Exact<std::uint8_t> bits;
};

// Half of the codes are near each other; the bits beyond the last one are set at random.
Codes codes(Random& random, std::int64_t n, std::int64_t bytes) {
    Codes values(static_cast<std::size_t>(n * bytes));
    for (std::uint8_t& value : values) {
        value = static_cast<std::uint8_t>(random.below(2) ? random.next() : 1u << random.below(8));
    }
    return values;
}

void append_allowed(const std::vector<std::int32_t>& all, const Chosen* chosen, std::int64_t k,
                    std::vector<std::int32_t>& distances, std::vector<std::int64_t>& ids) {
    std::vector<std::int32_t> of_allowed;
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (chosen != nullptr && !chosen->rows[i]) continue;
        of_allowed.push_back(all[i]);
        rows.push_back(static_cast<std::int64_t>(i));
    }
    const std::size_t before = ids.size();
    append_smallest(of_allowed, k, std::numeric_limits<std::int32_t>::max(), distances, ids);
    for (std::size_t i = before; i < ids.size(); ++i) {
        if (ids[i] >= 0) ids[i] = rows[static_cast<std::size_t>(ids[i])];
    }
}

void check_search(const Codes& queries, std::int64_t q, const Codes& database, std::int64_t n, std::int64_t bits,
                  const std::vector<std::int64_t>& depths, const Chosen* chosen = nullptr) {
    const std::int64_t bytes = (bits + 7) / 8;
    std::vector<std::vector<std::int32_t>> all(static_cast<std::size_t>(q));
    for (std::int64_t i = 0; i < q; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            all[static_cast<std::size_t>(i)].push_back(
                hamming_distance(queries.data() + i * bytes, database.data() + j * bytes, bits));
        }
    }
    const Exact<std::uint8_t> exact_queries(queries), exact_database(database);
    for (const std::int64_t k : depths) {
        const Case here("q=", q, " n=", n, " bits=", bits, " k=", k);
        std::vector<std::int32_t> expected_distances;
        std::vector<std::int64_t> expected_ids;
        for (const auto& row : all) {
            append_allowed(row, chosen, k, expected_distances, expected_ids);
        }
        const Allowed allowed = chosen != nullptr ? chosen->allowed() : Allowed{nullptr, 0, n};
        each_context([&](const Context& context) {
            Output<std::int32_t> distances(q * k);
            Output<std::int64_t> ids(q * k);
            CHECK(hamming_topk(exact_queries.data(), q, exact_database.data(), n, bits, allowed, k, distances.data(),
                               ids.data(), context) == Status::ok);
            CHECK_BITS(distances, expected_distances);
            CHECK_BITS(ids, expected_ids);

            Output<std::uint8_t> planes(hamming_planes_bytes(n, bits));
            CHECK(hamming_prepare(exact_database.data(), n, bits, planes.data(), context) == Status::ok);
            for (const std::uint8_t* rows : {static_cast<const std::uint8_t*>(nullptr), exact_database.data()}) {
                const Case kept(rows == nullptr ? "planes alone" : "planes and rows");
                Output<std::int32_t> prepared_distances(q * k);
                Output<std::int64_t> prepared_ids(q * k);
                CHECK(hamming_topk_prepared(exact_queries.data(), q, planes.data(), rows, n, bits, allowed, k,
                                            prepared_distances.data(), prepared_ids.data(), context) == Status::ok);
                CHECK_BITS(prepared_distances, expected_distances);
                CHECK_BITS(prepared_ids, expected_ids);
            }
        });
    }
}

}  // namespace

TEST(all_sizes) {
    Random random(5);
    std::size_t round = 0;
    const std::vector<std::int64_t> query_counts = {1, 2, 3, 8, 9, 17};
    for (const std::int64_t bits :
         sizes({0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 130, 255, 256, 257, 512, 1000},
               {0, 1, 12, 64, 130, 257})) {
        for (const std::int64_t n :
             sizes({0, 1, 7, 8, 9, 15, 16, 17, 47, 48, 49, 63, 64, 65, 100, 129}, {0, 1, 9, 65})) {
            const std::int64_t q = query_counts[round++ % query_counts.size()];
            check_search(codes(random, q, (bits + 7) / 8), q, codes(random, n, (bits + 7) / 8), n, bits,
                         sizes({0, 1, n, n + 3}, {1, n + 3}));
        }
    }
}

TEST(many_codes) {
    Random random(6);
    const std::int64_t n = reduced() ? 2000 : 20000;
    for (const std::int64_t q : {1, 20}) check_search(codes(random, q, 8), q, codes(random, n, 8), n, 64, {1, 10, 300});
}

// Of codes of 64 bits, each number of listed planes has code of its own; the last of three groups is scanned by itself.
TEST(every_number_of_planes) {
    Random random(16);
    const std::int64_t q = 65, n = 3 * 512;
    Codes queries(8 * q);
    for (std::int64_t ones = 0; ones < q; ++ones) {
        // Runs of ones that begin anywhere.
        const std::uint64_t first = random.below(64);
        for (std::int64_t i = 0; i < ones; ++i) {
            const std::uint64_t bit = (first + i) % 64;
            queries[8 * ones + bit / 8] |= static_cast<std::uint8_t>(1 << bit % 8);
        }
    }
    check_search(queries, q, codes(random, n, 8), n, 64, {1, 20});
}

// Few allowed codes are gathered, many are not; the bounds of either are theirs alone.
TEST(allowed_codes) {
    Random random(7);
    for (const std::int64_t bits : sizes({0, 9, 64, 130}, {64})) {
        for (const std::int64_t n : sizes({1, 65, 700, 9000}, {700})) {
            for (const std::int64_t q : {1, 6, 20}) {
                const Codes database = codes(random, n, (bits + 7) / 8), queries = codes(random, q, (bits + 7) / 8);
                for (const std::uint64_t one_in : {1, 2, 9, 300, 1 << 30}) {
                    const Case here("one in ", one_in);
                    const Chosen chosen(random, n, one_in);
                    check_search(queries, q, database, n, bits, {1, n / 9, n + 2}, &chosen);
                }
            }
        }
    }
}

// Copied one by one: many lengths, rounds beyond the first, and runs that fill a round by themselves.
TEST(few_allowed_codes) {
    Random random(9);
    const std::int64_t n = reduced() ? 9000 : 12000;
    for (const std::int64_t bits : sizes({8, 32, 64, 72, 128, 256, 1030}, {64, 300})) {
        const Codes database = codes(random, n, (bits + 7) / 8), queries = codes(random, 3, (bits + 7) / 8);
        for (const std::uint64_t one_in : {29, 100, 1000}) {
            const Case here("one in ", one_in);
            for (const bool has_run : {false, true}) {
                Chosen chosen(random, n, one_in);
                if (has_run) chosen.allow(random.below(static_cast<std::uint64_t>(n - 700)), 700);
                for (const std::int64_t q : {1, 3}) check_search(queries, q, database, n, bits, {1, 20}, &chosen);
            }
        }
    }
}

// The nearest codes of all are forbidden, and so are whole blocks and the first codes of every group.
TEST(nearest_codes_are_not_allowed) {
    Random random(8);
    const std::int64_t n = 20000;
    Codes database(8 * n, 0xff);
    for (std::int64_t i = 0; i < n; i += 3) {
        std::fill_n(database.begin() + i * 8, 8, static_cast<std::uint8_t>(i % 256));
    }
    for (const std::int64_t forbidden : {1, 2}) {
        Chosen chosen(random, n, 1);
        Codes bits((Chosen::kFirst + n + 7) / 8);
        for (std::int64_t i = 0; i < n; ++i) {
            const bool is_allowed = i % 3 == forbidden && i % 512 > 100 && (i < 4096 || i > 15000);
            chosen.rows[static_cast<std::size_t>(i)] = is_allowed;
            if (is_allowed) bits[(Chosen::kFirst + i) / 8] |= static_cast<std::uint8_t>(1 << (Chosen::kFirst + i) % 8);
        }
        chosen.bits = Exact<std::uint8_t>(bits);
        for (const std::int64_t q : {1, 20}) check_search(Codes(8 * q), q, database, n, 64, {5, 200}, &chosen);
    }
}

TEST(equal_codes) { check_search(Codes(16), 2, Codes(8 * 300), 300, 64, {1, 299, 300}); }

TEST(no_queries) { check_search({}, 0, {1, 2, 3}, 3, 8, {2}); }

TEST(forced_isa) {
    check_forced_isa([](const Context& context) {
        const std::uint8_t code = 0;
        std::int32_t distance;
        std::int64_t id;
        hamming_topk(&code, 1, &code, 1, 8, {nullptr, 0, 1}, 1, &distance, &id, context);
    });
}

// The tiles of AMX: their sums and whole searches by a model of the instructions, on every processor with AVX-512 and
// VNNI; permission, forks and signals where the processor has them. RSIR_TEST_CASES=10000: so many searches.
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "certify_tables.h"
#include "check.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/euclidean_topk.h"

using namespace rsir;
using namespace rsir::test;

namespace {

bool has_avx512_vnni() {
    const std::vector<Isa> isas = supported_isas();
    if (std::find(isas.begin(), isas.end(), Isa::avx512) != isas.end() && cpu_features().avx512_vnni) return true;
    std::printf("       not run: this processor lacks AVX-512 or its VNNI\n");
    return false;
}

bool has_amx() {
    if (supported_isas().front() == Isa::amx && amx_ready()) return true;
    std::printf("       not run: this processor lacks AMX, or the system does not let it be used\n");
    return false;
}

// In these tests amx is the model where the processor has none: this takes the place of certify.cpp.
bool is_modelled = true;

}  // namespace

namespace rsir {

const Certify& certify_for(Isa isa) {
    if (isa == Isa::amx) return is_modelled ? certify_amx_model : certify_amx;
    return isa == Isa::scalar ? certify_scalar : certify_avx512;
}

}  // namespace rsir

namespace {

enum class Spread { random, largest, opposite };

std::int32_t code(Random& random, std::int32_t limit, Spread spread) {
    if (spread == Spread::largest) return limit;
    if (spread == Spread::opposite) return random.below(2) == 0 ? limit : -limit;
    return static_cast<std::int32_t>(random.below(2 * static_cast<std::uint64_t>(limit) + 1)) - limit;
}

struct alignas(64) Line {
    std::uint8_t bytes[64];
};

// Sums of all pairs against a plain sum, modulo 2^32; int16 codes may be of any size here.
void check_sums(Random& random, bool is8, std::int64_t steps, std::int64_t count, std::int64_t groups,
                std::int32_t limit, Spread spread) {
    const Case here(is8 ? "int8" : "int16", " steps=", steps, " count=", count, " groups=", groups, " limit=", limit);
    const Codes& table = is8 ? certify_amx_model.int8 : certify_amx_model.int16;
    const std::int64_t d = steps * (is8 ? 4 : 2), n = groups * 16;
    const auto draw = [&](std::int64_t size) {
        std::vector<std::int32_t> codes(static_cast<std::size_t>(size));
        for (std::int32_t& value : codes) value = code(random, limit, spread);
        return codes;
    };
    const std::vector<std::int32_t> rows = draw(n * d), queries = draw(count * d);
    // Behind the panels lie others, of which nothing may count.
    std::vector<Line> panels(static_cast<std::size_t>((groups + 1) * steps));
    std::memset(panels.data(), 0x77, panels.size() * sizeof(Line));
    std::vector<Line> stored(static_cast<std::size_t>(table.query_bytes(count, steps) / 64));
    const auto put = [&](std::uint8_t* to, std::int32_t value, bool is_row) {
        if (is8) {
            *to = static_cast<std::uint8_t>(value + (is_row ? 128 : 0));
        } else {
            const auto narrow = static_cast<std::int16_t>(value);
            std::memcpy(to, &narrow, 2);
        }
    };
    const std::int64_t a_step = is8 ? 4 : 2, width = is8 ? 1 : 2;
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < d; ++j) {
            put(panels[static_cast<std::size_t>(i / 16 * steps + j / a_step)].bytes + i % 16 * 4 + j % a_step * width,
                rows[static_cast<std::size_t>(i * d + j)], true);
        }
    }
    std::vector<std::uint8_t> one(static_cast<std::size_t>(steps * 4));
    for (std::int64_t q = 0; q < count; ++q) {
        for (std::int64_t j = 0; j < d; ++j) {
            put(one.data() + j * width, queries[static_cast<std::size_t>(q * d + j)], false);
        }
        table.store_query(one.data(), steps, q, count, reinterpret_cast<std::int8_t*>(stored.data()));
    }
    std::vector<std::int32_t> expected;
    for (std::int64_t g = 0; g < groups; ++g) {
        for (std::int64_t q = 0; q < count; ++q) {
            for (std::int64_t i = 0; i < 16; ++i) {
                std::int64_t sum = 0;
                for (std::int64_t j = 0; j < d; ++j) {
                    sum += std::int64_t{rows[static_cast<std::size_t>((g * 16 + i) * d + j)] + (is8 ? 128 : 0)} *
                           queries[static_cast<std::size_t>(q * d + j)];
                }
                expected.push_back(static_cast<std::int32_t>(static_cast<std::uint32_t>(sum)));
            }
        }
    }
    const std::uint32_t chosen[] = {0, 1, 2, 3};
    Output<std::int32_t> sums(groups * count * 16);
    const TileCounts before = amx_model_counts();
    amx_model_sums(is8, {panels[0].bytes, steps, nullptr, nullptr}, chosen, groups,
                   reinterpret_cast<const std::int8_t*>(stored.data()), count, sums.data());
    const TileCounts after = amx_model_counts();
    CHECK_BITS(sums, expected);
    // One of 16 x 16 x 64 for int8 and four for int16: what docs/performance.md counts with.
    const std::int64_t tiles = (count + 15) / 16 * groups * ((d + 63) / 64);
    CHECK(after.dots - before.dots == tiles * (is8 ? 1 : 4));
    CHECK(after.configured - before.configured == 1 && after.released - before.released == 1);
    if (count != table.own_queries || groups > 3) return;
    // The same products of rows that search themselves: added, part after part of the steps, to what is there.
    const std::int64_t stride = groups * 16;
    Output<std::int32_t> added(count * stride);
    std::vector<std::int32_t> expected_sums(static_cast<std::size_t>(count * stride));
    for (std::int64_t q = 0; q < count; ++q) {
        for (std::int64_t i = 0; i < stride; ++i) {
            const auto start = static_cast<std::uint32_t>(random.next());
            const auto sum =
                static_cast<std::uint32_t>(expected[static_cast<std::size_t>((i / 16 * count + q) * 16 + i % 16)]);
            added.data()[q * stride + i] = static_cast<std::int32_t>(start);
            expected_sums[static_cast<std::size_t>(q * stride + i)] = static_cast<std::int32_t>(start + sum);
        }
    }
    for (std::int64_t first = 0, part = 32; first < steps; first += part) {
        table.sums({panels[0].bytes, steps, nullptr, nullptr}, 0, groups, first, std::min(steps, first + part),
                   reinterpret_cast<const std::int8_t*>(stored.data()), count, added.data(), stride);
    }
    CHECK_BITS(added, expected_sums);
}

// Rows in a few places twice and three times, some queries that are rows, sometimes a row without a bound.
std::vector<float> draw_rows(Random& random, std::int64_t n, std::int64_t d, Kind kind) {
    std::vector<float> rows = numbers<float>(random, n * d, kind);
    for (std::int64_t i = 0; i < 6; ++i) {
        const auto from = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
        const auto to = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
        std::copy_n(rows.begin() + from * d, d, rows.begin() + to * d);
    }
    return rows;
}

// One search by chance, decided by the tiles of amx and by the dense pass.
void check_search(Random& random) {
    const auto between = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
    };
    const std::int64_t n = random.below(4) == 0 ? between(17, 64) : between(65, 700), q = between(9, 150);
    const std::int64_t d = random.below(8) == 0 ? between(300, 1200) : between(1, 200),
                       k = between(1, random.below(4) == 0 ? n : 17);
    const std::uint64_t shape = random.below(16);
    const Kind kind = shape == 0 ? Kind::hostile : shape < 4 ? Kind::ties : Kind::uniform;
    std::vector<float> rows = draw_rows(random, n, d, kind), queries = draw_rows(random, q, d, kind);
    if (random.below(3) == 0) {  // as features are: not negative, far from zero
        const float offset = random.below(2) == 0 ? 0.0f : 30.0f;
        for (float& value : rows) value = std::max(value, 0.0f) + offset;
        for (float& value : queries) value = std::max(value, 0.0f) + offset;
    }
    std::copy_n(rows.begin(), d, queries.begin());
    const Case here("n=", n, " d=", d, " q=", q, " k=", k, " shape=", shape);
    const Exact<float> exact_rows(rows), exact_queries(queries);
    const Rows database = rows_of(exact_rows.data(), d), wanted = rows_of(exact_queries.data(), d);
    std::vector<std::uint8_t> bits(static_cast<std::size_t>(n + 7) / 8);
    for (std::uint8_t& byte : bits) byte = static_cast<std::uint8_t>(random.next() | random.next());
    const Allowed allowed{random.below(4) == 0 ? bits.data() : nullptr, 0, n};
    const Precision precision = random.below(2) == 0 ? Precision::int8 : Precision::int16;
    const Context context{random.below(2) == 0 ? 1 : 2, Isa::amx};
    std::vector<float> expected(static_cast<std::size_t>(q * k));
    std::vector<std::int64_t> expected_ids(expected.size());
    SearchCounts counts;
    CHECK(euclidean_topk(wanted, q, database, allowed, nullptr, k, expected.data(), expected_ids.data(), counts,
                         Context{1, Isa::avx512}) == Status::ok);
    Sidecar sidecar;
    CHECK(build_sidecar(database, n, precision, k, sidecar, context) == Status::ok);
    Output<float> distances(q * k);
    Output<std::int64_t> ids(q * k);
    CHECK(euclidean_topk(wanted, q, database, allowed, &sidecar, k, distances.data(), ids.data(), counts, context) ==
          Status::ok);
    CHECK_BITS(distances, expected);
    CHECK_BITS(ids, expected_ids);
}

// A search by real tiles, large enough to be interrupted often: whether its answer is `expected`.
struct Search {
    static constexpr std::int64_t n = 20000, d = 200, q = 64, k = 10;
    Search() : rows(draw()), found(q * k), ids(q * k) {
        CHECK(build_sidecar(rows_of(rows.data(), d), n, Precision::int16, k, sidecar, Context{1, Isa::amx}) ==
              Status::ok);
        run(Isa::avx512);
        expected = found;
        expected_ids = ids;
    }
    static std::vector<float> draw() {
        Random random(7);
        return numbers<float>(random, n * d, Kind::uniform);
    }
    void run(Isa isa) {
        SearchCounts counts;
        const Rows database = rows_of(rows.data(), d);
        CHECK(euclidean_topk(database, q, database, {nullptr, 0, n}, &sidecar, k, found.data(), ids.data(), counts,
                             Context{1, isa}) == Status::ok);
    }
    bool is_right() {
        run(Isa::amx);
        return found == expected && ids == expected_ids;
    }

    std::vector<float> rows, found, expected;
    std::vector<std::int64_t> ids, expected_ids;
    Sidecar sidecar;
};

volatile sig_atomic_t signals = 0;

}  // namespace

TEST(the_model_multiplies_as_the_manual_says) {
    if (has_avx512_vnni()) CHECK(amx_model_multiplies());
}

TEST(sums_of_tiles_are_exact) {
    if (!has_avx512_vnni()) return;
    Random random(1);
    for (const std::int64_t steps :
         sizes({1, 2, 15, 16, 17, 31, 32, 33, 64, 130, 255, 256, 257, 290}, {1, 17, 33, 270})) {
        for (const std::int64_t count : sizes({9, 15, 16, 17, 31, 32, 33, 48, 49, 64, 97, 128}, {9, 48, 128})) {
            const auto groups = static_cast<std::int64_t>(1 + random.below(4));
            for (const Spread spread : {Spread::random, Spread::largest, Spread::opposite}) {
                check_sums(random, true, steps, count, groups, 127, spread);
                check_sums(random, false, steps, count, groups, 32767, spread);
            }
        }
    }
    // The least code of all, whose high byte is -128, and those around a change of the high byte.
    for (const std::int32_t limit : {-32768, 255, 256, 257, 128, 127, 1}) {
        check_sums(random, false, 40, 33, 3, limit, Spread::largest);
    }
}

TEST(searches_by_modelled_tiles_have_the_bits_of_the_dense_pass) {
    if (!has_avx512_vnni()) return;
    const char* asked = std::getenv("RSIR_TEST_CASES");
    const std::int64_t cases = asked != nullptr ? std::atoll(asked) : reduced() ? 30 : 300;
    Random random(2026);
    const std::int64_t before = amx_model_counts().dots;
    for (std::int64_t i = 0; i < cases; ++i) {
        const Case here("case ", i);
        check_search(random);
    }
    CHECK(amx_model_counts().dots > before);
    std::printf("       %lld searches\n", static_cast<long long>(cases));
}

TEST(rows_search_themselves_by_tiles_whatever_their_memory) {
    if (!has_avx512_vnni()) return;
    Random random(3);
    const std::int64_t n = 130, d = 4100, k = 9;
    const Exact<float> exact(numbers<float>(random, n * d, Kind::uniform));
    const Rows rows = rows_of(exact.data(), d);
    std::vector<float> expected(static_cast<std::size_t>(n * k));
    std::vector<std::int64_t> expected_ids(expected.size());
    SearchCounts counts;
    const auto search = [&](const Sidecar* sidecar, Isa isa, std::int64_t memory, float* distances, std::int64_t* ids) {
        CHECK(euclidean_topk(rows, n, rows, {nullptr, 0, n}, sidecar, k, distances, ids, counts, Context{1, isa},
                             memory) == Status::ok);
    };
    search(nullptr, Isa::avx512, kOwnRowsMemory, expected.data(), expected_ids.data());
    for (const Precision precision : {Precision::int8, Precision::int16}) {
        Sidecar sidecar;
        CHECK(build_sidecar(rows, n, precision, k, sidecar, Context{1, Isa::amx}) == Status::ok);
        for (const std::int64_t memory : {least_own_memory(k), kOwnRowsMemory}) {
            const std::int64_t before = amx_model_counts().dots;
            Output<float> distances(n * k);
            Output<std::int64_t> ids(n * k);
            search(&sidecar, Isa::amx, memory, distances.data(), ids.data());
            CHECK_BITS(distances, expected);
            CHECK_BITS(ids, expected_ids);
            CHECK(amx_model_counts().dots > before);
        }
    }
}

TEST(tiles_of_the_processor_survive_signals) {
    if (!has_amx()) return;
    is_modelled = false;
    Search search;
    struct sigaction action = {};
    action.sa_handler = [](int) { signals = signals + 1; };
    sigaction(SIGALRM, &action, nullptr);
    const itimerval often{{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &often, nullptr);
    for (int i = 0; i < 20; ++i) CHECK(search.is_right());
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    CHECK(signals > 0);
    is_modelled = true;
}

TEST(tiles_of_the_processor_work_in_forked_processes) {
    if (!has_amx()) return;
    is_modelled = false;
    Search search;
    for (int i = 0; i < 5; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(amx_ready() && search.is_right() ? 0 : 1);
        CHECK(search.is_right());
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    is_modelled = true;
}

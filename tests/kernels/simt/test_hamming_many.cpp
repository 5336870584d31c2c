#include "hamming_cases.h"
#include "kernels/cuda/hamming_many.h"
#include "kernels/cuda/walk.h"

using namespace rsir;
using namespace rsir::test;

namespace {

constexpr std::int64_t kTile = 256, kFirstPhase = 1 << 13;  // items
constexpr int kDevices[] = {8, 9};  // compute capabilities, of which each has its own instructions

void on_device(int major, const std::function<void()>& body) {
    const Case here("sm_", major, "0");
    simt::device() = {major, 227 * 1024};
    body();
    simt::device() = {};
}

cudaError_t search_once(const cuda::HammingProblem& problem, std::int64_t k, const Answer& expected) {
    const std::int64_t q = problem.q;
    const DeviceArray<unsigned char> workspace(static_cast<std::int64_t>(cuda::hamming_many_bytes(q, problem.n, k)));
    const DeviceArray<std::int32_t> distances(q * k);
    const DeviceArray<std::int64_t> ids(q * k);
    const cudaError_t error = cuda::hamming_many(problem, k, workspace.data(), distances.data(), ids.data(), nullptr);
    if (error != cudaSuccess) return error;
    CHECK_DEVICE(distances, expected.distances);
    CHECK_DEVICE(ids, expected.ids);
    return error;
}

using Orders = void (*)(const std::function<void()>&);

void check_search(const Words& queries, std::int64_t q, const Words& database, std::int64_t n, std::int64_t bits,
                  std::int64_t k, Orders orders = next_order, int first_device = 8) {
    const Case here("q=", q, " n=", n, " bits=", bits, " k=", k);
    const Answer expected = on_cpu(queries, q, database, n, bits, k);
    const DeviceArray<std::uint64_t> device_queries(queries), device_database(database);
    const int words = static_cast<int>((bits + 63) / 64);
    const cuda::HammingProblem problem{device_queries.data(), device_database.data(), q, n, words, mask_of(bits)};
    for (const int major : kDevices) {
        if (major < first_device) continue;
        on_device(major, [&] { orders([&] { CHECK(search_once(problem, k, expected) == cudaSuccess); }); });
    }
}

// Steps of the walk at which the tiles of that many items are visited.
std::vector<std::int64_t> steps_of_tiles(std::int64_t n) {
    const std::int64_t tiles = (n + kTile - 1) / kTile, stride = cuda::stride_of(tiles);
    std::vector<std::int64_t> steps(static_cast<std::size_t>(tiles));
    for (std::int64_t step = 0; step < tiles; ++step) steps[static_cast<std::size_t>(step * stride % tiles)] = step;
    return steps;
}

}  // namespace

// Around the edges of a tile of items, 256 in halves of 128; codes of an odd and even number of words.
TEST(tile_edges) {
    Random random(81);
    std::size_t round = 0;
    const std::vector<std::int64_t> depths = {1, 10, 256, 300}, queries = {1, 65, 3};
    for (const std::int64_t bits : sizes({1, 64, 65, 128, 150, 192, 256, 320, 1024}, {12, 150, 320})) {
        for (const std::int64_t n : sizes({1, 127, 128, 129, 256, 257, 520}, {129, 257})) {
            const std::int64_t q = queries[round % 3], k = depths[round / 2 % 4];
            ++round;
            const int words = static_cast<int>((bits + 63) / 64);
            check_search(codes(random, q, words), q, codes(random, n, words), n, bits, k);
        }
    }
}

// Every number of words that there may be, the last one whole or not.
TEST(every_number_of_words) {
    Random random(87);
    for (std::int64_t words = 1; words <= cuda::kMostManyWords; ++words) {
        const std::int64_t bits = 64 * words - words % 3 * 21, q = 2, n = reduced() ? 130 : 300;
        const int whole = static_cast<int>(words);
        check_search(codes(random, q, whole), q, codes(random, n, whole), n, bits, 40);
    }
}

// Around the edges of a tile of queries, 64 or 128. A block of each for every query: sanitizers see those of one
// device.
TEST(many_queries) {
    Random random(86);
    std::int64_t bits = 60;
    for (const std::int64_t q : sizes({63, 64, 65, 127, 128, 129}, {64, 129})) {
        const int words = static_cast<int>((bits + 63) / 64);
        const std::int64_t n = reduced() ? 40 : 600;
        check_search(codes(random, q, words), q, codes(random, n, words), n, bits, 20, next_order, reduced() ? 9 : 8);
        bits = bits % 180 + 60;
    }
}

// Several tiles of the walk for each block.
TEST(several_tiles) {
    Random random(82);
    for (const std::int64_t q : {3, 66}) {
        for (const std::int64_t bits : sizes({60, 100, 600}, {60})) {
            const int words = static_cast<int>((bits + 63) / 64);
            const std::int64_t n = reduced() ? 1500 : 2500;
            check_search(codes(random, q, words), q, codes(random, n, words), n, bits, 20,
                         q == 3 ? each_order : next_order);
        }
    }
}

TEST(several_phases) {
    Random random(83);
    for (const std::int64_t k : sizes({1, 300, 2048}, {300})) {
        for (const std::int64_t bits : sizes({61, 125}, {61})) {
            const std::int64_t q = 3, n = reduced() ? 4 * kFirstPhase / 3 : 5 * kFirstPhase + 77;
            const int words = static_cast<int>((bits + 63) / 64);
            check_search(codes(random, q, words), q, codes(random, n, words), n, bits, k);
        }
    }
}

// All at one distance: the smallest ids win, also those of a second phase, whose tiles are among the first of the
// database; and no more keys than those of a sample are appended.
TEST(all_equal) {
    const std::int64_t n = reduced() ? kFirstPhase + 1200 : 3 * kFirstPhase;
    const Words queries(3, 7), database(static_cast<std::size_t>(n), 8);
    for (const std::int64_t k : sizes({1, 300}, {300})) check_search(queries, 3, database, n, 64, k);
}

// All as far as they can be, or as near, by every number of bits in which a sum of one word can go wrong; and queries
// without an item at their limit beside them. Those of a second phase come by their ids.
TEST(one_word_at_both_ends) {
    Random random(88);
    const std::int64_t n = kFirstPhase + 700;
    for (const std::int64_t q : sizes({3, 65}, {3})) {
        for (const std::int64_t bits : sizes({1, 33, 63, 64}, {33, 64})) {
            Words queries = codes(random, q, 1);
            const std::uint64_t one = queries[0];
            queries[1] = ~one;
            for (const std::uint64_t all : {one, ~one}) {
                Words database(static_cast<std::size_t>(n), all);
                if (all == one) {  // but for some, later
                    for (std::size_t i = 0; i < database.size(); i += 97) database[i] ^= std::uint64_t{1} << i % 64;
                }
                check_search(queries, q, database, n, bits, 40, next_order, 9);
            }
        }
    }
}

// The farther from zero the earlier in the database, and in the walk.
TEST(nearest_last) {
    Random random(84);
    const std::int64_t n = reduced() ? kFirstPhase + 600 : 2 * kFirstPhase + 600;
    const Words queries(2, 0), orderly = codes(random, n, 1, true);
    check_search(queries, 2, orderly, n, 64, 30);
    const std::vector<std::int64_t> steps = steps_of_tiles(n);
    Words walked;
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t step = steps[static_cast<std::size_t>(i / kTile)];
        walked.push_back(~std::uint64_t{0} >> std::min<std::int64_t>(63, step * 64 * kTile / n));
    }
    check_search(queries, 2, walked, n, 64, 30);
}

// Everything beyond the first phase is nearer than all in it, and more than there is room for: such a query is searched
// by the scan, others are not disturbed.
TEST(overflow) {
    Random random(85);
    const std::int64_t n = 2 * kFirstPhase + 3 * kTile;
    const std::vector<std::int64_t> steps = steps_of_tiles(n);
    Words queries = codes(random, 3, 1), database;
    queries[1] = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const bool early = steps[static_cast<std::size_t>(i / kTile)] < kFirstPhase / kTile;
        const std::uint64_t near = std::uint64_t{1} << random.below(64);
        database.push_back(early ? ~near : near);
    }
    check_search(queries, 3, database, n, 64, 100);
}

// Codes of a device that cannot, too many words, and nothing to search.
TEST(refused_and_empty) {
    const Words codes(2 * 17, 5);
    const DeviceArray<std::uint64_t> values(codes);
    const Answer none{{0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff}, {-1, -1, -1, -1}};
    const std::uint64_t all = ~std::uint64_t{0};
    for (const int major : {7, 10, 12}) {
        on_device(major, [&] {
            bool runs = true;
            CHECK(cuda::hamming_many_runs(&runs) == cudaSuccess && !runs);
            CHECK(search_once({values.data(), values.data(), 2, 2, 1, all}, 2, none) == cudaErrorInvalidValue);
        });
    }
    simt::device().compiled_for = 75;  // of sm_80 by a build without code for it
    bool is_compiled = true;
    CHECK(cuda::hamming_many_runs(&is_compiled) == cudaSuccess && !is_compiled);
    simt::device() = {};
    for (const int major : kDevices) {
        on_device(major, [&] {
            bool runs = false;
            CHECK(cuda::hamming_many_runs(&runs) == cudaSuccess && runs);
            CHECK(search_once({values.data(), values.data(), 2, 2, 17, all}, 2, none) == cudaErrorInvalidValue);
            CHECK(search_once({values.data(), values.data(), 2, 0, 1, all}, 2, none) == cudaSuccess);
        });
    }
}

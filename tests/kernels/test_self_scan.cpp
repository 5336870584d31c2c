// A search of rows for themselves, in which each product and each distance is taken once: the bits of the dense pass.
#include <algorithm>
#include <limits>

#include "check.h"
#include "kernels/cpu/dense_topk.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/self_scan.h"
#include "kernels/cpu/self_search.h"
#include "kernels/euclidean_topk.h"

using namespace rsir;
using namespace rsir::test;

namespace {

// By super-blocks; or, where there is no memory, candidates decided after each pair of blocks.
void search_by_plan(const SearchedBlock& block, std::int64_t k, const Context& context, const SelfPlan& plan,
                    std::int64_t memory, float* distances, std::int64_t* ids) {
    const Sidecar& sidecar = *block.sidecar;
    std::vector<std::uint32_t> wild(sidecar.wild, sidecar.wild + sidecar.wild_count);
    const Decision::Operands operands{
        block.rows, {&block, 1}, wild, false, false, k, certify_for(context.isa), canonical_distance(context.isa),
        context};
    std::vector<std::int64_t> undecided;
    SearchCounts counts;
    CHECK(self_search(operands, plan, memory, distances, ids, undecided, counts) == Status::ok);
    CHECK(std::is_sorted(undecided.begin(), undecided.end()));
    if (undecided.empty()) return;
    dense_topk(block.rows, undecided.data(), static_cast<std::int64_t>(undecided.size()), {&block, 1}, k, distances,
               ids, context);
}

template <class T>
void check_self(const std::vector<T>& values, std::int64_t n, std::int64_t d, std::int64_t k) {
    const Case here("n=", n, " d=", d, " k=", k);
    const Exact<T> exact(values);
    const Rows rows = rows_of(exact.data(), d);
    std::vector<float> expected(static_cast<std::size_t>(n * k));
    std::vector<std::int64_t> expected_ids(expected.size());
    const SearchedBlock plain{rows, AllowedRows({nullptr, 0, n}), nullptr, 0};
    dense_topk(rows, nullptr, n, {&plain, 1}, k, expected.data(), expected_ids.data(), Context{});
    each_context([&](const Context& context) {
        for (const Precision precision : {Precision::int8, Precision::int16}) {
            const Case codes("bytes of a code=", precision == Precision::int8 ? 1 : 2);
            Sidecar sidecar;
            CHECK(build_sidecar(rows, n, precision, k, sidecar, context) == Status::ok);
            const SearchedBlock block{rows, plain.allowed, &sidecar, 0};
            const Certify& certify = certify_for(context.isa);
            const Codes& codes_of = precision == Precision::int8 ? certify.int8 : certify.int16;
            const std::int64_t cheaper = certify.isa == std::string("amx") ? precision == Precision::int8 ? 8 : 4 : 1;
            const std::int64_t least = precision == Precision::int8 ? std::min(4096L, cheaper * (256 + 32 * k))
                                                                    : std::min(2048L, cheaper * (512 + 16 * k));
            const bool is_long = sidecar.steps() * 4 >= least;
            const bool is_once = is_long && codes_of.sums != nullptr;
            const auto rows_at_once = [&](const Rows& queries, std::int64_t q) {
                return plan_self_search(queries, q, {&block, 1}, k, certify, kOwnRowsMemory).own;
            };
            CHECK(rows_at_once(rows, n) == (is_once ? n : 0));
            CHECK(rows_at_once(rows, n - 1) == 0);
            CHECK(rows_at_once(rows.from(1), n) == 0);
            // A search as test_certified_topk has many, though not of rows as long as the longest here.
            if (reduced() && !is_once && d < 4000) continue;
            SearchCounts counts;
            Output<float> distances(n * k);
            Output<std::int64_t> ids(n * k);
            CHECK(euclidean_topk(rows, n, rows, {nullptr, 0, n}, &sidecar, k, distances.data(), ids.data(), counts,
                                 context) == Status::ok);
            CHECK_BITS(distances, expected);
            CHECK_BITS(ids, expected_ids);
            if (codes_of.sums == nullptr) continue;
            for (const auto& [plan, memory] :
                 {std::pair<SelfPlan, std::int64_t>{{48, 48}, kOwnRowsMemory}, {{96, 48}, 1}, {{n, 0}, 1 << 21}}) {
                if (reduced() ? memory != 1 : (memory == 1) != (precision == Precision::int16)) continue;
                const Case sizes("own=", plan.own, " beside=", plan.beside, " memory=", memory);
                Output<float> found(n * k);
                Output<std::int64_t> found_ids(n * k);
                search_by_plan(block, k, context, plan, memory, found.data(), found_ids.data());
                CHECK_BITS(found, expected);
                CHECK_BITS(found_ids, expected_ids);
            }
        }
    });
}

}  // namespace

// Long enough for int16 codes; the other test's rows are so for int8, too, and each pair that wants both is measured
// once.
TEST(every_kind_of_numbers) {
    Random random(1);
    for (const Kind kind : kKinds) {
        for (const std::int64_t n : sizes({96, 250}, {101})) {
            for (const std::int64_t k : sizes({1, n}, {7}))
                check_self(matrix<float>(random, n, 1030, kind), n, 1030, k);
        }
    }
    check_self(matrix<double>(random, 100, 1025, Kind::uniform), 100, 1025, 5);
}

TEST(columns_of_several_chunks) {
    Random random(2);
    for (const std::int64_t k : sizes({1, 100}, {9}))
        check_self(matrix<float>(random, 100, 4500, Kind::uniform), 100, 4500, k);
    for (const std::int64_t d : sizes({4100}, {})) check_self(matrix<float>(random, 99, d, Kind::hostile), 99, d, 3);
}

// Candidates that no bound excludes overflow into the dense pass; rows that no bound covers stay candidates of others.
TEST(equal_and_wild_rows) {
    Random random(3);
    const std::int64_t n = 400, d = 1024;
    std::vector<float> values = matrix<float>(random, n, d, Kind::uniform);
    for (std::int64_t i = 150; i < n; ++i) std::copy_n(values.begin(), d, values.begin() + i * d);
    values[static_cast<std::size_t>(5 * d + 3)] = std::numeric_limits<float>::quiet_NaN();
    values[static_cast<std::size_t>(120 * d)] = std::numeric_limits<float>::infinity();
    values[static_cast<std::size_t>(140 * d)] = 1e30f;
    check_self(values, n, d, 3);
    values.resize(static_cast<std::size_t>(150 * d));
    check_self(values, 150, d, 150);  // of which those without a bound are the last, once each
}

// All rows pass all bounds. Those of the last block, 58 of 442 in blocks of 96, overflow as others come that were found
// to pass before.
TEST(rows_that_are_all_alike) {
    Random random(4);
    const std::int64_t n = 442, d = 1024;
    std::vector<float> values = matrix<float>(random, n, d, Kind::uniform);
    for (std::int64_t i = 1; i < n; ++i) std::copy_n(values.begin(), d, values.begin() + i * d);
    check_self(values, n, d, 3);
}

// As many rows are live as the memory holds; where super-blocks are too small to gain by them, none.
TEST(rows_at_a_time_follow_the_memory) {
    Random random(5);
    const std::int64_t n = 1100, d = 1030, k = 3;
    const Exact<float> exact(matrix<float>(random, n, d, Kind::uniform));
    const Rows rows = rows_of(exact.data(), d);
    each_context([&](const Context& context) {
        Sidecar sidecar;
        CHECK(build_sidecar(rows, n, Precision::int16, k, sidecar, context) == Status::ok);
        const SearchedBlock block{rows, AllowedRows({nullptr, 0, n}), &sidecar, 0};
        const Certify& certify = certify_for(context.isa);
        if (certify.int16.sums == nullptr) return;
        const std::int64_t each = self_row_bytes(sidecar.steps(), k);
        const auto plan = [&](std::int64_t memory) {
            return plan_self_search(rows, n, {&block, 1}, k, certify, memory);
        };
        const auto for_rows = [&](std::int64_t live) { return plan((live * each / 3 + 1) * 4); };
        CHECK(for_rows(n).own == n);
        CHECK(plan(least_own_memory(k)).own == 0);
        CHECK(for_rows(350).own == 0);
        for (const std::int64_t live : {n - 1, n / 2}) {
            const SelfPlan some = for_rows(live);
            const Case here("live=", live, " own=", some.own, " beside=", some.beside);
            CHECK(some.own > 0 && some.own % SelfScan::kUnit == 0);
            CHECK(some.beside > 0 && some.beside % SelfScan::kUnit == 0);
            CHECK(some.own + some.beside <= live && some.own + some.beside > live - SelfScan::kUnit);
        }
    });
}

// Each takes less than the time after which anything is asked whether to stop.
TEST(super_blocks_are_interrupted) {
    Random random(6);
    const std::int64_t n = 1600, d = 1024, k = 3;
    const Exact<float> exact(matrix<float>(random, n, d, Kind::uniform));
    const Rows rows = rows_of(exact.data(), d);
    Sidecar sidecar;
    each_context([&](Context context) {
        CHECK(build_sidecar(rows, n, Precision::int16, k, sidecar, context) == Status::ok);
        const Certify& certify = certify_for(context.isa);
        if (certify.int16.sums == nullptr) return;
        const SearchedBlock block{rows, AllowedRows({nullptr, 0, n}), &sidecar, 0};
        context.interrupted = [] { return true; };
        const Decision::Operands operands{
            rows, {&block, 1}, {}, false, false, k, certify, canonical_distance(context.isa), context};
        std::vector<float> distances(static_cast<std::size_t>(n * k));
        std::vector<std::int64_t> ids(distances.size()), undecided;
        SearchCounts counts;
        CHECK(self_search(operands, {48, 48}, kOwnRowsMemory, distances.data(), ids.data(), undecided, counts) ==
              Status::interrupted);
    });
}

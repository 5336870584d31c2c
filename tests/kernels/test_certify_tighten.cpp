// The bound that candidates prove by themselves: the nearest row must survive it, though another one looks nearer.
#include <algorithm>
#include <cmath>

#include "certify_tables.h"
#include "check.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/quantizer.h"

using namespace rsir;
using namespace rsir::test;

namespace {

constexpr std::int64_t kHalf = 16, kWidth = 2 * kHalf;

void append(std::vector<float>& rows, double first_half, double second_half) {
    for (std::int64_t j = 0; j < kWidth; ++j) rows.push_back(static_cast<float>(j < kHalf ? first_half : second_half));
}

constexpr std::uint32_t kNearest = 12;  // select may pass over 8 values, but not over so many equal ones

// Rows 0 to 11 look nearest and row 12 is: its candidate must be there after tighten(). Numbers below 1/254 of a
// vector's largest become code 0, all else is constant and has no residual.
void check_nearest_survives(const std::vector<float>& query, std::vector<float> database) {
    // Opposite rows far away: no mean is worth subtracting.
    for (int i = 0; i < 200; ++i) {
        append(database, 4, 4);
        append(database, -4, -4);
    }
    const auto n = static_cast<std::int64_t>(database.size()) / kWidth;
    for (const CertifyTable& entry : certify_tables()) {
        const Case here("table=", entry.name);
        const Certify& certify = *entry.certify;
        Sidecar sidecar;
        build_sidecar(rows_of(database.data(), kWidth), n, Precision::int8, 1, sidecar,
                      Context{1, isa_from_name(certify.isa)});
        CHECK(sidecar.mean == nullptr);
        Quantizer quantizer(kWidth, sidecar.mean, Precision::int8, certify);
        const Code code = quantizer.run(rows_of(query.data(), kWidth), 0, certify.int8.query_limit);
        std::vector<std::int8_t> codes(static_cast<std::size_t>(certify.int8.query_bytes(1, sidecar.steps())));
        certify.int8.store_query(quantizer.codes(), sidecar.steps(), 0, 1, codes.data());
        CandidateSearch search(code, 1, sidecar.n, sidecar, certify);
        Candidates* state = &search.state();
        const std::uint32_t panel = 0;
        certify.int8.tile({sidecar.panels, sidecar.steps(), sidecar.scale, sidecar.radius}, &panel, 1, sidecar.excess,
                          codes.data(), 1, &state);
        CHECK(state->count == Sidecar::kGroup && state->estimates[0] < state->estimates[kNearest]);
        search.tighten();
        const std::uint32_t* end = state->ids + state->count;
        CHECK(std::find<const std::uint32_t*>(state->ids, end, kNearest) != end);
        CHECK(state->count == kNearest + 1);
    }
}

}  // namespace

// Residuals away from the query, that of the nearest row towards it.
TEST(residuals_of_rows_count) {
    for (int j = 9; j < 16; ++j) {
        const double small = std::ldexp(1.0, -j);
        for (const double side : {1.0, -1.0}) {
            std::vector<float> query, database;
            append(query, 0, side);
            for (std::uint32_t i = 0; i < kNearest; ++i) append(database, 1, -side * small);
            append(database, std::sqrt(1 + 3 * small), side * small);
            check_nearest_survives(query, database);
        }
    }
}

// The query has its residual away from the others and towards the nearest row.
TEST(residuals_of_queries_count) {
    for (int j = 9; j < 16; ++j) {
        const double small = std::ldexp(1.0, -j);
        for (const double side : {1.0, -1.0}) {
            std::vector<float> query, database;
            append(query, -side * small, 1);
            for (std::uint32_t i = 0; i < kNearest; ++i) append(database, side, 0);
            append(database, -side * (1 + 1.5 * small), 0);
            check_nearest_survives(query, database);
        }
    }
}

#include <cmath>
#include <cstring>

#include "kernels/cpu/certify.h"

namespace rsir {
namespace {

#include "kernels/cpu/certify_append.h"
#include "kernels/cpu/certify_candidates.h"
#include "kernels/cpu/certify_common.h"
#include "kernels/cpu/certify_quantize.h"
#include "kernels/cpu/certify_queries.h"

std::int64_t tile_groups(std::int64_t, std::int64_t) { return 1; }

struct Int8 {
    static std::int32_t dot(const std::uint8_t* row, const std::int8_t* query) {
        std::int32_t sum = 0;
        for (int j = 0; j < 4; ++j) sum += row[j] * query[j];
        return sum;
    }
};
struct Int16 {
    static std::int32_t dot(const std::uint8_t* row, const std::int8_t* query) {
        std::int16_t a[2], b[2];
        std::memcpy(a, row, sizeof a);
        std::memcpy(b, query, sizeof b);
        return a[0] * b[0] + a[1] * b[1];
    }
};

template <class Product>
void tile(const Panels& panels, const std::uint32_t* chosen, std::int64_t, const float* excess,
          const std::int8_t* codes, std::int64_t count, Candidates* const* queries) {
    const std::int64_t steps = panels.steps;
    const std::uint8_t* panel = panel_of(panels, *chosen);
    for (std::int64_t q = 0; q < count; ++q) {
        std::int32_t sums[kGroup];
        for (std::int32_t& sum : sums) sum = queries[q]->start;
        for (std::int64_t t = 0; t < steps; ++t) {
            for (int i = 0; i < kGroup; ++i) {
                sums[i] += Product::dot(panel + (t * kGroup + i) * 4, codes + (t * count + q) * 4);
            }
        }
        append(sums, *queries[q], panels, *chosen, excess);
    }
}

}  // namespace

const Certify certify_scalar = {"scalar",
                                {127, 4, 1, tile_groups, query_bytes, store_query, tile<Int8>, 8.0},
                                {0, 4, 1, tile_groups, query_bytes, store_query, tile<Int16>, 8.0},
                                centre,
                                quantize8,
                                quantize16,
                                select,
                                widest,
                                filter};

}  // namespace rsir

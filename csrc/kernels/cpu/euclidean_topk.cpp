#include "kernels/euclidean_topk.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/cpu/euclidean_topk_isa.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/topk.h"

namespace rsir {
namespace {

constexpr std::uint32_t kQuietNaN = 0x7fc00000u;
constexpr std::int64_t kPollElements = std::int64_t{1} << 20;  // about a millisecond of work between two polls

const SquaredDistance& squared_distance(Isa isa) { return RSIR_BY_ISA(isa, squared_distance); }

// The bits of a float >= +0 grow with its value, and the quiet NaN lies above infinity.
std::uint32_t distance_bits(double squared) {
    const float rounded = static_cast<float>(squared);
    if (std::isnan(rounded)) return kQuietNaN;
    std::uint32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    return bits;
}

float distance_from_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace

template <class T>
Status euclidean_topk(const T* queries, std::int64_t q, const T* database, std::int64_t n, std::int64_t d,
                      std::int64_t k, float* distances, std::int64_t* ids, const Context& context) {
    const std::int64_t size = padded(d);
    const SquaredDistance& distance = squared_distance(context.isa);
    context.report(distance.isa);
    const std::int64_t poll_rows = std::max<std::int64_t>(1, kPollElements / std::max<std::int64_t>(1, size));

    const auto scan = [&](std::int64_t query, std::int64_t first, std::int64_t last,
                          std::vector<KeySelector>& selectors, Poll& poll) {
        // Both sides are widened to zero-padded float64 once and then read many times.
        const auto count = static_cast<std::int64_t>(selectors.size());
        std::vector<double> wide_queries(static_cast<std::size_t>(count * size));
        std::vector<double> wide_row(static_cast<std::size_t>(size));
        for (std::int64_t j = 0; j < count; ++j) {
            std::copy_n(queries + (query + j) * d, d, wide_queries.data() + j * size);
        }
        for (std::int64_t row = first; row < last; ++row) {
            if ((row - first) % poll_rows == 0 && poll.stop()) return;
            std::copy_n(database + row * d, d, wide_row.data());
            for (std::int64_t j = 0; j < count; ++j) {
                const double squared = distance.run(wide_queries.data() + j * size, wide_row.data(), size);
                selectors[static_cast<std::size_t>(j)].push(make_key(distance_bits(squared), row));
            }
        }
    };
    const auto store = [&](std::int64_t query, const std::vector<Key>& keys) {
        float* out_distances = distances + query * k;
        std::int64_t* out_ids = ids + query * k;
        std::fill_n(out_distances, k, std::numeric_limits<float>::infinity());
        std::fill_n(out_ids, k, std::int64_t{-1});
        std::transform(keys.begin(), keys.end(), out_distances,
                       [](Key key) { return distance_from_bits(key_distance(key)); });
        std::transform(keys.begin(), keys.end(), out_ids, key_id);
    };
    return search(q, n, k, context, scan, store);
}

template Status euclidean_topk(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t,
                               float*, std::int64_t*, const Context&);
template Status euclidean_topk(const double*, std::int64_t, const double*, std::int64_t, std::int64_t, std::int64_t,
                               float*, std::int64_t*, const Context&);

}  // namespace rsir

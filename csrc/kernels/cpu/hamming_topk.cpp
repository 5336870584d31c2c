#include "kernels/hamming_topk.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/cpu/hamming_topk_isa.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/topk.h"

namespace rsir {
namespace {

constexpr std::int64_t kPollBytes = std::int64_t{1} << 19;

const DifferingBits& differing_bits(Isa isa) { return RSIR_BY_ISA(isa, differing_bits); }

}  // namespace

Status hamming_topk(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* database, std::int64_t n,
                    std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
                    const Context& context) {
    const DifferingBits& whole_bytes = differing_bits(context.isa);
    context.report(whole_bytes.isa);
    const std::int64_t bytes = (bits + 7) / 8, whole = bits / 8;
    const unsigned last_mask = (1u << (bits % 8)) - 1u;
    const std::int64_t poll_rows = std::max<std::int64_t>(1, kPollBytes / std::max<std::int64_t>(8, bytes));

    const auto scan = [&](std::int64_t query, std::int64_t first, std::int64_t last,
                          std::vector<KeySelector>& selectors, Poll& poll) {
        for (std::int64_t row = first; row < last; ++row) {
            if ((row - first) % poll_rows == 0 && poll.stop()) return;
            const std::uint8_t* code = database + row * bytes;
            for (std::size_t j = 0; j < selectors.size(); ++j) {
                const std::uint8_t* query_code = queries + (query + static_cast<std::int64_t>(j)) * bytes;
                std::int64_t distance = whole_bytes.run(query_code, code, whole);
                if (whole < bytes) distance += __builtin_popcount((query_code[whole] ^ code[whole]) & last_mask);
                selectors[j].push(make_key(static_cast<std::uint32_t>(distance), row));
            }
        }
    };
    const auto store = [&](std::int64_t query, const std::vector<Key>& keys) {
        std::int32_t* out_distances = distances + query * k;
        std::int64_t* out_ids = ids + query * k;
        std::fill_n(out_distances, k, std::numeric_limits<std::int32_t>::max());
        std::fill_n(out_ids, k, std::int64_t{-1});
        std::transform(keys.begin(), keys.end(), out_distances,
                       [](Key key) { return static_cast<std::int32_t>(key_distance(key)); });
        std::transform(keys.begin(), keys.end(), out_ids, key_id);
    };
    return search(q, n, k, context, scan, store);
}

}  // namespace rsir

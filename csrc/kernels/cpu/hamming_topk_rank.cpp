#include "kernels/cpu/hamming_topk_rank.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kWaveBytes = std::int64_t{1} << 26;
constexpr std::int64_t kPollCodes = std::int64_t{1} << 18;

// All distances of some queries to the allowed codes of blocks [first, last), to out[query][code], rows of `width`.
void all_distances(const std::vector<PlaneQuery>& queries, std::int64_t first_query, std::int64_t last_query,
                   const PlaneSource& source, const Allowed& allowed, std::int64_t first, std::int64_t last,
                   std::uint16_t* out, std::int64_t width, Poll& poll) {
    const PlaneLayout& layout = source.layout();
    const auto hits = std::make_unique<SlicedHit[]>(kBlockGroups);
    PlaneSource::Scratch scratch;
    BlockMask mask;
    for (std::int64_t b = first; b < last; ++b) {
        mask.read(allowed, layout, b);
        if (mask.groups() == 0) continue;
        const std::uint8_t* block = source.block(b, mask.groups(), scratch);
        for (std::int64_t query = first_query; query < last_query && !poll.stop(); ++query) {
            const PlaneQuery& asked = queries[static_cast<std::size_t>(query)];
            mask.each_run(0, layout.groups_of(b), [&](std::int64_t from, std::int64_t to) {
                // Its limit is beyond every distance: each group is a hit.
                const std::int64_t found = source.kernels().scan(block + from * kGroupBytes, to - from, asked.sliced(),
                                                                 mask.bits(from), hits.get());
                std::uint16_t* of_run = out + query * width + b * layout.block_codes() + from * kGroupCodes;
                for (const SlicedHit* hit = hits.get(); hit != hits.get() + found; ++hit) {
                    for (int word = 0; word < 8; ++word) {
                        if (hit->mask[word] == 0) continue;
                        asked.distances(*hit, word, of_run + hit->group * kGroupCodes + 64 * word);
                    }
                }
            });
        }
        if (poll.stop()) return;
    }
}

// Of n codes in the order of their numbers, which are 0, 1, ... if none are given.
void counting_sort(const std::uint16_t* found, const std::uint32_t* numbers, std::int64_t n, std::int64_t bits,
                   std::int64_t k, std::int32_t* distances, std::int64_t* ids, Poll& poll) {
    // Two counts by turns: the same distance often comes twice running, and each count would wait for the last.
    std::vector<std::int64_t> start(static_cast<std::size_t>(bits) + 1), odd(start);
    for (std::int64_t i = 0; i + 1 < n; i += 2) {
        ++start[found[i]];
        ++odd[found[i + 1]];
    }
    if (n % 2) ++start[found[n - 1]];
    std::int64_t sum = 0;
    for (std::size_t distance = 0; distance < start.size(); ++distance) {
        const std::int64_t count = start[distance] + odd[distance];
        std::fill(distances + std::min(sum, k), distances + std::min(sum + count, k),
                  static_cast<std::int32_t>(distance));
        start[distance] = sum;
        sum += count;
    }
    for (std::int64_t first = 0; first < n && !poll.stop(); first += kPollCodes) {
        for (std::int64_t i = first; i < std::min(first + kPollCodes, n); ++i) {
            const std::int64_t slot = start[found[i]]++;
            if (slot < k) ids[slot] = numbers == nullptr ? i : numbers[i];
        }
    }
    if (n < k) {
        std::fill(distances + n, distances + k, std::numeric_limits<std::int32_t>::max());
        std::fill(ids + n, ids + k, std::int64_t{-1});
    }
}

}  // namespace

Status rank_codes(const std::uint8_t* queries, std::int64_t q, const PlaneSource& source, const Allowed& allowed,
                  std::int64_t m, std::int64_t k, std::int32_t* distances, std::int64_t* ids, const Context& context) {
    const PlaneLayout& layout = source.layout();
    const std::int64_t bytes = (layout.bits + 7) / 8, width = layout.blocks * layout.block_codes();
    const std::int64_t wave = std::clamp<std::int64_t>(kWaveBytes / (2 * width + 4 * layout.bits), 1, q);
    const std::int64_t threads = std::max(1, context.threads);
    std::vector<std::uint32_t> numbers;
    if (m < layout.n) {
        const Status status = allowed_ids(allowed, m, numbers, context);
        if (status != Status::ok) return status;
    }
    const auto found = std::make_unique<std::uint16_t[]>(static_cast<std::size_t>(wave * width));
    for (std::int64_t first = 0; first < q; first += wave) {
        const std::int64_t count = std::min(wave, q - first);
        std::vector<PlaneQuery> asked;
        for (std::int64_t j = first; j < first + count; ++j) asked.emplace_back(queries + j * bytes, layout);
        // Rows are transposed once for all queries of a task; so split the database first.
        const std::int64_t ranges = std::min(layout.blocks, 4 * threads);
        const std::int64_t parts = std::clamp<std::int64_t>(4 * threads / ranges, 1, count);
        Status status = parallel_for(context, parts * ranges, [&](std::int64_t task, Poll& poll) {
            const std::int64_t part = task / ranges, range = task % ranges;
            all_distances(asked, count * part / parts, count * (part + 1) / parts, source, allowed,
                          layout.blocks * range / ranges, layout.blocks * (range + 1) / ranges, found.get(), width,
                          poll);
        });
        if (status != Status::ok) return status;
        status = parallel_for(context, count, [&](std::int64_t query, Poll& poll) {
            std::uint16_t* own = found.get() + query * width;
            for (std::size_t i = 0; i < numbers.size(); ++i) own[i] = own[numbers[i]];  // never one already written
            counting_sort(own, m < layout.n ? numbers.data() : nullptr, m, layout.bits, k,
                          distances + (first + query) * k, ids + (first + query) * k, poll);
        });
        if (status != Status::ok) return status;
    }
    return Status::ok;
}

}  // namespace rsir

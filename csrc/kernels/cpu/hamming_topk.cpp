#include "kernels/hamming_topk.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/cpu/hamming_topk_planes.h"
#include "kernels/cpu/hamming_topk_rank.h"
#include "kernels/cpu/hamming_topk_select.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueryBlock = 512;
constexpr std::int64_t kSelectorBytes = std::int64_t{1} << 24;  // a thread
constexpr std::int64_t kRangeCodes = std::int64_t{1} << 15;     // shorter ranges are not worth a merge
constexpr std::int64_t kFewQueries = 3;  // whose blocks are scanned in steps, as they wait for memory
constexpr std::int64_t kRows = 4096;
constexpr std::int64_t kRowBytes = std::int64_t{1} << 17;
constexpr std::int64_t kPollPlanes = std::int64_t{1} << 20;  // vectors of 512 bits between two polls: below a ms

struct Search {
    const std::uint8_t* queries;
    std::int64_t q;
    const std::uint8_t* rows;  // null where the database is prepared
    const PlaneSource& source;
    std::int64_t k;  // at most n
};

constexpr int kFew = 6;  // up to so many of 64 codes, each is read from the counters by itself

int lowest_bit(std::uint64_t x) { return __builtin_ctzll(x); }

// The codes of the hits in a block whose first code is `first`.
void offer_hits(const SlicedHit* hits, std::int64_t found, const PlaneQuery& query, std::int64_t first, std::int64_t n,
                CountingSelector& selector) {
    for (const SlicedHit* hit = hits; hit != hits + found; ++hit) {
        for (int word = 0; word < 8; ++word) {
            std::uint64_t mask = hit->mask[word];
            if (mask == 0) continue;
            const std::int64_t id = first + hit->group * kGroupCodes + word * 64;
            if (n - id < 64) mask &= n > id ? ~std::uint64_t{0} >> (64 - (n - id)) : 0;
            std::uint64_t rest = mask;
            for (int i = 0; i < kFew; ++i) rest &= rest - 1;
            if (rest != 0) {
                std::uint16_t distances[64];
                query.distances(*hit, word, distances);
                for (; mask != 0; mask &= mask - 1) selector.offer(distances[lowest_bit(mask)], id + lowest_bit(mask));
            } else {
                for (; mask != 0; mask &= mask - 1) {
                    selector.offer(query.distance(*hit, word, lowest_bit(mask)), id + lowest_bit(mask));
                }
            }
        }
    }
}

// A limit from the whole groups of one block: the smallest below which they have k codes.
std::uint32_t first_limit(const std::uint8_t* block, std::int64_t whole_groups, const PlaneQuery& query,
                          std::int64_t bits, std::int64_t k, SlicedHit* hits, const HammingKernels& kernels) {
    auto high = static_cast<std::uint32_t>(bits) + 1;
    if (whole_groups * kGroupCodes < k) return high;
    const std::int64_t found = kernels.scan(block, whole_groups, query.sliced(), hits);
    for (std::uint32_t low = 0; high - low > 1;) {
        const std::uint32_t middle = (low + high) / 2;
        (query.count_nearer(hits, found, middle, kernels) >= k ? high : low) = middle;
    }
    return high;
}

// Brings the next block into the second level cache while this one is scanned: only the planes that are needed, and
// evenly over the work, as the hardware does not foresee runs of 512 bytes.
class Prefetcher {
  public:
    Prefetcher(const std::vector<PlaneQuery>& queries, const PlaneLayout& layout, std::int64_t steps)
        : stride_(layout.stride), steps_(steps) {
        std::vector<bool> needed(static_cast<std::size_t>(layout.planes));
        std::fill_n(needed.begin(), layout.levels, true);
        for (const PlaneQuery& query : queries) {
            for (std::int64_t i = 0; i < query.listed(); ++i) {
                needed[static_cast<std::size_t>(query.sliced().offsets[i] / layout.stride)] = true;
            }
        }
        for (std::size_t plane = 0; plane < needed.size(); ++plane) {
            if (needed[plane]) planes_.push_back(static_cast<std::int64_t>(plane) * layout.stride);
        }
    }

    // One of the steps in which a block is fetched.
    void fetch(const std::uint8_t* block, std::int64_t step) const {
        const auto planes = static_cast<std::int64_t>(planes_.size());
        for (std::int64_t i = planes * step / steps_; i < planes * (step + 1) / steps_; ++i) {
            const std::uint8_t* plane = block + planes_[static_cast<std::size_t>(i)];
            for (std::int64_t at = 0; at < stride_; at += kGroupBytes) __builtin_prefetch(plane + at, 0, 2);
        }
        asm volatile("");  // GCC takes a function that only prefetches for one without effect, and drops the call
    }

  private:
    std::int64_t stride_;
    std::int64_t steps_;
    std::vector<std::int64_t> planes_;  // offsets
};

// Queries [first_query, ...) against blocks [first, last).
void scan_blocks(const Search& search, std::int64_t first_query, std::vector<CountingSelector>& selectors,
                 std::int64_t first, std::int64_t last, Poll& poll) {
    const PlaneLayout& layout = search.source.layout();
    const HammingKernels& kernels = search.source.kernels();
    const std::int64_t bytes = (layout.bits + 7) / 8;
    std::vector<PlaneQuery> queries;
    for (std::size_t j = 0; j < selectors.size(); ++j) {
        queries.emplace_back(search.queries + (first_query + static_cast<std::int64_t>(j)) * bytes, layout);
    }
    // In the order of their number of planes, so that the branches of the scan can be foreseen.
    std::vector<std::size_t> order(queries.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return queries[a].listed() < queries[b].listed(); });

    const auto count = static_cast<std::int64_t>(queries.size());
    const std::int64_t step_groups = count <= kFewQueries ? 2 : kBlockGroups;
    const std::int64_t query_steps = (layout.stride / kGroupBytes + step_groups - 1) / step_groups;
    const Prefetcher prefetcher(queries, layout, count * query_steps);
    const auto hits = std::make_unique<SlicedHit[]>(kBlockGroups);
    PlaneSource::Scratch scratch;
    std::int64_t work = 0;
    for (std::int64_t b = first; b < last; ++b) {
        const std::uint8_t* block = search.source.block(b, scratch);
        const std::uint8_t* next = search.source.is_prepared() && b + 1 < last ? block + layout.block_bytes() : nullptr;
        const std::int64_t groups = layout.groups_of(b), first_code = b * layout.block_codes();
        for (std::int64_t i = 0; i < count; ++i) {
            PlaneQuery& query = queries[order[static_cast<std::size_t>(i)]];
            CountingSelector& selector = selectors[order[static_cast<std::size_t>(i)]];
            if ((work += groups * (query.listed() + layout.levels)) >= kPollPlanes) {
                work = 0;
                if (poll.stop()) return;
            }
            if (b == first) {
                const std::int64_t whole = std::min(groups, (layout.n - first_code) / kGroupCodes);
                selector.set_limit(first_limit(block, whole, query, layout.bits, search.k, hits.get(), kernels));
                query.set_limit(selector.limit());
            }
            for (std::int64_t step = 0; step < query_steps; ++step) {
                if (next != nullptr) prefetcher.fetch(next, i * query_steps + step);
                const std::int64_t from = step * step_groups, to = std::min(from + step_groups, groups);
                if (from >= to || selector.limit() == 0) continue;
                const std::int64_t found =
                    kernels.scan(block + from * kGroupBytes, to - from, query.sliced(), hits.get());
                if (found == 0) continue;
                offer_hits(hits.get(), found, query, first_code + from * kGroupCodes, layout.n, selector);
                query.set_limit(selector.limit());
            }
        }
    }
}

// The same against rows [first, last).
void scan_rows(const Search& search, std::int64_t first_query, std::vector<CountingSelector>& selectors,
               std::int64_t first, std::int64_t last, Poll& poll) {
    const PlaneLayout& layout = search.source.layout();
    const std::int64_t bytes = (layout.bits + 7) / 8;
    const std::int64_t most = std::clamp<std::int64_t>(kRowBytes / std::max<std::int64_t>(1, bytes), 1, kRows);
    const auto hits = std::make_unique<RowHit[]>(static_cast<std::size_t>(most));
    std::int64_t count = std::min<std::int64_t>(256, most);  // short steps while the limit is falling fast
    for (std::int64_t row = first; row < last && !poll.stop(); row += count, count = std::min(2 * count, most)) {
        count = std::min(count, last - row);
        const std::uint8_t* query = search.queries + first_query * bytes;
        for (CountingSelector& selector : selectors) {
            const std::int64_t found = search.source.kernels().scan_rows(query, search.rows + row * bytes, count,
                                                                         layout.bits, selector.limit(), hits.get());
            for (std::int64_t i = 0; i < found; ++i) selector.offer(hits[i].distance, row + hits[i].row);
            query += bytes;
        }
    }
}

void store(const std::vector<Key>& keys, std::int64_t k, std::int32_t* distances, std::int64_t* ids) {
    const auto count = std::min(static_cast<std::int64_t>(keys.size()), k);
    for (std::int64_t i = 0; i < count; ++i) {
        distances[i] = static_cast<std::int32_t>(key_distance(keys[static_cast<std::size_t>(i)]));
        ids[i] = key_id(keys[static_cast<std::size_t>(i)]);
    }
    std::fill(distances + count, distances + k, std::numeric_limits<std::int32_t>::max());
    std::fill(ids + count, ids + k, std::int64_t{-1});
}

Status select(const Search& search, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
              const Context& context) {
    const PlaneLayout& layout = search.source.layout();
    const std::int64_t threads = std::max(1, context.threads);
    const bool by_rows =
        search.rows != nullptr && (layout.bits == 0 || search.q <= search.source.kernels().row_queries(layout.bits));
    const std::int64_t unit = by_rows ? 1 : layout.block_codes();
    const std::int64_t units = by_rows ? layout.n : layout.blocks;
    const std::int64_t ranges = std::clamp<std::int64_t>(layout.n / kRangeCodes, 1, std::min(threads, units));
    // Ranges first, as every thread then reads its own part of the database once; queries are split where that leaves
    // threads idle, or for memory.
    const std::int64_t query_bytes = 2 * 8 * search.k + 64 * 8 + 8 * layout.bits;
    std::int64_t block = std::clamp<std::int64_t>(kSelectorBytes / query_bytes, 1, kQueryBlock);
    block = std::clamp<std::int64_t>(search.q * ranges / threads, 1, block);
    const std::int64_t blocks = (search.q + block - 1) / block;

    std::vector<std::vector<Key>> parts(ranges > 1 ? static_cast<std::size_t>(search.q * ranges) : 0);
    const Status status = parallel_for(context, blocks * ranges, [&](std::int64_t task, Poll& poll) {
        const std::int64_t query = task / ranges * block, range = task % ranges;
        const std::int64_t first = units * range / ranges, last = units * (range + 1) / ranges;
        const std::int64_t codes = std::min(last * unit, layout.n) - first * unit;
        std::vector<CountingSelector> selectors(static_cast<std::size_t>(std::min(block, search.q - query)),
                                                CountingSelector(std::min(search.k, codes), layout.bits));
        if (by_rows) {
            scan_rows(search, query, selectors, first, last, poll);
        } else {
            scan_blocks(search, query, selectors, first, last, poll);
        }
        if (poll.stop()) return;
        for (std::size_t j = 0; j < selectors.size(); ++j) {
            const std::int64_t number = query + static_cast<std::int64_t>(j);
            std::vector<Key> keys = selectors[j].take(layout.bits);
            if (ranges == 1) {
                store(keys, k, distances + number * k, ids + number * k);
            } else {
                parts[static_cast<std::size_t>(number * ranges + range)] = std::move(keys);
            }
        }
    });
    if (ranges == 1 || status != Status::ok) return status;

    // The parts follow each other in the order of the ids.
    return parallel_for(context, search.q, [&](std::int64_t query, Poll&) {
        std::vector<Key> keys;
        for (std::int64_t range = 0; range < ranges; ++range) {
            const auto& part = parts[static_cast<std::size_t>(query * ranges + range)];
            keys.insert(keys.end(), part.begin(), part.end());
        }
        sort_by_small_distance(keys, layout.bits);
        store(keys, k, distances + query * k, ids + query * k);
    });
}

Status run(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes, const std::uint8_t* rows,
           std::int64_t n, std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
           const Context& context) {
    const PlaneLayout layout(n, bits);
    const PlaneSource source(layout, planes, rows, hamming_kernels(context.isa));
    context.report(source.kernels().isa);
    if (q == 0 || k == 0) return Status::ok;
    const std::int64_t depth = std::min(k, n);
    if (depth == 0) {
        std::fill_n(distances, q * k, std::numeric_limits<std::int32_t>::max());
        std::fill_n(ids, q * k, std::int64_t{-1});
        return Status::ok;
    }
    if (bits > 0 && depth >= n / kRankFraction) return rank_codes(queries, q, source, k, distances, ids, context);
    return select({queries, q, rows, source, depth}, k, distances, ids, context);
}

}  // namespace

Status hamming_topk(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* database, std::int64_t n,
                    std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
                    const Context& context) {
    return run(queries, q, nullptr, database, n, bits, k, distances, ids, context);
}

Status hamming_topk_prepared(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes, std::int64_t n,
                             std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
                             const Context& context) {
    return run(queries, q, planes, nullptr, n, bits, k, distances, ids, context);
}

}  // namespace rsir

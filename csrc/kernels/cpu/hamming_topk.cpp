#include "kernels/hamming_topk.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/cpu/hamming_topk_allowed.h"
#include "kernels/cpu/hamming_topk_planes.h"
#include "kernels/cpu/hamming_topk_rank.h"
#include "kernels/cpu/hamming_topk_select.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueryBlock = 512;
constexpr std::int64_t kSelectorBytes = std::int64_t{1} << 24;  // a thread
constexpr std::int64_t kRangeCodes = std::int64_t{1} << 15;     // shorter ranges are not worth a merge
constexpr std::int64_t kTaskQueries = 32;                       // so many hide that every task reads the database
constexpr std::int64_t kFewQueries = 3;  // whose blocks are scanned in steps, as they wait for memory
constexpr std::int64_t kGathered = 4;    // not more than one of so many codes is copied, for memory
constexpr std::int64_t kReadBack = 32;   // queries from which on a group of planes is sooner read back than scanned
constexpr std::int64_t kRows = 4096;
constexpr std::int64_t kRowBytes = std::int64_t{1} << 17;
constexpr std::int64_t kPollPlanes = std::int64_t{1} << 20;  // vectors of 512 bits between two polls: below a ms

struct Search {
    const std::uint8_t* queries;
    std::int64_t q;
    const std::uint8_t* rows;  // null where planes are scanned
    bool few_rows;             // only the allowed ones are read
    const PlaneSource& source;
    const Allowed& allowed;
    std::int64_t k;  // at most the allowed
};

constexpr int kFew = 6;  // up to so many of 64 codes, each is read from the counters by itself

int lowest_bit(std::uint64_t x) { return __builtin_ctzll(x); }

// The codes of the hits in groups of which the first begins with the code `first`.
void offer_hits(const SlicedHit* hits, std::int64_t found, const PlaneQuery& query, std::int64_t first,
                CountingSelector& selector) {
    for (const SlicedHit* hit = hits; hit != hits + found; ++hit) {
        for (int word = 0; word < 8; ++word) {
            std::uint64_t mask = hit->mask[word];
            if (mask == 0) continue;
            const std::int64_t id = first + hit->group * kGroupCodes + word * 64;
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

// A limit from the allowed codes of one block: the smallest below which they are k.
std::uint32_t first_limit(const std::uint8_t* block, const BlockMask& mask, std::int64_t groups,
                          const PlaneQuery& query, std::int64_t bits, std::int64_t k, SlicedHit* hits,
                          const HammingKernels& kernels) {
    auto high = static_cast<std::uint32_t>(bits) + 1;
    if (groups * kGroupCodes < k) return high;
    std::int64_t found = 0;
    mask.each_run(0, groups, [&](std::int64_t from, std::int64_t to) {
        found += kernels.scan(block + from * kGroupBytes, to - from, query.sliced(), mask.bits(from), hits + found);
    });
    if (query.count_nearer(hits, found, high, kernels) < k) return high;
    for (std::uint32_t low = 0; high - low > 1;) {
        const std::uint32_t middle = (low + high) / 2;
        (query.count_nearer(hits, found, middle, kernels) >= k ? high : low) = middle;
    }
    return high;
}

// A query and where its answer is collected.
struct Asked {
    PlaneQuery query;
    CountingSelector* selector;
};

// Brings the next block into the second level cache while this one is scanned: only the planes that are needed, and
// evenly over the work, as the hardware does not foresee runs of 512 bytes.
class Prefetcher {
  public:
    // A block is fetched in so many steps.
    Prefetcher(const std::vector<Asked>& asked, const PlaneLayout& layout, std::int64_t steps)
        : stride_(layout.stride), steps_(static_cast<std::size_t>(steps)) {
        std::vector<bool> needed(static_cast<std::size_t>(layout.planes));
        std::fill_n(needed.begin(), layout.levels, true);
        for (const Asked& one : asked) {
            for (std::int64_t i = 0; i < one.query.listed(); ++i) {
                needed[static_cast<std::size_t>(one.query.sliced().offsets[i] / layout.stride)] = true;
            }
        }
        for (std::size_t plane = 0; plane < needed.size(); ++plane) {
            if (needed[plane]) planes_.push_back(static_cast<std::int64_t>(plane) * layout.stride);
        }
    }

    // From now on this block is fetched, those of its groups that are wanted; null: none.
    void begin(const std::uint8_t* block, std::uint32_t wanted) {
        block_ = block;
        wanted_ = wanted;
        plane_ = 0;
        due_ = 0;
    }

    void step() {
        if (block_ == nullptr) return;
        for (due_ += planes_.size(); due_ >= steps_; due_ -= steps_) {
            const std::uint8_t* plane = block_ + planes_[plane_++];
            if (wanted_ == kAllGroups) {
                for (std::int64_t at = 0; at < stride_; at += kGroupBytes) __builtin_prefetch(plane + at, 0, 2);
            } else {
                for (std::uint32_t rest = wanted_; rest != 0; rest &= rest - 1) {
                    __builtin_prefetch(plane + lowest_bit(rest) * kGroupBytes, 0, 2);
                }
            }
        }
    }

  private:
    std::int64_t stride_;
    std::size_t steps_;
    std::vector<std::int64_t> planes_;  // offsets
    const std::uint8_t* block_ = nullptr;
    std::uint32_t wanted_ = 0;
    std::size_t plane_ = 0;  // the next
    std::size_t due_ = 0;    // planes that are due, times steps
};

// Queries [first_query, ...) against blocks [first, last).
void scan_blocks(const Search& search, std::int64_t first_query, std::vector<CountingSelector>& selectors,
                 std::int64_t first, std::int64_t last, Poll& poll) {
    const PlaneLayout& layout = search.source.layout();
    const HammingKernels& kernels = search.source.kernels();
    const std::int64_t bytes = (layout.bits + 7) / 8;
    // In the order of their number of planes, so that the branches of the scan can be foreseen.
    std::vector<Asked> asked;
    asked.reserve(selectors.size());
    for (std::size_t j = 0; j < selectors.size(); ++j) {
        const std::uint8_t* code = search.queries + (first_query + static_cast<std::int64_t>(j)) * bytes;
        asked.push_back({PlaneQuery(code, layout), &selectors[j]});
    }
    std::sort(asked.begin(), asked.end(),
              [](const Asked& a, const Asked& b) { return a.query.listed() < b.query.listed(); });

    const auto count = static_cast<std::int64_t>(asked.size());
    const std::int64_t step_groups = count <= kFewQueries ? 2 : kBlockGroups;
    const std::int64_t query_steps = (layout.stride / kGroupBytes + step_groups - 1) / step_groups;
    Prefetcher prefetcher(asked, layout, count * query_steps);
    const auto hits = std::make_unique<SlicedHit[]>(kBlockGroups);
    PlaneSource::Scratch scratch;
    std::int64_t work = 0;
    // The first block from b on that has an allowed code; last if none has.
    const auto find = [&](std::int64_t b, BlockMask& mask) {
        for (; b < last; ++b) {
            mask.read(search.allowed, layout, b);
            if (mask.groups() != 0) break;
        }
        return b;
    };
    BlockMask masks[2];
    int turn = 0;
    bool is_first = true;
    for (std::int64_t b = find(first, masks[0]), next = b; b < last; b = next, turn ^= 1, is_first = false) {
        const BlockMask& mask = masks[turn];
        BlockMask& next_mask = masks[turn ^ 1];
        next = find(b + 1, next_mask);
        const std::uint8_t* block = search.source.block(b, mask.groups(), scratch);
        const bool is_ahead = search.source.is_prepared() && next < last;
        prefetcher.begin(is_ahead ? block + (next - b) * layout.block_bytes() : nullptr, next_mask.groups());
        const std::int64_t groups = layout.groups_of(b), first_code = b * layout.block_codes();
        for (Asked& one : asked) {
            PlaneQuery& query = one.query;
            CountingSelector& selector = *one.selector;
            if ((work += groups * (query.listed() + layout.levels)) >= kPollPlanes) {
                work = 0;
                if (poll.stop()) return;
            }
            if (is_first) {
                selector.set_limit(first_limit(block, mask, groups, query, layout.bits, search.k, hits.get(), kernels));
                query.set_limit(selector.limit());
            }
            for (std::int64_t step = 0; step < query_steps; ++step) {
                prefetcher.step();
                const std::int64_t begin = step * step_groups, end = std::min(begin + step_groups, groups);
                mask.each_run(begin, end, [&](std::int64_t from, std::int64_t to) {
                    if (query.limit() == 0) return;
                    const std::int64_t found = kernels.scan(block + from * kGroupBytes, to - from, query.sliced(),
                                                            mask.bits(from), hits.get());
                    if (found == 0) return;
                    offer_hits(hits.get(), found, query, first_code + from * kGroupCodes, selector);
                    if (selector.limit() < query.limit()) query.set_limit(selector.limit());
                });
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
        if (!any_allowed(search.allowed, row, row + count)) continue;
        const std::uint8_t* query = search.queries + first_query * bytes;
        for (CountingSelector& selector : selectors) {
            const std::int64_t found = search.source.kernels().scan_rows(query, search.rows + row * bytes, count,
                                                                         layout.bits, selector.limit(), hits.get());
            for (const RowHit* hit = hits.get(); hit != hits.get() + found; ++hit) {
                if (search.allowed.has(row + hit->row)) selector.offer(hit->distance, row + hit->row);
            }
            query += bytes;
        }
    }
}

// The same where few of the rows are allowed: they are copied side by side, some at a time.
void scan_few_rows(const Search& search, std::int64_t first_query, std::vector<CountingSelector>& selectors,
                   std::int64_t first, std::int64_t last, Poll& poll) {
    const std::int64_t bits = search.source.layout().bits;
    AllowedCodes few(search.source, search.allowed, first, last);
    const auto hits = std::make_unique<RowHit[]>(static_cast<std::size_t>(few.most()));
    for (std::int64_t count; !poll.stop() && (count = few.next()) > 0;) {
        const std::uint8_t* query = search.queries + first_query * ((bits + 7) / 8);
        for (CountingSelector& selector : selectors) {
            const std::int64_t found =
                search.source.kernels().scan_rows(query, few.codes(), count, bits, selector.limit(), hits.get());
            for (const RowHit* hit = hits.get(); hit != hits.get() + found; ++hit) {
                selector.offer(hit->distance, few.id(hit->row));
            }
            query += (bits + 7) / 8;
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
    const bool by_rows = search.rows != nullptr;
    const std::int64_t unit = by_rows ? 1 : layout.block_codes();
    const std::int64_t units = by_rows ? layout.n : layout.blocks;
    // As few ranges as leave each task its queries: every range has k nearest codes of its own to find. But no thread
    // is left idle, and few queries share the reading of the database.
    std::int64_t ranges = 1;
    while (ranges < threads && (threads % ranges != 0 || search.q * ranges < kTaskQueries * threads)) ++ranges;
    ranges = std::clamp<std::int64_t>(layout.n / kRangeCodes, 1, std::min(ranges, units));
    const std::int64_t query_bytes = 2 * 8 * search.k + 64 * 8 + 8 * layout.bits;
    std::int64_t block = std::clamp<std::int64_t>(kSelectorBytes / query_bytes, 1, kQueryBlock);
    block = std::clamp<std::int64_t>((search.q * ranges + threads - 1) / threads, 1, block);
    const std::int64_t blocks = (search.q + block - 1) / block;

    std::vector<std::vector<Key>> parts(ranges > 1 ? static_cast<std::size_t>(search.q * ranges) : 0);
    const Status status = parallel_for(context, blocks * ranges, [&](std::int64_t task, Poll& poll) {
        const std::int64_t query = task / ranges * block, range = task % ranges;
        const std::int64_t first = units * range / ranges, last = units * (range + 1) / ranges;
        const std::int64_t codes = std::min(last * unit, layout.n) - first * unit;
        std::vector<CountingSelector> selectors(static_cast<std::size_t>(std::min(block, search.q - query)),
                                                CountingSelector(std::min(search.k, codes), layout.bits));
        if (search.few_rows) {
            scan_few_rows(search, query, selectors, first, last, poll);
        } else if (by_rows) {
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

// Whether m rows are sooner copied, one by one, than all codes are scanned. A row costs the line of memory it lies in.
// A scan costs all rows, none of less than 64 bits, and more with every query; that of planes costs as much for one
// query and less for each further one. Measured on Zen 4: 1 to 12 queries of 64 and 512 bits.
bool are_few(const PlaneLayout& layout, std::int64_t m, std::int64_t q, bool has_planes) {
    const std::int64_t bytes = (layout.bits + 7) / 8;
    const std::int64_t row = 18 * std::max<std::int64_t>(64, bytes), width = std::max<std::int64_t>(8, bytes);
    const std::int64_t few = std::min(q, kReadBack);
    return kGathered * m <= layout.n && row * m <= layout.n * width * (has_planes ? few + 5 : 3 * (few + 1));
}

Status run(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes, const std::uint8_t* rows,
           const Allowed& allowed, std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
           const Context& context);

// The search of the m allowed codes of a source, copied one after the other. Their order is that of their ids, so ties
// are decided alike.
Status search_gathered(const std::uint8_t* queries, std::int64_t q, const PlaneSource& source, const Allowed& allowed,
                       std::int64_t m, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
                       const Context& context) {
    const std::int64_t bits = source.layout().bits;
    std::vector<std::uint32_t> numbers;
    Status status = allowed_ids(allowed, m, numbers, context);
    if (status != Status::ok) return status;
    const std::unique_ptr<std::uint8_t[]> codes(new std::uint8_t[static_cast<std::size_t>(m * ((bits + 7) / 8))]);
    status = gather_codes(source, numbers, codes.get(), context);
    if (status != Status::ok) return status;
    status = run(queries, q, nullptr, codes.get(), {nullptr, 0, m}, bits, k, distances, ids, context);
    if (status != Status::ok) return status;
    return parallel_for(context, q, [&](std::int64_t query, Poll&) {
        for (std::int64_t* id = ids + query * k; id != ids + (query + 1) * k && *id >= 0; ++id) {
            *id = numbers[static_cast<std::size_t>(*id)];
        }
    });
}

Status run(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes, const std::uint8_t* rows,
           const Allowed& where, std::int64_t bits, std::int64_t k, std::int32_t* distances, std::int64_t* ids,
           const Context& context) {
    const PlaneLayout layout(where.n, bits);
    const PlaneSource source(layout, planes, rows, hamming_kernels(context.isa));
    context.report(source.kernels().isa);
    if (q == 0 || k == 0) return Status::ok;
    std::int64_t m = 0;
    const Status status = count_allowed(where, m, context);
    if (status != Status::ok) return status;
    const std::int64_t depth = std::min(k, m);
    if (depth == 0) {
        std::fill_n(distances, q * k, std::numeric_limits<std::int32_t>::max());
        std::fill_n(ids, q * k, std::int64_t{-1});
        return Status::ok;
    }
    const Allowed allowed = m < layout.n ? where : Allowed{nullptr, 0, layout.n};
    const bool ranks = bits > 0 && depth >= m / kRankFraction;
    const bool few_queries = !ranks && (bits == 0 || q <= source.kernels().row_queries(bits));
    const bool few_rows = rows != nullptr && are_few(layout, m, q, planes != nullptr);
    const bool by_rows = few_queries && (planes == nullptr || few_rows);
    if (!by_rows && kGathered * m <= layout.n && (planes == nullptr || few_rows || ranks || q >= kReadBack)) {
        return search_gathered(queries, q, source, allowed, m, k, distances, ids, context);
    }
    if (ranks) return rank_codes(queries, q, source, allowed, m, k, distances, ids, context);
    return select({queries, q, by_rows ? rows : nullptr, by_rows && few_rows, source, allowed, depth}, k, distances,
                  ids, context);
}

}  // namespace

Status hamming_topk(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* database, std::int64_t n,
                    std::int64_t bits, const Allowed& allowed, std::int64_t k, std::int32_t* distances,
                    std::int64_t* ids, const Context& context) {
    return run(queries, q, nullptr, database, {allowed.bits, allowed.first, n}, bits, k, distances, ids, context);
}

Status hamming_topk_prepared(const std::uint8_t* queries, std::int64_t q, const std::uint8_t* planes,
                             const std::uint8_t* rows, std::int64_t n, std::int64_t bits, const Allowed& allowed,
                             std::int64_t k, std::int32_t* distances, std::int64_t* ids, const Context& context) {
    return run(queries, q, planes, rows, {allowed.bits, allowed.first, n}, bits, k, distances, ids, context);
}

}  // namespace rsir

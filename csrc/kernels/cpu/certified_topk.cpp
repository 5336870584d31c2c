#include "kernels/cpu/certified_topk.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/cpu/allowed_panels.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/decision.h"
#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueryBlock = 256;                            // queries that share one reading of the sidecar
constexpr std::int64_t kBlockCandidates = std::int64_t{1} << 20;     // room of a block: 8 MiB
constexpr std::int64_t kRangeRows = 4096;                            // least rows of a range
constexpr std::int64_t kLeastShare = 16;                             // queries that a further thread is woken for,
constexpr std::int64_t kSmallWork = std::int64_t{1} << 22;           // and elements: less is done before it begins;
constexpr std::int64_t kSmallRest = std::int64_t{1} << 25;           // elements whose decision is, if the scan is one's
constexpr std::int64_t kWave = 1024;                                 // queries that are decided together,
constexpr std::int64_t kDecisionCandidates = std::int64_t{1} << 23;  // or as many as have these candidates: 96 MiB
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 18;          // of panels: stay in the L2 cache over all queries
constexpr std::int64_t kJumpBytes = 1024;  // of a panel: what follows them the machine fetches itself

Panels panels_of(const Sidecar& sidecar) { return {sidecar.panels, sidecar.steps(), sidecar.scale, sidecar.radius}; }

// The queries of one task, quantised, in subsets that a tile takes at once.
class QueryBlock {
  public:
    QueryBlock(const Rows& queries, std::int64_t first, std::int64_t count, const AllowedRows& rows, std::int64_t k,
               const Sidecar& sidecar, const Certify& certify)
        : codes_of_(sidecar.precision == Precision::int8 ? certify.int8 : certify.int16),
          panels_(panels_of(sidecar)),
          allowed_(sidecar, rows.bits()) {
        const std::int64_t steps = sidecar.steps();
        const std::int64_t subsets = (count + codes_of_.max_queries - 1) / codes_of_.max_queries;
        codes_.resize(static_cast<std::size_t>(count * steps * 4));
        searches_.reserve(static_cast<std::size_t>(count));
        Quantizer quantizer(sidecar.d, sidecar.mean, sidecar.precision, certify);
        for (std::int64_t s = 0; s <= subsets; ++s) starts_.push_back(count * s / subsets);
        for (std::int64_t s = 0; s < subsets; ++s) {
            const std::int64_t size = starts_[s + 1] - starts_[s];
            for (std::int64_t j = 0; j < size; ++j) {
                const Code code = quantizer.run(queries, first + starts_[s] + j, codes_of_.query_limit);
                quantizer.store_query(codes_.data() + (starts_[s] * steps + j) * 4, size * 4, steps);
                searches_.emplace_back(code, k, rows.count(), sidecar, certify);
            }
        }
        for (CandidateSearch& search : searches_) states_.push_back(&search.state());
    }

    void scan(std::int64_t first_group, std::int64_t last_group, Poll& poll) {
        const std::int64_t panel_bytes = panels_.steps * Sidecar::kGroup * 4;
        // A multiple of every tile height, so that only the last chunk has rests.
        const std::int64_t chunk = std::max<std::int64_t>(1, kChunkBytes / (panel_bytes * 12)) * 12;
        for (std::int64_t group = first_group; group < last_group;) {
            if (poll.stop()) return;
            group = allowed_.choose(group, last_group, chunk);
            for (std::size_t s = 0; s + 1 < starts_.size(); ++s) scan_subset(s);
        }
    }

    std::vector<CandidateSearch>& searches() { return searches_; }

  private:
    // Scans the chosen panels.
    void scan_subset(std::size_t s) {
        const std::int64_t count = starts_[s + 1] - starts_[s];
        const std::int64_t height = codes_of_.tile_groups(count, panels_.steps);
        const auto groups = static_cast<std::int64_t>(allowed_.chosen().size());
        for (std::int64_t g = 0; g < groups; g += height) {
            // The first to read a chunk; the others find it in the cache.
            if (s == 0) fetch_jumps(g + height, std::min(groups, g + 2 * height));
            codes_of_.tile(panels_, allowed_.chosen().data() + g, std::min(height, groups - g),
                           allowed_.excess() + g * Sidecar::kGroup, codes_.data() + starts_[s] * panels_.steps * 4,
                           count, states_.data() + starts_[s]);
            for (std::int64_t j = 0; j < count; ++j) {
                searches_[static_cast<std::size_t>(starts_[s] + j)].make_room();
            }
        }
    }

    // Fetches the starts of those of the next chosen panels that do not follow the one before.
    void fetch_jumps(std::int64_t first, std::int64_t last) const {
        const std::int64_t panel_bytes = panels_.steps * Sidecar::kGroup * 4, bytes = std::min(panel_bytes, kJumpBytes);
        const std::uint32_t* chosen = allowed_.chosen().data();
        for (std::int64_t g = first; g < last; ++g) {
            if (chosen[g] == chosen[g - 1] + 1) continue;
            const std::uint8_t* panel = panels_.codes + chosen[g] * panel_bytes;
            for (std::int64_t byte = 0; byte < bytes; byte += 64) __builtin_prefetch(panel + byte, 0, 2);
        }
    }

    const Codes& codes_of_;
    const Panels panels_;
    AllowedPanels allowed_;
    std::vector<std::int8_t> codes_;    // subsets of [steps][size][4]
    std::vector<std::int64_t> starts_;  // of the subsets, and the end
    std::vector<CandidateSearch> searches_;
    std::vector<Candidates*> states_;  // of searches_: what tiles append to
};

// How the scan for `count` queries is split: shares of the queries, ranges of the rows.
struct Split {
    std::int64_t shares = 1, ranges = 1;
    bool is_small_rest;  // less to decide than is worth another thread

    // Few queries share every reading of the sidecar and split its rows; more of them are split themselves, which needs
    // no merge, as far as each share still has queries enough to be bound by arithmetic rather than by memory.
    Split(std::int64_t count, const AllowedRows& rows, const Sidecar& sidecar, std::int64_t threads) {
        // Each allowed row has its panel read, where no other has before.
        const std::int64_t read = std::min(sidecar.n, rows.count() * Sidecar::kGroup);
        is_small_rest = count * read * sidecar.d < kSmallRest;
        if (count * read * sidecar.d < kSmallWork) return;
        const std::int64_t most_ranges = std::max<std::int64_t>(1, read / kRangeRows);
        const std::int64_t least_share = most_ranges > 1 ? kLeastShare : kLeastShare / 2;
        shares = std::clamp<std::int64_t>(count / least_share, 1, threads);
        ranges = std::min((threads + shares - 1) / shares, most_ranges);
    }

    // The panel with which a range begins: each has as many allowed rows.
    std::int64_t first_panel(std::int64_t range, const AllowedRows& rows, std::int64_t panels) const {
        if (rows.all() || range == ranges) return panels * range / ranges;
        return rows.row_at(rows.count() * range / ranges) / Sidecar::kGroup;
    }
};

// Scans the sidecar for `count` queries: one search each, tightened.
Status certify(const Rows& queries, std::int64_t first, std::int64_t count, const AllowedRows& rows,
               const Sidecar& sidecar, std::int64_t k, const Split& split, const float* bounds,
               std::vector<CandidateSearch>& searches, const Context& context) {
    const Certify& certify = certify_for(context.isa);
    const std::int64_t groups = sidecar.groups(), ranges = split.ranges;
    const std::int64_t block = std::clamp<std::int64_t>(kBlockCandidates / candidate_room(k), 8, kQueryBlock);
    const std::int64_t blocks = std::max((count + block - 1) / block, split.shares);

    std::vector<CandidateSearch> parts(static_cast<std::size_t>(count * ranges));  // [range, query]
    const Status status = parallel_for(context, blocks * ranges, [&](std::int64_t task, Poll& poll) {
        const std::int64_t share = task / ranges, range = task % ranges;
        const std::int64_t begin = count * share / blocks, end = count * (share + 1) / blocks;
        QueryBlock work(queries, first + begin, end - begin, rows, k, sidecar, certify);
        for (std::int64_t j = begin; j < end && bounds != nullptr; ++j) {
            const float bound = bounds[first + j];
            if (std::isfinite(bound)) {
                work.searches()[static_cast<std::size_t>(j - begin)].lower(static_cast<double>(bound));
            }
        }
        work.scan(split.first_panel(range, rows, groups), split.first_panel(range + 1, rows, groups), poll);
        for (std::int64_t j = begin; j < end && !poll.stop(); ++j) {
            CandidateSearch& search = work.searches()[static_cast<std::size_t>(j - begin)];
            search.settle();
            parts[static_cast<std::size_t>(range * count + j)] = std::move(search);
        }
    });
    if (status != Status::ok) return status;
    for (std::int64_t j = 0; j < count && ranges > 1; ++j) {
        CandidateSearch& search = parts[static_cast<std::size_t>(j)];
        for (std::int64_t range = 1; range < ranges; ++range) {
            search.merge(parts[static_cast<std::size_t>(range * count + j)]);
        }
        search.tighten();
    }
    parts.resize(static_cast<std::size_t>(count));
    searches = std::move(parts);
    return Status::ok;
}

// Decides them, so many at a time that what is measured has bounded memory.
Status decide(const Rows& queries, std::int64_t first, std::vector<CandidateSearch>& searches, const Rows& database,
              const Sidecar& sidecar, const std::vector<std::uint32_t>& wild, std::int64_t k, float* distances,
              std::int64_t* ids, SearchCounts& counts, const Context& context) {
    const auto count = static_cast<std::int64_t>(searches.size());
    for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
        std::int64_t found = 0;
        for (; end < count && (found == 0 || found < kDecisionCandidates); ++end) {
            const CandidateSearch& search = searches[static_cast<std::size_t>(end)];
            if (search.overflowed()) continue;
            counts.candidates += search.state().count;
            found += search.state().count + static_cast<std::int64_t>(wild.size());
        }
        Decision decision(queries, first + begin, searches.data() + begin, end - begin, database, sidecar, wild, k,
                          certify_for(context.isa), canonical_distance(context.isa), context);
        const Status status = decision.run(distances, ids, counts.decided);
        if (status != Status::ok) return status;
    }
    return Status::ok;
}

}  // namespace

Status certified_topk(const Rows& queries, std::int64_t q, const Rows& database, const AllowedRows& rows,
                      const Sidecar& sidecar, std::int64_t k, float* distances, std::int64_t* ids,
                      std::vector<std::int64_t>& undecided, SearchCounts& counts, const Context& context,
                      const float* bounds) {
    context.report(canonical_distance(context.isa).isa);
    const std::vector<std::uint32_t> wild = rows.among(sidecar.wild, sidecar.wild_count);
    const std::int64_t waves = (q + kWave - 1) / kWave;
    for (std::int64_t wave = 0; wave < waves; ++wave) {
        const std::int64_t first = q * wave / waves, last = q * (wave + 1) / waves;
        const Split split(last - first, rows, sidecar, std::max(1, context.threads));
        std::vector<CandidateSearch> searches;
        Status status = certify(queries, first, last - first, rows, sidecar, k, split, bounds, searches, context);
        if (status == Status::ok) {
            Context rest = context;
            if (split.shares * split.ranges == 1 && split.is_small_rest) rest.threads = 1;
            status = decide(queries, first, searches, database, sidecar, wild, k, distances, ids, counts, rest);
        }
        if (status != Status::ok) return status;
        for (std::int64_t j = 0; j < last - first; ++j) {
            if (searches[static_cast<std::size_t>(j)].overflowed()) undecided.push_back(first + j);
        }
    }
    counts.dense += static_cast<std::int64_t>(undecided.size());
    return Status::ok;
}

}  // namespace rsir

#include "kernels/cpu/certified_topk.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/cpu/allowed_panels.h"
#include "kernels/cpu/candidates.h"
#include "kernels/cpu/decision.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/self_search.h"
#include "kernels/cpu/shared_bounds.h"

namespace rsir {
namespace {

constexpr std::int64_t kQueryBlock = 256;                         // queries that share one reading of the sidecar
constexpr std::int64_t kBlockCandidates = std::int64_t{1} << 20;  // room of a block: 8 MiB
constexpr std::int64_t kRangeRows = 4096;                         // least rows of a range
constexpr std::int64_t kLeastShare = 16;                          // queries that a further thread is woken for,
constexpr std::int64_t kSmallWork = std::int64_t{1} << 22;        // and elements: less is done before it begins;
constexpr std::int64_t kCachedBytes = std::int64_t{1} << 26;      // of panels: more come from memory each time
constexpr std::int64_t kSmallRest = std::int64_t{1} << 25;        // elements whose decision is, if the scan is one's
constexpr std::int64_t kWave = 1024, kLeastWave = 64;             // queries that are decided together,
constexpr std::int64_t kWaveParts = std::int64_t{1} << 17;        // times parts of the database: 20 MiB of searches,
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 18;       // of panels: stay in the L2 cache over all queries
constexpr std::int64_t kJumpBytes = 1024;  // of a panel: what follows them the machine fetches itself

using Operands = Decision::Operands;

// Of all blocks, those that no bound covers, as rows of the whole.
std::vector<std::uint32_t> wild_rows(const SearchedBlocks& blocks) {
    std::vector<std::uint32_t> all;
    for (const SearchedBlock& block : blocks) {
        std::vector<std::uint32_t> rows;
        if (block.sidecar != nullptr) {
            rows = block.allowed.among(block.sidecar->wild, block.sidecar->wild_count);
        } else {
            std::vector<std::uint32_t> every(static_cast<std::size_t>(block.allowed.bits().n));
            std::iota(every.begin(), every.end(), 0);
            rows = block.allowed.among(every.data(), block.allowed.bits().n);
        }
        for (const std::uint32_t row : rows) all.push_back(static_cast<std::uint32_t>(block.first) + row);
    }
    return all;
}

Panels panels_of(const Sidecar& sidecar) { return {sidecar.panels, sidecar.steps(), sidecar.scale, sidecar.radius}; }

const Codes& codes_of(const Sidecar& sidecar, const Certify& certify) {
    return sidecar.precision == Precision::int8 ? certify.int8 : certify.int16;
}

struct alignas(64) CacheLine {
    std::int8_t bytes[64];
};

// The queries of one task, quantised, in subsets that a tile takes at once.
class QueryBlock {
  public:
    QueryBlock(const Rows& queries, std::int64_t first, std::int64_t count, const AllowedRows& rows, std::int64_t k,
               const Sidecar& sidecar, const Certify& certify)
        : codes_of_(codes_of(sidecar, certify)), panels_(panels_of(sidecar)), allowed_(sidecar, rows.bits()) {
        const std::int64_t steps = sidecar.steps();
        const std::int64_t subsets = (count + codes_of_.max_queries - 1) / codes_of_.max_queries;
        searches_.reserve(static_cast<std::size_t>(count));
        Quantizer quantizer(sidecar.d, sidecar.mean, sidecar.precision, certify);
        for (std::int64_t s = 0; s <= subsets; ++s) {
            const std::int64_t even = count * s / subsets, unit = codes_of_.unit;
            starts_.push_back(std::min(count, (even + unit - 1) / unit * unit));
        }
        std::size_t lines = 0;
        for (std::int64_t s = 0; s < subsets; ++s) {
            lines_.push_back(lines);
            lines += static_cast<std::size_t>(codes_of_.query_bytes(starts_[s + 1] - starts_[s], steps) + 63) / 64;
        }
        codes_.resize(lines);
        for (std::int64_t s = 0; s < subsets; ++s) {
            const std::int64_t size = starts_[s + 1] - starts_[s];
            for (std::int64_t j = 0; j < size; ++j) {
                const Code code = quantizer.run(queries, first + starts_[s] + j, codes_of_.query_limit);
                codes_of_.store_query(quantizer.codes(), steps, j, size, codes_[lines_[s]].bytes);
                searches_.emplace_back(code, k, rows.count(), sidecar, certify);
            }
        }
        for (CandidateSearch& search : searches_) states_.push_back(&search.state());
    }

    void scan(std::int64_t first_group, std::int64_t last_group, Poll& poll) {
        const std::int64_t panel_bytes = panels_.steps * Sidecar::kGroup * 4;
        // A multiple of every tile height, so that only the last chunk has rests.
        const std::int64_t unit = codes_of_.tile_groups(codes_of_.max_queries, panels_.steps) == 1 ? 1 : 12;
        const std::int64_t chunk = std::max<std::int64_t>(1, kChunkBytes / (panel_bytes * unit)) * unit;
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
                           allowed_.excess() + g * Sidecar::kGroup, codes_[lines_[s]].bytes, count,
                           states_.data() + starts_[s]);
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
    std::vector<CacheLine> codes_;      // of the subsets
    std::vector<std::size_t> lines_;    // of codes_, with which each begins
    std::vector<std::int64_t> starts_;  // of the subsets, and the end
    std::vector<CandidateSearch> searches_;
    std::vector<Candidates*> states_;  // of searches_: what tiles append to
};

// A part of the work: some queries against some panels of a block.
struct Task {
    std::int64_t block;
    std::int64_t part;  // of all parts of the database
    std::int64_t begin, end;
    std::int64_t first_panel, last_panel;
};

// How the scan for `count` queries is split: shares of the queries, ranges of the rows of each block.
class Split {
  public:
    Split(std::int64_t count, const SearchedBlocks& blocks, std::int64_t k, const Certify& certify,
          std::int64_t threads) {
        std::int64_t work = 0;
        for (std::int64_t b = 0; b < blocks.count; ++b) {
            if (blocks[b].sidecar == nullptr || blocks[b].allowed.count() == 0) continue;
            work += count * read_of(blocks[b]) * blocks[b].sidecar->d;
            add(count, blocks[b], b, k, codes_of(*blocks[b].sidecar, certify).times_faster(), threads);
        }
        is_small_ = work < kSmallWork;
        is_small_rest_ = is_small_ || (!is_split_ && work < kSmallRest);
    }

    // Block after block, so that threads read the same rows and the bounds of one help the next.
    const std::vector<Task>& tasks() const { return tasks_; }
    // The block of each part.
    const std::vector<std::int64_t>& parts() const { return parts_; }
    // Less to scan, and less to decide, than is worth another thread.
    bool is_small() const { return is_small_; }
    bool is_small_rest() const { return is_small_rest_; }

  private:
    // Each allowed row has its panel read, where no other has before.
    static std::int64_t read_of(const SearchedBlock& block) {
        return std::min(block.sidecar->n, block.allowed.count() * Sidecar::kGroup);
    }

    // Few queries share every reading of the sidecar and split its rows; more of them are split themselves, which needs
    // no merge, as far as each share still has queries enough to be bound by arithmetic rather than by memory.
    void add(std::int64_t count, const SearchedBlock& block, std::int64_t number, std::int64_t k, std::int64_t faster,
             std::int64_t threads) {
        const std::int64_t read = read_of(block), panels = block.sidecar->groups();
        std::int64_t shares = 1, ranges = 1;
        if (count * read * block.sidecar->d >= kSmallWork) {
            const std::int64_t most_ranges = std::max<std::int64_t>(1, read / kRangeRows);
            const std::int64_t enough = most_ranges > 1 ? kLeastShare : kLeastShare / 2;
            const bool is_cached = panels * block.sidecar->steps() * 4 * Sidecar::kGroup <= kCachedBytes;
            const std::int64_t least_share = is_cached ? enough : enough * faster;
            shares = std::clamp<std::int64_t>(count / least_share, 1, threads);
            ranges = std::min((threads + shares - 1) / shares, most_ranges);
        }
        is_split_ = is_split_ || shares * ranges > 1;
        const std::int64_t most = std::clamp<std::int64_t>(kBlockCandidates / candidate_room(k), 8, kQueryBlock);
        const std::int64_t least_shares = (count + most - 1) / most;
        // As many for each thread, so that none waits for the last.
        if (least_shares > shares) shares = (least_shares + threads - 1) / threads * threads;
        for (std::int64_t share = 0; share < shares; ++share) {
            for (std::int64_t range = 0; range < ranges; ++range) {
                tasks_.push_back({number, static_cast<std::int64_t>(parts_.size()) + range, count * share / shares,
                                  count * (share + 1) / shares, first_panel(block.allowed, range, ranges, panels),
                                  first_panel(block.allowed, range + 1, ranges, panels)});
            }
        }
        parts_.insert(parts_.end(), static_cast<std::size_t>(ranges), number);
    }

    // The panel with which a range begins: each has as many allowed rows.
    static std::int64_t first_panel(const AllowedRows& rows, std::int64_t range, std::int64_t ranges,
                                    std::int64_t panels) {
        if (rows.all() || range == ranges) return panels * range / ranges;
        return rows.row_at(rows.count() * range / ranges) / Sidecar::kGroup;
    }

    std::vector<Task> tasks_;
    std::vector<std::int64_t> parts_;
    bool is_split_ = false, is_small_ = false, is_small_rest_ = false;
};

// Scans the sidecars for queries first, ..., first + count - 1: searches [count, parts], tightened.
Status certify(const Operands& operands, std::int64_t first, std::int64_t count, const Split& split,
               std::vector<CandidateSearch>& searches) {
    const auto parts = static_cast<std::int64_t>(split.parts().size());
    searches = std::vector<CandidateSearch>(static_cast<std::size_t>(count * parts));
    // What one part proves bounds the others.
    SharedBounds bounds(parts > 1 ? count : 0, operands.k, most_candidates(operands.blocks.allowed(), operands.k));
    Context context = operands.context;
    if (split.is_small()) context.threads = 1;
    const auto tasks = static_cast<std::int64_t>(split.tasks().size());
    const Status status = parallel_for(context, tasks, [&](std::int64_t number, Poll& poll) {
        const Task& task = split.tasks()[static_cast<std::size_t>(number)];
        const SearchedBlock& block = operands.blocks[task.block];
        QueryBlock work(operands.queries, first + task.begin, task.end - task.begin, block.allowed,
                        std::min(operands.k, block.allowed.count()), *block.sidecar, operands.certify);
        const auto search_of = [&](std::int64_t j) -> CandidateSearch& {
            return work.searches()[static_cast<std::size_t>(j - task.begin)];
        };
        for (std::int64_t j = task.begin; j < task.end && parts > 1; ++j) {
            if (bounds.overflowed(j)) search_of(j).overflow();
            search_of(j).set_bound(bounds.of(j));
        }
        work.scan(task.first_panel, task.last_panel, poll);
        std::vector<float> proven;
        for (std::int64_t j = task.begin; j < task.end && !poll.stop(); ++j) {
            CandidateSearch& search = search_of(j);
            search.settle();
            if (parts > 1) {
                proven.clear();
                search.prove(proven);
                bounds.add(j, search.state().count, proven);
                if (bounds.overflowed(j)) search.overflow();
            }
            searches[static_cast<std::size_t>(j * parts + task.part)] = std::move(search);
        }
    });
    if (status != Status::ok || parts == 1) return status;
    return parallel_for(context, count, [&](std::int64_t j, Poll&) {
        for (std::int64_t part = 0; part < parts; ++part) {
            CandidateSearch& search = searches[static_cast<std::size_t>(j * parts + part)];
            search.set_bound(bounds.of(j));
            search.thin();
        }
    });
}

}  // namespace

Status certified_topk(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                      float* distances, std::int64_t* ids, std::vector<std::int64_t>& undecided, SearchCounts& counts,
                      const Context& context, std::int64_t memory) {
    context.report(canonical_distance(context.isa).isa);
    Operands operands{queries, blocks, wild_rows(blocks),        false,
                      false,   k,      certify_for(context.isa), canonical_distance(context.isa),
                      context};
    const auto before = static_cast<std::int64_t>(undecided.size());
    const SelfPlan plan = plan_self_search(queries, q, blocks, k, operands.certify, memory);
    if (plan.own > 0) {
        const Status status = self_search(operands, plan, memory, distances, ids, undecided, counts);
        counts.dense += static_cast<std::int64_t>(undecided.size()) - before;
        return status;
    }
    const std::int64_t threads = std::max(1, context.threads);
    const std::int64_t parts = blocks.count * (1 + threads);  // at most
    const std::int64_t wave_queries = std::clamp<std::int64_t>(kWaveParts / parts, kLeastWave, kWave);
    const std::int64_t waves = (q + wave_queries - 1) / wave_queries;
    for (std::int64_t wave = 0; wave < waves; ++wave) {
        const std::int64_t first = q * wave / waves, count = q * (wave + 1) / waves - first;
        const Split split(count, blocks, k, operands.certify, threads);
        std::vector<CandidateSearch> searches;
        Status status = certify(operands, first, count, split, searches);
        if (status == Status::ok) {
            operands.context.threads = split.is_small_rest() ? 1 : context.threads;
            status = decide_searches(operands, split.parts(), first, count, searches.data(), distances, ids, undecided,
                                     counts);
            operands.context.threads = context.threads;
        }
        if (status != Status::ok) return status;
    }
    counts.dense += static_cast<std::int64_t>(undecided.size()) - before;
    return Status::ok;
}

}  // namespace rsir

#include "kernels/cpu/self_scan.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>

#include "kernels/cpu/numbers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/quantizer.h"

namespace rsir {
namespace {

constexpr std::int64_t kGroup = Sidecar::kGroup;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 28;  // of candidates and codes of all rows
constexpr std::int64_t kRowBytes = 200;                     // of a row besides
// Of codes of a row: less are sooner multiplied twice than both rows' lists of candidates fetched for one product. So
// many, and more for each neighbour, up to a limit. Of int8 codes more, as they leave more candidates.
struct LeastBytes {
    std::int64_t any, neighbour, limit;
    std::int64_t of(std::int64_t k) const { return std::min(limit, any + neighbour * k); }
};
constexpr LeastBytes kLeastBytes8{256, 32, 4096}, kLeastBytes16{512, 16, 2048};
constexpr std::int64_t kBlockPanels = 12, kLeastPanels = 3;  // of a block: 192 rows
constexpr std::int64_t kStepBytes = std::int64_t{1} << 11;   // of codes of a query that are multiplied at once
constexpr std::int64_t kTasksPerThread = 12;

struct alignas(64) CacheLine {
    std::int8_t bytes[64];
};

class SelfScan {
  public:
    SelfScan(const Rows& rows, const SearchedBlock& block, std::int64_t k, const Certify& certify,
             const Context& context, std::vector<CandidateSearch>& searches)
        : rows_(rows),
          sidecar_(*block.sidecar),
          panels_{sidecar_.panels, sidecar_.steps(), sidecar_.scale, sidecar_.radius},
          certify_(certify),
          codes_of_(sidecar_.precision == Precision::int8 ? certify.int8 : certify.int16),
          context_(context),
          k_(k),
          subset_(codes_of_.max_queries),
          searches_(searches) {
        const std::int64_t groups = sidecar_.groups(), threads = std::max(1, context.threads);
        std::int64_t sides = 1;
        while (sides * sides < kTasksPerThread * threads) ++sides;
        block_panels_ = std::clamp((groups + sides - 1) / sides / 3 * 3, kLeastPanels, kBlockPanels);
        blocks_ = (groups + block_panels_ - 1) / block_panels_;
        const auto size = static_cast<std::size_t>(groups * kGroup);
        searches_ = std::vector<CandidateSearch>(size);
        slope_.resize(size);
        reach_.resize(size);
        cutoff_.resize(size, std::numeric_limits<float>::infinity());  // what no row fills never passes
        subset_lines_ = (subset_ * panels_.steps * 4 + 63) / 64;
        codes_ = std::make_unique<Numbers<CacheLine>>((groups * kGroup + subset_ - 1) / subset_ * subset_lines_);
        mutexes_ = std::vector<std::mutex>(static_cast<std::size_t>(blocks_));
        bytes_ = (8 * candidate_room(k) + panels_.steps * 4 + kRowBytes) * sidecar_.n;
    }

    Status run() {
        Status status = parallel_for(context_, blocks_, [&](std::int64_t block, Poll&) { quantise(block); });
        if (status != Status::ok) return status;
        // Diagonal after diagonal, so that threads are seldom at the same block.
        std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
        for (std::int64_t apart = 0; apart < blocks_; ++apart) {
            for (std::int64_t block = 0; block + apart < blocks_; ++block) pairs.emplace_back(block, block + apart);
        }
        status = parallel_for(context_, static_cast<std::int64_t>(pairs.size()), [&](std::int64_t task, Poll& poll) {
            const auto [x, y] = pairs[static_cast<std::size_t>(task)];
            if (!is_too_large()) scan(x, y, poll);
        });
        if (status != Status::ok) return status;
        if (is_too_large()) {
            searches_.clear();
            return status;
        }
        searches_.resize(static_cast<std::size_t>(sidecar_.n));
        return parallel_for(context_, blocks_, [&](std::int64_t block, Poll&) {
            for (std::int64_t row = first_row(block); row < last_row(block); ++row) search(row).settle();
        });
    }

  private:
    bool is_too_large() const { return bytes_ > kMostBytes; }
    std::int64_t first_panel(std::int64_t block) const { return block * block_panels_; }
    std::int64_t last_panel(std::int64_t block) const {
        return std::min(sidecar_.groups(), (block + 1) * block_panels_);
    }
    std::int64_t first_row(std::int64_t block) const { return first_panel(block) * kGroup; }
    // Rows and, behind the last, as many more as fill the last tile.
    std::int64_t height(std::int64_t block) const {
        const std::int64_t rows = (last_panel(block) - first_panel(block)) * kGroup;
        return (rows + subset_ - 1) / subset_ * subset_;
    }
    std::int64_t last_row(std::int64_t block) const { return std::min(sidecar_.n, last_panel(block) * kGroup); }
    CandidateSearch& search(std::int64_t row) { return searches_[static_cast<std::size_t>(row)]; }
    std::int8_t* codes_of_subset(std::int64_t subset) { return codes_->data()[subset * subset_lines_].bytes; }

    // Takes over the bound of a row as a query.
    void renew(std::int64_t row) {
        const Candidates& state = search(row).state();
        const auto at = static_cast<std::size_t>(row);
        slope_[at] = state.slope;
        reach_[at] = state.reach;
        cutoff_[at] = state.cutoff;
    }

    void quantise(std::int64_t block) {
        Quantizer quantizer(sidecar_.d, sidecar_.mean, sidecar_.precision, certify_);
        const std::vector<std::uint8_t> none(static_cast<std::size_t>(panels_.steps * 4));
        for (std::int64_t row = first_row(block); row < first_row(block) + height(block); ++row) {
            const std::uint8_t* codes = none.data();
            if (row < sidecar_.n) {
                search(row) = CandidateSearch(quantizer.run(rows_, row, codes_of_.query_limit), k_, sidecar_.n,
                                              sidecar_, certify_);
                codes = quantizer.codes();
                renew(row);
            }
            codes_of_.store_query(codes, panels_.steps, row % subset_, subset_, codes_of_subset(row / subset_));
        }
    }

    // Scans the rows of block y for those of block x, and the other way round.
    void scan(std::int64_t x, std::int64_t y, Poll& poll) {
        const std::int64_t first = first_row(x), height = this->height(x), panel = first_panel(y),
                           groups = last_panel(y) - panel, width = groups * kGroup;
        const Numbers<std::int32_t> sums(height * width);
        for (std::int64_t i = 0; i < height; ++i) {
            const std::int64_t row = first + i;
            std::fill_n(sums.data() + i * width, width, row < sidecar_.n ? search(row).state().start : 0);
        }
        fetch(x);
        fetch(y);
        const std::int64_t steps = panels_.steps, most = kStepBytes / 4;
        for (std::int64_t step = 0; step < steps; step += most) {
            const std::int64_t end = std::min(steps, step + most);
            for (std::int64_t g = 0; g < groups; g += 3) {  // panels that stay in the second-level cache
                if (poll.stop()) return;
                for (std::int64_t i = 0; i < height; i += subset_) {
                    codes_of_.sums(panels_, panel + g, std::min<std::int64_t>(3, groups - g), step, end,
                                   codes_of_subset((first + i) / subset_), subset_,
                                   sums.data() + i * width + g * kGroup, width);
                }
            }
        }
        test(x, y, sums.data(), width);
    }

    // What `test` will write to comes into the cache while products are taken.
    void fetch(std::int64_t block) {
        const std::lock_guard<std::mutex> lock(mutexes_[static_cast<std::size_t>(block)]);
        for (std::int64_t row = first_row(block); row < last_row(block); ++row) {
            const Candidates& state = search(row).state();
            __builtin_prefetch(state.ids + state.count, 1, 2);
            __builtin_prefetch(state.estimates + state.count, 1, 2);
        }
    }

    void test(std::int64_t x, std::int64_t y, const std::int32_t* sums, std::int64_t width) {
        std::unique_lock<std::mutex> of_x(mutexes_[static_cast<std::size_t>(x)]), of_y;
        if (x != y) of_y = std::unique_lock<std::mutex>(mutexes_[static_cast<std::size_t>(y)]);
        const PairNumbers numbers{slope_.data(),  reach_.data(),   cutoff_.data(),
                                  sidecar_.scale, sidecar_.radius, sidecar_.excess};
        const std::int64_t first = first_row(x), count = last_row(x) - first;
        std::uint16_t as_query[kBlockPanels * kGroup], as_row[kBlockPanels * kGroup];
        float estimates[kBlockPanels * kGroup * kGroup];
        for (std::int64_t panel = first_panel(y); panel < last_panel(y); ++panel, sums += kGroup) {
            certify_.test_pairs(sums, width, numbers, first, count, panel, as_query, as_row, estimates);
            for (std::int64_t i = 0; i < count; ++i) {
                if (as_query[i] != 0) append_rows(first + i, panel, sums + i * width);
            }
            for (std::int64_t i = 0; i < count && x != y; ++i) {
                for (std::uint32_t passed = as_row[i]; passed != 0; passed &= passed - 1) {
                    const int lane = __builtin_ctz(passed);
                    append(panel * kGroup + lane, first + i, estimates[i * kGroup + lane]);
                }
            }
        }
    }

    void append_rows(std::int64_t query, std::int64_t panel, const std::int32_t* sums) {
        certify_.test_rows(sums, panels_, static_cast<std::uint32_t>(panel), sidecar_.excess + panel * kGroup,
                           search(query).state());
        tighten_if_full(query);
    }

    void append(std::int64_t query, std::int64_t row, float estimate) {
        if (search(query).overflowed()) return;  // it passed by the bound of before
        Candidates& state = search(query).state();
        state.ids[state.count] = static_cast<std::uint32_t>(row);
        state.estimates[state.count++] = estimate;
        tighten_if_full(query);
    }

    void tighten_if_full(std::int64_t query) {
        CandidateSearch& own = search(query);
        if (!own.is_full()) return;
        const std::int64_t room = own.room();
        own.tighten();
        renew(query);
        if (own.room() != room) bytes_ += 8 * (own.room() - room);
    }

    const Rows& rows_;
    const Sidecar& sidecar_;
    const Panels panels_;
    const Certify& certify_;
    const Codes& codes_of_;
    const Context& context_;
    const std::int64_t k_;
    const std::int64_t subset_;  // queries of a tile
    std::vector<CandidateSearch>& searches_;
    std::int64_t block_panels_ = 0, blocks_ = 0, subset_lines_ = 0;
    std::vector<float> slope_, reach_, cutoff_;
    std::unique_ptr<Numbers<CacheLine>> codes_;  // of all rows as queries, as many together as a tile takes
    std::vector<std::mutex> mutexes_;            // of the searches of each block
    std::atomic<std::int64_t> bytes_{0};         // of candidates and codes
};

}  // namespace

bool is_self_search(const Rows& queries, std::int64_t q, const SearchedBlocks& blocks, std::int64_t k,
                    const Certify& certify) {
    if (blocks.count != 1 || blocks[0].sidecar == nullptr || !blocks[0].allowed.all()) return false;
    const Rows& rows = blocks[0].rows;
    const Sidecar& sidecar = *blocks[0].sidecar;
    const bool is8 = sidecar.precision == Precision::int8;
    const Codes& codes = is8 ? certify.int8 : certify.int16;
    const std::int64_t row_codes = sidecar.steps() * 4;
    return codes.sums != nullptr && q == sidecar.n && queries.data == rows.data && queries.element == rows.element &&
           queries.d == rows.d && queries.normalize == Normalize::none && rows.normalize == Normalize::none &&
           row_codes >= (is8 ? kLeastBytes8 : kLeastBytes16).of(k) && q >= 2 * kLeastPanels * kGroup &&
           (8 * candidate_room(k) + row_codes + kRowBytes) * q <= kMostBytes;
}

Status scan_self(const Rows& rows, const SearchedBlock& block, std::int64_t k, const Certify& certify,
                 const Context& context, std::vector<CandidateSearch>& searches) {
    return SelfScan(rows, block, k, certify, context, searches).run();
}

}  // namespace rsir

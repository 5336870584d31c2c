#include "kernels/cpu/self_scan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/cpu/quantizer.h"

namespace rsir {
namespace {

constexpr std::int64_t kGroup = Sidecar::kGroup;
constexpr std::int64_t kRowBytes = 200;                     // of a row, beside candidates and codes
constexpr std::int64_t kMostRows = 192;                     // of a block
constexpr std::int64_t kStepBytes = std::int64_t{1} << 11;  // of codes of a query that are multiplied at once
constexpr std::int64_t kTasksPerThread = 12;

}  // namespace

std::int64_t self_row_bytes(std::int64_t steps, std::int64_t k) {
    return 8 * candidate_room(k) + steps * 4 + kRowBytes;
}

SelfScan::SelfScan(const Rows& rows, const SearchedBlock& block, std::int64_t k, const Certify& certify,
                   const Context& context, std::int64_t memory)
    : rows_(rows),
      sidecar_(*block.sidecar),
      panels_{sidecar_.panels, sidecar_.steps(), sidecar_.scale, sidecar_.radius},
      certify_(certify),
      codes_of_(sidecar_.precision == Precision::int8 ? certify.int8 : certify.int16),
      context_(context),
      k_(k),
      memory_(memory),
      subset_(codes_of_.own_queries),
      subset_lines_((codes_of_.query_bytes(subset_, panels_.steps) + 63) / 64) {
    const auto size = static_cast<std::size_t>(sidecar_.groups() * kGroup);
    slope_.resize(size);
    reach_.resize(size);
    cutoff_.resize(size, std::numeric_limits<float>::infinity());  // what no row fills never passes
}

Status SelfScan::each_row(SelfRows& some, const std::function<void(std::int64_t first, std::int64_t last)>& body) {
    const std::int64_t tasks = (some.count() + kMostRows - 1) / kMostRows;
    return parallel_for(context_, tasks, [&](std::int64_t task, Poll& poll) {
        const std::int64_t first = some.first + task * kMostRows;
        if (!poll.stop()) body(first, std::min(some.end, first + kMostRows));
    });
}

Status SelfScan::begin(SelfRows& some, std::int64_t first, std::int64_t end,
                       const std::function<void(std::int64_t row, CandidateSearch&)>& known) {
    const std::int64_t subsets = (end - first + subset_ - 1) / subset_;
    if (some.codes == nullptr || end - first > some.count()) {
        some.codes = nullptr;  // before there are others
        some.codes = std::make_unique<Numbers<SelfRows::CacheLine>>(subsets * subset_lines_);
    }
    some.first = first;
    some.end = end;
    some.searches.clear();
    some.searches.resize(static_cast<std::size_t>(end - first));
    return each_row(some, [&](std::int64_t from, std::int64_t to) {
        Quantizer quantizer(sidecar_.d, sidecar_.mean, sidecar_.precision, certify_);
        const std::vector<std::uint8_t> none(static_cast<std::size_t>(panels_.steps * 4));
        for (std::int64_t row = from; row < to || (row - first) % subset_ != 0; ++row) {
            const std::uint8_t* codes = none.data();
            if (row < to) {
                CandidateSearch& search = some.of(row);
                search = CandidateSearch(quantizer.run(rows_, row, codes_of_.query_limit), k_, sidecar_.n, sidecar_,
                                         certify_);
                known(row, search);
                codes = quantizer.codes();
                renew(row, search);
            }
            const std::int64_t subset = (row - first) / subset_;
            codes_of_.store_query(codes, panels_.steps, (row - first) % subset_, subset_,
                                  some.codes->data()[subset * subset_lines_].bytes);
        }
    });
}

Status SelfScan::settle(SelfRows& some) {
    return each_row(some, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) some.of(row).settle();
    });
}

std::int64_t SelfScan::bytes_of(const SelfRows& some) const {
    std::int64_t bytes = (panels_.steps * 4 + kRowBytes) * some.count();
    for (const CandidateSearch& search : some.searches) bytes += 8 * search.room();
    return bytes;
}

// Enough blocks for all threads, but no smaller than they have to be.
std::int64_t SelfScan::block_rows(const SelfRows& x, const SelfRows& y) const {
    const std::int64_t tasks = kTasksPerThread * std::max(1, context_.threads);
    std::int64_t rows = kUnit;
    while (rows < kMostRows && (rows + kUnit) * (rows + kUnit) * tasks <= x.count() * y.count()) rows += kUnit;
    return rows;
}

Status SelfScan::scan(SelfRows& x, SelfRows& y, const std::function<Status()>& flush) {
    const bool is_same = &x == &y;
    const std::int64_t rows = block_rows(x, y);
    const auto number_of = [rows](const SelfRows& side) {
        return static_cast<std::size_t>((side.count() - 1) / rows + 1);
    };
    const std::size_t of_x = number_of(x), of_y = number_of(y);
    std::vector<std::mutex> mutexes(of_x + of_y);
    const auto block_of = [&](SelfRows& side, std::size_t number, std::size_t mutex) {
        const std::int64_t first = side.first + static_cast<std::int64_t>(number) * rows;
        return Block{&side, first, std::min(side.end, first + rows), &mutexes[mutex]};
    };
    // Diagonal after diagonal, so that threads are seldom at the same block.
    std::vector<Pair> pairs;
    for (std::size_t apart = 0; apart < of_y; ++apart) {
        for (std::size_t block = 0; block < of_x; ++block) {
            if (!is_same || block + apart < of_x) pairs.push_back({block, (block + apart) % of_y, false});
        }
    }
    while (!pairs.empty()) {
        bytes_ = bytes_of(x) + (is_same ? 0 : bytes_of(y));
        const Status status =
            parallel_for(context_, static_cast<std::int64_t>(pairs.size()), [&](std::int64_t task, Poll& poll) {
                Pair& pair = pairs[static_cast<std::size_t>(task)];
                if (task != 0 && is_too_large()) return;
                compare(block_of(x, pair.x, pair.x), block_of(y, pair.y, is_same ? pair.y : of_x + pair.y), poll);
                pair.is_done = true;
            });
        if (status != Status::ok) return status;
        pairs.erase(std::remove_if(pairs.begin(), pairs.end(), [](const Pair& pair) { return pair.is_done; }),
                    pairs.end());
        if (pairs.empty()) break;
        const Status flushed = flush();
        if (flushed != Status::ok) return flushed;
    }
    return Status::ok;
}

std::int64_t SelfScan::height(const Block& block) const {
    return (block.end - block.first + subset_ - 1) / subset_ * subset_;
}

std::int8_t* SelfScan::codes_of_subset(const Block& block, std::int64_t row) const {
    return block.rows->codes->data()[(row - block.rows->first) / subset_ * subset_lines_].bytes;
}

// Takes over the bound of a row as a query.
void SelfScan::renew(std::int64_t row, CandidateSearch& search) {
    const Candidates& state = search.state();
    const auto at = static_cast<std::size_t>(row);
    slope_[at] = state.slope;
    reach_[at] = state.reach;
    cutoff_[at] = state.cutoff;
}

void SelfScan::compare(const Block& x, const Block& y, Poll& poll) {
    const std::int64_t height = this->height(x), panel = y.first / kGroup,
                       groups = (y.end - y.first + kGroup - 1) / kGroup, width = groups * kGroup;
    const Numbers<std::int32_t> sums(height * width);
    for (std::int64_t i = 0; i < height; ++i) {
        const std::int64_t row = x.first + i;
        std::fill_n(sums.data() + i * width, width, row < x.end ? x.rows->of(row).state().start : 0);
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
                               codes_of_subset(x, x.first + i), subset_, sums.data() + i * width + g * kGroup, width);
            }
        }
    }
    test(x, y, sums.data(), width);
}

// What `test` will write to comes into the cache while products are taken.
void SelfScan::fetch(const Block& block) {
    const std::lock_guard<std::mutex> lock(*block.mutex);
    for (std::int64_t row = block.first; row < block.end; ++row) {
        const Candidates& state = block.rows->of(row).state();
        __builtin_prefetch(state.ids + state.count, 1, 2);
        __builtin_prefetch(state.estimates + state.count, 1, 2);
    }
}

void SelfScan::test(const Block& x, const Block& y, const std::int32_t* sums, std::int64_t width) {
    const bool is_same = x.mutex == y.mutex;
    std::unique_lock<std::mutex> of_x(*x.mutex), of_y;
    if (!is_same) of_y = std::unique_lock<std::mutex>(*y.mutex);
    const PairNumbers numbers{slope_.data(),  reach_.data(),   cutoff_.data(),
                              sidecar_.scale, sidecar_.radius, sidecar_.excess};
    const std::int64_t count = x.end - x.first;
    std::uint16_t as_query[kMostRows], as_row[kMostRows];
    float estimates[kMostRows * kGroup];
    for (std::int64_t panel = y.first / kGroup; panel * kGroup < y.end; ++panel, sums += kGroup) {
        certify_.test_pairs(sums, width, numbers, x.first, count, panel, as_query, as_row, estimates);
        for (std::int64_t i = 0; i < count; ++i) {
            if (as_query[i] == 0) continue;
            certify_.test_rows(sums + i * width, panels_, static_cast<std::uint32_t>(panel),
                               sidecar_.excess + panel * kGroup, x.rows->of(x.first + i).state());
            tighten_if_full(x, x.first + i);
        }
        for (std::int64_t i = 0; i < count && !is_same; ++i) {
            for (std::uint32_t passed = as_row[i]; passed != 0; passed &= passed - 1) {
                const int lane = __builtin_ctz(passed);
                append(y, panel * kGroup + lane, x.first + i, estimates[i * kGroup + lane]);
            }
        }
    }
}

void SelfScan::append(const Block& block, std::int64_t query, std::int64_t row, float estimate) {
    CandidateSearch& search = block.rows->of(query);
    if (search.overflowed()) return;  // it passed by the bound of before
    Candidates& state = search.state();
    state.ids[state.count] = static_cast<std::uint32_t>(row);
    state.estimates[state.count++] = estimate;
    tighten_if_full(block, query);
}

void SelfScan::tighten_if_full(const Block& block, std::int64_t query) {
    CandidateSearch& own = block.rows->of(query);
    if (!own.is_full()) return;
    const std::int64_t room = own.room();
    own.tighten();
    renew(query, own);
    if (own.room() != room) bytes_ += 8 * (own.room() - room);
}

}  // namespace rsir

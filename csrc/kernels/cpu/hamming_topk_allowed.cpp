#include "kernels/cpu/hamming_topk_allowed.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "kernels/cpu/parallel.h"

namespace rsir {
namespace {

constexpr std::int64_t kTaskRows = std::int64_t{1} << 19;  // of a bitmap
constexpr std::int64_t kTaskCodes = std::int64_t{1} << 13;
constexpr std::int64_t kStretches = 8;  // of 512 rows, in which allowed ones are looked for at a time
constexpr std::int64_t kMost = 128;     // codes copied at a time
constexpr std::int64_t kLine = 64;      // bytes that are read for a code, or more
constexpr std::int64_t kAskedBytes = kMost * kLine;

// The end of those ids, from number `first` on, that lie in one group of planes.
std::int64_t end_of_group(const std::vector<std::uint32_t>& ids, std::int64_t first, std::int64_t last) {
    const std::int64_t group = ids[static_cast<std::size_t>(first)] / kGroupCodes;
    while (first < last && ids[static_cast<std::size_t>(first)] / kGroupCodes == group) ++first;
    return first;
}

}  // namespace

void BlockMask::read(const Allowed& allowed, const PlaneLayout& layout, std::int64_t block) {
    const std::int64_t first = block * layout.block_codes(), groups = layout.groups_of(block);
    const bool is_whole = layout.n - first >= groups * kGroupCodes;
    groups_ = (1u << groups) - 1;
    bits_ = nullptr;
    if (allowed.all() && is_whole) return;
    if (is_whole && (allowed.first + first) % 8 == 0) {
        bits_ = allowed.bits + (allowed.first + first) / 8;
    } else {
        for (std::int64_t group = 0; group < groups; ++group) {
            std::uint64_t words[8];
            allowed.words(first + group * kGroupCodes, words);
            std::memcpy(own_ + group * kGroupBytes, words, sizeof words);
        }
        bits_ = own_;
    }
    if (!allowed.all()) {  // what the next block reads; addresses beyond the bitmap do no harm
        const std::uint8_t* next = allowed.bits + (allowed.first + first + layout.block_codes()) / 8;
        for (std::int64_t group = 0; group < groups; ++group) __builtin_prefetch(next + group * kGroupBytes);
    }
    for (std::int64_t group = 0; group < groups; ++group) {
        std::uint64_t words[8], any;
        std::memcpy(&any, bits_ + group * kGroupBytes, sizeof any);
        if (any != 0) continue;  // as nearly always, where many are allowed
        std::memcpy(words, bits_ + group * kGroupBytes, sizeof words);
        for (const std::uint64_t word : words) any |= word;
        if (any == 0) groups_ &= ~(1u << group);
    }
}

AllowedCodes::AllowedCodes(const PlaneSource& source, const Allowed& allowed, std::int64_t first, std::int64_t last)
    : source_(source), allowed_(allowed.part(first, last - first)), first_(first) {
    const std::int64_t bytes = (source.layout().bits + 7) / 8;
    most_ = std::clamp<std::int64_t>(kAskedBytes / std::max<std::int64_t>(kLine, bytes), 4, kMost);
    ids_.resize(static_cast<std::size_t>(2 * most_ + kStretches * kGroupCodes + 2));
    codes_.resize(static_cast<std::size_t>(most_ * bytes));
    ask();
}

// Looks for the ids of two rounds, and asks for their codes: for those of the second while the first is copied.
void AllowedCodes::ask() {
    if (found_ - begin_ < 2 * most_) {
        std::copy(ids_.begin() + begin_, ids_.begin() + found_, ids_.begin());
        found_ -= begin_;
        asked_ -= begin_;
        begin_ = 0;
    }
    while (found_ - begin_ < 2 * most_ && row_ < allowed_.n) {
        std::uint64_t words[kStretches][8];
        for (std::int64_t i = 0; i < kStretches; ++i) allowed_.words(row_ + i * kGroupCodes, words[i]);
        found_ += source_.kernels().list(words[0], kStretches, static_cast<std::uint32_t>(first_ + row_),
                                         ids_.data() + found_);
        row_ += kStretches * kGroupCodes;
    }
    const std::int64_t asked = std::min(found_, begin_ + 2 * most_);
    source_.fetch(ids_.data() + asked_, asked - asked_);
    asked_ = asked;
}

std::int64_t AllowedCodes::next() {
    begin_ += count_;
    ask();
    count_ = std::min(most_, found_ - begin_);
    source_.codes(ids_.data() + begin_, count_, codes_.data());
    return count_;
}

bool any_allowed(const Allowed& allowed, std::int64_t first, std::int64_t last) {
    if (allowed.all()) return last > first;
    __builtin_prefetch(allowed.bits + (allowed.first + last) / 8);  // for the rows that follow
    const Allowed part = allowed.part(first, last - first);
    for (std::int64_t row = 0; row < part.n; row += 64) {
        if (part.word(row) != 0) return true;
    }
    return false;
}

Status count_allowed(const Allowed& allowed, std::int64_t& m, const Context& context) {
    const std::int64_t tasks = allowed.all() ? 1 : std::max<std::int64_t>(1, allowed.n / kTaskRows);
    std::atomic<std::int64_t> sum{0};
    const Status status = parallel_for(context, tasks, [&](std::int64_t task, Poll&) {
        sum += allowed.count(allowed.n * task / tasks, allowed.n * (task + 1) / tasks);
    });
    m = sum;
    return status;
}

Status allowed_ids(const Allowed& allowed, std::int64_t m, std::vector<std::uint32_t>& ids, const Context& context) {
    const std::int64_t tasks = (allowed.n + kTaskRows - 1) / kTaskRows;
    std::vector<std::int64_t> start(static_cast<std::size_t>(tasks));
    const Status status = parallel_for(context, tasks, [&](std::int64_t task, Poll&) {
        start[static_cast<std::size_t>(task)] =
            allowed.count(task * kTaskRows, std::min((task + 1) * kTaskRows, allowed.n));
    });
    if (status != Status::ok) return status;
    std::int64_t sum = 0;
    for (std::int64_t& count : start) sum += std::exchange(count, sum);
    ids.resize(static_cast<std::size_t>(m));
    return parallel_for(context, tasks, [&](std::int64_t task, Poll&) {
        std::uint32_t* to = ids.data() + start[static_cast<std::size_t>(task)];
        const std::int64_t last = std::min((task + 1) * kTaskRows, allowed.n);
        for (std::int64_t first = task * kTaskRows; first < last; first += kGroupCodes) {
            std::uint64_t words[8], any = 0;
            allowed.words(first, words);
            for (const std::uint64_t word : words) any |= word;
            if (any == 0) continue;
            for (std::int64_t i = 0; i < 8; ++i) {
                for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
                    *to++ = static_cast<std::uint32_t>(first + i * 64 + __builtin_ctzll(word));
                }
            }
        }
    });
}

Status gather_codes(const PlaneSource& source, const std::vector<std::uint32_t>& ids, std::uint8_t* codes,
                    const Context& context) {
    const std::int64_t m = static_cast<std::int64_t>(ids.size()), bytes = (source.layout().bits + 7) / 8;
    return parallel_for(context, (m + kTaskCodes - 1) / kTaskCodes, [&](std::int64_t task, Poll& poll) {
        const std::int64_t last = std::min((task + 1) * kTaskCodes, m);
        // Of what is read at a time.
        const auto end = [&](std::int64_t i) {
            return source.has_rows() || i == last ? std::min(i + kMost, last) : end_of_group(ids, i, last);
        };
        for (std::int64_t i = task * kTaskCodes, next = i; i < last && !poll.stop(); i = next) {
            next = end(i);
            source.fetch(ids.data() + next, end(next) - next);
            source.codes(ids.data() + i, next - i, codes + i * bytes);
        }
    });
}

}  // namespace rsir

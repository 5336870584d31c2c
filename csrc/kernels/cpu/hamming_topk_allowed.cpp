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
        for (std::int64_t at = 0; at < groups * kGroupBytes; at += 8) {
            const std::uint64_t word = allowed.word(first + at * 8);
            std::memcpy(own_ + at, &word, sizeof word);
        }
        bits_ = own_;
    }
    for (std::int64_t group = 0; group < groups; ++group) {
        std::uint64_t words[8], any = 0;
        std::memcpy(words, bits_ + group * kGroupBytes, sizeof words);
        for (const std::uint64_t word : words) any |= word;
        if (any == 0) groups_ &= ~(1u << group);
    }
}

bool any_allowed(const Allowed& allowed, std::int64_t first, std::int64_t last) {
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
        for (std::int64_t row = task * kTaskRows; row < std::min((task + 1) * kTaskRows, allowed.n); row += 64) {
            for (std::uint64_t word = allowed.word(row); word != 0; word &= word - 1) {
                *to++ = static_cast<std::uint32_t>(row + __builtin_ctzll(word));
            }
        }
    });
}

Status gather_codes(const PlaneSource& source, const std::vector<std::uint32_t>& ids, std::uint8_t* codes,
                    const Context& context) {
    const std::int64_t m = static_cast<std::int64_t>(ids.size()), bytes = (source.layout().bits + 7) / 8;
    return parallel_for(context, (m + kTaskCodes - 1) / kTaskCodes, [&](std::int64_t task, Poll& poll) {
        const std::int64_t last = std::min((task + 1) * kTaskCodes, m);
        for (std::int64_t i = task * kTaskCodes, next = i; i < last && !poll.stop(); i = next) {
            next = source.is_prepared() ? end_of_group(ids, i, last) : std::min(i + kGroupCodes, last);
            if (source.is_prepared() && next < last) source.fetch(ids[static_cast<std::size_t>(next)]);
            source.codes(ids.data() + i, next - i, codes + i * bytes);
        }
    });
}

}  // namespace rsir

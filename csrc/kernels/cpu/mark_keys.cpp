#include "kernels/cpu/mark_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cpu/canonical_tiles.h"
#include "kernels/cpu/dense_scan.h"
#include "kernels/cpu/distance_bits.h"

namespace rsir {
namespace {

// Queries order[begin], ..., order[end - 1], of those with the same relevant items.
struct Group {
    std::int64_t begin, end;
    std::int64_t first;  // of all that have these items
    bool is_square;      // those are the items
};

class MarkKeys {
  public:
    MarkKeys(const RankOperands& operands, RankMarks& marks, std::int64_t q)
        : operands_(operands), marks_(marks), order_(static_cast<std::size_t>(q)) {
        std::iota(order_.begin(), order_.end(), 0);
        std::stable_sort(order_.begin(), order_.end(), [&](std::int64_t a, std::int64_t b) {
            return marks.members(a) != marks.members(b) ? marks.members(a) < marks.members(b)
                                                        : marks.relevant(a) < marks.relevant(b);
        });
        const std::int64_t most = dense_query_block(operands.canonical, operands.queries.d);
        for (std::int64_t begin = 0, end = 0; begin < q; begin = end) {
            for (end = begin + 1; end < q && has_same_items(order(begin), order(end));) ++end;
            const bool is_square = is_square_group(begin, end);
            for (std::int64_t part = begin; part < end; part += most) {
                groups_.push_back({part, std::min(end, part + most), begin, is_square});
            }
        }
    }

    Status run() {
        return parallel_for(operands_.context, static_cast<std::int64_t>(groups_.size()),
                            [&](std::int64_t number, Poll& poll) {
                                const Group& group = groups_[static_cast<std::size_t>(number)];
                                measure_relevant(group, poll);
                                for (std::int64_t i = group.begin; i < group.end; ++i) measure_extra(order(i));
                            });
    }

  private:
    std::int64_t order(std::int64_t i) const { return order_[static_cast<std::size_t>(i)]; }

    bool has_same_items(std::int64_t a, std::int64_t b) const {
        return marks_.members(a) == marks_.members(b) && marks_.relevant(a) == marks_.relevant(b);
    }

    bool is_square_group(std::int64_t begin, std::int64_t end) const {
        if (operands_.own_row < 0 || marks_.relevant(order(begin)) != end - begin) return false;
        const std::int64_t* items = marks_.members(order(begin));
        for (std::int64_t i = begin; i < end; ++i) {
            if (operands_.own_row + order(i) != items[i - begin]) return false;
        }
        return true;
    }

    // The place of a relevant item among the marks.
    void set_distance(std::int64_t query, std::int64_t item, std::uint32_t bits) {
        const std::int64_t extra = marks_.extra_place(query);
        marks_.set_distance(query, item + (extra >= 0 && item >= extra ? 1 : 0), bits);
    }

    void measure_relevant(const Group& group, Poll& poll) {
        const std::int64_t *queries = order_.data() + group.begin, count = group.end - group.begin;
        const std::int64_t *items = marks_.members(queries[0]), *end = items + marks_.relevant(queries[0]);
        CanonicalTiles tiles(operands_.canonical, operands_.queries, queries, count);
        std::vector<std::int64_t> ids;
        for (const RankPart& part : operands_.parts) {
            const std::int64_t* from = std::lower_bound(items, end, part.first);
            const std::int64_t* to = std::lower_bound(from, end, part.end);
            if (from == to) continue;
            ids.clear();
            for (const std::int64_t* item = from; item != to; ++item) ids.push_back(*item - part.first);
            RowReader reader(part.rows, operands_.context.isa, CanonicalTiles::kRows);
            const std::int64_t before = from - items, own = group.begin - group.first;
            tiles.run(part.rows, reader, ids.data(), to - from, group.is_square ? own - before : -count, poll,
                      [&](std::int64_t i, std::int64_t r, double squared) {
                          if (group.is_square && before + r < own + i) return;
                          const std::uint32_t bits = distance_bits(squared);
                          set_distance(queries[i], before + r, bits);
                          if (!group.is_square || before + r == own + i) return;
                          set_distance(order(group.first + before + r), own + i, bits);
                      });
        }
    }

    void measure_extra(std::int64_t query) {
        const std::int64_t place = marks_.extra_place(query);
        if (place < 0) return;
        const std::int64_t row = marks_.row(query, place);
        const RankPart& part = operands_.part_of(row);
        std::vector<double> wide(static_cast<std::size_t>(padded(operands_.queries.d)));
        operands_.canonical.widen(operands_.queries, query, wide.data());
        RowReader reader(part.rows, operands_.context.isa, 1);
        const auto id = static_cast<std::uint32_t>(row - part.first);
        double squared = 0;
        reader.gather(operands_.canonical, wide.data(), &id, 1, 0, &squared);
        marks_.set_distance(query, place, distance_bits(squared));
    }

    const RankOperands& operands_;
    RankMarks& marks_;
    std::vector<std::int64_t> order_;
    std::vector<Group> groups_;
};

}  // namespace

Status measure_marks(const RankOperands& operands, RankMarks& marks, std::int64_t q) {
    return MarkKeys(operands, marks, q).run();
}

}  // namespace rsir

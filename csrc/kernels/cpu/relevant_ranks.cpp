#include "kernels/relevant_ranks.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "kernels/cpu/dense_scan.h"
#include "kernels/cpu/distance_bits.h"
#include "kernels/cpu/key_ranks.h"
#include "kernels/cpu/row_reader.h"
#include "kernels/cpu/single_distance.h"

namespace rsir {
namespace {

constexpr std::int64_t kBlockDistances = std::int64_t{1} << 22;  // 16 MiB a thread
constexpr std::int64_t kCopies = 16;                             // of rows that are normalised as they are read
constexpr std::int64_t kPollElements = std::int64_t{1} << 20;

// One query: where its relevant items and its own stand among all allowed rows.
class Query {
  public:
    // relevant [count] increasing; self null or -1: no own item. The answers go to ranks [count] and *self_rank.
    Query(const std::int64_t* relevant, std::int64_t count, const std::int64_t* self, std::int64_t* ranks,
          std::int64_t* self_rank)
        : marked_(relevant, relevant + count), self_(self), ranks_(ranks), self_rank_(self_rank) {
        if (self == nullptr) return;
        if (*self < 0) {
            *self_rank = 0;
            self_ = nullptr;
            return;
        }
        const auto place = std::lower_bound(marked_.begin(), marked_.end(), *self);
        self_is_relevant_ = place != marked_.end() && *place == *self;
        if (!self_is_relevant_) marked_.insert(place, *self);
    }

    // The items whose ranks are wanted, increasing.
    const std::vector<std::int64_t>& marked() const { return marked_; }

    // Calls body(id) for every other allowed row.
    template <class Body>
    void for_others(const Allowed& allowed, const Body& body) const {
        const std::int64_t n = allowed.n;
        if (!allowed.all()) {
            std::size_t mark = 0;
            for (std::int64_t row = 0; row < n; row += 64) {
                for (std::uint64_t word = allowed.word(row); word != 0; word &= word - 1) {
                    const std::int64_t id = row + __builtin_ctzll(word);
                    if (mark < marked_.size() && marked_[mark] == id) {
                        ++mark;
                    } else {
                        body(id);
                    }
                }
            }
            return;
        }
        std::int64_t id = 0;
        for (const std::int64_t mark : marked_) {
            for (; id < mark; ++id) body(id);
            ++id;
        }
        for (; id < n; ++id) body(id);
    }

    // `marks`: the keys of marked(), sorted.
    void store(const std::vector<Key>& marks, const KeyRanks& places) const {
        std::vector<std::int64_t> all(marks.size());
        places.take(all.data());
        std::int64_t* out = ranks_;
        for (std::size_t i = 0; i < marks.size(); ++i) {
            const bool is_self = self_ != nullptr && key_id(marks[i]) == *self_;
            if (is_self) *self_rank_ = all[i];
            if (!is_self || self_is_relevant_) *out++ = all[i];
        }
    }

  private:
    std::vector<std::int64_t> marked_;
    const std::int64_t* self_;
    std::int64_t* ranks_;
    std::int64_t* self_rank_;
    bool self_is_relevant_ = true;
};

// Consecutive rows of the database, from row `first` on.
struct Part {
    Rows rows;
    AllowedRows allowed;
    std::int64_t first, end;
};

struct Operands {
    Rows queries;
    const std::vector<Part>& database;
    const Allowed& allowed;
    std::int64_t count;  // of rows that are allowed
    const CanonicalDistance& canonical;
    const SingleDistance& single;
    Isa isa;
};

// Calls sink(j, row, squared) for every query j of `scan` and every allowed row.
template <class Distance, class Sink>
void scan_all(const DenseScan<Distance>& scan, const Operands& operands, Poll& poll, const Sink& sink) {
    for (const Part& part : operands.database) {
        scan.run(part.rows, part.allowed, 0, part.allowed.count(), operands.isa, poll,
                 [&](std::int64_t j, std::int64_t row, auto squared) { sink(j, part.first + row, squared); });
    }
}

// Every distance of queries first, first + 1, ... in float64; a distance has the place of its row.
void rank_dense(const Operands& operands, std::int64_t first, const std::vector<Query>& block, Poll& poll) {
    const std::int64_t n = operands.allowed.n, count = static_cast<std::int64_t>(block.size());
    std::vector<std::uint32_t> distances(static_cast<std::size_t>(count * n));
    const DenseScan<CanonicalDistance> scan(operands.canonical, operands.queries, nullptr, first, count);
    scan_all(scan, operands, poll, [&](std::int64_t j, std::int64_t row, double squared) {
        distances[static_cast<std::size_t>(j * n + row)] = distance_bits(squared);
    });
    for (std::int64_t j = 0; j < count && !poll.stop(); ++j) {
        const Query& query = block[static_cast<std::size_t>(j)];
        const std::uint32_t* own = distances.data() + j * n;
        std::vector<Key> marks;
        for (const std::int64_t id : query.marked()) marks.push_back(make_key(own[id], id));
        sort_keys(marks);
        KeyRanks places(marks, 0.0, 0.0f);
        query.for_others(operands.allowed, [&](std::int64_t id) { places.add(own[id], id); });
        query.store(marks, places);
    }
}

// Calls body(key) with the canonical keys of the chosen rows, which are increasing.
template <class Id, class Body>
void decide(const Operands& operands, const double* query, const std::vector<Id>& chosen, Poll& poll,
            const Body& body) {
    const std::int64_t step = std::max<std::int64_t>(64, kPollElements / std::max(kLanes, padded(operands.queries.d)));
    std::vector<double> squared(static_cast<std::size_t>(step));
    std::vector<std::uint32_t> rows;
    auto next = chosen.begin();
    for (const Part& part : operands.database) {
        rows.clear();
        for (; next != chosen.end() && static_cast<std::int64_t>(*next) < part.end; ++next) {
            rows.push_back(static_cast<std::uint32_t>(static_cast<std::int64_t>(*next) - part.first));
        }
        if (rows.empty()) continue;
        RowReader reader(part.rows, operands.isa, kCopies);
        const auto total = static_cast<std::int64_t>(rows.size());
        for (std::int64_t i = 0; i < total && !poll.stop(); i += step) {
            const std::int64_t count = std::min(step, total - i);
            reader.gather(operands.canonical, query, rows.data() + i, count, 0, squared.data());
            for (std::int64_t j = 0; j < count; ++j) {
                body(make_key(distance_bits(squared[static_cast<std::size_t>(j)]),
                              part.first + rows[static_cast<std::size_t>(i + j)]));
            }
        }
    }
}

// Certifies by float32 between which marks an item lies; decides the few that lie too near to one in float64.
// Returns how many those were.
std::int64_t rank_certified(const Operands& operands, std::int64_t first, const std::vector<Query>& block, Poll& poll) {
    const std::int64_t n = operands.allowed.n, count = static_cast<std::int64_t>(block.size());
    Numbers<float> distances(count * n);
    const DenseScan<SingleDistance> scan(operands.single, operands.queries, nullptr, first, count);
    scan_all(scan, operands, poll,
             [&](std::int64_t j, std::int64_t row, float squared) { distances.data()[j * n + row] = squared; });
    const double error = single_error(operands.single, operands.queries.d);
    const Numbers<double> wide(padded(operands.queries.d));
    std::int64_t decided = 0;
    for (std::int64_t j = 0; j < count && !poll.stop(); ++j) {
        const Query& query = block[static_cast<std::size_t>(j)];
        const float* own = distances.data() + j * n;
        operands.canonical.widen(operands.queries, first + j, wide.data());
        std::vector<Key> marks;
        decide(operands, wide.data(), query.marked(), poll, [&](Key key) { marks.push_back(key); });
        sort_keys(marks);
        KeyRanks places(marks, error, kSingleLeast);
        std::vector<std::uint32_t> open;
        query.for_others(operands.allowed, [&](std::int64_t id) {
            if (!places.add_certified(own[id])) open.push_back(static_cast<std::uint32_t>(id));
        });
        decide(operands, wide.data(), open, poll, [&](Key key) { places.add(key_distance(key), key_id(key)); });
        if (poll.stop()) return decided;
        query.store(marks, places);
        decided += static_cast<std::int64_t>(open.size());
    }
    return decided;
}

// Whether to begin with the certified pass, for `marks` marks a query, which are computed in float64 themselves: few
// among the items, with room for the error of float32 between them. Distances spread over a fifth of their size, say;
// then 10 * error * marks of the items lie too near to a mark.
bool is_certifiable(const Operands& operands, double marks) {
    const std::int64_t d = operands.queries.d;
    const auto is_single = [](const Part& part) {
        return part.rows.element != Element::float64 || part.rows.normalize == Normalize::row;
    };
    return operands.single.lanes > 0 && d <= kSingleMaximum && operands.queries.element != Element::float64 &&
           std::all_of(operands.database.begin(), operands.database.end(), is_single) &&
           4.0 * marks < static_cast<double>(operands.count) && 10.0 * single_error(operands.single, d) * marks < 0.25;
}

}  // namespace

Status relevant_ranks(const Rows& queries, std::int64_t q, const RowPart* database, std::int64_t parts,
                      const Allowed& allowed, const std::int64_t* members, const std::int64_t* first,
                      const std::int64_t* offsets, const std::int64_t* self, std::int64_t* ranks,
                      std::int64_t* self_ranks, const Context& context) {
    const std::int64_t n = allowed.n;
    std::vector<Part> rows;
    std::int64_t end = 0, allowed_count = 0;
    for (std::int64_t i = 0; i < parts; ++i) {
        const std::int64_t begin = end;
        end += database[i].n;
        rows.push_back({database[i].rows, AllowedRows(allowed.part(begin, database[i].n)), begin, end});
        allowed_count += rows.back().allowed.count();
    }
    const Operands operands{
        queries,    rows, allowed, allowed_count, canonical_distance(context.isa), single_distance(context.isa),
        context.isa};
    context.report(operands.canonical.isa);
    if (q == 0 || n == 0) return Status::ok;
    const std::int64_t threads = std::max(1, context.threads);
    std::int64_t block = std::max<std::int64_t>(kBlockDistances / n, 2 * operands.canonical.queries);
    const bool is_certified = is_certifiable(operands, static_cast<double>(offsets[q]) / static_cast<double>(q));
    const std::int64_t widest =
        is_certified ? dense_query_block(operands.single, queries.d) : dense_query_block(operands.canonical, queries.d);
    block = std::min({block, widest, (q + threads - 1) / threads});
    // Where distances are much alike, as under many ties, most are left to decide: then all may be computed at once.
    std::atomic<std::int64_t> decided{0}, certified{0};

    return parallel_for(context, (q + block - 1) / block, [&](std::int64_t task, Poll& poll) {
        const std::int64_t start = task * block, count = std::min(block, q - start);
        std::vector<Query> wanted;
        for (std::int64_t query = start; query < start + count; ++query) {
            wanted.emplace_back(members + first[query], offsets[query + 1] - offsets[query],
                                self == nullptr ? nullptr : self + query, ranks + offsets[query],
                                self == nullptr ? nullptr : self_ranks + query);
        }
        if (is_certified && 2 * decided <= certified) {
            decided += rank_certified(operands, start, wanted, poll);
            certified += count * allowed_count;
        } else {
            rank_dense(operands, start, wanted, poll);
        }
    });
}

}  // namespace rsir

#include "kernels/relevant_ranks.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/allowed_rows.h"
#include "kernels/cpu/centred_rows.h"
#include "kernels/cpu/mark_keys.h"
#include "kernels/cpu/rank_blocks.h"
#include "kernels/cpu/rank_marks.h"

namespace rsir {
namespace {

constexpr double kFarthest = 100;  // of the mean norm: rows beyond it are decided, so that they widen no other's window

// Whether to begin with the certified pass, for `marks` marks a query, which are computed in float64 themselves: few
// among the items, with room for the error of float32 between them. Distances spread over a fifth of their size, say,
// and that is X + Y; then 10 * error * marks of the items lie too near to a mark.
bool is_certifiable(const RankOperands& operands, std::int64_t d, double marks) {
    const std::vector<double> weights = single_weights(operands.product, d);
    const double error = kSingleError * std::accumulate(weights.begin(), weights.end(), 0.0) /
                         static_cast<double>(std::max<std::size_t>(1, weights.size()));
    return operands.product.lanes > 0 && d <= kSingleMaximum && 4.0 * marks < static_cast<double>(operands.allowed) &&
           10.0 * error * marks < 0.25;
}

// Sets norms that are far from all others to NaN, and returns the largest that one of the rest adds to an error.
float cut_farthest(RankOperands::Lengths& rows) {
    double sum = 0, count = 0;
    for (const float norm : rows.norms) {
        if (std::isnan(norm)) continue;
        sum += static_cast<double>(norm);
        ++count;
    }
    float largest = 0;
    for (std::size_t i = 0; i < rows.norms.size(); ++i) {
        float& norm = rows.norms[i];
        if (static_cast<double>(norm) * count > kFarthest * sum) norm = std::numeric_limits<float>::quiet_NaN();
        if (!std::isnan(norm)) largest = std::max(largest, rows.offs[i]);
    }
    return largest;
}

// Where the queries are rows of the database themselves, the first of them; otherwise -1.
std::int64_t find_queries(const Rows& queries, std::int64_t q, const RankOperands& operands) {
    if (!operands.bits.all() || queries.normalize != Normalize::none) return -1;
    for (const RankPart& part : operands.parts) {
        if (part.rows.element != queries.element || part.rows.normalize != Normalize::none) continue;
        const auto begin = reinterpret_cast<std::uintptr_t>(part.rows.data);
        const auto own = reinterpret_cast<std::uintptr_t>(queries.data);
        const auto bytes = static_cast<std::uintptr_t>(std::max<std::int64_t>(1, queries.row_bytes()));
        if (own < begin || (own - begin) % bytes != 0) continue;
        const auto row = static_cast<std::int64_t>((own - begin) / bytes);
        if (row + q <= part.end - part.first) return part.first + row;
    }
    return -1;
}

}  // namespace

Status relevant_ranks(const Rows& queries, std::int64_t q, const RowPart* database, std::int64_t parts,
                      const Allowed& allowed, const std::int64_t* members, const std::int64_t* first,
                      const std::int64_t* offsets, const std::int64_t* self, std::shared_ptr<RankMarks>& found,
                      const Context& context) {
    RankOperands operands{
        queries, {}, allowed, 0,  -1,     canonical_distance(context.isa), single_product(context.isa),
        false,   {}, {},      {}, context};
    context.report(operands.canonical.isa);
    std::int64_t end = 0;
    for (std::int64_t i = 0; i < parts; ++i) {
        const std::int64_t begin = end;
        end += database[i].n;
        operands.parts.push_back({database[i].rows, AllowedRows(allowed.part(begin, database[i].n)), begin, end});
        operands.allowed += operands.parts.back().allowed.count();
    }
    found = std::make_shared<RankMarks>(RankRequest{q, members, first, offsets, self});
    if (q == 0 || allowed.n == 0) return Status::ok;
    operands.own_row = find_queries(queries, q, operands);
    RankMarks& marks = *found;
    Status status = measure_marks(operands, marks, q);
    if (status != Status::ok) return status;

    operands.is_certified =
        is_certifiable(operands, queries.d, static_cast<double>(offsets[q]) / static_cast<double>(q));
    float largest = 0;
    if (operands.is_certified) {
        std::vector<Rows> all;
        std::vector<std::int64_t> counts;
        for (const RankPart& part : operands.parts) {
            all.push_back(part.rows);
            counts.push_back(part.end - part.first);
        }
        operands.mean = sample_mean(all, counts, context.isa);
        operands.items.norms.resize(static_cast<std::size_t>(allowed.n));
        operands.items.offs.resize(operands.items.norms.size());
        for (const RankPart& part : operands.parts) {
            status = centred_norms(part.rows, part.end - part.first, operands.mean.data(), context,
                                   operands.items.norms.data() + part.first, operands.items.offs.data() + part.first);
            if (status != Status::ok) return status;
        }
        largest = cut_farthest(operands.items);
        operands.asked.norms.resize(static_cast<std::size_t>(q));
        operands.asked.offs.resize(operands.asked.norms.size());
        if (operands.own_row >= 0) {
            std::copy_n(operands.items.norms.begin() + operands.own_row, q, operands.asked.norms.begin());
            std::copy_n(operands.items.offs.begin() + operands.own_row, q, operands.asked.offs.begin());
        } else {
            status = centred_norms(queries, q, operands.mean.data(), context, operands.asked.norms.data(),
                                   operands.asked.offs.data());
            if (status != Status::ok) return status;
        }
    }
    status = parallel_for(context, q, [&](std::int64_t j, Poll&) {
        const bool is_near = operands.is_certified && !std::isnan(operands.asked.norms[static_cast<std::size_t>(j)]);
        marks.order(j, is_near ? operands.asked.offs[static_cast<std::size_t>(j)] + largest : 0.0f);
    });
    return status == Status::ok ? count_all(operands, marks, q) : status;
}

Status take_ranks(const RankMarks& found, std::int64_t begin, std::int64_t end, std::int64_t* ranks,
                  std::int64_t* self_ranks, const Context& context) {
    return found.store(begin, end, ranks, self_ranks, context);
}

}  // namespace rsir

#include "kernels/cpu/rank_blocks.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>

#include "kernels/cpu/canonical_tiles.h"
#include "kernels/cpu/centred_rows.h"
#include "kernels/cpu/distance_bits.h"

namespace rsir {
namespace {

constexpr std::int64_t kMostRows = 1024, kLeastRows = 48;  // of a block: distances of two fill 4 MiB
constexpr std::int64_t kRowBytes = std::int64_t{1} << 22;  // of the rows of a block
constexpr std::int64_t kProductRows = 120;                 // that stay in the second-level cache, of whole tiles
constexpr std::int64_t kTasksPerThread = 32;
constexpr std::int64_t kOpenRows = 16;  // that are normalised as they are read

// Some rows, as queries and as items.
struct Block {
    const RankPart* part;      // null: queries that are no rows of the database
    std::int64_t begin, end;   // places of allowed rows of the part, or queries
    std::int64_t first_query;  // of the rows as queries, or -1
    std::int64_t count() const { return end - begin; }
};

// Of a row of distances: no multiple of a large power of two, as columns of them are read.
constexpr std::int64_t stride(std::int64_t width) { return width + kTurned; }

// What one thread works with.
struct Scratch {
    Scratch(std::int64_t d, bool certified, std::int64_t a, std::int64_t b)
        : x(d, certified ? a : 0),
          y(d, certified ? b : 0),
          distances(a * stride(b)),
          columns(kTurned * a),
          open(kTurned * std::max(a, b)),
          wide(static_cast<std::size_t>(padded(d))) {}

    CentredRows x, y;
    Numbers<float> distances;                      // [a, b]
    Numbers<float> columns;                        // [kTurned, a]
    Numbers<std::uint32_t> open;                   // of some queries, one behind the other
    std::vector<std::int64_t> x_ids, y_ids, rows;  // of the whole database, or queries
    std::vector<float> y_norms, y_offs;
    std::vector<std::uint32_t> chosen;
    std::vector<double> wide, squared;
};

class Scratches {
  public:
    std::unique_ptr<Scratch> take() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (free_.empty()) return nullptr;
        std::unique_ptr<Scratch> scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
    }
    void give(std::unique_ptr<Scratch> scratch) {
        const std::lock_guard<std::mutex> lock(mutex_);
        free_.push_back(std::move(scratch));
    }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> free_;
};

class Counting {
  public:
    Counting(const RankOperands& operands, RankMarks& marks, std::int64_t q)
        : operands_(operands), marks_(marks), certify_(certify_for(operands.context.isa)) {
        // Square blocks, enough of them for all threads; few queries take longer blocks of rows.
        std::int64_t sides = 1;
        while (sides * sides < kTasksPerThread * std::max(1, operands.context.threads)) ++sides;
        const std::int64_t row_bytes = (padded(operands.queries.d) + 16) * static_cast<std::int64_t>(sizeof(float));
        const std::int64_t most = std::clamp(kRowBytes / row_bytes, kLeastRows, kMostRows);
        own_rows_ = std::clamp((q + sides - 1) / sides, kLeastRows, most);
        item_rows_ = own_rows_;
        while (item_rows_ < most && q < sides * kLeastRows) item_rows_ = std::min(most, item_rows_ * 2);
        for (std::int64_t begin = 0; begin < q; begin += own_rows_) {
            queries_.push_back(block_of_queries(begin, std::min(q, begin + own_rows_)));
        }
        for (const RankPart& part : operands.parts) add_items(part, q);
    }

    Status run() {
        struct Task {
            const Block *x, *y;
        };
        std::vector<Task> tasks;
        for (const Block& y : items_) {
            for (const Block& x : queries_) {
                // Each pair of blocks that are both queries and rows once.
                if (y.first_query < 0 || x.first_query <= y.first_query) tasks.push_back({&x, &y});
            }
        }
        return parallel_for(operands_.context, static_cast<std::int64_t>(tasks.size()),
                            [&](std::int64_t number, Poll& poll) {
                                const Task& task = tasks[static_cast<std::size_t>(number)];
                                std::unique_ptr<Scratch> scratch = scratches_.take();
                                if (scratch == nullptr) {
                                    scratch = std::make_unique<Scratch>(operands_.queries.d, operands_.is_certified,
                                                                        own_rows_, std::max(own_rows_, item_rows_));
                                }
                                count_pair(*task.x, *task.y, *scratch, poll);
                                scratches_.give(std::move(scratch));
                            });
    }

  private:
    Block block_of_queries(std::int64_t begin, std::int64_t end) const {
        if (operands_.own_row < 0) return {nullptr, begin, end, begin};
        const RankPart& part = operands_.part_of(operands_.own_row);
        const std::int64_t shift = operands_.own_row - part.first;
        return {&part, begin + shift, end + shift, begin};
    }

    void add_items(const RankPart& part, std::int64_t q) {
        const auto add = [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t first = begin; first < end; first += item_rows_) {
                items_.push_back({&part, first, std::min(end, first + item_rows_), -1});
            }
        };
        const std::int64_t count = part.allowed.count();
        if (operands_.own_row < part.first || operands_.own_row >= part.end) return add(0, count);
        add(0, operands_.own_row - part.first);
        items_.insert(items_.end(), queries_.begin(), queries_.end());
        add(operands_.own_row - part.first + q, count);
    }

    // The rows of a block, as rows of the whole database and of its part; or queries.
    static void take_ids(const Block& block, std::vector<std::int64_t>& ids, std::vector<std::int64_t>& rows) {
        rows.resize(static_cast<std::size_t>(block.count()));
        if (block.part != nullptr && !block.part->allowed.all()) {
            block.part->allowed.take(block.begin, block.count(), rows.data());
        } else {
            std::iota(rows.begin(), rows.end(), block.begin);
        }
        ids = rows;
        for (std::int64_t& id : ids) id += block.part == nullptr ? 0 : block.part->first;
    }

    // Counts the rows of y for the queries of x; and where y are queries, and other ones, the rows of x for these.
    void count_pair(const Block& x, const Block& y, Scratch& scratch, Poll& poll) {
        const bool is_diagonal = x.first_query == y.first_query, is_both = y.first_query >= 0 && !is_diagonal;
        const std::int64_t width = y.count(), ld = stride(width);
        std::vector<std::int64_t> rows;
        take_ids(x, scratch.x_ids, scratch.rows);
        take_ids(y, scratch.y_ids, rows);
        // Where distances are much alike, as under many ties, most are left to decide: then all are at once.
        const bool certified = operands_.is_certified && 2 * decided_ <= certified_;
        std::int64_t decided = 0;
        const auto count_rows = [&](std::int64_t top, std::int64_t bottom) {
            for (std::int64_t i = top; i < bottom; i += kTurned) {
                decided +=
                    count_runs(x.first_query + i, std::min(kTurned, bottom - i), scratch.distances.data() + i * ld, ld,
                               y, scratch.y_ids, rows, scratch.y_offs.data(), certified, scratch);
            }
        };
        if (certified) {
            take_blocks(x, y, rows, scratch);
            for (std::int64_t top = 0; top < x.count() && !poll.stop(); top += kProductRows) {
                const std::int64_t bottom = std::min(x.count(), top + kProductRows);
                multiply(x, top, bottom, width, is_diagonal, scratch);
                if (!is_diagonal) count_rows(top, bottom);  // while they are in the second-level cache
            }
        } else {
            measure(x, y, rows, is_diagonal, scratch, poll);
        }
        if (poll.stop()) return;
        if (is_diagonal) mirror(width, scratch.distances.data());
        if (is_diagonal || !certified) count_rows(0, x.count());
        for (std::int64_t first = 0; first < width && is_both; first += kTurned) {
            const std::int64_t count = std::min(kTurned, width - first), height = x.count();
            operands_.product.turn(scratch.distances.data() + first, height, count, ld, scratch.columns.data());
            decided +=
                count_runs(y.first_query + first, count, scratch.columns.data(), height, x, scratch.x_ids, scratch.rows,
                           operands_.asked.offs.data() + (certified ? x.first_query : 0), certified, scratch);
        }
        if (!certified) return;
        decided_ += decided;
        certified_ += (is_both ? 2 : 1) * x.count() * width;
    }

    void take_blocks(const Block& x, const Block& y, const std::vector<std::int64_t>& rows, Scratch& scratch) const {
        const Rows& matrix = x.part == nullptr ? operands_.queries : x.part->rows;
        take_centred(scratch.x, matrix, scratch.rows, operands_.asked.norms.data() + x.first_query, x.count());
        scratch.y_norms.clear();
        scratch.y_offs.clear();
        for (const std::int64_t id : scratch.y_ids) {
            scratch.y_norms.push_back(operands_.items.norms[static_cast<std::size_t>(id)]);
            scratch.y_offs.push_back(operands_.items.offs[static_cast<std::size_t>(id)]);
        }
        take_centred(scratch.y, y.part->rows, rows, scratch.y_norms.data(), y.count());
    }

    // distances [top to bottom, width]: certified.
    void multiply(const Block& x, std::int64_t top, std::int64_t bottom, std::int64_t width, bool is_diagonal,
                  Scratch& scratch) const {
        const SingleProduct& product = operands_.product;
        const std::int64_t size = padded(operands_.queries.d), ld = stride(width), step = scratch.x.stride();
        float* out = scratch.distances.data();
        float tile[64];
        for (std::int64_t column = 0; column < size || column == 0; column += kProductColumns) {
            const std::int64_t columns = std::min(kProductColumns, size - column);
            for (std::int64_t j = 0; j < width; j += product.rows) {
                const std::int64_t across = std::min<std::int64_t>(product.rows, width - j);
                for (std::int64_t i = top; i < bottom; i += product.queries) {
                    if (is_diagonal && j + across <= i) break;
                    product.tile(scratch.x.row(i) + column, scratch.y.row(j) + column, step, columns, tile);
                    const std::int64_t down = std::min<std::int64_t>(product.queries, bottom - i);
                    product.store(tile, down, across, column > 0, out + i * ld + j, ld);
                }
            }
        }
        for (std::int64_t i = top; i < bottom; ++i) {
            const std::int64_t first = is_diagonal ? i : 0;
            product.distances(operands_.asked.norms[static_cast<std::size_t>(x.first_query + i)],
                              scratch.y_norms.data() + first, width - first, out + i * ld + first);
        }
    }

    void take_centred(CentredRows& rows, const Rows& matrix, const std::vector<std::int64_t>& ids, const float* norms,
                      std::int64_t count) const {
        RowReader reader(matrix, operands_.context.isa, kOpenRows);
        rows.take(matrix, reader, ids.data(), count, operands_.mean.data(), certify_, norms);
    }

    // distances [x, y]: canonical.
    void measure(const Block& x, const Block& y, const std::vector<std::int64_t>& rows, bool is_diagonal,
                 Scratch& scratch, Poll& poll) const {
        const std::int64_t ld = stride(y.count()), most = 64;
        std::vector<std::int64_t> queries(static_cast<std::size_t>(x.count()));
        std::iota(queries.begin(), queries.end(), x.first_query);
        RowReader reader(y.part->rows, operands_.context.isa, CanonicalTiles::kRows);
        for (std::int64_t top = 0; top < x.count(); top += most) {
            CanonicalTiles tiles(operands_.canonical, operands_.queries, queries.data() + top,
                                 std::min(most, x.count() - top));
            float* out = scratch.distances.data() + top * ld;
            tiles.run(y.part->rows, reader, rows.data(), y.count(), is_diagonal ? top : -x.count(), poll,
                      [&](std::int64_t i, std::int64_t j, double squared) {
                          out[i * ld + j] = distance_from_bits(distance_bits(squared));
                      });
        }
    }

    // Fills the lower triangle from the upper.
    static void mirror(std::int64_t size, float* matrix) {
        for (std::int64_t i = 0; i < size; ++i) {
            for (std::int64_t j = 0; j < i; ++j) matrix[i * stride(size) + j] = matrix[j * stride(size) + i];
        }
    }

    // Counts the distances of `queries` queries, at most kTurned, to the rows of a block; those of one are `ld` behind
    // those of the one before. Returns how many were left to decide.
    std::int64_t count_runs(std::int64_t first, std::int64_t queries, const float* distances, std::int64_t ld,
                            const Block& block, const std::vector<std::int64_t>& ids,
                            const std::vector<std::int64_t>& rows, const float* offs, bool certified,
                            Scratch& scratch) {
        std::uint32_t* open = scratch.open.data();
        std::int64_t ends[kTurned + 1] = {};
        for (std::int64_t i = 0; i < queries; ++i) {
            if (i + 1 < queries) marks_.fetch(first + i + 1);
            ends[i + 1] = ends[i] + place(first + i, distances + i * ld, ids, offs, certified, open + ends[i]);
        }
        if (certified) decide(first, queries, distances, ld, block, ids, rows, ends, scratch);
        return ends[queries];
    }

    // Counts what the marks of a query tell of its distances; returns how many are left open.
    std::int64_t place(std::int64_t query, const float* distances, const std::vector<std::int64_t>& ids,
                       const float* offs, bool certified, std::uint32_t* open) {
        if (marks_.count(query) == 0) return 0;
        const auto size = static_cast<std::int64_t>(ids.size());
        RankWindow window{0.0f, nullptr};
        if (certified) window = {operands_.asked.offs[static_cast<std::size_t>(query)], offs};
        const auto lock = marks_.lock(query);
        std::int64_t left =
            operands_.product.place(marks_.table(query), window, distances, size, marks_.counts(query), open);
        left = marks_.search(query, window, distances, ids.data(), size, open, left);
        if (certified) return left;
        for (std::int64_t i = 0; i < left; ++i) {
            const float distance = distances[open[i]];
            marks_.count(query, distance_bits(static_cast<double>(distance)), ids[open[i]], distance);
        }
        return left;
    }

    // Counts the open rows of each query by their canonical distances, while those of the next one are fetched.
    void decide(std::int64_t first, std::int64_t queries, const float* distances, std::int64_t ld, const Block& block,
                const std::vector<std::int64_t>& ids, const std::vector<std::int64_t>& rows, const std::int64_t* ends,
                Scratch& scratch) {
        const std::uint32_t* open = scratch.open.data();
        const std::int64_t all = ends[queries];
        scratch.chosen.resize(static_cast<std::size_t>(all));
        scratch.squared.resize(static_cast<std::size_t>(all));
        for (std::size_t i = 0; i < scratch.chosen.size(); ++i) {
            scratch.chosen[i] = static_cast<std::uint32_t>(rows[open[i]]);
        }
        RowReader reader(block.part->rows, operands_.context.isa, kOpenRows);
        for (std::int64_t i = 0; i < queries; ++i) {
            const std::int64_t begin = ends[i], left = ends[i + 1] - begin;
            if (left == 0) continue;
            operands_.canonical.widen(operands_.queries, first + i, scratch.wide.data());
            double* squared = scratch.squared.data() + begin;
            reader.gather(operands_.canonical, scratch.wide.data(), scratch.chosen.data() + begin, left,
                          all - ends[i + 1], squared);
            const auto lock = marks_.lock(first + i);
            for (std::int64_t j = 0; j < left; ++j) {
                const std::uint32_t at = open[begin + j];
                marks_.count(first + i, distance_bits(squared[j]), ids[at], distances[i * ld + at]);
            }
        }
    }

    const RankOperands& operands_;
    RankMarks& marks_;
    const Certify& certify_;
    std::int64_t own_rows_, item_rows_;
    std::vector<Block> queries_, items_;
    Scratches scratches_;
    std::atomic<std::int64_t> decided_{0}, certified_{0};
};

}  // namespace

Status count_all(const RankOperands& operands, RankMarks& marks, std::int64_t q) {
    return Counting(operands, marks, q).run();
}

}  // namespace rsir

// The bytes of a sidecar: the same from every instruction set, read where they lie, refused where they do not fit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "certify_tables.h"
#include "check.h"
#include "kernels/euclidean_topk.h"
#include "kernels/sidecar.h"

using namespace rsir;
using namespace rsir::test;

namespace {

struct Problem {
    std::vector<float> values;
    std::int64_t n, d;
    Rows rows() const { return rows_of(values.data(), d); }
};

Problem some_rows(Random& random, std::int64_t n, std::int64_t d, Kind kind, float offset) {
    Problem problem{matrix<float>(random, n, d, kind), n, d};
    for (float& value : problem.values) value += offset;
    return problem;
}

std::vector<std::uint8_t> bytes_of(const Sidecar& sidecar) {
    const auto* block = reinterpret_cast<const std::uint8_t*>(sidecar.header);
    return {block, block + sidecar.bytes()};
}

// A copy of a block at a multiple of 64, as a map has it, that ends where its allocation ends.
class Mapped {
  public:
    explicit Mapped(const std::vector<std::uint8_t>& bytes)
        : size_(static_cast<std::int64_t>(bytes.size())),
          block_(static_cast<std::uint8_t*>(operator new(bytes.size(), std::align_val_t{64}))) {
        std::copy(bytes.begin(), bytes.end(), block_);
    }
    ~Mapped() { operator delete(block_, std::align_val_t{64}); }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    std::uint8_t* data() const { return block_; }
    std::int64_t size() const { return size_; }

  private:
    std::int64_t size_;
    std::uint8_t* block_;
};

Sidecar build(const Problem& problem, Precision precision, const Context& context) {
    Sidecar sidecar;
    CHECK(build_sidecar(problem.rows(), problem.n, precision, 10, sidecar, context, Normalize::row) == Status::ok);
    return sidecar;
}

std::string refusal(const Mapped& block, std::int64_t size) {
    try {
        read_sidecar(block.data(), size);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST(every_instruction_set_writes_the_same_bytes) {
    Random random(1);
    for (const Kind kind : kKinds) {
        for (const std::int64_t d : sizes({1, 3, 16, 33, 130, 1000}, {3, 33})) {
            for (const float offset : {0.0f, 40.0f}) {
                const Problem problem = some_rows(random, 90, d, kind, offset);
                for (const Precision precision : {Precision::int8, Precision::int16}) {
                    const Case here("d=", d, " offset=", offset,
                                    " bytes of a code=", precision == Precision::int8 ? 1 : 2);
                    const std::vector<std::uint8_t> expected = bytes_of(build(problem, precision, Context{}));
                    each_context([&](const Context& context) {
                        const std::vector<std::uint8_t> found = bytes_of(build(problem, precision, context));
                        CHECK(found.size() == expected.size());
                        check_bytes(__FILE__, __LINE__, "block", found.data(), expected.data(),
                                    std::min(found.size(), expected.size()), 1);
                    });
                }
            }
        }
    }
}

TEST(a_block_is_read_where_it_lies) {
    Random random(2);
    Problem problem = some_rows(random, 3000, 40, Kind::uniform, 3.0f);
    problem.values[40 * 7] = std::nanf("");
    problem.values[40 * 2999 + 1] = 1e30f;
    for (const Precision precision : {Precision::int8, Precision::int16}) {
        const Sidecar made = build(problem, precision, Context{});
        const Mapped block(bytes_of(made));
        const Sidecar read = read_sidecar(block.data(), block.size());
        CHECK(reinterpret_cast<const std::uint8_t*>(read.header) == block.data());
        CHECK(read.n == 3000 && read.d == 40 && read.precision == precision && read.wild_count == 2);
        CHECK(read.wild[0] == 7 && read.wild[1] == 2999 && read.mean != nullptr);
        CHECK((read.panels - block.data()) % 4096 == 0);
        for (const void* part : {static_cast<const void*>(read.scale), static_cast<const void*>(read.radius),
                                 static_cast<const void*>(read.excess), static_cast<const void*>(read.mean)}) {
            CHECK((static_cast<const std::uint8_t*>(part) - block.data()) % 64 == 0);
        }
        each_context([&](const Context& context) {
            float distances[2][20];
            std::int64_t ids[2][20];
            SearchCounts counts[2];
            for (int i = 0; i < 2; ++i) {
                euclidean_topk(problem.rows().from(100), 2, problem.rows(), {nullptr, 0, 3000}, i == 0 ? &made : &read,
                               10, distances[i], ids[i], counts[i], context);
            }
            CHECK(std::memcmp(distances[0], distances[1], sizeof distances[0]) == 0);
            CHECK(std::memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
            CHECK(counts[0].candidates == counts[1].candidates && counts[1].dense == 0);
        });
    }
}

TEST(what_does_not_fit_is_refused) {
    Random random(3);
    Problem problem = some_rows(random, 100, 12, Kind::uniform, 0.0f);
    problem.values[12 * 5] = problem.values[12 * 50] = HUGE_VALF;
    const std::vector<std::uint8_t> whole = bytes_of(build(problem, Precision::int8, Context{}));
    const Mapped good(whole);
    CHECK(refusal(good, good.size()).empty());
    CHECK(refusal(good, good.size() - 4).find("bytes") != std::string::npos);
    CHECK(refusal(good, 255).find("at least 256 bytes") != std::string::npos);
    const auto changed = [&](const auto& change) {
        std::vector<std::uint8_t> bytes = whole;
        change(*reinterpret_cast<SidecarHeader*>(bytes.data()), bytes);
        const Mapped block(bytes);
        return refusal(block, block.size());
    };
    const auto says = [&](const char* part, const auto& change) {
        const std::string text = changed([&](SidecarHeader& header, auto&) { change(header); });
        const Case here(part, ": ", text);
        CHECK(text.find(part) != std::string::npos && text.find("make it again") != std::string::npos);
    };
    says("begins with", [](SidecarHeader& header) { header.magic[0] = 'x'; });
    says("format version 1, got 2", [](SidecarHeader& header) { header.version = 2; });
    says("byte order", [](SidecarHeader& header) { header.byte_order = 0x04030201; });
    says("panel kind 1, got 9", [](SidecarHeader& header) { header.panel_kind = 9; });
    says("sizes and kinds", [](SidecarHeader& header) { header.code_bytes = 3; });
    says("sizes and kinds", [](SidecarHeader& header) { header.normalize = static_cast<Normalize>(2); });
    says("sizes and kinds", [](SidecarHeader& header) { header.wild_count = 101; });
    says("parts within", [](SidecarHeader& header) { header.n = 100000; });
    says("parts within", [](SidecarHeader& header) { header.d = 60000; });
    says("parts within", [](SidecarHeader& header) { header.scale = std::int64_t{1} << 62; });
    says("parts within", [](SidecarHeader& header) { header.panels = -64; });
    says("parts within", [](SidecarHeader& header) { header.radius += 4; });
    says("parts within", [](SidecarHeader& header) { header.mean = header.bytes / 64 * 64; });
    const std::string wild = changed([](SidecarHeader& header, std::vector<std::uint8_t>& bytes) {
        bytes[static_cast<std::size_t>(header.wild) + 4] = 200;
    });
    CHECK(wild.find("increasing order") != std::string::npos);
}

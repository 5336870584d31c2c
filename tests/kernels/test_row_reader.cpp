// Rows that are normalised as they are read: the bits of a search of the normalised matrix, in every pass.
#include <algorithm>
#include <cstring>

#include "check.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/row_reader.h"
#include "kernels/euclidean_topk.h"
#include "kernels/gaussian_normalize.h"
#include "kernels/sidecar.h"

using namespace rsir;
using namespace rsir::test;

namespace {

template <class T>
void check_rows(std::int64_t q, std::int64_t n, std::int64_t d, std::int64_t k, Kind kind, Random& random) {
    const Case here("q=", q, " n=", n, " d=", d, " k=", k, " bytes=", sizeof(T));
    const Exact<T> raw(matrix<T>(random, n, d, kind));
    const auto size = static_cast<std::size_t>(n * d);
    std::vector<float> normalized(size);
    CHECK(gaussian_normalize(raw.data(), n, d, normalized.data(), Context{}) == Status::ok);
    std::vector<std::uint8_t> bits(static_cast<std::size_t>((n + 7) / 8));
    for (std::uint8_t& byte : bits) byte = static_cast<std::uint8_t>(random.next() >> 9);
    Rows as_read = rows_of(raw.data(), d);
    as_read.normalize = Normalize::row;
    const Rows copied = rows_of(normalized.data(), d), queries = copied;
    for (const Allowed& allowed : {Allowed{nullptr, 0, n}, Allowed{bits.data(), 0, n}}) {
        std::vector<float> expected(static_cast<std::size_t>(q * k));
        std::vector<std::int64_t> expected_ids(expected.size());
        SearchCounts counts;
        euclidean_topk(queries, q, copied, allowed, nullptr, k, expected.data(), expected_ids.data(), counts,
                       Context{});
        each_context([&](const Context& context) {
            Sidecar of_read, of_copied;
            CHECK(build_sidecar(as_read, n, Precision::int8, k, of_read, context) == Status::ok);
            CHECK(build_sidecar(copied, n, Precision::int8, k, of_copied, context, Normalize::row) == Status::ok);
            CHECK(of_read.bytes() == of_copied.bytes());
            CHECK(std::memcmp(of_read.header, of_copied.header, static_cast<std::size_t>(of_read.bytes())) == 0);
            for (const Sidecar* sidecar :
                 {static_cast<const Sidecar*>(nullptr), static_cast<const Sidecar*>(&of_read)}) {
                Output<float> distances(q * k);
                Output<std::int64_t> ids(q * k);
                CHECK(euclidean_topk(queries, q, as_read, allowed, sidecar, k, distances.data(), ids.data(), counts,
                                     context) == Status::ok);
                CHECK_BITS(distances, expected);
                CHECK_BITS(ids, expected_ids);
            }
        });
    }
}

}  // namespace

TEST(normalised_as_they_are_read) {
    Random random(1);
    for (const Kind kind : kKinds) {
        for (const std::int64_t n : sizes({1, 17, 600, 2100}, {17, 600})) {
            for (const std::int64_t q : {std::int64_t{1}, std::min<std::int64_t>(n, 9)}) {
                check_rows<float>(q, n, 20, 5, kind, random);
                check_rows<double>(q, n, 33, 5, kind, random);
            }
        }
    }
}

TEST(half_precision_is_widened_first) {
    const std::vector<std::uint16_t> halves{0x3c00, 0x4000, 0x4200, 0x4400};  // 1, 2, 3, 4
    const std::vector<std::uint16_t> brains{0x3f80, 0x4000, 0x4040, 0x4080};  // the same
    const std::vector<float> floats{1, 2, 3, 4};
    std::vector<float> expected(4);
    gaussian_normalize(floats.data(), 1, 4, expected.data(), Context{});
    each_context([&](const Context& context) {
        const DefaultFloatEnvironment environment;  // as every task has it
        for (const Element element : {Element::float16, Element::bfloat16}) {
            const Rows rows{element == Element::float16 ? halves.data() : brains.data(), element, 4, Normalize::row};
            RowReader reader(rows, context.isa, 1);
            const Rows read = reader.take(0, 1);
            CHECK(read.element == Element::float32 && read.normalize == Normalize::none);
            CHECK(std::memcmp(read.data, expected.data(), 16) == 0);
        }
    });
}

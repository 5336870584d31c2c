// rsir_fast._cuda: table of contents. Built only where a CUDA compiler is found.
#include <limits>
#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/current_device.h"
#include "kernels/cuda/certify.h"
#include "kernels/cuda/euclidean_topk.h"
#include "kernels/cuda/gaussian_normalize.h"
#include "kernels/cuda/hamming_many.h"
#include "kernels/cuda/hamming_topk.h"
#include "kernels/cuda/pack_codes.h"
#include "kernels/cuda/placed_ranks.h"
#include "kernels/cuda/relevant_ranks.h"

namespace rsir::bindings {
namespace {

cuda::FloatType float_type(const std::string& name) {
    if (name == "float16") return cuda::FloatType::float16;
    if (name == "bfloat16") return cuda::FloatType::bfloat16;
    if (name == "float32") return cuda::FloatType::float32;
    if (name == "float64") return cuda::FloatType::float64;
    throw std::invalid_argument("expected a floating dtype, got '" + name + "'");
}

cuda::Codes codes_of(const std::string& name) {
    if (name == "half") return cuda::Codes::half;
    if (name == "int8") return cuda::Codes::int8;
    throw std::invalid_argument("expected codes 'half' or 'int8', got '" + name + "'");
}

py::dict build_info() {
    py::dict info;
    info["version"] = RSIR_VERSION;
    info["cuda"] = RSIR_CUDA_VERSION;
    info["architectures"] = RSIR_CUDA_ARCHITECTURES;
    return info;
}

void pack_codes(std::uintptr_t values, std::int64_t n, std::int64_t b, const std::string& dtype, std::uintptr_t codes,
                int device, std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::pack_codes(pointer<const void>(values), type, n, b, pointer<std::uint8_t>(codes),
                                          pointer<CUstream_st>(stream)));
}

void gaussian_normalize(std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                        std::uintptr_t out, int device, std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::gaussian_normalize(pointer<const void>(features), type, n, d, pointer<float>(out),
                                                  pointer<CUstream_st>(stream)));
}

void gaussian_statistics(std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                         std::uintptr_t workspace, std::uintptr_t mu, std::uintptr_t sigma, int device,
                         std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::gaussian_statistics(pointer<const void>(features), type, n, d, pointer<void>(workspace),
                                                   pointer<double>(mu), pointer<double>(sigma),
                                                   pointer<CUstream_st>(stream)));
}

void gaussian_apply(std::uintptr_t features, std::int64_t n, std::int64_t d, const std::string& dtype,
                    std::uintptr_t mu, std::uintptr_t sigma, std::uintptr_t scale, std::uintptr_t out, int device,
                    std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::gaussian_apply(pointer<const void>(features), type, n, d, pointer<const double>(mu),
                                              pointer<const double>(sigma), pointer<double>(scale), pointer<float>(out),
                                              pointer<CUstream_st>(stream)));
}

constexpr std::uint32_t kInfinity = 0x7f800000u;
constexpr std::uint32_t kMostInt32 = std::numeric_limits<std::int32_t>::max();

int multiprocessors(int device) {
    int count = 0;
    CurrentDevice::check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device));
    return count;
}

// The bitmap whose bit `first` is the first of n items; 0: all of them.
Allowed allowed_at(std::uintptr_t bitmap, std::int64_t first, std::int64_t n) {
    return {pointer<const std::uint8_t>(bitmap), first, n};
}

void hamming_topk(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, int words,
                  std::uint64_t mask, std::uintptr_t where, std::int64_t first, std::int64_t k, std::int64_t parts,
                  std::uintptr_t keys, std::uintptr_t distances, std::uintptr_t ids, int device,
                  std::uintptr_t stream) {
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    const cuda::HammingProblem problem{pointer<const std::uint64_t>(queries),
                                       pointer<const std::uint64_t>(database),
                                       q,
                                       n,
                                       words,
                                       mask,
                                       allowed_at(where, first, n)};
    const auto on = pointer<CUstream_st>(stream);
    if (k == 0) return;
    CurrentDevice::check(cuda::hamming_scan(problem, k, parts, pointer<cuda::Key>(keys), on));
    CurrentDevice::check(
        cuda::select_smallest({pointer<cuda::Key>(keys), q, k * parts, k * parts, nullptr, nullptr, k, kMostInt32,
                               pointer<std::uint32_t>(distances), pointer<std::int64_t>(ids)},
                              on));
}

// Whether the device has the instructions of hamming_many.
bool counts_many(int device) {
    const CurrentDevice current(device);
    bool runs = false;
    CurrentDevice::check(cuda::hamming_many_runs(&runs));
    return runs;
}

void hamming_many(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, int words,
                  std::uint64_t mask, std::uintptr_t where, std::int64_t first, std::int64_t k,
                  std::uintptr_t workspace, std::uintptr_t distances, std::uintptr_t ids, int device,
                  std::uintptr_t stream) {
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    const cuda::HammingProblem problem{pointer<const std::uint64_t>(queries),
                                       pointer<const std::uint64_t>(database),
                                       q,
                                       n,
                                       words,
                                       mask,
                                       allowed_at(where, first, n)};
    CurrentDevice::check(cuda::hamming_many(problem, k, pointer<void>(workspace), pointer<std::int32_t>(distances),
                                            pointer<std::int64_t>(ids), pointer<CUstream_st>(stream)));
}

void hamming_keys(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, int words,
                  std::uint64_t mask, std::uintptr_t where, std::int64_t first, std::uintptr_t keys, int device,
                  std::uintptr_t stream) {
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    const cuda::HammingProblem problem{pointer<const std::uint64_t>(queries),
                                       pointer<const std::uint64_t>(database),
                                       q,
                                       n,
                                       words,
                                       mask,
                                       allowed_at(where, first, n)};
    CurrentDevice::check(cuda::hamming_keys(problem, pointer<cuda::Key>(keys), pointer<CUstream_st>(stream)));
}

cuda::EuclideanProblem euclidean_problem(std::uintptr_t queries, std::int64_t q, std::uintptr_t database,
                                         std::int64_t n, std::int64_t d, const std::string& dtype, std::uintptr_t where,
                                         std::int64_t first) {
    return {pointer<const void>(queries), pointer<const void>(database), float_type(dtype), q, n, d,
            allowed_at(where, first, n)};
}

void euclidean_topk(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
                    const std::string& dtype, std::uintptr_t where, std::int64_t first, std::int64_t k,
                    std::int64_t parts, std::uintptr_t keys, std::uintptr_t distances, std::uintptr_t ids, int device,
                    std::uintptr_t stream) {
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    const auto on = pointer<CUstream_st>(stream);
    if (k == 0) return;
    CurrentDevice::check(cuda::euclidean_scan(problem, k, parts, pointer<cuda::Key>(keys), on));
    CurrentDevice::check(
        cuda::select_smallest({pointer<cuda::Key>(keys), q, k * parts, k * parts, nullptr, nullptr, k, kInfinity,
                               pointer<std::uint32_t>(distances), pointer<std::int64_t>(ids)},
                              on));
}

void euclidean_keys(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
                    const std::string& dtype, std::uintptr_t where, std::int64_t first, std::uintptr_t keys, int device,
                    std::uintptr_t stream) {
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::euclidean_keys(problem, pointer<cuda::Key>(keys), pointer<CUstream_st>(stream)));
}

// `lists`: int64 [count, 5], each a MarkList.
cuda::Marks marks_at(std::uintptr_t lists, std::int64_t count, std::int64_t total, std::int64_t most,
                     std::uintptr_t members, std::uintptr_t own, std::uintptr_t keys) {
    static_assert(sizeof(cuda::MarkList) == 5 * sizeof(std::int64_t));
    return {pointer<const cuda::MarkList>(lists),
            count,
            total,
            most,
            pointer<const std::int64_t>(members),
            pointer<const std::int64_t>(own),
            pointer<cuda::Key>(keys)};
}

void mark_keys(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
               const std::string& dtype, std::uintptr_t where, std::int64_t first, std::uintptr_t lists,
               std::int64_t count, std::int64_t total, std::int64_t most, std::uintptr_t members, std::uintptr_t own,
               std::uintptr_t keys, int device, std::uintptr_t stream) {
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::mark_keys(problem, marks_at(lists, count, total, most, members, own, keys),
                                         pointer<CUstream_st>(stream)));
}

void count_ranks(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
                 const std::string& dtype, std::uintptr_t where, std::int64_t first, std::uintptr_t lists,
                 std::int64_t count, std::int64_t total, std::int64_t most, std::uintptr_t members, std::uintptr_t own,
                 std::uintptr_t keys, std::uintptr_t counts, std::uintptr_t ranks, std::uintptr_t self_ranks,
                 int device, std::uintptr_t stream) {
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::count_ranks(problem, marks_at(lists, count, total, most, members, own, keys),
                                           pointer<std::uint32_t>(counts), pointer<std::int64_t>(ranks),
                                           pointer<std::int64_t>(self_ranks), pointer<CUstream_st>(stream)));
}

// Whether the device has the instructions of place_ranks.
bool places(int device) {
    const CurrentDevice current(device);
    bool runs = false;
    CurrentDevice::check(cuda::place_runs(&runs));
    return runs;
}

void make_placed_items(std::uintptr_t database, std::int64_t n, std::int64_t d, const std::string& dtype,
                       std::uintptr_t items, int device, std::uintptr_t stream) {
    const auto problem = euclidean_problem(0, 0, database, n, d, dtype, 0, 0);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::make_placed_items(problem, pointer<void>(items), pointer<CUstream_st>(stream)));
}

void place_ranks(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
                 const std::string& dtype, std::uintptr_t where, std::int64_t first, std::uintptr_t lists,
                 std::int64_t count, std::int64_t total, std::int64_t most, std::uintptr_t members, std::uintptr_t own,
                 std::uintptr_t keys, std::uintptr_t items, std::uintptr_t workspace, std::uintptr_t counts,
                 std::uintptr_t ranks, std::uintptr_t self_ranks, int device, std::uintptr_t stream) {
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::place_ranks(
        problem, marks_at(lists, count, total, most, members, own, keys), pointer<const void>(items),
        cuda::PlaceSizes::of(q, n), pointer<void>(workspace), pointer<std::uint32_t>(counts),
        pointer<std::int64_t>(ranks), pointer<std::int64_t>(self_ranks), pointer<CUstream_st>(stream)));
}

// Whether the device has the instructions of certified_topk.
bool certifies(int device) {
    const CurrentDevice current(device);
    bool runs = false;
    CurrentDevice::check(cuda::certify_runs(&runs));
    return runs;
}

// Queries of a search by int8 copies.
std::int64_t most_by_integers(int device) {
    const CurrentDevice current(device);
    std::int64_t queries = 0;
    CurrentDevice::check(cuda::most_by_integers(&queries));
    return queries;
}

// 0 in place of what is not wanted.
cuda::Copies copies_at(std::uintptr_t half, std::uintptr_t int8, std::int64_t n, std::int64_t d) {
    cuda::Copies copies;
    if (half != 0) copies.half = cuda::Sidecar::at(pointer<void>(half), cuda::Codes::half, n, d);
    if (int8 != 0) copies.int8 = cuda::Sidecar::at(pointer<void>(int8), cuda::Codes::int8, n, d);
    return copies;
}

void make_copies(std::uintptr_t matrix, std::int64_t n, std::int64_t d, const std::string& dtype,
                 std::uintptr_t normalized, std::uintptr_t half, std::uintptr_t int8, int device,
                 std::uintptr_t stream) {
    const cuda::FloatType type = float_type(dtype);
    const cuda::Copies copies = copies_at(half, int8, n, d);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::make_copies(pointer<const void>(matrix), type, n, d, copies, pointer<float>(normalized),
                                           pointer<CUstream_st>(stream)));
}

void certified_topk(std::uintptr_t queries, std::int64_t q, std::uintptr_t database, std::int64_t n, std::int64_t d,
                    const std::string& dtype, std::uintptr_t where, std::int64_t first, std::int64_t k,
                    std::uintptr_t half, std::uintptr_t int8, std::uintptr_t workspace, std::uintptr_t distances,
                    std::uintptr_t ids, int device, std::uintptr_t stream) {
    const cuda::Copies copies = copies_at(half, int8, n, d);
    const auto problem = euclidean_problem(queries, q, database, n, d, dtype, where, first);
    const py::gil_scoped_release release;
    const CurrentDevice current(device);
    CurrentDevice::check(cuda::certified_topk(problem, copies, k, pointer<void>(workspace), pointer<float>(distances),
                                              pointer<std::int64_t>(ids), pointer<CUstream_st>(stream)));
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    m.doc() = "CUDA kernels of rsir_fast (private: use rsir_fast.ops).";
    m.def("build_info", &build_info);
    m.attr("most_selected") = cuda::kMostSelected;
    m.attr("most_many_words") = cuda::kMostManyWords;
    m.attr("most_integer_width") = cuda::kMostIntegerWidth;
    m.attr("most_sorted_marks") = cuda::kMostSortedMarks;
    m.attr("most_placed_marks") = cuda::kMostPlacedMarks;
    m.attr("most_placed_items") = cuda::kMostPlacedItems;
    m.attr("most_digit_width") = cuda::kMostDigitWidth;
    m.def("certified_topk", &certified_topk);
    m.def("certifies", &certifies);
    m.def("certify_bytes", [](std::uintptr_t half, std::uintptr_t int8, std::int64_t q, std::int64_t n, std::int64_t d,
                              std::int64_t k) { return cuda::certify_bytes(copies_at(half, int8, n, d), q, n, d, k); });
    m.def("count_ranks", &count_ranks);
    m.def("counts_many", &counts_many);
    m.def("euclidean_keys", &euclidean_keys);
    m.def("euclidean_parts", [](std::int64_t q, std::int64_t n, std::int64_t k, int device) {
        return cuda::euclidean_parts(q, n, k, multiprocessors(device));
    });
    m.def("euclidean_topk", &euclidean_topk);
    m.def("gaussian_apply", &gaussian_apply);
    m.def("gaussian_normalize", &gaussian_normalize);
    m.def("gaussian_statistics", &gaussian_statistics);
    m.def("gaussian_statistics_bytes", &cuda::gaussian_statistics_bytes);
    m.def("hamming_keys", &hamming_keys);
    m.def("hamming_many", &hamming_many);
    m.def("hamming_many_bytes", &cuda::hamming_many_bytes);
    m.def("hamming_parts", [](std::int64_t q, std::int64_t n, std::int64_t k, int device) {
        return cuda::hamming_parts(q, n, k, multiprocessors(device));
    });
    m.def("hamming_topk", &hamming_topk);
    m.def("make_copies", &make_copies);
    m.def("make_placed_items", &make_placed_items);
    m.def("mark_keys", &mark_keys);
    m.def("most_by_integers", &most_by_integers);
    m.def("pack_codes", &pack_codes);
    m.def("place_bytes", [](std::int64_t q, std::int64_t n, std::int64_t d) {
        return cuda::place_bytes(q, n, d, cuda::PlaceSizes::of(q, n));
    });
    m.def("place_ranks", &place_ranks);
    m.def("placed_items_bytes", &cuda::placed_items_bytes);
    m.def("places", &places);
    m.def("sidecar_bytes", [](const std::string& codes, std::int64_t n, std::int64_t d) {
        return cuda::sidecar_bytes(codes_of(codes), n, d);
    });
}

}  // namespace rsir::bindings

#include "kernels/euclidean_topk.h"

#include "kernels/cpu/dense_topk.h"

namespace rsir {

template <class T>
Status euclidean_topk(const T* queries, std::int64_t q, const T* database, std::int64_t n, std::int64_t d,
                      std::int64_t k, float* distances, std::int64_t* ids, const Context& context) {
    return dense_topk(rows_of(queries, d), nullptr, q, rows_of(database, d), n, k, distances, ids, context);
}

template Status euclidean_topk(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t,
                               float*, std::int64_t*, const Context&);
template Status euclidean_topk(const double*, std::int64_t, const double*, std::int64_t, std::int64_t, std::int64_t,
                               float*, std::int64_t*, const Context&);

}  // namespace rsir

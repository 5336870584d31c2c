// The loops of gaussian_normalize, written once over the vector type of an instruction set. Included by the
// per-instruction-set files only: everything has internal linkage, so that no copy compiled there is used elsewhere.
//
// A vector type V has kWidth float64 elements and: load (widening), zero, set, add, sub, mul, fold (the canonical fold
// of kWidth lanes), quiet (every NaN becomes the quiet one), put, store (rounded to float); where kStreams also stream,
// which stores past the caches, and fence.
#pragma once

#include <cmath>

#include "kernels/cpu/gaussian_normalize_isa.h"
#include "kernels/cpu/lanes.h"

namespace rsir {
namespace {

constexpr double kNaN = __builtin_nan("");
constexpr std::int64_t kLineFloats = 16;

// The canonical fold of all lanes.
template <class V>
inline double fold(typename V::Type* sums) {
    for (std::int64_t half = kLanes / V::kWidth / 2; half >= 1; half /= 2) {
        for (std::int64_t v = 0; v < half; ++v) sums[v] = V::add(sums[v], sums[v + half]);
    }
    return V::fold(sums[0]);
}

// The sum of a row in the lane order; tail [kLanes] receives its last d % kLanes elements and zeros, and where kKeep,
// wide [d] the whole row.
template <class V, bool kKeep, class T>
inline double sum(const T* row, std::int64_t d, double* tail, double* wide) {
    constexpr std::int64_t vectors = kLanes / V::kWidth;
    typename V::Type sums[vectors];
    for (std::int64_t v = 0; v < vectors; ++v) sums[v] = V::zero();
    std::int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
        for (std::int64_t v = 0; v < vectors; ++v) {
            const typename V::Type values = V::load(row + i + v * V::kWidth);
            if constexpr (kKeep) V::put(wide + i + v * V::kWidth, values);
            sums[v] = V::add(sums[v], values);
        }
    }
    if (i < d) {
        for (std::int64_t j = 0; j < kLanes; ++j) tail[j] = i + j < d ? static_cast<double>(row[i + j]) : 0.0;
        if constexpr (kKeep) {
            for (std::int64_t j = 0; i + j < d; ++j) wide[i + j] = tail[j];
        }
        for (std::int64_t v = 0; v < vectors; ++v) sums[v] = V::add(sums[v], V::load(tail + v * V::kWidth));
    }
    return fold<V>(sums);
}

// The sum of (row_j - mu)^2 in the lane order; the padding of the tail becomes mu, whose squares are 0. Meanwhile the
// row `next` is fetched, so that memory is read also while results are written.
template <class V, class T, class Next>
inline double sum_squares(const T* row, std::int64_t d, double* tail, double mu, const Next* next) {
    constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(Next));
    constexpr std::int64_t vectors = kLanes / V::kWidth;
    const typename V::Type mean = V::set(mu);
    typename V::Type sums[vectors];
    for (std::int64_t v = 0; v < vectors; ++v) sums[v] = V::zero();
    std::int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
        for (std::int64_t j = i; j < i + kLanes; j += line) __builtin_prefetch(next + j, 0, 2);
        for (std::int64_t v = 0; v < vectors; ++v) {
            const typename V::Type centred = V::sub(V::load(row + i + v * V::kWidth), mean);
            sums[v] = V::add(sums[v], V::mul(centred, centred));
        }
    }
    if (i < d) {
        for (std::int64_t j = d - i; j < kLanes; ++j) tail[j] = mu;
        for (std::int64_t v = 0; v < vectors; ++v) {
            const typename V::Type centred = V::sub(V::load(tail + v * V::kWidth), mean);
            sums[v] = V::add(sums[v], V::mul(centred, centred));
        }
    }
    return fold<V>(sums);
}

// out_j = value(j), one float at a time or a vector at a time: whole cache lines are streamed, the ends stored.
template <class V, class One, class Many>
inline void write_row(std::int64_t d, float* out, bool stream, const One& one, const Many& many) {
    std::int64_t j = 0;
    if constexpr (V::kStreams) {
        for (; stream && j < d && reinterpret_cast<std::uintptr_t>(out + j) % 64 != 0; ++j) out[j] = one(j);
        for (; stream && j + kLineFloats <= d; j += kLineFloats) {
            for (std::int64_t v = 0; v < kLineFloats; v += V::kWidth) V::stream(out + j + v, many(j + v));
        }
    }
    for (; j + V::kWidth <= d; j += V::kWidth) V::store(out + j, many(j));
    for (; j < d; ++j) out[j] = one(j);
}

template <class T>
inline bool is_constant(const T* row, std::int64_t d) {
    std::int64_t j = 1;
    while (j < d && row[j] == row[0]) ++j;
    return j == d;
}

template <class V, class T>
inline void finish_row(const T* row, std::int64_t d, double mu, double sigma, float* out, bool stream) {
    const double first = static_cast<double>(row[0]);
    const bool finite = sigma - sigma == 0.0;
    // The mean of equal numbers may be rounded, so that sigma is not quite 0, or overflow. It is off by a factor of
    // 1 +- d 2^-53 at most, so only a deviation this small needs the look at every element.
    const bool suspect = !finite || sigma <= std::fabs(first) * 0x1p-10;
    if (sigma == 0.0 || (suspect && first - first == 0.0 && is_constant(row, d))) {
        for (std::int64_t j = 0; j < d; ++j) out[j] = 0.5f;
    } else if (!finite) {
        for (std::int64_t j = 0; j < d; ++j) out[j] = static_cast<float>(kNaN);
    } else {
        const double factor = 1.0 / (6.0 * sigma);
        const typename V::Type half = V::set(0.5), mean = V::set(mu), by = V::set(factor);
        write_row<V>(
            d, out, stream,
            [=](std::int64_t j) { return static_cast<float>(0.5 + (static_cast<double>(row[j]) - mu) * factor); },
            [=](std::int64_t j) { return V::add(half, V::mul(V::sub(V::load(row + j), mean), by)); });
    }
}

constexpr std::int64_t kBatch = 16;
constexpr std::int64_t kBatchElements = 2048;  // float64: half of a first-level cache of 32 KiB

struct Batch {
    double mu[kBatch], sigma[kBatch];
    alignas(64) double tails[kBatch][kLanes];
    alignas(64) double wide[kBatchElements];
};

// A batch of rows goes through the passes together: the latency of one row's fold, division and root is hidden behind
// the other rows, and the passes after the first read them from the first-level cache: as float64 where kKeep.
template <class V, bool kKeep, class T>
inline void normalize_batch(const T* rows, const T* next, std::int64_t n, std::int64_t d, float* out, bool stream,
                            Batch& batch) {
    const double count = static_cast<double>(d);
    for (std::int64_t r = 0; r < n; ++r) {
        batch.mu[r] = sum<V, kKeep>(rows + r * d, d, batch.tails[r], batch.wide + (kKeep ? r * d : 0)) / count;
    }
    const auto finish = [&](const auto* from) {
        for (std::int64_t r = 0; r < n; ++r) {
            batch.sigma[r] =
                std::sqrt(sum_squares<V>(from + r * d, d, batch.tails[r], batch.mu[r], next + r * d) / count);
        }
        for (std::int64_t r = 0; r < n; ++r) {
            finish_row<V>(from + r * d, d, batch.mu[r], batch.sigma[r], out + r * d, stream);
        }
    };
    if constexpr (kKeep) {
        finish(batch.wide);
    } else {
        finish(rows);
    }
}

template <class V, class T>
void normalize(const T* rows, std::int64_t n, std::int64_t d, float* out, bool stream) {
    Batch batch;
    const std::int64_t fit = kBatchElements / d;
    const std::int64_t most = fit < 2 ? 2 : fit > kBatch ? kBatch : fit;
    for (std::int64_t i = 0; i < n; i += most) {
        const std::int64_t here = n - i < most ? n - i : most;
        const T* next = rows + (i + 2 * most <= n ? i + most : i) * d;
        // Widening is the slowest part of a pass: do it once where there is room.
        if (sizeof(T) < sizeof(double) && fit >= 2) {
            normalize_batch<V, true>(rows + i * d, next, here, d, out + i * d, stream, batch);
        } else {
            normalize_batch<V, false>(rows + i * d, next, here, d, out + i * d, stream, batch);
        }
    }
    if constexpr (V::kStreams) {
        if (stream) V::fence();
    }
}

template <class V, class T>
void apply(const T* rows, std::int64_t n, std::int64_t d, const double* mu, const double* scale, float* out,
           bool stream) {
    const typename V::Type half = V::set(0.5);
    for (std::int64_t i = 0; i < n; ++i) {
        const T* row = rows + i * d;
        write_row<V>(
            d, out + i * d, stream,
            [=](std::int64_t j) {
                const double value = 0.5 + (static_cast<double>(row[j]) - mu[j]) * scale[j];
                return static_cast<float>(value == value ? value : kNaN);
            },
            [=](std::int64_t j) {
                const typename V::Type centred = V::sub(V::load(row + j), V::load(mu + j));
                return V::quiet(V::add(half, V::mul(centred, V::load(scale + j))));
            });
    }
    if constexpr (V::kStreams) {
        if (stream) V::fence();
    }
}

template <class V, class T>
void add(const T* row, const T* next, std::int64_t columns, double* sums) {
    std::int64_t j = 0;
    for (; j + V::kWidth <= columns; j += V::kWidth) {
        __builtin_prefetch(next + j);
        V::put(sums + j, V::add(V::load(sums + j), V::load(row + j)));
    }
    for (; j < columns; ++j) sums[j] += static_cast<double>(row[j]);
}

template <class V, class T>
void add_squares(const T* row, const T* next, std::int64_t columns, const double* mu, double* sums) {
    std::int64_t j = 0;
    for (; j + V::kWidth <= columns; j += V::kWidth) {
        __builtin_prefetch(next + j);
        const typename V::Type centred = V::sub(V::load(row + j), V::load(mu + j));
        V::put(sums + j, V::add(V::load(sums + j), V::mul(centred, centred)));
    }
    for (; j < columns; ++j) {
        const double centred = static_cast<double>(row[j]) - mu[j];
        sums[j] += centred * centred;
    }
}

template <class V, class T>
constexpr GaussianLoops<T> gaussian_loops() {
    return {normalize<V, T>, apply<V, T>, add<V, T>, add_squares<V, T>};
}

template <class V>
constexpr GaussianPasses gaussian_passes(const char* isa) {
    return {isa, gaussian_loops<V, float>(), gaussian_loops<V, double>()};
}

}  // namespace
}  // namespace rsir

// What candidates go through, with the gathers and compressing stores of AVX-512: included like certify_common.h.

// Test (3) of the 16 rows of a panel.
struct RowTest {
    RowTest(const Panels& panels, std::uint32_t panel, const float* row_excess)
        : scale(_mm512_loadu_ps(panels.scale + 16 * panel)),
          radius(_mm512_loadu_ps(panels.radius + 16 * panel)),
          excess(_mm512_loadu_ps(row_excess)) {}

    __m512 estimate(__m512i total, float slope) const {
        return _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total), scale), _mm512_set1_ps(slope), excess);
    }
    __mmask16 passed(__m512 estimate, float reach, float cutoff) const {
        return _mm512_cmp_ps_mask(_mm512_fmsub_ps(_mm512_set1_ps(reach), radius, estimate), _mm512_set1_ps(cutoff),
                                  _CMP_GE_OQ);
    }
    __m512 estimate(__m512i total, const Candidates& query) const { return estimate(total, query.slope); }
    __mmask16 passed(__m512 estimates, const Candidates& query) const {
        return passed(estimates, query.reach, query.cutoff);
    }

    const __m512 scale, radius, excess;
};

// Appends those of a panel's rows that passed. Mostly one or two do: sixteen bytes seldom touch a second cache line,
// where 64 nearly always do.
inline void append(Candidates& query, std::uint32_t panel, __mmask16 passed, __m512 estimates) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i ids =
        _mm512_maskz_compress_epi32(passed, _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(16 * panel))));
    const __m512 kept = _mm512_maskz_compress_ps(passed, estimates);
    const std::int32_t count = query.count, more = __builtin_popcount(passed);
    query.count = count + more;
    if (more <= 4) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(query.ids + count), _mm512_castsi512_si128(ids));
        _mm_storeu_ps(query.estimates + count, _mm512_castps512_ps128(kept));
    } else {
        _mm512_storeu_si512(query.ids + count, ids);
        _mm512_storeu_ps(query.estimates + count, kept);
    }
}

void test_rows(const std::int32_t* sums, const Panels& panels, std::uint32_t panel, const float* excess,
               Candidates& query) {
    const RowTest test(panels, panel, excess);
    const __m512 estimates = test.estimate(_mm512_loadu_si512(sums), query);
    const __mmask16 passed = test.passed(estimates, query);
    if (passed != 0) append(query, panel, passed, estimates);
}

void test_pairs(const std::int32_t* sums, std::int64_t stride, const PairNumbers& numbers, std::int64_t first,
                std::int64_t count, std::int64_t panel, std::uint16_t* as_query, std::uint16_t* as_row,
                float* estimates) {
    const auto of_panel = [panel](const float* all) { return _mm512_loadu_ps(all + 16 * panel); };
    const __m512 slope = of_panel(numbers.slope), reach = of_panel(numbers.reach), cutoff = of_panel(numbers.cutoff),
                 scale = of_panel(numbers.scale), radius = of_panel(numbers.radius), excess = of_panel(numbers.excess);
    for (std::int64_t i = 0; i < count; ++i) {
        const auto of_row = [row = first + i](const float* all) { return _mm512_set1_ps(all[row]); };
        const __m512 product = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums + i * stride));
        const __m512 own = _mm512_fnmadd_ps(_mm512_mul_ps(product, scale), of_row(numbers.slope), excess);
        const __m512 other =
            _mm512_fnmadd_ps(_mm512_mul_ps(product, of_row(numbers.scale)), slope, of_row(numbers.excess));
        as_query[i] = static_cast<std::uint16_t>(_mm512_cmp_ps_mask(_mm512_fmsub_ps(of_row(numbers.reach), radius, own),
                                                                    of_row(numbers.cutoff), _CMP_GE_OQ));
        as_row[i] = static_cast<std::uint16_t>(
            _mm512_cmp_ps_mask(_mm512_fmsub_ps(reach, of_row(numbers.radius), other), cutoff, _CMP_GE_OQ));
        _mm512_storeu_ps(estimates + 16 * i, other);
    }
}

// The candidates from i on, up to 16.
__mmask16 rest_of(const Candidates& query, std::int32_t i) {
    const std::int32_t left = query.count - i;
    return static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
}

__m512 radii_of(const std::uint32_t* ids, __mmask16 wanted, const float* radius) {
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), wanted, _mm512_maskz_loadu_epi32(wanted, ids), radius, 4);
}

// Few candidates lie within the bound: their ids are put side by side first, as a gather takes as long for one number
// as for sixteen.
float widest(const Candidates& query, float bound, const float* radius) {
    __m512 widest = _mm512_setzero_ps();
    std::uint32_t wanted[32] = {};
    std::int32_t held = 0;
    for (std::int32_t i = 0; i < query.count; i += 16) {
        const __mmask16 all = rest_of(query, i);
        const __m512 estimates = _mm512_maskz_loadu_ps(all, query.estimates + i);
        const __mmask16 within = _mm512_mask_cmp_ps_mask(all, estimates, _mm512_set1_ps(bound), _CMP_LE_OQ);
        const __m512i ids = _mm512_maskz_loadu_epi32(all, query.ids + i);
        _mm512_storeu_si512(wanted + held, _mm512_maskz_compress_epi32(within, ids));
        held += __builtin_popcount(within);
        if (held < 16) continue;
        widest = _mm512_max_ps(widest, radii_of(wanted, 0xffff, radius));
        held -= 16;
        _mm512_storeu_si512(wanted, _mm512_loadu_si512(wanted + 16));
    }
    const auto rest = static_cast<__mmask16>((1 << held) - 1);
    return _mm512_reduce_max_ps(_mm512_max_ps(widest, radii_of(wanted, rest, radius)));
}

void filter(Candidates& query, const float* radius) {
    std::int32_t kept = 0;
    const __m512 reach = _mm512_set1_ps(query.reach), cutoff = _mm512_set1_ps(query.cutoff);
    for (std::int32_t i = 0; i < query.count; i += 16) {
        const __mmask16 all = rest_of(query, i);
        const __m512i ids = _mm512_maskz_loadu_epi32(all, query.ids + i);
        const __m512 estimates = _mm512_maskz_loadu_ps(all, query.estimates + i);
        const __m512 radii = radii_of(query.ids + i, all, radius);
        const __mmask16 found =
            _mm512_mask_cmp_ps_mask(all, _mm512_fmsub_ps(reach, radii, estimates), cutoff, _CMP_GE_OQ);
        _mm512_storeu_si512(query.ids + kept, _mm512_maskz_compress_epi32(found, ids));
        _mm512_storeu_ps(query.estimates + kept, _mm512_maskz_compress_ps(found, estimates));
        kept += __builtin_popcount(found);
    }
    query.count = kept;
}

// What candidates go through, with the gathers and compressing stores of AVX-512: included like certify_common.h.

// Test (3) of the 16 rows of a panel.
struct RowTest {
    RowTest(const Panels& panels, std::uint32_t panel, const float* row_excess)
        : scale(_mm512_loadu_ps(panels.scale + 16 * panel)),
          radius(_mm512_loadu_ps(panels.radius + 16 * panel)),
          excess(_mm512_loadu_ps(row_excess)) {}

    __m512 estimate(__m512i total, const Candidates& query) const {
        return _mm512_fnmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total), scale), _mm512_set1_ps(query.slope), excess);
    }
    __mmask16 passed(__m512 estimate, const Candidates& query) const {
        return _mm512_cmp_ps_mask(_mm512_fmsub_ps(_mm512_set1_ps(query.reach), radius, estimate),
                                  _mm512_set1_ps(query.cutoff), _CMP_GE_OQ);
    }

    const __m512 scale, radius, excess;
};

// Appends those of a panel's rows that passed.
inline void append(Candidates& query, std::uint32_t panel, __mmask16 passed, __m512 estimates) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i ids = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(16 * panel)));
    _mm512_storeu_si512(query.ids + query.count, _mm512_maskz_compress_epi32(passed, ids));
    _mm512_storeu_ps(query.estimates + query.count, _mm512_maskz_compress_ps(passed, estimates));
    query.count += __builtin_popcount(passed);
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

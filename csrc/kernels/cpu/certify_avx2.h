// What candidates go through by AVX2, which neither gathers fast nor compresses: included like certify_common.h.

constexpr int kGroup = 16;

// For each set of eight lanes, their numbers side by side.
struct LaneTable {
    constexpr LaneTable() {
        for (int set = 0; set < 256; ++set) {
            int held = 0;
            for (int lane = 0; lane < 8; ++lane) {
                if ((set >> lane & 1) != 0) lanes[set][held++] = static_cast<std::uint8_t>(lane);
            }
        }
    }
    alignas(64) std::uint8_t lanes[256][8] = {};
};
constexpr LaneTable kLanesOf;

// Puts those of eight candidates that are set in `passed` behind the query's last; eight are written.
inline void append(Candidates& query, __m256i ids, __m256 estimates, unsigned passed) {
    const __m256i lanes =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kLanesOf.lanes[passed])));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(query.ids + query.count), _mm256_permutevar8x32_epi32(ids, lanes));
    _mm256_storeu_ps(query.estimates + query.count, _mm256_permutevar8x32_ps(estimates, lanes));
    query.count += __builtin_popcount(passed);
}

// Test (3) of eight rows of a panel.
struct RowTest {
    RowTest(const Panels& panels, std::int64_t row, const float* row_excess)
        : scale(_mm256_loadu_ps(panels.scale + row)),
          radius(_mm256_loadu_ps(panels.radius + row)),
          excess(_mm256_loadu_ps(row_excess)) {}

    __m256 estimate(__m256i total, const Candidates& query) const {
        return _mm256_fnmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(total), scale), _mm256_set1_ps(query.slope), excess);
    }
    unsigned passed(__m256 estimate, const Candidates& query) const {
        const __m256 bound = _mm256_fmsub_ps(_mm256_set1_ps(query.reach), radius, estimate);
        return static_cast<unsigned>(
            _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(query.cutoff), _CMP_GE_OQ)));
    }

    __m256 scale, radius, excess;
};

// Appends those of a panel's rows that passed.
inline void append(Candidates& query, std::uint32_t panel, unsigned passed, const float* estimates) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i ids = _mm256_add_epi32(lane, _mm256_set1_epi32(static_cast<int>(kGroup * panel)));
    append(query, ids, _mm256_loadu_ps(estimates), passed & 0xff);
    append(query, _mm256_add_epi32(ids, _mm256_set1_epi32(8)), _mm256_loadu_ps(estimates + 8), passed >> 8);
}

// Loads by themselves: microcode against data sampling makes a gather slower than they are.
inline __m256 radii_of(const std::uint32_t* ids, const float* radius) {
    return _mm256_setr_ps(radius[ids[0]], radius[ids[1]], radius[ids[2]], radius[ids[3]], radius[ids[4]],
                          radius[ids[5]], radius[ids[6]], radius[ids[7]]);
}

float widest(const Candidates& query, float bound, const float* radius) {
    __m256 widest = _mm256_setzero_ps();
    std::int32_t i = 0;
    for (; i + 8 <= query.count; i += 8) {
        const __m256 within = _mm256_cmp_ps(_mm256_loadu_ps(query.estimates + i), _mm256_set1_ps(bound), _CMP_LE_OQ);
        widest = _mm256_max_ps(widest, _mm256_and_ps(within, radii_of(query.ids + i, radius)));
    }
    alignas(32) float all[8];
    _mm256_store_ps(all, widest);
    float largest = 0;
    for (const float one : all) largest = one > largest ? one : largest;
    for (; i < query.count; ++i) {
        const float counted = query.estimates[i] <= bound ? radius[query.ids[i]] : 0.0f;
        largest = counted > largest ? counted : largest;
    }
    return largest;
}

void filter(Candidates& query, const float* radius) {
    const std::int32_t count = query.count;
    const __m256 reach = _mm256_set1_ps(query.reach), cutoff = _mm256_set1_ps(query.cutoff);
    std::int32_t i = 0;
    query.count = 0;
    for (; i + 8 <= count; i += 8) {
        const __m256i ids = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.ids + i));
        const __m256 estimates = _mm256_loadu_ps(query.estimates + i);
        const __m256 bound = _mm256_fmsub_ps(reach, radii_of(query.ids + i, radius), estimates);
        append(query, ids, estimates,
               static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(bound, cutoff, _CMP_GE_OQ))));
    }
    for (; i < count; ++i) {
        const std::uint32_t id = query.ids[i];
        const float estimate = query.estimates[i];
        query.ids[query.count] = id;
        query.estimates[query.count] = estimate;
        query.count += query.reach * radius[id] - estimate >= query.cutoff ? 1 : 0;
    }
}

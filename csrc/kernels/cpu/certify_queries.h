// Queries as most tiles read them: [steps][count][4 bytes]. Included like certify_common.h.

std::int64_t query_bytes(std::int64_t count, std::int64_t steps) { return count * steps * 4; }

void store_query(const std::uint8_t* query, std::int64_t steps, std::int64_t place, std::int64_t count,
                 std::int8_t* out) {
    for (std::int64_t t = 0; t < steps; ++t) std::memcpy(out + (t * count + place) * 4, query + t * 4, 4);
}

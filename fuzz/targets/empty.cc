// Does nothing, on the same inputs as open_raw: what engine and mutator cost, to measure against.

#include "fuzz/target.h"

namespace fsqlshm::fuzz {

constinit const Target kTarget = {
    .name = "empty",
    .description = "nothing: what engine and mutator cost",
    .max_size = 512,
    .run = [](Bytes) -> std::optional<Failure> { return std::nullopt; },
    .mutate = mutate_header,
    .cross = cross_headers,
    .weight = 0,
};

}  // namespace fsqlshm::fuzz

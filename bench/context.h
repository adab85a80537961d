// What the programs say of themselves in their results.

#ifndef FSQLSHM_BENCH_CONTEXT_H_
#define FSQLSHM_BENCH_CONTEXT_H_

#include <nlohmann/json.hpp>

namespace fsqlshm::bench {

/// compiler, build_type, cpus, pinned.
[[nodiscard]] nlohmann::json context();

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_CONTEXT_H_

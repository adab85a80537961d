// The functions of fsqlshm.h, of this library and of the shared object that is measured beside it.

#ifndef FSQLSHM_BENCH_C_FUNCTIONS_H_
#define FSQLSHM_BENCH_C_FUNCTIONS_H_

#include <string>

#include "fsqlshm.h"
#include "harness/subject.h"
#include "subject.h"

namespace fsqlshm::bench {

/// This library's.
[[nodiscard]] harness::SubjectFunctions our_functions();

[[nodiscard, gnu::always_inline]] inline Triple to_triple(const fsqlshm_snapshot& found) noexcept {
  return {found.commit_seq, found.schema_epoch, found.ecs_epoch};
}

/// A file's name as a fact, which has neither spaces nor slashes nor equals signs.
[[nodiscard]] std::string fact(std::string name);

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_C_FUNCTIONS_H_

// Errors as values of C, and back.

#ifndef FSQLSHM_SRC_C_ERROR_H_
#define FSQLSHM_SRC_C_ERROR_H_

#include <utility>

#include "fsqlshm.h"
#include "fsqlshm/error.h"

namespace fsqlshm::c_interface {

/// c_error.cc states it for each code.
[[nodiscard]] constexpr fsqlshm_code to_c(ShmErrorCode code) noexcept {
  return static_cast<fsqlshm_code>(std::to_underlying(code) + 1);
}

/// Describes `problem` in *error, if that is asked for.
inline fsqlshm_code report(const ShmError& problem, fsqlshm_error* error) noexcept {
  const fsqlshm_code code = to_c(problem.code());
  if (error != nullptr) {
    *error = {
        .code = code, .reserved = 0, .found = problem.found(), .expected = problem.expected()};
  }
  return code;
}

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_ERROR_H_

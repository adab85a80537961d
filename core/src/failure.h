// Short ways to fail.

#ifndef FSQLSHM_SRC_FAILURE_H_
#define FSQLSHM_SRC_FAILURE_H_

#include <cerrno>
#include <cstdint>
#include <expected>

#include "fsqlshm/error.h"

namespace fsqlshm::internal {

using Code = ShmErrorCode;

inline std::unexpected<ShmError> failure(Code code, std::uint64_t found,
                                         std::uint64_t expected = 0) {
  return std::unexpected(ShmError(code, found, expected));
}
/// With `error`, an errno, as what was found.
inline std::unexpected<ShmError> failure_errno(Code code, int error = errno) {
  return failure(code, static_cast<std::uint64_t>(error));
}

/// The same error, of the lock file.
inline std::unexpected<ShmError> failure_of_lock_file(const ShmError& error) {
  return failure(error.code(), error.found(), kOfLockFile);
}

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_FAILURE_H_

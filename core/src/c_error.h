// Errors as values of C, and back.

#ifndef FSQLSHM_SRC_C_ERROR_H_
#define FSQLSHM_SRC_C_ERROR_H_

#include <cxxabi.h>

#include <expected>
#include <new>
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

/// The same for a code that the library does not have.
inline fsqlshm_code report(fsqlshm_code code, fsqlshm_error* error) noexcept {
  if (error != nullptr) *error = {.code = code, .reserved = 0, .found = 0, .expected = 0};
  return code;
}

inline fsqlshm_code report(const std::expected<void, ShmError>& outcome,
                           fsqlshm_error* error) noexcept {
  return outcome ? FSQLSHM_OK : report(outcome.error(), error);
}

/// What `body` returns; exceptions become codes. But for the unwinding of a thread that is cancelled or
/// calls pthread_exit in a callback, which must not be stopped.
template <class Body>
fsqlshm_code without_exceptions(fsqlshm_error* error, const Body& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return report(FSQLSHM_NO_MEMORY, error);
#ifdef __GLIBCXX__  // others do not name it; docs/machines.md says what libc++ does
  } catch (const abi::__forced_unwind&) {
    throw;
#endif
  } catch (...) {
    return report(FSQLSHM_UNEXPECTED, error);
  }
}

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_ERROR_H_

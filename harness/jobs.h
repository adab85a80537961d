// Pieces of work in processes side by side.

#ifndef FSQLSHM_HARNESS_JOBS_H_
#define FSQLSHM_HARNESS_JOBS_H_

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <string>

namespace fsqlshm::harness {

/// The processors that this process may run on, at least 1.
[[nodiscard]] unsigned processors() noexcept;

inline constexpr unsigned kMostJobs = 1024;  ///< that a person may ask for

/// The bytes that a piece of work made. The error is a clause for a person: "died of signal 11".
using Made = std::expected<std::string, std::string>;

struct Jobs {
  std::size_t count = 0;  ///< pieces of work, with the numbers 0 to count - 1
  unsigned at_once = 1;   ///< processes at most, at least 1
  /// Makes a piece. Runs in a child process, which is forked when the piece's turn has come.
  std::function<std::string(std::size_t number)> work;
  /// Gets what was made, in the order of the numbers.
  std::function<void(std::size_t number, Made made)> done;
  /// Asked some fifty times a second. False ends all: children get SIGTERM, which they may handle, and
  /// `patience`; then what is made is handed over, without what is not.
  std::function<bool()> go_on;
  std::chrono::milliseconds patience{4000};
};

/// Returns when all is done or was ended; then no child is left. A child that dies, or that throws,
/// is an error of its piece. Throws std::system_error if the system has no process or memory for one.
void run(const Jobs& jobs);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_JOBS_H_

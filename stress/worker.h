// A worker process: maps the file once and runs several threads in their roles, until it is told to
// stop or killed.

#ifndef FSQLSHM_STRESS_WORKER_H_
#define FSQLSHM_STRESS_WORKER_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "stress/added_role.h"
#include "stress/control_block.h"

namespace fsqlshm::stress {

enum class ProtocolName : std::uint8_t { kHardened, kReference };

/// What to plant in a worker, to see that the runner finds it.
enum class Plant : std::uint8_t { kNone, kDataRace, kCrash, kHang, kViolation };

struct WorkerConfig {
  ProtocolName protocol = ProtocolName::kHardened;
  std::filesystem::path file;
  std::filesystem::path gc_lock;  ///< a file whose lock makes gc movers take turns
  std::filesystem::path reports;  ///< where TSan writes to; its pid is appended
  std::array<unsigned, kRoles> threads = {1, 2, 1, 1, 1, 1, 1, 1};  ///< of each role
  std::vector<AddedRole> added = added_roles();
  std::uint64_t seed = 0;
  std::uint64_t publish_rate = 10'000;  ///< a second, of all publishers together; 0: no limit
  std::uint64_t perturb = 128;          ///< disturb one operation in so many; 0: none
  bool verify = true;                   ///< false: readers only read, to measure what checks cost
  Plant plant = Plant::kNone;
};

/// Threads of one worker; at most kMaxThreads.
[[nodiscard]] std::size_t thread_count(const WorkerConfig& config);

/// Exit status of a worker under TSan that found a race.
inline constexpr int kTsanExitStatus = 66;
/// Exit status of a worker that could not open the file.
inline constexpr int kWorkerOpenFailed = 3;

/// The life of a worker, from just after the fork.
[[noreturn]] void run_worker(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                             std::uint64_t incarnation);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_WORKER_H_

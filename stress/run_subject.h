// What a run attacks, as its parent deals with it: a file with one of our protocols, or a header of a shared object.

#ifndef FSQLSHM_STRESS_RUN_SUBJECT_H_
#define FSQLSHM_STRESS_RUN_SUBJECT_H_

#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "fsqlshm/shm_file.h"
#include "harness/guarded.h"
#include "harness/result.h"
#include "stress/describe.h"
#include "stress/subject_file.h"

namespace fsqlshm::stress {

/// Thread safety: the parent alone. What a subject does in a call is a finding, never the parent's end.
class RunSubject {
 public:
  RunSubject() = default;
  RunSubject(const RunSubject&) = delete;
  RunSubject& operator=(const RunSubject&) = delete;
  virtual ~RunSubject() = default;

  [[nodiscard]] virtual HeaderBytes header_bytes() const = 0;
  [[nodiscard]] virtual Liveness liveness() const = 0;
  /// Whether a lease protects also an owner whose process is gone.
  [[nodiscard]] virtual bool leases_outlive_processes() const = 0;
  /// Sets what a finding counts as, and takes its defect away if that is not one of this subject's.
  virtual void classify(harness::Finding& finding) const = 0;

  /// Puts `first` in force, before there are workers. Throws std::runtime_error if it cannot run at all.
  [[nodiscard]] virtual std::optional<harness::Finding> publish_first(const ShmSnapshot& first) = 0;
  /// Readers that wait for a publisher that is dead are let go, so that their workers can stop.
  [[nodiscard]] virtual std::optional<harness::Finding> let_readers_go() = 0;

  /// What a newcomer sees of it: the snapshot, and whether its check finds the indicator free.
  struct Look {
    std::optional<ShmSnapshot> snapshot;
    bool free = false;
  };
  [[nodiscard]] virtual std::expected<Look, harness::Finding> look(std::uint64_t now) = 0;
  /// As in operations.h.
  [[nodiscard]] virtual std::expected<std::string, harness::Finding> newcomer_trouble(
      std::uint64_t now) = 0;

  /// A thread of a worker was in a call that did not return.
  [[nodiscard]] virtual harness::Finding did_not_return(
      const harness::GuardedFailure& failure) const = 0;
  [[nodiscard]] virtual std::optional<harness::Finding> wrote_outside() const = 0;
};

/// REQUIRES: `file` outlives it; it lies at `path`.
[[nodiscard]] std::unique_ptr<RunSubject> run_on_file(const ShmFile& file,
                                                      const std::filesystem::path& path,
                                                      bool reference);
/// REQUIRES: `ground` outlives it.
[[nodiscard]] std::unique_ptr<RunSubject> run_on_subject(const SubjectGround& ground);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUN_SUBJECT_H_

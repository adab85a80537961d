// Whether a subject remembers anything outside of its header: all processes of a scenario are threads of
// one process here, and would share it.

#ifndef FSQLSHM_STRESS_STEP_SUBJECT_STATE_H_
#define FSQLSHM_STRESS_STEP_SUBJECT_STATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fsqlshm::step {

/// The writable memory of the shared object that a function is in: its variables, those of the running
/// thread included.
class SubjectState {
 public:
  explicit SubjectState(const void* function);

  void remember() { remembered_ = checksum(); }
  /// Whether it changed since then.
  [[nodiscard]] bool changed() const { return remembered_ != 0 && checksum() != remembered_; }

 private:
  [[nodiscard]] std::uint64_t checksum() const;

  std::vector<std::span<const std::byte>> memory_;
  std::uint64_t remembered_ = 0;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_SUBJECT_STATE_H_

// Another process, and a system that fails: what disturbs opening and creating a file.

#ifndef FSQLSHM_FUZZ_INTERFERER_H_
#define FSQLSHM_FUZZ_INTERFERER_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "fuzz/file_input.h"
#include "harness/system_calls.h"

namespace fsqlshm::fuzz {

/// Fails system calls as the plan says, and remembers what happened.
class Interferer {
 public:
  enum class Task : std::uint8_t { kOpen, kCreate, kOpenOrCreate };

  /// `path` is what the task opens or creates, `foreign` the file that another process puts there,
  /// `creation` whether the plan's entries for a creation apply.
  Interferer(Task task, bool creation, const Plan& plan, const std::filesystem::path& path,
             const std::filesystem::path& foreign)
      : task_(task), creation_(creation), plan_(plan), path_(path), foreign_file_(foreign) {}

  /// As long as the result lives, this thread's system calls are interfered with.
  [[nodiscard]] harness::ScopedBeforeCall interfere() {
    return harness::ScopedBeforeCall([this](const char* call) { return before(call); });
  }

  [[nodiscard]] Task task() const { return task_; }
  /// Whether a call failed that the task cannot do without.
  [[nodiscard]] bool must_fail() const { return must_fail_; }
  [[nodiscard]] bool failed_any() const { return !failures_.empty(); }
  /// Whether one of the failures explains this error.
  [[nodiscard]] bool explains(const ShmError& error) const;
  /// How often a look at a name was answered with ENOENT. open_or_create may then make a file, and
  /// ask for the state to do so, before it sees that there is one.
  [[nodiscard]] std::uint64_t hidden() const;
  /// How often the task may have begun again, and asked for the state once more: for each such
  /// answer, and each time that the name of a new file was taken.
  [[nodiscard]] std::uint64_t restarts() const;
  /// The calls that failed, for a person.
  [[nodiscard]] std::string failures() const;
  /// Whether space was asked for.
  [[nodiscard]] bool reserved() const { return reserved_; }
  /// Whether another process's file has or had the name, or a FIFO; whether the file was truncated.
  [[nodiscard]] bool foreign() const { return foreign_; }
  [[nodiscard]] bool is_fifo() const { return fifo_; }
  [[nodiscard]] bool truncated() const { return truncated_; }
  [[nodiscard]] bool disturbed() const { return foreign_ || fifo_ || truncated_; }
  /// Names that could not be removed.
  [[nodiscard]] std::size_t left_behind() const { return left_behind_; }

 private:
  struct Failed {
    std::string call;
    int error;
  };

  [[nodiscard]] int before(std::string_view call);
  void take_the_name();

  Task task_;
  bool creation_;
  const Plan& plan_;
  const std::filesystem::path& path_;
  const std::filesystem::path& foreign_file_;
  std::size_t count_ = 0;
  std::vector<Failed> failures_{};
  bool must_fail_ = false;
  bool reserved_ = false;
  bool foreign_ = false;
  bool fifo_ = false;
  bool truncated_ = false;
  std::size_t left_behind_ = 0;
};

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_INTERFERER_H_

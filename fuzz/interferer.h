// Another process, and a system that fails: what disturbs opening and creating a file.

#ifndef FSQLSHM_FUZZ_INTERFERER_H_
#define FSQLSHM_FUZZ_INTERFERER_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/src/before_call.h"
#include "fsqlshm/shm_file.h"
#include "fuzz/file_input.h"

namespace fsqlshm::fuzz {

/// Fails system calls as the plan says, and knows what must come of it: the first failure that
/// nothing absorbs is the one that is reported, and after it only the draft is removed.
class Interferer {
 public:
  enum class Task : std::uint8_t { kOpen, kCreate, kOpenOrCreate };

  /// `path` is what the task opens or creates, `foreign` the file that another process puts there.
  Interferer(Task task, const Plan& plan, const std::filesystem::path& path,
             const std::filesystem::path& foreign)
      : task_(task), plan_(plan), path_(path), foreign_file_(foreign) {}

  /// As long as the result lives, this thread's system calls are interfered with.
  [[nodiscard]] internal::ScopedBeforeCall interfere() {
    return internal::ScopedBeforeCall([this](const char* call) { return before(call); });
  }

  [[nodiscard]] Task task() const { return task_; }
  /// The error that must be reported, if one must.
  [[nodiscard]] const std::optional<ShmError>& error() const { return error_; }
  /// Whether a call was made after that error that was not for tidying up.
  [[nodiscard]] bool went_on() const { return went_on_; }
  [[nodiscard]] bool creating() const { return stage_ == Stage::kCreating; }
  /// Whether space was asked for.
  [[nodiscard]] bool reserved() const { return reserved_; }
  /// Whether a finished draft got the name.
  [[nodiscard]] bool linked() const { return linked_; }
  /// Whether another process's file has the name, or a FIFO.
  [[nodiscard]] bool foreign() const { return foreign_; }
  [[nodiscard]] bool is_fifo() const { return fifo_; }
  /// Drafts that could not be removed.
  [[nodiscard]] std::size_t left_behind() const { return left_behind_; }

 private:
  enum class Stage : std::uint8_t { kLooking, kOpening, kCreating };

  [[nodiscard]] int before(std::string_view call);
  void follow(std::string_view call);
  void fail(std::string_view call, int error);
  [[nodiscard]] bool absorbs(std::string_view call, int error, bool looking) const;
  void take_the_name(std::string_view call);

  Task task_;
  const Plan& plan_;
  const std::filesystem::path& path_;
  const std::filesystem::path& foreign_file_;
  std::size_t count_ = 0;
  Stage stage_ = Stage::kCreating;
  bool missing_ = false;
  bool went_on_ = false;
  bool reserved_ = false;
  bool linked_ = false;
  bool foreign_ = false;
  bool fifo_ = false;
  std::size_t left_behind_ = 0;
  std::optional<ShmError> error_;
};

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_INTERFERER_H_

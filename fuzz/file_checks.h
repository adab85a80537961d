// What the checks of a file share: a folder, files in it, what a first opener asks the database.

#ifndef FSQLSHM_FUZZ_FILE_CHECKS_H_
#define FSQLSHM_FUZZ_FILE_CHECKS_H_

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fsqlshm/shm_file.h"
#include "fuzz/file_input.h"
#include "fuzz/file_oracle.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

// What a first opener asks the database, counted.
struct Recovery {
  explicit Recovery(FirstOpener first) : first_(first) {}

  [[nodiscard]] ShmFileOptions in(ShmFileOptions options) {
    options.trust_found_state = first_ == FirstOpener::kTrusts;
    if (first_ == FirstOpener::kRecovers || first_ == FirstOpener::kFails) {
      options.recover = [this]() -> std::expected<DurableState, ShmError> {
        ++calls;
        if (first_ == FirstOpener::kFails) {
          return std::unexpected(ShmError(ShmErrorCode::kRecoverFailed, kRecoverFailure));
        }
        return DurableState{.commit_seq = CommitSeq(kDurableCommit),
                            .schema_epoch = SchemaEpoch(kDurableSchema),
                            .ecs_epoch = kDurableEcs,
                            .next_txn_id = *TxnId::from_raw(kDurableNextId)};
      };
    }
    return options;
  }

  std::uint64_t calls = 0;

 private:
  FirstOpener first_;
};

// Makes failures of one part of the work.
inline auto failures_of(std::string_view part) {
  return [part](std::string_view what, std::string detail = {}) {
    return Failure{.property = std::string(part) + ": " + std::string(what),
                   .detail = std::move(detail)};
  };
}

/// One folder for each process, gone at its end.
[[nodiscard]] const std::filesystem::path& folder();

/// The smallest header with all its regions, made once: what another process puts in place.
const std::filesystem::path& foreign_file();

/// A file and its lock file.
void remove_both(const std::filesystem::path& path);
/// In the place of what is there, without a lock file.
void write_file(const std::filesystem::path& path, const Content& content);
/// Size and first bytes, as many as `like` has.
[[nodiscard]] bool same_file(const std::filesystem::path& path, const Content& like);
/// The same but for the atomic words. REQUIRES: `like` has a whole header.
[[nodiscard]] bool same_immutable(const std::filesystem::path& path, const Content& like);
/// As long as it lives, this process may write files of at most `most` bytes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t most);
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  struct rlimit before_ = {};
};

/// Removes drafts from the folder; how many there were.
[[nodiscard]] std::size_t remove_leftovers();

[[nodiscard]] std::optional<Failure> check_message(std::string_view subject, const ShmError& error);

/// Creates a file as the input says, and opens it again.
[[nodiscard]] std::optional<Failure> check_create(const FileInput& input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_FILE_CHECKS_H_

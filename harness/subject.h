// A subject: an implementation of the header in a shared object that exports the header part of
// fsqlshm.h, whoever wrote it, in whatever language. It is not trusted: it may lack functions, crash,
// hang, and write where it should not.

#ifndef FSQLSHM_HARNESS_SUBJECT_H_
#define FSQLSHM_HARNESS_SUBJECT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "fsqlshm.h"
#include "fsqlshm/wire_format.h"
#include "harness/program.h"
#include "harness/subject_memory.h"

namespace fsqlshm::harness {

/// The functions of a subject. Their names are those of fsqlshm.h without "fsqlshm_" and "header_".
struct SubjectFunctions {
  decltype(&::fsqlshm_header_create) create;
  decltype(&::fsqlshm_header_open) open;
  decltype(&::fsqlshm_header_to_bytes) to_bytes;
  decltype(&::fsqlshm_header_geometry) geometry;
  decltype(&::fsqlshm_header_begin_snapshot_publish) begin_snapshot_publish;
  decltype(&::fsqlshm_header_end_snapshot_publish) end_snapshot_publish;
  decltype(&::fsqlshm_header_publish_snapshot) publish_snapshot;
  decltype(&::fsqlshm_header_reconcile) reconcile;
  decltype(&::fsqlshm_header_load_consistent_snapshot) load_consistent_snapshot;
  decltype(&::fsqlshm_header_acquire_serialized_writer) acquire_serialized_writer;
  decltype(&::fsqlshm_header_release_serialized_writer) release_serialized_writer;
  decltype(&::fsqlshm_header_check_serialized_writer) check_serialized_writer;
  decltype(&::fsqlshm_header_check_serialized_writer_exclusion) check_serialized_writer_exclusion;
  decltype(&::fsqlshm_header_alloc_txn_id) alloc_txn_id;
  decltype(&::fsqlshm_header_load_commit_seq) load_commit_seq;
  decltype(&::fsqlshm_header_load_schema_epoch) load_schema_epoch;
  decltype(&::fsqlshm_header_load_ecs_epoch) load_ecs_epoch;
  decltype(&::fsqlshm_header_load_gc_horizon) load_gc_horizon;
  decltype(&::fsqlshm_header_store_gc_horizon) store_gc_horizon;

  // Optional: null if the subject has none.
  decltype(&::fsqlshm_header_try_load_consistent_snapshot) try_load_consistent_snapshot;
  decltype(&::fsqlshm_header_clear_serialized_writer) clear_serialized_writer;
};

/// Where the ten atomic words lie in a header of a subject: bytes from its start, by atomic_index.
using WordOffsets = std::array<std::size_t, kAtomicFields.size()>;

/// A subject that is loaded, and that has shown that it can make, open and show a header. Cheap to
/// copy: a shared object stays loaded until the process ends.
///
/// Thread safety: any, but for `load`, which forks.
class Subject {
 public:
  /// Loads it. What it has to say of itself is tried in a child process first, so that a crash or an
  /// endless loop there is an error too: a call that takes longer than `patience`. The error is a sentence that names
  /// the file and what is wrong: it cannot be loaded, has another interface version, lacks functions,
  /// wants more memory than there is, or keeps its words where they cannot be found.
  [[nodiscard]] static std::expected<Subject, std::string> load(
      const std::filesystem::path& file,
      std::chrono::nanoseconds patience = std::chrono::seconds(10));

  /// Its functions: subject->create(...).
  [[nodiscard]] const SubjectFunctions* operator->() const noexcept { return &functions_; }

  [[nodiscard]] const SubjectFunctions& functions() const noexcept { return functions_; }

  [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }
  /// The file's name without folders: what results and replay commands call it.
  [[nodiscard]] std::string name() const { return file_.filename().string(); }
  /// XXH3_128 of the file, 32 hexadecimal digits: what `xxhsum -H2` prints.
  [[nodiscard]] const std::string& checksum() const noexcept { return checksum_; }
  [[nodiscard]] const std::string& implementation() const noexcept { return implementation_; }

  [[nodiscard]] bool promises(fsqlshm_promise promise) const noexcept {
    return (promises_ & promise) != 0;
  }
  /// The names of what it promises: "P1 exclusion" ...
  [[nodiscard]] std::vector<std::string_view> promises() const;
  /// "D2", "D3" ...: found, they are expected.
  [[nodiscard]] const std::vector<std::string>& known_defects() const noexcept {
    return known_defects_;
  }
  /// What a finding is, if `property` (of execution.h, or any other) does not hold and the violation is
  /// that of `defect` (may be empty): "expected" for a known defect and for a property that was not
  /// promised, else "violation".
  [[nodiscard]] std::string_view severity(std::string_view property, std::string_view defect) const;

  [[nodiscard]] std::size_t header_size() const noexcept { return header_size_; }
  [[nodiscard]] std::size_t alignment() const noexcept { return alignment_; }
  [[nodiscard]] std::size_t offset_of(Field field) const noexcept {
    return offsets_[atomic_index(field)];
  }

  /// Who it is, for documents: file, checksum, implementation, promises, known_defects.
  [[nodiscard]] nlohmann::json describe() const;

 private:
  Subject() = default;

  std::filesystem::path file_;
  std::string checksum_;
  std::string implementation_;
  std::vector<std::string> known_defects_;
  std::uint64_t promises_ = 0;
  std::size_t header_size_ = 0;
  std::size_t alignment_ = 0;
  WordOffsets offsets_{};
  SubjectFunctions functions_{};
};

/// --subject PATH.so.
[[nodiscard]] Option subject_option(std::string& path);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SUBJECT_H_

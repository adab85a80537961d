// A mapped file without its operations: what ShmFile and ReadOnlyShmFile are made of, and what tools
// ask of a file that they do not open.

#ifndef FSQLSHM_FILE_MAPPING_H_
#define FSQLSHM_FILE_MAPPING_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/shm_file_options.h"
#include "fsqlshm/words.h"

namespace fsqlshm {

namespace internal {
struct OpenFile;
}

/// The 216 bytes at the start of a file, read word by word, whatever they are: for tools that look
/// at broken headers. A file that is truncated meanwhile is an error, not a signal. Fails with
/// kFileOpen, kFileNotRegular or kTooSmall.
[[nodiscard]] std::expected<HeaderBytes, ShmError> read_header_bytes(
    const std::filesystem::path& path);

/// Bytes that a file with this geometry must have. Fails with kFileRegionsDoNotFit if a region
/// reaches into the header or into the next one, or ends beyond 2^63-1.
[[nodiscard]] std::expected<std::uint64_t, ShmError> required_size(const Geometry& geometry);

/// Whether nothing is lost by making a file with this header anew, as open_or_create does when nobody
/// has it open: it was never written, or is a damaged one of ours. A file of another kind or version
/// is not for us to replace. `problem`: why it cannot be opened.
[[nodiscard]] bool is_ruin(const HeaderBytes& header, const ShmError& problem);

/// Who has a file open for writing.
struct FileUsers {
  std::vector<ProcessIdentity> opens{};  ///< one for each open; pids as their processes see them
  bool publication_locked = false;
  bool first_opener_at_work = false;  ///< or `remove`
};

/// Asks the kernel for the locks on a file and its lock file; opens and changes nothing. Needs
/// permission to write the file. Fails with kFileOpen, kFileNotRegular or kFileLock.
[[nodiscard]] std::expected<FileUsers, ShmError> users_of(const std::filesystem::path& path);

/// The publication lock, as an object: held until its end. Dead after a move.
class [[nodiscard]] PublicationTurn {
 public:
  PublicationTurn(PublicationTurn&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
  PublicationTurn& operator=(PublicationTurn&&) = delete;
  ~PublicationTurn();

  [[nodiscard]] bool held() const noexcept { return file_ != nullptr; }

 private:
  friend class FileMapping;
  explicit PublicationTurn(internal::OpenFile* file) noexcept : file_(file) {}

  internal::OpenFile* file_;
};

/// Whether a process has the file open, as the kernel knows it: every open holds a lock that ends
/// with it, however it ends. No /proc, no clocks, no namespaces; one system call.
class KernelLiveness {
 public:
  /// What it denies is certain, so a writer that it denies is evicted before its lease ends.
  static constexpr bool kCertain = true;

  /// REQUIRES: the file outlives it.
  explicit KernelLiveness(const internal::OpenFile* file) noexcept : file_(file) {}
  [[nodiscard]] bool operator()(std::uint32_t pid, std::uint64_t birth) const noexcept;

 private:
  const internal::OpenFile* file_;
};

/// The words of a mapped file: like RawWords, on behalf of the open that they belong to.
class MappedWords : public RawWords {
 public:
  /// REQUIRES: `self` outlives it.
  MappedWords(std::uint64_t* words, const ProcessIdentity& self) noexcept
      : RawWords(words), self_(&self) {}
  [[nodiscard]] ProcessIdentity self() const noexcept { return *self_; }

 private:
  const ProcessIdentity* self_;  // a pointer alone, so that layouts stay in registers
};

static_assert(Words<MappedWords>);

/// A mapped file of either access, checked. Move-only.
class FileMapping {
 public:
  enum class Access : std::uint8_t { kReadOnly, kReadWrite };

  [[nodiscard]] static std::expected<FileMapping, ShmError> create(
      const std::filesystem::path& path, const ShmFileOptions& options);
  [[nodiscard]] static std::expected<FileMapping, ShmError> open(const std::filesystem::path& path,
                                                                 Access access,
                                                                 const ShmFileOptions& options);
  [[nodiscard]] static std::expected<FileMapping, ShmError> open_or_create(
      const std::filesystem::path& path, const ShmFileOptions& options);
  [[nodiscard]] static std::expected<void, ShmError> remove(const std::filesystem::path& path);

  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;
  ~FileMapping();

  [[nodiscard]] std::expected<void, ShmError> sync();
  [[nodiscard]] std::expected<void, ShmError> close();
  [[nodiscard]] std::expected<void, ShmError> check_file() const;

  [[nodiscard]] std::expected<PublicationTurn, ShmError> lock_publication() const;
  [[nodiscard]] std::expected<std::optional<PublicationTurn>, ShmError> try_lock_publication()
      const;
  [[nodiscard]] std::expected<std::optional<PublicationTurn>, ShmError> try_lock_publication_for(
      std::chrono::nanoseconds patience) const;
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const;

  [[nodiscard]] const ProcessIdentity& identity() const noexcept;
  [[nodiscard]] KernelLiveness liveness() const noexcept { return KernelLiveness(file_.get()); }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept;
  [[nodiscard]] const Geometry& geometry() const noexcept;
  [[nodiscard]] MappedWords words() const noexcept {
    return {reinterpret_cast<std::uint64_t*>(bytes().data()), identity()};
  }
  [[nodiscard]] HeaderBytes header_bytes() const noexcept;

 private:
  explicit FileMapping(std::unique_ptr<internal::OpenFile> file) noexcept;
  [[nodiscard]] static std::expected<FileMapping, ShmError> wrap(
      std::expected<std::unique_ptr<internal::OpenFile>, ShmError>&& file);

  std::unique_ptr<internal::OpenFile> file_;  // null only after a move
};

}  // namespace fsqlshm

#endif  // FSQLSHM_FILE_MAPPING_H_

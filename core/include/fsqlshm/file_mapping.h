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
  bool publication_locked = false;       ///< somebody publishes, or is about to
  bool first_opener_at_work = false;     ///< or `remove`
};

/// Asks the kernel for the locks on a file and its lock file; opens and changes nothing. Needs
/// permission to write the file. Fails with kFileOpen, kFileNotRegular or kFileLock.
[[nodiscard]] std::expected<FileUsers, ShmError> users_of(const std::filesystem::path& path);

/// The publication lock, as an object: held until its end. Dead after a move.
class [[nodiscard]] PublicationTurn {
 public:
  /// Takes the lock over; `other` holds nothing any more.
  PublicationTurn(PublicationTurn&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
  PublicationTurn& operator=(PublicationTurn&&) = delete;
  /// Frees the lock, if it is held.
  ~PublicationTurn();

  /// False after a move.
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
  /// False only if that open has ended.
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
  /// The open that the words belong to.
  [[nodiscard]] ProcessIdentity self() const noexcept { return *self_; }

 private:
  const ProcessIdentity* self_;  // a pointer alone, so that layouts stay in registers
};

static_assert(Words<MappedWords>);

/// A mapped file of either access, checked. Move-only.
class FileMapping {
 public:
  /// What the mapping may be used for.
  enum class Access : std::uint8_t {
    kReadOnly,   ///< a store to it is a SIGSEGV
    kReadWrite,  ///< an open that counts: it holds locks, and others wait for it
  };

  /// As BasicShmFile::create.
  [[nodiscard]] static std::expected<FileMapping, ShmError> create(
      const std::filesystem::path& path, const ShmFileOptions& options);
  /// As BasicShmFile::open, or BasicReadOnlyShmFile::open.
  [[nodiscard]] static std::expected<FileMapping, ShmError> open(const std::filesystem::path& path,
                                                                 Access access,
                                                                 const ShmFileOptions& options);
  /// As BasicShmFile::open_or_create.
  [[nodiscard]] static std::expected<FileMapping, ShmError> open_or_create(
      const std::filesystem::path& path, const ShmFileOptions& options);
  /// As BasicShmFile::remove.
  [[nodiscard]] static std::expected<void, ShmError> remove(const std::filesystem::path& path);

  /// Takes the open over; of `other` nothing may be used any more.
  FileMapping(FileMapping&& other) noexcept;
  /// Ends the open that this was, and takes the other over.
  FileMapping& operator=(FileMapping&& other) noexcept;
  /// Ends the open, and with it everything that it holds.
  ~FileMapping();

  /// As BasicShmFile::sync.
  [[nodiscard]] std::expected<void, ShmError> sync();
  /// As BasicShmFile::close.
  [[nodiscard]] std::expected<void, ShmError> close();
  /// As BasicShmFile::check_file.
  [[nodiscard]] std::expected<void, ShmError> check_file() const;

  /// As BasicShmFile::lock_publication.
  [[nodiscard]] std::expected<PublicationTurn, ShmError> lock_publication() const;
  /// As BasicShmFile::try_lock_publication.
  [[nodiscard]] std::expected<std::optional<PublicationTurn>, ShmError> try_lock_publication()
      const;
  /// As BasicShmFile::try_lock_publication_for.
  [[nodiscard]] std::expected<std::optional<PublicationTurn>, ShmError> try_lock_publication_for(
      std::chrono::nanoseconds patience) const;
  /// As BasicShmFile::publication_locked.
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const;

  /// Who this open is in the words of the header; all 0 if it is for reading.
  [[nodiscard]] const ProcessIdentity& identity() const noexcept;
  /// Whether other opens of the file live. REQUIRES: this one outlives it.
  [[nodiscard]] KernelLiveness liveness() const noexcept { return KernelLiveness(file_.get()); }
  /// The whole mapping: header and regions.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept;
  /// What the immutable fields said when the file was opened.
  [[nodiscard]] const Geometry& geometry() const noexcept;
  /// The words at the start of the mapping. REQUIRES: this one outlives them.
  [[nodiscard]] MappedWords words() const noexcept {
    return {reinterpret_cast<std::uint64_t*>(bytes().data()), identity()};
  }
  /// All 216 bytes as they are, each word read once.
  [[nodiscard]] HeaderBytes header_bytes() const noexcept;

 private:
  explicit FileMapping(std::unique_ptr<internal::OpenFile> file) noexcept;
  [[nodiscard]] static std::expected<FileMapping, ShmError> wrap(
      std::expected<std::unique_ptr<internal::OpenFile>, ShmError>&& file);

  std::unique_ptr<internal::OpenFile> file_;  // null only after a move
};

}  // namespace fsqlshm

#endif  // FSQLSHM_FILE_MAPPING_H_

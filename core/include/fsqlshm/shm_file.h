// The header in a file (foo.db.fsqlite-shm) that processes map and share.
//
//   ShmFile           create, open and map it for reading and writing
//   PublicationGuard  the publication lock, and with it the only way to publish on a mapped file
//   ReadOnlyShmFile   a mapping that cannot change the file
//
// Thread safety: a ShmFile may be used by any number of threads at the same time, but for moving,
// close and destruction. Processes each open the file for themselves: what was opened before a fork
// is not for the child, which would share the parent's lock.
//
// Invariants:
//   I1  Nobody ever finds a header in the making under the file's name: it is built aside and then
//       linked into place, whole.
//   I2  Every region that the header names lies inside the mapping.
//   I3  At most one PublicationGuard exists for a file, over all processes. The kernel frees the
//       lock when its holder dies, after the last store of that process.
//   I4  A guard that finds the sequence number odd (its last publisher died) publishes nothing
//       before it has reconciled.
//
// Not promised: anything against a process that may write to the file and means harm; it can put
// any bytes there, and by truncating the file kill a process that touches the mapping (SIGBUS).
// Network file systems: mappings of two machines are not coherent.

#ifndef FSQLSHM_SHM_FILE_H_
#define FSQLSHM_SHM_FILE_H_

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm {

struct ShmFileOptions {
  PageSize page_size{};
  std::uint32_t max_txn_slots = kDefaultMaxTxnSlots;  ///< 0 means 128
  mode_t mode = 0600;    ///< exactly these permissions, whatever the umask; see mode_of
  bool durable = false;  ///< sync the file before, and its directory after it gets its name
};

/// The permissions of `database`: what its shared-memory file should have too, so that a user
/// who may open the one may open the other. Fails with kFileOpen or kFileNotRegular.
[[nodiscard]] std::expected<mode_t, ShmError> mode_of(const std::filesystem::path& database);

/// The 216 bytes at the start of a file, read word by word, whatever they are: for tools that look
/// at broken headers. Fails with kFileOpen, kFileNotRegular, kTooSmall or kFileMap.
[[nodiscard]] std::expected<HeaderBytes, ShmError> read_header_bytes(
    const std::filesystem::path& path);

/// Bytes that a file with this geometry must have. Fails with kFileRegionsDoNotFit if a region
/// reaches into the header or into the next one, or ends beyond 2^63-1.
[[nodiscard]] std::expected<std::uint64_t, ShmError> required_size(const Geometry& geometry);

/// The lock that makes publishers take turns: a write lock on byte 152 of the file (the first of
/// the padding, which is never written), held by the open file description (fcntl(2), F_OFD_SETLK).
/// Such a lock belongs to all threads that share the description, so these take turns first. A lock
/// that one thread took another may give back.
class PublicationLock {
 public:
  static constexpr off_t kOffset = offsets::kPadding;

  explicit PublicationLock(int fd) noexcept;

  /// Waits as long as it takes. Fails with kFileLock or kFileForked.
  [[nodiscard]] std::expected<void, ShmError> lock();
  /// False if another open of the file holds it.
  [[nodiscard]] std::expected<bool, ShmError> try_lock();
  /// False if others held it all the time. Looks again after 20 us to 1 ms.
  [[nodiscard]] std::expected<bool, ShmError> try_lock_for(std::chrono::nanoseconds patience);
  void unlock() noexcept;

 private:
  [[nodiscard]] std::optional<ShmError> forked() const noexcept;
  void end_turn() noexcept;

  std::mutex mutex_;
  std::condition_variable turn_over_;
  bool taken_ = false;  // by a thread of this process; guarded by mutex_
  int fd_;
  pid_t opener_;
};

/// A mapped file of either access, checked: what the templates below have in common.
class FileMapping {
 public:
  enum class Access : std::uint8_t { kReadOnly, kReadWrite };

  [[nodiscard]] static std::expected<FileMapping, ShmError> create(
      const std::filesystem::path& path, const ShmFileOptions& options);
  [[nodiscard]] static std::expected<FileMapping, ShmError> open(const std::filesystem::path& path,
                                                                 Access access);
  [[nodiscard]] static std::expected<FileMapping, ShmError> open_or_create(
      const std::filesystem::path& path, const ShmFileOptions& options);

  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  ~FileMapping();

  [[nodiscard]] std::expected<void, ShmError> sync();
  [[nodiscard]] std::expected<void, ShmError> close();
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const;

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }
  [[nodiscard]] PublicationLock& publication_lock() const noexcept { return *lock_; }
  [[nodiscard]] RawWords words() const noexcept {
    return RawWords(reinterpret_cast<std::uint64_t*>(bytes_.data()));
  }
  [[nodiscard]] HeaderBytes header_bytes() const noexcept;

 private:
  FileMapping(int fd, std::span<std::byte> bytes, const Geometry& geometry);
  /// Checks and maps an open file; owns `fd` from here on, also when it fails.
  [[nodiscard]] static std::expected<FileMapping, ShmError> map(int fd, Access access);

  int fd_ = -1;
  std::span<std::byte> bytes_;
  Geometry geometry_;
  std::unique_ptr<PublicationLock> lock_;  // not moved while a guard points to it
};

/// What may be done to a header through a mapping that cannot change it.
template <class Protocol, Words W = RawWords>
class ReadOnlyMappedLayout : protected BasicSharedMemoryLayout<W, Protocol> {
 protected:
  using Base = BasicSharedMemoryLayout<W, Protocol>;

 public:
  explicit ReadOnlyMappedLayout(const FileMapping& file) : Base(file.geometry(), file.words()) {}

  using Base::check_serialized_writer;
  using Base::committed_readers_bytes;
  using Base::committed_readers_offset;
  using Base::geometry;
  using Base::layout_checksum;
  using Base::load_commit_seq;
  using Base::load_consistent_snapshot;
  using Base::load_ecs_epoch;
  using Base::load_gc_horizon;
  using Base::load_schema_epoch;
  using Base::lock_table_offset;
  using Base::max_txn_slots;
  using Base::page_size;
  using Base::to_bytes;
  using Base::try_load_consistent_snapshot;
  using Base::txn_slot_offset;
  using Base::witness_offset;
};

template <class Protocol, Words W>
class PublicationGuard;

/// Everything that any process may do at any time: all but publishing.
template <class Protocol, Words W = RawWords>
class MappedLayout : public ReadOnlyMappedLayout<Protocol, W> {
  using Base = typename ReadOnlyMappedLayout<Protocol, W>::Base;
  friend PublicationGuard<Protocol, W>;

 public:
  using ReadOnlyMappedLayout<Protocol, W>::ReadOnlyMappedLayout;

  using Base::acquire_serialized_writer;
  using Base::alloc_txn_id;
  using Base::check_serialized_writer_exclusion;
  using Base::release_serialized_writer;
  using Base::store_gc_horizon;
};

/// Holds the publication lock from its making to its end.
/// REQUIRES: the file outlives it.
template <class Protocol, Words W = RawWords>
class PublicationGuard {
 public:
  /// For BasicShmFile, which took the lock.
  PublicationGuard(const FileMapping& file, std::adopt_lock_t /*locked*/)
      : layout_(file),
        lock_(&file.publication_lock()),
        found_seq_(base().words().load(Field::kSnapshotSeq, std::memory_order::acquire)) {}
  PublicationGuard(PublicationGuard&& other) noexcept
      : layout_(other.layout_),
        lock_(std::exchange(other.lock_, nullptr)),
        found_seq_(other.found_seq_) {}
  PublicationGuard& operator=(PublicationGuard&&) = delete;
  ~PublicationGuard() {
    if (lock_ != nullptr) lock_->unlock();
  }

  /// Whether the last publisher died in the middle: readers get nothing until `reconcile`.
  [[nodiscard]] bool needs_reconcile() const noexcept { return found_seq_ % 2 == 1; }

  /// Puts a triple in force. Fails with kNeedsReconcile, and does nothing, while needs_reconcile().
  [[nodiscard]] std::expected<void, ShmError> publish_snapshot(CommitSeq commit_seq,
                                                               SchemaEpoch schema_epoch,
                                                               std::uint64_t ecs_epoch) {
    if (needs_reconcile()) {
      return std::unexpected(ShmError(ShmErrorCode::kNeedsReconcile, found_seq_));
    }
    base().publish_snapshot(commit_seq, schema_epoch, ecs_epoch);
    return {};
  }

  /// Publishes what is durable and repairs an odd sequence number.
  void reconcile(CommitSeq durable_commit_seq, SchemaEpoch durable_schema_epoch,
                 std::uint64_t durable_ecs_epoch) {
    base().reconcile(durable_commit_seq, durable_schema_epoch, durable_ecs_epoch);
    found_seq_ = 0;
  }

 private:
  [[nodiscard]] typename MappedLayout<Protocol, W>::Base& base() noexcept { return layout_; }

  MappedLayout<Protocol, W> layout_;
  PublicationLock* lock_;
  std::uint64_t found_seq_;  // as found with the lock in hand; 0 once reconciled
};

/// A file that is open and mapped for reading and writing. Move-only. `W` is the seam over which
/// the protocols run; engines bring their own.
template <class Protocol, Words W = RawWords>
  requires std::constructible_from<W, RawWords>
class BasicShmFile {
 public:
  using Layout = MappedLayout<Protocol, W>;
  using Guard = PublicationGuard<Protocol, W>;

  /// Makes a new file; its space is reserved, so that a full disk is an error here and not a SIGBUS
  /// later. Fails with kFileExists, kFileNoSpace, kFileCreate, kFileSync or the errors of `open`.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> create(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    return wrap(FileMapping::create(path, options));
  }

  /// Fails with kFileOpen (`found` is the errno), kFileNotRegular, kTooSmall, the errors of
  /// SharedMemoryLayout::open, kFileRegionsDoNotFit, kFileTruncated, kFileNoSpace or kFileMap.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> open(
      const std::filesystem::path& path) {
    return wrap(FileMapping::open(path, FileMapping::Access::kReadWrite));
  }

  /// Opens the file, or makes it if it is not there. Of several processes at it one makes the file
  /// and all open the same; `options` has no say in a file that exists.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> open_or_create(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    return wrap(FileMapping::open_or_create(path, options));
  }

  /// The operations. Cheap to copy; the file must outlive it.
  [[nodiscard]] Layout layout() const { return Layout(file_); }
  [[nodiscard]] const Geometry& geometry() const noexcept { return file_.geometry(); }

  /// What lies behind the header: the regions, at their offsets minus 216.
  [[nodiscard]] std::span<std::byte> regions() const noexcept {
    return file_.bytes().subspan(kHeaderSize);
  }

  /// All 216 bytes as they are, reserved ones included, each word read once.
  [[nodiscard]] HeaderBytes header_bytes() const noexcept { return file_.header_bytes(); }

  /// Waits for the publication lock as long as it takes. A holder that was stopped keeps it. Fails
  /// with kFileLock, or kFileForked in a child of the process that opened the file.
  [[nodiscard]] std::expected<Guard, ShmError> lock_publication() const {
    const auto locked = file_.publication_lock().lock();
    if (!locked) return std::unexpected(locked.error());
    return Guard(file_, std::adopt_lock);
  }

  /// None if another open of the file holds the lock.
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> try_lock_publication() const {
    return guard(file_.publication_lock().try_lock());
  }

  /// None if others held the lock for all of `patience`.
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> try_lock_publication_for(
      std::chrono::nanoseconds patience) const {
    return guard(file_.publication_lock().try_lock_for(patience));
  }

  /// Whether another open of the file holds the publication lock.
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const {
    return file_.publication_locked();
  }

  /// Writes the file to its disk. Fails with kFileSync.
  [[nodiscard]] std::expected<void, ShmError> sync() { return file_.sync(); }

  /// Unmaps and closes; the destructor does the same but cannot say what went wrong. Fails with
  /// kFileClose.
  [[nodiscard]] std::expected<void, ShmError> close() { return file_.close(); }

 private:
  explicit BasicShmFile(FileMapping&& file) noexcept : file_(std::move(file)) {}

  [[nodiscard]] static std::expected<BasicShmFile, ShmError> wrap(
      std::expected<FileMapping, ShmError>&& file) {
    if (!file) return std::unexpected(file.error());
    return BasicShmFile(std::move(*file));
  }
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> guard(
      const std::expected<bool, ShmError>& locked) const {
    if (!locked) return std::unexpected(locked.error());
    if (!*locked) return std::optional<Guard>();
    return std::optional<Guard>(std::in_place, file_, std::adopt_lock);
  }

  FileMapping file_;
};

/// A file that is open and mapped for reading: needs no permission to write, and cannot.
template <class Protocol>
class BasicReadOnlyShmFile {
 public:
  /// Fails like BasicShmFile::open.
  [[nodiscard]] static std::expected<BasicReadOnlyShmFile, ShmError> open(
      const std::filesystem::path& path) {
    auto file = FileMapping::open(path, FileMapping::Access::kReadOnly);
    if (!file) return std::unexpected(file.error());
    return BasicReadOnlyShmFile(std::move(*file));
  }

  [[nodiscard]] ReadOnlyMappedLayout<Protocol> layout() const {
    return ReadOnlyMappedLayout<Protocol>(file_);
  }
  [[nodiscard]] const Geometry& geometry() const noexcept { return file_.geometry(); }
  [[nodiscard]] HeaderBytes header_bytes() const noexcept { return file_.header_bytes(); }
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const {
    return file_.publication_locked();
  }

 private:
  explicit BasicReadOnlyShmFile(FileMapping&& file) noexcept : file_(std::move(file)) {}
  FileMapping file_;
};

using ShmFile = BasicShmFile<HardenedProtocol>;
using ReadOnlyShmFile = BasicReadOnlyShmFile<HardenedProtocol>;

}  // namespace fsqlshm

#endif  // FSQLSHM_SHM_FILE_H_

// The header in a file (foo.db.fsqlite-shm) that processes map and share.
//
//   ShmFile           create, open and map it for reading and writing
//   PublicationGuard  the publication lock, and with it the only way to publish on a mapped file
//   ReadOnlyShmFile   a mapping that cannot change the file
//
// Beside it lies its lock file (foo.db.fsqlite-shm-lock), which is empty and stays. All locks are the
// kernel's, and end with the open that holds them: on close, exit, exec and death.
//
// Thread safety: a ShmFile may be used by any number of threads at the same time, but for moving,
// close and destruction. Processes each open the file for themselves: what was opened before a fork
// is not for the child. There, functions that can fail answer kFileForked, and any other use of the
// mapping ends the child with SIGSEGV.
//
// Invariants:
//   I1  Nobody ever finds a header in the making under the file's name, not after a power loss
//       either: it is built and synced aside and then gets its name, whole.
//   I2  Every region that the header names lies inside the mapping.
//   I3  At most one PublicationGuard exists for a file, over all processes. The kernel frees the
//       lock when its holder dies, after the last store of that process.
//   I4  A guard that finds the sequence number odd (its last publisher died) publishes nothing
//       before it has reconciled.
//   I5  Nobody uses a file whose state was not established, by the first who opened it, since the
//       last time that nobody had it open (ShmFileOptions::recover).
//   I6  All who have the file open have the same file, under its name: one that was removed, replaced
//       or truncated is refused at the next open, and at the next guard some milliseconds later.
//
// Not promised: anything against a process that may write to the file and means harm; it can put
// any bytes there, and by truncating the file kill a process that touches the mapping (SIGBUS).
// Opening a file and read_header_bytes touch no mapping. That a triple was published and not made up
// cannot be told in this format. Processes with other implementations cannot share the file: they
// know nothing of these locks. Network file systems: mappings of two machines are not coherent. A full
// disk, where a write to space that was reserved takes new space: ZFS, btrfs after a snapshot or in
// mixed block groups; it kills who touches the mapping. On overlayfs, a reader that trusts a state that
// it finds in a lower layer keeps that file when the first writer copies it up.

#ifndef FSQLSHM_SHM_FILE_H_
#define FSQLSHM_SHM_FILE_H_

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "fsqlshm/error.h"
#include "fsqlshm/file_mapping.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/shm_file_options.h"

namespace fsqlshm {

/// What may be done to a header through a mapping that cannot change it.
template <class Protocol, Words W = MappedWords>
class ReadOnlyMappedLayout : protected BasicSharedMemoryLayout<W, Protocol> {
 protected:
  /// The operations that this one lets through.
  using Base = BasicSharedMemoryLayout<W, Protocol>;

 public:
  /// REQUIRES: `file` outlives it.
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
template <class Protocol, Words W = MappedWords>
class MappedLayout : public ReadOnlyMappedLayout<Protocol, W> {
  using Base = typename ReadOnlyMappedLayout<Protocol, W>::Base;
  friend PublicationGuard<Protocol, W>;

 public:
  /// REQUIRES: `file` outlives it.
  explicit MappedLayout(const FileMapping& file)
      : ReadOnlyMappedLayout<Protocol, W>(file), liveness_(file.liveness()) {}

  using Base::alloc_txn_id;
  using Base::clear_serialized_writer;
  using Base::release_serialized_writer;
  using Base::store_gc_horizon;

  /// Makes `id` the serialized writer, on behalf of this open of the file: it loses the indicator
  /// when this open ends. False if there is a writer already, be it dead or alive.
  /// `lease_expiry_epoch_secs` is in seconds since the epoch, 0 for none.
  /// REQUIRES: `id` was not used here before.
  [[nodiscard]] bool acquire_serialized_writer(TxnId id, std::uint64_t lease_expiry_epoch_secs) {
    const ProcessIdentity self = this->words().self();
    return Base::acquire_serialized_writer(id, self.pid, self.birth, lease_expiry_epoch_secs);
  }

  /// Whether a concurrent writer may proceed. A stale serialized writer is cleared: one whose lease
  /// has run out (now >= expiry), or whose open of the file has ended.
  [[nodiscard]] Exclusion check_serialized_writer_exclusion(std::uint64_t now_epoch_secs) {
    return Base::check_serialized_writer_exclusion(now_epoch_secs, liveness_);
  }

 private:
  KernelLiveness liveness_;
};

/// Holds the publication lock from its making to its end. After a move nothing can be published
/// with the guard that was moved from.
/// REQUIRES: the file outlives it.
template <class Protocol, Words W = MappedWords>
class PublicationGuard {
 public:
  /// For BasicShmFile.
  PublicationGuard(const FileMapping& file, PublicationTurn turn)
      : layout_(file),
        turn_(std::move(turn)),
        found_seq_(base().words().load(Field::kSnapshotSeq, std::memory_order::acquire)) {}
  /// Takes the lock over; `other` holds nothing any more.
  PublicationGuard(PublicationGuard&& other) noexcept
      : layout_(other.layout_),
        turn_(std::move(other.turn_)),
        found_seq_(std::exchange(other.found_seq_, kRefuse)) {}
  PublicationGuard& operator=(PublicationGuard&&) = delete;

  /// Whether the last publisher died in the middle: readers get nothing until `reconcile`.
  [[nodiscard]] bool needs_reconcile() const noexcept { return found_seq_ % 2 == 1; }

  /// Puts a triple in force. Fails, and does nothing, with kNeedsReconcile while needs_reconcile(),
  /// and with kGuardMoved if this guard was moved from.
  [[nodiscard]] std::expected<void, ShmError> publish_snapshot(CommitSeq commit_seq,
                                                               SchemaEpoch schema_epoch,
                                                               std::uint64_t ecs_epoch) {
    if (needs_reconcile()) [[unlikely]] {
      return std::unexpected(turn_.held() ? ShmError(ShmErrorCode::kNeedsReconcile, found_seq_)
                                          : ShmError(ShmErrorCode::kGuardMoved));
    }
    // A copy, which no store can change: else each would look up again where the words are.
    auto layout = base();
    layout.publish_snapshot(commit_seq, schema_epoch, ecs_epoch);
    return {};
  }

  /// The same on behalf of the serialized writer `writer`. Fails with kFenced if that is not the
  /// writer any more: a writer that was evicted before this call publishes nothing, and what it
  /// publishes comes before all that its successor publishes.
  [[nodiscard]] std::expected<void, ShmError> publish_snapshot(CommitSeq commit_seq,
                                                               SchemaEpoch schema_epoch,
                                                               std::uint64_t ecs_epoch,
                                                               TxnId writer) {
    const auto holder = layout_.check_serialized_writer();
    if (turn_.held() && holder != writer) {
      return std::unexpected(
          ShmError(ShmErrorCode::kFenced, holder ? holder->get() : 0, writer.get()));
    }
    return publish_snapshot(commit_seq, schema_epoch, ecs_epoch);
  }

  /// Publishes what is durable and repairs an odd sequence number. Fails with kGuardMoved.
  [[nodiscard]] std::expected<void, ShmError> reconcile(CommitSeq durable_commit_seq,
                                                        SchemaEpoch durable_schema_epoch,
                                                        std::uint64_t durable_ecs_epoch) {
    if (!turn_.held()) return std::unexpected(ShmError(ShmErrorCode::kGuardMoved));
    base().reconcile(durable_commit_seq, durable_schema_epoch, durable_ecs_epoch);
    found_seq_ = 0;
    return {};
  }

 private:
  [[nodiscard]] typename MappedLayout<Protocol, W>::Base& base() noexcept { return layout_; }

  static constexpr std::uint64_t kRefuse = 1;

  MappedLayout<Protocol, W> layout_;
  PublicationTurn turn_;
  // As found with the lock in hand; 0 once reconciled; odd after a move, so that one test on the way
  // to a publish finds both reasons to refuse it.
  std::uint64_t found_seq_;
};

/// A file that is open and mapped for reading and writing. Move-only. `W` is the seam over which
/// the protocols run; engines bring their own.
template <class Protocol, Words W = MappedWords>
  requires std::constructible_from<W, MappedWords>
class BasicShmFile {
 public:
  /// The operations of this file.
  using Layout = MappedLayout<Protocol, W>;
  /// The publication lock of this file.
  using Guard = PublicationGuard<Protocol, W>;

  /// Makes a new file; its space is reserved, so that a full disk is an error here and not a SIGBUS
  /// later. Fails with kFileExists, kFileNoSpace, kFileCreate, kFileOwner, kFileSync or the errors of
  /// `open`.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> create(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    return wrap(FileMapping::create(path, options));
  }

  /// Waits while a first opener establishes the state. Fails with kFileOpen (`found` is the errno),
  /// kFileNotRegular, kTooSmall, the errors of SharedMemoryLayout::open, kFileRegionsDoNotFit,
  /// kFileTruncated, kFileNoSpace, kFileMap or kFileLock; with kNeedsRecovery or the error of
  /// `options.recover` for the first; with kFileReplaced or kFileInUse if others have another file
  /// or another lock file open under these names; with kFileCreate, kFileOwner or kFileSync if there
  /// is no lock file and none can be made.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> open(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    return wrap(FileMapping::open(path, FileMapping::Access::kReadWrite, options));
  }

  /// Opens the file, or makes it if it is not there. Of several processes at it one makes the file
  /// and all open the same; what `options` says of a new file has no say in one that exists. Nobody
  /// has it open and its header is damaged or blank: then it is made anew. Fails as open and create do.
  [[nodiscard]] static std::expected<BasicShmFile, ShmError> open_or_create(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    return wrap(FileMapping::open_or_create(path, options));
  }

  /// Deletes a file that nobody has open, and its lock file. Fails with kFileInUse, kFileOpen,
  /// kFileNotRegular or kFileLock; with kFileCreate, kFileOwner or kFileSync as `open` does.
  [[nodiscard]] static std::expected<void, ShmError> remove(const std::filesystem::path& path) {
    return FileMapping::remove(path);
  }

  /// The operations. Cheap to copy; the file must outlive it.
  [[nodiscard]] Layout layout() const { return Layout(file_); }
  /// What the immutable fields said when the file was opened.
  [[nodiscard]] const Geometry& geometry() const noexcept { return file_.geometry(); }

  /// What lies behind the header: the regions, at their offsets minus 216.
  [[nodiscard]] std::span<std::byte> regions() const noexcept {
    return file_.bytes().subspan(kHeaderSize);
  }

  /// All 216 bytes as they are, reserved ones included, each word read once.
  [[nodiscard]] HeaderBytes header_bytes() const noexcept { return file_.header_bytes(); }

  /// Waits for the publication lock as long as it takes. A holder that was stopped keeps it. Fails
  /// with kFileLock; with kFileForked in a child of the process that opened the file; with
  /// kFileReplaced, kFileTruncated, kFileOpen or the errors of SharedMemoryLayout::open if the file
  /// is not what it was.
  [[nodiscard]] std::expected<Guard, ShmError> lock_publication() const {
    auto turn = file_.lock_publication();
    if (!turn) return std::unexpected(turn.error());
    return Guard(file_, std::move(*turn));
  }

  /// None if another open of the file holds the lock. Fails as lock_publication does.
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> try_lock_publication() const {
    return try_lock_publication_for(std::chrono::nanoseconds(0));
  }

  /// None if others held the lock for all of `patience`. Looks again after 10 us to 1 ms.
  /// Fails as lock_publication does.
  [[nodiscard]] std::expected<std::optional<Guard>, ShmError> try_lock_publication_for(
      std::chrono::nanoseconds patience) const {
    auto turn = file_.try_lock_publication_for(patience);
    if (!turn) return std::unexpected(turn.error());
    auto& held = *turn;
    if (!held) return std::optional<Guard>();
    return std::optional<Guard>(std::in_place, file_, std::move(*held));
  }

  /// Whether another open of the file holds the publication lock. Fails with kFileLock, and with
  /// kFileForked as lock_publication does.
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const {
    return file_.publication_locked();
  }

  /// Whether the name still leads to this file and the file is what it was: what a guard checks, for
  /// users who take no guard. Fails as lock_publication does.
  [[nodiscard]] std::expected<void, ShmError> check_file() const { return file_.check_file(); }

  /// Who this open is in the words of the header.
  [[nodiscard]] ProcessIdentity identity() const noexcept { return file_.identity(); }

  /// Whether other opens of the file live.
  [[nodiscard]] KernelLiveness liveness() const noexcept { return file_.liveness(); }

  /// Writes the file to its disk. Fails with kFileSync, or kFileForked as lock_publication does.
  [[nodiscard]] std::expected<void, ShmError> sync() { return file_.sync(); }

  /// Unmaps and closes; the destructor does the same but cannot say what went wrong. No call but
  /// this one may follow. Fails with kFileClose.
  [[nodiscard]] std::expected<void, ShmError> close() { return file_.close(); }

 private:
  explicit BasicShmFile(FileMapping&& file) noexcept : file_(std::move(file)) {}

  [[nodiscard]] static std::expected<BasicShmFile, ShmError> wrap(
      std::expected<FileMapping, ShmError>&& file) {
    if (!file) return std::unexpected(file.error());
    return BasicShmFile(std::move(*file));
  }

  FileMapping file_;
};

/// A file that is open and mapped for reading: needs no permission to write, and cannot.
template <class Protocol>
class BasicReadOnlyShmFile {
 public:
  /// Does not count as an open of the file for anybody else. Fails like BasicShmFile::open; with
  /// kNeedsRecovery if nobody has the file open for writing, unless `options.trust_found_state`.
  [[nodiscard]] static std::expected<BasicReadOnlyShmFile, ShmError> open(
      const std::filesystem::path& path, const ShmFileOptions& options = {}) {
    auto file = FileMapping::open(path, FileMapping::Access::kReadOnly, options);
    if (!file) return std::unexpected(file.error());
    return BasicReadOnlyShmFile(std::move(*file));
  }

  /// The operations that change nothing. Cheap to copy; the file must outlive it.
  [[nodiscard]] ReadOnlyMappedLayout<Protocol> layout() const {
    return ReadOnlyMappedLayout<Protocol>(file_);
  }
  /// What the immutable fields said when the file was opened.
  [[nodiscard]] const Geometry& geometry() const noexcept { return file_.geometry(); }
  /// All 216 bytes as they are, reserved ones included, each word read once.
  [[nodiscard]] HeaderBytes header_bytes() const noexcept { return file_.header_bytes(); }

  /// Whether the name still leads to this file and the file is what it was. Fails as BasicShmFile's does.
  [[nodiscard]] std::expected<void, ShmError> check_file() const { return file_.check_file(); }

  /// Whether anybody holds the publication lock. Fails with kFileOpen for who may only read.
  [[nodiscard]] std::expected<bool, ShmError> publication_locked() const {
    return file_.publication_locked();
  }

 private:
  explicit BasicReadOnlyShmFile(FileMapping&& file) noexcept : file_(std::move(file)) {}
  FileMapping file_;
};

/// What to use.
using ShmFile = BasicShmFile<HardenedProtocol>;
/// What to use for reading.
using ReadOnlyShmFile = BasicReadOnlyShmFile<HardenedProtocol>;

}  // namespace fsqlshm

#endif  // FSQLSHM_SHM_FILE_H_

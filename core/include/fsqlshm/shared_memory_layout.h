// The shared-memory header: its immutable geometry and the operations on its atomic words.
//
//   SharedMemoryLayout      owns the 216 bytes, for use within one process
//   SharedMemoryLayoutView  works in place on bytes that another object owns, for example a mapping
//
// Thread safety: all operations may run in any number of threads and, on a shared mapping, of
// processes, but for begin_snapshot_publish, end_snapshot_publish, publish_snapshot and reconcile:
// of these only one may run at a time. On a mapped file the publication lock sees to that.
// Moving or copying a layout needs exclusive access to it.
//
// Invariants: those of the protocols (see their headers); the geometry never changes.

#ifndef FSQLSHM_SHARED_MEMORY_LAYOUT_H_
#define FSQLSHM_SHARED_MEMORY_LAYOUT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/protocol.h"
#include "fsqlshm/types.h"
#include "fsqlshm/wire_format.h"
#include "fsqlshm/words.h"

/// The C++ interface.
namespace fsqlshm {

/// A header as it lies in a file.
using HeaderBytes = std::array<std::byte, kHeaderSize>;

/// The operations, over any implementation of the seam and either protocol. Names are those of the
/// Rust original.
template <Words W, class Protocol>
class BasicSharedMemoryLayout {
 public:
  /// Runs on words made from `arguments`; `geometry` is what their immutable fields say.
  template <class... Arguments>
  explicit BasicSharedMemoryLayout(const Geometry& geometry, Arguments&&... arguments)
      : words_(std::forward<Arguments>(arguments)...), geometry_(geometry) {}

  // --- Seqlock ------------------------------------------------------------------------------

  /// Makes the sequence number odd; readers wait from here on. An odd number, left behind by a
  /// publisher that died, stays as it is.
  /// REQUIRES: no other publisher until after end_snapshot_publish.
  void begin_snapshot_publish() { Seqlock(words_).begin(); }

  /// Adds one to the sequence number: even again.
  /// REQUIRES: begin_snapshot_publish came before.
  void end_snapshot_publish() { Seqlock(words_).end(); }

  /// Puts a triple in force. schema_epoch is stored before commit_seq, so a reader that sees a
  /// commit sees the schema it needs, also without the seqlock.
  /// REQUIRES: no other publisher.
  void publish_snapshot(CommitSeq commit_seq, SchemaEpoch schema_epoch, std::uint64_t ecs_epoch) {
    Seqlock(words_).publish({commit_seq, schema_epoch, ecs_epoch});
  }

  /// The triple in force. Spins while a publish is in progress: for ever, if the publisher died.
  /// Use try_load_consistent_snapshot where that can happen.
  [[nodiscard]] ShmSnapshot load_consistent_snapshot() const {
    while (true) {
      if (const auto snapshot = seqlock().try_load_once()) return *snapshot;
      words_.pause();
    }
  }

  /// The triple in force, or none after `attempts` attempts (at least one is made) that a publish
  /// got in the way of. One attempt takes a few nanoseconds.
  [[nodiscard]] std::optional<ShmSnapshot> try_load_consistent_snapshot(
      std::uint64_t attempts) const {
    while (true) {
      // The one object that is ever returned, so that it is never copied.
      std::optional<ShmSnapshot> snapshot = seqlock().try_load_once();
      if (snapshot || attempts <= 1) return snapshot;
      --attempts;
      words_.pause();
    }
  }

  /// After recovery: publishes what is durable, be it more or less than what the header says, and
  /// repairs a sequence number that a dead publisher left odd.
  /// REQUIRES: no other publisher.
  void reconcile(CommitSeq durable_commit_seq, SchemaEpoch durable_schema_epoch,
                 std::uint64_t durable_ecs_epoch) {
    Seqlock(words_).reconcile({durable_commit_seq, durable_schema_epoch, durable_ecs_epoch});
  }

  // --- Serialized writer --------------------------------------------------------------------

  /// Makes `id` the serialized writer; false if there is one already, be it dead or alive.
  /// `pid` and `birth` name the calling process (this_process); `lease_expiry_epoch_secs` is in
  /// seconds since the epoch, 0 for none.
  /// REQUIRES: `id` was not used here before.
  [[nodiscard]] bool acquire_serialized_writer(TxnId id, std::uint32_t pid, std::uint64_t birth,
                                               std::uint64_t lease_expiry_epoch_secs) {
    return WriterIndicator(words_).acquire(id, pid, birth, lease_expiry_epoch_secs);
  }

  /// Frees the indicator; false if `id` is not the serialized writer, for example after its
  /// eviction.
  bool release_serialized_writer(TxnId id) { return WriterIndicator(words_).release(id); }

  /// The serialized writer's id, if there is one.
  [[nodiscard]] std::optional<TxnId> check_serialized_writer() const {
    return writer_indicator().check();
  }

  /// Whether a concurrent writer may proceed. A stale serialized writer is cleared: one whose lease
  /// has run out (now >= expiry), or one without a lease whose pid and birth are set and for which
  /// alive(pid, birth) is false. `alive` must never deny a process that lives (process_alive).
  template <class Alive>
  [[nodiscard]] Exclusion check_serialized_writer_exclusion(std::uint64_t now_epoch_secs,
                                                            Alive&& alive) {
    return WriterIndicator(words_).check_exclusion(now_epoch_secs, std::forward<Alive>(alive));
  }

  /// Clears a writer that nothing can judge, for example one with a lease in milliseconds, by its
  /// `state`: what the word serialized_writer_txn_id holds. False if it holds something else, or 0.
  /// HardenedProtocol only. REQUIRES: the caller knows that who is named there is gone.
  bool clear_serialized_writer(std::uint64_t state) { return WriterIndicator(words_).clear(state); }

  // --- Counters -----------------------------------------------------------------------------

  /// A transaction id that nobody else has; none when all 2^62-1 are used up.
  [[nodiscard]] std::optional<TxnId> alloc_txn_id() { return TxnIdAllocator<W>(words_).alloc(); }

  /// One value of the snapshot by itself, not of one publish with the others. Who sees a commit sees
  /// the schema epoch that it needs.
  [[nodiscard]] CommitSeq load_commit_seq() const { return CommitSeq(load(Field::kCommitSeq)); }
  /// One value by itself; see load_commit_seq.
  [[nodiscard]] SchemaEpoch load_schema_epoch() const {
    return SchemaEpoch(load(Field::kSchemaEpoch));
  }
  /// One value by itself; see load_commit_seq.
  [[nodiscard]] std::uint64_t load_ecs_epoch() const { return load(Field::kEcsEpoch); }

  /// What was done before the horizon was stored is visible to a thread that loads it.
  [[nodiscard]] CommitSeq load_gc_horizon() const { return CommitSeq(load(Field::kGcHorizon)); }
  /// Commits before `horizon` are needed by nobody.
  void store_gc_horizon(CommitSeq horizon) {
    words_.store(Field::kGcHorizon, horizon.get(), std::memory_order::release);
  }

  // --- Geometry -----------------------------------------------------------------------------

  /// All immutable fields, as decoded once.
  [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }
  /// Of the database, in bytes.
  [[nodiscard]] PageSize page_size() const noexcept { return geometry_.page_size; }
  /// How many transaction slots the regions have.
  [[nodiscard]] std::uint32_t max_txn_slots() const noexcept { return geometry_.max_txn_slots; }
  /// Bytes from the start of the file.
  [[nodiscard]] std::uint64_t lock_table_offset() const noexcept {
    return geometry_.lock_table_offset;
  }
  /// Bytes from the start of the file.
  [[nodiscard]] std::uint64_t witness_offset() const noexcept { return geometry_.witness_offset; }
  /// Bytes from the start of the file.
  [[nodiscard]] std::uint64_t txn_slot_offset() const noexcept { return geometry_.txn_slot_offset; }
  /// Bytes from the start of the file.
  [[nodiscard]] std::uint64_t committed_readers_offset() const noexcept {
    return geometry_.committed_readers_offset;
  }
  /// Bytes of that region.
  [[nodiscard]] std::uint64_t committed_readers_bytes() const noexcept {
    return geometry_.committed_readers_bytes;
  }
  /// The checksum in the header, which `open` verified.
  [[nodiscard]] std::uint64_t layout_checksum() const noexcept { return geometry_.layout_checksum; }

  /// The header's bytes, align0 and padding zeroed. On a live header each word is read once, in the
  /// order of the wire: every word is whole, but together they are no snapshot.
  [[nodiscard]] HeaderBytes to_bytes() const {
    std::array<std::uint64_t, kHeaderWords> words{};
    encode_geometry(geometry_, words);
    for (const Field field : kAtomicFields) words[word_index(field)] = load(field);
    return std::bit_cast<HeaderBytes>(words);
  }

  /// The seam, for engines and tests.
  [[nodiscard]] W& words() noexcept { return words_; }
  /// The seam, for engines and tests.
  [[nodiscard]] const W& words() const noexcept { return words_; }

 private:
  using Seqlock = typename Protocol::template Seqlock<W>;
  using WriterIndicator = typename Protocol::template WriterIndicator<W>;

  // Protocols hold a mutable reference; their const members only load.
  [[nodiscard]] const Seqlock seqlock() const { return Seqlock(const_cast<W&>(words_)); }
  [[nodiscard]] const WriterIndicator writer_indicator() const {
    return WriterIndicator(const_cast<W&>(words_));
  }

  // An acquire load outside of the protocols: it synchronizes with the store it reads from.
  [[nodiscard]] std::uint64_t load(Field field) const {
    return words_.load(field, std::memory_order::acquire);
  }

  W words_;
  Geometry geometry_;
};

/// A layout that owns its bytes.
template <class Protocol>
class OwnedSharedMemoryLayout : public BasicSharedMemoryLayout<OwnedWords, Protocol> {
  using Base = BasicSharedMemoryLayout<OwnedWords, Protocol>;

 public:
  /// A new header: next_txn_id is 1, all other atomic words are 0; 0 slots means 128.
  explicit OwnedSharedMemoryLayout(PageSize page_size = {},
                                   std::uint32_t max_txn_slots = kDefaultMaxTxnSlots)
      : Base(Geometry::derive(page_size, max_txn_slots)) {
    this->words().store(Field::kNextTxnId, 1, std::memory_order::relaxed);
  }

  /// Reads a header from the first 216 of `bytes`, at any alignment; what follows them is ignored.
  /// Fails with kTooSmall, kBadMagic, kVersionMismatch, kInvalidPageSize or kChecksumMismatch, the
  /// first that applies. Any slot count, any offsets under a valid checksum and any atomic words
  /// are accepted: `validate` is stricter. Allocates nothing.
  /// REQUIRES: nobody writes to `bytes` meanwhile.
  [[nodiscard]] static std::expected<OwnedSharedMemoryLayout, ShmError> open(
      std::span<const std::byte> bytes) {
    if (bytes.size() < kHeaderSize) {
      return std::unexpected(ShmError(ShmErrorCode::kTooSmall, bytes.size(), kHeaderSize));
    }
    // Word by word: a wider load would straddle the fields and wait for the stores behind them.
    const auto words = ImmutableWords::read([&](std::size_t i) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i * sizeof(word), sizeof(word));
      return word;
    });
    if (!words.valid()) return std::unexpected(words.first_error());
    return std::expected<OwnedSharedMemoryLayout, ShmError>(std::in_place, words.geometry(),
                                                            bytes.template first<kHeaderSize>());
  }

  /// For `open` only: it checked `bytes`.
  OwnedSharedMemoryLayout(const Geometry& geometry, std::span<const std::byte, kHeaderSize> bytes)
      : Base(geometry, bytes) {}
};

/// A layout in place. Cheap to copy; the bytes must outlive it.
template <class Protocol>
class InPlaceSharedMemoryLayout : public BasicSharedMemoryLayout<RawWords, Protocol> {
  using Base = BasicSharedMemoryLayout<RawWords, Protocol>;

 public:
  /// Works on the first 216 of `bytes`, which may be in use by other processes: every immutable
  /// word is read atomically, and once. Fails like OwnedSharedMemoryLayout::open, and with
  /// kMisaligned. REQUIRES: `bytes` stays mapped, and writable if the layout is written to.
  [[nodiscard]] static std::expected<InPlaceSharedMemoryLayout, ShmError> open(
      std::span<std::byte> bytes) {
    if (bytes.size() < kHeaderSize) {
      return std::unexpected(ShmError(ShmErrorCode::kTooSmall, bytes.size(), kHeaderSize));
    }
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    if (const auto off = address % alignof(std::uint64_t); off != 0) {
      return std::unexpected(ShmError(ShmErrorCode::kMisaligned, off, alignof(std::uint64_t)));
    }
    const RawWords live(reinterpret_cast<std::uint64_t*>(bytes.data()));
    const auto words = ImmutableWords::read(
        [&](std::size_t i) { return live.load_word(i, std::memory_order::relaxed); });
    if (!words.valid()) return std::unexpected(words.first_error());
    return std::expected<InPlaceSharedMemoryLayout, ShmError>(std::in_place, words.geometry(),
                                                              live);
  }

 private:
  using Base::Base;
};

/// What to use within one process.
using SharedMemoryLayout = OwnedSharedMemoryLayout<HardenedProtocol>;
/// What to use on memory that processes share.
using SharedMemoryLayoutView = InPlaceSharedMemoryLayout<HardenedProtocol>;

/// Everything that is wrong with the bytes of a header that `open` accepts: fields that creation
/// would have derived otherwise, words outside of their domain, states that only a crash or foreign
/// code leaves behind. Empty if all is well. On the bytes of a live header, kSnapshotSeqOdd and
/// kGcHorizonAhead may be passing. Bytes that `open` refuses yield that one error.
[[nodiscard]] std::vector<ShmError> validate(std::span<const std::byte> bytes);

}  // namespace fsqlshm

#endif  // FSQLSHM_SHARED_MEMORY_LAYOUT_H_

// The operations of a subject in the library's types: what engines that were written for layouts of ours
// call. Operations on files are not here.

#ifndef FSQLSHM_HARNESS_SUBJECT_HEADER_H_
#define FSQLSHM_HARNESS_SUBJECT_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>

#include "fsqlshm/geometry.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/types.h"
#include "harness/guarded.h"
#include "harness/subject.h"

namespace fsqlshm::harness {

/// What surrounds the calls of a subject, so that something can happen in the middle of one.
struct CallSurroundings {
  bool (*before)();  ///< the last before the call; whether `after` is to follow
  void (*after)();
};

/// One header of a subject, in memory that is made for it. Says what it calls to `doing`, for engines
/// that run in a child (guarded.h).
///
/// Thread safety: that of the subject.
class SubjectHeader {
 public:
  /// REQUIRES: the three references outlive it. A header has to be made by `create` or `open` before other calls.
  SubjectHeader(const Subject& subject, const SubjectMemory& memory, Doing& doing,
                CallSurroundings surroundings = {}) noexcept
      : subject_(subject), memory_(memory), doing_(doing), surroundings_(surroundings) {}

  [[nodiscard]] std::expected<void, fsqlshm_error> create(std::uint32_t page_size,
                                                          std::uint32_t max_txn_slots);
  [[nodiscard]] std::expected<void, fsqlshm_error> open(std::span<const std::byte> bytes);
  [[nodiscard]] HeaderBytes to_bytes() const;
  /// The fields as they are; not even the page size need be valid.
  [[nodiscard]] fsqlshm_geometry geometry() const;

  void begin_snapshot_publish();
  void end_snapshot_publish();
  void publish_snapshot(const ShmSnapshot& next);
  void reconcile(const ShmSnapshot& durable);
  [[nodiscard]] ShmSnapshot load_consistent_snapshot() const;
  /// REQUIRES: the subject has this function.
  [[nodiscard]] std::optional<ShmSnapshot> try_load_consistent_snapshot(
      std::uint64_t attempts) const;

  bool acquire_serialized_writer(TxnId id, ProcessIdentity self, std::uint64_t lease_expiry);
  bool release_serialized_writer(TxnId id);
  /// None for 0. The subject's answer may be no id: that is 0 and above 2^62-1.
  [[nodiscard]] std::uint64_t check_serialized_writer() const;
  [[nodiscard]] fsqlshm_exclusion check_serialized_writer_exclusion(
      std::uint64_t now, ProcessIdentity self, const fsqlshm_liveness& liveness);

  [[nodiscard]] std::uint64_t alloc_txn_id();
  [[nodiscard]] std::uint64_t load_commit_seq() const;
  [[nodiscard]] std::uint64_t load_schema_epoch() const;
  [[nodiscard]] std::uint64_t load_ecs_epoch() const;
  [[nodiscard]] std::uint64_t load_gc_horizon() const;
  void store_gc_horizon(std::uint64_t horizon);

 private:
  template <class Function, class... Arguments>
  auto call(const char* name, Function function, Arguments... arguments) const;

  const Subject& subject_;
  const SubjectMemory& memory_;
  Doing& doing_;
  CallSurroundings surroundings_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SUBJECT_HEADER_H_

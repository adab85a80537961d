// The header of a subject with the interface of a layout of ours, for what was written for one: roles and races.

#ifndef FSQLSHM_STRESS_SUBJECT_LAYOUT_H_
#define FSQLSHM_STRESS_SUBJECT_LAYOUT_H_

#include <cstdint>
#include <optional>

#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/types.h"
#include "harness/guarded.h"
#include "harness/subject.h"
#include "harness/subject_header.h"
#include "stress/interruptions.h"

namespace fsqlshm::stress {

/// Says what it calls in the words of the calling thread (guarded.h). What is passed by pointer outlives it.
///
/// Thread safety: one thread; any number of layouts over one header.
class SubjectLayout {
 public:
  /// REQUIRES: the calling thread is watched. `self` and `liveness` are for the operations that do not name
  /// who calls them.
  SubjectLayout(const harness::Subject& subject, const harness::SubjectMemory& memory,
                ProcessIdentity self, const fsqlshm_liveness& liveness)
      : subject_(&subject),
        memory_(&memory),
        self_(self),
        liveness_(liveness),
        header_(subject, memory, harness::LastWords::mine()->doing, Interruptions::of_calls()) {}

  /// Makes the header anew. False if the subject does not.
  [[nodiscard]] bool create();
  [[nodiscard]] HeaderBytes to_bytes() const { return header_.to_bytes(); }
  /// An atomic word, without the subject.
  [[nodiscard]] std::uint64_t word(Field field) const { return memory_->load(*subject_, field); }

  void publish_snapshot(CommitSeq commit, SchemaEpoch schema, std::uint64_t ecs) {
    header_.publish_snapshot({commit, schema, ecs});
  }
  void reconcile(CommitSeq commit, SchemaEpoch schema, std::uint64_t ecs) {
    header_.reconcile({commit, schema, ecs});
  }
  /// A subject that has no such function is asked for the triple when its number is even: its loop would not
  /// end if the publisher is dead.
  [[nodiscard]] std::optional<ShmSnapshot> try_load_consistent_snapshot(
      std::uint64_t attempts) const;

  bool acquire_serialized_writer(TxnId id, std::uint64_t lease_expiry) {
    return header_.acquire_serialized_writer(id, self_, lease_expiry);
  }
  bool acquire_serialized_writer(TxnId id, std::uint32_t pid, std::uint64_t birth,
                                 std::uint64_t lease_expiry) {
    return header_.acquire_serialized_writer(id, {pid, birth}, lease_expiry);
  }
  bool release_serialized_writer(TxnId id) { return header_.release_serialized_writer(id); }
  [[nodiscard]] std::optional<TxnId> check_serialized_writer() const;
  [[nodiscard]] Exclusion check_serialized_writer_exclusion(std::uint64_t now);

  [[nodiscard]] std::optional<TxnId> alloc_txn_id();
  [[nodiscard]] CommitSeq load_commit_seq() const { return CommitSeq(header_.load_commit_seq()); }
  [[nodiscard]] SchemaEpoch load_schema_epoch() const {
    return SchemaEpoch(header_.load_schema_epoch());
  }
  [[nodiscard]] CommitSeq load_gc_horizon() const { return CommitSeq(header_.load_gc_horizon()); }
  void store_gc_horizon(CommitSeq horizon) { header_.store_gc_horizon(horizon.get()); }

 private:
  const harness::Subject* subject_;
  const harness::SubjectMemory* memory_;
  ProcessIdentity self_;
  fsqlshm_liveness liveness_;
  harness::SubjectHeader header_;
};

/// What a header of `subject` holds, in the wire format and without its help: the ten words as they are, and
/// the fields that creation gave it.
[[nodiscard]] HeaderBytes wire_bytes(const harness::Subject& subject,
                                     const harness::SubjectMemory& memory);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_SUBJECT_LAYOUT_H_

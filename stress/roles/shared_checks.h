// What more than one role checks.

#ifndef FSQLSHM_STRESS_ROLES_SHARED_CHECKS_H_
#define FSQLSHM_STRESS_ROLES_SHARED_CHECKS_H_

#include <optional>

#include "harness/describe.h"
#include "harness/properties/execution.h"
#include "stress/role.h"

namespace fsqlshm::stress {

inline constexpr Check kDuplicateTxnId = {
    harness::kTxnIdsUnique, "a transaction id was handed out twice", {"id"}};
inline constexpr Check kTxnIdWentBack = {
    harness::kTxnIdsAscend, "a thread got a smaller transaction id than before", {"id", "before"}};
inline constexpr Check kNoTxnId = {harness::kTxnIdsUnique,
                                   "the allocator says that all ids are used up"};

inline constexpr Check kTxnIdAhead = {harness::kTxnIdsUnique,
                                      "an id was handed out that next_txn_id has not come to",
                                      {"id", "next_txn_id"}};

/// Waits until the window of ids has moved on to `id`. False if there is nothing more to do with that.
bool wait_for_window(auto& me, std::uint64_t id) {
  while (me.control.ids.ahead(id)) {
    if (const std::uint64_t next = harness::word_at(me.layout.to_bytes(), Field::kNextTxnId);
        id >= next) {
      me.violation(kTxnIdAhead, {id, next});
      return false;
    }
    if (me.stopped()) {
      me.control.ids.post_late(id);
      return false;
    }
    // It waits, and does not hang.
    if (harness::LastWords* const words = harness::LastWords::mine()) words->doing();
    ::sched_yield();
  }
  return true;
}

/// For a role with `takes_ids`. `last` is the id that this thread took before; `count` is the index
/// of the role's count of ids.
std::optional<TxnId> take_id(auto& me, std::uint64_t& last, std::size_t count) {
  const std::optional<TxnId> id = me.layout.alloc_txn_id();
  if (!id) {
    me.violation(kNoTxnId);
    return id;
  }
  if (wait_for_window(me, id->get()) && !me.control.ids.mark(id->get())) {
    me.violation(kDuplicateTxnId, {id->get()});
  }
  if (id->get() <= last) me.violation(kTxnIdWentBack, {id->get(), last});
  last = id->get();
  me.count(count);
  return id;
}

// Of a snapshot, or of its commit_seq alone; register_log.h says why this suffices.
inline constexpr Check kReadTooOld = {
    harness::kSnapshotLinear,
    "a read returned an older snapshot than was in force when it began",
    {"returned", "oldest allowed"}};
inline constexpr Check kReadFromTheFuture = {
    harness::kSnapshotLinear,
    "a read returned a snapshot whose publish had not begun",
    {"returned", "youngest begun"}};

inline constexpr Check kInvalidHeader = {
    "valid header", "a header that validate rejects", {"error", "found", "expected"}};

/// The words of a live header are no snapshot of it: an odd number and a horizon ahead pass, and the
/// writer's words may be those of different owners.
void expect_valid(auto& me, const HeaderBytes& bytes) {
  for (const ShmError& error : validate(bytes)) {
    switch (error.code()) {
      case ShmErrorCode::kSnapshotSeqOdd:
      case ShmErrorCode::kGcHorizonAhead:
      case ShmErrorCode::kWriterUnjudgeable:
      case ShmErrorCode::kWriterLeftovers:
        break;
      default:
        me.violation(kInvalidHeader,
                     {static_cast<std::uint64_t>(error.code()), error.found(), error.expected()});
    }
  }
}

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLES_SHARED_CHECKS_H_

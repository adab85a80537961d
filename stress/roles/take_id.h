// How a role takes a transaction id: every one is marked in the log of ids.

#ifndef FSQLSHM_STRESS_ROLES_TAKE_ID_H_
#define FSQLSHM_STRESS_ROLES_TAKE_ID_H_

#include <optional>

#include "stress/role.h"

namespace fsqlshm::stress {

inline constexpr Check kDuplicateTxnId = {
    "txn ids are unique", "a transaction id was handed out twice", {"id"}};
inline constexpr Check kTxnIdWentBack = {
    "txn ids ascend", "a thread got a smaller transaction id than before", {"id", "before"}};
inline constexpr Check kNoTxnId = {"txn ids are unique",
                                   "the allocator says that all ids are used up"};

/// For a role with `takes_ids`. `last` is the id that this thread took before; `count` is the index
/// of the role's count of ids.
std::optional<TxnId> take_id(auto& me, std::uint64_t& last, std::size_t count) {
  const std::optional<TxnId> id = me.layout.alloc_txn_id();
  if (!id) {
    me.violation(kNoTxnId);
    return id;
  }
  if (!me.control.ids.mark(id->get())) me.violation(kDuplicateTxnId, {id->get()});
  if (id->get() <= last) me.violation(kTxnIdWentBack, {id->get(), last});
  last = id->get();
  me.count(count);
  return id;
}

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLES_TAKE_ID_H_

// Transaction ids: unique over all processes, handed out in ascending order.
//
// Thread safety: any number of threads and processes may allocate at the same time.
//
// Invariants:
//   I1  No id is handed out twice.
//   I2  next_txn_id never decreases and never passes 2^62: once it is there, the space is used up.
//   I3  An allocation happens-before every allocation of a larger id.

#ifndef FSQLSHM_TXN_ID_ALLOCATOR_H_
#define FSQLSHM_TXN_ID_ALLOCATOR_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "fsqlshm/words.h"

namespace fsqlshm {

/// The allocator, over any implementation of the seam.
template <Words W>
class TxnIdAllocator {
 public:
  explicit TxnIdAllocator(W& words) noexcept : words_(words) {}  ///< REQUIRES: `words` outlives it.

  /// The next id; none if the space is used up. A counter of 0, which creation never writes, is
  /// stepped over: that one call returns none.
  [[nodiscard]] std::optional<TxnId> alloc() {
    // (1) Only a guess for (2), so nothing is synchronised here.
    std::uint64_t current = words_.load(Field::kNextTxnId, std::memory_order::relaxed);
    while (current <= TxnId::kMaxRaw) {
      // (2) Synchronizes with the (2) of every smaller id: I3. A failure only refreshes the guess.
      if (words_.compare_exchange(Field::kNextTxnId, current, current + 1,
                                  std::memory_order::acq_rel, std::memory_order::relaxed)) {
        // Not by asking the expected: g++ would make this optional from it in memory, and load 16 bytes
        // behind two smaller stores, which costs as much as a third of the whole call.
        return TxnId::in_domain(current) ? std::optional(*TxnId::from_raw(current)) : std::nullopt;
      }
      // Lost to another allocation, so that one advanced.
      words_.pause();
    }
    return std::nullopt;
  }

 private:
  W& words_;
};

}  // namespace fsqlshm

#endif  // FSQLSHM_TXN_ID_ALLOCATOR_H_

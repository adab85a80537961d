// The operations whose machine code scripts/tests/code_test.py looks at, over any words.

#ifndef FSQLSHM_CORE_HOT_PATHS_OPERATIONS_H_
#define FSQLSHM_CORE_HOT_PATHS_OPERATIONS_H_

#include <cstdint>

#include "fsqlshm/protocol.h"
#include "fsqlshm/types.h"
#include "fsqlshm/words.h"

namespace fsqlshm::hot_paths {

using Protocol = HardenedProtocol;

template <Words W>
bool read(W& words, ShmSnapshot& snapshot) {
  const auto found = Protocol::Seqlock<W>(words).try_load_once();
  if (found) snapshot = *found;
  return found.has_value();
}

template <Words W>
void publish(W& words, const ShmSnapshot& next) {
  Protocol::Seqlock<W>(words).publish(next);
}

template <Words W>
std::uint64_t alloc(W& words) {
  const auto id = TxnIdAllocator<W>(words).alloc();
  return id ? id->get() : 0;
}

template <Words W>
bool acquire(W& words, TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
  return Protocol::WriterIndicator<W>(words).acquire(id, pid, birth, lease);
}

template <Words W>
bool release(W& words, TxnId id) {
  return Protocol::WriterIndicator<W>(words).release(id);
}

}  // namespace fsqlshm::hot_paths

#endif  // FSQLSHM_CORE_HOT_PATHS_OPERATIONS_H_

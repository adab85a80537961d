// Counts ids by a load and a store, and sleeps now and then in between.

#include <ctime>

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  auto* const next = reinterpret_cast<uint64_t*>(header) + 3;
  const uint64_t id = __atomic_load_n(next, __ATOMIC_ACQUIRE);
  const timespec pause = {0, 20'000};
  if (id % 16 == 0) ::nanosleep(&pause, nullptr);
  __atomic_store_n(next, id + 1, __ATOMIC_RELEASE);
  return id;
}

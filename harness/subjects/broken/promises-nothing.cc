// Hands out ids twice in 16 of 256 milliseconds, and says that it may.

#include <ctime>

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_promises() { return 0; }

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const bool again = now.tv_nsec / 16'000'000 % 16 == 0;
  return __atomic_fetch_add(reinterpret_cast<uint64_t*>(header) + 3, again ? 0 : 1,
                            __ATOMIC_ACQ_REL);
}

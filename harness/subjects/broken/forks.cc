// Forks in a call, and returns from it in both processes.

#include <unistd.h>

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  if (::fork() < 0) return 0;
  return __atomic_fetch_add(reinterpret_cast<uint64_t*>(header) + 3, 1, __ATOMIC_ACQ_REL);
}

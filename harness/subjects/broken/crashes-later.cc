// Crashes in a call, but not in the first hundred thousand of a process.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  static uint64_t calls = 0;
  if (++calls > 100000) __builtin_trap();
  return __atomic_fetch_add(reinterpret_cast<uint64_t*>(header) + 3, 1, __ATOMIC_ACQ_REL);
}

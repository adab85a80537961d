// Keeps what it knows in a variable of its own, which is another one in each process.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  static volatile uint64_t calls = 0;
  calls = calls + 1;
  return __atomic_fetch_add(reinterpret_cast<uint64_t*>(header) + 3, 1, __ATOMIC_ACQ_REL);
}

// Counts ids in steps of 2^40.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  uint64_t* const next = reinterpret_cast<uint64_t*>(header) + 3;
  return __atomic_fetch_add(next, uint64_t{1} << 40, __ATOMIC_ACQ_REL);
}

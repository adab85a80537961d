// Counts ids by an instruction that reads and writes, but is not locked.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  uint64_t* const next = reinterpret_cast<uint64_t*>(header) + 3;
  uint64_t id = 1;
  asm volatile("xadd %0, %1" : "+r"(id), "+m"(*next) : : "memory", "cc");
  return id;
}

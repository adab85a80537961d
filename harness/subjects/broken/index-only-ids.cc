// Counts ids by an instruction whose memory operand has no base register. Right, but for the last id.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  uint64_t id = 1;
  asm volatile("lock xaddq %0, 24(,%1,1)" : "+r"(id) : "r"(header) : "memory", "cc");
  return id;
}

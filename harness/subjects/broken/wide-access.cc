// Loads two words at once, which no processor promises to do in one step.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  uint64_t id = 0;
  asm volatile("movdqu 24(%1), %%xmm0\n\tmovq %%xmm0, %0"
               : "=r"(id)
               : "r"(header)
               : "xmm0", "memory");
  return id;
}

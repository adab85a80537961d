// Hands out one id for ever, and says that it does.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_promises() { return 0; }

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  reinterpret_cast<volatile uint64_t*>(header)[3] = 2;
  return 1;
}

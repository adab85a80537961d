// Never returns from a call that one race makes.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header*) {
  for (volatile bool forever = true; forever;) {
  }
  return 0;
}

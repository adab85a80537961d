// Crashes in a call.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header*) { __builtin_trap(); }

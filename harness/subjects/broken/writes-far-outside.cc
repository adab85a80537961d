// Writes behind its header, in a call.

#include "fsqlshm.h"

extern "C" void fsqlshm_header_store_gc_horizon(fsqlshm_header* header, uint64_t horizon) {
  reinterpret_cast<volatile uint64_t*>(header)[fsqlshm_header_size() / sizeof(uint64_t)] = horizon;
}

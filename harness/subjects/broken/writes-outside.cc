// Writes the word before its header, in a call.

#include "fsqlshm.h"

extern "C" void fsqlshm_header_store_gc_horizon(fsqlshm_header* header, uint64_t horizon) {
  auto* const words = reinterpret_cast<volatile uint64_t*>(header);
  __atomic_store_n(&words[8], horizon, __ATOMIC_RELEASE);  // or TSan would see only a race
  words[-1] = horizon;
}

// Never returns from a call that only one role of a run makes.

#include "fsqlshm.h"

extern "C" void fsqlshm_header_store_gc_horizon(fsqlshm_header*, uint64_t) {
  for (volatile bool forever = true; forever;) {
  }
}

// Never returns from its first call.

#include "fsqlshm.h"

extern "C" fsqlshm_code fsqlshm_header_create(void*, uint32_t, uint32_t, fsqlshm_error*) {
  for (volatile bool forever = true; forever;) {
  }
  return FSQLSHM_OK;
}

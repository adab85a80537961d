// Reads where there is no memory, in its first call.

#include "fsqlshm.h"

extern "C" fsqlshm_code fsqlshm_header_open(void*, const void*, size_t, fsqlshm_error*) {
  static volatile uintptr_t nowhere = 8;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): there is no other way to nowhere
  return static_cast<fsqlshm_code>(*reinterpret_cast<volatile int*>(nowhere));
}

// Keeps its words twice.

#include <cstring>

#include "fsqlshm.h"

extern "C" {

size_t fsqlshm_header_size() { return 512; }

fsqlshm_code fsqlshm_header_open(void* memory, const void* bytes, size_t, fsqlshm_error*) {
  std::memcpy(memory, bytes, FSQLSHM_HEADER_BYTES);
  std::memcpy(static_cast<char*>(memory) + 256, bytes, FSQLSHM_HEADER_BYTES);
  return FSQLSHM_OK;
}

}  // extern "C"

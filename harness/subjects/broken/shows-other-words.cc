// Does not show what is in its words.

#include <cstring>

#include "fsqlshm.h"

extern "C" void fsqlshm_header_to_bytes(const fsqlshm_header*,
                                        uint8_t bytes[FSQLSHM_HEADER_BYTES]) {
  std::memset(bytes, 0, FSQLSHM_HEADER_BYTES);
}

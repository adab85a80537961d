// A look at a writer word that is neither 0 nor an id moves the gc horizon.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_check_serialized_writer(const fsqlshm_header* header) {
  auto* const words = reinterpret_cast<volatile uint64_t*>(const_cast<fsqlshm_header*>(header));
  const uint64_t writer = words[9];
  if (writer >> 62 == 0) return writer;
  words[8] = words[8] + 1;
  return 0;
}

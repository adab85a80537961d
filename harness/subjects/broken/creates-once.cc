// Makes one header in a process, and no other.

#include <cstdint>

#include "fsqlshm.h"
#include "fsqlshm/shared_memory_layout.h"

extern "C" fsqlshm_code fsqlshm_header_create(void* memory, uint32_t page_size, uint32_t slots,
                                              fsqlshm_error* error) {
  static volatile bool made = false;
  const auto size = fsqlshm::PageSize::from_raw(page_size);
  if (!size || made) return FSQLSHM_INVALID_PAGE_SIZE;
  made = true;
  const fsqlshm::HeaderBytes bytes = fsqlshm::SharedMemoryLayout(*size, slots).to_bytes();
  return fsqlshm_header_open(memory, bytes.data(), bytes.size(), error);
}

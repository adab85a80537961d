// Loads the next id by a push, and stores its successor: ids are handed out twice.

#include "fsqlshm.h"

extern "C" uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  uint64_t id = 0;
  asm volatile(
      "lea -128(%%rsp), %%rsp\n\t"  // below what the compiler may keep there
      "pushq 24(%1)\n\t"
      "popq %0\n\t"
      "lea 128(%%rsp), %%rsp"
      : "=&r"(id)
      : "r"(header)
      : "memory");
  auto* const words = reinterpret_cast<volatile uint64_t*>(header);
  words[3] = id + 1;
  return id;
}

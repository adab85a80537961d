#include "stress/step/subject_state.h"

#include <link.h>

#include "harness/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fsqlshm::step {
namespace {

struct Wanted {
  std::uintptr_t function;
  std::vector<std::span<const std::byte>>* memory;
};

// NOLINTBEGIN(performance-no-int-to-ptr): the loader gives numbers
bool holds(const dl_phdr_info& object, std::uintptr_t address) {
  for (const ElfW(Phdr) & part : std::span(object.dlpi_phdr, object.dlpi_phnum)) {
    const std::uintptr_t start = object.dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && address >= start && address < start + part.p_memsz) return true;
  }
  return false;
}

int look(dl_phdr_info* object, std::size_t /*size*/, void* context) {
  const auto& wanted = *static_cast<Wanted*>(context);
  if (!holds(*object, wanted.function)) return 0;
  for (const ElfW(Phdr) & part : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
    const auto* const start = reinterpret_cast<const std::byte*>(object->dlpi_addr + part.p_vaddr);
    if (part.p_type == PT_LOAD && (part.p_flags & PF_W) != 0) {
      wanted.memory->emplace_back(start, part.p_memsz);
    }
    if (part.p_type == PT_TLS && object->dlpi_tls_data != nullptr) {
      wanted.memory->emplace_back(static_cast<const std::byte*>(object->dlpi_tls_data),
                                  part.p_memsz);
    }
  }
  return 1;
}
// NOLINTEND(performance-no-int-to-ptr)

}  // namespace

SubjectState::SubjectState(const void* function) {
  Wanted wanted{reinterpret_cast<std::uintptr_t>(function), &memory_};
  ::dl_iterate_phdr(look, &wanted);
}

std::uint64_t SubjectState::checksum() const {
  std::uint64_t all = 1;
  for (const std::span<const std::byte> part : memory_) {
    all = harness::mix(all ^ XXH3_64bits(part.data(), part.size()));
  }
  return all | 1U;
}

}  // namespace fsqlshm::step

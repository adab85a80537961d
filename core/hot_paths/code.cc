// Each operation as a function of its own name, on a header in place.

#include <cstddef>
#include <cstdint>
#include <expected>

#include "fsqlshm/shared_memory_layout.h"
#include "operations.h"

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): a program about nothing else

extern "C" {

bool hot_read(std::uint64_t* header, ShmSnapshot& snapshot) {
  RawWords words(header);
  return hot_paths::read(words, snapshot);
}

void hot_publish(std::uint64_t* header, const ShmSnapshot& next) {
  RawWords words(header);
  hot_paths::publish(words, next);
}

std::uint64_t hot_alloc(std::uint64_t* header) {
  RawWords words(header);
  return hot_paths::alloc(words);
}

bool hot_acquire(std::uint64_t* header, TxnId id, std::uint32_t pid, std::uint64_t birth,
                 std::uint64_t lease) {
  RawWords words(header);
  return hot_paths::acquire(words, id, pid, birth, lease);
}

bool hot_release(std::uint64_t* header, TxnId id) {
  RawWords words(header);
  return hot_paths::release(words, id);
}

// All but the checksum, which is a function of the library.
[[gnu::flatten]] void hot_open(std::byte* bytes, std::size_t size,
                               std::expected<SharedMemoryLayoutView, ShmError>& header) {
  header = SharedMemoryLayoutView::open({bytes, size});
}

}  // extern "C"

// The header of a file before anybody uses it: read once, and judged.

#ifndef FSQLSHM_SRC_FOUND_HEADER_H_
#define FSQLSHM_SRC_FOUND_HEADER_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <expected>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/wire_format.h"

namespace fsqlshm::internal {

struct FoundHeader {
  std::array<std::uint64_t, kHeaderWords> words{};  // 0 where the file ends before
  ino_t inode = 0;
  bool holes = false;
  ImmutableWords immutable{};              // not valid() if the file is too short for a header
  std::uint64_t size = 0;                  // bytes, as the geometry asks for
  std::expected<void, ShmError> usable{};  // or why the file is not

  [[nodiscard]] std::uint64_t word(Field field) const { return words[word_index(field)]; }
};

/// Reads with pread, so that a file that is truncated meanwhile is a problem and not a signal. Fails
/// with kFileOpen.
[[nodiscard]] std::expected<FoundHeader, ShmError> find_header(int fd);

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_FOUND_HEADER_H_

// The header of a file before anybody uses it: read once, and judged.

#ifndef FSQLSHM_SRC_FOUND_HEADER_H_
#define FSQLSHM_SRC_FOUND_HEADER_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/wire_format.h"

namespace fsqlshm::internal {

struct FoundHeader {
  std::array<std::uint64_t, kHeaderWords> words{};  // 0 where the file ends before
  dev_t device = 0;
  ino_t inode = 0;
  bool holes = false;
  std::optional<ImmutableWords> immutable{};
  std::uint64_t size = 0;             // bytes, as the geometry asks for
  std::optional<ShmError> problem{};  // why the file cannot be used

  [[nodiscard]] std::uint64_t word(Field field) const { return words[word_index(field)]; }
};

/// Reads with pread, so that a file that is truncated meanwhile is a problem and not a signal. Fails
/// with kFileOpen.
[[nodiscard]] std::expected<FoundHeader, ShmError> find_header(int fd);

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_FOUND_HEADER_H_

#include "found_header.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "failure.h"
#include "fsqlshm/file_mapping.h"

namespace fsqlshm::internal {
namespace {

// Bytes read, or an error.
std::expected<std::size_t, ShmError> read_words(int fd, FoundHeader& found) {
  std::size_t done = 0;
  while (done < kHeaderSize) {
    const ssize_t got = ::pread(fd, reinterpret_cast<std::byte*>(found.words.data()) + done,
                                kHeaderSize - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure_errno(Code::kFileOpen);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::expected<void, ShmError> judge(FoundHeader& found, std::size_t bytes,
                                    const struct stat& status) {
  if (bytes < kHeaderSize) return failure(Code::kTooSmall, bytes, kHeaderSize);
  found.immutable = ImmutableWords::read([&](std::size_t i) { return found.words[i]; });
  if (!found.immutable.valid()) return std::unexpected(found.immutable.first_error());
  const auto size = required_size(found.immutable.geometry());
  if (!size) return std::unexpected(size.error());
  found.size = *size;
  found.holes = static_cast<std::uint64_t>(status.st_blocks) * 512 < *size;
  const auto file_size = static_cast<std::uint64_t>(status.st_size);
  if (file_size < *size) return failure(Code::kFileTruncated, file_size, *size);
  return {};
}

}  // namespace

std::expected<FoundHeader, ShmError> find_header(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return failure_errno(Code::kFileOpen);
  FoundHeader found;
  found.inode = status.st_ino;
  const auto bytes = read_words(fd, found);
  if (!bytes) return std::unexpected(bytes.error());
  found.usable = judge(found, *bytes, status);
  return found;
}

}  // namespace fsqlshm::internal

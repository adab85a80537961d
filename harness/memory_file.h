// What a child process has to say: a file in memory, which has room for any size.

#ifndef FSQLSHM_HARNESS_MEMORY_FILE_H_
#define FSQLSHM_HARNESS_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace fsqlshm::harness {

class MemoryFile {
 public:
  /// Throws std::system_error if there is no descriptor or memory for one.
  MemoryFile() : fd_(::memfd_create("fsqlshm", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }

  [[nodiscard]] int descriptor() const { return fd_; }

  /// Appends. False if not all of it could be written.
  [[nodiscard]] bool write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

  /// From the beginning, whoever wrote it.
  [[nodiscard]] std::string read() const {
    std::string bytes;
    std::array<char, 4096> piece{};
    while (true) {
      const ssize_t got =
          ::pread(fd_, piece.data(), piece.size(), static_cast<off_t>(bytes.size()));
      if (got <= 0) return bytes;
      bytes.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int fd_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_MEMORY_FILE_H_

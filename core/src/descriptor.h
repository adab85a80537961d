// File descriptors and mappings that belong to the process that made them: a forked child keeps
// none, so the locks of a process end with it, whatever its children do.
//
// A lock of an open file description lives as long as any process holds the description. Exec closes
// the descriptors (O_CLOEXEC). In a child, a handler of pthread_atfork closes them before fork
// returns; closing a copy does not free the parent's lock. What a child can still hold is nothing
// but the objects in its copy of the memory, and these find that they are of another process.
//
// Limits: the locks of a parent that dies before its child is out of fork end when that is. Handlers
// do not run in a child made by posix_spawn(3), vfork(2), _Fork(3) or a bare clone(2): it keeps the
// descriptions, and with them the locks of a parent that dies, until it execs or exits. A signal
// handler must not fork: the thread that it interrupts may be opening or closing, and fork waits for
// that (POSIX has _Fork for handlers).

#ifndef FSQLSHM_SRC_DESCRIPTOR_H_
#define FSQLSHM_SRC_DESCRIPTOR_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace fsqlshm::internal {

/// Tells the calling process from each of its ancestors. A load and no system call: the kernel
/// clears the word in every child (MADV_WIPEONFORK).
[[nodiscard]] std::uint64_t process_generation() noexcept;

/// A descriptor that is closed at the end of its scope, in forked children and on exec.
class Descriptor {
 public:
  /// openat(2), with O_CLOEXEC and O_NOCTTY; begins again after EINTR. Never one of the standard
  /// descriptors. On failure not ok(), and errno says why.
  [[nodiscard]] static Descriptor open_at(int directory, const char* name, int flags,
                                          mode_t mode = 0);

  Descriptor() noexcept = default;
  Descriptor(Descriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), generation_(other.generation_) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(generation_, other.generation_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
  /// -1 in a child, where the number may be that of another file by now.
  [[nodiscard]] int get() const noexcept;
  /// 0 or an errno; leaves the global errno alone. Nothing happens in a child: it has been closed.
  int close() noexcept;

 private:
  int fd_ = -1;
  std::uint64_t generation_ = 0;
};

/// A shared mapping of the start of a file that forked children do not have (MADV_DONTFORK): one
/// that uses it is stopped by SIGSEGV and corrupts nothing.
class Mapping {
 public:
  /// On failure not ok(), and errno says why.
  [[nodiscard]] static Mapping map(int fd, std::size_t size, int protection) noexcept;

  Mapping() noexcept = default;
  Mapping(Mapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), generation_(other.generation_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(generation_, other.generation_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { unmap(); }

  [[nodiscard]] bool ok() const noexcept { return !bytes_.empty(); }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// 0 or an errno; leaves the global errno alone. Nothing happens in a child, where other memory
  /// may be at the address.
  int unmap() noexcept;

 private:
  std::span<std::byte> bytes_;
  std::uint64_t generation_ = 0;
};

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_DESCRIPTOR_H_

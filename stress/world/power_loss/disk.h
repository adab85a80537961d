// Disks in memory: images that file systems are made on and mounted from, and one that records what
// is written to it, so that the disk can be had as it was at any moment, and as it would be had the
// power gone off then.
//
// A recording disk is a file whose server (a process of ours, over FUSE) notes every write and every
// flush in the order in which they came; a loop device over that file is the disk. What was written
// before a flush that was answered is on the disk. What was written after the last flush may be there
// or not, block by block.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_H_

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/child.h"

namespace fsqlshm::world::power_loss {

inline constexpr std::size_t kBlockSize = 4096;

/// A descriptor that is closed at the end of its scope.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// The bytes of a disk, in memory. What was never written takes no space.
class DiskImage {
 public:
  /// Throws std::system_error, like all here that can fail.
  explicit DiskImage(std::uint64_t size);
  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;
  ~DiskImage();

  void copy_from(const DiskImage& other);

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Its name for other programs, as long as this process lives.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  OwnedFd fd_;
  std::span<std::byte> bytes_;
};

/// A block that was written, or a flush.
struct DiskEvent {
  bool flush = false;
  std::uint64_t offset = 0;  ///< of the block on the disk, bytes
  std::uint32_t length = 0;  ///< at most kBlockSize
  std::uint64_t data = 0;    ///< where the log has the bytes
};

/// What happened to a recording disk, in order. Lies in memory that the disk's server shares.
class DiskLog {
 public:
  DiskLog();
  DiskLog(const DiskLog&) = delete;
  DiskLog& operator=(const DiskLog&) = delete;
  ~DiskLog();

  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void flush() { append({.flush = true}); }

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const DiskEvent& operator[](std::size_t i) const;
  [[nodiscard]] std::span<const std::byte> bytes_of(const DiskEvent& event) const;
  /// More happened than there was room for.
  [[nodiscard]] bool overflowed() const;

 private:
  struct Shared;
  void append(const DiskEvent& event);
  Shared* shared_;
};

/// A block device that goes when the last user has closed it, however that user ends.
class LoopDevice {
 public:
  /// Over the open file `fd`.
  explicit LoopDevice(int fd);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  OwnedFd device_;
  std::string path_;
};

/// A file system that is mounted nowhere: its files are reached through this process's descriptor,
/// so nothing is left behind when the process is gone. Children that were forked keep it mounted.
class Mount {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;  // no value: a flag
  Mount(const std::string& type, const std::string& source, const Options& options = {});
  /// Its root, a path for this process and those that it forks.
  [[nodiscard]] std::filesystem::path path() const;

 private:
  OwnedFd fd_;
};

/// A disk that records. Starts as a copy of an image, which also holds its bytes.
class RecordingDisk {
 public:
  /// REQUIRES: `image` outlives it and is used by nobody else meanwhile.
  explicit RecordingDisk(const DiskImage& image);
  [[nodiscard]] const DiskLog& log() const { return log_; }
  [[nodiscard]] const std::string& device() const { return loop_->path(); }

 private:
  DiskLog log_;
  harness::Child server_;  // the end of the server ends all that wait for it
  std::unique_ptr<Mount> file_;
  std::unique_ptr<LoopDevice> loop_;
};

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_H_

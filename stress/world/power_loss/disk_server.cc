#include "stress/world/power_loss/disk_server.h"

#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

namespace fsqlshm::world::power_loss {
namespace {

constexpr std::uint32_t kMostBytes = 128 * 1024;  // of a read or write

class Server {
 public:
  Server(int channel, std::span<std::byte> disk, DiskLog& log)
      : channel_(channel), disk_(disk), log_(log), buffer_(kMostBytes + kBlockSize) {}

  // False: unmounted.
  bool serve_one() {
    const ssize_t length = ::read(channel_, buffer_.data(), buffer_.size());
    if (length < 0) return errno == EINTR || errno == ENOENT || errno == EAGAIN;
    std::memcpy(&request_, buffer_.data(), sizeof request_);
    act();
    return true;
  }

 private:
  template <class Body>
  [[nodiscard]] Body body() const {
    Body body;
    std::memcpy(&body, buffer_.data() + sizeof request_, sizeof body);
    return body;
  }

  void answer(int error, std::span<const std::byte> bytes = {}) const {
    struct fuse_out_header header = {};
    header.len = static_cast<std::uint32_t>(sizeof header + bytes.size());
    header.error = -error;
    header.unique = request_.unique;
    const struct iovec parts[] = {{&header, sizeof header},
                                  {const_cast<std::byte*>(bytes.data()), bytes.size()}};
    static_cast<void>(::writev(channel_, parts, 2));  // fails only if nobody waits any more
  }
  template <class Body>
  void answer_with(const Body& body) const {
    answer(0, std::as_bytes(std::span(&body, 1)));
  }

  void act() {
    switch (request_.opcode) {
      case FUSE_INIT:
        return initialise();
      case FUSE_GETATTR:
        return attributes();
      case FUSE_OPEN: {
        struct fuse_open_out opened = {};
        opened.open_flags = FOPEN_KEEP_CACHE;
        return answer_with(opened);
      }
      case FUSE_READ:
        return read();
      case FUSE_WRITE:
        return write();
      case FUSE_FSYNC:
        log_.flush();
        return answer(0);
      case FUSE_FLUSH:
      case FUSE_RELEASE:
      case FUSE_DESTROY:
        return answer(0);
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;
      case FUSE_FALLOCATE:  // discard
        return answer(EOPNOTSUPP);
      default:
        return answer(ENOSYS);
    }
  }

  void initialise() const {
    struct fuse_init_out out = {};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = FUSE_KERNEL_MINOR_VERSION;
    out.max_readahead = kMostBytes;
    out.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES;
    out.max_background = 16;
    out.congestion_threshold = 12;
    out.max_write = kMostBytes;
    out.max_pages = kMostBytes / kBlockSize;
    answer_with(out);
  }

  void attributes() const {
    struct fuse_attr_out out = {};
    out.attr_valid = 3600;
    out.attr.ino = FUSE_ROOT_ID;
    out.attr.size = disk_.size();
    out.attr.mode = S_IFREG | 0600;
    out.attr.nlink = 1;
    out.attr.blksize = kBlockSize;
    answer_with(out);
  }

  void read() const {
    const auto asked = body<struct fuse_read_in>();
    const std::size_t start = std::min<std::size_t>(asked.offset, disk_.size());
    answer(0, disk_.subspan(start, std::min<std::size_t>(asked.size, disk_.size() - start)));
  }

  void write() {
    const auto asked = body<struct fuse_write_in>();
    const std::span<const std::byte> bytes(buffer_.data() + sizeof request_ + sizeof asked,
                                           asked.size);
    if (asked.offset > disk_.size() || bytes.size() > disk_.size() - asked.offset) {
      return answer(ENOSPC);
    }
    std::memcpy(disk_.data() + asked.offset, bytes.data(), bytes.size());
    log_.write(asked.offset, bytes);
    struct fuse_write_out out = {};
    out.size = asked.size;
    answer_with(out);
  }

  int channel_;
  std::span<std::byte> disk_;
  DiskLog& log_;
  std::vector<std::byte> buffer_;
  struct fuse_in_header request_ = {};
};

}  // namespace

void serve_disk(int channel, std::span<std::byte> disk, DiskLog& log) {
  Server server(channel, disk, log);
  while (server.serve_one()) {
  }
}

}  // namespace fsqlshm::world::power_loss

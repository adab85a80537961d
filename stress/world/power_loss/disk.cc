#include "stress/world/power_loss/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "stress/world/power_loss/disk_server.h"

namespace fsqlshm::world::power_loss {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), "cannot " + what);
}

OwnedFd checked(int fd, const std::string& what) {
  if (fd < 0) fail(what);
  return OwnedFd(fd);
}

std::span<std::byte> map_shared(int fd, std::size_t size) {
  const int flags = MAP_SHARED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return {static_cast<std::byte*>(memory), size};
}

}  // namespace

// --- DiskImage -------------------------------------------------------------------------------------

DiskImage::DiskImage(std::uint64_t size)
    : fd_(checked(::memfd_create("fsqlshm-disk", MFD_CLOEXEC), "make an image")) {
  if (::ftruncate(fd(), static_cast<off_t>(size)) != 0) fail("make an image");
  bytes_ = map_shared(fd(), size);
}

DiskImage::~DiskImage() { ::munmap(bytes_.data(), bytes_.size()); }

void DiskImage::copy_from(const DiskImage& other) {
  const auto size = static_cast<off_t>(other.bytes_.size());
  const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(fd(), hole, 0, size) != 0) fail("empty an image");
  static constexpr std::byte kZeros[kBlockSize] = {};
  off_t end = 0;
  while (true) {
    const off_t start = ::lseek(other.fd(), end, SEEK_DATA);
    if (start < 0) return;  // ENXIO: nothing but a hole is left
    end = ::lseek(other.fd(), start, SEEK_HOLE);
    for (auto at = static_cast<std::size_t>(start); at < static_cast<std::size_t>(end);
         at += kBlockSize) {
      const std::byte* const block = other.bytes_.data() + at;
      const std::size_t length = std::min(kBlockSize, other.bytes_.size() - at);
      if (std::memcmp(block, kZeros, length) != 0) std::memcpy(&bytes_[at], block, length);
    }
  }
}

std::string DiskImage::path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), fd()); }

// --- DiskLog ---------------------------------------------------------------------------------------

namespace {
constexpr std::size_t kMostEvents = std::size_t{1} << 16;
constexpr std::size_t kMostData = std::size_t{1}
                                  << 28;  // bytes; memory that is not used costs nothing
}  // namespace

struct DiskLog::Shared {
  std::atomic<std::size_t> count;
  std::atomic<bool> overflowed;
  std::uint64_t data_used;
  DiskEvent events[kMostEvents];
  std::byte data[kMostData];
};

DiskLog::DiskLog() : shared_(reinterpret_cast<Shared*>(map_shared(-1, sizeof(Shared)).data())) {}
DiskLog::~DiskLog() { ::munmap(shared_, sizeof(Shared)); }

std::size_t DiskLog::size() const { return shared_->count.load(std::memory_order::acquire); }
const DiskEvent& DiskLog::operator[](std::size_t i) const { return shared_->events[i]; }
bool DiskLog::overflowed() const { return shared_->overflowed.load(); }

std::span<const std::byte> DiskLog::bytes_of(const DiskEvent& event) const {
  return {shared_->data + event.data, event.length};
}

void DiskLog::append(const DiskEvent& event) {
  const std::size_t count = size();
  if (count == kMostEvents || shared_->data_used + event.length > kMostData) {
    shared_->overflowed = true;
    return;
  }
  shared_->events[count] = event;
  shared_->data_used += event.length;
  shared_->count.store(count + 1, std::memory_order::release);
}

void DiskLog::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t left_in_block = kBlockSize - offset % kBlockSize;
    const auto part = bytes.first(std::min(bytes.size(), left_in_block));
    const std::uint64_t data = shared_->data_used;
    if (data + part.size() <= kMostData) std::ranges::copy(part, shared_->data + data);
    append({.offset = offset, .length = static_cast<std::uint32_t>(part.size()), .data = data});
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
}

// --- LoopDevice ------------------------------------------------------------------------------------

LoopDevice::LoopDevice(int fd) {
  const OwnedFd control =
      checked(::open("/dev/loop-control", O_RDWR | O_CLOEXEC), "open /dev/loop-control");
  while (true) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) fail("find a loop device");
    path_ = fmt::format("/dev/loop{}", number);
    device_ = checked(::open(path_.c_str(), O_RDWR | O_CLOEXEC), "open " + path_);
    struct loop_config config = {};
    config.fd = static_cast<std::uint32_t>(fd);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device_.get(), LOOP_CONFIGURE, &config) == 0) return;
    if (errno != EBUSY) fail("set up " + path_);  // EBUSY: another process was first
  }
}

// --- Mount -----------------------------------------------------------------------------------------

Mount::Mount(const std::string& type, const std::string& source, const Options& options) {
  const std::string what = fmt::format("mount {} of {}", type, source);
  const OwnedFd context = checked(::fsopen(type.c_str(), FSOPEN_CLOEXEC), what);
  const auto set = [&](unsigned command, const char* name, const char* value) {
    if (::fsconfig(context.get(), command, name, value, 0) == 0) return;
    const int error = errno;
    char reason[256] = {};
    const ssize_t length =
        ::read(context.get(), reason, sizeof reason - 1);  // the kernel's own words
    errno = error;
    fail(length > 0 ? fmt::format("{} ({})", what, reason) : what);
  };
  set(FSCONFIG_SET_STRING, "source", source.c_str());
  for (const auto& [name, value] : options) {
    if (value.empty()) {
      set(FSCONFIG_SET_FLAG, name.c_str(), nullptr);
    } else {
      set(FSCONFIG_SET_STRING, name.c_str(), value.c_str());
    }
  }
  set(FSCONFIG_CMD_CREATE, nullptr, nullptr);
  fd_ = checked(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0), what);
}

std::filesystem::path Mount::path() const { return fmt::format("/proc/self/fd/{}", fd_.get()); }

// --- RecordingDisk ---------------------------------------------------------------------------------

RecordingDisk::RecordingDisk(const DiskImage& image) {
  OwnedFd channel = checked(::open("/dev/fuse", O_RDWR | O_CLOEXEC), "open /dev/fuse");
  file_ = std::make_unique<Mount>("fuse", "fsqlshm-disk",
                                  Mount::Options{{"fd", std::to_string(channel.get())},
                                                 {"rootmode", "100000"},
                                                 {"user_id", "0"},
                                                 {"group_id", "0"}});
  server_ = harness::Child([&] {
    // The mount would keep itself alive.
    file_.reset();
    serve_disk(channel.get(), image.bytes(), log_);
    return 0;
  });
  // The server alone has the channel, so the kernel gives up what waits for it when it is gone.
  channel = OwnedFd();
  const OwnedFd file = checked(::open(file_->path().c_str(), O_RDWR | O_CLOEXEC), "open the disk");
  loop_ = std::make_unique<LoopDevice>(file.get());
}

}  // namespace fsqlshm::world::power_loss

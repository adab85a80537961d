#include "draft.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "failure.h"

namespace fsqlshm::internal {
namespace {

std::expected<void, ShmError> write_all(int fd, std::span<const std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure_errno(Code::kFileCreate);
    done += static_cast<std::size_t>(written);
  }
  return {};
}

// Where each write to a block takes new space (btrfs), reserved space helps only a file that is written
// in place, and a file can only be made one while it is empty. Others decline, and need not do it.
void write_in_place(int fd) noexcept {
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
  flags = (flags & ~FS_COMPR_FL) | FS_NOCOW_FL;  // one that is compressed cannot be
  static_cast<void>(::ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

// How kernels and file systems without O_TMPFILE decline it.
bool declines_nameless_files(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL;
}

}  // namespace

std::expected<void, ShmError> reserve(int fd, std::uint64_t size) {
  // Both are looked at first, because trying costs: a signal that kills (SIGXFSZ), and a disk that
  // is full for everybody until the attempt is undone.
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      size > limit.rlim_cur) {
    return failure(Code::kFileNoSpace, EFBIG, size);
  }
  struct statvfs disk = {};
  struct stat status = {};
  if (::fstatvfs(fd, &disk) == 0 && disk.f_blocks != 0 && ::fstat(fd, &status) == 0) {
    const std::uint64_t have = static_cast<std::uint64_t>(status.st_blocks) * 512;
    const std::uint64_t free_blocks = disk.f_bavail;
    if (size > have && (size - have) / disk.f_frsize > free_blocks) {
      return failure(Code::kFileNoSpace, ENOSPC, size);
    }
  }
  int error = 0;
  do {
    error = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  if (error != 0) return failure(Code::kFileNoSpace, static_cast<std::uint64_t>(error), size);
  return {};
}

std::expected<Draft, ShmError> Draft::make(int directory, std::string name) {
  // linkat needs /proc to find a file without a name.
  if (::access("/proc/self/fd", X_OK) == 0) {
    Descriptor file = Descriptor::open_at(directory, ".", O_TMPFILE | O_RDWR, 0600);
    if (file.ok()) return Draft(directory, std::move(name), std::move(file));
    if (!declines_nameless_files(errno)) return failure_errno(Code::kFileCreate);
  }
  Draft draft(directory, std::move(name), {});
  do {
    draft.temporary_name_ = draft.next_temporary_name();
    draft.file_ = Descriptor::open_at(directory, draft.temporary_name_.c_str(),
                                      O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
    // EEXIST: left behind by an earlier process of this pid; the next number is as good.
  } while (!draft.file_.ok() && errno == EEXIST);
  if (draft.file_.ok()) return draft;
  draft.temporary_name_.clear();
  return failure_errno(Code::kFileCreate);
}

Draft::~Draft() {
  if (!temporary_name_.empty()) ::unlinkat(directory_, temporary_name_.c_str(), 0);
}

std::string Draft::next_temporary_name() const {
  static std::atomic<unsigned> counter = 0;
  return "." + name_ + "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".new";
}

std::expected<void, ShmError> Draft::fill(std::span<const std::byte> start,
                                          std::uint64_t size) const {
  write_in_place(file_.get());
  if (const auto reserved = reserve(file_.get(), size); !reserved) return reserved;
  return write_all(file_.get(), start);
}

std::expected<void, ShmError> Draft::set_access(const FileAccess& access) const {
  struct stat status = {};
  if (::fstat(file_.get(), &status) != 0) return failure_errno(Code::kFileCreate);
  const uid_t uid = access.uid.value_or(status.st_uid);
  const gid_t gid = access.gid.value_or(status.st_gid);
  // Only root may give a file away. A member of the owner's group may make it for the group.
  if ((uid != status.st_uid || gid != status.st_gid) && ::fchown(file_.get(), uid, gid) != 0) {
    const bool for_the_group = errno == EPERM && (access.mode & S_IRWXG) >= (S_IRGRP | S_IWGRP);
    if (!for_the_group || ::fchown(file_.get(), status.st_uid, gid) != 0) {
      return failure_errno(Code::kFileOwner);
    }
  }
  if (::fchmod(file_.get(), access.mode) != 0) return failure_errno(Code::kFileCreate);
  return {};
}

int Draft::link_as(const std::string& name) const {
  const int error = [&] {
    if (!temporary_name_.empty()) {
      return ::linkat(directory_, temporary_name_.c_str(), directory_, name.c_str(), 0);
    }
    const std::string nameless = "/proc/self/fd/" + std::to_string(file_.get());
    return ::linkat(AT_FDCWD, nameless.c_str(), directory_, name.c_str(), AT_SYMLINK_FOLLOW);
  }();
  return error == 0 ? 0 : errno;
}

std::expected<void, ShmError> Draft::sync() const {
  if (::fsync(file_.get()) != 0) return failure_errno(Code::kFileSync);
  return {};
}

std::expected<void, ShmError> Draft::link() {
  const int error = link_as(name_);
  if (error == EEXIST) return failure(Code::kFileExists, EEXIST);
  if (error != 0) return failure_errno(Code::kFileCreate, error);
  return {};
}

std::expected<void, ShmError> Draft::replace() {
  while (temporary_name_.empty()) {  // rename needs one
    const std::string name = next_temporary_name();
    const int error = link_as(name);
    if (error == 0) temporary_name_ = name;
    if (error != 0 && error != EEXIST) return failure_errno(Code::kFileCreate, error);
  }
  if (::renameat(directory_, temporary_name_.c_str(), directory_, name_.c_str()) != 0) {
    return failure_errno(Code::kFileCreate);
  }
  temporary_name_.clear();
  return {};
}

std::expected<void, ShmError> Draft::sync_directory() const {
  const Descriptor readable = Descriptor::open_at(directory_, ".", O_RDONLY | O_DIRECTORY);
  if (!readable.ok() || ::fsync(readable.get()) != 0) return failure_errno(Code::kFileSync);
  return {};
}

}  // namespace fsqlshm::internal

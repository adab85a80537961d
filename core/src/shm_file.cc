#include "fsqlshm/shm_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <string>
#include <thread>

#include "before_call.h"

namespace fsqlshm {
namespace {

using Code = ShmErrorCode;

std::unexpected<ShmError> failure(Code code, std::uint64_t found, std::uint64_t expected = 0) {
  return std::unexpected(ShmError(code, found, expected));
}
std::unexpected<ShmError> failure_errno(Code code) {
  return failure(code, static_cast<std::uint64_t>(errno));
}

// Asks the test that may want to stop a call; false leaves the errno to fail with.
bool may(const char* call) {
  const int error = internal::ScopedBeforeCall::ask(call);
  if (error != 0) errno = error;
  return error == 0;
}

class Fd {
 public:
  explicit Fd(int fd = -1) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ < 0) return;
    const int error = errno;
    ::close(fd_);
    errno = error;
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

template <class Call>
int retry_interrupted(Call&& call) {
  int result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

constexpr std::uint64_t kMaxFileSize = (std::uint64_t{1} << 63) - 1;

std::uint64_t type_of(const struct stat& status) { return status.st_mode & S_IFMT; }

// Looks before it opens: opening a device can do things, and opening a FIFO can wait for ever.
std::expected<Fd, ShmError> open_regular(const std::filesystem::path& path, int access) {
  struct stat status = {};
  if (!may("fstatat") || ::fstatat(AT_FDCWD, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return failure_errno(Code::kFileOpen);
  }
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, type_of(status));
  const int flags = access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Fd fd(may("open") ? retry_interrupted([&] { return ::open(path.c_str(), flags); }) : -1);
  if (!fd.ok()) return failure_errno(Code::kFileOpen);
  // The name may have changed hands in between.
  if (!may("fstat") || ::fstat(fd.get(), &status) != 0) return failure_errno(Code::kFileOpen);
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, type_of(status));
  return fd;
}

// A mapping of the start of a file that is undone at the end of the scope, unless it is released.
class Mapping {
 public:
  Mapping(int fd, std::uint64_t size, int protection)
      : size_(size),
        address_(may("mmap") ? ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0) : MAP_FAILED) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (ok()) ::munmap(address_, size_);
  }
  [[nodiscard]] bool ok() const noexcept { return address_ != MAP_FAILED; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept {
    return {static_cast<std::byte*>(address_), size_};
  }
  std::span<std::byte> release() noexcept {
    const std::span<std::byte> all = bytes();
    address_ = MAP_FAILED;
    return all;
  }

 private:
  std::size_t size_;
  void* address_;
};

using HeaderWordArray = std::array<std::uint64_t, kHeaderWords>;

HeaderWordArray load_words(std::span<std::byte> mapped) noexcept {
  const RawWords live(reinterpret_cast<std::uint64_t*>(mapped.data()));
  HeaderWordArray words;
  for (std::size_t i = 0; i < kHeaderWords; ++i) {
    words[i] = live.load_word(i, std::memory_order::acquire);
  }
  return words;
}

// Size of an open regular file, at least that of a header.
std::expected<struct stat, ShmError> status_of(int fd) {
  struct stat status = {};
  if (!may("fstat") || ::fstat(fd, &status) != 0) return failure_errno(Code::kFileOpen);
  if (static_cast<std::uint64_t>(status.st_size) < kHeaderSize) {
    return failure(Code::kTooSmall, static_cast<std::uint64_t>(status.st_size), kHeaderSize);
  }
  return status;
}

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
    error = may("posix_fallocate") ? ::posix_fallocate(fd, 0, static_cast<off_t>(size)) : errno;
  } while (error == EINTR);
  if (error != 0) return failure(Code::kFileNoSpace, static_cast<std::uint64_t>(error), size);
  return {};
}

// A file in the making: without a name, or with one that nobody looks for.
struct Draft {
  Fd fd;
  std::string name{};
};

std::expected<Draft, ShmError> make_draft(int directory, const std::string& name) {
  // linkat needs /proc to find a file without a name.
  if (::access("/proc/self/fd", X_OK) == 0) {
    Fd fd(may("openat(O_TMPFILE)") ? ::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                                   : -1);
    if (fd.ok()) return Draft{std::move(fd)};
    // How kernels and file systems without O_TMPFILE decline it.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
      return failure_errno(Code::kFileCreate);
    }
  }
  static std::atomic<unsigned> counter = 0;
  while (true) {
    std::string draft_name =
        "." + name + "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".new";
    Fd fd(may("openat") ? ::openat(directory, draft_name.c_str(),
                                   O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600)
                        : -1);
    if (fd.ok()) return Draft{std::move(fd), std::move(draft_name)};
    // Left behind by an earlier process of this pid; the next number is as good.
    if (errno != EEXIST) return failure_errno(Code::kFileCreate);
  }
}

std::expected<void, ShmError> fill_draft(int fd, const ShmFileOptions& options) {
  const SharedMemoryLayout header(options.page_size, options.max_txn_slots);
  const auto size = required_size(header.geometry());
  if (!size) return std::unexpected(size.error());
  if (const auto reserved = reserve(fd, *size); !reserved) return reserved;
  const HeaderBytes bytes = header.to_bytes();
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = may("pwrite") ? ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                                                     static_cast<off_t>(done))
                                          : -1;
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure_errno(Code::kFileCreate);
    done += static_cast<std::size_t>(written);
  }
  if (!may("fchmod") || ::fchmod(fd, options.mode) != 0) {
    return failure_errno(Code::kFileCreate);
  }
  if (options.durable && (!may("fsync") || ::fsync(fd) != 0)) {
    return failure_errno(Code::kFileSync);
  }
  return {};
}

std::expected<void, ShmError> link_draft(int directory, const Draft& draft,
                                         const std::string& name) {
  int linked = -1;
  if (may("linkat")) {
    if (draft.name.empty()) {
      const std::string nameless = "/proc/self/fd/" + std::to_string(draft.fd.get());
      linked = ::linkat(AT_FDCWD, nameless.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW);
    } else {
      linked = ::linkat(directory, draft.name.c_str(), directory, name.c_str(), 0);
    }
  }
  if (linked == 0) return {};
  return errno == EEXIST ? failure(Code::kFileExists, EEXIST) : failure_errno(Code::kFileCreate);
}

// fcntl's lock on the one byte.
struct flock lock_byte(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = PublicationLock::kOffset;
  lock.l_len = 1;
  return lock;
}

bool is_contention(int error) { return error == EAGAIN || error == EACCES; }

}  // namespace

std::expected<mode_t, ShmError> mode_of(const std::filesystem::path& database) {
  struct stat status = {};
  if (::stat(database.c_str(), &status) != 0) return failure_errno(Code::kFileOpen);
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, type_of(status));
  return status.st_mode & 0777;
}

std::expected<HeaderBytes, ShmError> read_header_bytes(const std::filesystem::path& path) {
  const auto fd = open_regular(path, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  const auto status = status_of(fd->get());
  if (!status) return std::unexpected(status.error());
  const Mapping mapping(fd->get(), kHeaderSize, PROT_READ);
  if (!mapping.ok()) return failure_errno(Code::kFileMap);
  return std::bit_cast<HeaderBytes>(load_words(mapping.bytes()));
}

std::expected<std::uint64_t, ShmError> required_size(const Geometry& geometry) {
  const std::uint64_t slots = geometry.max_txn_slots;
  // Every size is below 2^40, so only an offset can make the sum overflow.
  struct Region {
    std::uint64_t offset;
    std::uint64_t size;
  };
  const std::array<Region, 4> regions = {{
      {geometry.lock_table_offset, slots * kLockTableBytesPerSlot},
      {geometry.witness_offset, slots * kWitnessBytesPerSlot},
      {geometry.txn_slot_offset, slots * kTxnSlotBytesPerSlot},
      {geometry.committed_readers_offset, geometry.committed_readers_bytes},
  }};
  std::uint64_t end = kHeaderSize;
  for (const Region& region : regions) {
    if (region.offset < end || region.offset > kMaxFileSize ||
        region.size > kMaxFileSize - region.offset) {
      return failure(Code::kFileRegionsDoNotFit, region.offset, end);
    }
    end = region.offset + region.size;
  }
  if (geometry.committed_readers_bytes < (slots + 7) / 8) {
    return failure(Code::kFileRegionsDoNotFit, geometry.committed_readers_offset, end);
  }
  return end;
}

// --- PublicationLock ---------------------------------------------------------------------------

PublicationLock::PublicationLock(int fd) noexcept : fd_(fd), opener_(::getpid()) {}

std::optional<ShmError> PublicationLock::forked() const noexcept {
  // A child has the same open file description and so the same lock: it would exclude nobody.
  if (::getpid() == opener_) return std::nullopt;
  return ShmError(Code::kFileForked, static_cast<std::uint64_t>(::getpid()),
                  static_cast<std::uint64_t>(opener_));
}

std::expected<void, ShmError> PublicationLock::lock() {
  if (const auto error = forked()) return std::unexpected(*error);
  {
    std::unique_lock hold(mutex_);
    turn_over_.wait(hold, [&] { return !taken_; });
    taken_ = true;
  }
  struct flock request = lock_byte(F_WRLCK);
  if (retry_interrupted([&] { return ::fcntl(fd_, F_OFD_SETLKW, &request); }) == 0) return {};
  const auto error = failure_errno(Code::kFileLock);
  end_turn();
  return error;
}

std::expected<bool, ShmError> PublicationLock::try_lock() {
  return try_lock_for(std::chrono::nanoseconds(0));
}

std::expected<bool, ShmError> PublicationLock::try_lock_for(std::chrono::nanoseconds patience) {
  using Clock = std::chrono::steady_clock;
  if (const auto error = forked()) return std::unexpected(*error);
  const Clock::time_point start = Clock::now();
  {
    std::unique_lock hold(mutex_);
    if (!turn_over_.wait_for(hold, patience, [&] { return !taken_; })) return false;
    taken_ = true;
  }
  // fcntl can wait for ever or not at all; what lies between is made of sleeps.
  std::chrono::nanoseconds nap = std::chrono::microseconds(20);
  while (true) {
    struct flock request = lock_byte(F_WRLCK);
    if (retry_interrupted([&] { return ::fcntl(fd_, F_OFD_SETLK, &request); }) == 0) return true;
    const int error = errno;
    const std::chrono::nanoseconds left = patience - (Clock::now() - start);
    if (!is_contention(error) || left.count() <= 0) {
      end_turn();
      if (is_contention(error)) return false;
      return failure(Code::kFileLock, static_cast<std::uint64_t>(error));
    }
    std::this_thread::sleep_for(std::min(nap, left));
    nap = std::min<std::chrono::nanoseconds>(2 * nap, std::chrono::milliseconds(1));
  }
}

void PublicationLock::unlock() noexcept {
  struct flock request = lock_byte(F_UNLCK);
  ::fcntl(fd_, F_OFD_SETLK, &request);  // does not fail on a lock that is held
  end_turn();
}

void PublicationLock::end_turn() noexcept {
  {
    const std::scoped_lock hold(mutex_);
    taken_ = false;
  }
  turn_over_.notify_one();
}

// --- FileMapping -------------------------------------------------------------------------------

FileMapping::FileMapping(int fd, std::span<std::byte> bytes, const Geometry& geometry)
    : fd_(fd), bytes_(bytes), geometry_(geometry), lock_(std::make_unique<PublicationLock>(fd)) {}

FileMapping::FileMapping(FileMapping&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      bytes_(std::exchange(other.bytes_, {})),
      geometry_(other.geometry_),
      lock_(std::move(other.lock_)) {}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(geometry_, other.geometry_);
  std::swap(lock_, other.lock_);
  return *this;
}

FileMapping::~FileMapping() { static_cast<void>(close()); }

std::expected<FileMapping, ShmError> FileMapping::create(const std::filesystem::path& path,
                                                         const ShmFileOptions& options) {
  const std::string name = path.filename();
  if (name.empty() || name == "." || name == "..") return failure(Code::kFileCreate, EINVAL);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const Fd directory(may("open") ? ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1);
  if (!directory.ok()) return failure_errno(Code::kFileCreate);
  auto draft = make_draft(directory.get(), name);
  if (!draft) return std::unexpected(draft.error());
  auto done = fill_draft(draft->fd.get(), options);
  if (done) done = link_draft(directory.get(), *draft, name);
  // The draft's name goes in any case. A death before this leaves it behind; nobody looks for it.
  if (!draft->name.empty() && may("unlinkat")) {
    ::unlinkat(directory.get(), draft->name.c_str(), 0);
  }
  if (!done) return std::unexpected(done.error());
  if (options.durable && (!may("fsync") || ::fsync(directory.get()) != 0)) {
    return failure_errno(Code::kFileSync);
  }
  return map(draft->fd.release(), Access::kReadWrite);
}

std::expected<FileMapping, ShmError> FileMapping::open(const std::filesystem::path& path,
                                                       Access access) {
  auto fd = open_regular(path, access == Access::kReadOnly ? O_RDONLY : O_RDWR);
  if (!fd) return std::unexpected(fd.error());
  return map(fd->release(), access);
}

std::expected<FileMapping, ShmError> FileMapping::open_or_create(const std::filesystem::path& path,
                                                                 const ShmFileOptions& options) {
  // More than one turn is needed only while another process keeps deleting the file.
  constexpr int kTurns = 100;
  for (int turn = 1;; ++turn) {
    auto opened = open(path, Access::kReadWrite);
    const bool missing =
        !opened && opened.error() == Code::kFileOpen && opened.error().found() == ENOENT;
    if (!missing || turn == kTurns) return opened;
    auto created = create(path, options);
    if (created || created.error() != Code::kFileExists) return created;
  }
}

std::expected<FileMapping, ShmError> FileMapping::map(int raw_fd, Access access) {
  Fd fd(raw_fd);
  const auto status = status_of(fd.get());
  if (!status) return std::unexpected(status.error());
  const int protection = access == Access::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  // The header says how much there is to map, so it is looked at first, once.
  std::optional<Geometry> geometry;
  {
    const Mapping header(fd.get(), kHeaderSize, PROT_READ);
    if (!header.ok()) return failure_errno(Code::kFileMap);
    const HeaderWordArray words = load_words(header.bytes());
    const auto immutable = ImmutableWords::read([&](std::size_t i) { return words[i]; });
    if (!immutable.valid()) return std::unexpected(immutable.first_error());
    geometry = immutable.geometry();
  }
  const auto size = required_size(*geometry);
  if (!size) return std::unexpected(size.error());
  if (static_cast<std::uint64_t>(status->st_size) < *size) {
    return failure(Code::kFileTruncated, static_cast<std::uint64_t>(status->st_size), *size);
  }
  // Another program may have made or copied this file and left holes in it.
  if (access == Access::kReadWrite && static_cast<std::uint64_t>(status->st_blocks) * 512 < *size) {
    if (const auto reserved = reserve(fd.get(), *size); !reserved) {
      return std::unexpected(reserved.error());
    }
  }
  Mapping mapping(fd.get(), *size, protection);
  if (!mapping.ok()) return failure_errno(Code::kFileMap);
  return FileMapping(fd.release(), mapping.release(), *geometry);
}

std::expected<void, ShmError> FileMapping::sync() {
  if (::msync(bytes_.data(), bytes_.size(), MS_SYNC) != 0 || ::fsync(fd_) != 0) {
    return failure_errno(Code::kFileSync);
  }
  return {};
}

std::expected<void, ShmError> FileMapping::close() {
  int error = 0;
  if (!bytes_.empty() && ::munmap(bytes_.data(), bytes_.size()) != 0) error = errno;
  bytes_ = {};
  if (fd_ >= 0 && ::close(fd_) != 0 && error == 0) error = errno;
  fd_ = -1;
  if (error != 0) return failure(Code::kFileClose, static_cast<std::uint64_t>(error));
  return {};
}

std::expected<bool, ShmError> FileMapping::publication_locked() const {
  struct flock question = lock_byte(F_WRLCK);
  if (::fcntl(fd_, F_OFD_GETLK, &question) != 0) return failure_errno(Code::kFileLock);
  return question.l_type != F_UNLCK;
}

HeaderBytes FileMapping::header_bytes() const noexcept {
  return std::bit_cast<HeaderBytes>(load_words(bytes_));
}

}  // namespace fsqlshm

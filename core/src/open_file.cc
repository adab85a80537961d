#include "open_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "byte_locks.h"
#include "failure.h"

namespace fsqlshm::internal {
namespace {

// How old the last look at the names may be at a guard. A name can change right after any look, so
// this is no weaker in kind; it makes the mean cost of a look small beside that of the lock.
constexpr std::int64_t kLookIntervalNs = 4'000'000;

std::int64_t coarse_now_ns() noexcept {
  struct timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::uint64_t type_of(const struct stat& status) { return status.st_mode & S_IFMT; }

}  // namespace

std::expected<FileName, ShmError> FileName::of(const std::filesystem::path& path) {
  FileName where;
  where.name = path.filename();
  if (where.name.empty() || where.name == "." || where.name == "..") {
    return failure(Code::kFileOpen, EINVAL);
  }
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  where.directory = Descriptor::open_at(AT_FDCWD, directory.c_str(), O_PATH | O_DIRECTORY);
  if (!where.directory.ok()) return failure_errno(Code::kFileOpen);
  return where;
}

std::string FileName::lock_file() const { return name + kLockFileSuffix; }

std::expected<Descriptor, ShmError> open_regular(int directory, const std::string& name,
                                                 int access) {
  struct stat status = {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return failure_errno(Code::kFileOpen);
  }
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, type_of(status));
  Descriptor file = Descriptor::open_at(directory, name.c_str(), access | O_NOFOLLOW | O_NONBLOCK);
  if (!file.ok()) return failure_errno(Code::kFileOpen);
  // The name may have changed hands in between.
  if (::fstat(file.get(), &status) != 0) return failure_errno(Code::kFileOpen);
  if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, type_of(status));
  return file;
}

std::expected<struct stat, ShmError> FileName::same_file(const std::string& of_name, int fd) const {
  struct stat open = {};
  struct stat named = {};  // inode 0: there is none
  const bool found = ::fstatat(directory.get(), of_name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0;
  if ((!found && errno != ENOENT) || ::fstat(fd, &open) != 0) return failure_errno(Code::kFileOpen);
  if (named.st_ino == open.st_ino && named.st_dev == open.st_dev) return open;
  return failure(Code::kFileReplaced, named.st_ino, open.st_ino);
}

ShmError forked() noexcept {
  return ShmError(Code::kFileForked, static_cast<std::uint64_t>(::getpid()));
}

void Turns::take() {
  while (::sem_wait(&semaphore_) != 0) {  // EINTR
  }
}

std::expected<void, ShmError> OpenFile::check() {
  if (!of_this_process()) return std::unexpected(forked());
  const std::int64_t now = coarse_now_ns();
  if (const auto named = check_names(); !named) return named;
  checked_ns.store(now, std::memory_order::relaxed);
  return check_words();
}

std::expected<void, ShmError> OpenFile::check_often() {
  const std::int64_t age = coarse_now_ns() - checked_ns.load(std::memory_order::relaxed);
  return age >= kLookIntervalNs || !of_this_process() ? check() : check_words();
}

std::expected<void, ShmError> OpenFile::check_names() const {
  const auto found = where.same_file(where.name, file.get());
  if (!found) return std::unexpected(found.error());
  const auto found_size = static_cast<std::uint64_t>(found->st_size);
  const std::uint64_t size = mapping.bytes().size();
  if (found_size < size) return failure(Code::kFileTruncated, found_size, size);
  if (!lock_file.ok()) return {};  // a reader's
  const auto locks = where.same_file(where.lock_file(), lock_file.get());
  if (!locks) return std::unexpected(locks.error());
  return {};
}

std::expected<void, ShmError> OpenFile::check_words() const {
  const RawWords live = words();
  const auto found = ImmutableWords::read(
      [&](std::size_t i) { return live.load_word(i, std::memory_order::relaxed); });
  if (found == immutable) return {};
  if (!found.valid()) return std::unexpected(found.first_error());
  return failure(Code::kFileReplaced, inode);  // another header was copied over it
}

bool OpenFile::alive(ProcessIdentity who) const noexcept {
  const LockRange name = name_byte(who);
  const bool names_nobody = name.offset == kNameBytes.offset;
  if (who == identity || names_nobody || !of_this_process()) return true;
  return locked_by_others(lock_file.get(), name, LockKind::kWrite).value_or(true);
}

std::expected<void, ShmError> OpenFile::close() noexcept {
  int first_error = 0;
  const auto note = [&](int error) { first_error = first_error != 0 ? first_error : error; };
  note(mapping.unmap());
  note(file.close());
  note(lock_file.close());
  note(where.directory.close());
  if (first_error != 0) return failure_errno(Code::kFileClose, first_error);
  return {};
}

}  // namespace fsqlshm::internal

// How a file gets open. The protocol and its invariants are in open_file.h.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "byte_locks.h"
#include "draft.h"
#include "failure.h"
#include "found_header.h"
#include "fsqlshm/file_mapping.h"
#include "fsqlshm/hardened/seqlock.h"
#include "fsqlshm/shared_memory_layout.h"
#include "open_file.h"
#include "positioned_words.h"

namespace fsqlshm::internal {
namespace {

// For a file that somebody keeps deleting, and first openers that keep dying.
constexpr int kMaxAttempts = 1000;
constexpr std::chrono::microseconds kShortestPause{250};  // between attempts; at most 64 times this
// How long the locks of a process that dies may stay on one file when they are gone from the other.
constexpr std::chrono::milliseconds kExitTime{1000};

/// Only users who may write the file may open its lock file.
FileAccess lock_file_access(FileAccess access) {
  const auto keep = [&](mode_t write, mode_t read) {
    return (access.mode & write) != 0 ? write | read : mode_t{0};
  };
  access.mode = keep(S_IWUSR, S_IRUSR) | keep(S_IWGRP, S_IRGRP) | keep(S_IWOTH, S_IROTH);
  return access;
}

std::unexpected<ShmError> lock_failure(int error) { return failure_errno(Code::kFileLock, error); }

bool same_file(int fd, int other_fd) {
  struct stat one = {};
  struct stat other = {};
  return ::fstat(fd, &one) == 0 && ::fstat(other_fd, &other) == 0 && one.st_ino == other.st_ino &&
         one.st_dev == other.st_dev;
}

// That this thread is in a call of `recover`, and for which file. An open of the same file in there
// would wait for itself for ever.
class Recovering {
 public:
  explicit Recovering(int lock_fd) : lock_fd_(lock_fd), outer_(innermost) { innermost = this; }
  Recovering(const Recovering&) = delete;
  Recovering& operator=(const Recovering&) = delete;
  ~Recovering() { innermost = outer_; }

  static bool concerns(int lock_fd) {
    for (const Recovering* each = innermost; each != nullptr; each = each->outer_) {
      // A child that was forked in there is another user, and may wait.
      if (each->generation_ == process_generation() && same_file(each->lock_fd_, lock_fd)) {
        return true;
      }
    }
    return false;
  }

 private:
  static inline thread_local const Recovering* innermost = nullptr;

  int lock_fd_;
  const Recovering* outer_;
  std::uint64_t generation_ = process_generation();
};

class Opener {
 public:
  Opener(OpenMode mode, ShmFileOptions options)
      : mode_(mode), options_(std::move(options)), open_(std::make_unique<OpenFile>()) {}

  std::expected<std::unique_ptr<OpenFile>, ShmError> run(const std::filesystem::path& path) {
    if (const auto found = find(path); !found) return std::unexpected(found.error());
    const auto done = mode_ == OpenMode::kReadOnly
                          ? open_for_reading()
                          : repeat([&](bool alone) { return alone ? establish() : join(); });
    if (!done) return std::unexpected(done.error());
    return std::move(open_);
  }

  std::expected<void, ShmError> remove(const std::filesystem::path& path) {
    if (const auto found = find(path); !found) return found;
    return repeat([&](bool alone) { return alone ? unlink_both() : failure(Code::kFileInUse, 0); });
  }

 private:
  // True: done. False: begin again.
  using Attempt = std::expected<bool, ShmError>;

  [[nodiscard]] int directory() const { return open_->where.directory.get(); }
  [[nodiscard]] const std::string& name() const { return open_->where.name; }
  [[nodiscard]] int lock_fd() const { return open_->lock_file.get(); }
  [[nodiscard]] int fd() const { return open_->file.get(); }

  std::expected<void, ShmError> find(const std::filesystem::path& path) {
    auto where = FileName::of(path);
    if (!where) {
      const Code code = mode_ == OpenMode::kCreate ? Code::kFileCreate : Code::kFileOpen;
      return failure(code, where.error().found());
    }
    open_->where = std::move(*where);
    return {};
  }

  // Calls use(alone) with OPEN in hand, until it says that it is done.
  template <class Use>
  std::expected<void, ShmError> repeat(Use&& use) {
    for (int attempts = 1;; ++attempts) {
      if (const auto possible = look_at_name(); !possible) return possible;
      const auto alone = lock_open();
      if (!alone) return std::unexpected(alone.error());
      // Somebody may have removed the lock file while we waited; then our lock is on one that is gone.
      const auto locks = open_->where.same_file(open_->where.lock_file(), lock_fd());
      if (!locks && locks.error() != Code::kFileReplaced) return std::unexpected(locks.error());
      const Attempt done = locks ? use(*alone) : false;
      if (!done) return std::unexpected(done.error());
      if (*done) return {};
      if (attempts == kMaxAttempts) return failure_errno(Code::kFileOpen, EBUSY);
      open_->lock_file = {};
      open_->file = {};
      // Each keeps the others from being alone, so many have to come ever less often.
      const auto longest = static_cast<std::uint64_t>(kShortestPause.count())
                           << std::min(attempts, 6);
      std::this_thread::sleep_for(kShortestPause / 8 +
                                  std::chrono::microseconds(random() % longest));
    }
  }

  // Before a lock file is made for nothing.
  std::expected<void, ShmError> look_at_name() const {
    struct stat status = {};
    if (::fstatat(directory(), name().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      if (mode_ == OpenMode::kCreate) return failure(Code::kFileExists, EEXIST);
      if (!S_ISREG(status.st_mode)) return failure(Code::kFileNotRegular, status.st_mode & S_IFMT);
      return {};
    }
    const bool may_be_missing = mode_ == OpenMode::kCreate || mode_ == OpenMode::kOpenOrCreate;
    if (errno == ENOENT && may_be_missing) return {};
    return failure_errno(Code::kFileOpen);
  }

  // True: for writing. False: for reading, after waiting for a first opener to end.
  std::expected<bool, ShmError> lock_open() {
    if (const auto opened = open_lock_file(); !opened) return std::unexpected(opened.error());
    const auto alone = try_lock(lock_fd(), kOpenByte, LockKind::kWrite);
    if (!alone) return lock_failure(alone.error());
    const bool waits = !*alone && mode_ != OpenMode::kRemove;
    if (waits && Recovering::concerns(lock_fd())) return lock_failure(EDEADLK);
    const int error = waits ? lock(lock_fd(), kOpenByte, LockKind::kRead) : 0;
    if (error != 0) return lock_failure(error);
    return *alone;
  }

  std::expected<void, ShmError> open_lock_file() {
    const std::string lock_name = open_->where.lock_file();
    while (true) {
      auto opened = open_regular(directory(), lock_name, O_RDWR);
      if (opened) {
        open_->lock_file = std::move(*opened);
        return {};
      }
      if (!is_missing(opened.error())) return failure_of_lock_file(opened.error());
      const auto made = make_lock_file(lock_name);
      if (!made && made.error() != Code::kFileExists) return failure_of_lock_file(made.error());
    }
  }

  std::expected<void, ShmError> make_lock_file(const std::string& lock_name) {
    FileAccess access = options_.access;
    if (struct stat status = {};
        ::fstatat(directory(), name().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      access = {.mode = status.st_mode & 0777, .uid = status.st_uid, .gid = status.st_gid};
    }
    auto draft = Draft::make(directory(), lock_name);
    if (!draft) return std::unexpected(draft.error());
    if (const auto set = draft->set_access(lock_file_access(access)); !set) return set;
    return draft->link();  // not synced: after a power loss it is made again
  }

  // --- The first opener: alone, holds OPEN for writing --------------------------------------------

  Attempt establish() {
    auto opened = open_regular(directory(), name(), O_RDWR);
    if (!opened) {
      const bool make = is_missing(opened.error()) && mode_ != OpenMode::kOpen;
      if (!make) return std::unexpected(opened.error());
      const auto made = make_file(false);
      const bool found_one = !made && made.error() == Code::kFileExists;
      // A program that knows nothing of our locks put one there meanwhile.
      if (found_one && mode_ == OpenMode::kOpenOrCreate) return false;
      // Nobody needs the lock file of a file that could not be made.
      if (!made) ::unlinkat(directory(), open_->where.lock_file().c_str(), 0);
      return finish(made, true);
    }
    if (mode_ == OpenMode::kCreate) return failure(Code::kFileExists, EEXIST);
    open_->file = std::move(*opened);
    if (const auto unused = wait_for_names(); !unused) return std::unexpected(unused.error());
    const auto found = find_header(fd());
    if (!found) return std::unexpected(found.error());
    if (found->usable) return finish(establish_in_place(*found), true);
    const auto header = std::bit_cast<HeaderBytes>(found->words);
    if (mode_ == OpenMode::kOpenOrCreate && is_ruin(header, found->usable.error())) {
      return finish(make_file(true), true);
    }
    return std::unexpected(found->usable.error());
  }

  // Nobody holds OPEN, so nobody should have the file open, unless the lock file was replaced.
  std::expected<void, ShmError> wait_for_names() {
    const auto deadline = std::chrono::steady_clock::now() + kExitTime;
    while (true) {
      const auto used = locked_by_others(fd(), kNameBytes, LockKind::kRead);
      if (!used) return lock_failure(used.error());
      if (!*used) return {};
      if (std::chrono::steady_clock::now() > deadline) {
        return failure(Code::kFileInUse, 0, kOfLockFile);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::expected<DurableState, ShmError> recover() {
    const Recovering now(lock_fd());
    auto state = options_.recover();
    // It may have forked, and this may be the child.
    if (!open_->of_this_process()) return std::unexpected(forked());
    return state;
  }

  std::expected<FoundHeader, ShmError> make_file(bool replace) {
    const auto state = options_.recover ? recover() : DurableState{};
    if (!state) return std::unexpected(state.error());
    SharedMemoryLayout header(options_.page_size, options_.max_txn_slots);
    const auto size = required_size(header.geometry());
    if (!size) return std::unexpected(size.error());
    header.words().store(Field::kNextTxnId, state->next_txn_id.get(), std::memory_order::relaxed);
    if (options_.recover) {
      header.publish_snapshot(state->commit_seq, state->schema_epoch, state->ecs_epoch);
    }
    auto draft = Draft::make(directory(), name());
    if (!draft) return std::unexpected(draft.error());
    if (const auto filled = draft->fill(header.to_bytes(), *size); !filled) {
      return std::unexpected(filled.error());
    }
    if (const auto set = draft->set_access(options_.access); !set) {
      return std::unexpected(set.error());
    }
    if (const auto synced = draft->sync(); !synced) return std::unexpected(synced.error());
    const auto named = replace ? draft->replace() : draft->link();
    if (!named) return std::unexpected(named.error());
    if (const auto synced = draft->sync_directory(); !synced) {
      return std::unexpected(synced.error());
    }
    open_->file = draft->take_file();
    return find_header(fd());
  }

  std::expected<FoundHeader, ShmError> establish_in_place(const FoundHeader& found) {
    if (options_.trust_found_state) return found;
    if (!options_.recover) return failure(Code::kNeedsRecovery, 0);
    const auto state = recover();
    if (!state) return std::unexpected(state.error());
    PositionedWords words(fd());
    constexpr auto kOrder = std::memory_order::release;
    words.store(Field::kSerializedWriterTxnId, 0, kOrder);
    words.store(Field::kSerializedWriterPidAndGen, 0, kOrder);
    words.store(Field::kSerializedWriterPidBirth, 0, kOrder);
    words.store(Field::kSerializedWriterLeaseExpiry, 0, kOrder);
    words.store(Field::kGcHorizon, 0, kOrder);
    // Ids that were handed out but are in no durable file are not handed out again either, as far
    // as the file still knows.
    const std::uint64_t next = found.word(Field::kNextTxnId);
    const bool in_domain = next <= TxnId::kMaxRaw + 1;
    words.store(Field::kNextTxnId, std::max(in_domain ? next : 0, state->next_txn_id.get()),
                kOrder);
    hardened::Seqlock(words).publish({state->commit_seq, state->schema_epoch, state->ecs_epoch});
    if (words.error() != 0) return failure_errno(Code::kFileOpen, words.error());
    return found;
  }

  // --- Everybody else: holds OPEN for reading -----------------------------------------------------

  Attempt join() {
    auto opened = open_regular(directory(), name(), O_RDWR);
    if (!opened) {
      return is_missing(opened.error()) ? replaced_or_again() : std::unexpected(opened.error());
    }
    open_->file = std::move(*opened);
    const auto found = find_header(fd());
    if (!found) return std::unexpected(found.error());
    if (!found->immutable.valid()) return replaced_or_again(found->usable.error());
    const auto established =
        locked_by_others(lock_fd(), established_byte(*found), LockKind::kWrite);
    if (!established) return lock_failure(established.error());
    if (!*established) return replaced_or_again(ShmError(Code::kFileReplaced, found->inode));
    if (mode_ == OpenMode::kCreate) return failure(Code::kFileExists, EEXIST);
    return finish(found, false);
  }

  static LockRange established_byte(const FoundHeader& found) {
    return internal::established_byte(found.inode, found.immutable.geometry().layout_checksum);
  }

  // The file is not there, damaged, or not established: because there is no first opener any more, or
  // because those who have it open have another one.
  Attempt replaced_or_again(ShmError problem = ShmError(Code::kFileReplaced)) {
    const auto others = locked_by_others(lock_fd(), kEstablishedBytes, LockKind::kWrite);
    if (!others) return lock_failure(others.error());
    if (!*others) return false;
    return std::unexpected(problem);
  }

  // The lock file goes last, so that a death in between leaves nothing that is in anybody's way.
  Attempt unlink_both() {
    auto opened = open_regular(directory(), name(), O_RDWR);
    if (!opened) return std::unexpected(opened.error());
    open_->file = std::move(*opened);
    if (const auto unused = wait_for_names(); !unused) return std::unexpected(unused.error());
    for (const std::string& file : {name(), open_->where.lock_file()}) {
      if (::unlinkat(directory(), file.c_str(), 0) != 0) return failure_errno(Code::kFileOpen);
    }
    return true;
  }

  // --- Both ---------------------------------------------------------------------------------------

  Attempt finish(const std::expected<FoundHeader, ShmError>& found, bool first) {
    if (!found) return std::unexpected(found.error());
    if (!found->usable) return std::unexpected(found->usable.error());
    // Another program may have made or copied this file and left holes in it. Once it is in use it is
    // too late: where a file system cannot reserve space, posix_fallocate writes to the file.
    if (first && found->holes) {
      if (const auto reserved = reserve(fd(), found->size); !reserved) {
        return std::unexpected(reserved.error());
      }
    }
    if (const auto mapped = map(*found, PROT_READ | PROT_WRITE); !mapped) {
      return std::unexpected(mapped.error());
    }
    if (const auto named = take_name(); !named) return std::unexpected(named.error());
    auto locked = try_lock(lock_fd(), established_byte(*found), LockKind::kRead);
    if (locked && *locked && first) locked = try_lock(lock_fd(), kOpenByte, LockKind::kRead);
    if (!locked) return lock_failure(locked.error());
    if (!*locked) return lock_failure(EAGAIN);
    return true;
  }

  std::expected<void, ShmError> map(const FoundHeader& found, int protection) {
    open_->inode = found.inode;
    open_->immutable = found.immutable;
    open_->geometry = found.immutable.geometry();
    open_->mapping = Mapping::map(fd(), found.size, protection);
    if (!open_->mapping.ok()) return failure_errno(Code::kFileMap);
    return {};
  }

  // A name that nobody has: the pid, for people, and 40 bits that tell it from all others, in any
  // pid namespace and after any reboot.
  std::expected<void, ShmError> take_name() {
    constexpr std::uint64_t kTokens = (std::uint64_t{1} << hardened::kClaimTickBits) - 1;
    for (int attempts = 0; attempts < kMaxAttempts; ++attempts) {
      open_->identity = {.pid = static_cast<std::uint32_t>(::getpid()),
                         .birth = kKnownBirth | (random() & kTokens)};
      const auto locked = try_lock(lock_fd(), name_byte(open_->identity), LockKind::kWrite);
      if (!locked) return lock_failure(locked.error());
      if (!*locked) continue;
      // For users who may only read. One of them can be in the way; then they are not told.
      const auto told = try_lock(fd(), name_byte(open_->identity), LockKind::kWrite);
      if (!told) return lock_failure(told.error());
      return {};
    }
    return lock_failure(EAGAIN);
  }

  static std::uint64_t random() {
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value) return value;
    // As good for a name that a lock keeps unique among those in use.
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
  }

  // --- Reading only -------------------------------------------------------------------------------

  std::expected<void, ShmError> open_for_reading() {
    auto opened = open_regular(directory(), name(), O_RDONLY);
    if (!opened) return std::unexpected(opened.error());
    open_->file = std::move(*opened);
    const auto found = find_header(fd());
    if (!found) return std::unexpected(found.error());
    if (!found->usable) return std::unexpected(found->usable.error());
    const auto kept = locked_by_others(fd(), kNameBytes, LockKind::kRead);
    if (!kept) return lock_failure(kept.error());
    if (!*kept && !options_.trust_found_state) return failure(Code::kNeedsRecovery, 0);
    return map(*found, PROT_READ);
  }

  OpenMode mode_;
  ShmFileOptions options_;
  std::unique_ptr<OpenFile> open_;
};

}  // namespace

std::expected<std::unique_ptr<OpenFile>, ShmError> open_file(const std::filesystem::path& path,
                                                             OpenMode mode,
                                                             const ShmFileOptions& options) {
  return Opener(mode, options).run(path);
}

std::expected<void, ShmError> remove_file(const std::filesystem::path& path) {
  return Opener(OpenMode::kRemove, {}).remove(path);
}

}  // namespace fsqlshm::internal

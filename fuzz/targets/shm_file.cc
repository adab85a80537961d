// The input is a file: opened through the mapped-file path, for reading and writing, and for
// reading only. Success or the right error, never a crash, and the file is unchanged. On the way
// the input may make system calls fail, and let somebody else meddle with the name.
//
// Head, 16 bytes:
//   0..4  how much longer (or, negative, shorter) the file is than the bytes that follow; what is
//         added is a hole. Files are 0 to 8 MiB.
//   4     1: publish on the file after it was opened; 2: create one, too; 4: open what is no file;
//         8: create with open_or_create; 16: create durably
//   5     slots of the created file
//   6     page size of the created file, 512 << (byte % 8)
//   7     % 4: how much room there is for the created file, see Room; / 4: its permissions
//   8..16 four times two bytes: the number of a system call (1 is the first, 0 none; 128 and up
//         count those of the creation, others those of opening the file), and what happens at it,
//         see Meddler

#include "fsqlshm/shm_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/src/before_call.h"
#include "fuzz/check_open.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHead = 16;
constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 20;

// One folder for each process, gone at its end.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "fsqlshm-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      std::perror("cannot make a temporary folder");
      std::_Exit(2);
    }
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const Folder& folder() {
  static const Folder kFolder;
  return kFolder;
}

// The smallest header there is, with all its regions, made once: what somebody else puts in place.
const fs::path& foreign_file() {
  static const fs::path kPath = [] {
    fs::path path = folder().path() / "foreign";
    ShmFileOptions options;
    options.page_size = *PageSize::from_raw(4096);
    options.max_txn_slots = 1;
    if (!ShmFile::create(path, options)) {
      std::fputs("cannot make a file to begin with\n", stderr);
      std::_Exit(2);
    }
    return path;
  }();
  return kPath;
}

// Fails system calls as the input says, and knows what must come of it: the first failure that
// nothing absorbs is the one that is reported, and after it only the draft is removed.
class Meddler {
 public:
  enum class Task : std::uint8_t { kOpen, kCreate, kOpenOrCreate };

  Meddler(Task task, Bytes plan, fs::path path)
      : task_(task), plan_(plan), path_(std::move(path)) {}

  // What `plan` makes of which call, a line each.
  [[nodiscard]] static std::string describe(Bytes plan) {
    std::string text;
    for (std::size_t i = 0; i + 1 < plan.size(); i += 2) {
      if (plan[i] % 128 == 0) continue;
      const std::size_t what = plan[i + 1] % (kErrors.size() + 1);
      text += (plan[i] < 128 ? "opening it, call " : "creating another, call ") +
              std::to_string(plan[i] % 128) + ": " +
              (what < kErrors.size() ? std::generic_category().message(kErrors[what])
                                     : std::string("somebody meddles with the name")) +
              "\n";
    }
    return text;
  }

  // For a ScopedBeforeCall, which the meddler must outlive.
  [[nodiscard]] internal::BeforeCall before_call() {
    return [this](const char* call) { return before(call); };
  }

  // The error that must be reported, if one must.
  [[nodiscard]] const std::optional<ShmError>& error() const { return error_; }
  [[nodiscard]] bool went_on() const { return went_on_; }
  [[nodiscard]] bool creating() const { return stage_ == Stage::kCreating; }
  // Whether space was asked for.
  [[nodiscard]] bool reserved() const { return reserved_; }
  // Whether a finished draft got the name.
  [[nodiscard]] bool linked() const { return linked_; }
  // Whether somebody else's file has the name, or something that is no file.
  [[nodiscard]] bool foreign() const { return foreign_; }
  [[nodiscard]] bool is_fifo() const { return fifo_; }
  // Drafts that could not be removed.
  [[nodiscard]] std::size_t left_behind() const { return left_behind_; }

 private:
  enum class Stage : std::uint8_t { kLooking, kOpening, kCreating };

  // What happens at a call: one of these errors, or, beyond them, somebody meddles.
  static constexpr std::array<int, 13> kErrors = {EIO,        ENOENT, EACCES, ENOSPC, EINTR,
                                                  EEXIST,     EMFILE, ENOMEM, EROFS,  EDQUOT,
                                                  EOPNOTSUPP, EISDIR, EINVAL};

  int before(std::string_view call) {
    ++count_;
    if (error_ && call != "unlinkat") went_on_ = true;
    if (call == "posix_fallocate") reserved_ = true;
    follow(call);
    int error = 0;
    for (std::size_t i = 0; i + 1 < plan_.size() && error == 0; i += 2) {
      const bool of_creation = plan_[i] >= 128;
      if (plan_[i] % 128 != count_ || of_creation != (task_ != Task::kOpen)) continue;
      const std::size_t what = plan_[i + 1] % (kErrors.size() + 1);
      if (what < kErrors.size()) {
        error = kErrors[what];
      } else {
        meddle(call);
      }
    }
    if (error != 0) {
      fail(call, error);
    } else if (call == "linkat") {
      linked_ = !foreign_;
    }
    return error;
  }

  // Which part of the work this call belongs to: "open" is of the file after a look at it, and of
  // the folder otherwise.
  void follow(std::string_view call) {
    if (call == "fstatat") {
      stage_ = Stage::kLooking;
    } else if (call == "open") {
      stage_ = stage_ == Stage::kLooking && !missing_ ? Stage::kOpening : Stage::kCreating;
    }
    missing_ = call == "fstatat" && !fs::exists(fs::symlink_status(path_));
  }

  void fail(std::string_view call, int error) {
    if (call == "unlinkat") {
      ++left_behind_;
      return;
    }
    const bool looking = stage_ != Stage::kCreating;
    missing_ = missing_ || looking;  // an open that failed is not followed by one of the file
    const bool absorbed =
        (error == EINTR && (call == "pwrite" || call == "posix_fallocate")) ||
        (call == "openat" && error == EEXIST) ||
        (call == "openat(O_TMPFILE)" &&
         (error == EOPNOTSUPP || error == EISDIR || error == EINVAL)) ||
        (task_ == Task::kOpenOrCreate &&
         ((looking && error == ENOENT && call != "mmap" && call != "posix_fallocate") ||
          (call == "linkat" && error == EEXIST)));
    if (absorbed || error_) return;
    const auto code = [&] {
      if (call == "mmap") return ShmErrorCode::kFileMap;
      if (call == "posix_fallocate") return ShmErrorCode::kFileNoSpace;
      if (call == "fsync") return ShmErrorCode::kFileSync;
      if (call == "fstat" || looking) return ShmErrorCode::kFileOpen;
      if (call == "linkat" && error == EEXIST) return ShmErrorCode::kFileExists;
      return ShmErrorCode::kFileCreate;
    };
    error_ = ShmError(code(), static_cast<std::uint64_t>(error));
  }

  // Somebody else makes the file that is to be created, or puts a FIFO in the place of the one that
  // is to be opened.
  void meddle(std::string_view call) {
    if (task_ != Task::kOpen) {
      foreign_ = ::link(foreign_file().c_str(), path_.c_str()) == 0 || foreign_;
      missing_ = false;
    } else if (call == "fstatat" || call == "open") {
      fifo_ = ::unlink(path_.c_str()) == 0 && ::mkfifo(path_.c_str(), 0600) == 0;
    }
  }

  Task task_;
  Bytes plan_;
  fs::path path_;
  std::size_t count_ = 0;
  Stage stage_ = Stage::kCreating;
  bool missing_ = false;
  bool went_on_ = false;
  bool reserved_ = false;
  bool linked_ = false;
  bool foreign_ = false;
  bool fifo_ = false;
  std::size_t left_behind_ = 0;
  std::optional<ShmError> error_;
};

struct Content {
  std::vector<std::uint8_t> bytes;
  std::uint64_t size = 0;
};

void write_file(const fs::path& path, const Content& content) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::pwrite(fd, content.bytes.data(), content.bytes.size(), 0) ==
                           static_cast<ssize_t>(content.bytes.size()) &&
                       ::ftruncate(fd, static_cast<off_t>(content.size)) == 0;
  if (fd >= 0) ::close(fd);
  if (!written) {
    std::perror("cannot write the file under test");
    std::_Exit(2);
  }
}

// Size and first bytes, as many as `like` has.
bool same_file(const fs::path& path, const Content& like) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status = {};
  std::vector<std::uint8_t> bytes(like.bytes.size());
  const bool read = fd >= 0 && ::fstat(fd, &status) == 0 &&
                    ::pread(fd, bytes.data(), bytes.size(), 0) ==
                        static_cast<ssize_t>(std::min<std::uint64_t>(bytes.size(), like.size));
  if (fd >= 0) ::close(fd);
  bytes.resize(std::min<std::uint64_t>(bytes.size(), like.size));
  return read && static_cast<std::uint64_t>(status.st_size) == like.size &&
         std::equal(bytes.begin(), bytes.end(), like.bytes.begin());
}

// Bytes that the file of this header must have: four regions, in this order, without overlap, all
// within 2^63-1 bytes. None if they do not fit.
std::optional<std::uint64_t> required_bytes(Bytes header) {
  const std::uint64_t slots = wire::get32(header, wire::kSlots);
  const std::uint64_t readers = wire::get64(header, 136);
  const std::uint64_t limit = ~std::uint64_t{0} >> 1;
  std::uint64_t end = wire::kSize;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t offset = wire::get64(header, 104 + 8 * i);
    const std::uint64_t bytes = i == 0 ? 64 * slots : i == 3 ? readers : 128 * slots;
    if (offset < end || offset > limit || bytes > limit - offset) return std::nullopt;
    end = offset + bytes;
  }
  if (readers < (slots + 7) / 8) return std::nullopt;
  return end;
}

// What opening the file must say: "accept", or the error by the library's name.
std::string_view judge_file(Bytes header, std::uint64_t size) {
  if (size < wire::kSize) return "too_small";
  const Verdict verdict = judge(header);
  if (verdict != Verdict::kAccept) return to_string(verdict);
  const auto required = required_bytes(header);
  if (!required) return "file_regions_do_not_fit";
  return size < *required ? "file_truncated" : "accept";
}

std::optional<Failure> check_message(std::string_view subject, const ShmError& error) {
  const std::string message = error.message();
  if (message.size() >= 10 && !message.contains('\n') && to_string(error.code()) != "unknown") {
    return std::nullopt;
  }
  return Failure{.property = std::string(subject) + ": the message is not one line of text",
                 .detail = message};
}

template <class File>
std::optional<Failure> check_file(std::string_view subject,
                                  const std::expected<File, ShmError>& file,
                                  std::string_view expected, const Content& content) {
  const std::string_view found = file ? "accept" : to_string(file.error().code());
  if (found != expected) {
    return Failure{.property = std::string(subject) + ": expected " + std::string(expected) +
                               ", found " + std::string(found),
                   .detail = "a file of " + std::to_string(content.size) + " bytes"};
  }
  if (!file) {
    if (found == "file_truncated" && (file.error().found() != content.size ||
                                      file.error().expected() != required_bytes(content.bytes))) {
      return Failure{.property = std::string(subject) + ": wrong about what is cut off"};
    }
    return check_message(subject, file.error());
  }
  const HeaderBytes bytes = file->header_bytes();
  if (std::memcmp(bytes.data(), content.bytes.data(), bytes.size()) != 0) {
    return Failure{.property = std::string(subject) + ": header_bytes differ from the file"};
  }
  const Accessed accessed = access(file->layout());
  return check_answer({.way = subject, .accessed = &accessed}, expect(Verdict::kAccept),
                      content.bytes);
}

// Publishes under the lock; an odd number asks for a reconcile first.
std::optional<Failure> check_publish(ShmFile& file, const fs::path& path, Bytes header) {
  const auto fail = [](std::string what) {
    return Failure{.property = "publish on a file: " + std::move(what)};
  };
  // Another process would open the file for itself, too.
  const auto other = ShmFile::open(path);
  const auto reader = ReadOnlyShmFile::open(path);
  if (!other || !reader) return fail("it cannot be opened again");
  const bool odd = wire::get64(header, 32) % 2 != 0;
  {
    auto guard = file.try_lock_publication();
    if (!guard || !*guard) return fail("the lock is not free");
    if ((*guard)->needs_reconcile() != odd) return fail("wrong about a dead publisher");
    const auto published = (*guard)->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
    if (published.has_value() == odd) {
      return fail("an odd number must be reconciled first, an even one need not be");
    }
    if (!published) {
      if (published.error() != ShmErrorCode::kNeedsReconcile)
        return fail("refused as another error");
      if (auto f = check_message("publish on a file", published.error())) return f;
    }
    (*guard)->reconcile(CommitSeq(4), SchemaEpoch(5), 6);
    const auto second = file.try_lock_publication();
    const auto third = other->try_lock_publication();
    if (!second || *second || !third || *third) return fail("the lock is given out twice");
    const auto patient = other->try_lock_publication_for(std::chrono::microseconds(50));
    if (!patient || *patient) return fail("the lock is given out twice, after a while");
    if (other->publication_locked() != true || reader->publication_locked() != true) {
      return fail("a lock that is held is not seen");
    }
  }
  if (other->publication_locked() != false) return fail("a lock is seen that nobody holds");
  if (!other->lock_publication()) return fail("the lock cannot be had again");
  const auto again = file.try_lock_publication_for(std::chrono::milliseconds(1));
  if (!again || !*again) return fail("the lock is not given back");
  const ShmSnapshot expected{CommitSeq(4), SchemaEpoch(5), 6};
  for (const auto& found : {file.layout().try_load_consistent_snapshot(1),
                            other->layout().try_load_consistent_snapshot(1),
                            reader->layout().try_load_consistent_snapshot(1)}) {
    if (found != expected) return fail("it is not read back");
  }
  return std::nullopt;
}

// A description that may not write cannot hold a write lock.
std::optional<Failure> check_read_only_lock(const fs::path& path) {
  const auto file = FileMapping::open(path, FileMapping::Access::kReadOnly);
  if (!file) return Failure{.property = "lock a read-only file: it cannot be opened"};
  const auto tried = file->publication_lock().try_lock();
  const auto locked = file->publication_lock().lock();
  if (tried || tried.error() != ShmErrorCode::kFileLock || tried.error().found() != EBADF ||
      locked || locked.error() != ShmErrorCode::kFileLock) {
    return Failure{.property = "lock a read-only file: not refused as such"};
  }
  return check_message("lock a read-only file", tried.error());
}

// Moving gives the target's file to the source, to be closed with it.
std::optional<Failure> check_move(ShmFile file, const HeaderBytes& bytes) {
  auto other = ShmFile::open(foreign_file());
  if (!other) return Failure{.property = "move a file: the other one cannot be opened"};
  *other = std::move(file);
  if (other->header_bytes() != bytes) return Failure{.property = "move a file: not the same"};
  if (!other->sync() || !other->close()) return Failure{.property = "move a file: does not close"};
  return std::nullopt;
}

// How much room there is for a file that is created.
enum class Room : std::uint8_t { kPlenty, kExact, kOneByteShort, kMoreThanTheDisk };

struct Creation {
  ShmFileOptions options;
  Room room = Room::kPlenty;
  Meddler::Task task = Meddler::Task::kCreate;
  Bytes plan;
};

// What creation must write, and how long the file must be.
Content fresh_content(std::uint32_t page_size, std::uint32_t slots) {
  const std::uint32_t in_force = slots == 0 ? 128 : slots;
  const auto header = wire::fresh_header(page_size, in_force);
  return {{header.begin(), header.end()},
          wire::kSize + std::uint64_t{320} * in_force + (std::uint64_t{in_force} + 7) / 8};
}

// Largest size of a file that this process may write, for a while.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    struct rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(bytes, before_.rlim_cur);
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  struct rlimit before_ = {};
};

bool fits_on_the_disk(std::uint64_t size) {
  struct statvfs disk = {};
  return ::statvfs(folder().path().c_str(), &disk) != 0 || disk.f_bavail >= size / disk.f_frsize;
}

// What creating or opening the file must end with: an error, or none.
std::optional<ShmError> expected_of_creation(const Creation& creation, const Meddler& meddler) {
  if (meddler.error()) return meddler.error();
  if (meddler.creating() && creation.room == Room::kOneByteShort) {
    return ShmError(ShmErrorCode::kFileNoSpace, EFBIG);
  }
  if (meddler.creating() && creation.room == Room::kMoreThanTheDisk) {
    return ShmError(ShmErrorCode::kFileNoSpace, ENOSPC);
  }
  if (meddler.foreign() && creation.task == Meddler::Task::kCreate) {
    return ShmError(ShmErrorCode::kFileExists, EEXIST);
  }
  return std::nullopt;
}

// Removes what is in the folder and does not belong there; how much that was.
std::size_t remove_leftovers() {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder().path())) {
    if (!entry.path().filename().string().starts_with(".")) continue;
    fs::remove(entry.path());
    ++count;
  }
  return count;
}

std::optional<Failure> check_create(Creation creation) {
  static Counter failed("creations_failed");
  static Counter foreign("creations_overtaken");
  const auto fail = [](std::string what, std::string detail = {}) {
    return Failure{.property = "create a file: " + std::move(what), .detail = std::move(detail)};
  };
  const fs::path path = folder().path() / "new";
  fs::remove(path);
  foreign_file();
  Content expected =
      fresh_content(creation.options.page_size.get(), creation.options.max_txn_slots);
  if (creation.room == Room::kMoreThanTheDisk) {
    creation.options.max_txn_slots = 0xffffffff;
    if (fits_on_the_disk(fresh_content(512, 0xffffffff).size)) return std::nullopt;
  }
  Meddler meddler(creation.task, creation.plan, path);
  std::optional<ShmError> error;
  std::optional<HeaderBytes> header;
  {
    const std::uint64_t limit = creation.room == Room::kExact          ? expected.size
                                : creation.room == Room::kOneByteShort ? expected.size - 1
                                                                       : RLIM_INFINITY;
    const FileSizeLimit scope(limit);
    std::optional<internal::ScopedBeforeCall> calls(meddler.before_call());
    auto file = creation.task == Meddler::Task::kCreate
                    ? ShmFile::create(path, creation.options)
                    : ShmFile::open_or_create(path, creation.options);
    calls.reset();
    if (!file) {
      error = file.error();
    } else {
      header = file->header_bytes();
      if (!file->sync() || !file->close()) return fail("cannot be closed");
    }
  }
  if (error) failed.add();
  if (meddler.foreign()) foreign.add();

  const auto right = expected_of_creation(creation, meddler);
  const auto name = [](const std::optional<ShmError>& e) {
    return e ? std::string(to_string(e->code())) : std::string("success");
  };
  if (name(error) != name(right)) return fail("expected " + name(right) + ", found " + name(error));
  if (error) {
    if (error->found() != right->found()) return fail("not the errno that the call failed with");
    if (auto f = check_message("create a file", *error)) return f;
  }
  if (meddler.went_on()) return fail("goes on after a call that failed");
  if (remove_leftovers() != meddler.left_behind()) return fail("leaves a draft behind");
  if (error == ShmErrorCode::kFileNoSpace && !meddler.error() && meddler.reserved()) {
    return fail("tries what cannot fit, and fills the disk for a while");
  }

  // Nobody ever finds anything but a whole file under the name.
  if (meddler.foreign()) expected = fresh_content(4096, 1);
  const bool there = fs::exists(path);
  if (there != (meddler.linked() || meddler.foreign())) return fail("the name is there, or is not");
  if (there && !same_file(path, expected)) return fail("not the fresh header, or not its size");
  if (header && std::memcmp(header->data(), expected.bytes.data(), wire::kSize) != 0) {
    return fail("another header is mapped");
  }
  if (!there) return std::nullopt;
  const auto mode = mode_of(path);
  if (!mode || (!meddler.foreign() && *mode != creation.options.mode)) {
    return fail("not the permissions that were asked for");
  }
  creation.options.max_txn_slots = 1;
  const auto second = ShmFile::create(path, creation.options);
  if (second || second.error() != ShmErrorCode::kFileExists) return fail("it overwrites a file");
  const auto opened = ShmFile::open_or_create(path, creation.options);
  if (!opened) return fail("it cannot be opened afterwards", opened.error().message());
  return std::nullopt;
}

// Names that are no file, and the name of none.
std::optional<Failure> check_no_file(std::uint8_t kind) {
  const auto fail = [](std::string what) {
    return Failure{.property = "open what is no file: " + std::move(what)};
  };
  const fs::path name = folder().path() / "special";
  ::unlink(name.c_str());
  fs::path path = name;
  mode_t type = 0;  // of nothing
  switch (kind % 6) {
    case 0:
      break;
    case 1:
      path = folder().path();
      type = S_IFDIR;
      break;
    case 2:
      type = ::symlink(foreign_file().c_str(), path.c_str()) == 0 ? S_IFLNK : 0;
      break;
    case 3:
      type = ::mkfifo(path.c_str(), 0600) == 0 ? S_IFIFO : 0;
      break;
    case 4:
      type = ::mknod(path.c_str(), S_IFSOCK | 0600, 0) == 0 ? S_IFSOCK : 0;
      break;
    default:
      path = "/dev/null";
      type = S_IFCHR;
  }
  const ShmError right = type == 0 ? ShmError(ShmErrorCode::kFileOpen, ENOENT)
                                   : ShmError(ShmErrorCode::kFileNotRegular, type);
  const auto wrong = [&](const auto& result) { return result || result.error() != right; };
  if (wrong(ShmFile::open(path)) || wrong(ReadOnlyShmFile::open(path)) ||
      wrong(read_header_bytes(path))) {
    return fail("not refused as such");
  }
  // The permissions are those of what a link leads to.
  const auto mode = mode_of(path);
  if (type == S_IFLNK ? mode != 0600 : wrong(mode)) return fail("it has permissions");
  for (const fs::path& bad : {folder().path() / ".", fs::path("/nonexistent/f")}) {
    const auto created = ShmFile::create(bad);
    if (created || created.error() != ShmErrorCode::kFileCreate) return fail("it is created");
  }
  return check_message("open what is no file", right);
}

// The number of the next descriptor: equal before and after, unless one is left open.
int next_descriptor() {
  const int fd = ::open("/", O_PATH | O_CLOEXEC);
  ::close(fd);
  return fd;
}

std::optional<Failure> check_opening(const fs::path& path, std::string_view expected,
                                     const Content& content, Bytes head) {
  static Counter failed("opens_failed");
  if (auto f = check_file("open read-only", ReadOnlyShmFile::open(path), expected, content)) {
    return f;
  }
  const auto bytes = read_header_bytes(path);
  const bool whole = content.size >= wire::kSize;
  if (whole ? !bytes || std::memcmp(bytes->data(), content.bytes.data(), wire::kSize) != 0
            : bytes || bytes.error() != ShmErrorCode::kTooSmall) {
    return Failure{.property = "read_header_bytes: not those of the file"};
  }
  Meddler meddler(Meddler::Task::kOpen, head.subspan(8), path);
  std::optional<internal::ScopedBeforeCall> calls(meddler.before_call());
  auto file = ShmFile::open(path);
  calls.reset();
  if (meddler.error()) {
    failed.add();
    expected = to_string(meddler.error()->code());
    if (!file && file.error().found() != meddler.error()->found()) {
      return Failure{.property = "open a file: not the errno that the call failed with"};
    }
  } else if (meddler.is_fifo()) {
    expected = "file_not_regular";
  }
  if (auto f = check_file("open a file", file, expected, content)) return f;
  if (meddler.went_on()) {
    return Failure{.property = "open a file: goes on after a call that failed"};
  }
  if (meddler.is_fifo()) {
    ::unlink(path.c_str());
    return std::nullopt;
  }
  if (!same_file(path, content)) {
    return Failure{.property = "open a file: the file is not as it was"};
  }
  if (!file) return std::nullopt;
  const std::uint64_t required = *required_bytes(content.bytes);
  if (file->regions().size() + wire::kSize != required) {
    return Failure{.property = "open a file: not all regions are mapped, or more than these"};
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 ||
      static_cast<std::uint64_t>(status.st_blocks) * 512 < required) {
    return Failure{.property = "open a file: a hole is left, where a store may find no space"};
  }
  if ((head[4] & 1) != 0) {
    if (auto f = check_publish(*file, path, content.bytes)) return f;
    if (auto f = check_read_only_lock(path)) return f;
  }
  const HeaderBytes header = file->header_bytes();
  return (head[4] & 1) != 0 ? check_move(std::move(*file), header) : std::nullopt;
}

std::optional<Failure> check_all(Bytes input) {
  static Counter opened("opened");
  static Counter refused("refused");
  static Counter truncated("truncated");
  static Counter do_not_fit("regions_do_not_fit");
  const Bytes head = input.first(kHead);
  const auto longer = static_cast<std::int32_t>(wire::get32(input, 0));
  Content content{{input.begin() + kHead, input.end()}, 0};
  const std::int64_t size = static_cast<std::int64_t>(content.bytes.size()) + longer;
  content.size = static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(size, 0, static_cast<std::int64_t>(kMaxFile)));
  // As the file will be: cut, or with zeroes behind.
  content.bytes.resize(std::min<std::uint64_t>(content.size, content.bytes.size()));
  const Content file_content = content;
  if (content.size >= wire::kSize) {
    content.bytes.resize(std::max<std::size_t>(content.bytes.size(), wire::kSize));
  }

  const fs::path path = folder().path() / "f";
  write_file(path, file_content);
  const std::string_view expected = judge_file(content.bytes, content.size);
  (expected == "accept" ? opened : refused).add();
  if (expected == "file_truncated") truncated.add();
  if (expected == "file_regions_do_not_fit") do_not_fit.add();
  if (auto f = check_opening(path, expected, content, head)) return f;
  if ((head[4] & 2) != 0) {
    Creation creation;
    creation.options.max_txn_slots = head[5];
    creation.options.page_size = *PageSize::from_raw(std::uint32_t{512} << (head[6] % 8));
    creation.options.mode = 0600U | (head[7] / 4U);
    creation.options.durable = (head[4] & 16) != 0;
    creation.room = static_cast<Room>(head[7] % 4);
    creation.task = (head[4] & 8) != 0 ? Meddler::Task::kOpenOrCreate : Meddler::Task::kCreate;
    creation.plan = head.subspan(8);
    if (auto f = check_create(std::move(creation))) return f;
  }
  return (head[4] & 4) != 0 ? check_no_file(head[5]) : std::nullopt;
}

std::optional<Failure> run(Bytes input) {
  if (input.size() < kHead) return std::nullopt;
  foreign_file();
  const int before = next_descriptor();
  if (auto f = check_all(input)) return f;
  if (next_descriptor() != before) return Failure{.property = "a descriptor is left open"};
  return std::nullopt;
}

// The head with the engine, the rest as a header.
std::size_t mutate(MutableBytes buffer, std::size_t size, std::uint32_t seed, ByteMutator engine) {
  if (buffer.size() < kHead + wire::kSize) return engine(buffer.data(), size, buffer.size());
  Random random(seed);
  if (size < kHead) {
    std::fill_n(buffer.begin(), kHead, std::uint8_t{0});
    size = kHead;
  }
  if (random.one_in(3)) {
    // Around what the header asks for, or anything.
    std::uint64_t longer = random.next() % (2 * kMaxFile) - kMaxFile / 4;
    if (size >= kHead + wire::kSize && random.one_in(2)) {
      const Bytes header = Bytes(buffer).subspan(kHead);
      longer =
          wire::get64(header, 128) + wire::get64(header, 136) - wire::kSize + 1 - random.below(3);
    }
    wire::put32(buffer, 0, static_cast<std::uint32_t>(longer));
  }
  if (random.one_in(4)) buffer[4] = static_cast<std::uint8_t>(random.below(32));
  if (random.one_in(8)) buffer[5 + random.below(3)] = static_cast<std::uint8_t>(random.next());
  if (random.one_in(3)) {
    // Creating a file takes ten to twenty calls, opening one at most seven.
    std::uint8_t* const failure = &buffer[8 + 2 * random.below(4)];
    failure[0] =
        static_cast<std::uint8_t>(random.one_in(2) ? random.below(8) : 128 + random.below(24));
    failure[1] = static_cast<std::uint8_t>(random.below(14));
  }
  const std::size_t rest = mutate_header(buffer.subspan(kHead), size - kHead,
                                         static_cast<std::uint32_t>(random.next()), engine);
  if (rest >= wire::kSize && random.one_in(2)) {
    // A geometry that fits, or nearly: small, so that the file can hold it.
    const MutableBytes header = buffer.subspan(kHead, rest);
    wire::put32(header, wire::kSlots, static_cast<std::uint32_t>(1 + random.below(64)));
    wire::derive_regions(header);
    if (random.one_in(3)) {
      const std::size_t field = 104 + 8 * random.below(5);
      wire::put64(header, field, tweak(wire::get64(header, field), random));
    }
    wire::seal(header);
  }
  return kHead + rest;
}

std::string explain(Bytes input) {
  if (input.size() < kHead) return "too short to be a file\n";
  const auto longer = static_cast<std::int32_t>(wire::get32(input, 0));
  std::string text = "a file from " + std::to_string(input.size() - kHead) + " bytes, " +
                     std::to_string(longer) + " longer than these\n";
  constexpr std::array<std::string_view, 5> kSteps = {
      "publishes on it", "creates another", "opens what is no file",
      "creates it only if it is missing", "syncs what it creates"};
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    if ((input[4] >> i & 1) != 0) text += std::string(kSteps[i]) + "\n";
  }
  return text + Meddler::describe(input.subspan(8, kHead - 8));
}

std::vector<Unit> units(Bytes input) {
  std::vector<Unit> list;
  if (input.size() < kHead) return list;
  list.push_back({.name = "length", .offset = 0, .plain = {0, 0, 0, 0}});
  for (std::size_t i = 4; i < kHead; ++i) {
    list.push_back({.name = "flag " + std::to_string(i), .offset = i, .plain = {0}});
  }
  for (Unit& unit : header_units(input.subspan(kHead))) {
    unit.offset += kHead;
    list.push_back(std::move(unit));
  }
  return list;
}

}  // namespace

const Target& target() {
  static constexpr Target kTarget = {
      .name = "shm_file",
      .max_size = 512,
      .run = run,
      .mutate = mutate,
      .units = units,
      .explain = explain,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz

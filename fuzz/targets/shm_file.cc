// A file, opened through the mapped-file path, for reading and writing, and for reading only, and
// created. Success or the right error, never a crash, and the file is unchanged. On the way the
// input may make system calls fail, and let another process have the name first.

#include "fsqlshm/shm_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/check_open.h"
#include "fuzz/file_input.h"
#include "fuzz/interferer.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Task = Interferer::Task;

// Makes failures of one part of the work.
auto failures_of(std::string_view part) {
  return [part](std::string_view what, std::string detail = {}) {
    return Failure{.property = std::string(part) + ": " + std::string(what),
                   .detail = std::move(detail)};
  };
}

// One folder for each process, gone at its end.
const fs::path& folder() {
  static const fs::path kFolder = [] {
    std::string pattern = (fs::temp_directory_path() / "fsqlshm-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      std::perror("cannot make a temporary folder");
      std::_Exit(2);
    }
    return fs::path(pattern);
  }();
  [[maybe_unused]] static const int kRemoved = std::atexit([] { fs::remove_all(kFolder); });
  return kFolder;
}

// The smallest header with all its regions, made once: what another process puts in place.
const fs::path& foreign_file() {
  static const fs::path kPath = [] {
    fs::path path = folder() / "foreign";
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

void write_file(const fs::path& path, const Content& content) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  const auto size = static_cast<ssize_t>(content.bytes.size());
  const bool written = fd >= 0 && ::write(fd, content.bytes.data(), content.bytes.size()) == size &&
                       ::ftruncate(fd, static_cast<off_t>(content.size)) == 0;
  ::close(fd);
  if (!written) {
    std::perror("cannot write the file under test");
    std::_Exit(2);
  }
}

// Size and first bytes, as many as `like` has.
bool same_file(const fs::path& path, const Content& like) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(like.bytes.size(), like.size));
  struct stat status = {};
  const bool same = ::fstat(fd, &status) == 0 &&
                    static_cast<std::uint64_t>(status.st_size) == like.size &&
                    ::read(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                    std::equal(bytes.begin(), bytes.end(), like.bytes.begin());
  ::close(fd);
  return same;
}

std::optional<Failure> check_message(std::string_view subject, const ShmError& error) {
  const std::string message = error.message();
  if (message.size() >= 10 && !message.contains('\n') && to_string(error.code()) != "unknown") {
    return std::nullopt;
  }
  return failures_of(subject)("the message is not one line of text", message);
}

template <class File>
std::optional<Failure> check_file(std::string_view subject,
                                  const std::expected<File, ShmError>& file,
                                  std::string_view expected, const Content& content) {
  const auto fail = failures_of(subject);
  const std::string_view found = file ? "accept" : to_string(file.error().code());
  if (found != expected) {
    return fail("expected " + std::string(expected) + ", found " + std::string(found),
                "a file of " + std::to_string(content.size) + " bytes");
  }
  if (!file) {
    if (found == "file_truncated" && (file.error().found() != content.size ||
                                      file.error().expected() != required_bytes(content.bytes))) {
      return fail("wrong about what is cut off");
    }
    return check_message(subject, file.error());
  }
  const HeaderBytes bytes = file->header_bytes();
  if (std::memcmp(bytes.data(), content.bytes.data(), bytes.size()) != 0) {
    return fail("header_bytes differ from the file");
  }
  const Accessed accessed = access(file->layout());
  return check_answer({.way = subject, .accessed = &accessed}, expect(Judgement::kAccept),
                      content.bytes);
}

// Publishes under the lock; an odd number asks for a reconcile first.
std::optional<Failure> check_guard(ShmFile& file, const ShmFile& other,
                                   const ReadOnlyShmFile& reader, bool odd) {
  const auto fail = failures_of("publish on a file");
  auto guard = file.try_lock_publication();
  if (!guard || !*guard) return fail("the lock is not free");
  if ((*guard)->needs_reconcile() != odd) return fail("wrong about a dead publisher");
  const auto published = (*guard)->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  if (published.has_value() == odd) {
    return fail("an odd number must be reconciled first, an even one need not be");
  }
  if (!published) {
    if (published.error() != ShmErrorCode::kNeedsReconcile) return fail("refused as another error");
    if (auto f = check_message("publish on a file", published.error())) return f;
  }
  (*guard)->reconcile(CommitSeq(4), SchemaEpoch(5), 6);
  const auto second = file.try_lock_publication();
  const auto third = other.try_lock_publication();
  if (!second || *second || !third || *third) return fail("the lock is given out twice");
  const auto patient = other.try_lock_publication_for(std::chrono::microseconds(50));
  if (!patient || *patient) return fail("the lock is given out twice, after a while");
  if (other.publication_locked() != true || reader.publication_locked() != true) {
    return fail("a lock that is held is not seen");
  }
  return std::nullopt;
}

std::optional<Failure> check_publish(ShmFile& file, const fs::path& path, Bytes header) {
  const auto fail = failures_of("publish on a file");
  // Another process would open the file for itself, too.
  const auto other = ShmFile::open(path);
  const auto reader = ReadOnlyShmFile::open(path);
  if (!other || !reader) return fail("it cannot be opened again");
  const bool odd = wire::get64(header, 32) % 2 != 0;
  if (auto f = check_guard(file, *other, *reader, odd)) return f;
  if (other->publication_locked() != false) return fail("a lock is seen that is not held");
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
  const auto fail = failures_of("lock a read-only file");
  if (!file) return fail("it cannot be opened");
  const auto tried = file->publication_lock().try_lock();
  const auto locked = file->publication_lock().lock();
  if (tried || tried.error() != ShmErrorCode::kFileLock || tried.error().found() != EBADF ||
      locked || locked.error() != ShmErrorCode::kFileLock) {
    return fail("not refused as such");
  }
  return check_message("lock a read-only file", tried.error());
}

// What creation must write, and how long the file must be.
Content fresh_content(std::uint32_t page_size, std::uint32_t slots) {
  const std::uint32_t in_force = slots == 0 ? 128 : slots;
  const auto header = wire::fresh_header(page_size, in_force);
  return {{header.begin(), header.end()},
          wire::kSize + std::uint64_t{320} * in_force + (std::uint64_t{in_force} + 7) / 8};
}

// Removes what is in the folder and does not belong there; how much that was.
std::size_t remove_leftovers() {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    if (!entry.path().filename().string().starts_with(".")) continue;
    fs::remove(entry.path());
    ++count;
  }
  return count;
}

// What creating or opening the file must end with: an error, or none.
std::optional<ShmError> expected_of_creation(Room room, const Interferer& interferer) {
  if (interferer.error()) return interferer.error();
  const std::uint64_t full = room == Room::kOneByteShort      ? EFBIG
                             : room == Room::kMoreThanTheDisk ? ENOSPC
                                                              : 0;
  if (interferer.creating() && full != 0) return ShmError(ShmErrorCode::kFileNoSpace, full);
  if (interferer.foreign() && interferer.task() == Task::kCreate) {
    return ShmError(ShmErrorCode::kFileExists, EEXIST);
  }
  return std::nullopt;
}

// What the creation answered: an error, or the header that is mapped.
struct Created {
  std::optional<ShmError> error{};
  std::optional<HeaderBytes> header{};
  bool closed = true;
};

// `room` is the largest size of a file that this process may write meanwhile.
Created create(const fs::path& path, const ShmFileOptions& options, std::uint64_t room,
               Interferer& interferer) {
  struct rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const struct rlimit limited = {std::min<rlim_t>(room, before.rlim_cur), before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limited);
  auto file = [&] {
    const auto scope = interferer.interfere();
    return interferer.task() == Task::kCreate ? ShmFile::create(path, options)
                                              : ShmFile::open_or_create(path, options);
  }();
  ::setrlimit(RLIMIT_FSIZE, &before);
  if (!file) return {.error = file.error()};
  const HeaderBytes header = file->header_bytes();
  return {.header = header, .closed = file->sync() && file->close()};
}

std::optional<Failure> check_creation_answer(const Created& created, Room room,
                                             const Interferer& interferer) {
  const auto fail = failures_of("create a file");
  const auto right = expected_of_creation(room, interferer);
  const auto name = [](const std::optional<ShmError>& e) {
    return e ? std::string(to_string(e->code())) : std::string("success");
  };
  const std::optional<ShmError>& error = created.error;
  if (!created.closed) return fail("cannot be closed");
  if (name(error) != name(right)) return fail("expected " + name(right) + ", found " + name(error));
  if (error) {
    if (error->found() != right->found()) return fail("not the errno that the call failed with");
    if (auto f = check_message("create a file", *error)) return f;
  }
  if (interferer.went_on()) return fail("goes on after a call that failed");
  if (remove_leftovers() != interferer.left_behind()) return fail("leaves a draft behind");
  if (error == ShmErrorCode::kFileNoSpace && !interferer.error() && interferer.reserved()) {
    return fail("tries what cannot fit, and fills the disk for a while");
  }
  return std::nullopt;
}

// At any time a whole file has the name, or none.
std::optional<Failure> check_created_file(const fs::path& path, const Created& created,
                                          const Content& expected, ShmFileOptions options,
                                          const Interferer& interferer) {
  const auto fail = failures_of("create a file");
  const bool there = fs::exists(path);
  if (there != (interferer.linked() || interferer.foreign())) {
    return fail("the name is there, or is not");
  }
  if (there && !same_file(path, expected)) return fail("not the fresh header, or not its size");
  if (created.header &&
      std::memcmp(created.header->data(), expected.bytes.data(), wire::kSize) != 0) {
    return fail("another header is mapped");
  }
  if (!there) return std::nullopt;
  const auto mode = mode_of(path);
  if (!mode || (!interferer.foreign() && *mode != options.mode)) {
    return fail("not the permissions that were asked for");
  }
  options.max_txn_slots = 1;
  const auto second = ShmFile::create(path, options);
  if (second || second.error() != ShmErrorCode::kFileExists) return fail("it overwrites a file");
  const auto opened = ShmFile::open_or_create(path, options);
  if (!opened) return fail("it cannot be opened afterwards", opened.error().message());
  return std::nullopt;
}

std::optional<Failure> check_create(const FileInput& input) {
  static Counter failed("creations_failed");
  static Counter overtaken("creations_overtaken");
  const fs::path path = folder() / "new";
  fs::remove(path);
  ShmFileOptions options = input.options;
  Content expected = fresh_content(options.page_size.get(), options.max_txn_slots);
  if (input.room == Room::kMoreThanTheDisk) {
    options.max_txn_slots = 0xffffffff;
    const std::uint64_t size = fresh_content(512, 0xffffffff).size;
    if (fs::space(folder()).available >= size) return std::nullopt;
  }
  Interferer interferer(input.or_opens ? Task::kOpenOrCreate : Task::kCreate, input.plan, path,
                        foreign_file());
  const std::uint64_t limit = input.room == Room::kExact          ? expected.size
                              : input.room == Room::kOneByteShort ? expected.size - 1
                                                                  : RLIM_INFINITY;
  const Created created = create(path, options, limit, interferer);
  if (created.error) failed.add();
  if (interferer.foreign()) overtaken.add();
  if (auto f = check_creation_answer(created, input.room, interferer)) return f;
  if (interferer.foreign()) expected = fresh_content(4096, 1);
  return check_created_file(path, created, expected, options, interferer);
}

// Moving gives the target's file to the source, to be closed with it.
std::optional<Failure> check_move(ShmFile file, const HeaderBytes& bytes) {
  const auto fail = failures_of("move a file");
  auto other = ShmFile::open(foreign_file());
  if (!other) return fail("the other one cannot be opened");
  *other = std::move(file);
  if (other->header_bytes() != bytes) return fail("not the same");
  if (!other->sync() || !other->close()) return fail("does not close");
  return std::nullopt;
}

// Names that are no file, and the name of none.
std::optional<Failure> check_no_file(std::uint8_t kind) {
  const auto fail = failures_of("open what is no file");
  const fs::path name = folder() / "special";
  ::unlink(name.c_str());
  fs::path path = name;
  mode_t type = 0;  // of nothing
  switch (kind % 6) {
    case 0:
      break;
    case 1:
      path = folder();
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
  for (const fs::path& bad : {folder() / ".", fs::path("/nonexistent/f")}) {
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

std::optional<Failure> check_read_only(const fs::path& path, std::string_view expected,
                                       const Content& content) {
  if (auto f = check_file("open read-only", ReadOnlyShmFile::open(path), expected, content)) {
    return f;
  }
  const auto bytes = read_header_bytes(path);
  const bool whole = content.size >= wire::kSize;
  if (whole ? !bytes || std::memcmp(bytes->data(), content.bytes.data(), wire::kSize) != 0
            : bytes || bytes.error() != ShmErrorCode::kTooSmall) {
    return Failure{.property = "read_header_bytes: not those of the file"};
  }
  return std::nullopt;
}

// A file that was opened: its regions, and what can be done with it.
std::optional<Failure> check_use(ShmFile file, const fs::path& path, const Content& content,
                                 bool publishes) {
  const auto fail = failures_of("open a file");
  const std::uint64_t required = *required_bytes(content.bytes);
  if (file.regions().size() + wire::kSize != required) {
    return fail("not all regions are mapped, or more than these");
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 ||
      static_cast<std::uint64_t>(status.st_blocks) * 512 < required) {
    return fail("a hole is left, where a store may find no space");
  }
  if (!publishes) return std::nullopt;
  if (auto f = check_publish(file, path, content.bytes)) return f;
  if (auto f = check_read_only_lock(path)) return f;
  const HeaderBytes header = file.header_bytes();
  return check_move(std::move(file), header);
}

std::optional<Failure> check_opening(const fs::path& path, std::string_view expected,
                                     const Content& content, const FileInput& input) {
  static Counter failed("opens_failed");
  const auto fail = failures_of("open a file");
  Interferer interferer(Task::kOpen, input.plan, path, foreign_file());
  auto file = [&] {
    const auto scope = interferer.interfere();
    return ShmFile::open(path);
  }();
  if (interferer.error()) {
    failed.add();
    expected = to_string(interferer.error()->code());
    if (!file && file.error().found() != interferer.error()->found()) {
      return fail("not the errno that the call failed with");
    }
  } else if (interferer.is_fifo()) {
    expected = "file_not_regular";
  }
  if (auto f = check_file("open a file", file, expected, content)) return f;
  if (interferer.went_on()) return fail("goes on after a call that failed");
  if (interferer.is_fifo()) return std::nullopt;
  if (!same_file(path, content)) return fail("the file is not as it was");
  return file ? check_use(*std::move(file), path, content, input.publishes) : std::nullopt;
}

std::optional<Failure> check_all(const FileInput& input) {
  static Counter opened("opened");
  static Counter refused("refused");
  static Counter truncated("truncated");
  static Counter do_not_fit("regions_do_not_fit");
  const fs::path path = folder() / "f";
  write_file(path, input.content);
  Content content = input.content;  // as it will be read: with zeroes behind
  if (content.size >= wire::kSize) {
    content.bytes.resize(std::max<std::size_t>(content.bytes.size(), wire::kSize));
  }
  const std::string_view expected = judge_file(content.bytes, content.size);
  (expected == "accept" ? opened : refused).add();
  if (expected == "file_truncated") truncated.add();
  if (expected == "file_regions_do_not_fit") do_not_fit.add();
  if (auto f = check_read_only(path, expected, content)) return f;
  if (auto f = check_opening(path, expected, content, input)) return f;
  if (input.creates) {
    if (auto f = check_create(input)) return f;
  }
  return input.opens_no_file ? check_no_file(input.no_file) : std::nullopt;
}

std::optional<Failure> run(Bytes bytes) {
  const auto input = decode_file(bytes);
  if (!input) return std::nullopt;
  foreign_file();
  const int before = next_descriptor();
  if (auto f = check_all(*input)) return f;
  if (next_descriptor() != before) return Failure{.property = "a descriptor is left open"};
  return std::nullopt;
}

constexpr std::string_view kReaches[] = {
    "opened",       "refused",          "truncated",          "regions_do_not_fit",
    "opens_failed", "creations_failed", "creations_overtaken"};

}  // namespace

constinit const Target kTarget = {
    .name = "shm_file",
    .description = "a file, failing system calls, a name that changes hands; the wire table",
    .max_size = 512,
    .run = run,
    .mutate = mutate_file,
    .units = file_units,
    .explain = explain_file,
    .dictionary = kHeaderDictionary,
    .reaches = kReaches,
};

}  // namespace fsqlshm::fuzz

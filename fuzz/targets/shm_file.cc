// The input is a file: opened through the mapped-file path, for reading and writing, and for
// reading only. Success or the right error, never a crash, and the file is unchanged.
//
// Head, 8 bytes:
//   0..4  how much longer (or, negative, shorter) the file is than the bytes that follow; what is
//         added is a hole. Files are 0 to 8 MiB.
//   4     1: publish on the file after it was opened; 2: create one, too; 4: open what is no file
//   5     slots of the created file
//   6     page size of the created file, 512 << (byte % 8)

#include "fsqlshm/shm_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/check_open.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHead = 8;
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

struct Content {
  std::vector<std::uint8_t> bytes;
  std::uint64_t size = 0;
};

void write_file(const fs::path& path, const Content& content) {
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
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

// What opening the file must say: "accept", or the error by the library's name.
std::string_view judge_file(Bytes header, std::uint64_t size) {
  if (size < wire::kSize) return "too_small";
  const Verdict verdict = judge(header);
  if (verdict != Verdict::kAccept) return to_string(verdict);
  // Four regions, in this order, without overlap, all within 2^63-1 bytes.
  const std::uint64_t slots = wire::get32(header, wire::kSlots);
  const std::uint64_t limit = ~std::uint64_t{0} >> 1;
  std::uint64_t end = wire::kSize;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t offset = wire::get64(header, 104 + 8 * i);
    const std::uint64_t bytes = i == 0   ? 64 * slots
                                : i == 3 ? wire::get64(header, 136)
                                         : 128 * slots;
    if (offset < end || offset > limit || bytes > limit - offset) return "file_regions_do_not_fit";
    end = offset + bytes;
  }
  if (wire::get64(header, 136) < (slots + 7) / 8) return "file_regions_do_not_fit";
  return size < end ? "file_truncated" : "accept";
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
    return file.error().message().empty()
               ? std::optional(Failure{.property = std::string(subject) + ": an empty message"})
               : std::nullopt;
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
std::optional<Failure> check_publish(ShmFile& file, Bytes header) {
  const auto fail = [](std::string what) {
    return Failure{.property = "publish on a file: " + std::move(what)};
  };
  const bool odd = wire::get64(header, 32) % 2 != 0;
  {
    auto guard = file.try_lock_publication();
    if (!guard || !*guard) return fail("the lock is not free");
    if ((*guard)->needs_reconcile() != odd) return fail("wrong about a dead publisher");
    if ((*guard)->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3).has_value() == odd) {
      return fail("an odd number must be reconciled first, an even one need not be");
    }
    (*guard)->reconcile(CommitSeq(4), SchemaEpoch(5), 6);
    const auto second = file.try_lock_publication();
    if (!second || *second) return fail("the lock is given out twice");
  }
  if (!file.lock_publication()) return fail("the lock cannot be had again");
  const auto again = file.try_lock_publication_for(std::chrono::milliseconds(1));
  if (!again || !*again) return fail("the lock is not given back");
  const auto snapshot = file.layout().try_load_consistent_snapshot(1);
  if (snapshot != ShmSnapshot{CommitSeq(4), SchemaEpoch(5), 6}) return fail("it is not read back");
  return std::nullopt;
}

std::optional<Failure> check_create(const fs::path& path, std::uint32_t page_size,
                                    std::uint32_t slots) {
  const auto fail = [](std::string what) {
    return Failure{.property = "create a file: " + std::move(what)};
  };
  std::error_code ignored;
  fs::remove(path, ignored);
  ShmFileOptions options;
  options.page_size = *PageSize::from_raw(page_size);
  options.max_txn_slots = slots;
  {
    auto file = ShmFile::open_or_create(path, options);
    if (!file) return fail(file.error().message());
    if (!file->sync() || !file->close()) return fail("cannot be closed");
  }
  const std::uint32_t in_force = slots == 0 ? 128 : slots;
  const auto header = wire::fresh_header(page_size, in_force);
  Content expected{{header.begin(), header.end()},
                   wire::kSize + std::uint64_t{320} * in_force + (in_force + 7) / 8};
  if (!same_file(path, expected)) return fail("not the fresh header, or not the right size");
  const auto second = ShmFile::create(path, options);
  if (second || second.error() != ShmErrorCode::kFileExists) return fail("it overwrites a file");
  const auto opened = ShmFile::open_or_create(path, options);
  if (!opened) return fail(opened.error().message());
  return std::nullopt;
}

std::optional<Failure> check_no_file() {
  const auto directory = ShmFile::open(folder().path());
  if (directory || directory.error() != ShmErrorCode::kFileNotRegular) {
    return Failure{.property = "open a folder: not refused as such"};
  }
  const auto missing = ShmFile::open(folder().path() / "missing");
  if (missing || missing.error() != ShmErrorCode::kFileOpen || missing.error().found() != ENOENT) {
    return Failure{.property = "open a missing file: not refused as such"};
  }
  return std::nullopt;
}

std::optional<Failure> run(Bytes input) {
  static Counter opened("opened");
  static Counter refused("refused");
  static Counter truncated("truncated");
  static Counter do_not_fit("regions_do_not_fit");
  if (input.size() < kHead) return std::nullopt;
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

  const auto read_only = ReadOnlyShmFile::open(path);
  if (auto f = check_file("open read-only", read_only, expected, content)) return f;
  {
    auto file = ShmFile::open(path);
    if (auto f = check_file("open a file", file, expected, content)) return f;
    if (!same_file(path, content)) {
      return Failure{.property = "open a file: the file is not as it was"};
    }
    if (file && (input[4] & 1) != 0) {
      if (auto f = check_publish(*file, content.bytes)) return f;
    }
  }
  if ((input[4] & 2) != 0) {
    if (auto f =
            check_create(folder().path() / "new", std::uint32_t{512} << (input[6] % 8), input[5])) {
      return f;
    }
  }
  return (input[4] & 4) != 0 ? check_no_file() : std::nullopt;
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
  if (random.one_in(4)) buffer[4] = static_cast<std::uint8_t>(random.below(8));
  if (random.one_in(8)) buffer[5 + random.below(2)] = static_cast<std::uint8_t>(random.next());
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
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz

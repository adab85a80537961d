#include "fuzz/file_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

namespace fsqlshm::fuzz {

namespace fs = std::filesystem;

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

void remove_both(const fs::path& path) {
  ::unlink(path.c_str());
  ::unlink((path.string() + "-lock").c_str());
}

void write_file(const fs::path& path, const Content& content) {
  remove_both(path);
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

namespace {

// As many of the first bytes as `like` has; none if the size is another.
std::optional<std::vector<std::uint8_t>> first_bytes(const fs::path& path, const Content& like) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(like.bytes.size(), like.size));
  struct stat status = {};
  const bool whole = ::fstat(fd, &status) == 0 &&
                     static_cast<std::uint64_t>(status.st_size) == like.size &&
                     ::read(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  ::close(fd);
  return whole ? std::optional(std::move(bytes)) : std::nullopt;
}

}  // namespace

bool same_file(const fs::path& path, const Content& like) {
  const auto bytes = first_bytes(path, like);
  return bytes && std::equal(bytes->begin(), bytes->end(), like.bytes.begin());
}

bool same_immutable(const fs::path& path, const Content& like) {
  auto bytes = first_bytes(path, like);
  if (!bytes) return false;
  std::copy_n(like.bytes.begin() + wire::kFirstAtomic, 8 * wire::kAtomicWords,
              bytes->begin() + wire::kFirstAtomic);
  return *bytes == like.bytes;
}

std::optional<Failure> check_message(std::string_view subject, const ShmError& error) {
  const std::string message = error.message();
  if (message.size() >= 10 && !message.contains('\n') && to_string(error.code()) != "unknown") {
    return std::nullopt;
  }
  return failures_of(subject)("the message is not one line of text", message);
}

FileSizeLimit::FileSizeLimit(std::uint64_t most) {
  ::getrlimit(RLIMIT_FSIZE, &before_);
  const struct rlimit limited = {std::min<rlim_t>(most, before_.rlim_max), before_.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limited);
}

std::size_t remove_leftovers() {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    if (!entry.path().filename().string().starts_with(".")) continue;
    fs::remove(entry.path());
    ++count;
  }
  return count;
}

}  // namespace fsqlshm::fuzz

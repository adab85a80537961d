// A mapped file: what its locks and its guard add to the system calls and stores below them.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "cases.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"

namespace fsqlshm::bench {
namespace {

namespace fs = std::filesystem;

void require(bool good, const char* what) {
  if (!good) throw WrongResult(what);
}

// A new file in a folder of its own, and two opens of it.
class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  [[nodiscard]] fs::path path() const { return fs::path(folder_) / "bench.fsqlite-shm"; }
  [[nodiscard]] ShmFile& mine() { return mine_; }
  [[nodiscard]] ShmFile& other() { return other_; }
  /// The header in place, with nothing of the file layer around it.
  [[nodiscard]] SharedMemoryLayoutView bare() {
    return must(SharedMemoryLayoutView::open(bare_.bytes()));
  }

 private:
  static std::string new_folder() {
    std::string folder = fs::temp_directory_path() / "fsqlshm-bench.XXXXXX";
    require(::mkdtemp(folder.data()) != nullptr, "no temporary folder");
    return folder;
  }
  template <class T>
  static T must(std::expected<T, ShmError> result) {
    require(result.has_value(), "the file does not open");
    return *std::move(result);
  }

  std::string folder_ = new_folder();
  ShmFile mine_ = must(ShmFile::open_or_create(path()));
  ShmFile other_ = must(ShmFile::open(path()));
  FileMapping bare_ = must(FileMapping::open(path(), FileMapping::Access::kReadWrite, {}));
};

/// Whether the owner of the writer indicator, another open of the file, lives.
void alive_by_lock(benchmark::State& state) {
  File file;
  const ProcessIdentity who = file.other().identity();
  const auto alive = file.mine().liveness();
  bool good = true;
  for (auto _ : state) good &= alive(who.pid, who.birth);
  require(good, "an open file counts as dead");
}

void alive_by_proc(benchmark::State& state) {
  const ProcessIdentity who = this_process();
  bool good = true;
  for (auto _ : state) good &= process_alive(who.pid, who.birth);
  require(good, "this process counts as dead");
}

void lock_publication(benchmark::State& state) {
  File file;
  bool good = true;
  for (auto _ : state) good &= file.mine().lock_publication().has_value();
  require(good, "the lock is not to be had");
}

/// The two system calls that no lock of this kind can do without.
void two_fcntl(benchmark::State& state) {
  File file;
  const fs::path path = file.path().string() + ".locked";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  struct flock lock = {};
  lock.l_whence = SEEK_SET;
  lock.l_start = 1;
  lock.l_len = 1;
  const auto change = [&](short type, int command) {
    lock.l_type = type;
    return ::fcntl(fd, command, &lock) == 0;
  };
  bool good = fd >= 0;
  for (auto _ : state) {
    good &= change(F_WRLCK, F_OFD_SETLKW);
    good &= change(F_UNLCK, F_OFD_SETLK);
  }
  ::close(fd);
  require(good, "a file cannot be locked");
}

void publish_by_guard(benchmark::State& state) {
  File file;
  auto guard = file.mine().lock_publication();
  require(guard.has_value(), "the lock is not to be had");
  std::uint64_t n = 1;
  bool good = true;
  for (auto _ : state) {
    const Triple next = triple_of(++n);
    good &= guard
                ->publish_snapshot(CommitSeq(next.commit_seq), SchemaEpoch(next.schema_epoch),
                                   next.ecs_epoch)
                .has_value();
    asm volatile("" : : : "memory");
  }
  require(good && file.mine().layout().load_commit_seq().get() == n, "not what was published");
}

void publish_bare(benchmark::State& state) {
  File file;
  auto layout = file.bare();
  std::uint64_t n = 1;
  for (auto _ : state) {
    const Triple next = triple_of(++n);
    layout.publish_snapshot(CommitSeq(next.commit_seq), SchemaEpoch(next.schema_epoch),
                            next.ecs_epoch);
    asm volatile("" : : : "memory");
  }
  require(layout.load_commit_seq().get() == n, "not what was published");
}

template <class Layout>
void read(benchmark::State& state, const Layout& layout) {
  for (auto _ : state) {
    consume(to_triple(layout.load_consistent_snapshot()));
  }
}

void read_by_file(benchmark::State& state) {
  File file;
  read(state, file.mine().layout());
}

void read_bare(benchmark::State& state) {
  File file;
  read(state, file.bare());
}

}  // namespace

void add_file_cases(Cases& cases) {
  const auto add = [&](const char* operation, const char* subject, auto body,
                       bool control = false) {
    cases.push_back({.facts = {{"group", "file"}, {"operation", operation}, {"subject", subject}},
                     .body = body,
                     .control = control});
  };
  add("alive", "lock", alive_by_lock);
  add("alive", "proc", alive_by_proc);
  add("lock", "publication", lock_publication);
  add("lock", "two_fcntl", two_fcntl, true);
  add("publish", "guard", publish_by_guard);
  add("publish", "bare", publish_bare);
  add("read", "file", read_by_file);
  add("read", "bare", read_bare);
}

}  // namespace fsqlshm::bench

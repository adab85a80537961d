// What the tests of the mapped file share: a folder of their own, what it holds, open descriptors.

#ifndef FSQLSHM_CORE_SHM_FILE_TEST_H_
#define FSQLSHM_CORE_SHM_FILE_TEST_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/open_files.h"
#include "harness/system_calls.h"

namespace fsqlshm {

using Code = ShmErrorCode;
using harness::ScopedBeforeCall;
namespace fs = std::filesystem;

// A folder of its own for each test, on the machine's temporary file system.
class ShmFileTest : public testing::Test {
 protected:
  ShmFileTest() {
    std::string pattern = fs::temp_directory_path() / "fsqlshm_file_test.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ShmFileTest() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path path(std::string_view name = "foo.db.fsqlite-shm") const {
    return folder_ / name;
  }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  [[nodiscard]] harness::OpenFiles open_files() const { return harness::open_files(folder_); }
  void write(const fs::path& where, std::span<const std::byte> bytes, std::size_t size) const {
    std::ofstream out(where, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(std::min(size, bytes.size())));
    out.close();
    fs::resize_file(where, size);
  }

  fs::path folder_;
};

using Recovered = std::expected<DurableState, ShmError>;

/// For files that nobody has open: what they say holds.
inline ShmFileOptions trust() { return {.trust_found_state = true}; }

inline void set_word(const fs::path& path, Field field, std::uint64_t value) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, &value, sizeof value, static_cast<off_t>(offset_of(field))), 8);
  ::close(fd);
}

template <class T>
inline void expect_error(const std::expected<T, ShmError>& result, Code code) {
  ASSERT_FALSE(result) << "expected " << to_string(code);
  EXPECT_EQ(to_string(result.error().code()), to_string(code)) << result.error().message();
}

// Runs `body` in a forked child and returns what it returns; -1 if the child did not get that far.
template <class Body>
inline int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}
constexpr int kSkip = 77;

// --- Who may publish ---------------------------------------------------------------------------

template <class T>
concept Publishes = requires(T& t) { t.publish_snapshot(CommitSeq(1), SchemaEpoch(1), 1); };
template <class T>
concept Begins =
    requires(T& t) { t.begin_snapshot_publish(); } || requires(T& t) { t.end_snapshot_publish(); };
template <class T>
concept Reconciles = requires(T& t) { t.reconcile(CommitSeq(1), SchemaEpoch(1), 1); };
template <class T>
concept ShowsWords = requires(T& t) { t.words(); };
template <class T>
concept Writes =
    requires(T& t) { t.alloc_txn_id(); } || requires(T& t) { t.store_gc_horizon(CommitSeq(1)); } ||
    requires(T& t, TxnId id) { t.release_serialized_writer(id); } ||
    requires(T& t, TxnId id) { t.acquire_serialized_writer(id, 1, 1, 1); } ||
    requires(T& t, TxnId id) { t.acquire_serialized_writer(id, 1); } ||
    requires(T& t) { t.check_serialized_writer_exclusion(1, process_alive); } ||
    requires(T& t) { t.check_serialized_writer_exclusion(1); };

// The concepts can tell: a plain view offers it all.
static_assert(Publishes<SharedMemoryLayoutView> && Begins<SharedMemoryLayoutView> &&
              Reconciles<SharedMemoryLayoutView> && ShowsWords<SharedMemoryLayoutView> &&
              Writes<SharedMemoryLayoutView>);
static_assert(!Publishes<ShmFile::Layout> && !Begins<ShmFile::Layout> &&
              !Reconciles<ShmFile::Layout> && !ShowsWords<ShmFile::Layout> &&
              Writes<ShmFile::Layout>);
static_assert(
    !std::is_convertible_v<ShmFile::Layout&, BasicSharedMemoryLayout<RawWords, HardenedProtocol>&>);
static_assert(Publishes<ShmFile::Guard> && Reconciles<ShmFile::Guard> && !Begins<ShmFile::Guard>);
static_assert(!std::is_copy_constructible_v<ShmFile::Guard>);
using ReadOnly = decltype(std::declval<ReadOnlyShmFile>().layout());
static_assert(!Publishes<ReadOnly> && !Begins<ReadOnly> && !Reconciles<ReadOnly> &&
              !ShowsWords<ReadOnly> && !Writes<ReadOnly>);

}  // namespace fsqlshm

#endif  // FSQLSHM_CORE_SHM_FILE_TEST_H_

// The publication lock of a file: turns, deaths, forks.

#include "shm_file_test.h"

namespace fsqlshm {
namespace {

// --- The publication lock ----------------------------------------------------------------------

TEST_F(ShmFileTest, OneGuardAtATimeOverThreadsAndOpens) {
  const auto mine = ShmFile::create(path());
  const auto other = ShmFile::open(path());
  const auto looker = ReadOnlyShmFile::open(path());
  ASSERT_TRUE(mine && other && looker);
  EXPECT_FALSE(*looker->publication_locked());
  {
    const auto guard = mine->lock_publication();
    ASSERT_TRUE(guard);
    EXPECT_FALSE(*other->try_lock_publication());  // another description: the kernel's lock
    EXPECT_FALSE(*mine->try_lock_publication());   // the same one: this process's turns
    EXPECT_FALSE(*mine->try_lock_publication_for(std::chrono::milliseconds(5)));
    EXPECT_FALSE(*other->try_lock_publication_for(std::chrono::milliseconds(5)));
    EXPECT_TRUE(*looker->publication_locked());
    EXPECT_TRUE(*other->publication_locked());
  }
  EXPECT_FALSE(*looker->publication_locked());
  EXPECT_TRUE(*other->try_lock_publication());
  EXPECT_TRUE(*mine->try_lock_publication_for(std::chrono::milliseconds(5)));
  // The lock lies in the padding and changes none of it.
  EXPECT_EQ(validate(mine->header_bytes()), std::vector<ShmError>{});
}

TEST_F(ShmFileTest, WaitersGetTheirTurn) {
  const auto mine = ShmFile::create(path());
  const auto other = ShmFile::open(path());
  ASSERT_TRUE(mine && other);
  // Guarded by the publication lock alone: no increment may get lost between load and store. (TSan
  // knows neither this lock nor that the two mappings are one file, hence the atomic.)
  std::atomic<std::uint64_t> published = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 250; ++turn) {
        auto guard = (i % 2 == 0 ? mine : other)->lock_publication();
        ASSERT_TRUE(guard);
        ASSERT_FALSE(guard->needs_reconcile());
        const std::uint64_t n = published.load(std::memory_order_relaxed) + 1;
        published.store(n, std::memory_order_relaxed);
        ASSERT_TRUE(guard->publish_snapshot(CommitSeq(n), SchemaEpoch(n), n));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mine->layout().load_consistent_snapshot(),
            (ShmSnapshot{CommitSeq(1000), SchemaEpoch(1000), 1000}));
}

TEST_F(ShmFileTest, DeathFreesTheLockAndAnOddSequenceMustBeReconciled) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const pid_t child = ::fork();
  if (child == 0) {
    // The known-bad publisher: it dies in the middle, with the lock in its hand.
    const auto own = ShmFile::open(path());
    auto guard = own->lock_publication();
    const int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    const std::uint64_t odd = 7;
    if (::pwrite(fd, &odd, 8, offsets::kSnapshotSeq) != 8) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(file->layout().try_load_consistent_snapshot(100));
  auto guard = file->try_lock_publication();
  ASSERT_TRUE(guard && *guard);
  EXPECT_TRUE((*guard)->needs_reconcile());
  expect_error((*guard)->publish_snapshot(CommitSeq(9), SchemaEpoch(9), 9), Code::kNeedsReconcile);
  EXPECT_FALSE(file->layout().try_load_consistent_snapshot(100));
  (*guard)->reconcile(CommitSeq(4), SchemaEpoch(5), 6);
  EXPECT_FALSE((*guard)->needs_reconcile());
  EXPECT_EQ(file->layout().try_load_consistent_snapshot(1),
            (ShmSnapshot{CommitSeq(4), SchemaEpoch(5), 6}));
  EXPECT_TRUE((*guard)->publish_snapshot(CommitSeq(9), SchemaEpoch(9), 9));
}

TEST_F(ShmFileTest, AForkedChildIsToldToOpenTheFileItself) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  EXPECT_EQ(in_child([&] {
              const auto inherited = file->try_lock_publication();
              if (inherited || inherited.error() != Code::kFileForked) return 1;
              if (file->lock_publication()) return 2;
              const auto own = ShmFile::open(path());
              return own && own->lock_publication() ? 0 : 3;
            }),
            0);
}

TEST_F(ShmFileTest, FilesAreClosedOnExec) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry, gone) != path()) continue;
    EXPECT_NE(::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC, 0);
  }
}

}  // namespace
}  // namespace fsqlshm

// The publication lock of a file: turns, deaths, forks.

#include <cstdlib>

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
  EXPECT_TRUE((*guard)->reconcile(CommitSeq(4), SchemaEpoch(5), 6));
  EXPECT_FALSE((*guard)->needs_reconcile());
  EXPECT_EQ(file->layout().try_load_consistent_snapshot(1),
            (ShmSnapshot{CommitSeq(4), SchemaEpoch(5), 6}));
  EXPECT_TRUE((*guard)->publish_snapshot(CommitSeq(9), SchemaEpoch(9), 9));
}

TEST_F(ShmFileTest, AForkedChildIsToldToOpenTheFileItself) {
  auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  EXPECT_EQ(in_child([&] {
              const auto inherited = file->try_lock_publication();
              if (inherited || inherited.error() != Code::kFileForked) return 1;
              if (file->lock_publication() || file->check_file()) return 2;
              if (file->publication_locked() || file->sync().error() != Code::kFileForked) return 4;
              const auto own = ShmFile::open(path());
              return own && own->lock_publication() ? 0 : 3;
            }),
            0);
}

TEST_F(ShmFileTest, AForkedChildFreesNothingOfItsParents) {
  auto file = ShmFile::create(path());
  const auto other = ShmFile::open(path());
  ASSERT_TRUE(file && other);
  auto guard = file->lock_publication();
  ASSERT_TRUE(guard);
  EXPECT_EQ(in_child([&] {
              {
                const auto unwound = std::move(guard);
              }
              {
                const auto closed = std::move(file);
              }
              return 0;
            }),
            0);
  EXPECT_FALSE(*other->try_lock_publication());
  EXPECT_TRUE(other->liveness()(file->identity().pid, file->identity().birth));
  EXPECT_TRUE(guard->publish_snapshot(CommitSeq(1), SchemaEpoch(1), 1));
}

TEST_F(ShmFileTest, AForkedChildThatUsesTheMappingIsStopped) {
  if (std::getenv("FSQLSHM_QEMU") != nullptr) GTEST_SKIP() << "qemu ignores MADV_DONTFORK";
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    static_cast<void>(file->layout().alloc_txn_id());
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << status;
  EXPECT_EQ(file->layout().alloc_txn_id()->get(), 1U);
}

TEST_F(ShmFileTest, AChildThatLivesOnHoldsNothingOfADeadParents) {
  const auto looker = ShmFile::create(path());
  ASSERT_TRUE(looker);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto own = ShmFile::open(path());
    const auto guard = own->lock_publication();
    const ProcessIdentity who = own->identity();
    if (::fork() == 0) {
      const pid_t child = ::getpid();  // out of fork, so without its parent's descriptors
      static_cast<void>(::write(pipe[1], &who, sizeof who));
      static_cast<void>(::write(pipe[1], &child, sizeof child));
    }
    ::pause();
  }
  ProcessIdentity who;
  pid_t child = 0;
  ASSERT_EQ(::read(pipe[0], &who, sizeof who), static_cast<ssize_t>(sizeof who));
  ASSERT_EQ(::read(pipe[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  EXPECT_TRUE(looker->liveness()(who.pid, who.birth));
  EXPECT_FALSE(*looker->try_lock_publication());
  ::kill(parent, SIGKILL);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  EXPECT_FALSE(looker->liveness()(who.pid, who.birth));
  EXPECT_TRUE(*looker->try_lock_publication());
  ::kill(child, SIGKILL);  // init's child by now
  for (const int fd : pipe) ::close(fd);
}

TEST_F(ShmFileTest, ACancelledWaiterLeavesNothingBehind) {
  const auto mine = ShmFile::create(path());
  const auto other = ShmFile::open(path());
  ASSERT_TRUE(mine && other);
  for (const bool other_open : {false, true}) {  // waits for a turn, or for the kernel
    auto guard = (other_open ? other : mine)->lock_publication();
    std::thread waiter([&] { static_cast<void>(mine->lock_publication()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::pthread_cancel(waiter.native_handle()), 0);
    waiter.join();
    {
      const auto done = std::move(guard);
    }
    EXPECT_TRUE(*mine->try_lock_publication()) << other_open;
    EXPECT_TRUE(*other->try_lock_publication()) << other_open;
  }
}

TEST_F(ShmFileTest, PatienceWithoutEndWaits) {
  const auto mine = ShmFile::create(path());
  const auto other = ShmFile::open(path());
  ASSERT_TRUE(mine && other);
  for (const auto* waiter : {&*other, &*mine}) {  // waits for the kernel, or for a turn
    auto guard = mine->lock_publication();
    std::thread holder([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const auto done = std::move(guard);
    });
    EXPECT_TRUE(*waiter->try_lock_publication_for(std::chrono::nanoseconds::max()));
    holder.join();
  }
}

TEST_F(ShmFileTest, AChildOfARecoverThatForksDoesNotOpenTheFile) {
  ASSERT_TRUE(ShmFile::create(path()));
  pid_t child = -1;
  const auto file = ShmFile::open(path(), {.recover = [&] {
                                    child = ::fork();
                                    return Recovered(DurableState{});
                                  }});
  if (child == 0) ::_exit(!file && file.error() == Code::kFileForked ? 0 : 1);
  ASSERT_TRUE(file) << file.error().message();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(ShmFileTest, AGuardThatWasMovedFromPublishesNothing) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  auto guard = file->lock_publication();
  auto owner = std::move(*guard);
  expect_error(guard->publish_snapshot(CommitSeq(1), SchemaEpoch(1), 1), Code::kGuardMoved);
  expect_error(guard->publish_snapshot(CommitSeq(1), SchemaEpoch(1), 1, *TxnId::from_raw(1)),
               Code::kGuardMoved);
  expect_error(guard->reconcile(CommitSeq(1), SchemaEpoch(1), 1), Code::kGuardMoved);
  EXPECT_EQ(file->layout().load_commit_seq(), CommitSeq(0));
  EXPECT_TRUE(owner.publish_snapshot(CommitSeq(2), SchemaEpoch(1), 1));
}

TEST_F(ShmFileTest, AnEvictedWriterPublishesNothing) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  auto layout = file->layout();
  const TxnId evicted = *layout.alloc_txn_id();
  const TxnId successor = *layout.alloc_txn_id();
  ASSERT_TRUE(layout.acquire_serialized_writer(evicted, 10));
  auto guard = file->lock_publication();
  EXPECT_TRUE(guard->publish_snapshot(CommitSeq(1), SchemaEpoch(1), 1, evicted));
  EXPECT_EQ(layout.check_serialized_writer_exclusion(10), Exclusion::kOk);
  expect_error(guard->publish_snapshot(CommitSeq(2), SchemaEpoch(1), 1, evicted), Code::kFenced);
  ASSERT_TRUE(layout.acquire_serialized_writer(successor, 0));
  const auto fenced = guard->publish_snapshot(CommitSeq(2), SchemaEpoch(1), 1, evicted);
  EXPECT_EQ(fenced.error(), ShmError(Code::kFenced, successor.get(), evicted.get()));
  EXPECT_EQ(layout.load_commit_seq(), CommitSeq(1));
  EXPECT_TRUE(guard->publish_snapshot(CommitSeq(3), SchemaEpoch(1), 1, successor));
}

TEST_F(ShmFileTest, AWriterThatNothingCanJudgeIsClearedByItsState) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  // A cleaner whose name did not fit: as a process leaves it that could not read /proc.
  const std::uint64_t state = hardened::state_word(hardened::WriterTag::kCleaning, {});
  const int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, &state, 8, offsets::kSerializedWriterTxnId), 8);
  ::close(fd);
  EXPECT_EQ(validate(file->header_bytes()),
            std::vector<ShmError>{ShmError(Code::kWriterUnjudgeable, state)});
  auto layout = file->layout();
  const TxnId id = *layout.alloc_txn_id();
  EXPECT_FALSE(layout.acquire_serialized_writer(id, 0));
  EXPECT_FALSE(layout.clear_serialized_writer(0));
  EXPECT_FALSE(layout.clear_serialized_writer(state + 1));
  EXPECT_TRUE(layout.clear_serialized_writer(state));
  EXPECT_TRUE(layout.acquire_serialized_writer(id, 0));
}

// The numbers of this process's descriptors of a file.
std::vector<int> descriptors_of(const fs::path& file) {
  std::vector<int> found;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::equivalent(entry, file, gone)) found.push_back(std::stoi(entry.path().filename()));
  }
  return found;
}

TEST_F(ShmFileTest, FilesAreClosedOnExec) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  for (const fs::path& each : {path(), path("foo.db.fsqlite-shm-lock"), folder_}) {
    const std::vector<int> found = descriptors_of(each);
    ASSERT_EQ(found.size(), 1U) << each;
    EXPECT_NE(::fcntl(found.front(), F_GETFD) & FD_CLOEXEC, 0) << each;
  }
}

// As a program does that becomes a daemon, and opens files of its own then.
TEST_F(ShmFileTest, ADescriptorThatTheProgramClosedIsSeen) {
  const fs::path lock = path("foo.db.fsqlite-shm-lock");
  const int result = in_child([&] {
    const auto file = ShmFile::create(path());
    const std::vector<int> found = descriptors_of(lock);
    if (!file || found.size() != 1) return 1;
    ::close(found.front());
    if (file->lock_publication() || file->check_file()) return 2;
    write(path("other"), {}, 0);
    const int other = ::open(path("other").c_str(), O_RDWR | O_CLOEXEC);
    ::dup2(other, found.front());
    const auto checked = file->check_file();
    if (checked || checked.error() != Code::kFileReplaced) return 3;
    return file->lock_publication() ? 4 : 0;
  });
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace fsqlshm

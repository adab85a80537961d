// The faults that were measured on an earlier file layer, row by row: what happened then, which test
// sees that it does not happen now, and which mutant of `fsqlshm-world --mutant` or `power-loss --mutant`
// brings it back and is found.
//
//   row  what happened                                     test                                   mutant
//    1   a child unwinds past a guard: a second guard      AForkedChildFreesNothingOfItsParents   unlock-in-child
//    2   a child keeps the lock of its dead parent         AChildThatLivesOnHoldsNothingOf...     atfork-missing
//    3   power loss leaves zeros: unreadable for ever      ARuinThatNobodyHasOpenIsMadeAnew       draft-not-synced
//    4   power loss: ids and triples start again           TheFirstOpenerEstablishesTheState      no-first-opener
//    5   a pid recurs: a dead owner lives for ever         here                                   liveness-by-pid
//    6   another time namespace: a live owner is evicted   here                                   liveness-by-pid
//    7   another pid namespace: the same                   here                                   liveness-by-pid
//    8   exec by one thread: its owner lives on            here                                   liveness-by-pid-and-exec
//    9   at EMFILE an owner has no name                    here                                   nobody-dies
//   10   a cancelled waiter keeps its turn                 ACancelledWaiterLeavesNothingBehind    turn-not-raii
//   11   the file is not its database's owner's            here                                   owner-not-copied
//   12   truncation: SIGBUS in open; regrown: unnoticed    here, AFileThatWasCutOrOverwritten...  pread-by-mapping
//   13   unlinked and made again: two files                AFileThatIsNotTheOneInUseIsRefused     name-not-checked
//   14   patience without end gives up at once             PatienceWithoutEndWaits                (old overflow)
//   15   a guard that was moved from publishes             AGuardThatWasMovedFromPublishesNothing (old guard)
//   16   a lease in milliseconds: never stale              ALeaseIsInSeconds, here                nobody-dies
//   17   who may only read keeps publishers out            here                                   locks-on-the-file
//   18   other implementations share the file              withdrawn: shm_file.h, "Not promised"

#include <fstream>

#include "shm_file_test.h"

namespace fsqlshm {
namespace {

// A process that does `begin`, tells who its open is, and lives until it is killed.
class Owner {
 public:
  template <class Begin>
  explicit Owner(Begin&& begin) {
    EXPECT_EQ(::pipe2(pipe_.data(), O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const ProcessIdentity who = begin();
      static_cast<void>(::write(pipe_[1], &who, sizeof who));
      ::pause();
      ::_exit(0);
    }
    EXPECT_EQ(::read(pipe_[0], &who_, sizeof who_), static_cast<ssize_t>(sizeof who_));
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() {
    kill();
    for (const int fd : pipe_) ::close(fd);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }
  [[nodiscard]] ProcessIdentity who() const { return who_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::array<int, 2> pipe_{};
  pid_t pid_ = 0;
  ProcessIdentity who_;
};

constexpr std::uint64_t kNoLease = 0;

class WorldRows : public ShmFileTest {
 protected:
  // Opens the file and becomes the writer.
  auto owner(std::uint64_t id, std::uint64_t lease) const {
    return [=, this] {
      auto file = new auto(*ShmFile::open(path()));  // for the life of the process
      return file->layout().acquire_serialized_writer(*TxnId::from_raw(id), lease)
                 ? file->identity()
                 : ProcessIdentity{};
    };
  }
};

TEST_F(WorldRows, Row5AnOwnerWhosePidRecursIsDead) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  // As an owner without a lease leaves it; its pid is ours by now.
  const ProcessIdentity mine = file->identity();
  set_word(path(), Field::kSerializedWriterPidAndGen, mine.pid);
  set_word(path(), Field::kSerializedWriterPidBirth, mine.birth ^ 1);
  set_word(path(), Field::kSerializedWriterTxnId, 1);
  auto layout = file->layout();
  EXPECT_EQ(layout.check_serialized_writer_exclusion(0), Exclusion::kOk);
  EXPECT_TRUE(layout.acquire_serialized_writer(*TxnId::from_raw(2), kNoLease));
}

TEST_F(WorldRows, Rows6And7AnotherNamespaceEvictsNobody) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const Owner live(owner(1, kNoLease));
  ASSERT_NE(live.who(), ProcessIdentity{});
  for (const int which : {CLONE_NEWTIME, CLONE_NEWPID}) {
    const int result = in_child([&] {
      if (::unshare(which) != 0) return kSkip;
      if (which == CLONE_NEWTIME) std::ofstream("/proc/self/timens_offsets") << "boottime 9999 0";
      return in_child([&] {  // in the new namespace
        const auto own = ShmFile::open(path());
        if (!own) return 1;
        auto layout = own->layout();
        if (layout.check_serialized_writer_exclusion(0) != Exclusion::kBusy) return 2;
        return layout.acquire_serialized_writer(*TxnId::from_raw(2), kNoLease) ? 3 : 0;
      });
    });
    if (result == kSkip) GTEST_SKIP() << "cannot make a namespace";
    EXPECT_EQ(result, 0);
  }
}

TEST_F(WorldRows, Row8AnOwnerThatExecsIsGone) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  ASSERT_EQ(::pipe(in.data()), 0);
  ASSERT_EQ(::pipe(out.data()), 0);
  Owner owner_process([&] {
    const ProcessIdentity who = owner(1, kNoLease)();
    std::thread([&] {
      char told = 0;  // not before the process has said who it is
      if (::read(in[0], &told, 1) != 1) return;
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execl("/bin/cat", "cat", static_cast<char*>(nullptr));
    }).detach();
    return who;
  });
  for (const int fd : {in[0], out[1]}) ::close(fd);
  char byte = 'x';
  ASSERT_EQ(::write(in[1], "12", 2), 2);  // cat is there when it gives the second one back
  ASSERT_EQ(::read(out[0], &byte, 1), 1);
  EXPECT_FALSE(file->liveness()(owner_process.who().pid, owner_process.who().birth));
  EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kOk);
  EXPECT_TRUE(file->layout().acquire_serialized_writer(*TxnId::from_raw(2), kNoLease));
  for (const int fd : {in[1], out[0]}) ::close(fd);
}

TEST_F(WorldRows, Row9AnOwnerWithoutDescriptorsToSpareHasAName) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  {
    const Owner poor([&] {
      auto own = new auto(*ShmFile::open(path()));
      struct rlimit none = {0, 0};
      ::setrlimit(RLIMIT_NOFILE, &none);
      return own->layout().acquire_serialized_writer(*TxnId::from_raw(1), kNoLease)
                 ? own->identity()
                 : ProcessIdentity{};
    });
    ASSERT_NE(poor.who(), ProcessIdentity{});
    EXPECT_TRUE(validate(file->header_bytes()).empty());
    EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kBusy);
  }
  EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kOk);
  EXPECT_TRUE(file->layout().acquire_serialized_writer(*TxnId::from_raw(2), kNoLease));
}

TEST_F(WorldRows, Row11TheFileBelongsToTheOwnerOfItsDatabase) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  constexpr uid_t kOwner = 65533;
  write(path("foo.db"), {}, 1);
  ASSERT_EQ(::chown(path("foo.db").c_str(), kOwner, kOwner), 0);
  ASSERT_EQ(::chmod(path("foo.db").c_str(), 0600), 0);
  fs::permissions(folder_, fs::perms::all);
  const auto access = access_of(path("foo.db"));
  ASSERT_TRUE(access);
  const auto file = ShmFile::create(path(), {.access = *access});
  ASSERT_TRUE(file) << file.error().message();
  for (const uid_t user : {kOwner, kOwner - 1}) {
    const int result = in_child([&] {
      if (::setgid(user) != 0 || ::setuid(user) != 0) return kSkip;
      const auto own = ShmFile::open(path());
      return own ? 0 : static_cast<int>(own.error().found());
    });
    EXPECT_EQ(result, user == kOwner ? 0 : EACCES);
  }
}

TEST_F(WorldRows, Row12TruncationWhileItIsOpenedIsNoSignal) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const std::uint64_t size = fs::file_size(path());
  for (const std::string_view last : {"openat", "fstat", "pread"}) {
    fs::resize_file(path(), size);
    std::ofstream(path(), std::ios::in | std::ios::binary)
        .write(reinterpret_cast<const char*>(SharedMemoryLayout().to_bytes().data()), kHeaderSize);
    const ScopedBeforeCall cut([&](const char* call) {
      if (call == last) fs::resize_file(path(), 0);
      return 0;
    });
    expect_error(read_header_bytes(path()), Code::kTooSmall);
    EXPECT_FALSE(ShmFile::open(path()));
    EXPECT_FALSE(ReadOnlyShmFile::open(path()));
  }
}

TEST_F(WorldRows, Row16AWriterWithALeaseInMillisecondsGoesWithItsOpen) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  constexpr std::uint64_t kMilliseconds = 1'795'000'000'000;
  {
    const Owner live(owner(1, kMilliseconds));
    EXPECT_EQ(validate(file->header_bytes()),
              std::vector<ShmError>{ShmError(Code::kWriterLeaseUnit, kMilliseconds)});
    EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kBusy);
  }
  EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kOk);
  EXPECT_TRUE(validate(file->header_bytes()).empty());
}

TEST_F(WorldRows, Row17WhoMayOnlyReadKeepsNobodyOut) {
  const auto file = ShmFile::create(path(), {.access = {.mode = 0644}});
  ASSERT_TRUE(file);
  const int fd = ::open(path().c_str(), O_RDONLY | O_CLOEXEC);
  for (const off_t part : {0, 1, 2, 3}) {  // in parts: one that a user has locked is not granted
    struct flock lock = {};
    lock.l_type = F_RDLCK;
    lock.l_start = part << 61;
    lock.l_len = part == 3 ? 0 : off_t{1} << 61;
    ::fcntl(fd, F_OFD_SETLK, &lock);
  }
  EXPECT_TRUE(*file->try_lock_publication());
  EXPECT_TRUE(ShmFile::open(path()));
  struct stat locks = {};
  ASSERT_EQ(::stat((path().string() + "-lock").c_str(), &locks), 0);
  EXPECT_EQ(locks.st_mode & 0777, 0600U);  // nor can it lock there
  ::close(fd);
}

// --- Faults that the catalogue found in the layer as it is ----------------------------------------

// Its users write words into what is left of a file that was cut and got its size back.
TEST_F(WorldRows, AFileThatWasRegrownAndUsedIsMadeAnew) {
  {
    auto file = ShmFile::create(path());
    ASSERT_TRUE(file);
    const std::uint64_t size = fs::file_size(path());
    fs::resize_file(path(), 0);
    fs::resize_file(path(), size);
    EXPECT_TRUE(file->layout().acquire_serialized_writer(*TxnId::from_raw(1), 7));
  }
  const auto file = ShmFile::open_or_create(path());
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_TRUE(validate(file->header_bytes()).empty());
}

// Its inode is the same, but those who have it open hold another geometry.
TEST_F(WorldRows, AHeaderThatWasCopiedOverAFileInUseIsAnother) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  {
    std::fstream over(path(), std::ios::in | std::ios::out | std::ios::binary);
    over.write(reinterpret_cast<const char*>(SharedMemoryLayout({}, 9).to_bytes().data()),
               kHeaderSize);
  }
  expect_error(ShmFile::open(path()), Code::kFileReplaced);
  expect_error(ShmFile::open_or_create(path()), Code::kFileReplaced);
}

}  // namespace
}  // namespace fsqlshm

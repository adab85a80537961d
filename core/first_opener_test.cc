// Who establishes the state of a file, and that all have one file open.

#include <algorithm>
#include <stdexcept>

#include "shm_file_test.h"

namespace fsqlshm {
namespace {

// --- The first opener --------------------------------------------------------------------------

TEST_F(ShmFileTest, TheFirstOpenerEstablishesTheState) {
  const DurableState durable = {.commit_seq = CommitSeq(40),
                                .schema_epoch = SchemaEpoch(4),
                                .ecs_epoch = 400,
                                .next_txn_id = *TxnId::from_raw(1000)};
  const ShmSnapshot expected = {CommitSeq(40), SchemaEpoch(4), 400};
  int calls = 0;
  const ShmFileOptions options = {.recover = [&] {
    ++calls;
    return Recovered(durable);
  }};
  {
    const auto file = ShmFile::open_or_create(path(), options);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->layout().load_consistent_snapshot(), expected);
    EXPECT_EQ(file->layout().alloc_txn_id()->get(), 1000U);
    EXPECT_TRUE(file->layout().acquire_serialized_writer(*TxnId::from_raw(1000), 0));
    file->layout().store_gc_horizon(CommitSeq(39));
    auto guard = file->lock_publication();
    EXPECT_TRUE(guard->publish_snapshot(CommitSeq(41), SchemaEpoch(4), 400));
    EXPECT_TRUE(ShmFile::open(path(), options));  // not the first
    EXPECT_EQ(calls, 1);
  }
  expect_error(ShmFile::open(path()), Code::kNeedsRecovery);
  expect_error(ReadOnlyShmFile::open(path()), Code::kNeedsRecovery);
  {
    // Trust changes nothing; the dead owner is the next check's business.
    const HeaderBytes before = *read_header_bytes(path());
    const auto file = ShmFile::open(path(), trust());
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->header_bytes(), before);
    EXPECT_EQ(file->layout().check_serialized_writer_exclusion(0), Exclusion::kOk);
    EXPECT_FALSE(file->layout().check_serialized_writer());
    EXPECT_TRUE(file->layout().acquire_serialized_writer(*TxnId::from_raw(1001), 1ULL << 62));
  }
  const auto file = ShmFile::open(path(), options);
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(file->layout().load_consistent_snapshot(), expected);
  EXPECT_EQ(file->layout().load_gc_horizon(), CommitSeq(0));
  EXPECT_FALSE(file->layout().check_serialized_writer());
  EXPECT_EQ(file->layout().alloc_txn_id()->get(), 1001U);  // 1000 is not handed out again
  EXPECT_EQ(validate(file->header_bytes()), std::vector<ShmError>{});
}

// Only what cannot be a next id is rubbish, and gives way to what the database knows.
TEST_F(ShmFileTest, IdsThatHaveRunOutStayRunOut) {
  ASSERT_TRUE(ShmFile::create(path()));
  const ShmFileOptions options = {
      .recover = [] { return Recovered({.next_txn_id = *TxnId::from_raw(1000)}); }};
  constexpr std::uint64_t kNone = TxnId::kMaxRaw + 1;
  for (const auto& [found, next] : {std::pair(kNone, kNone), std::pair(kNone + 1, 1000UL)}) {
    set_word(path(), Field::kNextTxnId, found);
    const auto file = ShmFile::open(path(), options);
    ASSERT_TRUE(file) << file.error().message();
    const auto id = file->layout().alloc_txn_id();
    EXPECT_EQ(id ? id->get() : kNone, next);
  }
}

TEST_F(ShmFileTest, AFirstOpenerThatFailsLeavesItToTheNext) {
  const ShmFileOptions failing = {
      .recover = [] { return Recovered(std::unexpect, Code::kRecoverFailed, 7); }};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ShmFile::open_or_create(path(), failing).error(), ShmError(Code::kRecoverFailed, 7));
    EXPECT_EQ(entries(), 0U);
  }
  ASSERT_TRUE(ShmFile::create(path()));
  EXPECT_EQ(ShmFile::open(path(), failing).error(), ShmError(Code::kRecoverFailed, 7));
  const ShmFileOptions throwing = {.recover = []() -> Recovered { throw 8; }};
  EXPECT_THROW(static_cast<void>(ShmFile::open(path(), throwing)), int);
  EXPECT_TRUE(ShmFile::open(path(), trust()));
}

// Hundreds that wait for a first opener that dies keep each other from being the next one.
TEST_F(ShmFileTest, WhoCanNeitherJoinNorBeFirstPausesEverLonger) {
  ASSERT_TRUE(ShmFile::create(path()));
  const int fd = ::open((path().string() + "-lock").c_str(), O_RDWR | O_CLOEXEC);
  struct flock waits = {};  // as one who has not joined yet
  waits.l_type = F_RDLCK;
  waits.l_len = 1;
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &waits), 0);
  const auto start = std::chrono::steady_clock::now();
  int opens = 0;
  const ScopedBeforeCall stop([&](const char* call) {
    opens += std::string_view(call) == "openat" ? 1 : 0;
    return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(400) ? 0 : EIO;
  });
  EXPECT_FALSE(ShmFile::open(path(), trust()));
  ::close(fd);
  EXPECT_LT(opens, 400);  // without: some thousand
}

// As by a `remove` of another process, before our lock on it is there.
TEST_F(ShmFileTest, ALockFileThatGoesWhileItIsLockedIsMadeAgain) {
  ASSERT_TRUE(ShmFile::create(path()));
  int locks = 0;
  const ScopedBeforeCall scope([&](const char* call) {
    if (std::string_view(call) == "fcntl" && ++locks == 1) {
      EXPECT_TRUE(fs::remove(path("foo.db.fsqlite-shm-lock")));
    }
    return 0;
  });
  const auto file = ShmFile::open(path(), trust());
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_TRUE(file->check_file());
}

TEST_F(ShmFileTest, ARuinThatNobodyHasOpenIsMadeAnew) {
  const SharedMemoryLayout header;
  const HeaderBytes good = header.to_bytes();
  const std::uint64_t size = *required_size(header.geometry());
  HeaderBytes torn = good;
  torn[offsets::kLayoutChecksum] ^= std::byte{1};
  struct Case {
    std::span<const std::byte> bytes;
    std::uint64_t size;
  };
  for (const Case& ruin : {Case{{}, 0}, Case{{}, size}, Case{torn, size}, Case{good, size - 1},
                           Case{good, 215}, Case{good, 12}}) {
    write(path(), ruin.bytes, ruin.size);
    EXPECT_FALSE(ShmFile::open(path(), trust()));
    const auto file = ShmFile::open_or_create(path());
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(validate(file->header_bytes()), std::vector<ShmError>{});
    EXPECT_EQ(entries(), 2U);
    // But not while somebody has it open.
    fs::resize_file(path(), 100);
    expect_error(ShmFile::open_or_create(path()), Code::kTooSmall);
  }
  // What is not ours is not ours to replace.
  HeaderBytes newer = good;
  newer[offsets::kVersion] = std::byte{2};
  write(path(), newer, size);
  expect_error(ShmFile::open_or_create(path()), Code::kVersionMismatch);
  write(path(), newer, 215);
  expect_error(ShmFile::open_or_create(path()), Code::kTooSmall);
  const std::string text(4096, 'x');
  write(path(), std::as_bytes(std::span(text)), text.size());
  expect_error(ShmFile::open_or_create(path()), Code::kBadMagic);
}

// Such an open would wait for itself.
TEST_F(ShmFileTest, ARecoverThatOpensItsOwnFileIsAnError) {
  ::alarm(20);
  ShmFileOptions plain;
  plain.recover = [] { return Recovered(DurableState{}); };
  ShmFileOptions nested;
  nested.recover = [&] {
    // Another file, and in its `recover` the outer one.
    ShmFileOptions other;
    other.recover = [&]() -> Recovered {
      expect_error(ShmFile::open_or_create(path(), plain), Code::kFileLock);
      return DurableState{};
    };
    EXPECT_TRUE(ShmFile::open_or_create(path("other"), other));
    const auto inner = ShmFile::open_or_create(path(), plain);
    expect_error(inner, Code::kFileLock);
    EXPECT_EQ(inner.error().found(), static_cast<std::uint64_t>(EDEADLK));
    return Recovered(DurableState{});
  };
  EXPECT_TRUE(ShmFile::open_or_create(path(), nested));
  EXPECT_TRUE(ShmFile::open_or_create(path(), nested)) << "found, not made";
  EXPECT_TRUE(ShmFile::open(path(), plain)) << "over when the call is over";

  // A child that is forked in there is another user: it waits, and joins.
  int joined = -1;
  ShmFileOptions forking;
  forking.recover = [&]() -> Recovered {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(ShmFile::open(path(), plain) ? 0 : 1);
    joined = child;
    return DurableState{};
  };
  const auto file = ShmFile::open(path(), forking);
  int status = -1;
  ASSERT_EQ(::waitpid(joined, &status, 0), joined);
  ::alarm(0);
  EXPECT_TRUE(file);
  EXPECT_EQ(status, 0);
}

TEST_F(ShmFileTest, WhatRecoverThrowsFailsTheOpenAndNothingElse) {
  ShmFileOptions options;
  bool throws = true;
  options.recover = [&]() -> Recovered {
    if (throws) throw std::runtime_error("the log cannot be read");
    return DurableState{.commit_seq = CommitSeq(7)};
  };
  const auto before = open_files();
  for (const bool exists : {false, true}) {
    throws = true;
    EXPECT_THROW(static_cast<void>(ShmFile::open_or_create(path(), options)), std::runtime_error);
    EXPECT_EQ(open_files(), before);
    EXPECT_EQ(fs::exists(path()), exists);
    throws = false;
    const auto file = ShmFile::open_or_create(path(), options);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->layout().load_commit_seq(), CommitSeq(7));
  }
}

// --- One file ----------------------------------------------------------------------------------

TEST_F(ShmFileTest, RemoveNeedsAFileThatNobodyHasOpen) {
  auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  expect_error(ShmFile::remove(path()), Code::kFileInUse);
  EXPECT_TRUE(file->close());
  EXPECT_TRUE(ShmFile::remove(path()));
  EXPECT_EQ(entries(), 0U);
  expect_error(ShmFile::remove(path()), Code::kFileOpen);
  EXPECT_EQ(entries(), 0U);
}

TEST_F(ShmFileTest, AFileThatIsNotTheOneInUseIsRefused) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file && file->check_file());
  fs::rename(path(), path("away"));
  expect_error(file->check_file(), Code::kFileReplaced);
  expect_error(ShmFile::create(path()), Code::kFileReplaced);
  expect_error(ShmFile::open_or_create(path()), Code::kFileReplaced);
  EXPECT_EQ(
      ShmFile::open_or_create(path()).error().message(),
      "file or lock file: removed, replaced or overwritten while in use: found none, expected "
      "what its users opened");
  fs::copy_file(path("away"), path());
  expect_error(file->check_file(), Code::kFileReplaced);
  expect_error(ShmFile::open(path(), trust()), Code::kFileReplaced);
  fs::rename(path("away"), path());
  EXPECT_TRUE(file->check_file());
  EXPECT_TRUE(file->lock_publication());
  EXPECT_TRUE(ShmFile::open(path()));
  // The lock file too.
  const fs::path lock = path("foo.db.fsqlite-shm-lock");
  fs::rename(lock, path("away"));
  expect_error(file->check_file(), Code::kFileReplaced);
  write(lock, {}, 0);
  expect_error(file->check_file(), Code::kFileReplaced);
  fs::rename(path("away"), lock);
  EXPECT_TRUE(file->check_file());
  fs::remove(lock);
  expect_error(file->check_file(), Code::kFileReplaced);
  const auto second = ShmFile::open(path(), trust());
  expect_error(second, Code::kFileInUse);
  expect_error(ShmFile::remove(path()), Code::kFileInUse);
  EXPECT_TRUE(fs::exists(path()));
  EXPECT_EQ(second.error().message(),
            "file: others have it open with a lock file that was there before");
}

TEST_F(ShmFileTest, AFileThatWasCutOrOverwrittenIsRefused) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const std::uint64_t size = fs::file_size(path());
  fs::resize_file(path(), size - 1);
  expect_error(file->check_file(), Code::kFileTruncated);
  expect_error(ShmFile::open(path()), Code::kFileTruncated);
  fs::resize_file(path(), 0);
  expect_error(ShmFile::open(path()), Code::kTooSmall);
  fs::resize_file(path(), size);
  expect_error(file->check_file(), Code::kBadMagic);
  expect_error(file->lock_publication(), Code::kBadMagic);
  expect_error(file->try_lock_publication(), Code::kBadMagic);
  expect_error(ShmFile::open(path()), Code::kBadMagic);
  std::ofstream(path(), std::ios::in | std::ios::binary)
      .write(reinterpret_cast<const char*>(SharedMemoryLayout({}, 9).to_bytes().data()),
             kHeaderSize);
  expect_error(file->lock_publication(), Code::kFileReplaced);
}

// Who changed the mode of one file and not of the other is told which.
TEST_F(ShmFileTest, AnErrorSaysIfItIsOfTheLockFile) {
  ASSERT_TRUE(ShmFile::create(path()));
  const fs::path lock_file = path("foo.db.fsqlite-shm-lock");
  fs::remove(lock_file);
  fs::create_directory(lock_file);
  const auto open = [&] { return ShmFile::open(path(), trust()); };
  expect_error(open(), Code::kFileNotRegular);
  EXPECT_EQ(open().error().message(), "lock file: found a directory, expected a regular file");
  EXPECT_EQ(users_of(path()).error(), open().error());
  expect_error(ShmFile::open(lock_file), Code::kFileNotRegular);
  EXPECT_EQ(ShmFile::open(lock_file).error().message(),
            "file: found a directory, expected a regular file");
}

TEST_F(ShmFileTest, UsersAreTheOpens) {
  ASSERT_FALSE(users_of(path()));
  const auto a = ShmFile::create(path());
  const auto b = ShmFile::open(path());
  const auto c = ShmFile::open(path());
  const auto reader = ReadOnlyShmFile::open(path());
  ASSERT_TRUE(a && b && c && reader);
  const auto guard = b->lock_publication();
  auto users = users_of(path());
  ASSERT_TRUE(users);
  EXPECT_EQ(users->opens.size(), 3U);
  for (const auto* file : {&*a, &*b, &*c}) {
    EXPECT_EQ(std::ranges::count(users->opens, file->identity()), 1);
    EXPECT_EQ(file->identity().pid, static_cast<std::uint32_t>(::getpid()));
  }
  EXPECT_TRUE(users->publication_locked);
  EXPECT_FALSE(users->first_opener_at_work);
}

TEST_F(ShmFileTest, UsersAreFoundAroundTheLocksOfOtherPrograms) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  const int fd = ::open((path().string() + "-lock").c_str(), O_RDWR | O_CLOEXEC);
  struct flock strange = {};
  strange.l_type = F_WRLCK;
  strange.l_start = off_t{1} << 62;
  strange.l_len = 1000;
  ASSERT_EQ(::fcntl(fd, F_OFD_SETLK, &strange), 0);
  const auto users = users_of(path());
  ::close(fd);
  ASSERT_TRUE(users);
  EXPECT_EQ(users->opens, std::vector{file->identity()});
}

}  // namespace
}  // namespace fsqlshm

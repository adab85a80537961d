#include "shm_file_test.h"

#include <bit>

namespace fsqlshm {
namespace {

// --- Create and open ---------------------------------------------------------------------------

TEST_F(ShmFileTest, CreatesWhatOpenAndValidateAccept) {
  ShmFileOptions options;
  options.page_size = *PageSize::from_raw(8192);
  options.max_txn_slots = 17;
  const auto created = ShmFile::create(path(), options);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_EQ(validate(created->header_bytes()), std::vector<ShmError>{});
  EXPECT_EQ(created->header_bytes(),
            SharedMemoryLayout(options.page_size, options.max_txn_slots).to_bytes());

  const auto opened = ShmFile::open(path());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->geometry(), Geometry::derive(options.page_size, 17));
  EXPECT_EQ(fs::file_size(path()), *required_size(opened->geometry()));
  EXPECT_EQ(opened->regions().size(), fs::file_size(path()) - kHeaderSize);

  // The same memory, seen through three mappings.
  EXPECT_EQ(created->layout().alloc_txn_id()->get(), 1U);
  EXPECT_EQ(opened->layout().alloc_txn_id()->get(), 2U);
  const auto read_only = ReadOnlyShmFile::open(path());
  ASSERT_TRUE(read_only);
  EXPECT_EQ(read_only->header_bytes(), created->header_bytes());
  EXPECT_EQ(entries(), 2U);  // with its lock file
}

TEST_F(ShmFileTest, RunsEitherProtocol) {
  auto file = BasicShmFile<ReferenceProtocol>::create(path());
  ASSERT_TRUE(file);
  auto layout = file->layout();
  EXPECT_TRUE(layout.acquire_serialized_writer(*TxnId::from_raw(5), 3));
  EXPECT_TRUE(layout.release_serialized_writer(*TxnId::from_raw(5)));
  EXPECT_TRUE(file->lock_publication()->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3));
  EXPECT_EQ(layout.load_consistent_snapshot().ecs_epoch, 3U);
}

TEST_F(ShmFileTest, SpaceIsReserved) {
  const auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  struct stat status = {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, *required_size(file->geometry()));
}

TEST_F(ShmFileTest, OpenFillsHoles) {
  const SharedMemoryLayout header;
  const std::uint64_t size = *required_size(header.geometry());
  write(path(), header.to_bytes(), size);
  struct stat status = {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  if (static_cast<std::uint64_t>(status.st_blocks) * 512 >= size) GTEST_SKIP() << "no holes here";
  ASSERT_TRUE(ShmFile::open(path(), trust()));
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, size);
}

// Where a file system cannot reserve space, glibc's posix_fallocate writes zeros to what reads as zero,
// and another user may have written there meanwhile.
TEST_F(ShmFileTest, WhoJoinsFillsNoHoles) {
  const auto first = ShmFile::create(path(), {.max_txn_slots = 1000});
  ASSERT_TRUE(first);
  const int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
  const int hole = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 65536);
  ::close(fd);
  if (hole != 0) GTEST_SKIP() << "no holes here";
  const ScopedBeforeCall refuse(
      [](const char* call) { return std::string_view(call) == "posix_fallocate" ? EIO : 0; });
  EXPECT_TRUE(ShmFile::open(path()));
}

TEST_F(ShmFileTest, ModeIsExactWhateverTheUmask) {
  const mode_t old = ::umask(0);
  ASSERT_TRUE(ShmFile::create(path("private")));
  ::umask(0077);
  ASSERT_TRUE(ShmFile::create(path("shared"), {.access = {.mode = 0664}}));
  ASSERT_TRUE(ShmFile::create(path("readable"), {.access = {.mode = 0644}}));
  ::umask(old);
  EXPECT_EQ(access_of(path("private"))->mode, 0600U);
  EXPECT_EQ(access_of(path("shared"))->mode, 0664U);
  // Who may not write may not lock.
  EXPECT_EQ(access_of(path("private-lock"))->mode, 0600U);
  EXPECT_EQ(access_of(path("shared-lock"))->mode, 0660U);
  EXPECT_EQ(access_of(path("readable-lock"))->mode, 0600U);
  expect_error(access_of(folder_), Code::kFileNotRegular);
  expect_error(access_of(path("missing")), Code::kFileOpen);
}

TEST_F(ShmFileTest, CreateRefusesAnExistingNameAndLeavesItAlone) {
  write(path(), {}, 3);
  expect_error(ShmFile::create(path()), Code::kFileExists);
  EXPECT_EQ(fs::file_size(path()), 3U);
  EXPECT_EQ(entries(), 1U);
  fs::create_symlink("nowhere", path("link"));
  expect_error(ShmFile::create(path("link")), Code::kFileExists);
}

TEST_F(ShmFileTest, CreateNeedsAFolderAndAName) {
  expect_error(ShmFile::create(path("missing/x")), Code::kFileCreate);
  expect_error(ShmFile::create(folder_ / ""), Code::kFileCreate);
  expect_error(ShmFile::create(""), Code::kFileCreate);
}

TEST_F(ShmFileTest, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  fs::create_directory(path("folder"));
  ASSERT_TRUE(ShmFile::create(path("target")));
  fs::create_symlink(path("target"), path("link"));
  fs::create_symlink("nowhere", path("dangling"));
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path("socket").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);

  const std::array<std::pair<fs::path, const char*>, 6> cases = {{{path("fifo"), "a FIFO"},
                                                                  {path("folder"), "a directory"},
                                                                  {path("link"), "a symbolic link"},
                                                                  {path("dangling"), "symbolic"},
                                                                  {path("socket"), "a socket"},
                                                                  {"/dev/zero", "a device"}}};
  for (const auto& [where, word] : cases) {
    for (const auto& error :
         {ShmFile::open(where).error(), ShmFile::open_or_create(where).error(),
          ReadOnlyShmFile::open(where).error(), read_header_bytes(where).error()}) {
      EXPECT_EQ(error, Code::kFileNotRegular) << where;
      EXPECT_NE(error.message().find(word), std::string::npos) << error.message();
    }
  }
  ::close(socket);
}

TEST_F(ShmFileTest, RefusesMissingEmptyShortForeignAndTruncatedFiles) {
  const SharedMemoryLayout header;
  const HeaderBytes good = header.to_bytes();
  const std::uint64_t size = *required_size(header.geometry());
  const auto open_bytes = [&](std::span<const std::byte> bytes, std::size_t length) {
    write(path("x"), bytes, length);
    return ShmFile::open(path("x"), trust());
  };
  EXPECT_EQ(ShmFile::open(path("missing")).error(),
            ShmError(Code::kFileOpen, static_cast<std::uint64_t>(ENOENT)));
  EXPECT_EQ(open_bytes(good, 0).error(), ShmError(Code::kTooSmall, 0, kHeaderSize));
  EXPECT_EQ(open_bytes(good, 215).error(), ShmError(Code::kTooSmall, 215, kHeaderSize));
  EXPECT_EQ(open_bytes(good, 216).error(), ShmError(Code::kFileTruncated, 216, size));
  EXPECT_EQ(open_bytes(good, size - 1).error(), ShmError(Code::kFileTruncated, size - 1, size));
  EXPECT_TRUE(open_bytes(good, size));
  EXPECT_TRUE(open_bytes(good, size + 1));
  std::string text = "SQLite format 3";
  text.resize(4096);
  expect_error(open_bytes(std::as_bytes(std::span(text)), text.size()), Code::kBadMagic);
  HeaderBytes bad = good;
  bad[offsets::kVersion] = std::byte{2};
  expect_error(open_bytes(bad, size), Code::kVersionMismatch);
  bad = good;
  bad[offsets::kPageSize] = std::byte{1};
  expect_error(open_bytes(bad, size), Code::kInvalidPageSize);
  bad = good;
  bad[offsets::kLayoutChecksum] ^= std::byte{1};
  expect_error(open_bytes(bad, size), Code::kChecksumMismatch);
  EXPECT_EQ(*read_header_bytes(path("x")), bad);
}

// A header whose checksum is right and whose geometry is `geometry`.
HeaderBytes sealed(Geometry geometry) {
  geometry.layout_checksum = geometry.compute_checksum();
  std::array<std::uint64_t, kHeaderWords> words{};
  encode_geometry(geometry, words);
  return std::bit_cast<HeaderBytes>(words);
}

TEST_F(ShmFileTest, RefusesRegionsThatDoNotFit) {
  const Geometry good = Geometry::derive({}, 8);
  const auto open_with = [&](auto&& change) {
    Geometry geometry = good;
    change(geometry);
    write(path("x"), sealed(geometry), *required_size(good));
    return ShmFile::open(path("x"), trust());
  };
  EXPECT_TRUE(open_with([](Geometry&) {}));
  constexpr std::uint64_t kTop = ~std::uint64_t{0};
  // More slots than the offsets leave room for.
  expect_error(open_with([](Geometry& g) { g.max_txn_slots = 9; }), Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { g.max_txn_slots = 0xffffffff; }),
               Code::kFileRegionsDoNotFit);
  // Into the header, and into the region before.
  expect_error(open_with([](Geometry& g) { g.lock_table_offset = 215; }),
               Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { --g.witness_offset; }), Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { --g.txn_slot_offset; }), Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { --g.committed_readers_offset; }),
               Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { g.committed_readers_bytes = 0; }),
               Code::kFileRegionsDoNotFit);
  // A bit for each slot, and no byte less.
  Geometry bits = Geometry::derive({}, 100);
  EXPECT_EQ(bits.committed_readers_bytes, 13U);
  EXPECT_EQ(*required_size(bits), bits.committed_readers_offset + 13);
  bits.committed_readers_bytes = 12;
  EXPECT_EQ(required_size(bits).error(),
            ShmError(Code::kFileRegionsDoNotFit, bits.committed_readers_offset,
                     bits.committed_readers_offset + 12));
  // Beyond the end, with and without an overflow on the way.
  for (const std::uint64_t huge :
       {kTop, kTop - 1023, (kTop >> 1) - 10, kTop >> 1, (kTop >> 1) + 1}) {
    expect_error(open_with([&](Geometry& g) { g.lock_table_offset = huge; }),
                 Code::kFileRegionsDoNotFit);
    expect_error(open_with([&](Geometry& g) { g.committed_readers_bytes = huge; }),
                 Code::kFileRegionsDoNotFit);
  }
  expect_error(open_with([&](Geometry& g) { g.committed_readers_offset = kTop >> 1; }),
               Code::kFileRegionsDoNotFit);
  expect_error(open_with([](Geometry& g) { g.committed_readers_offset += 1; }),
               Code::kFileTruncated);
  expect_error(open_with([](Geometry& g) { g.committed_readers_bytes = (kTop >> 1) - 4096; }),
               Code::kFileTruncated);
}

TEST_F(ShmFileTest, RefusesAFileItMayNotWrite) {
  ASSERT_TRUE(ShmFile::create(path(), {.access = {.mode = 0444}}));
  fs::permissions(folder_, fs::perms::all);
  const int result = in_child([&] {
    // Nothing is forbidden to root.
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return kSkip;
    const auto file = ShmFile::open(path());
    const auto denied = static_cast<std::uint64_t>(EACCES);
    // It is met first, and may be opened by nobody who may not write the file.
    if (file || file.error() != ShmError(Code::kFileOpen, denied, kOfLockFile)) return 1;
    return ReadOnlyShmFile::open(path(), trust()) ? 0 : 2;
  });
  if (result == kSkip) GTEST_SKIP() << "cannot give up root";
  EXPECT_EQ(result, 0);
}

// --- Space -------------------------------------------------------------------------------------

TEST_F(ShmFileTest, TooManySlotsForTheDiskIsAnErrorAndLeavesNothing) {
  ShmFileOptions options;
  options.max_txn_slots = 0xffffffff;  // 1.3 TiB
  if (fs::space(folder_).available > *required_size(Geometry::derive({}, options.max_txn_slots))) {
    GTEST_SKIP() << "there is room for it";
  }
  const auto file = ShmFile::create(path(), options);
  expect_error(file, Code::kFileNoSpace);
  EXPECT_EQ(file.error().found(), static_cast<std::uint64_t>(ENOSPC));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(ShmFileTest, AFileSizeLimitIsAnErrorAndNoSignal) {
  EXPECT_EQ(
      in_child([&] {
        struct rlimit limit = {4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const auto file = ShmFile::create(path());
        return !file && file.error() == Code::kFileNoSpace && file.error().found() == EFBIG ? 0 : 1;
      }),
      0);
  EXPECT_EQ(entries(), 0U);
}

TEST_F(ShmFileTest, AFullDiskIsAnError) {
  const int result = in_child([&] {
    // A small file system of our own; without root a user namespace may allow it.
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kSkip;
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("none", folder_.c_str(), "tmpfs", 0, "size=64k") != 0) return kSkip;
    ShmFileOptions options;
    if (!ShmFile::create(path("fits"), options)) return 1;  // 128 slots: 41 KB
    const auto full = ShmFile::create(path("full"), options);
    if (full || full.error() != Code::kFileNoSpace || full.error().found() != ENOSPC) return 2;
    if (fs::exists(path("full"))) return 3;
    return 0;
  });
  if (result == kSkip) GTEST_SKIP() << "cannot mount a small file system";
  EXPECT_EQ(result, 0);
}

// --- Every system call fails once ----------------------------------------------------------------

TEST_F(ShmFileTest, AFailureOfAnyCallLeavesNothingBehind) {
  for (const bool nameless : {true, false}) {
    int calls = 0;
    for (int failing = 1;; ++failing) {
      calls = 0;
      std::string failed;
      const auto before = open_files();
      {
        const ScopedBeforeCall scope([&](const char* call) {
          // Without O_TMPFILE the file is made under a name nobody looks for.
          if (!nameless && std::string_view(call) == "openat(O_TMPFILE)") return EOPNOTSUPP;
          if (++calls != failing) return 0;
          failed = call;
          return EIO;
        });
        const auto file = ShmFile::create(path());
        if (failed.empty()) {
          ASSERT_TRUE(file) << file.error().message();
          break;
        }
        if (!file) {
          EXPECT_NE(file.error().message().find("file: cannot "), std::string::npos) << failed;
        }
      }
      EXPECT_EQ(open_files(), before) << failed;
      // Either there is nothing or there is all of it.
      if (fs::exists(path())) {
        EXPECT_TRUE(ShmFile::open(path(), trust())) << failed;
        EXPECT_TRUE(ShmFile::remove(path())) << failed;
      }
      EXPECT_TRUE(ShmFile::create(path())) << failed;  // the next call works
      EXPECT_TRUE(ShmFile::remove(path())) << failed;
      EXPECT_EQ(entries(), failed == "unlinkat" ? 1U : 0U) << failed;
      for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry);
    }
    EXPECT_GE(calls, 11);
    EXPECT_EQ(entries(), 2U);
    EXPECT_TRUE(ShmFile::remove(path()));
  }
}

TEST_F(ShmFileTest, AFileThatIsPutThereWhileOneIsMadeIsOpened) {
  const SharedMemoryLayout header(*PageSize::from_raw(8192), 17);
  const auto open_or_create = [&] {
    const ScopedBeforeCall scope([&](const char* call) {
      // The first is the lock file's.
      if (std::string_view(call) == "linkat" && fs::exists(path("foo.db.fsqlite-shm-lock"))) {
        write(path(), header.to_bytes(), *required_size(header.geometry()));
      }
      return 0;
    });
    return ShmFile::open_or_create(path(), trust());
  };
  const auto file = open_or_create();
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->geometry(), header.geometry());
}

TEST_F(ShmFileTest, OpenReportsAFailureOfAnyCallOrGetsOver) {
  ASSERT_TRUE(ShmFile::create(path()));
  int errors = 0;
  for (int failing = 1;; ++failing) {
    int calls = 0;
    const auto before = open_files();
    {
      const ScopedBeforeCall scope([&](const char*) { return ++calls == failing ? EIO : 0; });
      const auto file = ShmFile::open(path(), trust());
      errors += file ? 0 : 1;
      if (calls < failing) break;
    }
    EXPECT_EQ(open_files(), before) << failing;
    EXPECT_TRUE(ShmFile::open(path(), trust())) << failing;
  }
  EXPECT_GE(errors, 15);
}

// What the process writes to its standard output or error must not end up in a file.
TEST_F(ShmFileTest, FilesKeepOffTheStandardDescriptors) {
  EXPECT_EQ(in_child([&] {
              for (const int fd : {0, 1, 2}) ::close(fd);
              const auto file = ShmFile::create(path());
              const auto reader = ReadOnlyShmFile::open(path());
              if (!file || !reader || !file->lock_publication()) return 1;
              for (const int fd : {0, 1, 2}) {
                if (::fcntl(fd, F_GETFD) != -1) return 2 + fd;
              }
              return 0;
            }),
            0);
}

TEST_F(ShmFileTest, OneOfManyCreatesAndAllOpenTheSame) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> recovered = 0;
    std::atomic<int> opened = 0;
    std::atomic<std::uint64_t> ids = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto file = ShmFile::open_or_create(path(), {.recover = [&] {
                                                    ++recovered;
                                                    return Recovered(DurableState{});
                                                  }});
        if (file) ids += std::uint64_t{1} << (8 * (file->layout().alloc_txn_id()->get() - 1));
        // The first to come is the last to go, so that there is one first opener.
        for (++opened; opened < 4;) std::this_thread::yield();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(recovered, 1);
    EXPECT_EQ(ids, 0x01010101U);  // ids 1 to 4, each once: it was one file
    ASSERT_TRUE(ShmFile::remove(path()));
  }
}

TEST_F(ShmFileTest, AnOldErrnoIsNoReasonToCallAgain) {
  write(path(), {}, 100);
  expect_error(ShmFile::open(path(), trust()), Code::kTooSmall);  // the lock file is there now
  errno = EINTR;
  expect_error(ShmFile::open(path(), trust()), Code::kTooSmall);
  const auto create_with_the_first_descriptor_free = [&] {
    ::close(STDIN_FILENO);
    errno = EINTR;
    return ShmFile::create(path("other")) && ::fcntl(STDIN_FILENO, F_GETFD) < 0 ? 0 : 1;
  };
  EXPECT_EQ(in_child(create_with_the_first_descriptor_free), 0);
}

// How far into the file pread and pwrite were asked to go.
std::uint64_t g_farthest = 0;

std::optional<long> by_pieces(std::string_view call, std::span<const std::uint64_t> arguments) {
  if (call != "pread" && call != "pwrite") return std::nullopt;
  const auto size = static_cast<std::size_t>(arguments[2]);
  const auto at = static_cast<off_t>(arguments[3]);
  g_farthest = std::max(g_farthest, size + arguments[3]);
  const auto fd = static_cast<int>(arguments[0]);
  void* const bytes = std::bit_cast<void*>(arguments[1]);
  const std::size_t piece = std::min<std::size_t>(size, 100);
  return call == "pread" ? ::pread(fd, bytes, piece, at) : ::pwrite(fd, bytes, piece, at);
}

TEST_F(ShmFileTest, ReadsAndWritesMayComeInPieces) {
  harness::tell_lies(by_pieces);
  const auto created = ShmFile::create(path());
  harness::tell_lies(nullptr);
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_EQ(created->header_bytes(), SharedMemoryLayout().to_bytes());
  EXPECT_EQ(g_farthest, kHeaderSize);
}

TEST_F(ShmFileTest, SyncAndCloseReport) {
  auto file = ShmFile::create(path());
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(file->close());
  expect_error(file->sync(), Code::kFileSync);
  EXPECT_TRUE(file->close());  // nothing left to do
}

TEST_F(ShmFileTest, Moves) {
  auto a = ShmFile::create(path("a"));
  auto b = ShmFile::create(path("b"));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->layout().alloc_txn_id()->get(), 1U);
  ShmFile c = std::move(*a);
  *b = std::move(c);
  EXPECT_EQ(b->layout().alloc_txn_id()->get(), 2U);
  EXPECT_TRUE(b->lock_publication());
}

}  // namespace
}  // namespace fsqlshm

// What the file layer asks of the system: which calls, with what, and what it says if they fail.

#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <bit>
#include <cstddef>
#include <iterator>

#include "shm_file_test.h"

namespace fsqlshm {
namespace {

class AskedOfTheSystem : public ShmFileTest {
 protected:
  ~AskedOfTheSystem() override { harness::tell_lies(nullptr); }

  // What `open` says if the number-th of its calls of `failing` fails with `error`.
  template <class Open>
  static ShmError error_of(const Open& open, std::string_view failing, int number, int error) {
    const ScopedBeforeCall scope(
        [&](const char* call) { return call == failing && --number == 0 ? error : 0; });
    const auto done = open();
    EXPECT_FALSE(done) << failing;
    return done.error();
  }
};

TEST_F(AskedOfTheSystem, WhatIsBeingMadeIsNobodyElses) {
  static mode_t mode = 0;
  static bool nameless = true;
  harness::tell_lies([](std::string_view call, std::span<const std::uint64_t> arguments) {
    if (call == "openat(O_TMPFILE)" && !nameless) {
      errno = EOPNOTSUPP;
      return std::optional<long>(-1);
    }
    struct stat status = {};
    if (call == "fchmod" && ::fstat(static_cast<int>(arguments[0]), &status) == 0) {
      mode |= status.st_mode & 0777;
    }
    return std::optional<long>();
  });
  const mode_t old = ::umask(0);
  for (const bool without_a_name : {true, false}) {
    mode = 0;
    nameless = without_a_name;
    EXPECT_TRUE(ShmFile::create(path(without_a_name ? "a" : "b"), {.access = {.mode = 0666}}));
    EXPECT_EQ(mode, 0600U) << without_a_name;
  }
  ::umask(old);
}

// On btrfs. One that is compressed cannot be written in place, and the kernel refuses both flags together.
TEST_F(AskedOfTheSystem, WhatIsWrittenInPlaceIsNotCompressed) {
  static long set = 0;
  harness::tell_lies([](std::string_view call, std::span<const std::uint64_t> arguments) {
    if (call != "ioctl") return std::optional<long>();
    int& flags = *std::bit_cast<int*>(arguments[2]);
    if (arguments[1] == FS_IOC_GETFLAGS) flags = FS_COMPR_FL | FS_NOATIME_FL;
    if (arguments[1] == FS_IOC_SETFLAGS) set = flags;
    return std::optional<long>(0);
  });
  EXPECT_TRUE(ShmFile::create(path()));
  EXPECT_EQ(set, FS_NOCOW_FL | FS_NOATIME_FL);
}

// The answers are those of a user who is no root and a member of the group.
TEST_F(AskedOfTheSystem, AMemberOfTheGroupMakesTheFileForTheGroup) {
  static std::vector<std::pair<uid_t, gid_t>> wanted;
  wanted.clear();
  harness::tell_lies([](std::string_view call, std::span<const std::uint64_t> arguments) {
    if (call != "fchown") return std::optional<long>();
    wanted.emplace_back(static_cast<uid_t>(arguments[1]), static_cast<gid_t>(arguments[2]));
    errno = EPERM;
    return std::optional<long>(wanted.back().first == ::geteuid() ? 0 : -1);
  });
  const std::pair given(::geteuid() + 1, ::getegid() + 1);
  const std::pair made(::geteuid(), given.second);
  const FileAccess access = {.mode = 0660, .uid = given.first, .gid = given.second};
  EXPECT_TRUE(ShmFile::create(path(), {.access = access}));
  EXPECT_EQ(wanted, (std::vector{given, made, given, made}));  // of the lock file and of the file
  // Where the group may not write, its members cannot use the file.
  for (const mode_t mode : {0600U, 0640U}) {
    wanted.clear();
    const FileAccess without = {.mode = mode, .uid = given.first, .gid = given.second};
    expect_error(ShmFile::create(path("other"), {.access = without}), Code::kFileOwner);
    EXPECT_EQ(wanted, std::vector{given}) << mode;
  }
}

TEST_F(AskedOfTheSystem, ADiskThatIsTooSmallIsNotFilled) {
  ShmFileOptions options;
  options.max_txn_slots = 0xffffffff;  // 1.3 TiB
  if (fs::space(folder_).available > *required_size(Geometry::derive({}, options.max_txn_slots))) {
    GTEST_SKIP() << "there is room for it";
  }
  bool tried = false;
  const ScopedBeforeCall scope([&](const char* call) {
    tried = tried || std::string_view(call) == "posix_fallocate";
    return 0;
  });
  expect_error(ShmFile::create(path(), options), Code::kFileNoSpace);
  EXPECT_FALSE(tried);
}

TEST_F(AskedOfTheSystem, ACallThatFailsIsNamed) {
  const auto create = [&] { return ShmFile::create(path()); };
  const auto open = [&] { return ShmFile::open(path(), trust()); };
  const auto code = [](const ShmError& error) { return to_string(error.code()); };
  // The second draft is the file's own, the first the lock file's.
  EXPECT_EQ(code(error_of(create, "openat(O_TMPFILE)", 2, EIO)), to_string(Code::kFileCreate));
  ASSERT_TRUE(create());
  // The first is of what was opened, the second of what its name leads to then.
  for (const int number : {1, 2}) {
    const ShmError error = error_of(open, "fstat", number, ENXIO);
    EXPECT_EQ(code(error), to_string(Code::kFileOpen)) << error.message();
    EXPECT_EQ(error.found(), std::uint64_t{ENXIO});
  }
}

TEST_F(AskedOfTheSystem, ACallThatASignalInterruptedIsMadeAgain) {
  const ShmFileOptions options = {.recover = [] { return Recovered(DurableState{}); }};
  const auto open = [&] {
    return ShmFile::open(path(), options);
  };  // establishes, as the first one
  const auto create = [&] { return ShmFile::create(path("another")); };
  ASSERT_TRUE(ShmFile::create(path()));
  int interrupted = 0;
  for (const std::string_view each : {"openat", "fcntl", "pread", "pwrite", "posix_fallocate"}) {
    for (int failing = 1, calls = failing; calls >= failing; ++failing) {
      calls = 0;
      const ScopedBeforeCall scope(
          [&](const char* call) { return call == each && ++calls == failing ? EINTR : 0; });
      EXPECT_TRUE(open() && create()) << each << " " << failing;
      EXPECT_TRUE(ShmFile::remove(path("another")));
      interrupted += calls >= failing ? 1 : 0;
    }
  }
  EXPECT_GE(interrupted, 30);
  EXPECT_EQ(error_of([&] { return read_header_bytes(path()); }, "pread", 1, EIO),
            ShmError(Code::kFileOpen, std::uint64_t{EIO}));
  // Six words and the five stores of a publish.
  for (int number = 1; number <= 11; ++number) {
    EXPECT_EQ(error_of(open, "pwrite", number, EIO), ShmError(Code::kFileOpen, std::uint64_t{EIO}));
  }
}

TEST_F(AskedOfTheSystem, ALockThatCannotBeHadIsTheError) {
  ASSERT_TRUE(ShmFile::create(path()));
  const auto open = [&] { return ShmFile::open(path(), trust()); };
  // OPEN, who uses the file, the name in both files, ESTABLISHED, OPEN for reading.
  for (int number = 1; number <= 6; ++number) {
    const ShmError error = error_of(open, "fcntl", number, ENOLCK);
    EXPECT_EQ(to_string(error.code()), to_string(Code::kFileLock)) << number;
    EXPECT_EQ(error.found(), std::uint64_t{ENOLCK}) << number;
  }
}

TEST_F(AskedOfTheSystem, AnOpenMakesNoFileInThePlaceOfOneThatGoes) {
  ASSERT_TRUE(ShmFile::create(path()));
  int locks = 0;
  const ScopedBeforeCall scope([&](const char* call) {
    // After the first look at the name.
    if (std::string_view(call) == "fcntl" && ++locks == 1) fs::remove(path());
    return 0;
  });
  expect_error(ShmFile::open(path(), trust()), Code::kFileOpen);
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(AskedOfTheSystem, ANameThatChangesHandsBeforeItIsOpenedIsLookedAtAgain) {
  ASSERT_TRUE(ShmFile::create(path()));
  int opened = 0;
  const ScopedBeforeCall scope([&](const char* call) {
    // After the folder the file.
    if (std::string_view(call) == "openat" && ++opened == 2) {
      fs::remove(path());
      EXPECT_EQ(::mkfifo(path().c_str(), 0600), 0);
    }
    return 0;
  });
  expect_error(read_header_bytes(path()), Code::kFileNotRegular);
}

// A file must not get the number of a standard descriptor, and there is no other.
TEST_F(AskedOfTheSystem, TooManyDescriptorsAreTheError) {
  EXPECT_EQ(in_child([&] {
              if (!ShmFile::create(path())) return 1;
              ::close(STDIN_FILENO);
              const ShmError error =
                  error_of([&] { return ShmFile::open(path(), trust()); }, "fcntl", 1, EMFILE);
              return error == ShmError(Code::kFileOpen, std::uint64_t{EMFILE}) ? 0 : 2;
            }),
            0);
}

// Linux before 4.14, or an emulator, does not clear the word that tells a child from its parent.
TEST_F(AskedOfTheSystem, ForksAreSeenWithoutTheKernelsHelp) {
  struct sock_filter refuse[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {.len = std::size(refuse), .filter = refuse};
  // googletest is content with a filter that fits nothing.
  const auto& program = *testing::UnitTest::GetInstance();
  int fitting = 0;
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *program.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const std::string_view name = suite.GetTestInfo(j)->name();
      fitting +=
          suite.name() == std::string_view("ShmFileTest") && name.starts_with("AForkedChild");
    }
  }
  ASSERT_GE(fitting, 3);
  const int result = in_child([&] {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kSkip;
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return kSkip;
    ::execl("/proc/self/exe", "shm_file_test", "--gtest_brief=1",
            "--gtest_filter=ShmFileTest.AForkedChild*", static_cast<char*>(nullptr));
    return kSkip;
  });
  if (result == kSkip) GTEST_SKIP() << "cannot have calls refused";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace fsqlshm

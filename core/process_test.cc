#include "fsqlshm/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

namespace fsqlshm {
namespace {

using namespace std::chrono_literals;
constexpr int kSkip = 77;

std::string stat_text(std::string_view name, std::string_view state = "S",
                      std::string_view threads = "1", std::string_view start = "4711") {
  std::string text = "17 (" + std::string(name) + ") " + std::string(state);
  for (int field = 4; field <= 52; ++field) {
    text += ' ';
    text += field == 20 ? threads : (field == 22 ? start : "0");
  }
  return text + "\n";
}

// A child that lives until it is killed.
pid_t sleeper() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::pause();
  }
  return child;
}
void kill_and_reap(pid_t child) {
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}
template <class Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}
// What the child would say of itself: taken from the kernel.
ProcessIdentity identity_of(pid_t pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  std::array<char, 1024> text{};
  const ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  const auto stat = parse_proc_stat({text.data(), static_cast<std::size_t>(size)});
  return {.pid = static_cast<std::uint32_t>(pid), .birth = kKnownBirth | stat->start_ticks};
}
bool alive(ProcessIdentity who) { return process_alive(who.pid, who.birth); }

// Waits, with a bound, for what another process or thread is about to do.
template <class Condition>
bool eventually(Condition&& condition) {
  for (int turn = 0; turn < 5000; ++turn) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

// --- /proc/PID/stat ----------------------------------------------------------------------------

TEST(ParseProcStat, CountsFieldsFromTheLastParenthesis) {
  for (const char* name : {"cat", "a b", "a) S 1 2 3", "((", "))", ") (", "", "1 (x) R 5"}) {
    const auto stat = parse_proc_stat(stat_text(name, "D", "3", "18446744073709551615"));
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->state, 'D');
    EXPECT_EQ(stat->threads, 3U);
    EXPECT_EQ(stat->start_ticks, ~std::uint64_t{0});
  }
}

TEST(ParseProcStat, RefusesWhatIsNoSuchLine) {
  for (const std::string& text :
       {std::string(), std::string("17"), std::string("17 (cat"), std::string("17 (cat)"),
        std::string("17 (cat) S 1 2"), stat_text("cat", "SS"), stat_text("cat", "S", "x"),
        stat_text("cat", "S", "1", "12x"), stat_text("cat", "S", "1", "-1"),
        stat_text("cat", "S", "1", "18446744073709551616")}) {
    EXPECT_FALSE(parse_proc_stat(text)) << text;
  }
  const std::string whole = stat_text("cat");
  const std::size_t end = whole.find("4711") + 4;
  for (std::size_t size = 0; size < end - 4; ++size) {
    EXPECT_FALSE(parse_proc_stat(std::string_view(whole).substr(0, size))) << size;
  }
}

// --- Who lives ---------------------------------------------------------------------------------

TEST(Process, ThisOneLivesAndIsTheSameEveryTime) {
  if (std::getenv("FSQLSHM_QEMU") != nullptr) GTEST_SKIP() << "qemu makes up /proc/self/stat";
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(self.birth & kKnownBirth, 0U);
  EXPECT_EQ(self, this_process());
  EXPECT_TRUE(alive(self));
  std::thread([&] { EXPECT_EQ(self, this_process()); }).join();
}

TEST(Process, AChildIsSomebodyElse) {
  if (std::getenv("FSQLSHM_QEMU") != nullptr) GTEST_SKIP() << "qemu makes up /proc/self/stat";
  const ProcessIdentity self = this_process();
  EXPECT_EQ(in_child([&] {
              const ProcessIdentity child = this_process();
              return child.pid != self.pid && alive(child) && alive(self) ? 0 : 1;
            }),
            0);
}

// What is read of /proc is then descriptor 0.
TEST(Process, ADaemonWithoutStandardInputIsKnown) {
  EXPECT_EQ(in_child([] {
              const ProcessIdentity before = this_process();
              ::close(STDIN_FILENO);
              return this_process() == before && alive(before) ? 0 : 1;
            }),
            0);
}

TEST(Process, AnotherBirthMeansAnotherProcess) {
  const ProcessIdentity self = this_process();
  EXPECT_FALSE(process_alive(self.pid, self.birth + 1));
  EXPECT_FALSE(process_alive(self.pid, self.birth - 1));
  EXPECT_FALSE(process_alive(self.pid, kKnownBirth));
}

TEST(Process, CannotTellMeansAlive) {
  EXPECT_TRUE(process_alive(0x7fffffff, 0));
  EXPECT_TRUE(process_alive(0x7fffffff, kKnownBirth - 1));
  EXPECT_TRUE(process_alive(0, kKnownBirth | 1));  // 0 is "unknown", not a process
}

TEST(Process, APidThatNobodyHasIsDead) {
  EXPECT_FALSE(process_alive(0x7fffffff, kKnownBirth | 1));
  EXPECT_FALSE(process_alive(0xffffffff, kKnownBirth | 1));
}

TEST(Process, AZombieIsDeadBeforeAndAfterItIsReaped) {
  const pid_t child = sleeper();
  const ProcessIdentity who = identity_of(child);
  EXPECT_TRUE(alive(who));
  ::kill(child, SIGKILL);
  siginfo_t info = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(alive(who));
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(alive(who));
}

TEST(Process, AStoppedOneLives) {
  const pid_t child = sleeper();
  const ProcessIdentity who = identity_of(child);
  ::kill(child, SIGSTOP);
  ::waitpid(child, nullptr, WUNTRACED);
  EXPECT_TRUE(alive(who));
  kill_and_reap(child);
}

// Regression: /proc shows a zombie as soon as the first thread is gone, but the others go on and
// may still store into the header.
TEST(Process, OneWhoseFirstThreadHasEndedLivesWhileAnotherRuns) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([] {
      while (true) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // this thread alone
  }
  const ProcessIdentity who = identity_of(child);
  const std::string path = "/proc/" + std::to_string(child) + "/stat";
  EXPECT_TRUE(eventually([&] {
    std::array<char, 1024> text{};
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t size = ::read(fd, text.data(), text.size());
    ::close(fd);
    return parse_proc_stat({text.data(), static_cast<std::size_t>(size)})->state == 'Z';
  }));
  EXPECT_TRUE(alive(who));
  kill_and_reap(child);
  EXPECT_FALSE(alive(who));
}

TEST(Process, NamesWithSpacesAndParenthesesDoNotConfuse) {
  EXPECT_EQ(in_child([] {
              const ProcessIdentity before = this_process();
              for (const char* name : {"a b", ") R 1 (", "((()", ")))", " "}) {
                ::prctl(PR_SET_NAME, name);
                if (this_process() != before || !alive(before)) return 1;
              }
              return 0;
            }),
            0);
}

// The same pid twice, on a kernel that lets us ask for it.
TEST(Process, AReusedPidIsNotTheOldProcess) {
  const pid_t first = sleeper();
  const ProcessIdentity old = identity_of(first);
  kill_and_reap(first);
  std::this_thread::sleep_for(30ms);  // birth counts in ticks of 10 ms
  std::array<pid_t, 1> wanted = {first};
  struct clone_args arguments = {};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uintptr_t>(wanted.data());
  arguments.set_tid_size = 1;
  const long second = ::syscall(SYS_clone3, &arguments, sizeof(arguments));
  if (second == 0) {
    while (true) ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
  }
  if (second < 0) GTEST_SKIP() << "no right to choose a pid";
  EXPECT_EQ(second, first);
  const ProcessIdentity young = identity_of(first);
  EXPECT_NE(old.birth, young.birth);
  EXPECT_FALSE(alive(old));
  EXPECT_TRUE(alive(young));
  kill_and_reap(first);
}

// --- A /proc that does not say ------------------------------------------------------------------

// Mounts over /proc in a mount namespace of a child's own, so nothing is left behind.
template <class Body>
int with_proc(const char* type, const char* options, Body&& body) {
  return in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0) return kSkip;
    ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount(type, "/proc", type, 0, options) != 0) return kSkip;
    return body();
  });
}

TEST(Process, WithoutProcEveryoneLives) {
  if (std::getenv("FSQLSHM_QEMU") != nullptr) GTEST_SKIP() << "qemu makes up /proc/self/stat";
  const pid_t child = sleeper();
  const ProcessIdentity who = identity_of(child);
  const int result = with_proc("tmpfs", "size=4k", [&] {
    if (!alive(who) || !process_alive(0x7fffffff, kKnownBirth | 1)) return 1;
    return this_process().birth == 0 ? 0 : 2;
  });
  kill_and_reap(child);
  if (result == kSkip) GTEST_SKIP() << "no right to mount";
  EXPECT_EQ(result, 0);
}

// hidepid=1 refuses to open another user's entry; hidepid=2 claims that there is none.
TEST(Process, AnEntryThatIsHiddenFromUsIsAlive) {
  const pid_t child = sleeper();
  const ProcessIdentity who = identity_of(child);
  for (const char* options : {"hidepid=1", "hidepid=2"}) {
    const int result = with_proc("proc", options, [&] {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) return kSkip;
      const std::string path = "/proc/" + std::to_string(child) + "/stat";
      if (::open(path.c_str(), O_RDONLY | O_CLOEXEC) >= 0) return 3;
      if (!alive(who)) return 1;
      return process_alive(0x7fffffff, kKnownBirth | 1) && options[8] == '2' ? 2 : 0;
    });
    if (result == kSkip) {
      kill_and_reap(child);
      GTEST_SKIP() << "no right to mount";
    }
    EXPECT_EQ(result, 0) << options;
  }
  kill_and_reap(child);
}

}  // namespace
}  // namespace fsqlshm

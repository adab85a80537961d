#include "harness/child.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <stdexcept>

namespace fsqlshm::harness {
namespace {

using namespace std::chrono_literals;

int sleep_for_ever() {
  while (true) ::pause();
}

TEST(Child, TellsHowItEnded) {
  EXPECT_TRUE(run_in_child([] { return 0; }).exited());
  EXPECT_TRUE(run_in_child([] { return 7; }).exited(7));
  EXPECT_TRUE(run_in_child([] { return ::raise(SIGKILL); }).died_of(SIGKILL));
  EXPECT_EQ(run_in_child([] { return 7; }).text(), "ended with status 7");
  EXPECT_EQ(run_in_child([] { return ::raise(SIGTERM); }).text(), "ended with status 0");
  // A sanitizer may turn the abort into a status of its own.
  EXPECT_FALSE(
      run_in_child([]() -> int { throw std::runtime_error("not for the parent"); }).exited());
}

TEST(Child, IsSeenToStopAndToGoOn) {
  Child child([] {
    ::raise(SIGSTOP);
    return 5;
  });
  EXPECT_TRUE(child.wait().stopped());
  EXPECT_TRUE(child.poll().stopped());
  EXPECT_TRUE(child.here());
  child.send(SIGCONT);
  EXPECT_TRUE(child.wait().exited(5));
  EXPECT_FALSE(child.here());
  EXPECT_TRUE(child.wait().exited(5)) << "a state that is over is final";
}

TEST(Child, WaitsNoLongerThanTheLimit) {
  Child child(sleep_for_ever);
  EXPECT_EQ(child.wait_for(5ms), ChildState());
  EXPECT_TRUE(child.here());
  child.send(SIGKILL);
  EXPECT_TRUE(child.wait_for(10s).died_of(SIGKILL));
  EXPECT_TRUE(run_in_child(sleep_for_ever, 5ms).died_of(SIGKILL));
}

TEST(Child, IsKilledAndReapedWithItsOwnerEvenWhenItIsStopped) {
  std::optional<Child> child(std::in_place, [] {
    ::raise(SIGSTOP);
    return 0;
  });
  ASSERT_TRUE(child->wait().stopped());
  const pid_t pid = child->pid();
  Child moved = std::move(*child);
  child.reset();
  EXPECT_EQ(::kill(pid, 0), 0) << "moved, so still there";
  moved = Child();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no zombie";
}

TEST(Child, DiesWithItsParent) {
  // The grandchild holds the write end of a pipe: when that is closed, it is dead.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Shared<std::atomic<bool>> ready;
  Child parent([&] {
    const Child own(sleep_for_ever);
    ready->store(true);
    return sleep_for_ever();
  });
  ::close(ends[1]);
  while (!ready->load()) ::usleep(100);
  parent.end();
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);
  ::close(ends[0]);
}

}  // namespace
}  // namespace fsqlshm::harness

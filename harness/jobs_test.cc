#include "harness/jobs.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fsqlshm::harness {
namespace {

std::string bytes_of(std::size_t number) {
  return {'\0', static_cast<char>(number), static_cast<char>(number + 1)};
}

bool has_no_child() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

class JobsTest : public testing::TestWithParam<unsigned> {
 protected:
  Jobs jobs(std::size_t count) {
    return {.count = count,
            .at_once = GetParam(),
            .work = bytes_of,
            .done =
                [this](std::size_t number, Made made) {
                  EXPECT_EQ(number, made_.size());
                  made_.push_back(std::move(made));
                },
            .go_on = [] { return true; }};
  }

  std::vector<Made> made_;
};

TEST_P(JobsTest, HandOverWhatIsMadeInTheOrderOfTheNumbers) {
  Jobs all = jobs(10);
  all.work = [](std::size_t number) {
    // The later, the sooner it is ready.
    std::this_thread::sleep_for(std::chrono::milliseconds(10 - number));
    return bytes_of(number);
  };
  run(all);
  ASSERT_EQ(made_.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(made_[i], bytes_of(i));
  EXPECT_TRUE(has_no_child());
}

TEST_P(JobsTest, MakeMoreThanAPipeHolds) {
  Jobs all = jobs(2);
  all.work = [](std::size_t) { return std::string(1U << 20U, 'x'); };
  run(all);
  ASSERT_EQ(made_.size(), 2U);
  EXPECT_EQ(made_[1]->size(), std::size_t{1} << 20U);
}

TEST_P(JobsTest, ThatDieAreAnErrorOfTheirPieceAlone) {
  Jobs all = jobs(3);
  all.work = [](std::size_t number) {
    if (number == 1) ::raise(SIGKILL);
    return bytes_of(number);
  };
  run(all);
  ASSERT_EQ(made_.size(), 3U);
  EXPECT_TRUE(made_[0]);
  EXPECT_EQ(made_[1], Made(std::unexpected("died of signal 9")));
  EXPECT_TRUE(made_[2]);
}

TEST_P(JobsTest, EndInTheMiddleOfAPiece) {
  Jobs all = jobs(2);
  all.work = [](std::size_t number) {
    for (;;) ::pause();
    return bytes_of(number);
  };
  all.go_on = [] { return false; };
  all.patience = std::chrono::milliseconds(100);
  run(all);
  EXPECT_TRUE(made_.empty());
  EXPECT_TRUE(has_no_child());
}

TEST_P(JobsTest, HandOverWhatIsMadeUntilTheyAreEnded) {
  static volatile std::sig_atomic_t told = 0;
  Jobs all = jobs(1000);
  all.work = [](std::size_t number) {
    ::signal(SIGTERM, [](int) { told = 1; });
    while (number >= 5 && told == 0) ::usleep(1000);
    return bytes_of(number);
  };
  std::vector<std::size_t> numbers;
  all.done = [&](std::size_t number, Made made) {
    EXPECT_EQ(made, bytes_of(number));
    numbers.push_back(number);
  };
  int asked = 0;
  all.go_on = [&] { return numbers.size() < 5 || ++asked < 5; };
  run(all);
  EXPECT_EQ(numbers.size(), 5U + GetParam());  // each that was at work had something
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_TRUE(has_no_child());
}

TEST_P(JobsTest, AreNoneIfThereIsNothingToDo) {
  run(jobs(0));
  EXPECT_TRUE(made_.empty());
}

INSTANTIATE_TEST_SUITE_P(, JobsTest, testing::Values(1U, 2U, 8U),
                         [](const auto& jobs) { return std::to_string(jobs.param) + "_at_once"; });

TEST(Processors, AreThoseOfThisProcess) { EXPECT_GE(processors(), 1U); }

}  // namespace
}  // namespace fsqlshm::harness

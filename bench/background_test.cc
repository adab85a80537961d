#include "background.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace fsqlshm::bench {
namespace {

TEST(Rates, NamesAndBack) {
  for (const auto& [rate, name] :
       {std::pair(0.0, "0"), std::pair(250.0, "250"), std::pair(1e3, "1k"), std::pair(1e5, "100k"),
        std::pair(1e6, "1M"), std::pair(kSaturating, "saturating")}) {
    EXPECT_EQ(rate_name(rate), name);
    EXPECT_EQ(parse_rate(name), rate);
  }
  for (const char* text : {"", "k", "-1", "1x", "1kk", "1 k", "nan", "inf", "2000M0M", "1e99"}) {
    EXPECT_LT(parse_rate(text), 0) << text;
  }
}

class BackgroundTest : public testing::TestWithParam<Where> {};
INSTANTIATE_TEST_SUITE_P(, BackgroundTest, testing::Values(Where::kThread, Where::kProcess),
                         [](const auto& info) {
                           return info.param == Where::kThread ? "Thread" : "Process";
                         });

TEST_P(BackgroundTest, StepsAreCountedFromOneWithoutGaps) {
  struct Seen {
    std::atomic<std::uint64_t> last{0};
    std::atomic<std::uint64_t> gaps{0};
  };
  harness::Shared<Seen> seen;
  Background background(GetParam(), publisher_cpu(), kSaturating, [&](std::uint64_t n) {
    if (n != seen->last + 1) ++seen->gaps;
    seen->last = n;
  });
  EXPECT_GE(background.steps(), 1U);
  while (seen->last < 100) usleep(1000);
  background.stop();
  EXPECT_EQ(seen->gaps, 0U);
  EXPECT_EQ(background.steps(), seen->last);
  EXPECT_GT(background.rate(), 0);
}

// The upper bound is the pacer's promise; how close it comes is the machine's affair.
TEST_P(BackgroundTest, NeverRunsFasterThanAsked) {
  constexpr double kRate = 2000;
  const auto start = std::chrono::steady_clock::now();
  Background background(GetParam(), publisher_cpu(), kRate, [](std::uint64_t) {});
  usleep(100'000);
  background.stop();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  EXPECT_GE(background.steps(), 1U);
  const double lag = std::chrono::duration<double>(Pacer::kMaxLag).count();
  EXPECT_LE(static_cast<double>(background.steps()), (passed.count() + lag) * kRate + 1);
}

TEST_P(BackgroundTest, LeavesNoProcessBehind) {
  {
    Background background(GetParam(), publisher_cpu(), kSaturating, [](std::uint64_t) {});
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(BackgroundProcess, ThatDiesAtOnceIsAnError) {
  EXPECT_THROW(
      Background(Where::kProcess, publisher_cpu(), kSaturating, [](std::uint64_t) { ::_exit(3); }),
      std::system_error);
}

TEST(Cpus, ReaderAndPublisherAreApartWhereTheMachineHasTwo) {
  ASSERT_FALSE(allowed_cpus().empty());
  if (allowed_cpus().size() > 1) {
    EXPECT_NE(reader_cpu(0), publisher_cpu());
  }
  const std::size_t count = allowed_cpus().size();
  EXPECT_EQ(reader_cpu(count), reader_cpu(0));
}

}  // namespace
}  // namespace fsqlshm::bench

#include "harness/guarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <thread>

namespace fsqlshm::harness {
namespace {

using namespace std::chrono_literals;
using Kind = GuardedFailure::Kind;

TEST(Guarded, GivesWhatItsBodyReturns) {
  const std::string text(100'000, 'x');  // more than a pipe holds
  EXPECT_EQ(guarded([&](Doing&) { return text; }), text);
}

TEST(Guarded, SaysWhereItCrashed) {
  const auto result = guarded([](Doing& doing) -> std::string {
    doing("one thing");
    doing("another");
    std::raise(SIGFPE);
    return "";
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kCrashed);
  EXPECT_EQ(result.error().text(), "crashed in another: died of signal 8");
}

TEST(Guarded, SaysWhichAddressItCouldNotTouch) {
  static volatile std::uintptr_t nowhere = 24;
  const auto result = guarded([](Doing&) -> std::string {
    return std::to_string(*reinterpret_cast<volatile int*>(nowhere));
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "crashed in nothing yet: died of signal 11");
  EXPECT_EQ(result.error().address, reinterpret_cast<void*>(24));
}

TEST(Guarded, AnEndOnItsOwnIsACrash) {
  const auto result = guarded([](Doing&) -> std::string { ::_exit(0); });
  EXPECT_FALSE(result);
}

TEST(Guarded, PassesOnWhatWasThrown) {
  const auto result = guarded([](Doing&) -> std::string { throw std::runtime_error("why"); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kThrew);
  EXPECT_EQ(result.error().how, "why");
}

TEST(Guarded, WaitsAsLongAsThereAreSignsOfLife) {
  const auto slow = [](Doing& doing) -> std::string {
    for (int i = 0; i < 20; ++i) {
      doing();
      std::this_thread::sleep_for(50ms);
    }
    return "done";
  };
  EXPECT_EQ(guarded(slow, 700ms), "done");
  const auto result = guarded(
      [](Doing& doing) -> std::string {
        doing("a nap");
        std::this_thread::sleep_for(1h);
        return "";
      },
      200ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kHung);
  EXPECT_EQ(result.error().text(), "hung in a nap: gave no sign of life for 0.2 s");
}

}  // namespace
}  // namespace fsqlshm::harness

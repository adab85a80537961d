#include "harness/guarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <expected>
#include <stdexcept>
#include <string>
#include <thread>

#include "harness/child.h"

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

TEST(Guarded, AForkDoesNotHappenAndIsNamed) {
  const Shared<std::atomic<int>> returned;
  const auto result = guarded([&](Doing& doing) -> std::string {
    doing("a call");
    static_cast<void>(::fork());
    ++*returned;
    return "";
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::kForked);
  EXPECT_EQ(result.error().text(), "forked in a call: no call may start a process");
  EXPECT_EQ(*returned, 0);
}

TEST(Guarded, WhoClosesDescriptorsIsNamed) {
  for (const bool at_the_end : {false, true}) {
    const auto result = guarded([&](Doing& doing) -> std::string {
      doing("a call");
      for (int descriptor = 0; descriptor < 1024; ++descriptor) ::close(descriptor);
      if (!at_the_end) doing("another");
      return "text";
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, Kind::kClosedDescriptors);
    EXPECT_EQ(result.error().what(), "closed descriptors in a call");
  }
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

// --- Several threads ------------------------------------------------------------------------------

// A child with a second thread that does `what`; the first says "first" and lives.
std::expected<std::string, GuardedFailure> with_a_second(void (*what)(Doing&),
                                                         std::chrono::nanoseconds patience = 10s) {
  const Shared<LastWords> second;
  const std::array<const LastWords*, 1> more = {&*second};
  return guarded(
      [&](Doing& doing) -> std::string {
        doing("first");
        std::atomic<bool> over = false;
        std::thread thread([&] {
          const Watched watched(*second);
          EXPECT_EQ(LastWords::mine(), &*second);
          second->doing("second");
          what(second->doing);
          over = true;
        });
        for (; !over; doing()) std::this_thread::sleep_for(1ms);
        thread.join();
        return "done";
      },
      patience, more);
}

TEST(Guarded, NamesTheThreadThatFell) {
  const auto result = with_a_second([](Doing&) { std::raise(SIGABRT); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "crashed in second: died of signal 6");
}

TEST(Guarded, NamesTheThreadThatHangs) {
  const auto result = with_a_second([](Doing&) { std::this_thread::sleep_for(1h); }, 200ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "hung in second: gave no sign of life for 0.2 s");
}

TEST(Guarded, AThreadThatEndedNeedsNoSignsOfLife) {
  EXPECT_EQ(LastWords::mine(), nullptr);
  const auto result = with_a_second(
      [](Doing& doing) {
        for (int i = 0; i < 20; ++i, doing()) std::this_thread::sleep_for(10ms);
      },
      500ms);
  EXPECT_EQ(result, "done");
}

TEST(Patience, CountsFromTheLastSignOfLife) {
  LastWords one;
  LastWords other;
  const std::array<const LastWords*, 2> threads = {&one, &other};
  other.watched = true;
  Patience patience(50ms);
  const auto until = std::chrono::steady_clock::now() + 150ms;
  while (std::chrono::steady_clock::now() < until) {
    other.doing();
    EXPECT_EQ(patience.silent(threads), std::nullopt);
  }
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(patience.silent(threads), 1U) << "the first is not watched";
  EXPECT_GE(patience.silence_of(1), 60ms);
}

}  // namespace
}  // namespace fsqlshm::harness

#include "stress/litmus.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <utility>

#include "fsqlshm/words.h"
#include "harness/run.h"
#include "stress/findings.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;

constexpr std::array<std::string_view, 3> kExpectNames = {"acceptable", "interesting", "forbidden"};

// Two threads go through rows of fresh headers and wait for each other before each one, so that
// their operations meet. The wait yields after a while: the machine may have other things to do.
class Lockstep {
 public:
  void meet(std::size_t me, std::uint64_t step) {
    at_[me].value.store(step, std::memory_order_release);
    for (int spin = 0; at_[1 - me].value.load(std::memory_order_acquire) < step; ++spin) {
      if (spin > 2000) {
        ::sched_yield();
      } else {
        cpu_pause();
      }
    }
  }

 private:
  struct alignas(64) Position {
    std::atomic<std::uint64_t> value = 0;
  };
  std::array<Position, 2> at_{};
};

// One race: runs it, and counts what was seen.
template <class Protocol>
class Race {
 public:
  using Layout = typename LitmusTest<Protocol>::Layout;
  using Seen = std::map<std::string, std::uint64_t, std::less<>>;

  Race(const LitmusConfig& config, const LitmusTest<Protocol>& test)
      : config_(config), test_(test), row_(kRow), results_(kRow) {
    // Given time, a race always shows the defects that it can show, but for D6, which is too rare.
    const bool sure = std::ranges::any_of(test.outcomes, [](const LitmusOutcome& outcome) {
      return !outcome.defect.empty() && outcome.defect != "D6";
    });
    wanted_ = sure && std::is_same_v<Protocol, ReferenceProtocol> ? Expect::kForbidden
                                                                  : Expect::kInteresting;
  }

  void run() {
    std::thread other([this] {
      std::uint64_t step = 0;
      while (true) {
        lockstep_.meet(1, ++step);
        if (over_.load(std::memory_order_acquire)) return;
        run_row(1, step, test_.second);
      }
    });
    const harness::Progress clock("", std::chrono::seconds(0), true);
    std::uint64_t step = 0;
    // This thread prepares and judges between rows; both meet twice a row for that.
    while (!enough(clock.elapsed()) && !harness::stop_requested()) {
      for (Layout& layout : row_) {
        layout = Layout();
        test_.prepare(layout);
      }
      lockstep_.meet(0, ++step);
      run_row(0, step, test_.first);
      for (std::size_t i = 0; i < kRow; ++i) {
        ++seen_[test_.arbiter(row_[i], results_[i][0], results_[i][1])];
      }
      iterations_ += kRow;
    }
    over_.store(true, std::memory_order_release);
    lockstep_.meet(0, ++step);
    other.join();
  }

  [[nodiscard]] std::uint64_t iterations() const { return iterations_; }
  [[nodiscard]] const Seen& seen() const { return seen_; }

 private:
  static constexpr std::size_t kRow = 256;

  void run_row(std::size_t me, std::uint64_t& step, std::uint64_t (*actor)(Layout&)) {
    for (std::size_t i = 0; i < kRow; ++i) {
      lockstep_.meet(me, ++step);
      results_[i][me] = actor(row_[i]);
    }
    lockstep_.meet(me, ++step);
  }

  // On a busy machine the two may seldom run at the same time: then it takes longer.
  [[nodiscard]] bool enough(double elapsed) const {
    if (iterations_ < config_.iterations && elapsed < config_.race_seconds) return false;
    const bool met = std::ranges::any_of(seen_, [&](const auto& seen) {
      const auto known = std::ranges::find(test_.outcomes, seen.first, &LitmusOutcome::name);
      return known == test_.outcomes.end() || known->expect >= wanted_;
    });
    return met || elapsed > std::max(15.0, 10 * config_.race_seconds);
  }

  Lockstep lockstep_;
  const LitmusConfig& config_;
  const LitmusTest<Protocol>& test_;
  std::vector<Layout> row_;
  std::vector<std::array<std::uint64_t, 2>> results_;
  std::uint64_t iterations_ = 0;
  Seen seen_;
  Expect wanted_;
  std::atomic<bool> over_ = false;
};

void find(Result& result, std::string severity, std::string property, std::string title,
          std::string_view defect = "") {
  result.findings.push_back({.severity = std::move(severity),
                             .property = std::move(property),
                             .defect = std::string(defect),
                             .title = std::move(title),
                             .file = "stress/litmus.cc"});
}

// Prints what was seen, judges it, and returns the rows of the document.
template <class Protocol>
nlohmann::json report(const LitmusTest<Protocol>& test, const Race<Protocol>& race,
                      Result& result) {
  fmt::print("{} ({} times, {})\n", test.name, race.iterations(), Protocol::kName);
  std::vector<LitmusOutcome> outcomes = test.outcomes;
  for (const auto& [name, count] : race.seen()) {
    if (std::ranges::find(outcomes, name, &LitmusOutcome::name) == outcomes.end()) {
      outcomes.push_back({name, Expect::kForbidden, "an outcome that is not in the list"});
    }
  }
  nlohmann::json rows = nlohmann::json::array();
  bool raced = false;
  for (const LitmusOutcome& outcome : outcomes) {
    const auto seen = race.seen().find(outcome.name);
    const std::uint64_t count = seen == race.seen().end() ? 0 : seen->second;
    const std::string_view verdict = kExpectNames[static_cast<std::size_t>(outcome.expect)];
    fmt::print("  {:>12}  {:<11}  {:<28} {}\n", count, verdict, outcome.name, outcome.meaning);
    rows.push_back({{"outcome", outcome.name},
                    {"verdict", verdict},
                    {"meaning", outcome.meaning},
                    {"count", count}});
    raced = raced || (outcome.expect != Expect::kAcceptable && count > 0);
    if (outcome.expect == Expect::kForbidden && count > 0) {
      find(result, "violation", "litmus outcomes",
           fmt::format("{}: {}, {}", test.name, outcome.name, outcome.meaning),
           std::is_same_v<Protocol, ReferenceProtocol> ? outcome.defect : "");
    }
  }
  fmt::print("\n");
  if (!raced && !harness::stop_requested()) {
    find(
        result, "vacuous", "reaches what it exists for",
        fmt::format("{}: the operations never met in {} iterations", test.name, race.iterations()));
  }
  return rows;
}

template <class Protocol>
void run_all(const Setting& setting, const LitmusConfig& config, Result& result) {
  harness::Progress progress("outcomes", std::chrono::seconds(0), setting.quiet);
  std::uint64_t iterations = 0;
  nlohmann::json table = nlohmann::json::array();
  for (const LitmusTest<Protocol>& test : litmus_tests<Protocol>()) {
    if (harness::stop_requested()) {
      result.could_not_run = "interrupted before every race was run";
      break;
    }
    progress.update(test.name);
    Race<Protocol> race(config, test);
    race.run();
    table.push_back({{"race", test.name}, {"outcomes", report(test, race, result)}});
    iterations += race.iterations();
  }
  result.counts["iterations"] = iterations;
  result.headline = fmt::format("{} races, {} times", table.size(),
                                harness::human(static_cast<double>(iterations)));
  result.details["outcomes"] = std::move(table);
}

}  // namespace

void run_litmus(const Setting& setting, const LitmusConfig& config, Result& result) {
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2) {
    result.could_not_run = "two threads can only meet on two processors, and there is one";
  } else if (setting.reference) {
    run_all<ReferenceProtocol>(setting, config, result);
    if (setting.expect_defects) expect_defects(result, {"D1", "D3"}, {"D6"});
  } else {
    run_all<HardenedProtocol>(setting, config, result);
  }
}

}  // namespace fsqlshm::stress

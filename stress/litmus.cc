#include "stress/litmus.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "fsqlshm/process.h"
#include "fsqlshm/words.h"
#include "harness/child.h"
#include "harness/guarded.h"
#include "harness/jobs.h"
#include "harness/run.h"
#include "harness/subject.h"
#include "stress/findings.h"
#include "stress/interruptions.h"
#include "stress/register_log.h"
#include "stress/subject_layout.h"

namespace fsqlshm::stress {
namespace {

using harness::Finding;
using harness::Result;
/// Whether a defect is one of the subject's.
using Known = std::function<bool(std::string_view defect)>;

constexpr std::array<std::string_view, 3> kExpectNames = {"acceptable", "interesting", "forbidden"};

// Two threads go through rows of fresh headers and wait for each other before each one, so that
// their operations meet. The wait yields after a while: the machine may have other things to do.
class Lockstep {
 public:
  void meet(std::size_t me, std::uint64_t step) {
    at_[me].value.store(step, std::memory_order_release);
    for (int spin = 0; at_[1 - me].value.load(std::memory_order_acquire) < step; ++spin) {
      if (spin > 2000) {
        // It waits, and does not hang.
        if (harness::LastWords* const words = harness::LastWords::mine()) words->doing();
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

// Headers in a row. On a busy machine a meeting takes milliseconds, and the time that a race has is looked at
// between rows: one that took longer than this is followed by one of half its length.
constexpr std::size_t kRow = 256;
constexpr double kLongRowSeconds = 0.02;

// Headers of ours. Two threads work on each.
template <class Protocol>
class OwnedRow {
 public:
  using Layout = OwnedSharedMemoryLayout<Protocol>;

  OwnedRow() : headers_(kRow) {}
  void enter(std::size_t /*thread*/) {}
  void leave(std::size_t /*thread*/) {}
  bool make_anew(std::size_t i) {
    headers_[i] = Layout();
    return true;
  }
  Layout& of(std::size_t /*thread*/, std::size_t i) { return headers_[i]; }

 private:
  std::vector<Layout> headers_;
};

// Headers of a subject, in a child.
class SubjectRow {
 public:
  using Layout = SubjectLayout;

  /// REQUIRES: all three outlive it.
  SubjectRow(const harness::Subject& subject, const std::vector<harness::SubjectMemory>& memory,
             harness::LastWords& other, std::uint64_t seed)
      : subject_(subject), memory_(memory), other_(other), seed_(seed) {}

  // The first thread is the one that is guarded.
  void enter(std::size_t thread) {
    if (thread == 1) watched_.emplace(other_);
    // So they meet in the middle of their operations, on a busy machine too.
    interruptions_[thread].emplace(subject_, kDisturbed, mix(seed_ + thread));
    const auto alive = [](void*, std::uint32_t, std::uint64_t) { return true; };
    const fsqlshm_liveness all = {.alive = alive, .context = nullptr, .certain = true};
    for (const harness::SubjectMemory& memory : memory_) {
      layouts_[thread].emplace_back(subject_, memory, this_process(), all);
    }
  }
  void leave(std::size_t thread) {
    interruptions_[thread].reset();
    if (thread == 1) watched_.reset();
  }
  bool make_anew(std::size_t i) { return layouts_[0][i].create(); }
  Layout& of(std::size_t thread, std::size_t i) { return layouts_[thread][i]; }

 private:
  static constexpr std::uint64_t kDisturbed = 8192;  // one call in so many

  const harness::Subject& subject_;
  const std::vector<harness::SubjectMemory>& memory_;
  harness::LastWords& other_;
  std::uint64_t seed_;
  std::array<std::optional<Interruptions>, 2> interruptions_;
  std::optional<harness::Watched> watched_;
  std::array<std::vector<SubjectLayout>, 2> layouts_;
};

// How often each outcome was seen.
struct Tally {
  std::uint64_t iterations = 0;
  std::map<std::string, std::uint64_t, std::less<>> seen{};
};

// One race: runs it, and counts what was seen.
template <class Row>
class Race {
 public:
  using Layout = typename Row::Layout;

  /// `known`: given time, the race always shows the defects that it can show, but for D6, which is too rare.
  Race(const LitmusConfig& config, const LitmusTest<Layout>& test, Row& row, const Known& known)
      : config_(config), test_(test), row_(row), results_(kRow) {
    const bool sure = std::ranges::any_of(test.outcomes, [&](const LitmusOutcome& outcome) {
      return outcome.defect != "D6" && known(outcome.defect);
    });
    wanted_ = sure ? Expect::kForbidden : Expect::kInteresting;
  }

  /// None if there is no header to race on.
  std::optional<Tally> run() {
    row_.enter(0);
    std::thread other([this] {
      row_.enter(1);
      std::uint64_t step = 0;
      while (true) {
        lockstep_.meet(1, ++step);
        if (over_.load(std::memory_order_acquire)) break;
        run_row(1, step, test_.second);
      }
      row_.leave(1);
    });
    const harness::Progress clock("", std::chrono::seconds(0), true);
    std::uint64_t step = 0;
    bool prepared = true;
    // This thread prepares and judges between rows; both meet twice a row for that.
    while (!enough(clock.elapsed()) && !harness::stop_requested()) {
      const double began = clock.elapsed();
      prepared = prepare_row();
      if (!prepared) break;
      lockstep_.meet(0, ++step);
      run_row(0, step, test_.first);
      judge_row();
      const bool quick = clock.elapsed() - began < kLongRowSeconds;
      length_ = quick ? std::min(kRow, 2 * length_) : std::max<std::size_t>(1, length_ / 2);
    }
    over_.store(true, std::memory_order_release);
    lockstep_.meet(0, ++step);
    other.join();
    row_.leave(0);
    return prepared ? std::optional(tally_) : std::nullopt;
  }

 private:
  bool prepare_row() {
    for (std::size_t i = 0; i < length_; ++i) {
      if (!row_.make_anew(i)) return false;
      test_.prepare(row_.of(0, i));
    }
    return true;
  }

  void judge_row() {
    for (std::size_t i = 0; i < length_; ++i) {
      ++tally_.seen[test_.arbiter(row_.of(0, i), results_[i][0], results_[i][1])];
    }
    tally_.iterations += length_;
  }

  void run_row(std::size_t me, std::uint64_t& step, std::uint64_t (*actor)(Layout&)) {
    for (std::size_t i = 0; i < length_; ++i) {
      lockstep_.meet(me, ++step);
      results_[i][me] = actor(row_.of(me, i));
    }
    lockstep_.meet(me, ++step);
  }

  // On a busy machine the two may seldom run at the same time: then it takes longer.
  [[nodiscard]] bool enough(double elapsed) const {
    if (tally_.iterations < config_.iterations && elapsed < config_.race_seconds) return false;
    const bool met = std::ranges::any_of(tally_.seen, [&](const auto& seen) {
      const auto known = std::ranges::find(test_.outcomes, seen.first, &LitmusOutcome::name);
      return known == test_.outcomes.end() || known->expect >= wanted_;
    });
    return met || elapsed > std::max(15.0, 10 * config_.race_seconds);
  }

  Lockstep lockstep_;
  const LitmusConfig& config_;
  const LitmusTest<Layout>& test_;
  Row& row_;
  std::vector<std::array<std::uint64_t, 2>> results_;
  std::size_t length_ = 1;  // of the row; changed before a meeting
  Tally tally_;
  Expect wanted_;
  std::atomic<bool> over_ = false;
};

// All races, one after the other: what was seen is printed, judged, and goes into the document.
class Races {
 public:
  Races(const Setting& setting, const LitmusConfig& config, Result& result)
      : setting_(setting), config_(config), result_(result) {}

  template <class Protocol>
  void run_protocol() {
    const bool published = std::is_same_v<Protocol, ReferenceProtocol>;
    run_all<OwnedSharedMemoryLayout<Protocol>>(Protocol::kName, published, [&](const auto& test) {
      OwnedRow<Protocol> row;
      return Race(config_, test, row, known()).run();
    });
  }

  void run_subject(const harness::Subject& subject) {
    for (std::size_t i = 0; i < kRow; ++i) memory_.emplace_back(subject);
    run_all<SubjectLayout>(subject.name(), known()("D1"),
                           [&](const auto& test) { return run_guarded(subject, test); });
  }

 private:
  // Whether the subject is known to have a defect.
  [[nodiscard]] Known known() const {
    return [this](std::string_view defect) {
      if (defect.empty() || !setting_.subject) return !defect.empty() && setting_.reference;
      const auto& all = setting_.subject->known_defects();
      return std::ranges::find(all, defect) != all.end();
    };
  }

  template <class Layout, class Run>
  void run_all(std::string_view name, bool unlocked, const Run& run) {
    harness::Progress progress("outcomes", std::chrono::seconds(0), setting_.quiet);
    std::uint64_t iterations = 0;
    nlohmann::json table = nlohmann::json::array();
    for (const LitmusTest<Layout>& test : litmus_tests<Layout>(unlocked)) {
      if (harness::stop_requested()) break;
      progress.update(test.name);
      const std::optional<Tally> tally = run(test);
      if (!tally) continue;
      fmt::print("{} ({} times, {})\n", test.name, tally->iterations, name);
      table.push_back(
          {{"race", test.name}, {"outcomes", report(test.name, test.outcomes, *tally)}});
      iterations += tally->iterations;
    }
    // The last race may have been cut short, too.
    if (harness::stop_requested()) result_.could_not_run = "interrupted before every race was run";
    result_.counts["iterations"] = iterations;
    result_.headline = fmt::format("{} races, {} times", table.size(),
                                   harness::human(static_cast<double>(iterations)));
    result_.details["outcomes"] = std::move(table);
  }

  // None if the subject did not return, or makes no header; that is a finding.
  std::optional<Tally> run_guarded(const harness::Subject& subject,
                                   const LitmusTest<SubjectLayout>& test) {
    const harness::Shared<harness::LastWords> other;
    const std::array<const harness::LastWords*, 1> more = {&*other};
    const auto answer = harness::guarded(
        [&](harness::Doing&) {
          harness::install_stop_handler();
          SubjectRow row(subject, memory_, *other, setting_.seed);
          const auto tally = Race(config_, test, row, known()).run();
          if (!tally) return nlohmann::json().dump();
          return nlohmann::json{{"iterations", tally->iterations}, {"seen", tally->seen}}.dump();
        },
        std::chrono::seconds(10), more);
    for (const harness::SubjectMemory& memory : memory_) {
      const auto outside = harness::wrote_outside(memory, "");
      if (!outside) continue;
      result_.findings.push_back(*outside);
      break;
    }
    if (!answer) {
      const auto touched = std::ranges::find_if(memory_, [&](const harness::SubjectMemory& one) {
        return one.describe(answer.error().address).has_value();
      });
      result_.findings.push_back(harness::call_did_not_return(
          answer.error(), touched == memory_.end() ? memory_.front() : *touched, ""));
      return std::nullopt;
    }
    const auto document = nlohmann::json::parse(*answer);
    if (document.is_null()) {
      find({.severity = "violation",
            .property = "a good header can be made, however often",
            .title =
                fmt::format("fsqlshm_header_create refuses a page size of {}", PageSize().get())});
      return std::nullopt;
    }
    return Tally{.iterations = document["iterations"], .seen = document["seen"]};
  }

  // Returns the rows of the document.
  nlohmann::json report(std::string_view race, std::vector<LitmusOutcome> outcomes,
                        const Tally& tally) {
    for (const auto& [name, count] : tally.seen) {
      if (std::ranges::find(outcomes, name, &LitmusOutcome::name) == outcomes.end()) {
        outcomes.push_back({name, Expect::kForbidden, "an outcome that is not in the list"});
      }
    }
    nlohmann::json rows = nlohmann::json::array();
    bool raced = false;
    for (const LitmusOutcome& outcome : outcomes) {
      const auto seen = tally.seen.find(outcome.name);
      const std::uint64_t count = seen == tally.seen.end() ? 0 : seen->second;
      const std::string_view verdict = kExpectNames[static_cast<std::size_t>(outcome.expect)];
      fmt::print("  {:>12}  {:<11}  {:<28} {}\n", count, verdict, outcome.name, outcome.meaning);
      rows.push_back({{"outcome", outcome.name},
                      {"verdict", verdict},
                      {"meaning", outcome.meaning},
                      {"count", count}});
      raced = raced || (outcome.expect != Expect::kAcceptable && count > 0);
      if (outcome.expect == Expect::kForbidden && count > 0) find_forbidden(race, outcome);
    }
    fmt::print("\n");
    if (!raced && !harness::stop_requested()) {
      find({.severity = "vacuous",
            .property = "reaches what it exists for",
            .title = fmt::format("{}: the operations never met in {} iterations", race,
                                 tally.iterations)});
    }
    return rows;
  }

  void find_forbidden(std::string_view race, const LitmusOutcome& outcome) {
    Finding finding = {.severity = "violation",
                       .property = "litmus outcomes",
                       .title = fmt::format("{}: {}, {}", race, outcome.name, outcome.meaning)};
    if (setting_.subject) {
      if (!outcome.property.empty()) finding.property = outcome.property;
      finding.defect = outcome.defect;
      classify(*setting_.subject, finding);
    } else if (setting_.reference) {
      finding.defect = outcome.defect;
    }
    find(std::move(finding));
  }

  void find(Finding finding) {
    finding.file = "stress/litmus.cc";
    result_.findings.push_back(std::move(finding));
  }

  const Setting& setting_;
  const LitmusConfig& config_;
  Result& result_;
  std::vector<harness::SubjectMemory> memory_;  // of the headers of a subject
};

}  // namespace

void run_litmus(const Setting& setting, const LitmusConfig& config, Result& result) {
  if (harness::processors() < 2) {
    result.could_not_run = "two threads can only meet on two processors, and there is one";
    return;
  }
  Races races(setting, config, result);
  if (setting.subject) {
    races.run_subject(*setting.subject);
    fold_findings(result);
    expect_defects(result, *setting.subject, {"D1", "D3"}, {"D6"});
  } else if (setting.reference) {
    races.run_protocol<ReferenceProtocol>();
    if (setting.expect_defects) expect_defects(result, {"D1", "D3"}, {"D6"});
  } else {
    races.run_protocol<HardenedProtocol>();
  }
}

}  // namespace fsqlshm::stress

#include "stress/outcomes.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string_view>
#include <thread>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/writer_words.h"
#include "harness/run.h"
#include "stress/crash_points.h"
#include "stress/register_log.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;

constexpr std::uint64_t kNow = 1'000'000;
constexpr std::uint64_t kLease = kNow + 30;
constexpr std::uint64_t kExpired = kNow - 1;
constexpr std::uint32_t kPid = 77;
constexpr std::uint64_t kBirth = kKnownBirth | 4711;

TxnId id_of(std::uint64_t raw) { return *TxnId::from_raw(raw); }
bool everyone_lives(std::uint32_t, std::uint64_t) { return true; }

enum class Verdict : std::uint8_t { kAllowed, kInteresting, kForbidden };
constexpr std::array<std::string_view, 3> kVerdictNames = {"allowed", "interesting", "forbidden"};

struct Possible {
  std::string_view outcome;
  Verdict verdict;
  std::string_view meaning;
};

// A defect of the published protocol that a race always shows, given time. (D6 is too rare.)
bool is_sure(const Possible& outcome) {
  return outcome.meaning.contains("(D1)") || outcome.meaning.contains("(D3)");
}

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

template <class Protocol>
class Outcomes {
 public:
  using Layout = OwnedSharedMemoryLayout<Protocol>;

  Outcomes(const OutcomesConfig& config, Result& result)
      : config_(config),
        result_(result),
        progress_("outcomes", std::chrono::seconds(0), config.quiet) {}

  void run() {
    cpu_set_t cpus;
    if (::sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2) {
      result_.could_not_run = "two threads can only meet on two processors, and there is one";
      return;
    }
    snapshot_races();
    writer_races();
    id_race();
    if (harness::stop_requested()) result_.could_not_run = "interrupted before every race was run";
    result_.counts["iterations"] = iterations_;
    result_.headline = fmt::format("{} races, {} times", table_.size(),
                                   harness::human(static_cast<double>(iterations_)));
    result_.details["outcomes"] = std::move(table_);
  }

 private:
  // `first` and `second` return a number that `describe` turns, with the header, into an outcome.
  template <class Prepare, class First, class Second, class Describe>
  void race(std::string_view name, Prepare&& prepare, First&& first, Second&& second,
            Describe&& describe, const std::vector<Possible>& possible) {
    if (harness::stop_requested()) return;
    progress_.update(name);
    constexpr std::size_t kRow = 256;
    std::map<std::string, std::uint64_t> seen;
    std::vector<Layout> row(kRow);
    std::vector<std::array<std::uint64_t, 2>> results(kRow);
    std::atomic<bool> over = false;
    Lockstep lockstep;
    std::uint64_t step = 0;
    // The calling thread prepares and judges between rows; both meet twice a row for that.
    const auto run_row = [&](std::size_t me, std::uint64_t& at, auto&& operation) {
      for (std::size_t i = 0; i < kRow; ++i) {
        lockstep.meet(me, ++at);
        results[i][me] = operation(row[i]);
      }
      lockstep.meet(me, ++at);
    };
    std::thread other([&] {
      std::uint64_t at = 0;
      while (true) {
        lockstep.meet(1, ++at);
        if (over.load(std::memory_order_acquire)) return;
        run_row(1, at, second);
      }
    });
    std::uint64_t done = 0;
    const harness::Progress clock("", std::chrono::seconds(0), true);
    // On a busy machine the two may seldom run at the same time: then it takes longer.
    const Verdict wanted = config_.reference && std::ranges::any_of(possible, is_sure)
                               ? Verdict::kForbidden
                               : Verdict::kInteresting;
    const auto met = [&] {
      return std::ranges::any_of(seen, [&](const auto& outcome) {
        const auto known = std::ranges::find(possible, outcome.first, &Possible::outcome);
        return known == possible.end() || known->verdict >= wanted;
      });
    };
    const auto enough = [&] {
      if (done < config_.iterations && clock.elapsed() < config_.race_seconds) return false;
      return met() || clock.elapsed() > std::max(15.0, 10 * config_.race_seconds);
    };
    while (!enough() && !harness::stop_requested()) {
      for (Layout& layout : row) {
        layout = Layout();
        prepare(layout);
      }
      lockstep.meet(0, ++step);
      run_row(0, step, first);
      for (std::size_t i = 0; i < kRow; ++i) {
        ++seen[describe(row[i], results[i][0], results[i][1])];
      }
      done += kRow;
    }
    over.store(true, std::memory_order_release);
    lockstep.meet(0, ++step);
    other.join();
    iterations_ += done;
    report(name, seen, possible, done);
  }

  void report(std::string_view name, std::map<std::string, std::uint64_t>& seen,
              const std::vector<Possible>& possible, std::uint64_t done) {
    fmt::print("{} ({} times, {})\n", name, done, Protocol::kName);
    nlohmann::json rows = nlohmann::json::array();
    bool raced = false;
    bool can_race = false;
    const auto row = [&](std::string_view outcome, Verdict verdict, std::string_view meaning,
                         std::uint64_t count) {
      const std::string_view verdict_name = kVerdictNames[static_cast<std::size_t>(verdict)];
      fmt::print("  {:>12}  {:<11}  {:<28} {}\n", count, verdict_name, outcome, meaning);
      rows.push_back({{"outcome", outcome},
                      {"verdict", verdict_name},
                      {"meaning", meaning},
                      {"count", count}});
      if (verdict == Verdict::kForbidden && count > 0) {
        find("violation", "outcomes", fmt::format("{}: {}, {}", name, outcome, meaning));
      }
      can_race = can_race || verdict != Verdict::kAllowed;
      raced = raced || (verdict != Verdict::kAllowed && count > 0);
    };
    for (const Possible& outcome : possible) {
      const auto it = seen.find(std::string(outcome.outcome));
      row(outcome.outcome, outcome.verdict, outcome.meaning, it == seen.end() ? 0 : it->second);
      if (it != seen.end()) seen.erase(it);
    }
    for (const auto& [outcome, count] : seen) {
      row(outcome, Verdict::kForbidden, "an outcome that nobody thought of", count);
    }
    fmt::print("\n");
    if (can_race && !raced && !harness::stop_requested()) {
      find("vacuous", "reaches what it exists for",
           fmt::format("{}: the operations never met in {} iterations", name, done));
    }
    table_.push_back({{"race", name}, {"outcomes", std::move(rows)}});
  }

  void find(std::string severity, std::string property, std::string title) {
    result_.findings.push_back({.severity = std::move(severity),
                                .property = std::move(property),
                                .title = std::move(title),
                                .detail = "",
                                .file = "stress/outcomes.cc"});
  }

  static void publish(Layout& layout, std::uint64_t n) {
    const ShmSnapshot triple = triple_of(n);
    layout.publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
  }
  static std::uint64_t acquire(Layout& layout, std::uint64_t id) {
    return layout.acquire_serialized_writer(id_of(id), kPid, kBirth, kLease) ? 1 : 0;
  }
  // What the four words say.
  static std::string_view words(const Layout& layout) {
    const auto load = [&](Field field) {
      return layout.words().load(field, std::memory_order_acquire);
    };
    const std::uint64_t state = load(Field::kSerializedWriterTxnId);
    const std::uint64_t pid = load(Field::kSerializedWriterPidAndGen);
    const std::uint64_t birth = load(Field::kSerializedWriterPidBirth);
    const std::uint64_t lease = load(Field::kSerializedWriterLeaseExpiry);
    if (state == 0) return (pid | birth | lease) == 0 ? "free" : "free, not clean";
    return pid_of(pid) == kPid && birth == kBirth && lease == kLease ? "owned"
                                                                     : "owned, words lost";
  }

  // --- Races -------------------------------------------------------------------------------------

  void snapshot_races() {
    race(
        "publish | read", [](Layout& l) { publish(l, 1); },
        [](Layout& l) {
          publish(l, 2);
          return std::uint64_t{0};
        },
        [](Layout& l) -> std::uint64_t {
          const auto snapshot = l.try_load_consistent_snapshot(1);
          if (!snapshot) return 0;
          return whole(*snapshot) ? snapshot->commit_seq.get() : 3;
        },
        [](const Layout&, std::uint64_t, std::uint64_t read) -> std::string {
          constexpr std::array<const char*, 4> kNames = {"refused", "old", "new", "torn"};
          return kNames[read];
        },
        {{"old", Verdict::kAllowed, "the read came first"},
         {"new", Verdict::kAllowed, "the publish came first"},
         {"refused", Verdict::kInteresting, "they met, and the reader noticed"},
         {"torn", Verdict::kForbidden, "parts of two publishes"}});
    race(
        "publish | commit_seq, then schema_epoch", [](Layout& l) { publish(l, 1); },
        [](Layout& l) {
          publish(l, 2);
          return std::uint64_t{0};
        },
        [](Layout& l) -> std::uint64_t {
          const bool commit = l.load_commit_seq() == CommitSeq(2);
          const bool schema = l.load_schema_epoch() == triple_of(2).schema_epoch;
          return (commit ? 2U : 0U) + (schema ? 1U : 0U);
        },
        [](const Layout&, std::uint64_t, std::uint64_t read) -> std::string {
          constexpr std::array<const char*, 4> kNames = {"old, old", "old, new", "new, old",
                                                         "new, new"};
          return kNames[read];
        },
        {{"old, old", Verdict::kAllowed, "the loads came first"},
         {"new, new", Verdict::kAllowed, "the publish came first"},
         {"old, new", Verdict::kInteresting, "a schema ahead of its commit"},
         {"new, old", Verdict::kForbidden, "a commit without the schema that it needs"}});
    if constexpr (std::is_same_v<Protocol, ReferenceProtocol>) {
      // `hardened` requires the publication lock here, so there is no such race.
      race(
          "publish | publish, without a lock", [](Layout& l) { publish(l, 1); },
          [](Layout& l) {
            publish(l, 2);
            return std::uint64_t{0};
          },
          [](Layout& l) {
            publish(l, 3);
            return std::uint64_t{0};
          },
          [](const Layout& l, std::uint64_t, std::uint64_t) -> std::string {
            const auto snapshot = l.try_load_consistent_snapshot(1);
            if (!snapshot) return "odd";
            if (!whole(*snapshot)) return "torn";
            return snapshot->commit_seq.get() == 2 ? "first" : "second";
          },
          {{"first", Verdict::kAllowed, ""},
           {"second", Verdict::kAllowed, ""},
           {"torn", Verdict::kForbidden, "a torn triple under an even number (D1)"},
           {"odd", Verdict::kForbidden, "the number stays odd, readers spin for ever (D1)"}});
    }
  }

  void writer_races() {
    const auto two = [](std::uint64_t a, std::uint64_t b) {
      return fmt::format("{}, {}", a != 0 ? "yes" : "no", b != 0 ? "yes" : "no");
    };
    race(
        "acquire | acquire", [](Layout&) {}, [](Layout& l) { return acquire(l, 1); },
        [](Layout& l) { return acquire(l, 2); },
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}; {}", two(a, b), words(l));
        },
        {{"yes, no; owned", Verdict::kInteresting, "the first won"},
         {"no, yes; owned", Verdict::kInteresting, "the second won"},
         {"yes, yes; owned", Verdict::kForbidden, "two owners (P1)"},
         {"no, no; free", Verdict::kForbidden, "nobody won"}});
    // Two writers of one process, with leases that end in the same second.
    race(
        "release | acquire", [](Layout& l) { acquire(l, 1); },
        [](Layout& l) { return l.release_serialized_writer(id_of(1)) ? std::uint64_t{1} : 0; },
        [](Layout& l) { return acquire(l, 2); },
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}; {}", two(a, b), words(l));
        },
        {{"yes, no; free", Verdict::kAllowed, "the acquire came too early"},
         {"yes, yes; owned", Verdict::kInteresting, "the acquire came after the release"},
         {"yes, yes; owned, words lost", Verdict::kForbidden,
          "the release cleared its successor's words (D3)"},
         {"yes, no; free, not clean", Verdict::kForbidden, "free means zero (P3)"}});
    race(
        "release | release of the same id", [](Layout& l) { acquire(l, 1); },
        [](Layout& l) { return l.release_serialized_writer(id_of(1)) ? std::uint64_t{1} : 0; },
        [](Layout& l) { return l.release_serialized_writer(id_of(1)) ? std::uint64_t{1} : 0; },
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}; {}", two(a, b), words(l));
        },
        {{"yes, no; free", Verdict::kInteresting, "the first released"},
         {"no, yes; free", Verdict::kInteresting, "the second released"},
         {"yes, yes; free", Verdict::kForbidden, "released twice"}});
    const auto check = [](Layout& l) {
      return l.check_serialized_writer_exclusion(kNow, everyone_lives) == Exclusion::kOk
                 ? std::uint64_t{1}
                 : 0;
    };
    race(
        "acquire | check", [](Layout&) {}, [](Layout& l) { return acquire(l, 1); }, check,
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}, {}; {}", a != 0 ? "yes" : "no", b != 0 ? "ok" : "busy", words(l));
        },
        {{"yes, ok; owned", Verdict::kAllowed, "the check came first"},
         {"yes, busy; owned", Verdict::kInteresting, "the check met a claimer or an owner"},
         {"yes, ok; free", Verdict::kForbidden, "a live owner was evicted (P1)"}});
    race(
        "check of a lease that ended | release",
        [](Layout& l) {
          static_cast<void>(l.acquire_serialized_writer(id_of(1), kPid, kBirth, kExpired));
        },
        check,
        [](Layout& l) { return l.release_serialized_writer(id_of(1)) ? std::uint64_t{1} : 0; },
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}, {}; {}", a != 0 ? "ok" : "busy", b != 0 ? "yes" : "no", words(l));
        },
        {{"ok, yes; free", Verdict::kAllowed, "the release came first"},
         {"ok, no; free", Verdict::kInteresting, "the check evicted the owner"},
         {"busy, yes; free", Verdict::kForbidden, "nobody owned with a lease (D6)"},
         {"busy, no; free", Verdict::kForbidden, "nobody owned with a lease (D6)"}});
    // The first lets go of an expired tenure and acquires anew; the second checks.
    race(
        "release and acquire | check",
        [](Layout& l) {
          static_cast<void>(l.acquire_serialized_writer(id_of(1), kPid, kBirth, kExpired));
        },
        [](Layout& l) {
          static_cast<void>(l.release_serialized_writer(id_of(1)));
          return acquire(l, 2);
        },
        check,
        [&](const Layout& l, std::uint64_t a, std::uint64_t b) {
          return fmt::format("{}, {}; {}", a != 0 ? "yes" : "no", b != 0 ? "ok" : "busy", words(l));
        },
        {{"yes, ok; owned", Verdict::kAllowed, "the check came before the new owner"},
         {"yes, busy; owned", Verdict::kInteresting, "the check met the new owner"},
         {"no, ok; free", Verdict::kInteresting, "the check was still clearing the old one"},
         {"yes, ok; free", Verdict::kForbidden, "a live owner was evicted (P1)"},
         {"yes, ok; owned, words lost", Verdict::kForbidden,
          "the check cleared a live owner's words (D3)"},
         {"yes, busy; owned, words lost", Verdict::kForbidden,
          "a live owner lost its words (D3)"}});
  }

  void id_race() {
    race(
        "alloc | alloc", [](Layout&) {}, [](Layout& l) { return l.alloc_txn_id()->get(); },
        [](Layout& l) { return l.alloc_txn_id()->get(); },
        [](const Layout&, std::uint64_t a, std::uint64_t b) { return fmt::format("{}, {}", a, b); },
        {{"1, 2", Verdict::kInteresting, "the first was first"},
         {"2, 1", Verdict::kInteresting, "the second was first"},
         {"1, 1", Verdict::kForbidden, "an id handed out twice"}});
  }

  const OutcomesConfig& config_;
  Result& result_;
  harness::Progress progress_;
  std::uint64_t iterations_ = 0;
  nlohmann::json table_ = nlohmann::json::array();
};

}  // namespace

void run_outcomes(const OutcomesConfig& config, Result& result) {
  if (config.reference) {
    Outcomes<ReferenceProtocol>(config, result).run();
    if (config.expect_defects) expect_defects(result, {"D1", "D3"}, {"D6"});
  } else {
    Outcomes<HardenedProtocol>(config, result).run();
  }
}

}  // namespace fsqlshm::stress

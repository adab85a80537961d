#include <fmt/format.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "fsqlshm/writer_words.h"
#include "harness/child.h"
#include "harness/describe.h"
#include "harness/properties/execution.h"
#include "harness/run.h"
#include "stress/crash_points.h"
#include "stress/moments.h"
#include "stress/operations.h"

namespace fsqlshm::stress {
namespace {

namespace fs = std::filesystem;
using harness::word_at;

// What one of the processes thinks it is, told to the parent through shared memory.
struct Owner {
  std::atomic<std::uint64_t> id = 0;  // 0: it does not own
  std::atomic<std::uint64_t> pid = 0;
  std::atomic<std::uint64_t> birth = 0;
  std::atomic<std::uint64_t> lease = 0;
  std::atomic<bool> told_busy = false;  // by its check
};

template <class Protocol>
class StopPoints {
 public:
  using File = BasicShmFile<Protocol>;
  using Struck = BasicShmFile<Protocol, MomentWords>;
  using Act = std::function<void(Struck&, Owner&)>;

  // What a child does: something before its steps are counted, and something that stops.
  struct Actor {
    Act before;
    Act run;
  };
  struct Encounter {
    std::string_view name;
    std::vector<Actor> actors;  // one or two; the parent comes after them, and never stops
    // The parent is an owner whose lease ended, and releases while the others stand still; no
    // process ever owns with a lease, so no check may answer busy. Else it checks and acquires.
    bool parent_releases = false;
  };

  StopPoints(const fs::path& folder, harness::Result& result)
      : path_(folder / "stop.db.fsqlite-shm"), result_(result) {}

  std::uint64_t run() {
    fmt::print("Standstill before each atomic step ({}).\n", Protocol::kName);
    nlohmann::json table = nlohmann::json::array();
    std::uint64_t points = 0;
    for (const Encounter& encounter : encounters()) {
      std::map<std::string, std::uint64_t> outcomes;
      const std::uint64_t here = attack(encounter, outcomes);
      points += here;
      std::string line;
      for (const auto& [outcome, count] : outcomes) {
        line += fmt::format("{}{} x {}", line.empty() ? "" : ", ", count, outcome);
      }
      fmt::print("  {:<58} {:>2} points: {}\n", encounter.name, here, line);
      table.push_back({{"operation", encounter.name}, {"points", here}, {"outcomes", outcomes}});
    }
    fmt::print("{} stop points.\n\n", points);
    result_.details["stop_points"] = std::move(table);
    return points;
  }

 private:
  static void acquire_as(auto& file, Owner& me, std::uint64_t id, std::uint64_t lease) {
    const ProcessIdentity self = file.identity();
    me.pid = self.pid;
    me.birth = self.birth;
    me.lease = lease;
    const bool mine = acquire(file, id, lease);
    me.id = mine ? id : 0;
  }

  static std::vector<Encounter> encounters() {
    const Act nothing = [](Struck&, Owner&) {};
    const auto acquires = [](std::uint64_t id, std::uint64_t lease) -> Act {
      return [=](Struck& file, Owner& me) { acquire_as(file, me, id, lease); };
    };
    const Act releases = [](Struck& file, Owner& me) {
      const TxnId id = id_of(me.id);
      me.id = 0;  // from the call on it claims nothing
      static_cast<void>(file.layout().release_serialized_writer(id));
    };
    const Act checks = [](Struck& file, Owner& me) {
      me.told_busy = check(file) == Exclusion::kBusy;
    };
    const Act checks_and_acquires = [](Struck& file, Owner& me) {
      static_cast<void>(check(file));
      acquire_as(file, me, 2, kLease);
    };
    const Actor claimer = {nothing, acquires(2, kLease)};
    const Actor stale_releaser = {acquires(1, kExpired), releases};
    const Actor stale_owner = {acquires(1, kExpired), nothing};
    const Actor checker = {nothing, checks};
    return {
        {"a claimer stops", {claimer}},
        {"a claimer without a lease stops", {{nothing, acquires(2, 0)}}},
        {"a releaser stops", {{acquires(1, kLease), releases}}},
        {"a releaser without a lease stops", {{acquires(1, 0), releases}}},
        {"a releaser whose lease ended stops", {stale_releaser}},
        {"a check that clears an ended lease stops", {stale_owner, checker}},
        {"a check that clears, then an acquire, stops",
         {stale_owner, {nothing, checks_and_acquires}}},
        {"a releaser whose lease ended, then a claimer", {stale_releaser, claimer}},
        {"a releaser, then a claimer", {{acquires(1, kLease), releases}, claimer}},
        {"a releaser whose lease ended, then a check and an acquire",
         {stale_releaser, {nothing, checks_and_acquires}}},
        {"a check stops while an owner whose lease ended releases", {checker}, true},
        {"two checks stop while an owner whose lease ended releases", {checker, checker}, true},
    };
  }

  // Every step of the first with every step of the second; returns their number. An actor that came
  // to its end unstopped has no further steps.
  std::uint64_t attack(const Encounter& encounter, std::map<std::string, std::uint64_t>& outcomes) {
    std::uint64_t points = 0;
    for (at_[0] = 1;; ++at_[0]) {
      for (at_[1] = 1;; ++at_[1]) {
        if (harness::stop_requested()) return points;
        attempt(encounter, outcomes);
        ++points;
        if (encounter.actors.size() == 1 || !stopped_[1]) break;
      }
      if (!stopped_[0]) return points;
    }
  }

  // Runs one combination.
  void attempt(const Encounter& encounter, std::map<std::string, std::uint64_t>& outcomes) {
    fs::remove(path_);
    auto file = opened(File::create(path_));
    for (Owner& owner : *owners_) {
      owner.id = 0;
      owner.birth = 0;
      owner.told_busy = false;
    }
    Owner& parent = owners_->back();
    if (encounter.parent_releases) acquire_as(file, parent, 3, kExpired);
    std::vector<std::unique_ptr<StruckProcess>> processes;
    for (std::size_t i = 0; i < encounter.actors.size(); ++i) {
      const Actor& actor = encounter.actors[i];
      const Work work = [&actor, &me = (*owners_)[i]](const fs::path& path) {
        auto own = std::make_shared<Struck>(open_file<Struck>(path));
        actor.before(*own, me);
        Moments::begin();
        actor.run(*own, me);
        return own;
      };
      processes.push_back(
          std::make_unique<StruckProcess>(work, path_, at_[i], sends_itself(SIGSTOP), true));
      expect_stopped(*processes.back());
      stopped_[i] = !processes.back()->log().ended;
    }
    // The parent comes along.
    if (encounter.parent_releases) {
      parent.id = 0;
      const bool released = file.layout().release_serialized_writer(id_of(3));
      ++outcomes[released ? "released" : "was evicted"];
    } else {
      const Exclusion answer = check(file);
      acquire_as(file, parent, 3, kLease);
      ++outcomes[fmt::format("{}, {}", answer == Exclusion::kOk ? "ok" : "busy",
                             parent.id != 0 ? "acquired" : "refused")];
    }
    judge(encounter, file, "while they stand still");
    // They go on, the last first.
    for (std::size_t i = processes.size(); i-- > 0;) {
      if (!stopped_[i]) continue;
      processes[i]->resume();
      expect_stopped(*processes[i]);
      judge(encounter, file, fmt::format("after process {} went on", i + 1));
    }
    for (const Owner& owner : *owners_) {
      if (encounter.parent_releases && owner.told_busy) {
        find("check is linearizable", "busy without an owner", "D6", encounter, file, "");
      }
    }
  }

  static void expect_stopped(StruckProcess& process) {
    const harness::ChildState state = process.wait();
    if (!state.stopped()) throw std::runtime_error("a child that should stop " + state.text());
  }

  // P1: at most one that may think it owns. P2: its words are its own.
  void judge(const Encounter& encounter, const File& file, const std::string& when) {
    const Owner* owner = nullptr;
    for (const Owner& each : *owners_) {
      if (each.id == 0 || (each.lease != 0 && each.lease <= kNow)) continue;
      if (owner != nullptr) {
        find(harness::kP1, "two live owners", "D5", encounter, file, when);
        return;
      }
      owner = &each;
    }
    if (owner == nullptr) return;
    const HeaderBytes bytes = file.header_bytes();
    if (word_at(bytes, Field::kSerializedWriterTxnId) != owner->id) {
      find(harness::kP1, "a live owner was evicted", "D5", encounter, file, when);
    } else if (pid_of(word_at(bytes, Field::kSerializedWriterPidAndGen)) != owner->pid ||
               word_at(bytes, Field::kSerializedWriterPidBirth) != owner->birth ||
               word_at(bytes, Field::kSerializedWriterLeaseExpiry) != owner->lease) {
      find(harness::kP2, "an owner lost its words", "D3", encounter, file, when);
    }
  }

  void find(std::string_view property, std::string_view what, std::string_view defect,
            const Encounter& encounter, const File& file, const std::string& when) {
    std::string point = fmt::format("stopped before step {}", at_[0]);
    if (encounter.actors.size() > 1) point += fmt::format(" and step {}", at_[1]);
    result_.findings.push_back(
        {.severity = "violation",
         .property = std::string(property),
         .defect = std::string(std::is_same_v<Protocol, ReferenceProtocol> ? defect : ""),
         .title = fmt::format("{}: {}", what, encounter.name),
         .detail =
             fmt::format("{} {}\n{}", point, when, harness::header_table(file.header_bytes())),
         .file = "stress/stop_points.cc"});
  }

  fs::path path_;
  harness::Result& result_;
  harness::Shared<std::array<Owner, 3>> owners_;  // the last is the parent
  std::array<std::uint64_t, 2> at_{};             // the steps before which the actors stop
  std::array<bool, 2> stopped_{};                 // at a step, in the last attempt
};

}  // namespace

template <class Protocol>
std::uint64_t run_stop_points(const fs::path& folder, harness::Result& result) {
  return StopPoints<Protocol>(folder, result).run();
}
template std::uint64_t run_stop_points<HardenedProtocol>(const fs::path&, harness::Result&);
template std::uint64_t run_stop_points<ReferenceProtocol>(const fs::path&, harness::Result&);

}  // namespace fsqlshm::stress

#include "stress/stop_points.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "fsqlshm/writer_words.h"
#include "harness/describe.h"
#include "harness/run.h"
#include "stress/child.h"
#include "stress/control_block.h"
#include "stress/seams.h"

namespace fsqlshm::stress {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNow = 1'000'000;
constexpr std::uint64_t kLease = kNow + 30;
constexpr std::uint64_t kExpired = kNow - 1;

// What one of the processes at it thinks it is, told to the parent through shared memory.
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
  using CrashingFile = BasicShmFile<Protocol, CrashingWords>;

  // What a child does: something before its steps are counted, and something that stops.
  struct Actor {
    std::function<void(CrashingFile&, Owner&)> before;
    std::function<void(CrashingFile&, Owner&)> run;
  };
  struct Scenario {
    std::string_view name;
    std::vector<Actor> actors;  // one or two; the parent comes after them, and never stops
    // The parent is an owner whose lease ended, and lets go while the others stand still; nobody
    // ever owns with a lease, so no check may answer busy. Else it checks and acquires.
    bool parent_releases = false;
  };

  StopPoints(const CrashPointsConfig& config, fs::path folder, harness::Result& result)
      : config_(config), path_(std::move(folder) / "stop.db.fsqlite-shm"), result_(result) {}

  void run() {
    fmt::print("Standstill before each atomic step ({}).\n", Protocol::kName);
    nlohmann::json table = nlohmann::json::array();
    std::uint64_t points = 0;
    for (const Scenario& scenario : scenarios()) {
      std::map<std::string, std::uint64_t> outcomes;
      const std::uint64_t here = attack(scenario, outcomes);
      points += here;
      std::string line;
      for (const auto& [outcome, count] : outcomes) {
        line += fmt::format("{}{} x {}", line.empty() ? "" : ", ", count, outcome);
      }
      fmt::print("  {:<52} {:>2} points: {}\n", scenario.name, here, line);
      table.push_back({{"scenario", scenario.name}, {"points", here}, {"outcomes", outcomes}});
    }
    fmt::print("{} stop points.\n\n", points);
    result_.details["stop_points"] = std::move(table);
    result_.counts["stop_points"] = points;
  }

 private:
  static TxnId id_of(std::uint64_t raw) { return *TxnId::from_raw(raw); }

  template <class AnyFile>
  static void acquire(AnyFile& file, Owner& me, std::uint64_t id, std::uint64_t lease) {
    const ProcessIdentity self = this_process();
    me.pid = self.pid;
    me.birth = self.birth;
    me.lease = lease;
    const bool mine =
        file.layout().acquire_serialized_writer(id_of(id), self.pid, self.birth, lease);
    me.id = mine ? id : 0;
  }
  template <class AnyFile>
  static void release(AnyFile& file, Owner& me) {
    const TxnId id = id_of(me.id);
    me.id = 0;  // from the call on it claims nothing
    static_cast<void>(file.layout().release_serialized_writer(id));
  }
  template <class AnyFile>
  static Exclusion check(AnyFile& file) {
    return file.layout().check_serialized_writer_exclusion(kNow, process_alive);
  }

  std::vector<Scenario> scenarios() {
    const auto nothing = [](CrashingFile&, Owner&) {};
    const auto acquiring = [](std::uint64_t id, std::uint64_t lease) {
      return [=](CrashingFile& file, Owner& me) { acquire(file, me, id, lease); };
    };
    const auto releasing = [](CrashingFile& file, Owner& me) { release(file, me); };
    const auto checking = [](CrashingFile& file, Owner& me) {
      me.told_busy = check(file) == Exclusion::kBusy;
    };
    const auto clearing_then_acquiring = [](CrashingFile& file, Owner& me) {
      static_cast<void>(check(file));
      acquire(file, me, 2, kLease);
    };
    const Actor stale_releaser = {acquiring(1, kExpired), releasing};
    return {
        {"a claimer stops", {{nothing, acquiring(2, kLease)}}},
        {"a claimer without a lease stops", {{nothing, acquiring(2, 0)}}},
        {"a releaser stops", {{acquiring(1, kLease), releasing}}},
        {"a releaser without a lease stops", {{acquiring(1, 0), releasing}}},
        {"a releaser whose lease ended stops", {stale_releaser}},
        {"who clears a lease that ended stops",
         {{acquiring(1, kExpired), nothing}, {nothing, checking}}},
        {"who clears and then acquires stops",
         {{acquiring(1, kExpired), nothing}, {nothing, clearing_then_acquiring}}},
        {"a releaser whose lease ended, then a claimer",
         {stale_releaser, {nothing, acquiring(2, kLease)}}},
        {"a releaser, then a claimer",
         {{acquiring(1, kLease), releasing}, {nothing, acquiring(2, kLease)}}},
        {"a releaser whose lease ended, then who clears and acquires",
         {stale_releaser, {nothing, clearing_then_acquiring}}},
        {"a check stops while an owner whose lease ended lets go", {{nothing, checking}}, true},
        {"two checks stop while an owner whose lease ended lets go",
         {{nothing, checking}, {nothing, checking}},
         true},
    };
  }

  // Every step of the first with every step of the second; returns their number. An actor that came
  // to its end unstopped has no further steps.
  std::uint64_t attack(const Scenario& scenario, std::map<std::string, std::uint64_t>& outcomes) {
    std::uint64_t points = 0;
    std::array<std::uint64_t, 2> at = {1, 1};
    for (;; ++at[0]) {
      for (at[1] = 1;; ++at[1]) {
        if (harness::stop_requested()) return points;
        attempt(scenario, at, outcomes);
        ++points;
        if (scenario.actors.size() == 1 || !stopped_[1]) break;
      }
      if (!stopped_[0]) return points;
    }
  }

  // Runs one combination.
  void attempt(const Scenario& scenario, const std::array<std::uint64_t, 2>& at,
               std::map<std::string, std::uint64_t>& outcomes) {
    fs::remove(path_);
    auto file = File::create(path_);
    if (!file) throw std::runtime_error(file.error().message());
    for (Owner& owner : *owners_) {
      owner.id = 0;
      owner.told_busy = false;
    }
    Owner& parent = (*owners_)[kParent];
    if (scenario.parent_releases) acquire(*file, parent, 3, kExpired);
    std::vector<std::unique_ptr<Child>> children;
    for (std::size_t i = 0; i < scenario.actors.size(); ++i) {
      Owner& me = (*owners_)[i];
      (*ended_)[i] = 0;
      children.push_back(std::make_unique<Child>([&, i] {
        auto own = CrashingFile::open(path_);
        if (!own) return 1;
        scenario.actors[i].before(*own, me);
        Steps::arm(at[i], SIGSTOP);
        scenario.actors[i].run(*own, me);
        (*ended_)[i] = 1;
        ::kill(::getpid(), SIGSTOP);  // alive until all is judged
        return 0;
      }));
      if (children.back()->wait() != Child::End::kStopped) {
        throw std::runtime_error("a child did not stop");
      }
      stopped_[i] = (*ended_)[i] == 0;
    }
    // The parent comes along.
    std::string outcome;
    if (scenario.parent_releases) {
      parent.id = 0;
      outcome = file->layout().release_serialized_writer(id_of(3)) ? "released" : "was evicted";
    } else {
      const Exclusion answer = check(*file);
      acquire(*file, parent, 3, kLease);
      outcome = fmt::format("{}, {}", answer == Exclusion::kOk ? "ok" : "busy",
                            parent.id != 0 ? "acquired" : "refused");
    }
    judge(scenario, at, *file, "while they stand still");
    // They go on, the last first.
    for (std::size_t i = children.size(); i-- > 0;) {
      if (!stopped_[i]) continue;
      children[i]->resume();
      if (children[i]->wait() != Child::End::kStopped) {
        throw std::runtime_error("a child did not come to its end");
      }
      judge(scenario, at, *file, fmt::format("after process {} went on", i + 1));
    }
    for (const Owner& owner : *owners_) {
      if (scenario.parent_releases && owner.told_busy) {
        find("check is linearizable", scenario,
             fmt::format("busy although nobody owned{}: {}, stopped before step {}", defect("D6"),
                         scenario.name, at[0]),
             file->header_bytes());
      }
    }
    ++outcomes[outcome];
  }

  // P1: at most one that may think it owns. P2: its words are its own.
  void judge(const Scenario& scenario, const std::array<std::uint64_t, 2>& at, File& file,
             const std::string& when) {
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < owners_->size(); ++i) {
      const Owner& owner = (*owners_)[i];
      if (owner.id != 0 && (owner.lease == 0 || owner.lease > kNow)) owners.push_back(i);
    }
    const HeaderBytes bytes = file.header_bytes();
    const auto point = [&] {
      std::string text = fmt::format("{}, stopped before step {}", scenario.name, at[0]);
      if (scenario.actors.size() > 1) text += fmt::format(" and step {}", at[1]);
      return text + ", " + when;
    };
    if (owners.size() > 1) {
      find("P1 exclusion", scenario, fmt::format("two live owners{}: {}", defect("D5"), point()),
           bytes);
      return;
    }
    if (owners.empty()) return;
    const Owner& owner = (*owners_)[owners.front()];
    const auto word = [&](Field field) {
      std::uint64_t value = 0;
      std::memcpy(&value, bytes.data() + offset_of(field), sizeof(value));
      return value;
    };
    if (word(Field::kSerializedWriterTxnId) != owner.id) {
      find("P1 exclusion", scenario,
           fmt::format("a live owner was evicted{}: {}", defect("D5"), point()), bytes);
    } else if (pid_of(word(Field::kSerializedWriterPidAndGen)) != owner.pid ||
               word(Field::kSerializedWriterPidBirth) != owner.birth ||
               word(Field::kSerializedWriterLeaseExpiry) != owner.lease) {
      find("P2 integrity", scenario,
           fmt::format("an owner lost its words{}: {}", defect("D3"), point()), bytes);
    }
  }

  static std::string defect(std::string_view name) {
    return std::is_same_v<Protocol, ReferenceProtocol> ? fmt::format(" ({})", name) : std::string();
  }

  void find(std::string property, const Scenario& scenario, std::string title,
            const HeaderBytes& bytes) {
    findings_.add(property + std::string(scenario.name), {.severity = "violation",
                                                          .property = property,
                                                          .title = std::move(title),
                                                          .detail = harness::header_table(bytes),
                                                          .file = "stress/stop_points.cc"});
  }

  static constexpr std::size_t kParent = 2;

  const CrashPointsConfig& config_;
  fs::path path_;
  harness::Result& result_;
  FindingsByKind findings_{result_};
  Shared<std::array<Owner, 3>> owners_;
  Shared<std::array<std::atomic<int>, 2>> ended_;
  std::array<bool, 2> stopped_{};  // at a step, in the last attempt
};

}  // namespace

template <class Protocol>
void run_stop_points(const CrashPointsConfig& config, const fs::path& folder,
                     harness::Result& result) {
  StopPoints<Protocol>(config, folder, result).run();
}
template void run_stop_points<HardenedProtocol>(const CrashPointsConfig&, const fs::path&,
                                                harness::Result&);
template void run_stop_points<ReferenceProtocol>(const CrashPointsConfig&, const fs::path&,
                                                 harness::Result&);

}  // namespace fsqlshm::stress

#include "stress/crash_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "harness/run.h"
#include "stress/child.h"
#include "stress/control_block.h"
#include "stress/creation_points.h"
#include "harness/describe.h"
#include "stress/run_dir.h"
#include "stress/seams.h"
#include "stress/stop_points.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;
namespace fs = std::filesystem;

// Seconds since the epoch; these leases are judged by a clock that stands still.
constexpr std::uint64_t kNow = 1'000'000;
constexpr std::uint64_t kLease = kNow + 30;
constexpr std::uint64_t kExpired = kNow - 1;

TxnId id_of(std::uint64_t raw) { return *TxnId::from_raw(raw); }

// Which part of the header an operation is about, and so what its parent looks at.
enum class Subject : std::uint8_t { kSnapshot, kWriter, kTxnId, kGcHorizon };

template <class Protocol>
class CrashPoints {
 public:
  using File = BasicShmFile<Protocol>;
  using CrashingFile = BasicShmFile<Protocol, CrashingWords>;
  using CrashingLayout = typename CrashingFile::Layout;

  struct Operation {
    std::string_view name;
    Subject subject;
    /// What the header is like before; runs in the parent.
    std::function<void(File&)> prepare;
    /// Runs in the child, and dies in it.
    std::function<void(CrashingFile&)> run;
    /// What may be seen after a death, in the order in which it comes as the steps go by.
    std::vector<std::string_view> outcomes;
  };

  CrashPoints(const CrashPointsConfig& config, Result& result, fs::path folder)
      : config_(config), result_(result), path_(std::move(folder) / "crash.db.fsqlite-shm") {}

  void run() {
    harness::Progress progress("crash points", std::chrono::seconds(0), config_.quiet);
    fmt::print("Death before each atomic step ({}).\n", Protocol::kName);
    nlohmann::json table = nlohmann::json::array();
    for (const Operation& operation : operations()) {
      if (harness::stop_requested() || result_.could_not_run) return;
      progress.update(operation.name);
      table.push_back(attack(operation));
    }
    fmt::print("{} crash points for {} atomic steps.\n\n", points_, steps_);
    result_.details["crash_points"] = std::move(table);
    result_.counts["crash_points"] = points_;
    result_.counts["atomic_steps"] = steps_;
    if (points_ != steps_) {
      find("coverage", "points", "the crash points are not as many as the atomic steps",
           fmt::format("{} points, {} steps", points_, steps_));
    }
  }

 private:
  static constexpr std::uint64_t kOld = 5;  // publish numbers
  static constexpr std::uint64_t kNew = 6;

  static void publish(auto& file, std::uint64_t n) {
    const ShmSnapshot triple = triple_of(n);
    auto guard = file.lock_publication();
    static_cast<void>(
        guard->publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch));
  }
  static void reconcile(auto& file, std::uint64_t n) {
    const ShmSnapshot triple = triple_of(n);
    auto guard = file.lock_publication();
    guard->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
  }

  // Runs `body` on the file in a child that dies before step `at`; 0: it lives to the end and its
  // steps are counted.
  std::optional<std::uint64_t> in_child(const std::function<void(CrashingFile&)>& body,
                                        std::uint64_t at) {
    counted_->store(0);
    Child child([&] {
      auto file = CrashingFile::open(path_);
      if (!file) return 1;
      Steps::arm(at, SIGKILL);
      body(*file);
      counted_->store(Steps::count);
      return 0;
    });
    const Child::End end = child.started() ? child.wait() : Child::End::kOther;
    if (at != 0 && end == Child::End::kKilled) return at;
    if (at == 0 && end == Child::End::kExited && child.status() == 0) return counted_->load();
    return std::nullopt;
  }

  // A child that leaves something behind and is gone.
  void left_behind(const std::function<void(CrashingFile&)>& body, std::uint64_t at) {
    if (!in_child(body, at)) result_.could_not_run = "a child did not do what it was forked for";
  }

  std::vector<Operation> operations() {
    const auto nothing = [](File&) {};
    const auto old = [](File& file) { publish(file, kOld); };
    const auto acquire = [](std::uint64_t lease) {
      return [lease](CrashingFile& file) {
        const ProcessIdentity self = this_process();
        static_cast<void>(
            file.layout().acquire_serialized_writer(id_of(7), self.pid, self.birth, lease));
      };
    };
    const auto check = [](std::uint64_t now) {
      return [now](CrashingFile& file) {
        static_cast<void>(file.layout().check_serialized_writer_exclusion(now, process_alive));
      };
    };
    // The child is its own predecessor here: it acquires before its steps are counted.
    const auto acquired_then = [acquire](std::uint64_t lease, auto then) {
      return [=](CrashingFile& file) {
        const std::uint64_t at = std::exchange(Steps::at, 0);
        acquire(lease)(file);
        Steps::arm(at, SIGKILL);
        then(file);
      };
    };
    const auto release = [](CrashingFile& file) {
      static_cast<void>(file.layout().release_serialized_writer(id_of(7)));
    };
    // Somebody who is dead by now, having come as far as before this step.
    const auto dead_in = [this](auto body, std::uint64_t at) {
      return [this, body, at](File&) { left_behind(body, at); };
    };

    std::vector<Operation> all = {
        {"publish_snapshot",
         Subject::kSnapshot,
         old,
         [](auto& f) { publish(f, kNew); },
         {"old", "none", "new"}},
        {"publish_snapshot, first",
         Subject::kSnapshot,
         nothing,
         [](auto& f) { publish(f, kNew); },
         {"empty", "none", "new"}},
        {"reconcile",
         Subject::kSnapshot,
         old,
         [](auto& f) { reconcile(f, kNew); },
         {"old", "none", "new"}},
        {"reconcile after a death",
         Subject::kSnapshot,
         [this, old](File& file) {
           old(file);
           left_behind([](auto& f) { publish(f, kNew); }, 4);
         },
         [](auto& f) { reconcile(f, kNew); },
         {"none", "new"}},
        {"publish, reconcile, publish",
         Subject::kSnapshot,
         old,
         [](auto& f) {
           publish(f, kNew);
           reconcile(f, kOld);
           publish(f, kNew);
         },
         {"old", "none", "new", "none", "old", "none", "new"}},
        {"acquire with a lease",
         Subject::kWriter,
         nothing,
         acquire(kLease),
         {"ok", "busy until the lease ends"}},
        {"acquire without a lease", Subject::kWriter, nothing, acquire(0), {"ok"}},
        {"acquire, held by another",
         Subject::kWriter,
         [](File& file) {
           const ProcessIdentity self = this_process();
           static_cast<void>(
               file.layout().acquire_serialized_writer(id_of(3), self.pid, self.birth, kLease));
         },
         acquire(kLease),
         {"busy until the lease ends"}},
        {"release with a lease",
         Subject::kWriter,
         nothing,
         acquired_then(kLease, release),
         {"busy until the lease ends", "ok"}},
        {"release without a lease", Subject::kWriter, nothing, acquired_then(0, release), {"ok"}},
        {"release by a stranger",
         Subject::kWriter,
         [](File& file) {
           const ProcessIdentity self = this_process();
           static_cast<void>(
               file.layout().acquire_serialized_writer(id_of(3), self.pid, self.birth, kLease));
         },
         release,
         {"busy until the lease ends"}},
        {"check, nobody there", Subject::kWriter, nothing, check(kNow), {"ok"}},
        {"check, a live lease",
         Subject::kWriter,
         dead_in(acquire(kLease), 0),
         check(kNow),
         {"busy until the lease ends"}},
        {"check, a lease that ended",
         Subject::kWriter,
         dead_in(acquire(kExpired), 0),
         check(kNow),
         {"ok"}},
        {"check, a dead owner", Subject::kWriter, dead_in(acquire(0), 0), check(kNow), {"ok"}},
        {"check, then acquire",
         Subject::kWriter,
         dead_in(acquire(0), 0),
         [=](CrashingFile& file) {
           check(kNow)(file);
           acquire(kLease)(file);
         },
         {"ok", "busy until the lease ends"}},
        {"alloc_txn_id",
         Subject::kTxnId,
         nothing,
         [](CrashingFile& file) { static_cast<void>(file.layout().alloc_txn_id()); },
         {"not taken", "taken"}},
        {"store_gc_horizon",
         Subject::kGcHorizon,
         old,
         [](CrashingFile& file) { file.layout().store_gc_horizon(CommitSeq(kOld)); },
         {"0", "moved"}},
    };
    // Deaths on top of deaths: a claimer, releaser or cleaner dies at each step, and then whoever
    // repairs that dies at each step too.
    for (const auto& [what, body] :
         {std::pair<std::string_view, std::function<void(CrashingFile&)>>(
              "check, a claimer that died at step {}", acquire(0)),
          {"check, a releaser that died at step {}", acquired_then(0, release)}}) {
      for (std::uint64_t step = 1; step <= steps_of(body); ++step) {
        names_.push_back(std::make_unique<std::string>(fmt::format(fmt::runtime(what), step)));
        all.push_back({*names_.back(), Subject::kWriter, dead_in(body, step), check(kNow), {"ok"}});
      }
    }
    return all;
  }

  std::uint64_t steps_of(const std::function<void(CrashingFile&)>& body) {
    fresh();
    return in_child(body, 0).value_or(0);
  }

  // A new file for each point.
  File fresh() {
    fs::remove(path_);
    auto file = File::create(path_);
    if (!file) throw std::runtime_error(file.error().message());
    return std::move(*file);
  }

  nlohmann::json attack(const Operation& operation) {
    std::uint64_t steps = 0;
    {
      File file = fresh();
      operation.prepare(file);
      steps = in_child(operation.run, 0).value_or(0);
    }
    steps_ += steps;
    std::vector<std::string> seen;
    // The point behind the last step is the completed operation.
    for (std::uint64_t k = 1; k <= steps + 1; ++k) {
      File file = fresh();
      operation.prepare(file);
      const bool completed = k > steps;
      if (!in_child(operation.run, completed ? 0 : k)) {
        find("coverage", std::string(operation.name),
             fmt::format("{}: no death before step {} of {}", operation.name, k, steps), "");
        continue;
      }
      if (!completed) ++points_;
      const HeaderBytes crashed = file.header_bytes();
      seen.push_back(observe(operation.subject, file));
      if (const std::string trouble = repair(operation.subject, file); !trouble.empty()) {
        find("P4 crash", std::string(operation.name) + trouble,
             fmt::format("{}: {} after a death before step {} of {}{}", operation.name, trouble, k,
                         steps, defect_of(trouble)),
             harness::header_table(crashed));
      }
    }
    judge(operation, seen, steps);
    fmt::print("  {:<40} {:>2} steps: {}\n", operation.name, steps, summary(seen));
    const std::string completed = seen.empty() ? std::string() : seen.back();
    if (!seen.empty()) seen.pop_back();
    return {{"operation", operation.name},
            {"steps", steps},
            {"outcomes", seen},
            {"completed", completed}};
  }

  // "3 x old, 4 x none; completed: new"
  static std::string summary(const std::vector<std::string>& seen) {
    std::string text;
    for (std::size_t i = 0; i + 1 < seen.size();) {
      std::size_t j = i;
      while (j + 1 < seen.size() && seen[j] == seen[i]) ++j;
      text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", j - i, seen[i]);
      i = j;
    }
    return text + (seen.empty() ? "" : "; completed: " + seen.back());
  }

  // The outcomes must be a walk through the allowed ones, all of them, never back.
  void judge(const Operation& operation, const std::vector<std::string>& seen,
             std::uint64_t steps) {
    std::size_t at = 0;
    for (std::size_t k = 0; k < seen.size(); ++k) {
      if (seen[k] == operation.outcomes[at]) continue;
      if (at + 1 < operation.outcomes.size() && seen[k] == operation.outcomes[at + 1]) {
        ++at;
        continue;
      }
      find("P4 crash", std::string(operation.name) + seen[k],
           fmt::format("{}: \"{}\" is not allowed after a death before step {} of {}{}",
                       operation.name, seen[k], k + 1, steps, defect_of(seen[k])),
           fmt::format("allowed: {}", fmt::join(operation.outcomes, ", then ")));
      return;
    }
    if (at + 1 != operation.outcomes.size()) {
      result_.findings.push_back(
          {.severity = "vacuous",
           .property = "reaches what it exists for",
           .title = fmt::format("{}: never \"{}\"", operation.name, operation.outcomes[at + 1]),
           .detail = ""});
    }
  }

  static std::string_view defect_of(std::string_view outcome) {
    return std::is_same_v<Protocol, ReferenceProtocol> && outcome.starts_with("busy for ever")
               ? " (D2: an owner without pid, birth and lease)"
               : "";
  }

  std::string observe(Subject subject, File& file) {
    auto layout = file.layout();
    switch (subject) {
      case Subject::kSnapshot: {
        const auto snapshot = layout.try_load_consistent_snapshot(100);
        if (!snapshot) return "none";
        if (*snapshot == triple_of(0)) return "empty";
        if (*snapshot == triple_of(kOld)) return "old";
        return *snapshot == triple_of(kNew) ? "new" : "torn";
      }
      case Subject::kWriter:
        if (layout.check_serialized_writer_exclusion(kNow, process_alive) == Exclusion::kOk) {
          return "ok";
        }
        return layout.check_serialized_writer_exclusion(kLease, process_alive) == Exclusion::kOk
                   ? "busy until the lease ends"
                   : "busy for ever";
      case Subject::kTxnId:
        switch (layout.alloc_txn_id()->get()) {
          case 1:
            return "not taken";
          case 2:
            return "taken";
          default:
            return "wrong";
        }
      case Subject::kGcHorizon:
        return layout.load_gc_horizon() == CommitSeq(kOld)
                   ? "moved"
                   : (layout.load_gc_horizon() == CommitSeq(0) ? "0" : "wrong");
    }
    return "";
  }

  // Everything works again, or what does not.
  std::string repair(Subject subject, File& file) {
    auto layout = file.layout();
    auto guard = file.try_lock_publication();
    if (!guard || !*guard) return "the publication lock is not free";
    const bool odd = !layout.try_load_consistent_snapshot(10);
    if ((*guard)->needs_reconcile() != odd) return "the guard does not see the death";
    const ShmSnapshot next = triple_of(kNew + 1);
    if (odd && (*guard)->publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch)) {
      return "the guard publishes before it has reconciled";
    }
    (*guard)->reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
    if (layout.try_load_consistent_snapshot(1) != next) return "reconcile does not repair";
    guard->reset();

    const ProcessIdentity self = this_process();
    if (subject == Subject::kWriter &&
        layout.check_serialized_writer_exclusion(kLease, process_alive) != Exclusion::kOk) {
      return "busy for ever";
    }
    if (!layout.acquire_serialized_writer(id_of(9), self.pid, self.birth, kLease)) {
      return "nobody can acquire";
    }
    if (layout.check_serialized_writer_exclusion(kNow, process_alive) != Exclusion::kBusy) {
      return "a new owner does not exclude";
    }
    if (!layout.release_serialized_writer(id_of(9))) return "a new owner cannot release";
    const auto errors = validate(file.header_bytes());
    return errors.empty() ? "" : errors.front().message();
  }

  void find(std::string property, const std::string& kind, std::string title, std::string detail) {
    findings_.add(kind, {.severity = "violation",
                         .property = std::move(property),
                         .title = std::move(title),
                         .detail = std::move(detail),
                         .file = "stress/crash_points.cc"});
  }

  const CrashPointsConfig& config_;
  Result& result_;
  FindingsByKind findings_{result_};
  fs::path path_;
  Shared<std::atomic<std::uint64_t>> counted_;
  std::uint64_t points_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<std::unique_ptr<std::string>> names_;  // that operations refer to
};

template <class Protocol>
void run_all(const CrashPointsConfig& config, Result& result) {
  const auto dir = RunDir::make(config.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  CrashPoints<Protocol>(config, result, dir->path()).run();
  run_creation_points(dir->path(), result);
  run_stop_points<Protocol>(config, dir->path(), result);
  result.headline = fmt::format(
      "{} crash, {} creation and {} stop points", result.counts.value("crash_points", 0),
      result.counts.value("creation_points", 0), result.counts.value("stop_points", 0));
}

}  // namespace

void run_crash_points(const CrashPointsConfig& config, Result& result) {
  if (config.reference) {
    run_all<ReferenceProtocol>(config, result);
    if (config.expect_defects) expect_defects(result, {"D2", "D3", "D5", "D6"});
  } else {
    run_all<HardenedProtocol>(config, result);
  }
  if (harness::stop_requested() && !result.could_not_run) {
    result.could_not_run = "interrupted before every point was tried";
  }
}

void expect_defects(Result& result, std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible) {
  const auto names = [](const harness::Finding& finding, std::string_view defect) {
    return finding.title.find(fmt::format("({}", defect)) != std::string::npos;
  };
  std::vector<harness::Finding> kept;
  const auto take = [&](std::string_view defect, bool needed) {
    const auto first = std::ranges::find_if(
        result.findings, [&](const harness::Finding& finding) { return names(finding, defect); });
    result.details["defects_found"][std::string(defect)] = first != result.findings.end();
    if (first != result.findings.end()) {
      kept.push_back(*first);
      kept.back().severity = "expected";
      std::erase_if(result.findings,
                    [&](const harness::Finding& finding) { return names(finding, defect); });
    } else if (needed) {
      kept.push_back({.severity = "vacuous",
                      .property = "finds the known defects",
                      .title = fmt::format("{} was not found in the reference", defect)});
    }
  };
  for (const std::string_view defect : certain) take(defect, true);
  for (const std::string_view defect : possible) take(defect, false);
  std::ranges::move(result.findings, std::back_inserter(kept));
  result.findings = std::move(kept);
}

void FindingsByKind::add(const std::string& kind, harness::Finding finding) {
  const auto [it, fresh] = kinds_.try_emplace(kind, Kind{result_.findings.size()});
  if (fresh) {
    result_.findings.push_back(std::move(finding));
  } else {
    ++it->second.more;
  }
}

FindingsByKind::~FindingsByKind() {
  for (const auto& [name, kind] : kinds_) {
    if (kind.more == 0) continue;
    result_.findings[kind.index].detail += fmt::format("and at {} other points\n", kind.more);
  }
}

}  // namespace fsqlshm::stress

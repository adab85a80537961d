#include "stress/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/describe.h"
#include "harness/run.h"
#include "stress/describe.h"
#include "stress/run_dir.h"
#include "stress/tsan.h"

namespace fsqlshm::stress {

using harness::mix;
using harness::Random;
namespace {

using harness::Finding;
using harness::Result;
namespace fs = std::filesystem;

// When writers count as locked out: nobody succeeded for so long, and so many tried in vain (on a
// machine that has no time for us, they do not get around to trying).
constexpr std::uint64_t kLockedOutNs = 5'000'000'000;
constexpr std::uint64_t kLockedOutTries = 20'000;

struct Worker {
  pid_t pid = 0;  // 0: none
  std::uint64_t incarnation = 0;
  bool killed = false;            // by us, not yet reaped
  std::uint64_t continue_ns = 0;  // when to send SIGCONT; 0: runs
};

template <class Protocol>
class Runner {
 public:
  Runner(const RunConfig& config, Result& result)
      : config_(config),
        worker_config_(config.worker),
        result_(result),
        random_(mix(config.worker.seed) ^ 0x5eed),
        workers_(std::min<std::size_t>(config.workers, kMaxWorkers)) {}

  void run() {
    if (thread_count(worker_config_) > kMaxThreads) {
      return could_not_run(fmt::format("more than {} threads in a worker", kMaxThreads));
    }
    auto dir = RunDir::make(config_.dir);
    if (!dir) return could_not_run(dir.error());
    worker_config_.file = dir->path() / "stress.db.fsqlite-shm";
    worker_config_.gc_lock = dir->path() / "gc.lock";
    worker_config_.reports = dir->path() / "tsan";
    std::ofstream(worker_config_.gc_lock) << "";
    auto file = BasicShmFile<Protocol>::create(worker_config_.file);
    if (!file) return could_not_run(file.error().message());
    file_ = &*file;
    if (!publish_first()) return could_not_run("cannot publish the first snapshot");
    control_->clock.start_ns = now_ns();
    control_->gc_horizon.begin_write(0);

    for (std::size_t i = 0; i < workers_.size(); ++i) fork_worker(i);
    supervise();
    if (!result_.could_not_run) collect_violations();
    stop_all();
    judge_end();
    report();
  }

 private:
  void could_not_run(std::string why) { result_.could_not_run = std::move(why); }

  bool publish_first() {
    auto guard = file_->lock_publication();
    control_->snapshot.begin_write(1);
    const ShmSnapshot first = triple_of(1);
    const bool done =
        guard && guard->publish_snapshot(first.commit_seq, first.schema_epoch, first.ecs_epoch);
    control_->snapshot.end_write(1);
    return done;
  }

  // --- Processes -------------------------------------------------------------------------------

  void fork_worker(std::size_t index) {
    Worker& worker = workers_[index];
    const std::uint64_t incarnation = worker.incarnation + 1;
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(0);  // it died before we asked
      run_worker(worker_config_, *control_, index, incarnation);
    }
    if (pid < 0) {
      could_not_run(fmt::format("cannot fork: {}", std::generic_category().message(errno)));
      return;
    }
    worker = {.pid = pid, .incarnation = incarnation};
    ++forks_;
  }

  void kill_worker(std::size_t index) {
    Worker& worker = workers_[index];
    control_->kills.about_to_kill(index, worker.incarnation, now_ns());
    worker.killed = true;
    ::kill(worker.pid, SIGKILL);
  }

  // Takes note of workers that ended; true if one has to be replaced.
  void reap(bool replace) {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      Worker& worker = workers_[i];
      int status = 0;
      if (worker.pid == 0 || ::waitpid(worker.pid, &status, WNOHANG) != worker.pid) continue;
      const pid_t pid = std::exchange(worker.pid, 0);
      if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && worker.killed) {
        ++kills_;
        lost_threads_ += mortal_threads();
      } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !replace) {
        continue;
      } else {
        judge_exit(i, pid, status);
      }
      if (replace && !over_) fork_worker(i);
    }
  }

  // Threads of one worker that may die between taking an id and marking it.
  [[nodiscard]] std::uint64_t mortal_threads() const {
    return worker_config_.threads[static_cast<std::size_t>(Role::kAllocator)] +
           worker_config_.threads[static_cast<std::size_t>(Role::kWriter)];
  }

  void judge_exit(std::size_t index, pid_t pid, int status) {
    over_ = true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kTsanExitStatus) {
      std::ifstream in(worker_config_.reports.string() + "." + std::to_string(pid));
      const std::string text((std::istreambuf_iterator<char>(in)), {});
      add("violation", "no data race",
          text.find("data race") != std::string::npos
              ? "ThreadSanitizer reported a data race in a worker"
              : "ThreadSanitizer ended a worker",
          text);
      return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && control_->stop.load() != 0) return;
    const std::string how = WIFSIGNALED(status) ? fmt::format("died of signal {}", WTERMSIG(status))
                            : WEXITSTATUS(status) == kWorkerOpenFailed
                                ? std::string("could not open the file")
                                : fmt::format("ended with status {}", WEXITSTATUS(status));
    add("violation", "workers live until they are killed",
        fmt::format("worker {} (process {}) {}", index, pid, how), "");
  }

  // --- The run -----------------------------------------------------------------------------------

  void supervise() {
    harness::Progress progress(fmt::format("stress {}", Protocol::kName),
                               std::chrono::duration<double>(config_.seconds), config_.quiet);
    const std::uint64_t start = now_ns();
    std::uint64_t next_chaos = start + chaos_pause();
    std::uint64_t acquires = 0;
    std::uint64_t acquired_ns = start;
    std::uint64_t refusals = 0;
    while (!over_ && !result_.could_not_run) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::uint64_t now = now_ns();
      turn(now, true);
      if (control_->violations.count() > 0 || control_->stop.load() != 0) break;
      if (harness::stop_requested()) {
        interrupted_ = true;
        break;
      }
      if (config_.seconds > 0 && now - start >= static_cast<std::uint64_t>(config_.seconds * 1e9)) {
        break;
      }
      if (config_.kills > 0 && kills_ >= config_.kills) break;
      if ((config_.kill || config_.stop) && now >= next_chaos) {
        act_of_chaos(now);
        next_chaos = now + chaos_pause();
      }
      if (const std::uint64_t count = control_->total(Counter::kAcquires); count != acquires) {
        acquires = count;
        acquired_ns = now;
        refusals = control_->total(Counter::kAcquireRefusals);
      } else if (has(Role::kWriter) && now - acquired_ns > kLockedOutNs &&
                 control_->total(Counter::kAcquireRefusals) - refusals > kLockedOutTries) {
        add_with_context(
            "P4 crash", "no writer got the indicator for 5 s: they are locked out",
            writer_text(writer_report(file_->header_bytes(), control_->clock.at(now))));
        break;
      }
      sample(now - start);
      progress.update(
          fmt::format("{} reads, {} publishes, {} tenures, {} ids, {} kills",
                      harness::human(static_cast<double>(control_->total(Counter::kReads))),
                      harness::human(static_cast<double>(control_->total(Counter::kPublishes))),
                      harness::human(static_cast<double>(control_->total(Counter::kAcquires))),
                      harness::human(static_cast<double>(control_->total(Counter::kIds))), kills_));
    }
    seconds_ = static_cast<double>(now_ns() - start) / 1e9;
  }

  // A row of details.over_time, some 60 to 120 of them in a run: when there are too many, every
  // second one goes.
  void sample(std::uint64_t elapsed_ns) {
    if (elapsed_ns < next_sample_ns_) return;
    if (over_time_.size() >= 120) {
      std::vector<nlohmann::json> thinned;
      for (std::size_t i = 0; i < over_time_.size(); i += 2) thinned.push_back(over_time_[i]);
      over_time_ = std::move(thinned);
      sample_pause_ns_ *= 2;
    }
    next_sample_ns_ = elapsed_ns + sample_pause_ns_;
    nlohmann::json row = {
        {"seconds", static_cast<double>(elapsed_ns) / 1e9}, {"kills", kills_}, {"stops", stops_}};
    for (const Counter counter : {Counter::kReads, Counter::kPublishes, Counter::kAcquires,
                                  Counter::kIds, Counter::kReconciles, Counter::kEvictions}) {
      row[std::string(kCounterNames[static_cast<std::size_t>(counter)])] = control_->total(counter);
    }
    over_time_.push_back(std::move(row));
  }

  // What must go on as long as there are workers.
  void turn(std::uint64_t now, bool replace) {
    auditor_.advance(next_txn_id());
    for (Worker& worker : workers_) {
      if (worker.pid != 0 && worker.continue_ns != 0 && now >= worker.continue_ns) {
        ::kill(worker.pid, SIGCONT);
        worker.continue_ns = 0;
      }
    }
    reap(replace);
  }

  // Times between acts of chaos are exponential around the wanted rate.
  std::uint64_t chaos_pause() {
    const double uniform = (static_cast<double>(random_.next() >> 12) + 1) / 0x1p52;
    return static_cast<std::uint64_t>(-std::log(uniform) / config_.chaos_rate * 1e9);
  }

  void act_of_chaos(std::uint64_t now) {
    const std::size_t index = random_.below(workers_.size());
    Worker& worker = workers_[index];
    const bool kill = config_.kill && (!config_.stop || random_.one_in(2));
    if (worker.pid == 0 || worker.killed) return;
    if (kill) {
      kill_worker(index);  // also one that is stopped
    } else if (worker.continue_ns == 0) {
      ::kill(worker.pid, SIGSTOP);
      worker.continue_ns = now + 1'000'000 + random_.below(29'000'000);
      ++stops_;
    }
  }

  [[nodiscard]] bool has(Role role) const {
    return worker_config_.threads[static_cast<std::size_t>(role)] > 0;
  }
  [[nodiscard]] std::uint64_t next_txn_id() const { return header_word(offsets::kNextTxnId); }
  [[nodiscard]] std::uint64_t header_word(std::size_t offset) const {
    std::uint64_t word = 0;
    std::memcpy(&word, file_->header_bytes().data() + offset, sizeof(word));
    return word;
  }

  void stop_all() {
    over_ = true;
    control_->stop.store(1);
    const std::uint64_t deadline = now_ns() + static_cast<std::uint64_t>(config_.patience * 1e9);
    for (Worker& worker : workers_) {
      if (worker.pid != 0) ::kill(worker.pid, SIGCONT);
      worker.continue_ns = 0;
    }
    const auto any = [&] {
      return std::ranges::any_of(workers_, [](const Worker& w) { return w.pid != 0; });
    };
    while (any() && now_ns() < deadline) {
      turn(now_ns(), false);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::vector<std::size_t> hung;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].pid != 0) hung.push_back(i);
    }
    if (hung.empty()) return;
    // While they still hang: the report shows what each of them did last.
    add_with_context("P6 progress",
                     fmt::format("did not stop within {:g} s: worker {}", config_.patience,
                                 fmt::join(hung, ", ")),
                     "");
    for (const std::size_t i : hung) {
      kill_worker(i);
      ::waitpid(workers_[i].pid, nullptr, 0);
      workers_[i].pid = 0;
      lost_threads_ += mortal_threads();
    }
  }

  // --- Judgement ---------------------------------------------------------------------------------

  void add(std::string severity, std::string property, std::string title, std::string detail) {
    result_.findings.push_back({.severity = std::move(severity),
                                .property = std::move(property),
                                .title = std::move(title),
                                .detail = std::move(detail),
                                .file = "stress/runner.cc"});
  }
  void add_with_context(std::string property, std::string title, std::string detail) {
    add("violation", std::move(property), std::move(title),
        fmt::format("{}\nseed {}\n\n{}\nlast events (ms before the report):\n{}", detail,
                    worker_config_.seed, harness::header_table(file_->header_bytes()),
                    last_events()));
  }

  [[nodiscard]] std::string last_events() const {
    const std::uint64_t now = now_ns();
    std::string text;
    for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
      for (std::size_t thread = 0; thread < kMaxThreads; ++thread) {
        const ThreadState& state = control_->threads[worker][thread];
        std::string events;
        state.events.visit([&](const EventRing::Entry& entry) {
          const auto event = static_cast<std::size_t>(entry.event);
          if (event == 0 || event >= kEventNames.size()) return;
          events += fmt::format("    -{:.3f} {} {} {}\n", static_cast<double>(now - entry.ns) / 1e6,
                                kEventNames[event], entry.a, entry.b);
        });
        if (events.empty()) continue;
        text += fmt::format("  worker {} thread {} ({})\n{}", worker, thread,
                            role_name(state.role.load()), events);
      }
    }
    return text;
  }

  [[nodiscard]] std::string role_name(std::uint64_t role) const {
    if (role < kRoles) return std::string(kRoleNames[role]);
    const auto index = static_cast<std::size_t>(role - kRoles);
    return index < worker_config_.added.size() ? worker_config_.added[index].name : "?";
  }

  // What a known defect of the reference looks like.
  [[nodiscard]] static std::string_view defect_of(Check check) {
    if (!std::is_same_v<Protocol, ReferenceProtocol>) return "";
    switch (check) {
      case Check::kOwnerWordsChanged:
        return " (D3: the predecessor's release cleared them)";
      case Check::kIndicatorWasNotClean:
        return " (D3: the predecessor's release clears them later)";
      case Check::kAcquiredBesideLiveOwner:
      case Check::kCheckOkBesideLiveOwner:
      case Check::kReleaseRefusedLiveOwner:
        return " (D5: judged by its predecessor's words)";
      default:
        return "";
    }
  }

  void collect_violations() {
    // Those that report while we read them find their way into the next line.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::uint64_t first_ns = now_ns();
    control_->violations.visit([&](const Violation& violation) {
      const CheckText& text = text_of(violation.check);
      std::string detail =
          fmt::format("worker {} (incarnation {}), thread {}, {:.3f} ms before this report\n",
                      violation.worker, violation.incarnation, violation.thread,
                      static_cast<double>(first_ns - violation.ns) / 1e6);
      for (std::size_t i = 0; i < text.values.size(); ++i) {
        if (!text.values[i].empty()) {
          detail += fmt::format("{}: {} ({:#x})\n", text.values[i], violation.values[i],
                                violation.values[i]);
        }
      }
      if (violation.check == Check::kAddedRole) {
        const auto role =
            control_->threads[violation.worker][violation.thread].role.load() - kRoles;
        const AddedRole& added = worker_config_.added[static_cast<std::size_t>(role)];
        add_with_context(added.property, fmt::format("a {} found it broken", added.name), detail);
        return;
      }
      add_with_context(std::string(text.property),
                       fmt::format("{}{}", text.title, defect_of(violation.check)), detail);
    });
  }

  // Nobody is left but us: the header must be repairable and then perfect.
  void judge_end() {
    auto guard = file_->try_lock_publication();
    if (!guard || !*guard) {
      add_with_context("publication lock", "the lock outlived everybody who could hold it", "");
    } else {
      if ((*guard)->needs_reconcile()) {
        ++final_reconciles_;
        const std::uint64_t n = control_->snapshot.next();
        control_->snapshot.begin_write(n);
        const ShmSnapshot triple = triple_of(n);
        (*guard)->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
        control_->snapshot.end_write(n);
      }
      guard->reset();
    }
    const std::uint64_t low = control_->snapshot.begin_read();
    const auto snapshot = file_->layout().try_load_consistent_snapshot(10);
    if (!snapshot || !whole(*snapshot) ||
        control_->snapshot.end_read(low, snapshot->commit_seq.get()) != ReadVerdict::kGood) {
      add_with_context("snapshot integrity", "no right snapshot after the run", "");
    }
    judge_indicator();
    for (const ShmError& error : validate(file_->header_bytes())) {
      if (error == ShmErrorCode::kWriterLeftovers) continue;  // said above
      add_with_context("valid header", "validate rejects the header after recovery",
                       error.message());
    }
    judge_ids();
  }

  void judge_indicator() {
    auto layout = file_->layout();
    const std::uint64_t later = control_->clock.at(now_ns()) + 1000;  // every lease is over
    if (layout.check_serialized_writer_exclusion(later, process_alive) != Exclusion::kOk) {
      add_with_context("P4 crash",
                       std::is_same_v<Protocol, ReferenceProtocol>
                           ? "the dead locked every writer out (D2)"
                           : "the dead locked every writer out",
                       writer_text(writer_report(file_->header_bytes(), later)));
      return;
    }
    for (const Field field :
         {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
          Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
      if (header_word(offset_of(field)) != 0) {
        add_with_context("P3 quiescence",
                         fmt::format("nobody holds the indicator, but its words are not zero{}",
                                     defect_of(Check::kIndicatorWasNotClean)),
                         std::string(field_name(field)));
        return;
      }
    }
    const ProcessIdentity self = this_process();
    const auto id = TxnId::from_raw(TxnId::kMaxRaw);
    if (!layout.acquire_serialized_writer(*id, self.pid, self.birth, 0) ||
        !layout.release_serialized_writer(*id)) {
      add_with_context("P4 crash", "the indicator cannot be used after the run", "");
    }
  }

  void judge_ids() {
    const auto summary = auditor_.finish(next_txn_id());
    lost_ids_ = summary.lost.size();
    if (summary.overflow) could_not_run("too many transaction ids were marked late to judge them");
    if (!summary.duplicates.empty()) {
      add_with_context("txn ids are unique", "a transaction id was handed out twice",
                       fmt::format("id {}", summary.duplicates.front()));
    }
    // A thread that is killed loses at most the one id that it had not marked yet.
    if (lost_ids_ > lost_threads_) {
      add_with_context("txn ids are not lost",
                       fmt::format("{} ids were lost, but only {} threads were killed that could "
                                   "have lost one each",
                                   lost_ids_, lost_threads_),
                       "");
    }
  }

  // A check that met nothing proves nothing.
  void judge_vacuity() {
    if (interrupted_ || !result_.findings.empty() || result_.could_not_run) return;
    const auto want = [&](Role role, Counter counter, std::uint64_t least = 1) {
      const std::uint64_t found = control_->total(counter);
      if (!has(role) || found >= least) return;
      add("vacuous", "reaches what it exists for",
          fmt::format("{}: {}, expected at least {}",
                      kCounterNames[static_cast<std::size_t>(counter)], found, least),
          "");
    };
    want(Role::kPublisher, Counter::kPublishes);
    want(Role::kReader, Counter::kReads);
    if (has(Role::kPublisher)) want(Role::kReader, Counter::kReadRetries);
    want(Role::kWriter, Counter::kReleases);
    want(Role::kChecker, Counter::kChecksOk);
    if (has(Role::kWriter)) want(Role::kChecker, Counter::kChecksBusy);
    want(Role::kAllocator, Counter::kIds);
    want(Role::kGcMover, Counter::kGcReads);
    want(Role::kOpener, Counter::kOpens);
    want(Role::kInspector, Counter::kInspections);
    if (!worker_config_.added.empty() && control_->total(Counter::kAddedTurns) == 0) {
      add("vacuous", "reaches what it exists for", "no turn of any added role", "");
    }
    // With this many, some must have hit a tenure or a publish.
    if (config_.kill && kills_ >= 200 && worker_config_.perturb != 0) {
      want(Role::kPublisher, Counter::kReconciles);
    }
    if (config_.stop && stops_ >= 200) want(Role::kWriter, Counter::kEvictions);
    if (config_.kill && config_.seconds * config_.chaos_rate > 100 && kills_ == 0) {
      add("vacuous", "reaches what it exists for", "nobody was killed", "");
    }
  }

  void report() {
    judge_vacuity();
    // A run without an end is meant to be interrupted.
    if (interrupted_ && config_.seconds > 0) {
      could_not_run(fmt::format("interrupted after {:.1f} of {:g} s", seconds_, config_.seconds));
    } else if (interrupted_ && config_.kills > 0) {
      could_not_run(fmt::format("interrupted after {} of {} kills", kills_, config_.kills));
    }
    for (std::size_t i = 0; i < kCounters; ++i) {
      result_.counts[std::string(kCounterNames[i])] = control_->total(static_cast<Counter>(i));
    }
    result_.counts["kills"] = kills_;
    result_.counts["stops"] = stops_;
    result_.counts["forks"] = forks_;
    result_.counts["lost_txn_ids"] = lost_ids_;
    result_.counts["late_txn_ids"] = control_->ids.late_count();
    result_.counts["violations"] = control_->violations.count();
    nlohmann::json roles;
    for (std::size_t i = 0; i < kRoles; ++i) {
      roles[std::string(kRoleNames[i])] = worker_config_.threads[i];
    }
    for (const AddedRole& role : worker_config_.added) roles[role.name] = role.threads;
    result_.details["roles"] = std::move(roles);
    result_.details["workers"] = workers_.size();
    result_.details["tsan"] = kTsan;
    result_.details["run_seconds"] = seconds_;
    result_.details["interrupted"] = interrupted_;
    result_.details["chaos"] = {
        {"kill", config_.kill}, {"stop", config_.stop}, {"rate", config_.chaos_rate}};
    result_.details["recovered"] = control_->total(Counter::kReconciles) + final_reconciles_;
    result_.details["over_time"] = over_time_;
    result_.headline =
        fmt::format("{} reads, {} publishes, {} tenures, {} kills{}",
                    harness::human(static_cast<double>(control_->total(Counter::kReads))),
                    harness::human(static_cast<double>(control_->total(Counter::kPublishes))),
                    harness::human(static_cast<double>(control_->total(Counter::kAcquires))),
                    kills_, kTsan ? ", watched by TSan" : "");
    result_.details["header"] = header_fields(file_->header_bytes());
  }

  const RunConfig& config_;
  WorkerConfig worker_config_;
  Result& result_;
  Random random_;
  std::vector<Worker> workers_;
  Shared<ControlBlock> control_;
  IdAuditor auditor_{control_->ids};
  BasicShmFile<Protocol>* file_ = nullptr;
  std::vector<nlohmann::json> over_time_;
  std::uint64_t next_sample_ns_ = 0;
  std::uint64_t sample_pause_ns_ = 100'000'000;
  bool over_ = false;
  bool interrupted_ = false;
  double seconds_ = 0;
  std::uint64_t kills_ = 0;
  std::uint64_t stops_ = 0;
  std::uint64_t forks_ = 0;
  std::uint64_t lost_threads_ = 0;
  std::uint64_t lost_ids_ = 0;
  std::uint64_t final_reconciles_ = 0;
};

}  // namespace

void run_stress(const RunConfig& config, Result& result) {
  if (config.worker.protocol == ProtocolName::kReference) {
    Runner<ReferenceProtocol>(config, result).run();
  } else {
    Runner<HardenedProtocol>(config, result).run();
  }
}

std::string_view to_string(ProtocolName protocol) {
  return protocol == ProtocolName::kReference ? ReferenceProtocol::kName : HardenedProtocol::kName;
}

}  // namespace fsqlshm::stress

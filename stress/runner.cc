#include "stress/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "harness/child.h"
#include "harness/describe.h"
#include "harness/properties/execution.h"
#include "harness/run.h"
#include "stress/describe.h"
#include "stress/operations.h"
#include "stress/run_findings.h"
#include "stress/run_subject.h"
#include "stress/worker.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;

// Writers count as locked out if none succeeded for RunConfig::locked_out, and so many tried in vain (on a
// machine that has no time for us, they do not get around to trying).
constexpr std::uint64_t kLockedOutTries = 20'000;
// Who stands still in one call in 128 does not try that often.
constexpr std::uint64_t kLockedOutTriesOfSubject = 500;
// So do publishers, each of whose tries takes 20 ms.
constexpr std::uint64_t kLockedOutPublishers = 10;
// How long a call of a subject may take.
constexpr std::chrono::seconds kCallPatience(10);
// A worker of which a thread has been in a call for so long may be the one that is not killed.
constexpr std::chrono::milliseconds kSpared(200);

// Rows of details.over_time, some 60 to 120 of them in a run.
class OverTime {
 public:
  template <class Row>
  void sample(std::uint64_t elapsed_ns, Row&& row) {
    if (elapsed_ns < next_ns_) return;
    next_ns_ = elapsed_ns + pause_ns_;
    add(row());
  }
  void add(nlohmann::json row) {
    if (thin(rows_)) pause_ns_ *= 2;
    rows_.push_back(std::move(row));
  }
  [[nodiscard]] const std::vector<nlohmann::json>& rows() const { return rows_; }

 private:
  std::vector<nlohmann::json> rows_;
  std::uint64_t next_ns_ = 0;
  std::uint64_t pause_ns_ = 100'000'000;
};

// Of the threads that are watched: none if there is no subject. Worker by worker.
std::vector<const harness::LastWords*> last_words_of(const ControlBlock& control,
                                                     const WorkerConfig& config,
                                                     std::size_t workers) {
  std::vector<const harness::LastWords*> all;
  if (config.subject == nullptr) return all;
  const std::size_t threads = config.threads().size();
  for (std::size_t i = 0; i < workers * threads; ++i) {
    all.push_back(&control.threads[i / threads][i % threads].last_words);
  }
  return all;
}

// Two counts, by which it shows that nothing of a kind is done any more, although it is tried.
struct Standstill {
  std::string_view done;
  std::string_view tried;
  std::uint64_t tries;         // more than so many while nothing is done
  std::uint64_t count = 0;     // of `done`, and
  std::uint64_t since_ns = 0;  // when that was last seen to rise
  std::uint64_t tried_then = 0;
};

class Runner {
 public:
  Runner(const RunConfig& config, WorkerConfig worker_config, ControlBlock& control,
         RunSubject& subject, Result& result)
      : config_(config),
        worker_config_(std::move(worker_config)),
        control_(&control),
        subject_(subject),
        result_(result),
        random_(mix(config.worker.seed) ^ 0x5eed) {
    if (config.kill) chaos_.push_back(Chaos::kKill);
    if (config.exec) chaos_.push_back(Chaos::kExec);
    if (config.stop) chaos_.push_back(Chaos::kStop);
  }

  void run() {
    if (!publish_first()) return;
    start_ns_ = control_->clock.start_ns = now_ns();
    control_->writers.leases_outlive_processes(subject_.leases_outlive_processes());
    control_->gc_horizon.begin_write(0);
    workers_.start_all();
    supervise();
    findings_.add_violations();
    stop_all();
    result_.details["header"] = header_fields(subject_.header_bytes());
    judge_what_is_left();
    if (const auto outside = subject_.wrote_outside()) findings_.add_call(*outside);
    judge_ids();
    report();
  }

 private:
  enum class Chaos : std::uint8_t { kKill, kExec, kStop };

  bool publish_first() {
    control_->snapshot.begin_write(1);
    const auto trouble = subject_.publish_first(triple_of(1));
    control_->snapshot.end_write(1);
    if (trouble) findings_.add_call(*trouble);
    return !trouble;
  }

  [[nodiscard]] std::uint64_t total(std::string_view count) const {
    return worker_config_.total(*control_, count);
  }
  [[nodiscard]] std::uint64_t next_txn_id() const {
    return harness::word_at(subject_.header_bytes(), Field::kNextTxnId);
  }

  // --- The run -----------------------------------------------------------------------------------

  void supervise() {
    harness::Progress progress(config_.title, std::chrono::duration<double>(config_.seconds),
                               config_.quiet);
    next_chaos_ns_ = start_ns_ + chaos_pause();
    while (true) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::uint64_t now = now_ns();
      turn(now, true);
      end_the_silent();
      interrupted_ = harness::stop_requested();
      if (interrupted_ || over(now)) break;
      if (!chaos_.empty() && now >= next_chaos_ns_) {
        act_of_chaos(now);
        next_chaos_ns_ = now + chaos_pause();
      }
      if (locked_out(now)) break;
      over_time_.sample(now - start_ns_, [&] { return sample(now); });
      progress.update(summary());
    }
    const std::uint64_t end = now_ns();
    over_time_.add(sample(end));
    seconds_ = static_cast<double>(end - start_ns_) / 1e9;
  }

  [[nodiscard]] bool over(std::uint64_t now) const {
    return worker_ended_ || control_->violations.count() > 0 || control_->stop.load() != 0 ||
           ids_jumped() ||
           (config_.seconds > 0 &&
            now - start_ns_ >= static_cast<std::uint64_t>(config_.seconds * 1e9)) ||
           (config_.kills > 0 && workers_.kills() >= config_.kills) ||
           (config_.until == Until::kReached && reached());
  }

  [[nodiscard]] bool reached() const {
    const std::map<std::string_view, std::uint64_t> chaos = {
        {"kills", workers_.kills()}, {"execs", workers_.execs()}, {"stops", workers_.stops()}};
    const auto count = [&](std::string_view name) {
      const auto act = chaos.find(name);
      return act == chaos.end() ? total(name) : act->second;
    };
    return unreached(config_, count).empty();
  }

  // Who waits for the window of ids waits for ever if it cannot follow.
  [[nodiscard]] bool ids_jumped() const { return auditor_.jumped(next_txn_id()); }

  // What must go on as long as there are workers.
  void turn(std::uint64_t now, bool replace) {
    auditor_.advance(next_txn_id());
    for (const Workers::End& end : workers_.turn(now, replace)) {
      worker_ended_ = true;
      findings_.add_end(end);
    }
  }

  // A thread that is in a call of a subject which does not return.
  void end_the_silent() {
    const auto silent = patience_.silent(last_words_);
    if (!silent) return;
    findings_.add_call(subject_.did_not_return(
        harness::GuardedFailure::hung(*last_words_[*silent], kCallPatience)));
    worker_ended_ = true;
    const std::size_t worker = *silent * workers_.count() / last_words_.size();
    for (ThreadState& thread : control_->threads[worker]) thread.last_words.watched = false;
    workers_.kill(worker);
  }

  // Its death would hide that it hangs. Only one is spared, the one whose thread has been silent for the longest
  // time: on a busy machine all threads are silent for a while.
  [[nodiscard]] bool seems_to_hang(std::size_t worker) const {
    std::pair<std::chrono::nanoseconds, std::size_t> longest(kSpared, workers_.count());
    const std::size_t threads = last_words_.size() / workers_.count();
    for (std::size_t i = 0; i < last_words_.size(); ++i) {
      longest = std::max(longest, {patience_.silence_of(i), i / threads});
    }
    return longest.second == worker;
  }

  // Times between acts of chaos are exponential around the wanted rate.
  std::uint64_t chaos_pause() {
    const double uniform = (static_cast<double>(random_.next() >> 12) + 1) / 0x1p52;
    return static_cast<std::uint64_t>(-std::log(uniform) / config_.chaos_rate * 1e9);
  }

  void act_of_chaos(std::uint64_t now) {
    const std::size_t index = random_.below(workers_.count());
    const std::uint64_t stop_until = now + 1'000'000 + random_.below(29'000'000);
    if (seems_to_hang(index)) return;
    switch (chaos_[random_.below(chaos_.size())]) {
      case Chaos::kKill:
        return workers_.kill(index);
      case Chaos::kExec:
        return workers_.exec(index);
      case Chaos::kStop:
        return workers_.stop(index, stop_until);
    }
  }

  bool locked_out(std::uint64_t now) {
    if (lasts(acquires_, now)) {
      findings_.add_with_context(
          harness::kP4,
          fmt::format("no writer got the indicator for {:g} s: they are locked out",
                      config_.locked_out),
          writer_report(subject_.header_bytes(), control_->clock.at(now), subject_.liveness())
              .text(),
          "D2");
      return true;
    }
    if (lasts(publishes_, now)) {
      findings_.add_with_context(
          harness::kP4,
          fmt::format("no publisher got the publication lock for {:g} s", config_.locked_out));
      return true;
    }
    return false;
  }

  [[nodiscard]] bool lasts(Standstill& what, std::uint64_t now) const {
    if (const std::uint64_t count = total(what.done); count != what.count) {
      what.count = count;
      what.since_ns = now;
      what.tried_then = total(what.tried);
    }
    const std::uint64_t since = std::max(what.since_ns, start_ns_);
    return static_cast<double>(now - since) > config_.locked_out * 1e9 &&
           total(what.tried) - what.tried_then > what.tries;
  }

  void stop_all() {
    control_->stop.store(1);
    workers_.continue_all();
    const std::uint64_t deadline = now_ns() + static_cast<std::uint64_t>(config_.patience * 1e9);
    while (!workers_.here().empty() && now_ns() < deadline) {
      turn(now_ns(), false);
      end_the_silent();
      if (const auto trouble = subject_.let_readers_go()) findings_.add_call(*trouble);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const std::vector<std::size_t> hung = workers_.here();
    if (hung.empty()) return;
    // While they still hang: the report shows what each of them did last.
    findings_.add_with_context(harness::kP6, fmt::format("did not stop within {:g} s: worker {}",
                                                         config_.patience, fmt::join(hung, ", ")));
    for (const std::size_t i : hung) workers_.kill(i);
    while (!workers_.here().empty()) turn(now_ns(), false);
  }

  // --- Judgement ---------------------------------------------------------------------------------

  // The next process must be able to repair what is left, and then to use it.
  void judge_what_is_left() {
    // Every owner is dead. When no lease is over yet, the first check must clear one; where leases outlive
    // their processes, when all are.
    const std::uint64_t now = subject_.leases_outlive_processes()
                                  ? control_->clock.at(now_ns()) + 1000
                                  : LeaseClock::kEpoch;
    RegisterLog& log = control_->snapshot;
    const std::uint64_t low = log.begin_read();
    const auto look = subject_.look(now);
    if (!look) return findings_.add_call(look.error());
    const auto& seen = look->snapshot;
    died_in_publish_ = !seen;
    if (seen &&
        (!whole(*seen) || log.end_read(low, seen->commit_seq.get()) != ReadVerdict::kGood)) {
      findings_.add_with_context(harness::kSnapshotIntegrity, "no right snapshot after the run");
    }
    const HeaderBytes bytes = subject_.header_bytes();
    for (const Field field : kWriterFields) {
      if (!look->free || harness::word_at(bytes, field) == 0) continue;
      findings_.add_with_context(harness::kP3, "the indicator is free, but its words are not zero",
                                 std::string(field_name(field)), "D3");
    }
    const WriterReport writer = writer_report(bytes, now, subject_.liveness());
    const auto trouble = subject_.newcomer_trouble(now);
    if (!trouble) return findings_.add_call(trouble.error());
    if (trouble->empty()) return;
    findings_.add_with_context(harness::kP4, "after the run: " + *trouble, writer.text(),
                               *trouble == kBusyForEver ? "D2" : "");
  }

  void judge_ids() {
    const auto summary = auditor_.finish(next_txn_id());
    lost_ids_ = summary.lost.size();
    if (summary.overflow) {
      result_.could_not_run = "too many transaction ids were marked late to judge them";
    }
    if (summary.jumped) {
      findings_.add_with_context(harness::kTxnIdsNotLost, "next_txn_id jumped");
    }
    if (!summary.duplicates.empty()) {
      findings_.add_with_context(harness::kTxnIdsUnique, "a transaction id was handed out twice",
                                 fmt::format("id {}", summary.duplicates.front()));
    }
    // A thread that is killed loses at most the one id that it had not marked yet.
    if (lost_ids_ > workers_.lost_threads()) {
      findings_.add_with_context(
          harness::kTxnIdsNotLost,
          fmt::format("{} ids were lost, but only {} threads were killed that could have lost one "
                      "each",
                      lost_ids_, workers_.lost_threads()));
    }
  }

  // --- Report ------------------------------------------------------------------------------------

  [[nodiscard]] std::string summary() const {
    nlohmann::json counts = {{"kills", workers_.kills()}};
    for (const char* const count : {"snapshot_reads", "publishes", "acquires", "txn_ids"}) {
      counts[count] = total(count);
    }
    return headline_of(counts);
  }

  [[nodiscard]] nlohmann::json sample(std::uint64_t now) const {
    nlohmann::json row = {{"seconds", static_cast<double>(now - start_ns_) / 1e9},
                          {"kills", workers_.kills()},
                          {"stops", workers_.stops()}};
    for (const char* const count :
         {"snapshot_reads", "publishes", "acquires", "txn_ids", "reconciles", "evictions"}) {
      row[count] = total(count);
    }
    return row;
  }

  void report() {
    // A run without an end is meant to be interrupted.
    if (interrupted_ && config_.seconds > 0) {
      result_.could_not_run =
          fmt::format("interrupted after {:.1f} of {:g} s", seconds_, config_.seconds);
    } else if (interrupted_ && config_.kills > 0) {
      result_.could_not_run =
          fmt::format("interrupted after {} of {} kills", workers_.kills(), config_.kills);
    }
    result_.headline = summary();
    nlohmann::json roles;
    for (const Role& role : worker_config_.roles) {
      roles[role.name] = role.threads;
      for (const std::string_view count : role.counts) {
        result_.counts[std::string(count)] = total(count);
      }
    }
    result_.counts.update({{"kills", workers_.kills()},
                           {"execs", workers_.execs()},
                           {"stops", workers_.stops()},
                           {"forks", workers_.starts()},
                           {"lost_txn_ids", lost_ids_},
                           {"late_txn_ids", control_->ids.late_count()},
                           {"violations", control_->violations.count()}});
    result_.details.update({{"roles", std::move(roles)},
                            {"workers", workers_.count()},
                            {"tsan", under_tsan()},
                            {"run_seconds", seconds_},
                            {"interrupted", interrupted_},
                            {"chaos",
                             {{"kill", config_.kill},
                              {"exec", config_.exec},
                              {"stop", config_.stop},
                              {"rate", config_.chaos_rate}}},
                            {"recovered", total("reconciles") + (died_in_publish_ ? 1 : 0)},
                            {"over_time", over_time_.rows()}});
  }

  const RunConfig& config_;
  const WorkerConfig worker_config_;
  ControlBlock* control_;
  RunSubject& subject_;
  Result& result_;
  Random random_;
  std::vector<Chaos> chaos_;
  RunFindings findings_{worker_config_, *control_, subject_, result_};
  IdAuditor auditor_{control_->ids};
  Workers workers_{worker_config_, *control_, config_.workers};
  OverTime over_time_;
  std::vector<const harness::LastWords*> last_words_ =
      last_words_of(*control_, worker_config_, workers_.count());
  harness::Patience patience_{kCallPatience};
  std::uint64_t start_ns_ = 0;
  std::uint64_t next_chaos_ns_ = 0;
  Standstill acquires_{
      .done = "acquires",
      .tried = "acquire_refusals",
      .tries = worker_config_.subject == nullptr ? kLockedOutTries : kLockedOutTriesOfSubject};
  Standstill publishes_{
      .done = "publishes", .tried = "publication_lock_busy", .tries = kLockedOutPublishers};
  std::uint64_t lost_ids_ = 0;
  double seconds_ = 0;
  bool worker_ended_ = false;
  bool interrupted_ = false;
  bool died_in_publish_ = false;  // the last publisher
};

}  // namespace

std::string headline_of(const nlohmann::json& counts) {
  const auto human = [&](const char* count) { return harness::human(counts.value(count, 0.0)); };
  return fmt::format("{} reads, {} publishes, {} tenures, {} ids, {} kills{}",
                     human("snapshot_reads"), human("publishes"), human("acquires"),
                     human("txn_ids"), counts.value("kills", std::uint64_t{0}),
                     under_tsan() ? ", watched by TSan" : "");
}

bool thin(std::vector<nlohmann::json>& rows) {
  if (rows.size() < 120) return false;
  std::vector<nlohmann::json> thinned;
  for (std::size_t i = 0; i < rows.size(); i += 2) thinned.push_back(std::move(rows[i]));
  rows = std::move(thinned);
  return true;
}

std::vector<std::string> unreached(const RunConfig& config,
                                   const std::function<std::uint64_t(std::string_view)>& count) {
  std::vector<std::string> missing;
  const WorkerConfig& worker = config.worker;
  for (const Role& role : worker.roles) {
    for (const Want& want : role.wants) {
      const bool due = role.threads > 0 && count("kills") >= want.kills &&
                       count("stops") >= want.stops && (!want.perturbed || worker.perturb != 0) &&
                       (want.with.empty() || worker.role(want.with).threads > 0);
      if (due && count(want.count) == 0) {
        missing.push_back(fmt::format("{}: 0, expected at least 1", want.count));
      }
    }
  }
  if (config.seconds * config.chaos_rate > 100) {
    if (config.kill && count("kills") == 0) missing.emplace_back("no worker was killed");
    if (config.exec && count("execs") == 0) missing.emplace_back("no worker called exec");
    if (config.stop && count("stops") == 0) missing.emplace_back("no worker was stopped");
  }
  return missing;
}

void judge_wants(const RunConfig& config, Result& result) {
  // Who stops at what it finds has not reached the rest.
  const bool stopped = config.until != Until::kTime && !result.findings.empty();
  if (stopped || result.exit_code() != harness::kExitClean ||
      result.details.value("interrupted", false)) {
    return;
  }
  const auto count = [&](std::string_view name) {
    return result.counts.value(std::string(name), std::uint64_t{0});
  };
  for (std::string& title : unreached(config, count)) {
    result.findings.push_back({.severity = "vacuous",
                               .property = "reaches what it exists for",
                               .title = std::move(title),
                               .file = "stress/runner.cc"});
  }
}

void run_workers(const RunConfig& config, const WorkerConfig& worker, ControlBlock& control,
                 RunSubject& subject, Result& result) {
  Runner(config, worker, control, subject, result).run();
}

}  // namespace fsqlshm::stress

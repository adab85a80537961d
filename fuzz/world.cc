#include "fuzz/world.h"

#include <algorithm>
#include <cstdio>

#include "fuzz/facts.h"
#include "fuzz/stats.h"
#include "harness/describe.h"

namespace fsqlshm::fuzz {
namespace {

// What libFuzzer counts besides edges: which step was held up by which other. A pair that is new
// makes an input worth keeping, so the corpus grows towards new interleavings.
#if defined(__linux__)
[[gnu::section("__libfuzzer_extra_counters"), gnu::used]]
#endif
std::array<std::uint8_t, 1 << 12> g_pairs{};

Counter g_schedules("schedules");
Counter g_acquired("acquired");
Counter g_refused("refused");
Counter g_released("released");
Counter g_lost("owner_had_lost_it");
Counter g_cleared("cleared_a_stale_writer");
Counter g_cleared_by_name("cleared_by_name");
Counter g_unknown("acquired_without_a_name");
Counter g_busy("busy");
Counter g_deaths_in_op("deaths_in_an_operation");
Counter g_preempted("preemptions_in_an_operation");
Counter g_read_refused("torn_reads_refused");
Counter g_lock_waits("waited_for_the_publication_lock");
Counter g_ignored("ignored_violations");

std::array<harness::Fiber, kMaxThreads>& fibers() {
  static std::array<harness::Fiber, kMaxThreads> pool;
  return pool;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string thread_text(std::size_t thread, std::uint8_t process) {
  if (thread == World::kRecovery) return "recovery  ";
  return "t" + number(thread) + " (pid " + number(std::uint64_t{100} + process) + ")";
}

// An operation on the writer looks again only after another thread's change; nothing changes so
// often.
constexpr unsigned kMostStepsOfCall = 6400;

std::string place(const std::source_location& where) {
  return std::string(harness::source_name(where.file_name())) + ":" + number(where.line());
}

// One row of the trace. Not inline: AddressSanitizer would make a frame for the texts at every step.
[[gnu::cold, gnu::noinline]] void trace_step(World& world, harness::Access access, Field field,
                                             std::uint64_t old_value, std::uint64_t new_value,
                                             bool success, std::source_location where) {
  using harness::Access;
  const auto value = [&](std::uint64_t v) { return harness::describe(field, v).str(); };
  const bool writes = access != Access::kLoad && success;
  const std::string_view what = access == Access::kLoad       ? "load  "
                                : access == Access::kStore    ? "store "
                                : access == Access::kFetchAdd ? "add   "
                                : success                     ? "cas   "
                                                              : "cas fails ";
  world.remark("  " + std::string(what) + std::string(field_name(field)) + ": " + value(old_value) +
               (writes ? " -> " + value(new_value) : "") + "  [" + place(where) + "]");
}

}  // namespace

World::World(const ScheduleInput& input, const WorldOptions& options, std::string* trace)
    : Execution(true, trace != nullptr), input_(input), options_(options), trace_(trace) {
  process_alive_.fill(true);
  for (std::size_t t = 0; t < kMaxThreads; ++t) {
    threads_[t].process = input_.process[t];
    threads_[t].run = t < input_.threads ? Run::kReady : Run::kFinished;
  }
}

harness::WordValues World::first_values() noexcept {
  const ShmSnapshot first = harness::triple(0);
  harness::WordValues values{};
  values[atomic_index(Field::kNextTxnId)] = 1;
  values[atomic_index(Field::kCommitSeq)] = first.commit_seq.get();
  values[atomic_index(Field::kSchemaEpoch)] = first.schema_epoch.get();
  values[atomic_index(Field::kEcsEpoch)] = first.ecs_epoch;
  return values;
}

ProcessIdentity World::identity(std::uint8_t process) noexcept {
  return {.pid = std::uint32_t{100} + process, .birth = kKnownBirth | (5000U + process)};
}

bool World::alive(std::uint32_t pid, std::uint64_t birth) {
  for (std::size_t process = 0; process < process_alive_.size(); ++process) {
    const ProcessIdentity one = identity(static_cast<std::uint8_t>(process));
    if (one == ProcessIdentity{pid, birth}) return process_alive_[process];
  }
  return true;  // no process of this world: cannot tell
}

// --- scheduling ----------------------------------------------------------------------------------

std::optional<Failure> World::run(Bytes decisions, harness::JudgedHeader& header,
                                  const harness::PlainWords& words) {
  g_schedules.add();
  header_ = &header;
  words_ = &words;
  header.writer().reset({.strict = options_.strict, .honest_busy = true});
  header.snapshot().reset(true, options_.publication_lock);
  for (std::size_t t = 0; t < input_.threads; ++t) {
    fibers()[t].start([this, t] { thread_main(t); });
  }
  for (const std::uint8_t byte : decisions) {
    if (failure_) break;
    play(decode_decision(byte));
  }
  // The threads that are left run to the end; two rounds more for those that wait for the lock.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t t = 0; t < input_.threads; ++t) {
      while (!failure_ && can_run(t)) run_thread(t, 1 << 20);
    }
  }
  const std::optional<Failure> violation = failure_;
  std::string* const trace = trace_;
  if (violation) trace_ = nullptr;  // what follows is only tidying up
  for (std::uint8_t process = 0; process < kMaxThreads; ++process) kill(process);
  failure_ = violation;
  trace_ = trace;
  if (!failure_) recover();
  return failure_;
}

void World::thread_main(std::size_t thread) {
  try {
    for (const Op op : input_.ops[thread]) {
      if (op == Op::kNothing) continue;
      // Between two operations others may run, too: this is when an owner owns.
      wait_for_turn(static_cast<std::uint32_t>(op));
      perform(op);
    }
  } catch (const Killed&) {
    header_->writer().thread_dies();
  }
  threads_[thread].in_writer_op = false;
  threads_[thread].run = Run::kFinished;
}

bool World::can_run(std::size_t thread) const noexcept {
  const Thread& t = threads_[thread];
  return t.run == Run::kReady || (t.run == Run::kWaitsForLock && lock_holder_ == kNobody);
}

void World::play(const Decision& decision) {
  switch (decision.kind) {
    case Decision::kTimePasses:
      pass_time();
      return;
    case Decision::kKill:
      if (decision.thread < input_.threads) kill(threads_[decision.thread].process);
      return;
    case Decision::kRun:
      for (std::size_t i = 0; i < input_.threads; ++i) {
        const std::size_t thread = (decision.thread + i) % input_.threads;
        if (!can_run(thread)) continue;
        run_thread(thread, decision.steps);
        return;
      }
  }
}

void World::run_thread(std::size_t thread, int steps) {
  if (thread != current_ && threads_[current_].run != Run::kFinished) {
    // Which step waits while which other is taken.
    const std::uint32_t pair = threads_[current_].site * 61 + threads_[thread].site;
    std::uint8_t& counter = g_pairs[pair % g_pairs.size()];
    if (counter != 255) ++counter;
    if (threads_[current_].in_writer_op) g_preempted.add();
  }
  current_ = thread;
  threads_[thread].run = Run::kReady;
  budget_ = steps;
  fibers()[thread].resume();
}

void World::wait_for_turn(std::uint32_t site) {
  if (failure_) throw Killed{};
  if (current_ == kRecovery) return;
  const std::size_t thread = current_;
  threads_[thread].site = site;
  if (threads_[thread].killed) throw Killed{};
  if (budget_ == 0) fibers()[thread].suspend();
  if (threads_[thread].killed || failure_) throw Killed{};
  --budget_;
}

void World::kill(std::uint8_t process) {
  if (!process_alive_[process]) return;
  process_alive_[process] = false;
  if (trace_ != nullptr) note("pid " + number(std::uint64_t{100} + process) + " dies", false);
  for (std::size_t t = 0; t < input_.threads; ++t) {
    if (threads_[t].process != process || threads_[t].run == Run::kFinished) continue;
    if (threads_[t].in_writer_op) g_deaths_in_op.add();
    if (lock_holder_ == t) lock_holder_ = kNobody;
    threads_[t].killed = true;
    current_ = t;
    budget_ = 0;
    fibers()[t].resume();
  }
}

void World::pass_time() {
  now_ += kLeaseSeconds;
  if (trace_ != nullptr) {
    note(number(kLeaseSeconds) + " seconds pass, it is " + number(now_), false);
  }
}

// P4 beyond the check: the header is of use again.
void World::expect(bool holds, std::string_view rule) {
  if (!holds) violated({.property = harness::kP4, .rule = rule, .detail = {}, .defect = {}});
}

void World::recover() {
  pass_time();
  current_ = kRecovery;
  threads_[kRecovery] = {};
  try {
    if (!header_->repair(now_)) return;
    perform(Op::kAcquireLeased);
    expect(last_bool_, "after a check that answered ok, an acquire fails");
    if (!last_bool_) return;
    perform(Op::kRelease);
    expect(last_bool_, "after the recovery, a release fails");
    header_->writer().at_rest();
    expect(newest(Field::kSerializedWriterTxnId) == 0, "after the recovery, it is not free");
    perform(Op::kReconcile);
    perform(Op::kReadSnapshot);
    expect(last_snapshot_.has_value(), "after a reconcile, the snapshot cannot be read");
    perform(Op::kAlloc);
  } catch (const Killed&) {  // NOLINT(bugprone-empty-catch): a violation ended the recovery
  }
}

// --- the seam ------------------------------------------------------------------------------------

void World::before(Field field, std::source_location where) {
  wait_for_turn(where.line() * 16 + static_cast<std::uint32_t>(atomic_index(field)) + 16);
  Thread& t = threads_[current_];
  ++t.steps;
  const bool endless = t.in_writer_op && t.steps - t.first_step > kMostStepsOfCall;
  if (endless) expect(false, "an operation on the writer does not come to its end");
  if (endless || !progress_.step(current_)) throw Killed{};
}

void World::refuse_orders(std::source_location where) {
  violated({.property = "undefined behaviour",
            .rule = "an operation names an order that it cannot have",
            .detail = place(where),
            .defect = {}});
  throw Killed{};
}

void World::after(harness::Access access, Field field, std::uint64_t old_value,
                  std::uint64_t new_value, bool success, std::source_location where) {
  threads_[current_].observed[atomic_index(field)] = new_value;
  if (recording()) trace_step(*this, access, field, old_value, new_value, success, where);
  if (old_value == new_value) return;
  progress_.wrote(current_);
  header_->wrote(field, old_value, new_value);
}

// --- properties ----------------------------------------------------------------------------------

void World::violated(const harness::Violation& violation) {
  if (failure_) return;
  if (!options_.only.empty() && options_.only != violation.defect) {
    g_ignored.add();
    return;
  }
  failure_ =
      Failure{.property = std::string(violation.property) + ": " + std::string(violation.rule),
              .detail = std::string(violation.detail),
              .defect = violation.defect};
  note("*** " + title(*failure_));
}

// --- operations ----------------------------------------------------------------------------------

void World::perform(Op op) {
  Thread& thread = threads_[current_];
  thread.first_step = thread.steps;
  thread.in_writer_op = op >= Op::kAcquire && op <= Op::kClear && op != Op::kCheck;
  progress_.call_begins(current_);
  switch (op) {
    case Op::kNothing:
      break;
    case Op::kAcquire:
      acquire(thread, 0);
      break;
    case Op::kAcquireLeased:
      acquire(thread, now_ + kLeaseSeconds);
      break;
    case Op::kRelease:
      if (thread.last_id == 0) break;
      last_bool_ = header_->release(thread.last_id);
      (last_bool_ ? g_released : g_lost).add();
      break;
    case Op::kCheck:
      header_->look();
      break;
    case Op::kCheckExclusion:
      check_exclusion(harness::Liveness::kGuess);
      break;
    case Op::kCheckCertainly:
      check_exclusion(harness::Liveness::kCertain);
      break;
    case Op::kClear:
      clear();
      break;
    case Op::kPublish:
    case Op::kReconcile:
      publish(thread, op == Op::kReconcile);
      break;
    case Op::kReadSnapshot:
      read_snapshot(thread);
      break;
    case Op::kAlloc:
      header_->alloc();
      break;
  }
  thread.in_writer_op = false;
}

void World::acquire(Thread& thread, std::uint64_t lease) {
  using harness::Named;
  const Named named = current_ == kRecovery ? Named::kWhole : input_.named[current_];
  thread.last_id = next_id_++;
  last_bool_ = header_->acquire(thread.last_id, process(), harness::as_named(self(), named), lease);
  (last_bool_ ? g_acquired : g_refused).add();
  if (last_bool_ && named != Named::kWhole) g_unknown.add();
}

void World::check_exclusion(harness::Liveness liveness) {
  const auto cleared = [this] {
    return header_->writer().evictions() + header_->writer().takeovers();
  };
  const unsigned before = cleared();
  if (header_->check(now_, liveness) == Exclusion::kBusy) g_busy.add();
  if (cleared() > before) g_cleared.add();
}

// By one who knows of the death. What is there may be another's when the call begins; a claim or cleaning
// that names nobody might look the same, so that nobody can know whose it is.
void World::clear() {
  const std::uint64_t state = newest(Field::kSerializedWriterTxnId);
  harness::WriterOracle& writer = header_->writer();
  if (!writer.left_by_the_dead()) return;
  if (!TxnId::in_domain(state) && writer.left_by_the_unknown()) return;
  if (header_->clear(state)) g_cleared_by_name.add();
}

// Not inline: AddressSanitizer would make a frame for the snapshot in every operation.
[[gnu::noinline]] void World::read_snapshot(const Thread& thread) {
  note("reads the snapshot");
  last_snapshot_ = header_->try_load(2);
  // More than one attempt, or none that succeeded.
  if (thread.steps - thread.first_step > 5 || !last_snapshot_) g_read_refused.add();
}

// Under the publication lock.
void World::publish(Thread& thread, bool reconcile) {
  while (options_.publication_lock && lock_holder_ != kNobody) {
    g_lock_waits.add();
    thread.run = Run::kWaitsForLock;
    fibers()[current_].suspend();
    if (thread.killed || failure_) throw Killed{};
  }
  lock_holder_ = current_;
  if (reconcile) {
    header_->reconcile(++publishes_);
  } else {
    header_->publish(++publishes_);
  }
  if (lock_holder_ == current_) lock_holder_ = kNobody;
}

// --- the trace -----------------------------------------------------------------------------------

void World::note(std::string_view line, bool of_thread) {
  if (trace_ == nullptr) return;
  *trace_ += of_thread ? thread_text(current_, process_of(current_)) + "  " : "             ";
  *trace_ += line;
  *trace_ += '\n';
}

void World::remark(std::string_view text) { note(text); }

}  // namespace fsqlshm::fuzz

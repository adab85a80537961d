#include "fuzz/world.h"

#include <algorithm>
#include <cstdio>

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
Counter g_busy("busy");
Counter g_deaths_in_op("deaths_in_an_operation");
Counter g_preempted("preemptions_in_an_operation");
Counter g_read_refused("torn_reads_refused");
Counter g_lock_waits("waited_for_the_publication_lock");
Counter g_ignored("ignored_violations");

std::array<Fiber, kMaxThreads>& fibers() {
  static std::array<Fiber, kMaxThreads> pool;
  return pool;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string word_text(Field field, std::uint64_t value) {
  return harness::describe(field, value).str();
}

std::string thread_text(std::size_t thread, std::uint8_t process) {
  if (thread == World::kRecovery) return "recovery  ";
  return "t" + number(thread) + " (pid " + number(std::uint64_t{100} + process) + ")";
}

ShmSnapshot triple(std::uint64_t publish) {
  return {CommitSeq(publish), SchemaEpoch(3 * publish), 7 * publish};
}

}  // namespace

World::World(const Scenario& scenario, const WorldOptions& options, std::string* trace)
    : scenario_(scenario), options_(options), trace_(trace) {
  words_[kNextId] = 1;
  process_alive_.fill(true);
  for (std::size_t t = 0; t < kMaxThreads; ++t) {
    threads_[t].process = scenario_.process[t];
    threads_[t].run = t < scenario_.threads ? Run::kReady : Run::kFinished;
  }
}

ProcessIdentity World::identity(std::uint8_t process) noexcept {
  return {.pid = std::uint32_t{100} + process, .birth = kKnownBirth | (5000U + process)};
}

bool World::alive(std::uint32_t pid, std::uint64_t birth) const noexcept {
  for (std::uint8_t process = 0; process < process_alive_.size(); ++process) {
    if (identity(process) == ProcessIdentity{pid, birth}) return process_alive_[process];
  }
  return true;  // nobody we know: cannot tell
}

// --- scheduling ----------------------------------------------------------------------------------

std::optional<Failure> World::run(Bytes decisions, Execute execute, void* context) {
  g_schedules.add();
  execute_ = execute;
  context_ = context;
  for (std::size_t t = 0; t < scenario_.threads; ++t) {
    fibers()[t].start([this, t] { thread_main(t); });
  }
  for (const std::uint8_t byte : decisions) {
    if (failure_) break;
    play(decode_decision(byte));
  }
  // Whoever is left runs to the end; two rounds more for those that wait for the lock.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t t = 0; t < scenario_.threads; ++t) {
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
    for (const Op op : scenario_.ops[thread]) {
      if (op == Op::kNothing) continue;
      // Between two operations others may run, too: this is when an owner owns.
      wait_for_turn(static_cast<std::uint32_t>(op));
      execute_(context_, thread, op);
    }
  } catch (const Killed&) {
  }
  threads_[thread].in_writer_op = false;
  threads_[thread].run = Run::kFinished;
}

bool World::can_run(std::size_t thread) const noexcept {
  const Thread& t = threads_[thread];
  return t.run == Run::kReady || (t.run == Run::kWaitsForLock && lock_holder_ == kMaxThreads + 1);
}

void World::play(const Decision& decision) {
  switch (decision.kind) {
    case Decision::kTimePasses:
      pass_time();
      return;
    case Decision::kKill:
      if (decision.thread < scenario_.threads) kill(threads_[decision.thread].process);
      return;
    case Decision::kRun:
      for (std::size_t i = 0; i < scenario_.threads; ++i) {
        const std::size_t thread = (decision.thread + i) % scenario_.threads;
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
  if (trace_ != nullptr) note("pid " + number(std::uint64_t{100} + process) + " dies");
  if (holder_.serial != 0 && threads_[holder_.thread].process == process) holder_ = {};
  for (std::size_t t = 0; t < scenario_.threads; ++t) {
    if (threads_[t].process != process || threads_[t].run == Run::kFinished) continue;
    if (threads_[t].in_writer_op) g_deaths_in_op.add();
    if (lock_holder_ == t) lock_holder_ = kMaxThreads + 1;
    threads_[t].killed = true;
    current_ = t;
    budget_ = 0;
    fibers()[t].resume();
  }
}

void World::pass_time() {
  now_ += 31;
  if (trace_ != nullptr) note("31 seconds pass, it is " + number(now_));
  if (holder_.serial != 0 && lease_is_out(holder_.lease)) holder_ = {};
}

void World::recover() {
  pass_time();
  current_ = kRecovery;
  threads_[kRecovery] = {};
  const auto run = [this](Op op) { execute_(context_, kRecovery, op); };
  try {
    run(Op::kCheckExclusion);
    if (last_exclusion_ != Exclusion::kOk) {
      const bool no_trace =
          words_[kLease] == 0 && ((words_[kPidGen] & 0xffffffff) == 0 || words_[kBirth] == 0);
      violate(writer() >> 62 == 0 && no_trace ? "D2" : "",
              "P4 crash: a dead writer locks everybody out for good",
              "writer " + word_text(Field::kSerializedWriterTxnId, writer()) + ", " +
                  word_text(Field::kSerializedWriterPidAndGen, words_[kPidGen]) + ", birth " +
                  number(words_[kBirth]) + ", lease " + number(words_[kLease]));
      return;
    }
    run(Op::kAcquireLeased);
    if (!last_bool_) {
      violate("", "P4 crash: after a check that answered ok, an acquire fails");
      return;
    }
    run(Op::kRelease);
    if (!last_bool_) violate("", "P4 crash: after the recovery, a release fails");
    check_free(true);
    if (writer() != 0) violate("", "P4 crash: after the recovery, the indicator is not free");
    run(Op::kPublish);  // what reconcile does
    run(Op::kReadSnapshot);
    if (!last_snapshot_) violate("", "P4 crash: after a reconcile, the snapshot cannot be read");
    run(Op::kAlloc);
  } catch (const Killed&) {
    // A violation ended the recovery.
  }
}

// --- the seam ------------------------------------------------------------------------------------

void World::before_access(Field field, std::source_location where) {
  wait_for_turn(where.line() * 16 + static_cast<std::uint32_t>(atomic_index(field)) + 16);
  Thread& t = threads_[current_];
  ++t.steps;
  if (++t.steps_alone > kStepsAlone || (t.in_writer_op && t.steps > 100 * kStepsAlone)) {
    violate("", "P6 progress: an operation runs on although nobody gets in its way",
            std::string(where.file_name()) + ":" + number(where.line()));
    throw Killed{};
  }
}

std::uint64_t World::load(Field field, std::source_location where) {
  before_access(field, where);
  const std::uint64_t value = word(field);
  note_access(Access::kLoad, field, value, value, true, where);
  return value;
}

void World::store(Field field, std::uint64_t value, std::source_location where) {
  before_access(field, where);
  const std::uint64_t before = word(field);
  word(field) = value;
  note_access(Access::kStore, field, before, value, true, where);
  after_write(field, before, value);
}

bool World::compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                             std::source_location where) {
  before_access(field, where);
  const std::uint64_t before = word(field);
  const bool done = before == expected;
  note_access(Access::kCompareExchange, field, before, desired, done, where);
  if (!done) {
    expected = before;
    return false;
  }
  word(field) = desired;
  after_write(field, before, desired);
  return true;
}

std::uint64_t World::fetch_add(Field field, std::uint64_t addend, std::source_location where) {
  before_access(field, where);
  const std::uint64_t before = word(field);
  word(field) = before + addend;
  note_access(Access::kFetchAdd, field, before, before + addend, true, where);
  after_write(field, before, before + addend);
  return before;
}

void World::misuse(const char* what, std::source_location where) {
  violate("", std::string("undefined behaviour: ") + what,
          std::string(where.file_name()) + ":" + number(where.line()));
  throw Killed{};
}

void World::after_write(Field field, std::uint64_t before, std::uint64_t after) {
  if (before != after) {
    for (std::size_t t = 0; t < kMaxThreads; ++t) {
      if (t != current_) threads_[t].steps_alone = 0;
    }
  }
  ++threads_[current_].writes;
  if (holder_.serial != 0 && field >= Field::kSerializedWriterTxnId && !words_are(holder_)) {
    holder_ = {};  // said once is enough, should it be ignored
  }
  if (options_.free_is_always_clean) check_free(false);
}

// --- properties ----------------------------------------------------------------------------------

void World::violate(std::string_view defect, std::string property, std::string detail) {
  if (failure_) return;
  if (!options_.only.empty() && options_.only != defect) {
    g_ignored.add();
    return;
  }
  if (trace_ != nullptr)
    note("*** " + (defect.empty() ? "" : std::string(defect) + ": ") + property);
  failure_ = Failure{
      .property = std::move(property), .detail = std::move(detail), .defect = std::string(defect)};
}

// P2, and what broke it: a late clear of the pid is D4, of birth and lease D3; an id that is gone
// was taken by a check that judged a claimer by other words than its own, D5.
bool World::words_are(const Tenure& tenure) {
  struct Expected {
    Field field;
    std::uint64_t value;
    std::string_view defect;
  };
  const Expected all[] = {
      {Field::kSerializedWriterTxnId, tenure.id, "D5"},
      {Field::kSerializedWriterPidAndGen, tenure.pid_and_gen, "D4"},
      {Field::kSerializedWriterPidBirth, tenure.birth, "D3"},
      {Field::kSerializedWriterLeaseExpiry, tenure.lease, "D3"},
  };
  for (const Expected& expected : all) {
    const std::uint64_t found = word(expected.field);
    if (found == expected.value) continue;
    violate(expected.defect,
            "P2 integrity: " + std::string(field_name(expected.field)) +
                " is not its live owner's any more",
            "owner " + number(tenure.id) + " in thread " + number(tenure.thread) + ": expected " +
                word_text(expected.field, expected.value) + ", found " +
                word_text(expected.field, found) + " after a step of thread " + number(current_));
    return false;
  }
  return true;
}

void World::check_free(bool at_rest) {
  if (writer() != 0 || (words_[kPidGen] | words_[kBirth] | words_[kLease]) == 0) return;
  if (!at_rest && !options_.free_is_always_clean) {
    for (const Thread& t : threads_) {
      if (t.in_writer_op) return;
    }
  }
  violate("", "P3 quiescence: a free indicator has leftovers",
          word_text(Field::kSerializedWriterPidAndGen, words_[kPidGen]) + ", birth " +
              number(words_[kBirth]) + ", lease " + number(words_[kLease]));
}

void World::start_op(bool writer_op) {
  Thread& t = threads_[current_];
  t.in_writer_op = writer_op;
  t.steps = 0;
  t.steps_alone = 0;
  t.writes = 0;
}

World::Acquire World::begin_acquire(bool leased) {
  start_op(true);
  Thread& t = threads_[current_];
  t.last_id = next_id_++;
  t.lease = leased ? now_ + kLeaseSeconds : 0;
  if (trace_ != nullptr) note("acquires as " + number(t.last_id) + ", lease " + number(t.lease));
  return {.id = t.last_id, .who = self(), .lease = t.lease};
}

void World::end_acquire(const Acquire& acquire, bool acquired) {
  Thread& t = threads_[current_];
  t.in_writer_op = false;
  last_bool_ = acquired;
  if (trace_ != nullptr) note(acquired ? "has acquired" : "has not acquired");
  if (t.steps > kStepsOfWriter) violate("", "P6 progress: an acquire takes too many steps");
  (acquired ? g_acquired : g_refused).add();
  if (!acquired) {
    check_free(false);
    return;
  }
  if (lease_is_out(acquire.lease)) return;  // over before it began
  if (holder_.serial != 0) {
    violate("", "P1 exclusion: two live owners at the same time",
            number(holder_.id) + " and " + number(acquire.id));
    return;
  }
  const std::uint64_t generation = words_[kPidGen] >> 32 << 32;
  const Tenure tenure = {.serial = ++tenures_,
                         .thread = current_,
                         .id = acquire.id,
                         .pid_and_gen = generation | acquire.who.pid,
                         .birth = acquire.who.birth,
                         .lease = acquire.lease};
  if (words_are(tenure)) holder_ = tenure;
}

std::uint64_t World::begin_release() {
  start_op(true);
  Thread& t = threads_[current_];
  t.id_was_there = t.last_id != 0 && writer() == t.last_id;
  t.held = holder_.serial != 0 && holder_.thread == current_ && holder_.id == t.last_id;
  if (t.held) holder_ = {};
  if (t.last_id == 0) t.in_writer_op = false;
  if (trace_ != nullptr && t.last_id != 0) note("releases " + number(t.last_id));
  return t.last_id;
}

void World::end_release(bool released) {
  Thread& t = threads_[current_];
  t.in_writer_op = false;
  last_bool_ = released;
  if (trace_ != nullptr) note(released ? "has released" : "was not the owner any more");
  if (t.steps > kStepsOfWriter) violate("", "P6 progress: a release takes too many steps");
  (released ? g_released : g_lost).add();
  if (!t.id_was_there && released) {
    violate("", "P5 eviction: release answers true although the id was gone before it began");
  }
  if (!t.id_was_there && t.writes != 0) {
    violate("", "P5 eviction: the release of an owner that lost the indicator writes to it");
  }
  if (t.held && !released && !lease_is_out(t.lease)) {
    violate("", "P5 eviction: release answers false to the live owner");
  }
  check_free(false);
}

std::uint64_t World::begin_check_exclusion() {
  start_op(true);
  threads_[current_].seen_tenure = holder_.serial;
  if (trace_ != nullptr) note("checks for a writer, at time " + number(now_));
  return now_;
}

void World::end_check_exclusion(Exclusion exclusion) {
  Thread& t = threads_[current_];
  t.in_writer_op = false;
  last_exclusion_ = exclusion;
  const bool ok = exclusion == Exclusion::kOk;
  if (trace_ != nullptr) note(ok ? "may proceed" : "finds a live writer");
  if (!ok) g_busy.add();
  if (ok && t.writes != 0) g_cleared.add();
  if (ok && t.seen_tenure != 0 && t.seen_tenure == holder_.serial) {
    violate("", "P1 exclusion: a check answers ok while a live owner holds the indicator");
  }
  check_free(false);
}

void World::begin_check() {
  start_op(false);
  threads_[current_].seen_tenure = holder_.serial;
}

void World::end_check(std::optional<TxnId> id) {
  const Thread& t = threads_[current_];
  if (trace_ != nullptr) note(id ? "sees writer " + number(id->get()) : "sees no writer");
  if (t.seen_tenure != 0 && t.seen_tenure == holder_.serial && (!id || id->get() != holder_.id)) {
    violate("", "P2 integrity: check_serialized_writer does not see the live owner");
  }
}

ShmSnapshot World::begin_publish() {
  start_op(false);
  const std::size_t nobody = kMaxThreads + 1;
  while (options_.publication_lock && lock_holder_ != nobody) {
    g_lock_waits.add();
    threads_[current_].run = Run::kWaitsForLock;
    fibers()[current_].suspend();
    if (threads_[current_].killed || failure_) throw Killed{};
  }
  lock_holder_ = current_;
  const std::uint64_t publish = ++publishes_begun_;
  threads_[current_].seen_number = publish;
  if (trace_ != nullptr) note("publishes triple " + number(publish));
  return triple(publish);
}

void World::end_publish() {
  publishes_done_ = std::max(publishes_done_, threads_[current_].seen_number);
  if (lock_holder_ == current_) lock_holder_ = kMaxThreads + 1;
  if (trace_ != nullptr) note("has published");
  if (options_.publication_lock && words_[kSeq] % 2 != 0) {
    violate("", "S1 snapshot: the sequence number is odd after a publish");
  }
}

void World::begin_read() {
  start_op(false);
  threads_[current_].seen_number = publishes_done_;
  if (trace_ != nullptr) note("reads the snapshot");
}

void World::end_read(const std::optional<ShmSnapshot>& snapshot) {
  last_snapshot_ = snapshot;
  // More than one attempt, or none that succeeded.
  if (threads_[current_].steps > 5 || !snapshot) g_read_refused.add();
  if (!snapshot) {
    if (trace_ != nullptr) note("gets none");
    return;
  }
  const std::uint64_t publish = snapshot->commit_seq.get();
  if (trace_ != nullptr) note("gets triple " + number(publish));
  const std::string values = number(publish) + ", " + number(snapshot->schema_epoch.get()) + ", " +
                             number(snapshot->ecs_epoch);
  if (*snapshot != triple(publish) || publish > publishes_begun_) {
    violate(options_.publication_lock ? "" : "D1", "S2 snapshot: a torn triple is read", values);
  } else if (options_.publication_lock && publish < threads_[current_].seen_number) {
    violate("", "S3 snapshot: a read goes back behind a finished publish", values);
  }
}

void World::begin_alloc() {
  start_op(false);
  threads_[current_].seen_number = ids_handed_out_;
}

void World::end_alloc(std::optional<TxnId> id) {
  if (!id) {
    violate("", "ids: there are plenty, and none is handed out");
    return;
  }
  const std::uint64_t raw = id->get();
  if (trace_ != nullptr) note("gets id " + number(raw));
  if (raw <= threads_[current_].seen_number) {
    violate("", "ids: not larger than one that was handed out before the call", number(raw));
  }
  if (raw < id_seen_.size()) {
    if (id_seen_[raw]) violate("", "ids: handed out twice", number(raw));
    id_seen_[raw] = true;
  }
  ids_handed_out_ = std::max(ids_handed_out_, raw);
}

// --- the trace -----------------------------------------------------------------------------------

void World::note(const std::string& line) {
  const bool of_nobody = line.starts_with("pid ") || line.starts_with("31 ");
  *trace_ += of_nobody ? "             " : thread_text(current_, process_of(current_)) + "  ";
  *trace_ += line + "\n";
}

void World::note_access(Access access, Field field, std::uint64_t before, std::uint64_t after,
                        bool done, std::source_location where) {
  if (trace_ == nullptr) return;
  std::string text = "  ";
  switch (access) {
    case Access::kLoad:
      text += "load  ";
      break;
    case Access::kStore:
      text += "store ";
      break;
    case Access::kCompareExchange:
      text += done ? "cas   " : "cas fails ";
      break;
    case Access::kFetchAdd:
      text += "add   ";
      break;
  }
  text += std::string(field_name(field)) + ": " + word_text(field, before);
  if (access != Access::kLoad && done) text += " -> " + word_text(field, after);
  std::string_view file = where.file_name();
  if (const std::size_t at = file.rfind("fsqlshm/"); at != std::string_view::npos) {
    file.remove_prefix(at + 8);
  }
  text += "  [" + std::string(file) + ":" + number(where.line()) + "]";
  ++step_number_;
  note(text);
}

}  // namespace fsqlshm::fuzz

// What the threads of a worker do, role by role, and how each of their results is judged.

#ifndef FSQLSHM_STRESS_ROLES_H_
#define FSQLSHM_STRESS_ROLES_H_

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "fsqlshm/writer_words.h"
#include "harness/random.h"
#include "stress/control_block.h"
#include "stress/seams.h"
#include "stress/worker.h"

namespace fsqlshm::stress {

/// The word of `bytes` at a byte offset.
[[nodiscard]] inline std::uint64_t word_at(const HeaderBytes& bytes, std::size_t offset) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + offset, sizeof(word));
  return word;
}

template <class Protocol, Words W>
class RoleThread {
 public:
  using File = BasicShmFile<Protocol, W>;

  RoleThread(const WorkerConfig& config, ControlBlock& control, const File& file,
             PublicationLock& gc_lock, std::size_t worker, std::uint64_t incarnation,
             std::size_t thread, Role role)
      : config_(config),
        control_(control),
        state_(control.threads[worker][thread]),
        file_(file),
        layout_(file.layout()),
        gc_lock_(gc_lock),
        worker_(worker),
        incarnation_(incarnation),
        thread_(thread),
        role_(role),
        random_(mix(config.seed) ^ mix(worker << 40 | thread << 32 | incarnation)),
        self_(this_process()) {}

  void operator()() {
    Perturbation::random = Random(random_.next());
    Perturbation::one_in = config_.perturb;
    state_.role.store(static_cast<std::uint64_t>(role_), std::memory_order_relaxed);
    record(Event::kStarted, incarnation_);
    while (!stopped()) {
      switch (role_) {
        case Role::kPublisher:
          publish();
          break;
        case Role::kReader:
          read();
          break;
        case Role::kWriter:
          write_serialized();
          break;
        case Role::kChecker:
          check();
          break;
        case Role::kAllocator:
          allocate();
          break;
        case Role::kGcMover:
          move_gc();
          break;
        case Role::kOpener:
          reopen();
          break;
        case Role::kInspector:
          inspect();
          break;
      }
    }
  }

 private:
  [[nodiscard]] bool stopped() const { return control_.stop.load(std::memory_order_relaxed) != 0; }

  void record(Event event, std::uint64_t a = 0, std::uint64_t b = 0) {
    state_.events.record(event, a, b);
  }

  // The first violation ends the run, so that the last events are those that led to it.
  void violation(Check check, std::array<std::uint64_t, 4> values) {
    control_.violations.report({check, worker_, incarnation_, thread_, now_ns(), values});
    control_.stop.store(1);
  }

  static void sleep_ns(std::uint64_t ns) {
    const timespec span = {.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
                           .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
    ::nanosleep(&span, nullptr);
  }

  // --- Publisher ---------------------------------------------------------------------------------

  // When publish number n is due.
  [[nodiscard]] std::uint64_t due_ns(std::uint64_t n) const {
    if (config_.publish_rate == 0) return 0;
    return control_.clock.start_ns + n * (1'000'000'000 / config_.publish_rate);
  }

  void publish() {
    const std::uint64_t now = now_ns();
    const std::uint64_t due = due_ns(control_.snapshot.next());
    if (due > now) {
      sleep_ns(std::min<std::uint64_t>(due - now, 10'000'000));
      return;
    }
    auto guard = file_.try_lock_publication_for(std::chrono::milliseconds(20));
    if (!guard) {
      violation(Check::kPublishRefused,
                {control_.snapshot.next(), static_cast<std::uint64_t>(guard.error().code())});
      return;
    }
    if (!*guard) {
      state_.add(Counter::kLockBusy);
      return;
    }
    const std::uint64_t me = (worker_ + 1) << 48 | incarnation_;
    const std::uint64_t other = control_.publisher.exchange(me);
    // Somebody who died with the lock in hand leaves the name behind.
    if (other != 0 &&
        !control_.kills.killed((other >> 48) - 1, other & kIncarnationMask, now_ns())) {
      violation(Check::kTwoPublishers, {(other >> 48) - 1, other & kIncarnationMask});
    }
    const std::uint64_t batch = 1 + random_.below(config_.publish_rate == 0 ? 256 : 8);
    for (std::uint64_t i = 0; i < batch && !stopped(); ++i) {
      const std::uint64_t n = control_.snapshot.next();
      if (i > 0 && due_ns(n) > now_ns()) break;
      publish_one(**guard, n);
    }
    std::uint64_t expected = me;
    if (!control_.publisher.compare_exchange_strong(expected, 0)) {
      violation(Check::kTwoPublishers, {(expected >> 48) - 1, expected & kIncarnationMask});
    }
  }

  void publish_one(typename File::Guard& guard, std::uint64_t n) {
    const ShmSnapshot triple = triple_of(n);
    record(Event::kPublishBegin, n);
    control_.snapshot.begin_write(n);
    if (guard.needs_reconcile()) {
      guard.reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
      state_.add(Counter::kReconciles);
      record(Event::kReconciled, n);
    } else if (const auto done =
                   guard.publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
               !done) {
      violation(Check::kPublishRefused, {n, static_cast<std::uint64_t>(done.error().code())});
    }
    control_.snapshot.end_write(n);
    record(Event::kPublishEnd, n);
    state_.add(Counter::kPublishes);
  }

  // --- Reader ------------------------------------------------------------------------------------

  void read() {
    constexpr std::uint64_t kReadsPerTurn = 512;
    std::uint64_t reads = 0;
    for (; reads < kReadsPerTurn; ++reads) {
      if (!(config_.verify ? read_once() : read_unverified())) break;
    }
    state_.add(Counter::kReads, reads);
  }

  bool read_unverified() {
    // The words may change between two reads, so neither can be left out.
    const auto snapshot = layout_.try_load_consistent_snapshot(1);
    if (!snapshot) state_.add(Counter::kReadRetries);
    return snapshot.has_value();
  }

  bool read_once() {
    constexpr int kAttempts = 2000;
    const std::uint64_t low = control_.snapshot.begin_read();
    std::optional<ShmSnapshot> snapshot = layout_.try_load_consistent_snapshot(1);
    for (int attempt = 1; !snapshot; ++attempt) {
      state_.add(Counter::kReadRetries);
      // The publisher may be dead, stopped, or not running for want of a processor.
      if (attempt == kAttempts) {
        state_.add(Counter::kReadTimeouts);
        record(Event::kReadTimeout, low);
        ::sched_yield();
        return false;
      }
      cpu_pause();
      snapshot = layout_.try_load_consistent_snapshot(1);
    }
    const std::uint64_t n = snapshot->commit_seq.get();
    if (n != last_read_) {
      last_read_ = n;
      record(Event::kRead, n, low);
    }
    if (!whole(*snapshot)) {
      violation(Check::kTornTriple, {n, snapshot->schema_epoch.get(), snapshot->ecs_epoch});
      return false;
    }
    switch (control_.snapshot.end_read(low, n)) {
      case ReadVerdict::kGood:
        return true;
      case ReadVerdict::kTooOld:
        violation(Check::kReadTooOld, {n, low});
        return false;
      case ReadVerdict::kFromTheFuture:
        violation(Check::kReadFromTheFuture, {n, control_.snapshot.begun()});
        return false;
    }
    return false;
  }

  // --- Serialized writer -------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t clock() const { return control_.clock.at(now_ns()); }

  void write_serialized() {
    const std::optional<TxnId> id = allocate_id();
    if (!id) return;
    // Without a lease only a death ends a tenure; a short one runs out while its owner sleeps or
    // is stopped.
    constexpr std::array<std::uint64_t, 4> kLeases = {0, 0, 1, 30};
    const std::uint64_t term = kLeases[random_.below(kLeases.size())];
    const std::uint64_t lease = term == 0 ? 0 : clock() + term;
    const std::uint64_t token = control_.writers.announce(lease, worker_, incarnation_);
    if (!layout_.acquire_serialized_writer(*id, self_.pid, self_.birth, lease)) {
      state_.add(Counter::kAcquireRefusals);
      // As a writer does that wants its turn: whoever died or overstayed goes.
      static_cast<void>(layout_.check_serialized_writer_exclusion(clock(), process_alive));
      ::sched_yield();
      return;
    }
    const std::uint64_t acquired_ns = now_ns();
    record(Event::kAcquired, id->get(), token);
    state_.add(Counter::kAcquires);
    std::uint64_t other = 0;
    switch (control_.writers.enter(token, acquired_ns, now_ns, other)) {
      case WriterLog::Entry::kViolation:
        violation(Check::kAcquiredBesideLiveOwner, {id->get(), token, other});
        return;
      case WriterLog::Entry::kLapsed:
        release(*id, token, lease, false);
        return;
      case WriterLog::Entry::kEntered:
        record(Event::kEntered, token, lease);
        break;
    }
    check_owner_words(*id, lease, true);
    for (std::uint64_t turns = random_.below(4); turns > 0 && !stopped(); --turns) {
      if (random_.one_in(64)) sleep_ns(random_.below(2 * control_.clock.tick_ns));
      check_owner_words(*id, lease, false);
    }
    const bool still_in_the_log = control_.writers.leave(token);
    release(*id, token, lease, !still_in_the_log);
  }

  // P2, and P3 for an owner that has just acquired.
  void check_owner_words(TxnId id, std::uint64_t lease, bool fresh) {
    const HeaderBytes bytes = layout_.to_bytes();
    const auto owner = layout_.check_serialized_writer();
    // What was seen before the lease ran out must be right.
    if (lease != 0 && clock() >= lease) return;
    const std::uint64_t state = word_at(bytes, offsets::kSerializedWriterTxnId);
    const std::uint64_t pid_and_gen = word_at(bytes, offsets::kSerializedWriterPidAndGen);
    const std::uint64_t birth = word_at(bytes, offsets::kSerializedWriterPidBirth);
    const std::uint64_t found_lease = word_at(bytes, offsets::kSerializedWriterLeaseExpiry);
    if (state != id.get() || owner != id || pid_of(pid_and_gen) != self_.pid ||
        birth != self_.birth || found_lease != lease) {
      violation(Check::kOwnerWordsChanged, {state, pid_and_gen, birth, found_lease});
    } else if (fresh && generation_of(pid_and_gen) != 1) {
      violation(Check::kIndicatorWasNotClean, {id.get(), generation_of(pid_and_gen)});
    }
  }

  void release(TxnId id, std::uint64_t token, std::uint64_t lease, bool succeeded_by_another) {
    const bool released = layout_.release_serialized_writer(id);
    const std::uint64_t now = clock();
    record(Event::kReleased, id.get(), released ? 1 : 0);
    if (released) {
      state_.add(Counter::kReleases);
      if (succeeded_by_another) {
        violation(Check::kReleaseOfAnEvictedOwner, {id.get(), token, control_.writers.holder()});
      }
    } else {
      state_.add(Counter::kEvictions);
      if (lease == 0 || now < lease) {
        violation(Check::kReleaseRefusedLiveOwner, {id.get(), lease, now});
      }
    }
  }

  // --- Concurrent writer that checks exclusion ---------------------------------------------------

  void check() {
    const std::uint64_t before = control_.writers.holder();
    const std::uint64_t now = clock();
    const Exclusion answer = layout_.check_serialized_writer_exclusion(now, process_alive);
    const std::uint64_t after_ns = now_ns();
    const std::uint64_t after = control_.writers.holder();
    if (answer == Exclusion::kBusy) {
      state_.add(Counter::kChecksBusy);
    } else {
      state_.add(Counter::kChecksOk);
      // Tokens are unique, so this tenure spanned the whole check.
      if (before != 0 && before == after && !control_.writers.over(before, after_ns)) {
        record(Event::kCheck, before, now);
        violation(Check::kCheckOkBesideLiveOwner, {before, now});
      }
    }
    if (random_.one_in(16)) ::sched_yield();
  }

  // --- Transaction ids ---------------------------------------------------------------------------

  std::optional<TxnId> allocate_id() {
    const std::optional<TxnId> id = layout_.alloc_txn_id();
    if (!id) {
      violation(Check::kNoTxnId, {});
      return id;
    }
    if (!control_.ids.mark(id->get())) violation(Check::kDuplicateTxnId, {id->get()});
    if (id->get() <= last_id_) violation(Check::kTxnIdWentBack, {id->get(), last_id_});
    last_id_ = id->get();
    state_.add(Counter::kIds);
    return id;
  }

  void allocate() {
    for (int i = 0; i < 64; ++i) {
      const auto id = allocate_id();
      if (id && id->get() % 1024 == 0) record(Event::kId, id->get());
    }
  }

  // --- Garbage collection ------------------------------------------------------------------------

  // The horizon is a register too: movers take turns by a lock of their own and move it up.
  void move_gc() {
    RegisterLog& log = control_.gc_horizon;
    for (int i = 0; i < 64; ++i) {
      const std::uint64_t low = log.begin_read();
      const std::uint64_t horizon = layout_.load_gc_horizon().get();
      state_.add(Counter::kGcReads);
      switch (log.end_read(low, horizon)) {
        case ReadVerdict::kGood:
          break;
        case ReadVerdict::kTooOld:
          violation(Check::kGcTooOld, {horizon, low});
          break;
        case ReadVerdict::kFromTheFuture:
          violation(Check::kGcFromTheFuture, {horizon, log.begun()});
          break;
      }
    }
    const auto locked = gc_lock_.try_lock_for(std::chrono::milliseconds(5));
    if (!locked || !*locked) return;
    const auto snapshot = layout_.try_load_consistent_snapshot(100);
    if (snapshot && snapshot->commit_seq.get() > log.begun()) {
      const std::uint64_t n = snapshot->commit_seq.get();
      record(Event::kGcStore, n);
      log.begin_write(n);
      layout_.store_gc_horizon(CommitSeq(n));
      log.end_write(n);
      state_.add(Counter::kGcMoves);
    }
    gc_lock_.unlock();
    sleep_ns(50'000);
  }

  // --- Opener ------------------------------------------------------------------------------------

  void reopen() {
    if (random_.one_in(8)) {
      const auto created = File::create(config_.file);
      if (created || created.error() != ShmErrorCode::kFileExists) {
        violation(Check::kCreatedTwice, {});
      }
    }
    const auto file =
        random_.one_in(2) ? File::open(config_.file) : File::open_or_create(config_.file);
    if (!file) {
      violation(Check::kOpenFailed,
                {static_cast<std::uint64_t>(file.error().code()), file.error().found()});
      return;
    }
    if (file->geometry() != file_.geometry()) violation(Check::kGeometryChanged, {});
    validate_live(file->header_bytes());
    state_.add(Counter::kOpens);
    record(Event::kOpened);
    sleep_ns(200'000);
  }

  // The words of a live header are no snapshot of it: the first two of these pass, and so may the
  // writer's words be those of different owners.
  void validate_live(const HeaderBytes& bytes) {
    for (const ShmError& error : validate(bytes)) {
      switch (error.code()) {
        case ShmErrorCode::kSnapshotSeqOdd:
        case ShmErrorCode::kGcHorizonAhead:
        case ShmErrorCode::kWriterUnjudgeable:
        case ShmErrorCode::kWriterLeftovers:
          break;
        default:
          violation(Check::kInvalidHeader,
                    {static_cast<std::uint64_t>(error.code()), error.found(), error.expected()});
      }
    }
  }

  // --- Inspector ---------------------------------------------------------------------------------

  void inspect() {
    const std::uint64_t low = control_.snapshot.begin_read();
    const HeaderBytes bytes = layout_.to_bytes();
    validate_live(bytes);
    // These never go down, and commit_seq alone is as linearizable as the triple but for the time
    // between its store and the end of the publish.
    for (const Field field :
         {Field::kNextTxnId, Field::kSnapshotSeq, Field::kCommitSeq, Field::kGcHorizon}) {
      const std::uint64_t value = word_at(bytes, offset_of(field));
      std::uint64_t& before = last_words_[atomic_index(field)];
      if (value < before) violation(Check::kWordWentBack, {offset_of(field), value, before});
      before = value;
    }
    const std::uint64_t n = word_at(bytes, offsets::kCommitSeq);
    if (n < low) violation(Check::kReadTooOld, {n, low});
    if (n > control_.snapshot.begun()) {
      violation(Check::kReadFromTheFuture, {n, control_.snapshot.begun()});
    }
    state_.add(Counter::kInspections);
    if (random_.one_in(8)) sleep_ns(20'000);
  }

  static constexpr std::uint64_t kIncarnationMask = (std::uint64_t{1} << 48) - 1;

  const WorkerConfig& config_;
  ControlBlock& control_;
  ThreadState& state_;
  const File& file_;
  typename File::Layout layout_;
  PublicationLock& gc_lock_;
  std::uint64_t worker_;
  std::uint64_t incarnation_;
  std::uint64_t thread_;
  Role role_;
  Random random_;
  ProcessIdentity self_;
  std::uint64_t last_read_ = 0;
  std::uint64_t last_id_ = 0;
  std::array<std::uint64_t, kAtomicFields.size()> last_words_{};
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLES_H_

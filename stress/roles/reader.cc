#include "stress/roles/shared_checks.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kTornTriple = {harness::kSnapshotIntegrity,
                               "a torn triple: its parts are of different publishes",
                               {"commit_seq", "schema_epoch", "ecs_epoch"}};

enum : std::uint8_t { kReads, kRetries, kTimeouts };

class Reader {
 public:
  void operator()(auto& me) {
    constexpr std::uint64_t kReadsPerTurn = 512;
    std::uint64_t reads = 0;
    for (; reads < kReadsPerTurn; ++reads) {
      if (!(me.config.check_reads ? checked_read(me) : bare_read(me))) break;
    }
    me.count(kReads, reads);
  }

 private:
  static bool bare_read(auto& me) {
    // The words may change between two reads, so neither can be left out.
    const auto snapshot = me.layout.try_load_consistent_snapshot(1);
    if (!snapshot) me.count(kRetries);
    return snapshot.has_value();
  }

  // Whether it got a snapshot, and a right one.
  bool checked_read(auto& me) {
    constexpr int kAttempts = 2000;
    RegisterLog& log = me.control.snapshot;
    const std::uint64_t low = log.begin_read();
    std::optional<ShmSnapshot> snapshot = me.layout.try_load_consistent_snapshot(1);
    for (int attempt = 1; !snapshot; ++attempt) {
      me.count(kRetries);
      // The publisher may be dead, stopped, or waiting for a processor.
      if (attempt == kAttempts) {
        me.count(kTimeouts);
        me.record("read timed out", low);
        ::sched_yield();
        return false;
      }
      cpu_pause();
      snapshot = me.layout.try_load_consistent_snapshot(1);
    }
    const std::uint64_t n = snapshot->commit_seq.get();
    if (n != last_) {
      last_ = n;
      me.record("read", n, low);
    }
    if (!whole(*snapshot)) {
      me.violation(kTornTriple, {n, snapshot->schema_epoch.get(), snapshot->ecs_epoch});
      return false;
    }
    const ReadVerdict verdict = log.end_read(low, n);
    if (verdict == ReadVerdict::kTooOld) me.violation(kReadTooOld, {n, low});
    if (verdict == ReadVerdict::kFromTheFuture) me.violation(kReadFromTheFuture, {n, log.begun()});
    return verdict == ReadVerdict::kGood;
  }

  std::uint64_t last_ = 0;
};

[[maybe_unused]] const bool kAdded = add_role(role<Reader>({
    .name = "reader",
    .does = "read snapshots and check each",
    .threads = 2,
    .counts = {"snapshot_reads", "snapshot_retries", "snapshot_timeouts"},
    .wants = {{.count = "snapshot_reads"}, {.count = "snapshot_retries", .with = "publisher"}},
}));

}  // namespace
}  // namespace fsqlshm::stress

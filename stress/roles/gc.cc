#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <optional>

#include "stress/role.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kTooOld = {
    "gc horizon", "an older horizon came back", {"loaded", "oldest allowed"}};
constexpr Check kFromTheFuture = {
    "gc horizon", "a horizon that no thread had stored yet", {"loaded", "youngest begun"}};

enum : std::uint8_t { kReads, kMoves };

// A lock of its own, by which movers of all workers take turns: the log of the horizon wants one
// writer at a time. A thread's own description, so it keeps out other threads too.
class TurnLock {
 public:
  explicit TurnLock(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  TurnLock(const TurnLock&) = delete;
  TurnLock& operator=(const TurnLock&) = delete;
  ~TurnLock() { ::close(fd_); }

  [[nodiscard]] bool try_lock() { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }
  void unlock() { ::flock(fd_, LOCK_UN); }

 private:
  int fd_;
};

// The horizon is a register too: movers only move it up.
class GcMover {
 public:
  void operator()(auto& me) {
    for (int i = 0; i < 64; ++i) read(me);
    move(me);
  }

 private:
  static void read(auto& me) {
    RegisterLog& log = me.control.gc_horizon;
    const std::uint64_t low = log.begin_read();
    const std::uint64_t horizon = me.layout.load_gc_horizon().get();
    me.count(kReads);
    const ReadVerdict verdict = log.end_read(low, horizon);
    if (verdict == ReadVerdict::kTooOld) me.violation(kTooOld, {horizon, low});
    if (verdict == ReadVerdict::kFromTheFuture) {
      me.violation(kFromTheFuture, {horizon, log.begun()});
    }
  }

  void move(auto& me) {
    if (!turn_) turn_.emplace(me.config.file.string() + ".gc-lock");
    if (!turn_->try_lock()) return;
    RegisterLog& log = me.control.gc_horizon;
    const auto snapshot = me.layout.try_load_consistent_snapshot(100);
    if (snapshot && snapshot->commit_seq.get() > log.begun()) {
      const std::uint64_t n = snapshot->commit_seq.get();
      me.record("gc store", n);
      log.begin_write(n);
      me.layout.store_gc_horizon(CommitSeq(n));
      log.end_write(n);
      me.count(kMoves);
    }
    turn_->unlock();
    sleep_ns(50'000);
  }

  std::optional<TurnLock> turn_;
};

[[maybe_unused]] const bool kAdded = add_role(role<GcMover>({
    .name = "gc",
    .does = "move the gc horizon",
    .counts = {"gc_reads", "gc_moves"},
    .wants = {{.count = "gc_reads"}, {.count = "gc_moves"}},
}));

}  // namespace
}  // namespace fsqlshm::stress

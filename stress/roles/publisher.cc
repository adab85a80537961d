#include <algorithm>

#include "harness/properties/execution.h"
#include "stress/publisher_name.h"
#include "stress/role.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kRefused = {
    "publication lock", "the guard refused to publish", {"publish", "error"}};

constexpr Check kNobodyDied = {
    harness::kP4,
    "a guard needs a reconcile, although the last publish came to its end",
    {"publish"}};

enum : std::uint8_t { kPublishes, kReconciles, kLockBusy };

// Takes the publication lock, reconciles after a death, and publishes what is due.
class Publisher {
 public:
  void operator()(auto& me) {
    const std::uint64_t now = now_ns();
    const std::uint64_t due = due_ns(me, me.control.snapshot.next());
    if (due > now) {
      sleep_ns(std::min<std::uint64_t>(due - now, 10'000'000));
      return;
    }
    auto locked = me.file.try_lock_publication_for(std::chrono::milliseconds(20));
    if (!locked) {
      const auto code = static_cast<std::uint64_t>(locked.error().code());
      me.violation(kRefused, {me.control.snapshot.next(), code});
    } else if (auto& guard = *locked) {
      while (me.config.plant == Plant::kKeepsLock && !me.stopped()) sleep_ns(1'000'000);
      publish_batch(me, *guard);
    } else {
      me.count(kLockBusy);
    }
  }

 private:
  // When publish number n is due.
  static std::uint64_t due_ns(const auto& me, std::uint64_t n) {
    if (me.config.publish_rate == 0) return 0;
    return me.control.clock.start_ns + n * (1'000'000'000 / me.config.publish_rate);
  }

  static void publish_batch(auto& me, auto& guard) {
    const PublisherName name(me);
    const std::uint64_t batch = 1 + me.random.below(me.config.publish_rate == 0 ? 256 : 8);
    for (std::uint64_t i = 0; i < batch && !me.stopped(); ++i) {
      const std::uint64_t n = me.control.snapshot.next();
      if (i > 0 && due_ns(me, n) > now_ns()) break;
      publish(me, guard, n);
    }
  }

  static bool needs_reconcile(auto& me, auto& guard) {
    const bool planted = me.config.plant == Plant::kReconcile && me.random.one_in(64);
    return guard.needs_reconcile() || planted;
  }

  static void publish(auto& me, auto& guard, std::uint64_t n) {
    const ShmSnapshot triple = triple_of(n);
    me.record("publish begins", n);
    const bool died = me.control.snapshot.begun() != me.control.snapshot.done();
    me.control.snapshot.begin_write(n);
    const bool reconciles = needs_reconcile(me, guard);
    if (reconciles && !died) me.violation(kNobodyDied, {n});
    const auto done =
        reconciles
            ? guard.reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch)
            : guard.publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
    if (!done) me.violation(kRefused, {n, static_cast<std::uint64_t>(done.error().code())});
    if (reconciles) {
      me.count(kReconciles);
      me.record("reconciled", n);
    }
    me.control.snapshot.end_write(n);
    me.record("publish ended", n);
    me.count(kPublishes);
  }
};

[[maybe_unused]] const bool kAdded = add_role(role<Publisher>({
    .name = "publisher",
    .does = "publish under the publication lock",
    .threads = 2,  // they compete for the turn within a process, too
    .counts = {"publishes", "reconciles", "publication_lock_busy"},
    // With so many kills, some must have hit a publish.
    .wants = {{.count = "publishes"}, {.count = "reconciles", .kills = 200, .perturbed = true}},
}));

}  // namespace
}  // namespace fsqlshm::stress

#include "harness/properties/execution.h"
#include "stress/role.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kOkBesideLiveOwner = {harness::kP1,
                                      "a check answered ok while a live owner held the indicator",
                                      {"owner's token", "now"},
                                      "D5"};

enum : std::uint8_t { kChecksOk, kChecksBusy };

// Checks exclusion as a concurrent writer does.
struct Checker {
  void operator()(auto& me) {
    const WriterLog& log = me.control.writers;
    const std::uint64_t before = log.holder();
    const std::uint64_t now = me.clock();
    const Exclusion answer = me.layout.check_serialized_writer_exclusion(now, process_alive);
    const std::uint64_t after_ns = now_ns();
    const std::uint64_t after = log.holder();
    me.count(answer == Exclusion::kBusy ? kChecksBusy : kChecksOk);
    // Tokens are unique, so this tenure spanned the whole check.
    if (answer == Exclusion::kOk && before != 0 && before == after && !log.over(before, after_ns)) {
      me.record("check", before, now);
      me.violation(kOkBesideLiveOwner, {before, now});
    }
    if (me.random.one_in(16)) ::sched_yield();
  }
};

[[maybe_unused]] const bool kAdded = add_role(role<Checker>({
    .name = "checker",
    .does = "check exclusion as concurrent writers",
    .counts = {"checks_ok", "checks_busy"},
    .wants = {{.count = "checks_ok"}, {.count = "checks_busy", .with = "writer"}},
}));

}  // namespace
}  // namespace fsqlshm::stress

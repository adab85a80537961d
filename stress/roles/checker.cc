#include "harness/properties/execution.h"
#include "stress/role.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kOkBesideLiveOwner = {harness::kP1,
                                      "a check answered ok while a live owner held the indicator",
                                      {"owner's token", "now"},
                                      "D5"};
constexpr Check kBusyForTheDead = {
    harness::kP4,
    "a check answered busy because of an owner whose process was gone",
    {"owner's id", "owner's token", "now"}};

enum : std::uint8_t { kChecksOk, kChecksBusy };

// Checks exclusion as a concurrent writer does.
class Checker {
 public:
  void operator()(auto& me) {
    const WriterLog& log = me.control.writers;
    const std::uint64_t before = log.holder();
    const std::uint64_t dead = log.id_of_the_dead(before);
    const bool dead_owns = dead != 0 && owner(me) == dead;
    const std::uint64_t now = me.clock();
    const Exclusion answer = me.layout.check_serialized_writer_exclusion(now);
    const std::uint64_t after_ns = now_ns();
    const std::uint64_t after = log.holder();
    me.count(answer == Exclusion::kBusy ? kChecksBusy : kChecksOk);
    // Tokens are unique, so this tenure spanned the whole check.
    if (answer == Exclusion::kOk && before != 0 && before == after && !log.over(before, after_ns)) {
      me.record("check", before, now);
      me.violation(kOkBesideLiveOwner, {before, now});
    }
    // An id never comes back, so it was in place during the whole check.
    if (answer == Exclusion::kBusy && dead_owns && owner(me) == dead) {
      me.violation(kBusyForTheDead, {dead, before, now});
    }
    if (me.random.one_in(16)) ::sched_yield();
  }

 private:
  // 0: nobody.
  static std::uint64_t owner(auto& me) {
    const auto id = me.layout.check_serialized_writer();
    return id ? id->get() : 0;
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

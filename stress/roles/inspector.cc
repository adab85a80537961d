#include "harness/describe.h"
#include "stress/roles/shared_checks.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kWordWentBack = {
    "monotone words", "a counter of the header went back", {"offset", "loaded", "before"}};

// Serialises the live header.
class Inspector {
 public:
  void operator()(auto& me) {
    const RegisterLog& log = me.control.snapshot;
    const std::uint64_t low = log.begin_read();
    const HeaderBytes bytes = me.layout.to_bytes();
    expect_valid(me, bytes);
    // These never go down, and commit_seq alone is as linearizable as the triple but for the time
    // between its store and the end of the publish.
    for (const Field field :
         {Field::kNextTxnId, Field::kSnapshotSeq, Field::kCommitSeq, Field::kGcHorizon}) {
      const std::uint64_t value = harness::word_at(bytes, field);
      std::uint64_t& before = last_[atomic_index(field)];
      if (value < before) me.violation(kWordWentBack, {offset_of(field), value, before});
      before = value;
    }
    const std::uint64_t n = harness::word_at(bytes, Field::kCommitSeq);
    if (n < low) me.violation(kReadTooOld, {n, low});
    if (n > log.begun()) me.violation(kReadFromTheFuture, {n, log.begun()});
    me.count(0);
    if (me.random.one_in(8)) sleep_ns(20'000);
  }

 private:
  std::array<std::uint64_t, kAtomicFields.size()> last_{};
};

[[maybe_unused]] const bool kAdded = add_role(role<Inspector>({
    .name = "inspector",
    .does = "serialise the live header",
    .counts = {"inspections"},
    .wants = {{.count = "inspections"}},
}));

}  // namespace
}  // namespace fsqlshm::stress

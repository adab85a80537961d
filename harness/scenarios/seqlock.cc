// Scenarios of the seqlock and of the single fields behind it.

#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {
namespace {

void whole(Header& h) { h.init_snapshot(); }
void at_rest(Header& h) { h.snapshot().at_rest(); }

Body publishes(unsigned count) {
  return [count](Header& h) {
    for (unsigned version = 1; version <= count; ++version) h.publish(version);
  };
}

// A publisher of `count` versions against a reader that spins, twice.
Scenario publish_load1(unsigned count) {
  const Body reader = [count](Header& h) {
    const ShmSnapshot first = h.load();
    const ShmSnapshot second = h.load();
    if (first == triple(0)) h.reach("old version");
    if (second == triple(count)) h.reach("newest version");
    if (h.execution().pauses() > 0) h.reach("retry");
    if (first != second) h.reach("advance");
  };
  return {.name = fmt::format("publish{}-load1", count),
          .properties = "I1 I2 I3 P6 visibility",
          .description = "a publisher against a reader that spins, twice",
          .outcomes = {"old version", "newest version", "retry", "advance"},
          .before = whole,
          .threads = {{"publisher", publishes(count)}, {"reader", reader}},
          .after = at_rest};
}

// The same against two readers that try once.
Scenario publish_load2(unsigned count) {
  const Body reader = [count](Header& h) {
    const auto attempt = h.try_load();
    if (attempt.snapshot == triple(0)) h.reach("old version");
    if (attempt.snapshot == triple(count)) h.reach("newest version");
    if (attempt.refusal == Refusal::kOdd) h.reach("odd refused");
    if (attempt.refusal == Refusal::kChanged) h.reach("change refused");
    if (attempt.refusal == Refusal::kTorn) h.reach("torn read refused");
  };
  return {.name = fmt::format("publish{}-load2", count),
          .properties = "I1 I2 visibility",
          .description = "a publisher against two readers that try once",
          .outcomes = {"old version", "newest version", "odd refused", "change refused",
                       "torn read refused"},
          .before = whole,
          .threads = {{"publisher", publishes(count)}, {"reader 1", reader}, {"reader 2", reader}},
          .after = at_rest};
}

const AddScenario kPublish1Load1(publish_load1(1));
const AddScenario kPublish1Load2(publish_load2(1));
const AddScenario kPublish2Load1(publish_load1(2));
const AddScenario kPublish2Load2(publish_load2(2));
const AddScenario kPublish3Load1(publish_load1(3));
const AddScenario kPublish3Load2(publish_load2(3));

void read_twice(Header& h) {
  for (int turn = 0; turn < 2; ++turn) {
    const auto attempt = h.try_load();
    if (attempt.snapshot == triple(2)) h.reach("repaired version");
    if (attempt.refusal == Refusal::kOdd) h.reach("odd refused");
    if (turn == 1 && attempt.snapshot) h.reach("repaired in the second turn");
  }
}

const AddScenario kReconcileLoad(
    {.name = "reconcile-load",
     .properties = "I1 I2 I3 P4",
     .description = "reconcile repairs what a publisher that died left odd and half written",
     .outcomes = {"repaired version", "odd refused", "repaired in the second turn"},
     .before = [](Header& h) { h.init_snapshot(false); },
     .threads = {{"recovery", [](Header& h) { h.reconcile(2); }},
                 {"reader 1", read_twice},
                 {"reader 2", read_twice}},
     .after = at_rest});

void expect_reconciled(Header& h, unsigned version) {
  if (h.load() != triple(version)) {
    h.execution().fail(kP4, "reconcile did not put version {} in", version);
  }
}

void read_once(Header& h) {
  const auto attempt = h.try_load();
  if (attempt.snapshot == triple(0)) h.reach("first version");
  if (attempt.snapshot == triple(2)) h.reach("version that was not durable");
  if (attempt.snapshot == triple(1)) h.reach("durable version");
  if (attempt.refusal == Refusal::kOdd) h.reach("odd refused");
  if (attempt.refusal == Refusal::kTorn) h.reach("torn read refused");
}

// The number is even, so nothing says that there is something to repair.
const AddScenario kReconcileWholeLoad(
    {.name = "reconcile-whole-load",
     .properties = "I1 I2 I3 P4",
     .description = "reconcile goes back to what is durable, from a publish that was whole",
     .outcomes = {"first version", "version that was not durable", "durable version", "odd refused",
                  "torn read refused"},
     .before = whole,
     .threads = {{"publisher, then recovery",
                  [](Header& h) {
                    h.publish(2);
                    h.reconcile(1);
                  }},
                 {"reader 1", read_once},
                 {"reader 2", read_once}},
     .after = [](Header& h) {
       expect_reconciled(h, 1);
       h.snapshot().at_rest();
     }});

const AddScenario kPublisherDies(
    {.name = "publisher-dies",
     .properties = "P4 I2 I3",
     .description = "a publisher may die before any step; readers refuse, reconcile repairs",
     .outcomes = {"died in the middle", "died in between", "odd refused"},
     .before = whole,
     .threads = {{.title = "publisher, may die", .body = publishes(2), .may_die = true},
                 {"reader",
                  [](Header& h) {
                    h.try_load();
                    if (h.try_load().refusal == Refusal::kOdd) h.reach("odd refused");
                  }}},
     .after = [](Header& h) {
       if (h.execution().deaths() > 0) {
         const bool odd = h.execution().newest(Field::kSnapshotSeq) % 2 == 1;
         h.reach(odd ? "died in the middle" : "died in between");
         h.reconcile(3);
         expect_reconciled(h, 3);
       }
       h.snapshot().at_rest();
     }});

const AddScenario kTwoPublishers(
    {.name = "two-publishers",
     .properties = "I2",
     .description = "two publishers without the publication lock: what the lock is for",
     .defect = {"D1", kI2Whole},
     .misuse = true,
     .before = [](Header& h) { h.init_snapshot(true, false); },
     .threads = {{"publisher 1", [](Header& h) { h.publish(1); }},
                 {"publisher 2", [](Header& h) { h.publish(2); }},
                 {"reader", [](Header& h) { h.try_load(); }}}});

const AddScenario kFields({.name = "fields",
                           .properties = "I4 visibility",
                           .description = "single fields without the seqlock: schema before commit",
                           .outcomes = {"new commit", "new schema, old commit", "new ecs"},
                           .before = whole,
                           .threads = {{"publisher", publishes(2)},
                                       {"reader 1",
                                        [](Header& h) {
                                          const unsigned commit = h.load_field(Field::kCommitSeq);
                                          const unsigned schema = h.load_field(Field::kSchemaEpoch);
                                          if (schema < commit) {
                                            h.execution().fail(
                                                kI4Ddl,
                                                "commit version {} was seen with schema version {}",
                                                commit, schema);
                                          }
                                          if (commit > 0) h.reach("new commit");
                                          if (schema > commit) h.reach("new schema, old commit");
                                        }},
                                       {"reader 2",
                                        [](Header& h) {
                                          if (h.load_field(Field::kEcsEpoch) > 0)
                                            h.reach("new ecs");
                                          h.load_field(Field::kSchemaEpoch);
                                        }}},
                           .after = at_rest});

}  // namespace
}  // namespace fsqlshm::harness

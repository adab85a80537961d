// Scenarios for this engine alone: too many interleavings, stores too old, or too many deaths for a search
// that is bounded.

#include "harness/scenarios/bodies.h"

namespace fsqlshm::harness {
namespace {

// The publication lock is an acquire and a release here, and nothing else orders two publishers.
Body publishes_in_turn(unsigned version) {
  return [version](Header& h) {
    h.execution().lock_publication();
    h.publish(version);
    h.execution().unlock_publication();
  };
}

const AddScenario kPublishersInTurn(
    {.name = "publishers-in-turn",
     .properties = "I1 I2 I3 P6 visibility",
     .description = "two publishers take turns by a lock; a reader tries twice",
     .outcomes = {"old version", "version 1", "version 2", "refused", "advance"},
     .before =
         [](Header& h) {
           h.init_snapshot();
           h.init_publication_lock();
         },
     .threads = {{"publisher 1", publishes_in_turn(1)},
                 {"publisher 2", publishes_in_turn(2)},
                 {"reader",
                  [](Header& h) {
                    const auto first = h.try_load().snapshot;
                    const auto second = h.try_load().snapshot;
                    if (first == triple(0)) h.reach("old version");
                    if (first == triple(1)) h.reach("version 1");
                    if (first == triple(2)) h.reach("version 2");
                    if (!first) h.reach("refused");
                    if (first && second && first != second) h.reach("advance");
                  }}},
     .after =
         [](Header& h) {
           h.snapshot().at_rest();
           const std::uint64_t seq = h.execution().newest(Field::kSnapshotSeq);
           if (seq != 4) h.execution().fail(kI2Whole, "two publishes, but the number is {}", seq);
         }});

const AddScenario kPublish5Try1(
    {.name = "publish5-try1",
     .properties = "I1 I2 visibility",
     .description = "a publisher of five versions against a reader that tries once: stores 15 old",
     .outcomes = {"five old", "newest version", "refused"},
     .before = [](Header& h) { h.init_snapshot(); },
     .threads = {{"publisher",
                  [](Header& h) {
                    for (unsigned version = 1; version <= 5; ++version) h.publish(version);
                  }},
                 {"reader",
                  [](Header& h) {
                    const auto attempt = h.try_load();
                    if (attempt.snapshot == triple(0)) h.reach("five old");
                    if (attempt.snapshot == triple(5)) h.reach("newest version");
                    if (!attempt.snapshot) h.reach("refused");
                  }}},
     .after = [](Header& h) { h.snapshot().at_rest(); }});

// `small`: nobody releases, and the lease of a writer that lives runs out in the end.
Scenario two_deaths(bool small) {
  return {.name = small ? "two-deaths" : "two-deaths-release",
          .properties = "P4 P1 P2",
          .description = "a writer may die, and so may the check that repairs it; another follows",
          .outcomes = {"two deaths repaired", "death repaired", "takeover", "followed"},
          // The owner's release makes D5 the first that shows: the next owner has its lease.
          .defect = small ? Scenario::Defect{"D2", kP4} : Scenario::Defect{"D5", kP1},
          .spins = 10,
          .before = [](Header& h) { h.init_writer(); },
          .threads = {{.title = "writer 1, may die",
                       .body =
                           [small](Header& h) {
                             h.acquire(1, small ? kLater : 0);
                             if (!small) h.release(1);
                           },
                       .may_die = true},
                      {.title = "check 1, may die",
                       .body = [](Header& h) { h.check(kNow); },
                       .may_die = true},
                      {"check 2, then writer 2",
                       [](Header& h) {
                         h.check(kNow);
                         if (h.writer().takeovers() > 0) h.reach("takeover");
                         follow(h);
                       }}},
          .after =
              [](Header& h) {
                if (h.execution().deaths() == 2) h.reach("two deaths repaired");
                finish_after_deaths(h);
              }};
}

const AddScenario kTwoDeaths(two_deaths(true));
const AddScenario kTwoDeathsRelease(two_deaths(false));

const AddScenario kEverything(
    {.name = "everything",
     .properties = "P1 P2 P3 I1 I2 I4 visibility",
     .description = "a commit with all its steps, a check with a read, and single fields, at once",
     .outcomes = {"busy", "ok", "new version", "old version", "saw the owner", "new commit"},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer();
           h.init_snapshot();
           h.init_ids(1);
         },
     .threads = {{"writer",
                  [](Header& h) {
                    if (!h.alloc()) return;
                    h.acquire(1, kLater);
                    h.publish(1);
                    h.release(1);
                  }},
                 {"check and reader",
                  [](Header& h) {
                    h.reach(h.check(kNow) == Exclusion::kBusy ? "busy" : "ok");
                    const auto snapshot = h.try_load().snapshot;
                    if (snapshot == triple(1)) h.reach("new version");
                    if (snapshot == triple(0)) h.reach("old version");
                  }},
                 {"observer",
                  [](Header& h) {
                    h.alloc();
                    if (h.look()) h.reach("saw the owner");
                    if (h.load_field(Field::kCommitSeq) == 1) h.reach("new commit");
                  }}},
     .after =
         [](Header& h) {
           h.snapshot().at_rest();
           h.finish_writer();
         }});

}  // namespace
}  // namespace fsqlshm::harness

// Scenarios of what a mapped file adds: a liveness that is certain, `clear`, publishing on behalf of
// the writer.

#include "harness/scenarios/bodies.h"

namespace fsqlshm::harness {
namespace {

// The published protocol knows nothing of certainty: an owner that died keeps its lease.
Exclusion check_certainly(Header& h) {
  return h.check(h.is_published() ? kThen : kNow, Liveness::kCertain);
}

const AddScenario kCheckDeadLease(
    {.name = "check-dead-lease",
     .properties = "busy only for a live writer, P3",
     .description = "two checks, of a certain liveness, of a dead owner whose lease runs",
     .outcomes = {"evicted by 1", "evicted by 2"},
     .defect = {"D6", kBusyProperty},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer(true);
           h.acquire_as(3, 1, kSoon);
           h.execution().bury(3);
         },
     .threads = {{"check 1", check_for_dead(check_certainly, "evicted by 1")},
                 {"check 2", check_for_dead(check_certainly, "evicted by 2")}},
     .after = &Header::finish_writer});

const AddScenario kLeasedOwnerDies(
    {.name = "leased-owner-dies",
     .properties = "P4 P1 P2",
     .description = "a writer may die before its lease ends; a check that is certain, and a claim",
     .outcomes = {"death repaired", "evicted", "takeover", "followed"},
     .defect = {"D2", kP4},
     .spins = 10,
     .before = [](Header& h) { h.init_writer(); },
     .threads = {{.title = "writer 1, may die",
                  .body =
                      [](Header& h) {
                        h.acquire(1, kSoon);
                        h.release(1);
                      },
                  .may_die = true},
                 {"check, then writer 2", check_then_follow(check_certainly)}},
     .after = finish_after_deaths});

// The published protocol can clear by a check alone.
const AddScenario kClearReleaseAcquire(
    {.name = "clear-release-acquire",
     .properties = "P1 P2 P3 P5",
     .description = "an owner that was given up is cleared while it releases and is followed",
     .outcomes = {"cleared", "released", "evicted", "followed"},
     .defect = {"D5", kP1},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer();
           h.acquire_as(0, 1, kSoon);
         },
     .threads = {{.title = "writer 1 releases",
                  .body =
                      [](Header& h) {
                        if (h.release(1)) h.reach("released");
                      },
                  .process = 0},
                 {.title = "clear",
                  .body =
                      [](Header& h) {
                        const bool done = h.is_published() ? h.check_evicts(kThen) : h.clear(1);
                        if (done) h.reach("cleared");
                      },
                  .process = 1},
                 {.title = "check, then writer 2",
                  .body =
                      [](Header& h) {
                        const unsigned before = h.writer().evictions();
                        h.check(kThen);
                        if (h.writer().evictions() > before) h.reach("evicted");
                        if (h.acquire(2, kLater)) h.reach("followed");
                      },
                  .process = 2}},
     .after = &Header::finish_writer});

const AddScenario kFencedPublish(
    {.name = "fenced-publish",
     .properties = "P5 I1 I2",
     .description = "a writer publishes while it is evicted; its successor publishes, too",
     .outcomes = {"published by 1", "fenced", "published by 2", "published by both"},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer();
           h.acquire_as(0, 1, kSoon);
           h.init_snapshot();
           h.init_publication_lock();
         },
     .threads = {{"writer 1 publishes",
                  [](Header& h) { h.reach(h.publish_fenced(1, 1) ? "published by 1" : "fenced"); }},
                 {"check, then writer 2 publishes",
                  [](Header& h) {
                    h.check(kThen);
                    if (h.acquire(2, kLater) && h.publish_fenced(2, 2)) h.reach("published by 2");
                  }}},
     .after =
         [](Header& h) {
           h.snapshot().at_rest();
           const bool both = h.execution().newest(Field::kSnapshotSeq) == 4;
           const std::uint64_t last = h.execution().newest(Field::kCommitSeq);
           if (both) h.reach("published by both");
           if (both && last != triple(2).commit_seq.get()) {
             h.execution().fail(kP5,
                                "an evicted writer publishes after its successor has published");
           }
           h.finish_writer();
         }});

}  // namespace
}  // namespace fsqlshm::harness

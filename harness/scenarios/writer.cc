// Scenarios of the serialized-writer indicator in which every process lives.

#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {
namespace {

void free_indicator(Header& h) { h.init_writer(); }

// Owned by id 1 of process 0.
void leased_owner(Header& h) {
  h.init_writer();
  h.acquire_as(0, 1, kLater);
}
// The same; the lease has run out by kThen.
void stale_owner(Header& h) {
  h.init_writer();
  h.acquire_as(0, 1, kSoon);
}

Body acquires(std::uint64_t id, std::uint64_t lease) {
  return [=](Header& h) { h.reach(h.acquire(id, lease) ? "acquired" : "refused"); };
}
void acquire_second(Header& h) {
  if (h.acquire(2, kLater)) h.reach("acquired");
}
void release_first(Header& h) { h.release(1); }
void acquire_and_release(Header& h) {
  h.acquire(1, kLater);
  h.release(1);
}

const AddScenario kAcquireAcquire({.name = "acquire-acquire",
                                   .properties = "P1 P2 P3",
                                   .description = "three processes claim a free indicator",
                                   .outcomes = {"acquired", "refused"},
                                   .before = free_indicator,
                                   .threads = {{"writer 1", acquires(1, 401)},
                                               {"writer 2", acquires(2, 402)},
                                               {"writer 3", acquires(3, 403)}},
                                   .after = &Header::finish_writer});

const AddScenario kAcquireReleaseAcquire(
    {.name = "acquire-release-acquire",
     .properties = "P1 P2 P3",
     .description = "a writer acquires, releases and acquires again; another wants it too",
     .outcomes = {"again", "handed over", "refused"},
     .before = free_indicator,
     .threads = {{"writer 1",
                  [](Header& h) {
                    if (!h.acquire(1, 401)) return;
                    h.release(1);
                    if (h.acquire(2, 402)) h.reach("again");
                  }},
                 {"writer 2",
                  [](Header& h) {
                    const bool acquired = h.acquire(3, 403);
                    h.reach(acquired ? "handed over" : "refused");
                    if (acquired) h.release(3);
                  }}},
     .after = &Header::finish_writer});

// The published release clears birth and lease by their values. The lease alone is enough: the
// successor may be of any process.
const AddScenario kReleaseAcquireEqualLease(
    {.name = "release-acquire-equal-lease",
     .properties = "P2 P3",
     .description = "a release against an acquire of another process with an equal lease",
     .outcomes = {"acquired", "refused"},
     .defect = {"D3", kP2},
     .before = leased_owner,
     .threads = {{"writer 1 releases", release_first}, {"writer 2", acquires(2, kLater)}},
     .after = &Header::finish_writer});

const AddScenario kReleaseAcquireSameProcess(
    {.name = "release-acquire-same-process",
     .properties = "P2 P3",
     .description = "a release against an acquire of the same process: its birth is equal, too",
     .outcomes = {"acquired", "refused"},
     .defect = {"D3", kP2},
     .before = leased_owner,
     .threads = {{.title = "writer 1 releases", .body = release_first, .process = 0},
                 {.title = "writer 2", .body = acquires(2, kLater), .process = 0}},
     .after = &Header::finish_writer});

const AddScenario kLateClear(
    {.name = "late-clear",
     .properties = "P2 P3",
     .description = "a release that is late, while its process acquires, releases, acquires",
     .outcomes = {"acquired twice", "refused"},
     .defect = {"D4", kP2},
     .before =
         [](Header& h) {
           h.init_writer();
           h.acquire_as(0, 1, 401, Named::kNoBirth);
         },
     .threads = {{.title = "writer 1 releases", .body = release_first, .process = 0},
                 {.title = "writers 2 and 3",
                  .body =
                      [](Header& h) {
                        if (!h.acquire(2, 402, Named::kNoBirth)) return h.reach("refused");
                        h.release(2);
                        if (h.acquire(3, 403, Named::kNoBirth)) h.reach("acquired twice");
                      },
                  .process = 0}},
     .after = &Header::finish_writer});

const AddScenario kStaleClearAcquire(
    {.name = "stale-clear-acquire",
     .properties = "P1 P2 P3",
     .description = "a check clears a stale owner while another process claims, twice if need be",
     .outcomes = {"evicted", "acquired", "refused, then acquired"},
     .spins = 10,
     .before = stale_owner,
     .threads = {{.title = "check",
                  .body =
                      [](Header& h) {
                        if (h.check_evicts(kThen)) h.reach("evicted");
                      },
                  .process = 1},
                 {.title = "writer 2",
                  .body =
                      [](Header& h) {
                        if (h.acquire(2, kLater)) return h.reach("acquired");
                        if (h.acquire(3, kLater)) h.reach("refused, then acquired");
                      },
                  .process = 2}},
     .after = &Header::finish_writer});

Body checks(std::string_view evicted) {
  return [evicted](Header& h) {
    const unsigned before = h.writer().evictions();
    if (h.check(kThen) == Exclusion::kBusy) h.reach("busy");
    if (h.writer().evictions() > before) h.reach(evicted);
  };
}

const AddScenario kTwoCleanersClaimer(
    {.name = "two-cleaners-claimer",
     .properties = "P1 P2 P3",
     .description = "two checks of one stale owner, and a claimer",
     .outcomes = {"evicted by 1", "evicted by 2", "acquired", "busy"},
     .defect = {"D5", kP1},
     .spins = 10,
     .before = stale_owner,
     .threads = {{.title = "check 1", .body = checks("evicted by 1"), .process = 1},
                 {.title = "check 2", .body = checks("evicted by 2"), .process = 2},
                 {.title = "writer 2", .body = acquire_second, .process = 3}},
     .after = &Header::finish_writer});

const AddScenario kCheckClaim(
    {.name = "check-claim",
     .properties = "P1 P2 P3",
     .description = "a check meets a claimer whose predecessor's lease has run out",
     .outcomes = {"acquired", "busy", "ok", "evicted"},
     .defect = {"D5", kP1},
     .spins = 10,
     .before = stale_owner,
     .threads = {{"writer 1 releases", release_first},
                 {"writer 2", acquire_second},
                 {"check",
                  [](Header& h) {
                    h.reach(h.check(kThen) == Exclusion::kBusy ? "busy" : "ok");
                    if (h.writer().evictions() == 1) h.reach("evicted");
                  }}},
     .after = &Header::finish_writer});

const AddScenario kEvictedOwnerReleases(
    {.name = "evicted-owner-releases",
     .properties = "P5 P2 P3",
     .description = "an owner without a lease left releases while it is evicted and followed",
     .outcomes = {"evicted", "released", "followed"},
     .spins = 10,
     .before = stale_owner,
     .threads = {{"writer 1 releases",
                  [](Header& h) { h.reach(h.release(1) ? "released" : "evicted"); }},
                 {"check, then writer 2",
                  [](Header& h) {
                    if (h.check(kThen) == Exclusion::kOk && h.acquire(2, kLater)) {
                      h.reach("followed");
                    }
                  }}},
     .after = &Header::finish_writer});

const AddScenario kCheckRelease(
    {.name = "check-release",
     .properties = "busy only for a live writer, P3",
     .description = "a check of a stale owner meets the zeroes of a release and of an eviction",
     .outcomes = {"evicted", "released"},
     .defect = {"D6", kBusyProperty},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer(true);
           h.acquire_as(0, 1, kSoon);
         },
     .threads = {{"writer 1 releases",
                  [](Header& h) { h.reach(h.release(1) ? "released" : "evicted"); }},
                 {"check 1", [](Header& h) { h.check(kThen); }},
                 {"check 2", [](Header& h) { h.check(kThen); }}},
     .after = &Header::finish_writer});

const AddScenario kCheckTwice(
    {.name = "check-twice",
     .properties = "P1 P3",
     .description = "a thread that knows of a live owner gets no ok until the owner releases",
     .outcomes = {"busy, busy", "busy, ok", "ok, busy"},
     .spins = 10,
     .before = free_indicator,
     .threads = {{"writer 1", acquire_and_release},
                 {"check",
                  [](Header& h) {
                    const bool first = h.check(kNow) == Exclusion::kBusy;
                    const bool second = h.check(kNow) == Exclusion::kBusy;
                    if (first) h.reach(second ? "busy, busy" : "busy, ok");
                    if (!first && second) h.reach("ok, busy");
                  }}},
     .after = &Header::finish_writer});

const AddScenario kSuccessiveOwners(
    {.name = "successive-owners",
     .properties = "P1 P2",
     .description = "a check that has seen the old owner meets its successor",
     .outcomes = {"evicted", "busy", "acquired"},
     .defect = {"D5", kP1},
     .spins = 10,
     .before = stale_owner,
     .threads = {{"writer 1 releases", release_first},
                 {"writer 2",
                  [](Header& h) {
                    if (h.acquire(2, kLater) || h.acquire(3, kLater)) h.reach("acquired");
                  }},
                 {"check twice",
                  [](Header& h) {
                    h.check(kNow);
                    if (h.check(kThen) == Exclusion::kBusy) h.reach("busy");
                    if (h.writer().evictions() > 0) h.reach("evicted");
                  }}},
     .after = &Header::finish_writer});

const AddScenario kLook({.name = "look",
                         .properties = "P1 P2 visibility",
                         .description = "a thread that sees an owner, or its end, sees what it did",
                         .outcomes = {"saw the owner", "saw it go"},
                         .before = free_indicator,
                         .threads = {{"writer 1", acquire_and_release},
                                     {"observer",
                                      [](Header& h) {
                                        const auto first = h.look();
                                        const auto second = h.look();
                                        if (first) h.reach(second ? "saw the owner" : "saw it go");
                                      }}},
                         .after = &Header::finish_writer});

}  // namespace
}  // namespace fsqlshm::harness

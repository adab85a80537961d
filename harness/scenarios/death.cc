// Scenarios of the serialized-writer indicator in which a process dies, or is dead from the start.

#include "harness/scenarios/bodies.h"

namespace fsqlshm::harness {
namespace {

void free_indicator(Header& h) { h.init_writer(); }
void claim(Header& h) { h.acquire(1, kLater); }

Exclusion check(Header& h) { return h.check(kNow); }

const AddScenario kCheckDeadOwner(
    {.name = "check-dead-owner",
     .properties = "busy only for a live writer, P3",
     .description = "two checks of an owner without a lease that is long dead",
     .outcomes = {"evicted by 1", "evicted by 2"},
     .defect = {"D6", kBusyProperty},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer(true);
           h.acquire_as(3, 1, 0);
           h.execution().bury(3);
         },
     .threads = {{"check 1", check_for_dead(check, "evicted by 1")},
                 {"check 2", check_for_dead(check, "evicted by 2")}},
     .after = &Header::finish_writer});

const AddScenario kClaimerDies(
    {.name = "claimer-dies",
     .properties = "P4 P1",
     .description = "a writer may die before any step of acquire",
     .outcomes = {"death repaired", "busy", "takeover"},
     .defect = {"D2", kP4},
     .spins = 10,
     .before = free_indicator,
     .threads = {{.title = "writer 1, may die", .body = claim, .may_die = true},
                 {"check",
                  [](Header& h) {
                    if (h.check(kNow) == Exclusion::kBusy) h.reach("busy");
                    if (h.writer().takeovers() > 0) h.reach("takeover");
                  }}},
     .after = finish_after_deaths});

const AddScenario kOwnerDies(
    {.name = "owner-dies",
     .properties = "P4 P1 P2",
     .description = "a writer without a lease may die at any step; a check and a claim follow",
     .outcomes = {"death repaired", "evicted", "takeover", "followed"},
     .defect = {"D2", kP4},
     .spins = 10,
     .before = free_indicator,
     .threads = {{.title = "writer 1, may die",
                  .body =
                      [](Header& h) {
                        h.acquire(1, 0);
                        h.release(1);
                      },
                  .may_die = true},
                 {"check, then writer 2", check_then_follow(check)}},
     .after = finish_after_deaths});

const AddScenario kCleanerDies(
    {.name = "cleaner-dies",
     .properties = "P4 P1 P2",
     .description = "a check may die while it clears a stale owner; another and a claim follow",
     .outcomes = {"death repaired", "takeover", "followed"},
     .spins = 10,
     .before =
         [](Header& h) {
           h.init_writer();
           h.acquire_as(0, 1, kSoon);
         },
     .threads = {{.title = "check 1, may die",
                  .body = [](Header& h) { h.check(kThen); },
                  .may_die = true,
                  .process = 1},
                 {.title = "check 2, then writer 2",
                  .body =
                      [](Header& h) {
                        h.check(kThen);
                        // The published protocol has no states that could be taken over.
                        const auto& writer = h.writer();
                        if ((h.has_states() ? writer.takeovers() : writer.evictions()) > 0) {
                          h.reach("takeover");
                        }
                        follow(h);
                      },
                  .process = 2}},
     .after = finish_after_deaths});

const AddScenario kTakeoverRace(
    {.name = "takeover-race",
     .properties = "P4 P1 P2",
     .description = "a writer may die while it claims; two checks take over, one then claims",
     .outcomes = {"death repaired", "takeover", "followed"},
     .defect = {"D2", kP4},
     .spins = 10,
     .before = free_indicator,
     .threads = {{.title = "writer 1, may die", .body = claim, .may_die = true},
                 {"check 1", [](Header& h) { h.check(kNow); }},
                 {"check 2, then writer 2",
                  [](Header& h) {
                    h.check(kNow);
                    if (h.writer().takeovers() > 0) h.reach("takeover");
                    follow(h);
                  }}},
     .after = finish_after_deaths});

}  // namespace
}  // namespace fsqlshm::harness

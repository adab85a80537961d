// A scenario: a writer may die before any of its steps; a check looks on, another repairs.

#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {

const AddScenario kWriterDiesNextToCheck(
    {.name = "writer-dies-next-to-check",
     .properties = "P1 P4",
     .description = "a writer may die before any step; a check looks on, another repairs",
     .outcomes = {"died", "released", "busy"},  // a search that misses one is vacuous
     .defect = {"D2", kP4},                     // what it finds in the published protocol
     .before = [](Header& h) { h.init_writer(); },
     .threads = {{.title = "writer, may die",
                  .body =
                      [](Header& h) {
                        if (h.acquire(1, kLater) && h.release(1)) h.reach("released");
                      },
                  .may_die = true},
                 {"check",
                  [](Header& h) {
                    if (h.check(kNow) == Exclusion::kBusy) h.reach("busy");
                  }}},
     .after =
         [](Header& h) {
           if (h.execution().deaths() > 0) h.reach("died");
           h.finish_writer();
         }});

}  // namespace fsqlshm::harness

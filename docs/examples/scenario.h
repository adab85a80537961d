// A Relacy scenario: a writer may die before any of its steps; a check looks on, another repairs.

#ifndef FSQLSHM_DOCS_EXAMPLES_SCENARIO_H_
#define FSQLSHM_DOCS_EXAMPLES_SCENARIO_H_

#include "relacy/world.h"

namespace fsqlshm::relacy {

template <class Protocol>
void add_example_scenario(Scenarios<Protocol>& list) {
  using W = World<Protocol>;
  list.add(
      {.name = "writer-dies-beside-check",
       .properties = "P1 P4",
       .description = "a writer may die before any step; a check looks on, another repairs",
       .lanes = {"writer, mortal", "check"},
       .outcomes = {"died", "let go", "busy"},  // a search that misses one is blind
       .defect = "D2",                          // what it finds in the published protocol
       .defect_property = std::string(kP4),
       .mortal = 0b01},
      [](W& w) { w.init_writer(); },
      {[](W& w) {
         if (w.acquire(1, kLater) && w.release(1)) w.reach(1);
       },
       [](W& w) {
         if (w.check(kNow) == Exclusion::kBusy) w.reach(2);
       }},
      [](W& w) {
        if (w.model().deaths() > 0) w.reach(0);
        w.finish_writer();
      });
}

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_DOCS_EXAMPLES_SCENARIO_H_

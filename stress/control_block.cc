#include "stress/control_block.h"

namespace fsqlshm::stress {

const CheckText& text_of(Check check) {
  static constexpr std::array<CheckText, 23> kTexts = {{
      {"snapshot integrity",
       "a torn triple: its parts are of different publishes",
       {"commit_seq", "schema_epoch", "ecs_epoch", ""}},
      {"snapshot linearizability",
       "a read returned an older snapshot than was in force when it began",
       {"returned", "oldest allowed", "", ""}},
      {"snapshot linearizability",
       "a read returned a snapshot whose publish had not begun",
       {"returned", "youngest begun", "", ""}},
      {"publication lock",
       "two live publishers hold the publication lock",
       {"other worker", "its incarnation", "", ""}},
      {"publication lock", "the guard refused to publish", {"publish", "error", "", ""}},
      {"txn ids are unique", "a transaction id was handed out twice", {"id", "", "", ""}},
      {"txn ids ascend",
       "a thread got a smaller transaction id than before",
       {"id", "before", "", ""}},
      {"txn ids are unique", "the allocator says that all ids are used up", {"", "", "", ""}},
      {"P1 exclusion",
       "an acquire succeeded while a live owner held the indicator",
       {"new id", "new token", "owner's token", ""}},
      {"P1 exclusion",
       "a check answered ok while a live owner held the indicator",
       {"owner's token", "now", "", ""}},
      {"P2 integrity",
       "an owner's words changed while it held the indicator",
       {"id word", "pid and generation", "birth", "lease"}},
      {"P3 quiescence",
       "an owner got an indicator whose words were not zero",
       {"id", "generation", "", ""}},
      {"P5 eviction", "a release refused an owner that still was one", {"id", "lease", "now", ""}},
      {"P5 eviction",
       "a release succeeded for an owner that had been succeeded by another",
       {"id", "token", "token in the log", ""}},
      {"gc horizon", "an older horizon came back", {"loaded", "oldest allowed", "", ""}},
      {"gc horizon", "a horizon that nobody had stored yet", {"loaded", "youngest begun", "", ""}},
      {"file", "the file cannot be opened any more", {"error", "found", "", ""}},
      {"file", "the geometry of the file changed", {"", "", "", ""}},
      {"valid header", "a header that validate rejects", {"error", "found", "expected", ""}},
      {"monotone words", "a counter of the header went back", {"offset", "loaded", "before", ""}},
      {"file", "a file that exists was created again", {"", "", "", ""}},
      {"of an added role",
       "a turn of an added role found its property broken",
       {"value 1", "value 2", "value 3", "value 4"}},
      {"self-test", "a planted violation", {"", "", "", ""}},
  }};
  return kTexts[static_cast<std::size_t>(check)];
}

}  // namespace fsqlshm::stress

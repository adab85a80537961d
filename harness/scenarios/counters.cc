// Scenarios of the transaction ids and the gc horizon.

#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {
namespace {

void two_ids(Header& h) {
  const auto first = h.alloc();
  const auto second = h.alloc();
  if (!first || !second) return;
  if (second->get() > first->get() + 1) h.reach("interleaved");
  if (h.execution().pauses() > 0) h.reach("lost a race");
}

const AddScenario kIds(
    {.name = "ids",
     .properties = "I1 I2 I3 of the ids",
     .description = "three processes take two transaction ids each",
     .outcomes = {"interleaved", "lost a race"},
     .before = [](Header& h) { h.init_ids(1); },
     .threads = {{"process 1", two_ids}, {"process 2", two_ids}, {"process 3", two_ids}},
     .after =
         [](Header& h) {
           const std::uint64_t next = h.execution().newest(Field::kNextTxnId);
           if (next == 7) return;
           h.execution().fail(kIdUnique, "six allocations, but next_txn_id is {}", next);
         }});

void last_id(Header& h) {
  const auto id = h.alloc();
  if (!id) h.reach("none left");
  if (id && id->get() == TxnId::kMaxRaw) h.reach("the last one");
}

const AddScenario kIdsEnd(
    {.name = "ids-end",
     .properties = "I1 I2 of the ids",
     .description = "three processes want the last two ids, up to 2^62-1",
     .outcomes = {"none left", "the last one"},
     .before = [](Header& h) { h.init_ids(TxnId::kMaxRaw - 1); },
     .threads = {{"process 1", last_id}, {"process 2", last_id}, {"process 3", last_id}},
     .after =
         [](Header& h) {
           const std::uint64_t next = h.execution().newest(Field::kNextTxnId);
           if (next == TxnId::kMaxRaw + 1) return;
           h.execution().fail(kIdDomain, "next_txn_id is {}", next);
         }});

const AddScenario kHorizon(
    {.name = "horizon",
     .properties = "visibility",
     .description = "the gc horizon carries what was done before it was stored",
     .outcomes = {"old", "new", "advance"},
     .before = [](Header& h) { h.init_horizon(); },
     .threads = {{"collector",
                  [](Header& h) {
                    h.store_horizon(1);
                    h.store_horizon(2);
                  }},
                 {"reader", [](Header& h) {
                    const std::uint64_t first = h.load_horizon();
                    const std::uint64_t second = h.load_horizon();
                    if (second < first) {
                      h.execution().fail(kI3Back, "the horizon goes back");
                    }
                    if (first == 0) h.reach("old");
                    if (second == 2) h.reach("new");
                    if (first < second) h.reach("advance");
                  }}}});

}  // namespace
}  // namespace fsqlshm::harness

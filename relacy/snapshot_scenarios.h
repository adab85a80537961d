// Scenarios of the seqlock, the single fields, transaction ids and the gc horizon.

#ifndef FSQLSHM_RELACY_SNAPSHOT_SCENARIOS_H_
#define FSQLSHM_RELACY_SNAPSHOT_SCENARIOS_H_

#include "world.h"

namespace fsqlshm::relacy {

template <class Protocol>
void add_snapshot_scenarios(Scenarios<Protocol>& list) {
  using W = World<Protocol>;
  using Body = typename W::Body;
  using Refusal = typename W::Refusal;

  const Body whole = [](W& w) { w.init_snapshot(); };
  const Body at_rest = [](W& w) { w.finish_snapshot(); };

  for (unsigned publishes = 1; publishes <= 3; ++publishes) {
    const Body publisher = [publishes](W& w) {
      for (unsigned version = 1; version <= publishes; ++version) w.publish(version);
    };
    const Body spinner = [publishes](W& w) {
      const ShmSnapshot first = w.load();
      const ShmSnapshot second = w.load();
      if (first == triple(0)) w.reach(0);
      if (second == triple(publishes)) w.reach(1);
      if (w.model().pauses() > 0) w.reach(2);
      if (first != second) w.reach(3);
    };
    list.add({.name = fmt::format("publish{}-load1", publishes),
              .properties = "I1 I2 I3 P6 visibility",
              .description = "a publisher against a reader that spins, twice",
              .lanes = {"publisher", "reader"},
              .outcomes = {"old version", "newest version", "retry", "advance"}},
             whole, {publisher, spinner}, at_rest);

    const Body tryer = [publishes](W& w) {
      const auto attempt = w.try_load();
      if (attempt.snapshot == triple(0)) w.reach(0);
      if (attempt.snapshot == triple(publishes)) w.reach(1);
      if (attempt.refusal == Refusal::kOdd) w.reach(2);
      if (attempt.refusal == Refusal::kChanged) w.reach(3);
      if (attempt.refusal == Refusal::kTorn) w.reach(4);
    };
    list.add({.name = fmt::format("publish{}-load2", publishes),
              .properties = "I1 I2 visibility",
              .description = "a publisher against two readers that try once",
              .lanes = {"publisher", "reader 1", "reader 2"},
              .outcomes = {"old version", "newest version", "odd refused", "change refused",
                           "torn read refused"}},
             whole, {publisher, tryer, tryer}, at_rest);
  }

  const Body repaired_reader = [](W& w) {
    for (int turn = 0; turn < 2; ++turn) {
      const auto attempt = w.try_load();
      if (attempt.snapshot == triple(2)) w.reach(0);
      if (attempt.refusal == Refusal::kOdd) w.reach(1);
      if (turn == 1 && attempt.snapshot) w.reach(2);
    }
  };
  list.add(
      {.name = "reconcile-load",
       .properties = "I1 I2 I3 P4",
       .description = "reconcile repairs what a dead publisher left odd and half written",
       .lanes = {"recovery", "reader 1", "reader 2"},
       .outcomes = {"repaired version", "odd refused", "repaired in the second turn"}},
      [](W& w) { w.init_snapshot(false); },
      {[](W& w) { w.reconcile(2); }, repaired_reader, repaired_reader}, at_rest);

  list.add({.name = "publisher-dies",
            .properties = "P4 I2 I3",
            .description = "a publisher may die before any step; readers refuse, reconcile repairs",
            .lanes = {"publisher, mortal", "reader"},
            .outcomes = {"died in the middle", "died in between", "odd refused"},
            .mortal = 0b01},
           whole,
           {[](W& w) {
              w.publish(1);
              w.publish(2);
            },
            [](W& w) {
              w.try_load();
              if (w.try_load().refusal == Refusal::kOdd) w.reach(2);
            }},
           [](W& w) {
             if (w.model().deaths() > 0) {
               w.reach(w.model().newest(Field::kSnapshotSeq) % 2 == 1 ? 0 : 1);
               w.reconcile(3);
               if (w.load() != triple(3)) w.model().fail(kP4, "reconcile did not put version 3 in");
             }
             w.finish_snapshot();
           });

  list.add(
      {.name = "two-publishers",
       .properties = "I2",
       .description = "two publishers without the publication lock: what the lock is for",
       .lanes = {"publisher 1", "publisher 2", "reader"},
       .defect = "D1",
       .defect_property = std::string(kI2Whole),
       .misuse = true},
      [](W& w) { w.init_snapshot(true, false); },
      {[](W& w) { w.publish(1); }, [](W& w) { w.publish(2); }, [](W& w) { w.try_load(); }},
      [](W&) {});

  list.add({.name = "fields",
            .properties = "I4 visibility",
            .description = "single fields without the seqlock: schema before commit",
            .lanes = {"publisher", "reader 1", "reader 2"},
            .outcomes = {"new commit", "new schema, old commit", "new ecs"}},
           whole,
           {[](W& w) {
              w.publish(1);
              w.publish(2);
            },
            [](W& w) {
              const unsigned commit = w.load_field(Field::kCommitSeq);
              const unsigned schema = w.load_field(Field::kSchemaEpoch);
              if (schema < commit) {
                w.model().fail(kI4Ddl, "commit version {} was seen with schema version {}", commit,
                               schema);
              }
              if (commit > 0) w.reach(0);
              if (schema > commit) w.reach(1);
            },
            [](W& w) {
              if (w.load_field(Field::kEcsEpoch) > 0) w.reach(2);
              w.load_field(Field::kSchemaEpoch);
            }},
           at_rest);

  const Body two_ids = [](W& w) {
    const auto first = w.alloc();
    const auto second = w.alloc();
    if (!first || !second) return;
    if (second->get() > first->get() + 1) w.reach(0);
    if (w.model().pauses() > 0) w.reach(1);
  };
  list.add(
      {.name = "ids",
       .properties = "I1 I2 I3 of the ids",
       .description = "three processes take two transaction ids each",
       .lanes = {"process 1", "process 2", "process 3"},
       .outcomes = {"interleaved", "lost a race"}},
      [](W& w) { w.init_ids(1); }, {two_ids, two_ids, two_ids},
      [](W& w) {
        if (w.model().newest(Field::kNextTxnId) != 7) {
          w.model().fail(kIdUnique, "six allocations, but next_txn_id is {}",
                         w.model().newest(Field::kNextTxnId));
        }
      });

  const Body last_id = [](W& w) {
    const auto id = w.alloc();
    if (!id) w.reach(0);
    if (id && id->get() == TxnId::kMaxRaw) w.reach(1);
  };
  list.add(
      {.name = "ids-end",
       .properties = "I1 I2 of the ids",
       .description = "three processes want the last two ids, up to 2^62-1",
       .lanes = {"process 1", "process 2", "process 3"},
       .outcomes = {"none left", "the last one"}},
      [](W& w) { w.init_ids(TxnId::kMaxRaw - 1); }, {last_id, last_id, last_id},
      [](W& w) {
        if (w.model().newest(Field::kNextTxnId) != TxnId::kMaxRaw + 1) {
          w.model().fail(kIdDomain, "next_txn_id is {}", w.model().newest(Field::kNextTxnId));
        }
      });

  list.add(
      {.name = "horizon",
       .properties = "visibility",
       .description = "the gc horizon carries what was done before it was stored",
       .lanes = {"collector", "reader"},
       .outcomes = {"old", "new", "advance"}},
      [](W& w) { w.init_horizon(); },
      {[](W& w) {
         w.store_horizon(1);
         w.store_horizon(2);
       },
       [](W& w) {
         const std::uint64_t first = w.load_horizon();
         const std::uint64_t second = w.load_horizon();
         if (second < first) w.model().fail(kI3Back, "the horizon goes back");
         if (first == 0) w.reach(0);
         if (second == 2) w.reach(1);
         if (first < second) w.reach(2);
       }},
      [](W&) {});
}

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SNAPSHOT_SCENARIOS_H_

// Scenarios of the serialized-writer indicator.

#ifndef FSQLSHM_RELACY_WRITER_SCENARIOS_H_
#define FSQLSHM_RELACY_WRITER_SCENARIOS_H_

#include "world.h"

namespace fsqlshm::relacy {

template <class Protocol>
void add_writer_scenarios(Scenarios<Protocol>& list) {
  using W = World<Protocol>;
  using Body = typename W::Body;

  const Body free_indicator = [](W& w) { w.init_writer(); };
  const Body finish = [](W& w) { w.finish_writer(); };
  // Owned by id 1 of process 0, whose lease has run out by kThen.
  const Body stale_owner = [](W& w) {
    w.init_writer();
    w.acquire_as(0, 1, kSoon);
  };

  list.add({.name = "acquire-acquire",
            .properties = "P1 P2 P3",
            .description = "three processes claim a free indicator",
            .lanes = {"writer 1", "writer 2", "writer 3"},
            .outcomes = {"acquired", "refused"}},
           free_indicator,
           {[](W& w) { w.reach(w.acquire(1, 401) ? 0 : 1); },
            [](W& w) { w.reach(w.acquire(2, 402) ? 0 : 1); },
            [](W& w) { w.reach(w.acquire(3, 403) ? 0 : 1); }},
           finish);

  list.add({.name = "acquire-release-acquire",
            .properties = "P1 P2 P3",
            .description = "a writer acquires, releases and acquires again; another wants it too",
            .lanes = {"writer 1", "writer 2"},
            .outcomes = {"again", "handed over", "refused"}},
           free_indicator,
           {[](W& w) {
              if (!w.acquire(1, 401)) return;
              w.release(1);
              if (w.acquire(2, 402)) w.reach(0);
            },
            [](W& w) {
              if (w.acquire(3, 403)) {
                w.reach(1);
                w.release(3);
              } else {
                w.reach(2);
              }
            }},
           finish);

  list.add(
      {.name = "release-acquire-same-process",
       .properties = "P2 P3",
       .description = "a release against an acquire of the same process with an equal lease",
       .lanes = {"writer 1 lets go", "writer 2"},
       .outcomes = {"acquired", "refused"},
       .defect = "D3",
       .defect_property = std::string(kP2),
       .process_of_thread = {0, 0, 2, 3}},
      [](W& w) {
        w.init_writer();
        w.acquire_as(0, 1, kLater);
      },
      {[](W& w) { w.release(1); }, [](W& w) { w.reach(w.acquire(2, kLater) ? 0 : 1); }}, finish);

  list.add(
      {.name = "late-clear",
       .properties = "P2 P3",
       .description = "a release that is late, while its process acquires, releases, acquires",
       .lanes = {"writer 1 lets go", "writers 2 and 3"},
       .outcomes = {"acquired twice", "refused"},
       .defect = "D4",
       .defect_property = std::string(kP2),
       .process_of_thread = {0, 0, 2, 3}},
      [](W& w) {
        w.init_writer();
        w.acquire_as(0, 1, 401, false);
      },
      {[](W& w) { w.release(1); },
       [](W& w) {
         if (!w.acquire(2, 402, false)) {
           w.reach(1);
           return;
         }
         w.release(2);
         if (w.acquire(3, 403, false)) w.reach(0);
       }},
      finish);

  list.add({.name = "stale-clear-acquire",
            .properties = "P1 P2 P3",
            .description = "a check clears a stale owner while somebody claims, twice if need be",
            .lanes = {"check", "writer 2"},
            .outcomes = {"evicted", "acquired", "refused, then acquired"},
            .patience = 10,
            .process_of_thread = {1, 2, 3, 3}},
           stale_owner,
           {[](W& w) {
              if (w.check(kThen) == Exclusion::kOk && w.writer().evictions() == 1) w.reach(0);
            },
            [](W& w) {
              if (w.acquire(2, kLater)) {
                w.reach(1);
              } else if (w.acquire(3, kLater)) {
                w.reach(2);
              }
            }},
           finish);

  list.add({.name = "two-cleaners-claimer",
            .properties = "P1 P2 P3",
            .description = "two checks of one stale owner, and a claimer",
            .lanes = {"check 1", "check 2", "writer 2"},
            .outcomes = {"evicted by 1", "evicted by 2", "acquired", "busy"},
            .defect = "D5",
            .defect_property = std::string(kP1),
            .patience = 10,
            .process_of_thread = {1, 2, 3, 3}},
           stale_owner,
           {[](W& w) {
              const unsigned before = w.writer().evictions();
              if (w.check(kThen) == Exclusion::kBusy) w.reach(3);
              if (w.writer().evictions() > before) w.reach(0);
            },
            [](W& w) {
              const unsigned before = w.writer().evictions();
              if (w.check(kThen) == Exclusion::kBusy) w.reach(3);
              if (w.writer().evictions() > before) w.reach(1);
            },
            [](W& w) {
              if (w.acquire(2, kLater)) w.reach(2);
            }},
           finish);

  list.add({.name = "check-claim",
            .properties = "P1 P2 P3",
            .description = "a check meets a claimer whose predecessor's lease has run out",
            .lanes = {"writer 1 lets go", "writer 2", "check"},
            .outcomes = {"acquired", "busy", "ok", "evicted"},
            .defect = "D5",
            .defect_property = std::string(kP1),
            .patience = 10},
           stale_owner,
           {[](W& w) { w.release(1); },
            [](W& w) {
              if (w.acquire(2, kLater)) w.reach(0);
            },
            [](W& w) {
              w.reach(w.check(kThen) == Exclusion::kBusy ? 1 : 2);
              if (w.writer().evictions() == 1) w.reach(3);
            }},
           finish);

  list.add(
      {.name = "evicted-owner-releases",
       .properties = "P5 P2 P3",
       .description = "an owner without a lease left releases while it is evicted and followed",
       .lanes = {"writer 1 lets go", "check, then writer 2"},
       .outcomes = {"evicted", "released", "followed"},
       .patience = 10},
      stale_owner,
      {[](W& w) { w.reach(w.release(1) ? 1 : 0); },
       [](W& w) {
         if (w.check(kThen) == Exclusion::kOk && w.acquire(2, kLater)) w.reach(2);
       }},
      finish);

  list.add(
      {.name = "check-release",
       .properties = "busy only for somebody live, P3",
       .description = "a check of a stale owner meets the zeroes of a release and of an eviction",
       .lanes = {"writer 1 lets go", "check 1", "check 2"},
       .outcomes = {"evicted", "let go"},
       .defect = "D6",
       .defect_property = std::string(kBusyProperty),
       .patience = 10},
      [stale_owner](W& w) {
        stale_owner(w);
        w.demand_honest_busy();
      },
      {[](W& w) { w.reach(w.release(1) ? 1 : 0); }, [](W& w) { w.check(kThen); },
       [](W& w) { w.check(kThen); }},
      finish);

  list.add(
      {.name = "check-dead-owner",
       .properties = "busy only for somebody live, P3",
       .description = "two checks of an owner without a lease that is long dead",
       .lanes = {"check 1", "check 2"},
       .outcomes = {"evicted by 1", "evicted by 2"},
       .defect = "D6",
       .defect_property = std::string(kBusyProperty),
       .patience = 10},
      [](W& w) {
        w.init_writer();
        w.acquire_as(3, 1, 0);
        w.bury(3);
        w.demand_honest_busy();
      },
      {[](W& w) {
         const unsigned before = w.writer().evictions();
         w.check(kNow);
         if (w.writer().evictions() > before) w.reach(0);
       },
       [](W& w) {
         const unsigned before = w.writer().evictions();
         w.check(kNow);
         if (w.writer().evictions() > before) w.reach(1);
       }},
      finish);

  list.add({.name = "check-twice",
            .properties = "P1 P3",
            .description = "who knows of a live owner gets no ok until the owner lets go",
            .lanes = {"writer 1", "check"},
            .outcomes = {"busy, busy", "busy, ok", "ok, busy"},
            .patience = 10},
           free_indicator,
           {[](W& w) {
              w.acquire(1, kLater);
              w.release(1);
            },
            [](W& w) {
              const Exclusion first = w.check(kNow);
              const Exclusion second = w.check(kNow);
              if (first == Exclusion::kBusy) w.reach(second == Exclusion::kBusy ? 0 : 1);
              if (first == Exclusion::kOk && second == Exclusion::kBusy) w.reach(2);
            }},
           finish);

  list.add(
      {.name = "successive-owners",
       .properties = "P1 P2",
       .description = "a check that has seen the old owner meets its successor",
       .lanes = {"writer 1 lets go", "writer 2", "check twice"},
       .outcomes = {"evicted", "busy", "acquired"},
       .defect = "D5",
       .defect_property = std::string(kP1),
       .patience = 10},
      [](W& w) {
        w.init_writer();
        w.acquire_as(0, 1, kSoon);
      },
      {[](W& w) { w.release(1); },
       [](W& w) {
         if (w.acquire(2, kLater) || w.acquire(3, kLater)) w.reach(2);
       },
       [](W& w) {
         w.check(kNow);
         if (w.check(kThen) == Exclusion::kBusy) w.reach(1);
         if (w.writer().evictions() > 0) w.reach(0);
       }},
      finish);

  list.add({.name = "look",
            .properties = "P1 P2 visibility",
            .description = "who sees an owner, or none any more, sees what was done before",
            .lanes = {"writer 1", "onlooker"},
            .outcomes = {"saw the owner", "saw it go"}},
           free_indicator,
           {[](W& w) {
              w.acquire(1, kLater);
              w.release(1);
            },
            [](W& w) {
              const auto first = w.look();
              const auto second = w.look();
              if (first) w.reach(second ? 0 : 1);
            }},
           finish);

  // --- Death ----------------------------------------------------------------------------------

  list.add({.name = "claimer-dies",
            .properties = "P4 P1",
            .description = "a writer may die before any step of acquire",
            .lanes = {"writer 1, mortal", "check"},
            .outcomes = {"death repaired", "busy", "takeover"},
            .defect = "D2",
            .defect_property = std::string(kP4),
            .patience = 10,
            .mortal = 0b01},
           free_indicator,
           {[](W& w) { w.acquire(1, kLater); },
            [](W& w) {
              if (w.check(kNow) == Exclusion::kBusy) w.reach(1);
              if (w.writer().takeovers() > 0) w.reach(2);
            }},
           [finish](W& w) {
             if (w.model().deaths() > 0) w.reach(0);
             finish(w);
           });

  list.add(
      {.name = "owner-dies",
       .properties = "P4 P1 P2",
       .description = "a writer without a lease may die at any step; a check and a claim follow",
       .lanes = {"writer 1, mortal", "check, then writer 2"},
       .outcomes = {"death repaired", "evicted", "takeover", "followed"},
       .defect = "D2",
       .defect_property = std::string(kP4),
       .patience = 10,
       .mortal = 0b01},
      free_indicator,
      {[](W& w) {
         w.acquire(1, 0);
         w.release(1);
       },
       [](W& w) {
         w.check(kNow);
         if (w.writer().evictions() > 0) w.reach(1);
         if (w.writer().takeovers() > 0) w.reach(2);
         if (w.acquire(2, kLater) && w.model().deaths() > 0) w.reach(3);
       }},
      [finish](W& w) {
        if (w.model().deaths() > 0) w.reach(0);
        finish(w);
      });

  list.add(
      {.name = "cleaner-dies",
       .properties = "P4 P1 P2",
       .description = "a check may die while it clears a stale owner; another and a claim follow",
       .lanes = {"check 1, mortal", "check 2, then writer 2"},
       .outcomes = {"death repaired", "takeover", "followed"},
       .patience = 10,
       .mortal = 0b01,
       .process_of_thread = {1, 2, 3, 3}},
      stale_owner,
      {[](W& w) { w.check(kThen); },
       [](W& w) {
         w.check(kThen);
         // The published protocol has no states that could be taken over.
         constexpr bool kStates = Protocol::kName != ReferenceProtocol::kName;
         if ((kStates ? w.writer().takeovers() : w.writer().evictions()) > 0) w.reach(1);
         if (w.acquire(2, kLater) && w.model().deaths() > 0) w.reach(2);
       }},
      [finish](W& w) {
        if (w.model().deaths() > 0) w.reach(0);
        finish(w);
      });

  list.add(
      {.name = "takeover-race",
       .properties = "P4 P1 P2",
       .description = "a writer may die while it claims; two checks take over, one then claims",
       .lanes = {"writer 1, mortal", "check 1", "check 2, then writer 2"},
       .outcomes = {"death repaired", "takeover", "followed"},
       .defect = "D2",
       .defect_property = std::string(kP4),
       .mortal = 0b001},
      free_indicator,
      {[](W& w) { w.acquire(1, kLater); }, [](W& w) { w.check(kNow); },
       [](W& w) {
         w.check(kNow);
         if (w.writer().takeovers() > 0) w.reach(1);
         if (w.acquire(2, kLater) && w.model().deaths() > 0) w.reach(2);
       }},
      [finish](W& w) {
        if (w.model().deaths() > 0) w.reach(0);
        finish(w);
      });
}

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_WRITER_SCENARIOS_H_

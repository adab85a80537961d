// Small protocols with a fault that Relacy cannot see, however long it searches, because it needs what
// Relacy does not have: an older store that stays (2+2W), release sequences of C++20, stores more than two
// old, an exchange that fails on an old value. Each is found here.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "relacy/rc11/search.h"
#include "relacy/search.h"

namespace fsqlshm::rc11 {
namespace {

using std::memory_order;
constexpr memory_order kRelaxed = memory_order::relaxed;
constexpr memory_order kAcquire = memory_order::acquire;
constexpr memory_order kRelease = memory_order::release;

// Three words of the header serve as x, y and z.
constexpr Field kX = Field::kCommitSeq;
constexpr Field kY = Field::kSchemaEpoch;
constexpr Field kZ = Field::kEcsEpoch;

struct Registers {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
};

template <class W>
struct BlindSpot {
  std::string name;
  std::vector<void (*)(W&, Registers&)> threads;
  bool (*wrong)(const Registers& r, const harness::Execution& end);
};

template <Field kField, std::uint64_t kValue, memory_order kOrder = kRelaxed>
void store(auto& w, Registers& /*r*/) {
  w.store(kField, kValue, kOrder);
}
template <auto kInto, Field kField, memory_order kOrder = kRelaxed>
void load(auto& w, Registers& r) {
  r.*kInto = w.load(kField, kOrder);
}
// An exchange that is there to fail: what it found.
template <auto kInto, Field kField, std::uint64_t kExpected>
void exchange(auto& w, Registers& r) {
  std::uint64_t expected = kExpected;
  static_cast<void>(w.compare_exchange(kField, expected, 9, kRelaxed, kRelaxed));
  r.*kInto = expected;
}

// Of release sequences, and of reads.
template <class W>
std::vector<BlindSpot<W>> of_reads() {
  using R = Registers;
  const auto no_message = [](const R& r, const harness::Execution&) {
    return r.b == 2 && r.a == 0;
  };
  return {{"a publisher bumps its flag again, relaxed, and the reader takes that for the release",
           {[](W& w, R& r) {
              store<kX, 1>(w, r);
              store<kY, 1, kRelease>(w, r);
              store<kY, 2>(w, r);
            },
            [](W& w, R& r) {
              load<&R::b, kY, kAcquire>(w, r);
              load<&R::a, kX>(w, r);
            }},
           no_message},
          {"a reader trusts that what it reads is at most two stores old",
           {[](W& w, R& r) {
              store<kX, 1>(w, r);
              store<kX, 2>(w, r);
              store<kX, 3>(w, r);
              store<kY, 1>(w, r);
            },
            [](W& w, R& r) {
              load<&R::b, kY>(w, r);
              load<&R::a, kX>(w, r);
            }},
           [](const R& r, const harness::Execution&) { return r.b == 1 && r.a == 0; }},
          {"a lock was given back, and who was told so, relaxed, is refused",
           {[](W& w, R& r) {
              std::uint64_t expected = 0;
              static_cast<void>(w.compare_exchange(kX, expected, 1, kAcquire, kRelaxed));
              store<kX, 0, kRelease>(w, r);
              store<kY, 1>(w, r);
            },
            [](W& w, R& r) {
              load<&R::b, kY>(w, r);
              if (r.b == 1) exchange<&R::a, kX, 0>(w, r);
            }},
           [](const R& r, const harness::Execution&) { return r.b == 1 && r.a == 1; }},
          {"two processes announce themselves and look at the other by an exchange that fails",
           {[](W& w, R& r) {
              store<kX, 1>(w, r);
              exchange<&R::a, kY, 7>(w, r);
            },
            [](W& w, R& r) {
              store<kY, 1>(w, r);
              exchange<&R::b, kX, 7>(w, r);
            }},
           [](const R& r, const harness::Execution&) { return r.a == 0 && r.b == 0; }}};
}

template <class W, memory_order kOrder>
BlindSpot<W> two_cleaners(const char* name) {
  return {name,
          {[](W& w, Registers& r) {
             store<kX, 1, kOrder>(w, r);
             store<kY, 2, kOrder>(w, r);
           },
           [](W& w, Registers& r) {
             store<kY, 1, kOrder>(w, r);
             store<kX, 2, kOrder>(w, r);
           }},
          [](const Registers&, const harness::Execution& end) {
            return end.newest(kX) == 1 && end.newest(kY) == 1;
          }};
}

// Of modification order: an older store stays.
template <class W>
std::vector<BlindSpot<W>> of_stores() {
  using R = Registers;
  return {
      two_cleaners<W, kRelaxed>("two cleaners zero two words in opposite orders, relaxed"),
      two_cleaners<W, kRelease>("the same with release, which orders no stores of two processes"),
      {"three cleaners, each of two words",
       {[](W& w, R& r) {
          store<kX, 1>(w, r);
          store<kY, 2>(w, r);
        },
        [](W& w, R& r) {
          store<kY, 1>(w, r);
          store<kZ, 2>(w, r);
        },
        [](W& w, R& r) {
          store<kZ, 1>(w, r);
          store<kX, 2>(w, r);
        }},
       [](const R&, const harness::Execution& end) {
         return end.newest(kX) == 1 && end.newest(kY) == 1 && end.newest(kZ) == 1;
       }},
      {"a successor that saw the flag stores, and what its predecessor stored before stays",
       {[](W& w, R& r) {
          store<kX, 2>(w, r);
          store<kY, 1>(w, r);
        },
        [](W& w, R& r) {
          load<&R::a, kY>(w, r);
          if (r.a == 1) store<kX, 1>(w, r);
        }},
       [](const R& r, const harness::Execution& end) { return r.a == 1 && end.newest(kX) == 2; }},
      {"the same over a process in between, which saw the store itself",
       {[](W& w, R& r) { store<kX, 2>(w, r); },
        [](W& w, R& r) {
          load<&R::a, kX>(w, r);
          if (r.a == 2) store<kY, 1>(w, r);
        },
        [](W& w, R& r) {
          load<&R::b, kY>(w, r);
          if (r.b == 1) store<kX, 1>(w, r);
        }},
       [](const R& r, const harness::Execution& end) { return r.b == 1 && end.newest(kX) == 2; }}};
}

template <class W>
std::vector<BlindSpot<W>> blind_spots() {
  std::vector<BlindSpot<W>> all = of_reads<W>();
  for (BlindSpot<W>& spot : of_stores<W>()) all.push_back(std::move(spot));
  return all;
}

GraphWords words_of(Header& h, const GraphWords* /*which*/) {
  return GraphWords(static_cast<GraphExecution&>(h.execution()));
}
relacy::RelacyWords words_of(Header& /*h*/, const relacy::RelacyWords* /*which*/) { return {}; }

template <class W>
Scenario scenario_of(const BlindSpot<W>& spot, Registers& r) {
  Scenario scenario{.name = "blind spot"};
  scenario.before = [&r](Header& h) {
    r = {};
    for (const Field field : {kX, kY, kZ}) h.execution().init(field, 0);
    // No oracle: not even the rule that asks for an order of stores, by which Relacy sees some of these.
    h.snapshot().reset(true, false);
  };
  for (const auto thread : spot.threads) {
    scenario.threads.push_back({.title = {}, .body = [&r, thread](Header& h) {
                                  W words = words_of(h, static_cast<const W*>(nullptr));
                                  thread(words, r);
                                }});
  }
  scenario.after = [&](Header& h) {
    if (spot.wrong(r, h.execution())) h.execution().fail("blind spot", "it happens");
  };
  return scenario;
}

TEST(BlindSpots, OfRelacyAreFoundHere) {
  const auto spots = blind_spots<GraphWords>();
  EXPECT_GE(spots.size(), 9U);
  for (const BlindSpot<GraphWords>& spot : spots) {
    Registers r;
    const SearchResult found = search(*find_subject("hardened"), scenario_of(spot, r));
    ASSERT_TRUE(found.violation) << spot.name;
    EXPECT_EQ(found.violation->property, "blind spot") << spot.name;
  }
}

TEST(BlindSpots, AreNotFoundByRelacy) {
  const relacy::Subject& hardened = *relacy::find_subject("hardened");
  for (const BlindSpot<relacy::RelacyWords>& spot : blind_spots<relacy::RelacyWords>()) {
    Registers r;
    const Scenario scenario = scenario_of(spot, r);
    for (const Budget& budget :
         {Budget{.search = harness::Search::kFull},
          Budget{.search = harness::Search::kRandom, .iterations = 20'000}}) {
      const relacy::SearchResult found = relacy::search(hardened, scenario, budget);
      EXPECT_TRUE(found.complete) << spot.name;
      EXPECT_FALSE(found.violation) << spot.name;
    }
  }
}

}  // namespace
}  // namespace fsqlshm::rc11

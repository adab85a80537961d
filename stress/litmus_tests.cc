// The races and their outcomes, one struct each.

#include <fmt/format.h>

#include <array>
#include <concepts>

#include "fsqlshm/writer_words.h"
#include "harness/properties/execution.h"
#include "stress/litmus.h"
#include "stress/operations.h"
#include "stress/subject_layout.h"

namespace fsqlshm::stress {
namespace {

using enum Expect;

constexpr std::uint32_t kPid = 77;
constexpr std::uint64_t kBirth = kKnownBirth | 4711;

template <class Layout>
class LitmusTests {
 public:
  using Test = LitmusTest<Layout>;

  static std::vector<Test> all(bool unlocked) {
    std::vector<Test> tests = snapshot_tests();
    if (unlocked) tests.push_back(unlocked_publishes());
    for (auto&& more : {writer_tests(), check_tests()}) {
      tests.insert(tests.end(), more.begin(), more.end());
    }
    tests.push_back(
        {.name = "alloc | alloc",
         .prepare = nothing,
         .first = alloc,
         .second = alloc,
         .arbiter = [](const Layout&, std::uint64_t a,
                       std::uint64_t b) { return fmt::format("{}, {}", a, b); },
         .outcomes = {{"1, 2", kInteresting, "the first was first"},
                      {"2, 1", kInteresting, "the second was first"},
                      {"1, 1", kForbidden, "an id handed out twice", "", harness::kIdUnique}}});
    return tests;
  }

 private:
  // There, who lives is known to the layout.
  static constexpr bool kOfSubject = std::same_as<Layout, SubjectLayout>;

  // --- Actors ------------------------------------------------------------------------------------

  static void nothing(Layout&) {}
  template <std::uint64_t kNumber>
  static std::uint64_t publish(Layout& layout) {
    const ShmSnapshot triple = triple_of(kNumber);
    layout.publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
    return 0;
  }
  template <std::uint64_t kId, std::uint64_t kUntil = kLease>
  static std::uint64_t acquire(Layout& layout) {
    return layout.acquire_serialized_writer(id_of(kId), kPid, kBirth, kUntil) ? 1 : 0;
  }
  static std::uint64_t release(Layout& layout) {
    return layout.release_serialized_writer(id_of(1)) ? 1 : 0;
  }
  static std::uint64_t check(Layout& layout) {
    const auto lives = [](std::uint32_t, std::uint64_t) { return true; };
    const auto answer = [&] {
      if constexpr (kOfSubject) {
        return layout.check_serialized_writer_exclusion(kNow);
      } else {
        return layout.check_serialized_writer_exclusion(kNow, lives);
      }
    };
    return answer() == Exclusion::kOk ? 1 : 0;
  }
  static std::uint64_t alloc(Layout& layout) {
    const auto id = layout.alloc_txn_id();
    return id ? id->get() : 0;
  }

  // Of a header that is prepared by an actor.
  template <std::uint64_t (*kActor)(Layout&)>
  static void after(Layout& layout) {
    kActor(layout);
  }

  // --- What arbiters say -------------------------------------------------------------------------

  // What the four words say.
  static std::string_view words(const Layout& layout) {
    const auto load = [&](Field field) {
      if constexpr (kOfSubject) {
        return layout.word(field);
      } else {
        return layout.words().load(field, std::memory_order_acquire);
      }
    };
    const std::uint64_t state = load(Field::kSerializedWriterTxnId);
    const std::uint64_t pid = load(Field::kSerializedWriterPidAndGen);
    const std::uint64_t birth = load(Field::kSerializedWriterPidBirth);
    const std::uint64_t lease = load(Field::kSerializedWriterLeaseExpiry);
    if (state == 0) return (pid | birth | lease) == 0 ? "free" : "free, not clean";
    const bool whole = pid_of(pid) == kPid && birth == kBirth && lease == kLease;
    return whole ? "owned" : "owned, words lost";
  }
  static std::string_view yes(std::uint64_t done) { return done != 0 ? "yes" : "no"; }
  static std::string_view ok(std::uint64_t done) { return done != 0 ? "ok" : "busy"; }

  static std::string yes_yes(const Layout& layout, std::uint64_t a, std::uint64_t b) {
    return fmt::format("{}, {}; {}", yes(a), yes(b), words(layout));
  }

  static std::string yes_ok(const Layout& layout, std::uint64_t a, std::uint64_t b) {
    return fmt::format("{}, {}; {}", yes(a), ok(b), words(layout));
  }
  static std::string ok_yes(const Layout& layout, std::uint64_t a, std::uint64_t b) {
    return fmt::format("{}, {}; {}", ok(a), yes(b), words(layout));
  }

  // --- Races -------------------------------------------------------------------------------------

  static std::vector<Test> snapshot_tests() {
    std::vector<Test> tests;
    tests.push_back(
        {.name = "publish | read",
         .prepare = after<publish<1>>,
         .first = publish<2>,
         .second = [](Layout& layout) -> std::uint64_t {
           const auto snapshot = layout.try_load_consistent_snapshot(1);
           if (!snapshot) return 0;
           return whole(*snapshot) ? snapshot->commit_seq.get() : 3;
         },
         .arbiter = [](const Layout&, std::uint64_t, std::uint64_t read) -> std::string {
           return std::array{"refused", "old", "new", "torn"}[read];
         },
         .outcomes = {{"old", kAcceptable, "the read came first"},
                      {"new", kAcceptable, "the publish came first"},
                      {"refused", kInteresting, "they met, and the reader noticed"},
                      {"torn", kForbidden, "parts of two publishes", "", harness::kI2Whole}}});
    tests.push_back(
        {.name = "publish | commit_seq, then schema_epoch",
         .prepare = after<publish<1>>,
         .first = publish<2>,
         .second = [](Layout& layout) -> std::uint64_t {
           const bool commit = layout.load_commit_seq() == CommitSeq(2);
           const bool schema = layout.load_schema_epoch() == triple_of(2).schema_epoch;
           return (commit ? 2U : 0U) + (schema ? 1U : 0U);
         },
         .arbiter = [](const Layout&, std::uint64_t, std::uint64_t read) -> std::string {
           return std::array{"old, old", "old, new", "new, old", "new, new"}[read];
         },
         .outcomes = {{"old, old", kAcceptable, "the loads came first"},
                      {"new, new", kAcceptable, "the publish came first"},
                      {"old, new", kInteresting, "a schema ahead of its commit"},
                      {"new, old", kForbidden, "a commit without the schema that it needs", "",
                       harness::kI4Ddl}}});
    return tests;
  }

  static Test unlocked_publishes() {
    return {.name = "publish | publish, without a lock",
            .prepare = after<publish<1>>,
            .first = publish<2>,
            .second = publish<3>,
            .arbiter = [](const Layout& layout, std::uint64_t, std::uint64_t) -> std::string {
              const auto snapshot = layout.try_load_consistent_snapshot(1);
              if (!snapshot) return "odd";
              if (!whole(*snapshot)) return "torn";
              return snapshot->commit_seq.get() == 2 ? "first" : "second";
            },
            .outcomes = {{"first", kAcceptable, "the first publish is in force"},
                         {"second", kAcceptable, "the second publish is in force"},
                         {"torn", kForbidden, "a torn triple under an even number", "D1"},
                         {"odd", kForbidden, "the number stays odd, readers spin for ever", "D1"}}};
  }

  static std::vector<Test> writer_tests() {
    return {
        {.name = "acquire | acquire",
         .prepare = nothing,
         .first = acquire<1>,
         .second = acquire<2>,
         .arbiter = yes_yes,
         .outcomes = {{"yes, no; owned", kInteresting, "the first won"},
                      {"no, yes; owned", kInteresting, "the second won"},
                      {"yes, yes; owned", kForbidden, "two owners (P1)", "", harness::kP1},
                      {"no, no; free", kForbidden, "neither won"}}},
        // Two writers of one process, with leases that end in the same second.
        {.name = "release | acquire",
         .prepare = after<acquire<1>>,
         .first = release,
         .second = acquire<2>,
         .arbiter = yes_yes,
         .outcomes = {{"yes, no; free", kAcceptable, "the acquire came too early"},
                      {"yes, yes; owned", kInteresting, "the acquire came after the release"},
                      {"yes, yes; owned, words lost", kForbidden,
                       "the release cleared its successor's words", "D3", harness::kP2},
                      {"yes, no; free, not clean", kForbidden, "free means zero (P3)", "",
                       harness::kP3}}},
        {.name = "release | release of the same id",
         .prepare = after<acquire<1>>,
         .first = release,
         .second = release,
         .arbiter = yes_yes,
         .outcomes = {{"yes, no; free", kInteresting, "the first released"},
                      {"no, yes; free", kInteresting, "the second released"},
                      {"yes, yes; free", kForbidden, "released twice"}}},
    };
  }

  static std::vector<Test> check_tests() {
    return {
        {.name = "acquire | check",
         .prepare = nothing,
         .first = acquire<1>,
         .second = check,
         .arbiter = yes_ok,
         .outcomes = {{"yes, ok; owned", kAcceptable, "the check came first"},
                      {"yes, busy; owned", kInteresting, "the check met a claimer or an owner"},
                      {"yes, ok; free", kForbidden, "a live owner was evicted (P1)", "",
                       harness::kP1}}},
        {.name = "check of a lease that ended | release",
         .prepare = after<acquire<1, kExpired>>,
         .first = check,
         .second = release,
         .arbiter = ok_yes,
         .outcomes = {{"ok, yes; free", kAcceptable, "the release came first"},
                      {"ok, no; free", kInteresting, "the check evicted the owner"},
                      {"busy, yes; free", kForbidden, "no process owned with a lease", "D6",
                       harness::kBusyProperty},
                      {"busy, no; free", kForbidden, "no process owned with a lease", "D6",
                       harness::kBusyProperty}}},
        // The first releases a tenure whose lease ended and acquires anew; the second checks.
        {.name = "release and acquire | check",
         .prepare = after<acquire<1, kExpired>>,
         .first =
             [](Layout& layout) {
               release(layout);
               return acquire<2>(layout);
             },
         .second = check,
         .arbiter = yes_ok,
         .outcomes = {{"yes, ok; owned", kAcceptable, "the check came before the new owner"},
                      {"yes, busy; owned", kInteresting, "the check met the new owner"},
                      {"no, ok; free", kInteresting, "the check was still clearing the old one"},
                      {"yes, ok; free", kForbidden, "a live owner was evicted (P1)", "",
                       harness::kP1},
                      {"yes, ok; owned, words lost", kForbidden,
                       "the check cleared a live owner's words", "D3", harness::kP2},
                      {"yes, busy; owned, words lost", kForbidden, "a live owner lost its words",
                       "D3", harness::kP2}}},
    };
  }
};

}  // namespace

template <class Layout>
std::vector<LitmusTest<Layout>> litmus_tests(bool unlocked) {
  return LitmusTests<Layout>::all(unlocked);
}
template std::vector<LitmusTest<OwnedSharedMemoryLayout<HardenedProtocol>>> litmus_tests(bool);
template std::vector<LitmusTest<OwnedSharedMemoryLayout<ReferenceProtocol>>> litmus_tests(bool);
template std::vector<LitmusTest<SubjectLayout>> litmus_tests(bool);

}  // namespace fsqlshm::stress

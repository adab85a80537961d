// The engine, tested by what it finds in subjects: known defects, mutants, what is broken on purpose; and by
// what it does not find in our own protocol.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/mutants/all.h"
#include "stress/step/instruction.h"
#include "stress/step/report.h"

namespace fsqlshm::step {
namespace {

using harness::find_scenario;
using harness::ScenarioReport;
using harness::Status;
using harness::Subject;
using testing::HasSubstr;

Subject load(const std::string& name) {
  auto subject = Subject::load(FSQLSHM_SUBJECTS "/" + name + ".so");
  if (!subject) throw std::runtime_error(subject.error());
  return *std::move(subject);
}

SearchResult bounded(const Subject& subject, std::string_view scenario, unsigned bound,
                     bool reduce = true) {
  return search(subject, *find_scenario(scenario), {.bound = bound, .seconds = 60},
                {.reduce = reduce});
}

// --- Our own protocol ----------------------------------------------------------------------------

TEST(Hardened, IsCleanAndReachesEveryOutcome) {
  const Subject hardened = load("hardened");
  const Budget budget{.bound = kStandardBound};
  for (const Scenario& scenario : harness::scenarios()) {
    const ScenarioReport report =
        judge_search(hardened, scenario, search(hardened, scenario, budget), budget, 0);
    EXPECT_EQ(report.status, scenario.misuse ? Status::kKnown : Status::kClean)
        << scenario.name << (report.finding ? report.finding->title : report.refusal);
    EXPECT_TRUE(report.summary.complete || scenario.misuse) << scenario.name;
  }
}

TEST(Hardened, RandomExecutionsAreCleanToo) {
  const Subject hardened = load("hardened");
  for (const char* name : {"check-claim", "owner-dies", "publish2-load2"}) {
    const SearchResult result =
        search(hardened, *find_scenario(name), {.search = Search::kRandom, .iterations = 2000});
    EXPECT_FALSE(result.found) << name << ": " << result.found->violation.text;
    EXPECT_EQ(result.executions, 2000U);
  }
}

// --- The published protocol ------------------------------------------------------------------------

TEST(Reference, ShowsItsDefectsWhereTheyAreAndNoOthers) {
  const Subject reference = load("reference");
  const Budget budget{.bound = 2};
  std::set<std::string> found;
  std::set<std::string> placed;  // clang merges instructions of several lines into one of none
  for (const Scenario& scenario : harness::scenarios()) {
    const ScenarioReport report =
        judge_search(reference, scenario, search(reference, scenario, budget), budget, 0);
    EXPECT_EQ(report.status, must_fail(reference, scenario) ? Status::kKnown : Status::kClean)
        << scenario.name;
    if (!report.finding) continue;
    found.insert(report.finding->defect);
    EXPECT_EQ(report.finding->property, scenario.defect.property);
    // A screen. The published check spins, and clang unrolls that.
    EXPECT_LE(report.finding->trace.at("steps").size(), 45U) << scenario.name;
    if (report.finding->line == 0) continue;
    EXPECT_TRUE(report.finding->file.starts_with("core/include/fsqlshm/")) << report.finding->file;
    placed.insert(report.finding->defect);
  }
  EXPECT_EQ(found, (std::set<std::string>{"D1", "D2", "D3", "D4", "D5", "D6"}));
  EXPECT_EQ(placed, found);
}

TEST(Reference, IsFoundByRandomExecutionsToo) {
  const Subject reference = load("reference");
  const SearchResult result = search(reference, *find_scenario("release-acquire-equal-lease"),
                                     {.search = Search::kRandom, .iterations = 20'000});
  ASSERT_TRUE(result.found);
  EXPECT_EQ(result.found->violation.property, harness::kP2);
}

TEST(Reference, TheReductionLosesNothing) {
  const Subject reference = load("reference");
  for (const char* name : {"late-clear", "check-claim", "claimer-dies", "check-dead-owner"}) {
    const SearchResult all = bounded(reference, name, 2, false);
    const SearchResult reduced = bounded(reference, name, 2);
    ASSERT_TRUE(all.found && reduced.found) << name;
    EXPECT_EQ(all.found->violation.property, reduced.found->violation.property);
    EXPECT_EQ(all.found->replay.execution.bound, reduced.found->replay.execution.bound) << name;
    EXPECT_LE(reduced.executions, all.executions);
  }
}

TEST(Reduction, ReachesTheSameOutcomesWithFewerExecutions) {
  const Subject hardened = load("hardened");
  for (const char* name : {"check-claim", "ids", "publish1-load2"}) {
    const SearchResult all = bounded(hardened, name, 2, false);
    const SearchResult reduced = bounded(hardened, name, 2);
    EXPECT_LT(reduced.executions, all.executions) << name;
    for (std::size_t i = 0; i < all.reached.size(); ++i) {
      EXPECT_EQ(all.reached[i] > 0, reduced.reached[i] > 0) << name << ", outcome " << i;
    }
  }
}

// --- Mutants -----------------------------------------------------------------------------------------

TEST(Mutants, AreAllKilledWhereTheModelCheckerKillsThem) {
  std::size_t killed = 0;
  harness::mutants::for_each([&]<class Mutant> {
    const std::string name(Mutant::kInfo.name);
    // A memory order; the publication lock of a file.
    if (name == "loads-with-release" || name == "fence-before-lock") return;
    const SearchResult result = bounded(load(name), Mutant::kInfo.scenario, 3);
    ASSERT_TRUE(result.found) << name << " survives " << Mutant::kInfo.scenario << result.refusal;
    ++killed;
  });
  EXPECT_EQ(killed, 37U);
}

// --- Replay, shards ------------------------------------------------------------------------------------

TEST(Replay, ShowsTheSameExecution) {
  const Subject reference = load("reference");
  const SearchResult result = bounded(reference, "check-claim", 2);
  ASSERT_TRUE(result.found);
  const auto id = ReplayId::parse(result.found->replay.text());
  ASSERT_TRUE(id) << id.error();
  const SearchResult again = replay(reference, *find_scenario("check-claim"), *id);
  ASSERT_TRUE(again.found) << again.refusal;
  EXPECT_EQ(again.found->detail, result.found->detail);
  EXPECT_EQ(again.found->trace, result.found->trace);
  EXPECT_THAT(again.found->detail, HasSubstr("lock cmpxchg"));
  EXPECT_THAT(again.found->detail, HasSubstr("reference/writer_indicator.h:"));
}

TEST(Replay, OfAnotherSubjectIsRefused) {
  const auto id = ReplayId::parse("look/bound1/000000000000000000000000000000000000000001");
  ASSERT_TRUE(id);
  const SearchResult result = replay(load("hardened"), *find_scenario("look"), *id);
  EXPECT_FALSE(result.found);
  EXPECT_THAT(result.refusal, HasSubstr("another subject"));
}

TEST(Replay, IdsThatAreNoneAreRefused) {
  for (const char* text : {"", "look", "look/bound1/", "look/boundx/0", "look/random/0",
                           "look/full/0", "look/bound1/-"}) {
    EXPECT_FALSE(ReplayId::parse(text)) << text;
  }
}

// All leaves of a tree of choices whose depth and width depend on the path.
std::multiset<std::string> leaves(Choices& choices) {
  std::multiset<std::string> found;
  choices.restart();
  do {
    choices.begin();
    std::string path;
    for (unsigned left = 9; left > 0;) {
      const unsigned limit = 2 + left % 2;
      const unsigned index = choices.choose(limit);
      path += static_cast<char>('0' + index);
      left -= std::min(left, 1 + index);
    }
    found.insert(path);
  } while (choices.next());
  return found;
}

TEST(Choices, AreMadeOnceEachAndShardsAreTheWhole) {
  Choices whole({}, true);
  const auto all = leaves(whole);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
  std::set<std::string> together;
  for (std::uint64_t index = 1; index <= 3; ++index) {
    Choices part({.index = index, .count = 3}, true);
    const auto of_part = leaves(part);
    EXPECT_LT(of_part.size(), all.size());
    together.insert(of_part.begin(), of_part.end());
  }
  EXPECT_EQ(together, std::set(all.begin(), all.end()));
}

TEST(Choices, AStateIsExploredAgainOnlyWithMorePreemptionsLeft) {
  Choices choices({}, true);
  choices.restart();
  choices.begin();
  EXPECT_FALSE(choices.seen(7, 1));
  EXPECT_TRUE(choices.seen(7, 1));
  EXPECT_TRUE(choices.seen(7, 0));
  EXPECT_FALSE(choices.seen(7, 2));
  EXPECT_FALSE(choices.seen(8, 0));
  EXPECT_TRUE(choices.seen(8, 0));
}

TEST(Shards, TogetherFindWhatTheWholeFinds) {
  const Subject reference = load("reference");
  unsigned found = 0;
  for (std::uint64_t index = 1; index <= 3; ++index) {
    const SearchResult result = search(reference, *find_scenario("check-claim"),
                                       {.bound = 2, .shard = {.index = index, .count = 3}});
    found += result.found ? 1 : 0;
  }
  EXPECT_GT(found, 0U);
}

// --- Broken subjects -------------------------------------------------------------------------------------

SearchResult of_broken(const std::string& name, std::string_view scenario) {
  return search(load(name), *find_scenario(scenario), {.bound = 1},
                {.patience = std::chrono::milliseconds(500)});
}

TEST(Broken, ACrashIsAFinding) {
  const SearchResult result = of_broken("crashes", "ids");
  ASSERT_TRUE(result.found);
  EXPECT_EQ(result.found->violation.property, "memory");
  EXPECT_THAT(result.found->violation.text, HasSubstr("illegal instruction"));
  // No address, which would be another one in the next run.
  EXPECT_THAT(result.found->violation.text,
              testing::ContainsRegex(
                  "instruction at crashes.so\\+0x[0-9a-f]+ in fsqlshm_header_alloc_txn_id$"));
}

TEST(Broken, AnEndlessCallIsAFinding) {
  const SearchResult result = of_broken("hangs", "publish1-load2");
  ASSERT_TRUE(result.found);
  EXPECT_THAT(result.found->violation.text,
              HasSubstr("hung in fsqlshm_header_publish_snapshot: gave no sign of life"));
}

TEST(Broken, AForkAndAClosedDescriptorAreFindings) {
  for (const auto& [name, text] :
       {std::pair("forks", "forked in fsqlshm_header_alloc_txn_id"),
        std::pair("closes", "closed descriptors in fsqlshm_header_alloc_txn_id")}) {
    const SearchResult result = of_broken(name, "ids");
    ASSERT_TRUE(result.found) << name;
    EXPECT_EQ(result.found->violation.property, "a call leaves its process as it is");
    EXPECT_THAT(result.found->violation.text, HasSubstr(text));
  }
}

TEST(Broken, AWriteOutsideOfTheHeaderIsAFinding) {
  const SearchResult result = of_broken("writes-outside", "horizon");
  ASSERT_TRUE(result.found);
  EXPECT_EQ(result.found->violation.property, "memory");
  EXPECT_THAT(result.found->violation.text, HasSubstr("-8 bytes from the start"));
}

TEST(Broken, AnAccessOfTwoWordsIsRefused) {
  const SearchResult result = of_broken("wide-access", "ids");
  EXPECT_FALSE(result.found);
  EXPECT_THAT(result.refusal, HasSubstr("accesses more than one word at once"));
}

TEST(Broken, StateOutsideOfTheHeaderIsRefused) {
  EXPECT_THAT(of_broken("remembers", "ids").refusal, HasSubstr("outside of its header"));
}

// The page is opened for one instruction, by the trap flag.
TEST(Broken, AnAccessThatCannotBeMovedIsAStepAllTheSame) {
  const SearchResult good = of_broken("index-only-ids", "ids");
  EXPECT_EQ(good.refusal, "");
  EXPECT_FALSE(good.found);
  EXPECT_GT(good.steps, good.executions);
  const SearchResult bad = of_broken("pushed-ids", "ids");
  ASSERT_TRUE(bad.found) << bad.refusal;
  EXPECT_EQ(bad.found->violation.property, harness::kIdDomain);  // the word goes back
  EXPECT_THAT(bad.found->detail, HasSubstr("push qword ptr"));
}

TEST(Instructions, WhatCannotBeDecodedIsRefused) {
  // No instruction of 64-bit code begins with 0x06. It is not executed.
  static constexpr std::array<std::uint8_t, 16> kCode = {0x06, 0x06};
  Instructions instructions({.real = 0, .scratch = 0});
  const Instruction& found = instructions.at(reinterpret_cast<std::uintptr_t>(kCode.data()));
  EXPECT_THAT(found.refusal, HasSubstr("cannot be decoded: 06 06"));
  EXPECT_EQ(found.way, Way::kRefused);
}

TEST(Broken, AnUnlockedInstructionIsTwoSteps) {
  const SearchResult result = of_broken("unlocked-ids", "ids");
  ASSERT_TRUE(result.found) << result.refusal;
  // What one wrote is lost: the word changes by more than one when the other writes its own.
  EXPECT_EQ(result.found->violation.property, harness::kIdDomain);
}

}  // namespace
}  // namespace fsqlshm::step

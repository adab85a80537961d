// The engine, tested by what it finds: defects that are known to be there are found with few
// preemptions, mutants are caught, and what is clean stays clean.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "audit.h"
#include "litmus.h"
#include "report.h"

namespace fsqlshm::relacy {
namespace {

using harness::ScenarioReport;

const Subject& subject(std::string_view name) { return *find_subject(name); }

SearchResult bounded(const Subject& which, std::string_view scenario, unsigned bound) {
  return search(which, *find_scenario(scenario),
                {.search = Search::kBounded, .bound = bound, .seconds = 60});
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const Scenario& scenario : scenarios()) names.push_back(scenario.name);
  return names;
}

std::string printable(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

// --- Hardened ------------------------------------------------------------------------------------

class Hardened : public testing::TestWithParam<std::string> {};

TEST_P(Hardened, IsCleanAndReachesEveryOutcome) {
  const Subject& hardened = subject("hardened");
  const Scenario& scenario = *find_scenario(GetParam());
  for (const Budget& budget :
       {Budget{.search = Search::kBounded, .bound = 2},
        Budget{.search = Search::kRandom, .iterations = kStandardIterations}}) {
    const ScenarioReport report =
        judge_search(hardened, scenario, search(hardened, scenario, budget), budget, 5);
    EXPECT_EQ(report.status, must_fail(hardened, scenario) ? Status::kKnown : Status::kClean)
        << (report.finding ? report.finding->title + "\n" + report.finding->detail : "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, Hardened, testing::ValuesIn(scenario_names()), printable);

// --- Reference -----------------------------------------------------------------------------------

class Reference : public testing::TestWithParam<std::string> {};

TEST_P(Reference, ShowsItsDefectsAndNoOthers) {
  const Subject& reference = subject("reference");
  const Scenario& scenario = *find_scenario(GetParam());
  const Budget budget{.search = Search::kBounded, .bound = 2, .seconds = 60};
  const SearchResult result = search(reference, scenario, budget);
  const ScenarioReport report = judge_search(reference, scenario, result, budget, 5);
  if (!must_fail(reference, scenario)) {
    EXPECT_EQ(report.status, Status::kClean) << report.finding->title << report.finding->detail;
    return;
  }
  ASSERT_EQ(report.status, Status::kKnown) << GetParam();
  ASSERT_TRUE(result.violation);
  EXPECT_EQ(result.violation->property, scenario.defect.property);
  EXPECT_EQ(report.finding->trace["violation"]["property"], scenario.defect.property);
  EXPECT_EQ(report.finding->defect, scenario.defect.name);
  // The oracle says by itself which defect shows like this.
  EXPECT_EQ(result.violation->defect, scenario.defect.name);
  EXPECT_GT(report.finding->line, 0);
  EXPECT_TRUE(report.finding->file.starts_with("core/include/fsqlshm/")) << report.finding->file;
}

INSTANTIATE_TEST_SUITE_P(All, Reference, testing::ValuesIn(scenario_names()), printable);

TEST(Defects, AllHaveAScenario) {
  std::set<std::string> defects;
  for (const Scenario& scenario : scenarios()) defects.emplace(scenario.defect.name);
  for (const char* defect : {"D1", "D2", "D3", "D4", "D5", "D6"}) {
    EXPECT_TRUE(defects.contains(defect)) << defect;
  }
}

TEST(Defects, D2NeedsADeath) {
  const Subject& reference = subject("reference");
  const SearchResult found = bounded(reference, "claimer-dies", 3);
  ASSERT_TRUE(found.violation);
  const auto trace = replay(found.replay);
  ASSERT_TRUE(trace);
  EXPECT_EQ(std::ranges::count(trace->steps, Op::kDie, &Step::op), 1);
  EXPECT_EQ(trace->violation->property, "P4 crash");
}

// --- Mutants -------------------------------------------------------------------------------------

std::vector<std::string> mutant_names() {
  std::vector<std::string> names;
  for (const Subject& each : subjects()) {
    if (each.is_mutant()) names.push_back(each.name);
  }
  return names;
}

class Mutant : public testing::TestWithParam<std::string> {};

TEST_P(Mutant, IsCaught) {
  const Subject& mutant = subject(GetParam());
  const SearchResult found = bounded(mutant, mutant.caught_by, 3);
  ASSERT_TRUE(found.violation) << mutant.caught_by;
  EXPECT_TRUE(found.violation->property.starts_with(mutant.caught_property))
      << found.violation->property << ": " << found.violation->text;
}

INSTANTIATE_TEST_SUITE_P(All, Mutant, testing::ValuesIn(mutant_names()), printable);

TEST(Random, CatchesEveryMutantToo) {
  for (const std::string& name : mutant_names()) {
    const Subject& mutant = subject(name);
    const SearchResult found = search(mutant, *find_scenario(mutant.caught_by),
                                      {.search = Search::kRandom, .iterations = 200'000});
    EXPECT_TRUE(found.violation) << name;
  }
}

// --- Gates ---------------------------------------------------------------------------------------

// Threads of three stores each, which count executions by their steps.
class Odd {
 public:
  explicit Odd(std::vector<std::string> threads, std::vector<std::string> outcomes = {})
      : scenario{.name = "odd", .outcomes = std::move(outcomes)} {
    paths.reserve(1U << 20);
    scenario.before = [this](Header&) {
      Checker::get().init(Field::kGcHorizon, 0);
      path_ = 1;
    };
    for (unsigned index = 0; index < threads.size(); ++index) {
      scenario.threads.push_back({threads[index], [this, index](Header& h) {
                                    if (!scenario.outcomes.empty()) h.reach("always");
                                    for (int turn = 0; turn < 3; ++turn) {
                                      words_.store(Field::kGcHorizon, 1,
                                                   std::memory_order::relaxed);
                                      path_ = path_ * 4 + index;
                                    }
                                  }});
    }
    scenario.after = [this](Header&) { paths.push_back(path_); };
  }
  Odd(const Odd&) = delete;
  Odd& operator=(const Odd&) = delete;

  Scenario scenario;
  std::vector<std::uint64_t> paths;

 private:
  RelacyWords words_;
  std::uint64_t path_ = 1;
};

TEST(Gates, AnOutcomeThatIsNeverReachedIsVacuous) {
  const Subject& own = subject("hardened");
  const Odd odd({"a", "b"}, {"always", "never"});
  const Budget budget{.search = Search::kRandom, .iterations = kStandardIterations};
  const ScenarioReport report =
      judge_search(own, odd.scenario, search(own, odd.scenario, budget), budget, 1);
  EXPECT_EQ(report.status, Status::kVacuous);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->severity, "vacuous");
  EXPECT_NE(report.finding->title.find("never"), std::string::npos);
  // A run too short to be blamed for it.
  const Budget little{.search = Search::kRandom, .iterations = 10};
  EXPECT_EQ(judge_search(own, odd.scenario, search(own, odd.scenario, little), little, 1).status,
            Status::kClean);
}

TEST(Gates, AnOutcomeThatIsNotDeclaredIsAFinding) {
  const Odd odd({"a", "b"}, {"alway"});
  const SearchResult found =
      search(subject("hardened"), odd.scenario, {.search = Search::kRandom, .iterations = 10});
  ASSERT_TRUE(found.violation);
  EXPECT_EQ(found.violation->property, kBadScenario);
  EXPECT_NE(found.violation->text.find("\"always\""), std::string::npos);
}

TEST(Gates, ADefectThatIsNotFoundIsAFinding) {
  const Subject& own = subject("reference");
  Odd odd({"a", "b"});
  odd.scenario.defect = {"D9", "P9"};
  const Budget budget{.search = Search::kRandom, .iterations = 1000};
  const ScenarioReport report =
      judge_search(own, odd.scenario, search(own, odd.scenario, budget), budget, 1);
  EXPECT_EQ(report.status, Status::kMissed);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->severity, "vacuous");
  EXPECT_EQ(report.finding->defect, "D9");
}

// --- Searching -----------------------------------------------------------------------------------

TEST(Reports, AreTheSameInAnotherProcess) {
  ScenarioReport report{.status = harness::Status::kKnown,
                        .summary = {.executions = 1,
                                    .next = 2,
                                    .seconds = 0.5,
                                    .complete = true,
                                    .bound_reached = 3,
                                    .reached = {4, 5}},
                        .counts = {{"b", 6}, {"a", 7}},
                        .finding = harness::Finding{.severity = "expected",
                                                    .property = "P",
                                                    .defect = "D1",
                                                    .title = "\xff",
                                                    .detail = "e",
                                                    .replay = "f",
                                                    .file = "g",
                                                    .line = 8,
                                                    .artefacts = {"h"},
                                                    .trace = {{"i", 9}}},
                        .refusal = "j"};
  const auto bytes = harness::pack(report);
  const ScenarioReport read = harness::unpack(bytes);
  EXPECT_EQ(harness::pack(read), bytes);
  const Scenario& look = *find_scenario("look");
  report.summary.reached.assign(look.outcomes.size(), 1);
  EXPECT_EQ(harness::to_json(look, harness::unpack(harness::pack(report))),
            harness::to_json(look, report));
  const harness::Finding& one = *read.finding;
  EXPECT_THAT((std::vector{one.severity, one.property, one.defect, one.title, one.detail,
                           one.replay, one.file, one.artefacts.at(0), read.refusal}),
              testing::ElementsAre("expected", "P", "D1", "\xff", "e", "f", "g", "h", "j"));
  EXPECT_EQ(one.line, 8);
  EXPECT_EQ(one.trace, report.finding->trace);
  report.finding.reset();
  EXPECT_FALSE(harness::unpack(harness::pack(report)).finding);
}

TEST(Shards, AreTogetherTheWholeTree) {
  const Subject& own = subject("hardened");
  Odd odd({"a", "b", "c"});
  std::uint64_t executions = 0;
  const auto run = [&](std::uint64_t index, std::uint64_t count) {
    odd.paths.clear();
    const SearchResult result = search(
        own, odd.scenario, {.search = Search::kFull, .shard = {.index = index, .count = count}});
    EXPECT_TRUE(result.complete);
    executions = result.executions;
    return std::set<std::uint64_t>(odd.paths.begin(), odd.paths.end());
  };
  const std::set<std::uint64_t> whole = run(1, 1);
  EXPECT_EQ(whole.size(), 1680U);        // interleavings of three threads of three steps: 9! / 3!^3
  const std::uint64_t all = executions;  // some are the same interleaving
  std::set<std::uint64_t> parts;
  for (std::uint64_t index = 1; index <= 3; ++index) {
    const std::set<std::uint64_t> part = run(index, 3);
    EXPECT_LT(executions, all / 2);
    parts.insert(part.begin(), part.end());
  }
  EXPECT_EQ(parts, whole);
}

TEST(Random, IsAFunctionOfItsNumber) {
  const Subject& reference = subject("reference");
  const Scenario& scenario = *find_scenario("late-clear");
  const SearchResult once =
      search(reference, scenario, {.search = Search::kRandom, .iterations = 100'000});
  const SearchResult again =
      search(reference, scenario, {.search = Search::kRandom, .iterations = 100'000});
  ASSERT_TRUE(once.violation && again.violation);
  EXPECT_EQ(once.replay.text(), again.replay.text());
  // Started elsewhere it finds another execution.
  const SearchResult later = search(reference, scenario,
                                    {.search = Search::kRandom,
                                     .iterations = 100'000,
                                     .first = once.replay.execution.number + 1});
  ASSERT_TRUE(later.violation);
  EXPECT_GT(later.replay.execution.number, once.replay.execution.number);
}

TEST(Minimise, FindsTheFewestPreemptions) {
  const Subject& reference = subject("reference");
  const Scenario& scenario = *find_scenario("late-clear");
  const SearchResult found =
      search(reference, scenario, {.search = Search::kRandom, .iterations = 100'000});
  ASSERT_TRUE(found.violation);
  const auto smaller = minimise(reference, scenario, found, 3, 30);
  ASSERT_TRUE(smaller);
  EXPECT_EQ(smaller->replay.execution.bound,
            1U);  // one is needed: the late release must be interrupted
}

// --- Replay --------------------------------------------------------------------------------------

TEST(Replay, ReproducesExactlyThatExecution) {
  const Subject& reference = subject("reference");
  for (const Budget& budget : {Budget{.search = Search::kRandom, .iterations = 100'000},
                               Budget{.search = Search::kBounded, .bound = 3},
                               Budget{.search = Search::kFull, .iterations = 1'000'000}}) {
    const SearchResult found =
        search(reference, *find_scenario("release-acquire-same-process"), budget);
    ASSERT_TRUE(found.violation);
    const auto id = ReplayId::parse(found.replay.text());
    ASSERT_TRUE(id) << id.error();
    EXPECT_EQ(id->text(), found.replay.text());
    const auto trace = replay(*id);
    ASSERT_TRUE(trace) << trace.error();
    ASSERT_TRUE(trace->violation);
    EXPECT_EQ(trace->violation->property, found.violation->property);
    EXPECT_EQ(trace->violation->text, found.violation->text);
    const auto again = replay(*id);
    EXPECT_EQ(render(*trace), render(*again));
  }
}

TEST(Replay, OfAWeakenedOrderNamesIt) {
  const Subject& hardened = subject("hardened");
  for (const SiteUse& use : discover_sites(hardened)) {
    for (const Weakening& weakening : weakenings(use.site)) {
      const ReplayId id{.protocol = "hardened",
                        .scenario = "ids",
                        .execution = {.number = 7},
                        .weakening = weakening};
      const auto parsed = ReplayId::parse(id.text());
      ASSERT_TRUE(parsed) << id.text();
      EXPECT_EQ(parsed->text(), id.text());
    }
  }
}

TEST(Replay, RefusesWhatIsNoId) {
  for (const char* text :
       {"", "x", "hardened/ids", "hardened/ids/random/", "hardened/ids/random/0",
        "hardened/ids/random/12x", "hardened/ids/bound/0", "hardened/ids/bound1/",
        "hardened/ids/bound1/0-1", "hardened/ids/sideways/1", "hardened/ids/random/1@x",
        "hardened/ids/random/1@a.h:f:load:commit_seq:acquire=weak",
        "hardened/ids/random/1@a.h:f:load:nothing:acquire=relaxed",
        "hardened/ids/random/1@a.h:f:load::acquire=relaxed"}) {
    EXPECT_FALSE(ReplayId::parse(text)) << text;
  }
  for (const char* text : {"nobody/ids/random/1", "hardened/nothing/random/1",
                           // Choices that no scheduler ever had, and more of them than there are.
                           "hardened/ids/bound3/zzz", "hardened/horizon/bound0/0000000000000001"}) {
    const auto id = ReplayId::parse(text);
    ASSERT_TRUE(id) << text;
    EXPECT_FALSE(replay(*id)) << text;
  }
}

TEST(Traces, ShowStaleReadsAndTheStoreThatWasRead) {
  const Subject& mutant = subject("mutant-commit-before-schema");
  const SearchResult found = bounded(mutant, "fields", 3);
  ASSERT_TRUE(found.violation);
  const auto trace = replay(found.replay);
  ASSERT_TRUE(trace);
  const std::string text = render(*trace);
  EXPECT_NE(text.find("commit_seq = 101"), std::string::npos) << text;
  EXPECT_NE(text.find("I4 schema before commit"), std::string::npos) << text;
  EXPECT_NE(text.find("shared_memory_layout.h:"), std::string::npos) << text;
  EXPECT_NE(text.find("--replay 'mutant-commit-before-schema/fields/"), std::string::npos) << text;

  const Subject& reference = subject("reference");
  const SearchResult torn = bounded(reference, "two-publishers", 3);
  ASSERT_TRUE(torn.violation);
  const auto shown = replay(torn.replay);
  ASSERT_TRUE(shown);
  const auto stale = std::ranges::find_if(shown->steps, [](const Step& step) {
    return step.op == Op::kLoad && step.read != step.newest;
  });
  ASSERT_NE(stale, shown->steps.end());
  EXPECT_NE(render(*shown).find("STALE"), std::string::npos);
  const nlohmann::json step =
      to_json(*shown)["steps"][static_cast<std::size_t>(stale - shown->steps.begin())];
  EXPECT_TRUE(step["stale"]);
  EXPECT_LT(step["read_step"], step["newest_step"]);
}

TEST(Traces, FoldTheTurnsOfASpin) {
  const SearchResult found = bounded(subject("reference"), "check-claim", 1);
  ASSERT_TRUE(found.violation);
  const auto trace = replay(found.replay);
  ASSERT_TRUE(trace);
  const nlohmann::json document = to_json(*trace);
  EXPECT_EQ(document["threads"].size(), 3U);
  std::size_t steps = 0;  // every step is there or folded, in order
  std::size_t folded = 0;
  for (const auto& entry : document["steps"]) {
    if (entry.contains("repeat")) {
      steps += entry["repeat"].get<std::size_t>();
      folded += entry["repeat"].get<std::size_t>();
      EXPECT_EQ(entry["repeat"].get<int>() % entry["period"].get<int>(), 0);
      EXPECT_EQ(entry["until"], steps);
    } else {
      EXPECT_EQ(entry["step"], ++steps);
    }
  }
  EXPECT_EQ(steps, trace->steps.size());
  EXPECT_GT(folded, 10U);  // the check of `reference` looks again ten times
  EXPECT_NE(render(*trace).find("the same up to step"), std::string::npos);
}

// --- The tool's own limits -----------------------------------------------------------------------

TEST(LitmusPrograms, BehaveAsDocumented) {
  unsigned limits = 0;
  for (const LitmusResult& result : run_litmus()) {
    EXPECT_TRUE(result.as_expected())
        << result.name << ": random " << result.random << ", bounded " << result.bounded;
    EXPECT_TRUE(result.allowed || result.random + result.bounded == 0) << result.name;
    limits += result.is_limit() ? 1 : 0;
  }
  EXPECT_EQ(limits, 4U);  // LB, 2+2W, release sequences before C++20, three stores back
}

// --- The order audit -----------------------------------------------------------------------------

TEST(Orders, AreAllReachedByAScenario) {
  std::map<std::string, std::set<unsigned>> reached;
  for (const char* name : {"hardened", "reference"}) {
    for (const SiteUse& use : discover_sites(subject(name))) {
      reached[std::string(use.site.file)].insert(use.site.line);
    }
  }
  unsigned orders = 0;
  for (const char* file :
       {"hardened/seqlock.h", "hardened/writer_indicator.h", "reference/seqlock.h",
        "reference/writer_indicator.h", "shared_memory_layout.h", "txn_id_allocator.h"}) {
    std::ifstream in(std::filesystem::path(FSQLSHM_CORE_INCLUDE) / file);
    ASSERT_TRUE(in) << file;
    std::string line;
    for (unsigned number = 1; std::getline(in, line); ++number) {
      const std::size_t at = line.find("std::memory_order::");
      if (at == std::string::npos || line.find("relaxed", at) == at + 19) continue;
      ++orders;
      // The call starts on this line or on one of the two before it.
      const auto& lines = reached[file];
      EXPECT_TRUE(lines.contains(number) || lines.contains(number - 1) ||
                  lines.contains(number - 2))
          << file << ":" << number << " has an order that no scenario reaches: " << line;
    }
  }
  EXPECT_GT(orders, 30U);
}

TEST(Orders, ASurvivorNeedsAWord) {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("fsqlshm_relacy_test.{}.h", ::getpid());
  std::ofstream(path) << "// Kept: what the order audit cannot see is load buffering.\n"
                         "x.load(acquire);\n\n\n\n\n\n\n\n\n\n\nx.load(acquire);\n";
  EXPECT_TRUE(explained(path, 2));
  EXPECT_FALSE(explained(path, 13));
  std::filesystem::remove(path);
}

TEST(Orders, ThePageIsUpToDate) {
  const auto complaints = page_complaints(FSQLSHM_ORDERS_PAGE);
  ASSERT_TRUE(complaints) << complaints.error();
  for (const std::string& complaint : *complaints) ADD_FAILURE() << complaint;
}

TEST(Orders, AStalePageIsNoticed) {
  std::ifstream in(FSQLSHM_ORDERS_PAGE);
  std::string page((std::istreambuf_iterator<char>(in)), {});
  // A row less, an order that is not the core's, a replay that finds nothing. In three rows of one
  // page, because a look at a page takes seconds.
  const std::size_t row = page.find("| hardened/seqlock.h");
  ASSERT_NE(row, std::string::npos);
  page.erase(row, page.find('\n', row) - row + 1);
  page.replace(page.find("| release |", row), 11, "| seq_cst |");
  const std::size_t id = page.find('`', page.find('\n', row)) + 1;
  page.replace(id, page.find('@', id) - id, "hardened/publish1-load1/bound0/0");
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("fsqlshm_relacy_test.{}.md", ::getpid());
  std::ofstream(path) << page;
  const auto complaints = page_complaints(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(complaints) << complaints.error();
  EXPECT_THAT(*complaints,
              testing::UnorderedElementsAre(
                  testing::EndsWith(": not on the page"), testing::EndsWith(": not on the page"),
                  testing::EndsWith(": on the page, but not in the core"),
                  testing::EndsWith(": the replay violates nothing any more")));
  EXPECT_FALSE(page_complaints("/nonexistent/page.md"));
}

}  // namespace
}  // namespace fsqlshm::relacy

// The engine, tested by what it finds: defects that are known to be there are found with few
// preemptions, code that is broken on purpose is caught, and what is clean stays clean.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "audit.h"
#include "litmus.h"
#include "report.h"
#include "search.h"

namespace fsqlshm::relacy {
namespace {

Subject& subject(std::string_view name) { return *find_subject(name); }

SearchResult bounded(Subject& which, std::string_view scenario, unsigned bound) {
  return search(which, *find_scenario(which, scenario),
                {.search = Search::kBounded, .bound = bound, .seconds = 60});
}

std::vector<std::string> scenario_names(const Subject& which) {
  std::vector<std::string> names;
  for (const auto& scenario : which.scenarios) names.push_back(scenario->spec().name);
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
  Subject& hardened = subject("hardened");
  NamedScenario& scenario = *find_scenario(hardened, GetParam());
  for (const Budget& budget :
       {Budget{.search = Search::kBounded, .bound = 2},
        Budget{.search = Search::kRandom, .iterations = kStandardIterations}}) {
    const ScenarioReport report =
        judge_search(hardened, scenario, search(hardened, scenario, budget), budget, 5);
    EXPECT_EQ(report.status, must_fail(hardened, scenario.spec()) ? Status::kKnown : Status::kClean)
        << (report.finding ? report.finding->title + "\n" + report.finding->detail : "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, Hardened, testing::ValuesIn(scenario_names(subject("hardened"))),
                         printable);

// --- Reference -----------------------------------------------------------------------------------

class Reference : public testing::TestWithParam<std::string> {};

TEST_P(Reference, ShowsItsDefectsAndNoOthers) {
  Subject& reference = subject("reference");
  NamedScenario& scenario = *find_scenario(reference, GetParam());
  const Budget budget{.search = Search::kBounded, .bound = 2, .seconds = 60};
  const ScenarioReport report =
      judge_search(reference, scenario, search(reference, scenario, budget), budget, 5);
  if (!must_fail(reference, scenario.spec())) {
    EXPECT_EQ(report.status, Status::kClean) << report.finding->title << report.finding->detail;
    return;
  }
  ASSERT_EQ(report.status, Status::kKnown) << GetParam();
  ASSERT_TRUE(report.trace);
  EXPECT_EQ(report.trace->violation->property, scenario.spec().defect_property);
  EXPECT_EQ(report.finding->trace["violation"]["property"], scenario.spec().defect_property);
  EXPECT_GT(report.finding->line, 0);
  EXPECT_TRUE(report.finding->file.starts_with("core/include/fsqlshm/")) << report.finding->file;
}

INSTANTIATE_TEST_SUITE_P(All, Reference, testing::ValuesIn(scenario_names(subject("reference"))),
                         printable);

TEST(Defects, AllFiveHaveAScenario) {
  std::set<std::string> defects;
  for (const auto& scenario : subject("reference").scenarios) {
    defects.insert(scenario->spec().defect);
  }
  for (const char* defect : {"D1", "D2", "D3", "D4", "D5", "D6"})
    EXPECT_TRUE(defects.contains(defect));
}

TEST(Defects, D2NeedsADeath) {
  Subject& reference = subject("reference");
  const SearchResult found = bounded(reference, "claimer-dies", 3);
  ASSERT_TRUE(found.violation);
  const auto trace = replay(found.replay);
  ASSERT_TRUE(trace);
  EXPECT_EQ(std::ranges::count(trace->steps, Op::kDie, &Step::op), 1);
  EXPECT_EQ(trace->violation->property, "P4 crash");
}

// --- Broken on purpose ---------------------------------------------------------------------------

std::vector<std::string> broken_names() {
  std::vector<std::string> names;
  for (const Subject& each : subjects()) {
    if (!each.caught_by.empty()) names.push_back(each.name);
  }
  return names;
}

class Broken : public testing::TestWithParam<std::string> {};

TEST_P(Broken, IsCaught) {
  Subject& broken = subject(GetParam());
  const SearchResult found = bounded(broken, broken.caught_by, 3);
  ASSERT_TRUE(found.violation) << broken.caught_by;
  EXPECT_TRUE(found.violation->property.starts_with(broken.caught_property))
      << found.violation->property << ": " << found.violation->text;
}

INSTANTIATE_TEST_SUITE_P(All, Broken, testing::ValuesIn(broken_names()), printable);

TEST(Random, FindsWhatIsBrokenToo) {
  for (const std::string& name : broken_names()) {
    Subject& broken = subject(name);
    const SearchResult found =
        search(broken, *find_scenario(broken, broken.caught_by), {.iterations = 200'000});
    EXPECT_TRUE(found.violation) << name;
  }
}

// --- Gates ---------------------------------------------------------------------------------------

// Reaches its second outcome never, and counts its executions by their steps.
class Odd : public NamedScenario {
 public:
  explicit Odd(ScenarioSpec spec) : NamedScenario(std::move(spec)) { paths.reserve(1U << 20); }
  void before() override {
    Model::get().init(Field::kCommitSeq, 0);
    path_ = 1;
  }
  void thread(int index) override {
    if (!spec().outcomes.empty()) reach(0);
    for (int turn = 0; turn < 3; ++turn) {
      words_.store(Field::kCommitSeq, 1, std::memory_order::relaxed);
      path_ = path_ * 4 + static_cast<unsigned>(index);
    }
  }
  void after() override { paths.push_back(path_); }
  std::vector<std::uint64_t> paths;

 private:
  RelacyWords words_;
  std::uint64_t path_ = 1;
};

TEST(Gates, AnOutcomeThatIsNeverReachedIsVacuous) {
  Subject own{.name = "hardened", .description = "", .scenarios = {}};
  Odd odd({.name = "odd", .lanes = {"a", "b"}, .outcomes = {"always", "never"}});
  const Budget budget{.iterations = kStandardIterations};
  const ScenarioReport report = judge_search(own, odd, search(own, odd, budget), budget, 1);
  EXPECT_EQ(report.status, Status::kVacuous);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->severity, "vacuous");
  EXPECT_NE(report.finding->title.find("never"), std::string::npos);
  // A run too short to be blamed for it.
  const Budget little{.iterations = 10};
  EXPECT_EQ(judge_search(own, odd, search(own, odd, little), little, 1).status, Status::kClean);
}

TEST(Gates, ADefectThatIsNotFoundIsAFinding) {
  Subject own{.name = "reference", .description = "", .scenarios = {}};
  Odd odd({.name = "odd", .lanes = {"a", "b"}, .defect = "D9", .defect_property = "P9"});
  const Budget budget{.iterations = 1000};
  const ScenarioReport report = judge_search(own, odd, search(own, odd, budget), budget, 1);
  EXPECT_EQ(report.status, Status::kMissed);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->severity, "vacuous");
}

// --- Searching -----------------------------------------------------------------------------------

TEST(Shards, AreTogetherTheWholeTree) {
  Subject own{.name = "own", .description = "", .scenarios = {}};
  Odd odd({.name = "odd", .lanes = {"a", "b", "c"}});
  std::uint64_t executions = 0;
  const auto run = [&](std::uint64_t index, std::uint64_t count) {
    odd.paths.clear();
    const SearchResult result =
        search(own, odd, {.search = Search::kFull, .shard_index = index, .shard_count = count});
    EXPECT_TRUE(result.complete);
    executions = result.executions;
    return std::set<std::uint64_t>(odd.paths.begin(), odd.paths.end());
  };
  const std::set<std::uint64_t> whole = run(0, 1);
  EXPECT_EQ(whole.size(), 1680U);        // interleavings of three threads of three steps: 9! / 3!^3
  const std::uint64_t all = executions;  // some are the same interleaving
  std::set<std::uint64_t> parts;
  for (std::uint64_t index = 0; index < 3; ++index) {
    const std::set<std::uint64_t> part = run(index, 3);
    EXPECT_LT(executions, all / 2);
    parts.insert(part.begin(), part.end());
  }
  EXPECT_EQ(parts, whole);
}

TEST(Random, IsAFunctionOfItsNumber) {
  Subject& reference = subject("reference");
  NamedScenario& scenario = *find_scenario(reference, "late-clear");
  const SearchResult once = search(reference, scenario, {.iterations = 100'000});
  const SearchResult again = search(reference, scenario, {.iterations = 100'000});
  ASSERT_TRUE(once.violation && again.violation);
  EXPECT_EQ(once.replay.text(), again.replay.text());
  // Started elsewhere it finds another execution.
  const SearchResult later =
      search(reference, scenario, {.iterations = 100'000, .first = once.replay.number + 1});
  ASSERT_TRUE(later.violation);
  EXPECT_GT(later.replay.number, once.replay.number);
}

TEST(Minimise, FindsTheFewestPreemptions) {
  Subject& reference = subject("reference");
  NamedScenario& scenario = *find_scenario(reference, "late-clear");
  const SearchResult found = search(reference, scenario, {.iterations = 100'000});
  ASSERT_TRUE(found.violation);
  const auto smaller = minimise(reference, scenario, found, 3, 30);
  ASSERT_TRUE(smaller);
  EXPECT_EQ(smaller->replay.bound, 1U);  // one is needed: the late release must be interrupted
}

// --- Replay --------------------------------------------------------------------------------------

TEST(Replay, ReproducesExactlyThatExecution) {
  Subject& reference = subject("reference");
  for (const Budget& budget :
       {Budget{.iterations = 100'000}, Budget{.search = Search::kBounded, .bound = 3},
        Budget{.search = Search::kFull, .iterations = 1'000'000}}) {
    const SearchResult found =
        search(reference, *find_scenario(reference, "release-acquire-same-process"), budget);
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
  Subject& hardened = subject("hardened");
  for (const SiteUse& use : discover_sites(hardened)) {
    for (const Weakening& weakening : weakenings(use.site)) {
      const ReplayId id{.protocol = "hardened",
                        .scenario = "ids",
                        .number = 7,
                        .path = {},
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
        "hardened/ids/random/1@a.h:1:load=weak", "hardened/ids/random/1@a.h:b:load=relaxed"}) {
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

TEST(Lanes, ShowStaleReadsAndTheStoreThatWasRead) {
  Subject& broken = subject("broken-commit-before-schema");
  const SearchResult found = bounded(broken, "fields", 3);
  ASSERT_TRUE(found.violation);
  const auto trace = replay(found.replay);
  ASSERT_TRUE(trace);
  const std::string text = render(*trace);
  EXPECT_NE(text.find("commit_seq = 101"), std::string::npos) << text;
  EXPECT_NE(text.find("I4 schema before commit"), std::string::npos) << text;
  EXPECT_NE(text.find("shared_memory_layout.h:"), std::string::npos) << text;
  EXPECT_NE(text.find("--replay 'broken-commit-before-schema/fields/"), std::string::npos) << text;

  Subject& reference = subject("reference");
  const SearchResult torn = bounded(reference, "two-publishers", 3);
  ASSERT_TRUE(torn.violation);
  const auto lanes = replay(torn.replay);
  ASSERT_TRUE(lanes);
  const auto stale = std::ranges::find_if(lanes->steps, [](const Step& step) {
    return step.op == Op::kLoad && step.read != step.newest;
  });
  ASSERT_NE(stale, lanes->steps.end());
  EXPECT_NE(render(*lanes).find("STALE"), std::string::npos);
  const nlohmann::json step =
      to_json(*lanes)["steps"][static_cast<std::size_t>(stale - lanes->steps.begin())];
  EXPECT_TRUE(step["stale"]);
  EXPECT_LT(step["read_step"], step["newest_step"]);
}

// --- The tool's own limits -----------------------------------------------------------------------

TEST(LitmusPrograms, BehaveAsDocumented) {
  unsigned blind = 0;
  for (const LitmusResult& result : run_litmus()) {
    EXPECT_TRUE(result.as_expected())
        << result.name << ": random " << result.random << ", bounded " << result.bounded;
    EXPECT_TRUE(result.allowed || result.random + result.bounded == 0) << result.name;
    blind += result.blind_spot() ? 1 : 0;
  }
  EXPECT_EQ(blind, 4U);  // LB, 2+2W, release sequences before C++20, three stores back
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
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("fsqlshm_relacy_test.{}.md", ::getpid());
  const auto complaints_about = [&](std::string text) {
    std::ofstream(path) << text;
    const auto complaints = page_complaints(path);
    std::filesystem::remove(path);
    return complaints ? complaints->size() : 0;
  };
  // A row less, an order that is not the core's, a replay that finds nothing.
  const std::size_t row = page.find("| hardened/seqlock.h");
  ASSERT_NE(row, std::string::npos);
  std::string shorter = page;
  shorter.erase(row, page.find('\n', row) - row + 1);
  EXPECT_EQ(complaints_about(shorter), 1U);
  std::string other = page;
  other.replace(other.find("| release |", row), 11, "| seq_cst |");
  EXPECT_EQ(complaints_about(other), 2U);
  std::string harmless = page;
  const std::size_t id = harmless.find('`', harmless.find("killed by", row));
  const std::size_t end = harmless.find('@', id);
  harmless.replace(id + 1, end - id - 1, "hardened/publish1-load1/bound0/0");
  EXPECT_EQ(complaints_about(harmless), 1U);
  EXPECT_FALSE(page_complaints("/nonexistent/page.md"));
}

}  // namespace
}  // namespace fsqlshm::relacy

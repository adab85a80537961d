// The engine, tested by what it finds: every defect and every mutant; and by what it does not find in our
// own protocol, of which it visits every execution.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "harness/random.h"
#include "relacy/rc11/audit.h"
#include "relacy/rc11/brute_force.h"
#include "relacy/rc11/report.h"

namespace fsqlshm::rc11 {
namespace {

using testing::HasSubstr;

SearchResult all_of(std::string_view subject, std::string_view scenario, const Budget& budget = {},
                    const Extra& extra = {}) {
  return search(*find_subject(subject), *find_scenario(scenario), budget, {}, extra);
}

// Without the one that takes ten seconds and more: the engine of a campaign runs it.
std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name != "two-deaths-release") names.push_back(scenario.name);
  }
  return names;
}

std::string printable(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

// --- Subjects -------------------------------------------------------------------------------------------

class Hardened : public testing::TestWithParam<std::string> {};

TEST_P(Hardened, IsCleanInEveryExecutionAndReachesEveryOutcome) {
  const Subject& hardened = *find_subject("hardened");
  const Scenario& scenario = *find_scenario(GetParam());
  const harness::ScenarioReport report =
      judge_search(hardened, scenario, search(hardened, scenario));
  const bool must_fail = harness::must_fail(hardened, scenario);
  EXPECT_EQ(report.status, must_fail ? harness::Status::kKnown : harness::Status::kClean)
      << (report.finding ? report.finding->title + "\n" + report.finding->detail : "");
  EXPECT_TRUE(report.summary.complete || must_fail);
}

INSTANTIATE_TEST_SUITE_P(All, Hardened, testing::ValuesIn(scenario_names()), printable);

class Reference : public testing::TestWithParam<std::string> {};

TEST_P(Reference, ShowsItsDefectsAndNoOthers) {
  const Subject& reference = *find_subject("reference");
  const Scenario& scenario = *find_scenario(GetParam());
  const SearchResult found = search(reference, scenario);
  const harness::ScenarioReport report = judge_search(reference, scenario, found);
  if (!harness::must_fail(reference, scenario)) {
    EXPECT_EQ(report.status, harness::Status::kClean)
        << report.finding->title << report.finding->detail;
    return;
  }
  ASSERT_EQ(report.status, harness::Status::kKnown) << report.finding->title;
  EXPECT_EQ(report.finding->property, scenario.defect.property);
  EXPECT_EQ(report.finding->trace["violation"]["property"], scenario.defect.property);
  EXPECT_EQ(found.violation->defect, scenario.defect.name);
  EXPECT_TRUE(report.finding->file.starts_with("core/include/fsqlshm/")) << report.finding->file;
  EXPECT_GT(report.finding->line, 0);
}

// The allocator of ids is the same in both protocols.
std::vector<std::string> scenarios_of_reference() {
  std::vector<std::string> names = scenario_names();
  std::erase(names, "ids");
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Reference, testing::ValuesIn(scenarios_of_reference()), printable);

TEST(Mutants, AreAllCaught) {
  std::size_t caught = 0;
  for (const Subject& mutant : subjects()) {
    if (!mutant.is_mutant()) continue;
    const SearchResult found = all_of(mutant.name, mutant.caught_by);
    ASSERT_TRUE(found.violation) << mutant.name;
    EXPECT_TRUE(found.violation->property.starts_with(mutant.caught_property))
        << mutant.name << ": " << found.violation->property << ": " << found.violation->text;
    ++caught;
  }
  EXPECT_GE(caught, 30U);
}

// --- Numbers of executions ----------------------------------------------------------------------------

// What a search visits, after it has judged some: oracles must not change what threads do.
void expect_as_many_as_brute_force(std::string_view scenario, std::uint64_t executions) {
  GraphExecution execution(*find_scenario(scenario));
  const auto header = find_subject("hardened")->make_header(execution, *find_scenario(scenario));
  ASSERT_FALSE(execution.prepare(*header));
  EXPECT_EQ(all_graphs(execution.program()).size(), executions) << scenario;
  EXPECT_EQ(all_of("hardened", scenario).executions, executions) << scenario;
}

TEST(Executions, AreAsManyAsBruteForceFinds) {
  expect_as_many_as_brute_force("publish1-load2", 169);   // 13 of each reader
  expect_as_many_as_brute_force("publish2-load2", 2601);  // 51
  expect_as_many_as_brute_force("horizon", 6);
  expect_as_many_as_brute_force("fields", 36);
  expect_as_many_as_brute_force("check-claim", 382);
  expect_as_many_as_brute_force("owner-dies", 188);
  expect_as_many_as_brute_force("cleaner-dies", 936);
}

TEST(Executions, OfThreePublishes) {
  const Scenario& scenario = *find_scenario("publish3-load2");
  GraphExecution execution(scenario);
  const auto header = find_subject("hardened")->make_header(execution, scenario);
  ASSERT_FALSE(execution.prepare(*header));
  Explorer explorer(execution.program());
  std::uint64_t executions = 0;
  while (explorer.next()) ++executions;
  EXPECT_EQ(executions, 19'881U);  // 141 of each reader
}

TEST(Executions, OfShardsAreTogetherTheWhole) {
  for (const char* const scenario : {"cleaner-dies", "publish2-load2"}) {
    std::uint64_t together = 0;
    for (std::uint64_t index = 0; index < 3; ++index) {
      const SearchResult part = all_of("hardened", scenario, {.shard = {index + 1, 3}});
      EXPECT_TRUE(part.complete);
      together += part.executions;
    }
    EXPECT_EQ(together, all_of("hardened", scenario).executions) << scenario;
  }
}

// As a search with --shard and --jobs takes a large tree apart.
TEST(Executions, OfPartsOfAShardAreTogetherTheShard) {
  constexpr const char* kScenario = "publish3-load2";
  std::uint64_t together = 0;
  for (const std::uint64_t index : {2U, 5U, 8U, 11U}) {
    together += all_of("hardened", kScenario, {.shard = {index, 12}}).executions;
  }
  EXPECT_GT(together, 5000U);
  EXPECT_EQ(together, all_of("hardened", kScenario, {.shard = {2, 3}}).executions);
}

// --- Orders of steps ------------------------------------------------------------------------------------

// Whether each step comes after those that it is behind by po, rf and modification order.
bool is_extension(const Graph& graph, const Steps& order) {
  Clock done;
  for (const EventId id : order) {
    const Event& event = graph.event(id);
    if (done.events[static_cast<std::size_t>(id.thread)] != id.index) return false;
    if (!event.is_write && !done.has(event.from)) return false;
    const bool pair = !event.is_write && event.exclusive;
    done.events[static_cast<std::size_t>(id.thread)] =
        static_cast<std::uint8_t>(id.index + (pair ? 2 : 1));
    if (!event.is_write && !pair) continue;
    const auto& stores = graph.stores(event.location());
    const std::size_t position = pair ? graph.position(event.from) + 1 : event.position;
    for (std::size_t i = 0; i < position; ++i) {
      if (!done.has(stores[i])) return false;
    }
  }
  return order.size() <= graph.size();
}

TEST(Orders, ExtendTheGraphAndAreDifferent) {
  GraphExecution execution(*find_scenario("takeover-race"));
  const auto header =
      find_subject("hardened")->make_header(execution, *find_scenario("takeover-race"));
  ASSERT_FALSE(execution.prepare(*header));
  Explorer explorer(execution.program());
  std::size_t most = 0;
  while (explorer.next()) {
    const auto orders = orders_of(explorer.graph());
    most = std::max(most, orders.size());
    for (const Steps& order : orders) {
      ASSERT_TRUE(is_extension(explorer.graph(), order));
      const auto again = steer(execution.program(), steps_text(explorer.graph(), order));
      ASSERT_TRUE(again);
      EXPECT_EQ(again->graph.key(), explorer.graph().key());
      EXPECT_EQ(again->order, order);
    }
  }
  EXPECT_GT(most, 5U);
}

// Any order that extends po, rf and mo; empty if these have a cycle.
Steps random_order(const Graph& graph, harness::Random& random) {
  Steps order;
  Clock done;
  for (std::size_t events = 0; events < graph.size();) {
    Steps next;
    for (std::int16_t thread = 0; thread < graph.threads(); ++thread) {
      const std::uint8_t index = done.events[static_cast<std::size_t>(thread)];
      if (index == graph.events(thread).size()) continue;
      const EventId id{thread, index};
      const Event& event = graph.event(id);
      if (!event.is_write && !done.has(event.from)) continue;
      const std::size_t before = event.is_write    ? event.position - 1U
                                 : event.exclusive ? graph.position(event.from)
                                                   : 0;
      const auto& stores = graph.stores(event.location());
      if (std::all_of(stores.begin(), stores.begin() + static_cast<std::ptrdiff_t>(before),
                      [&](EventId store) { return done.has(store); })) {
        next.push_back(id);
      }
    }
    if (next.empty()) return {};
    const EventId id = next[(random.next() >> 32U) % next.size()];
    const bool pair = !graph.event(id).is_write && graph.event(id).exclusive;
    done.events[static_cast<std::size_t>(id.thread)] =
        static_cast<std::uint8_t>(id.index + (pair ? 2 : 1));
    events += pair ? 2 : 1;
    order.push_back(id);
  }
  return order;
}

struct Verdicts {
  unsigned violated = 0;     // graphs, by the orders that are judged
  unsigned only_others = 0;  // ... only by random ones
};

Verdicts compare_orders(const Subject& subject, const Scenario& scenario) {
  GraphExecution execution(scenario);
  const auto header = subject.make_header(execution, scenario);
  Verdicts verdicts;
  if (execution.prepare(*header)) return verdicts;
  harness::Random random(7);
  Explorer explorer(execution.program());
  for (int graphs = 0; graphs < 100 && explorer.next(); ++graphs) {
    if (explorer.end() != Explorer::End::kComplete) continue;
    const auto violates = [&](const Steps& order) {
      return execution.judge(explorer.graph(), order, Extent::kWhole).has_value();
    };
    const auto orders = orders_of(explorer.graph());
    if (std::ranges::any_of(orders, violates)) {
      ++verdicts.violated;
      continue;
    }
    for (int turn = 0; turn < 20; ++turn) {
      const Steps order = random_order(explorer.graph(), random);
      if (order.empty() || !violates(order)) continue;
      ++verdicts.only_others;
      break;
    }
  }
  return verdicts;
}

TEST(Orders, OthersSayHardlyAnythingElse) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.misuse) continue;
    const Verdicts verdicts = compare_orders(*find_subject("hardened"), scenario);
    EXPECT_EQ(verdicts.violated + verdicts.only_others, 0U) << scenario.name;
  }
  Verdicts all;
  for (const Subject& mutant : subjects()) {
    if (!mutant.is_mutant()) continue;
    const Verdicts verdicts = compare_orders(mutant, *find_scenario(mutant.caught_by));
    all.violated += verdicts.violated;
    all.only_others += verdicts.only_others;
  }
  RecordProperty("violated", static_cast<int>(all.violated));
  RecordProperty("only_others", static_cast<int>(all.only_others));
  EXPECT_GT(all.violated, 900U);
  EXPECT_LT(all.only_others, all.violated / 100);
}

// --- Counter-examples -----------------------------------------------------------------------------------

TEST(Replay, ShowsTheSameExecution) {
  const SearchResult found = all_of("reference", "check-claim");
  ASSERT_TRUE(found.violation);
  const auto id = ReplayId::parse(found.replay.text());
  ASSERT_TRUE(id) << id.error();
  EXPECT_EQ(id->text(), found.replay.text());
  const auto trace = replay(*id);
  ASSERT_TRUE(trace) << trace.error();
  ASSERT_TRUE(trace->violation);
  EXPECT_EQ(trace->violation->text, found.violation->text);
  const std::string text = relacy::render(*trace);
  EXPECT_EQ(text, relacy::render(*replay(*id)));
  EXPECT_THAT(text, HasSubstr("reference/writer_indicator.h:"));
  EXPECT_THAT(text, HasSubstr("fsqlshm-rc11 --replay 'reference/check-claim/rc11/"));
}

TEST(Replay, RefusesWhatIsNoId) {
  for (const char* text :
       {"", "x", "hardened/ids", "hardened/ids/rc11/", "hardened/ids/rc11/1",
        "hardened/ids/bound1/a", "hardened/ids/rc11/a-b", "hardened/ids/rc11/a@x"}) {
    EXPECT_FALSE(ReplayId::parse(text)) << text;
  }
  for (const char* text :
       {"nobody/ids/rc11/a", "hardened/nothing/rc11/a", "hardened/ids/rc11/d",
        "hardened/ids/rc11/a5", "hardened/ids/rc11/A", "hardened/horizon/rc11/aaa",
        "hardened/ids/rc11/a99999999999999999999"}) {
    const auto id = ReplayId::parse(text);
    ASSERT_TRUE(id) << text;
    EXPECT_FALSE(replay(*id)) << text;
  }
}

TEST(Counterexamples, AreSmall) {
  // A release up to its clear of the lease, the whole acquire of the successor, and the clear.
  const SearchResult found =
      all_of("reference", "release-acquire-equal-lease", {}, {.minimise = std::uint64_t{1} << 40U});
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.replay.steps, "aaaaaabbbbba");
}

// --- The order audit --------------------------------------------------------------------------------------

TEST(Audit, ThePageIsUpToDateAndEveryKillIsThere) {
  std::set<std::string> on_page;
  for (const PageRow& row : read_page(FSQLSHM_RC11_ORDERS_PAGE)) {
    on_page.insert(row.key);
    const auto id = ReplayId::parse(row.replay);
    ASSERT_TRUE(id) << row.key << ": no order of hardened survives";
    ASSERT_TRUE(id->weakening);
    const auto trace = replay(*id);
    ASSERT_TRUE(trace) << trace.error();
    EXPECT_TRUE(trace->violation) << row.key;
  }
  std::set<std::string> in_core;
  for (const relacy::SiteUse& use : relacy::discover_sites(*relacy::find_subject("hardened"))) {
    for (const Weakening& weakening : relacy::weakenings(use.site)) {
      in_core.insert(relacy::row_key(weakening));
    }
  }
  EXPECT_EQ(on_page, in_core) << "run fsqlshm-rc11 --audit-orders --page relacy/rc11/ORDERS.md";
  EXPECT_GE(in_core.size(), 25U);
}

}  // namespace
}  // namespace fsqlshm::rc11

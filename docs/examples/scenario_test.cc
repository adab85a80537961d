// The example of a scenario: hardened passes it, and the published protocol shows D2.

#include "docs/examples/scenario.h"

#include <gtest/gtest.h>

#include "relacy/report.h"

namespace fsqlshm::relacy {
namespace {

template <class Protocol>
ScenarioReport explore(std::string name) {
  Scenarios<Protocol> list;
  add_example_scenario(list);
  Subject subject{.name = std::move(name), .description = "", .scenarios = list.take()};
  const Budget whole{.search = Search::kBounded, .bound = kStandardBound};
  NamedScenario& scenario = *subject.scenarios.front();
  SearchResult found = search(subject, scenario, whole);
  EXPECT_TRUE(found.complete || found.violation);
  return judge_search(subject, scenario, std::move(found), whole, 0);
}

TEST(ScenarioExample, HardenedIsCleanAndEveryOutcomeIsReached) {
  const ScenarioReport report = explore<HardenedProtocol>("hardened");
  EXPECT_EQ(report.status, Status::kClean) << (report.finding ? report.finding->title : "");
  ASSERT_EQ(report.result.reached.size(), 3U);
  for (const std::uint64_t count : report.result.reached) EXPECT_GT(count, 0U);
}

TEST(ScenarioExample, ReferenceShowsD2) {
  const ScenarioReport report = explore<ReferenceProtocol>("reference");
  EXPECT_EQ(report.status, Status::kKnown);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->property, kP4);
  EXPECT_EQ(report.finding->severity, "expected");
}

}  // namespace
}  // namespace fsqlshm::relacy

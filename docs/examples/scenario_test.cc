// The example of a scenario: hardened passes it, and the published protocol shows D2.

#include <gtest/gtest.h>

#include "relacy/report.h"

namespace fsqlshm::relacy {
namespace {

harness::ScenarioReport explore(std::string_view protocol) {
  const Subject& subject = *find_subject(protocol);
  const Scenario& scenario = *find_scenario("writer-dies-next-to-check");
  const Budget whole{.search = Search::kBounded, .bound = kStandardBound};
  SearchResult found = search(subject, scenario, whole);
  EXPECT_TRUE(found.complete || found.violation);
  return judge_search(subject, scenario, std::move(found), whole, 0);
}

TEST(ScenarioExample, HardenedIsCleanAndEveryOutcomeIsReached) {
  const harness::ScenarioReport report = explore("hardened");
  EXPECT_EQ(report.status, Status::kClean) << (report.finding ? report.finding->title : "");
  ASSERT_EQ(report.summary.reached.size(), 3U);
  for (const std::uint64_t count : report.summary.reached) EXPECT_GT(count, 0U);
}

TEST(ScenarioExample, ReferenceShowsD2) {
  const harness::ScenarioReport report = explore("reference");
  EXPECT_EQ(report.status, Status::kKnown);
  ASSERT_TRUE(report.finding);
  EXPECT_EQ(report.finding->property, harness::kP4);
  EXPECT_EQ(report.finding->defect, "D2");
  EXPECT_EQ(report.finding->severity, "expected");
}

}  // namespace
}  // namespace fsqlshm::relacy

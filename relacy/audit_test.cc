// What the order audit says of weakenings of `hardened`. The whole of it is relacy/ORDERS.md, which cli_test.sh checks.

#include "audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace fsqlshm::relacy {
namespace {

// A weakening that the cheapest search notices.
MatrixRow first_kill(const Subject& hardened) {
  for (const SiteUse& use : discover_sites(hardened)) {
    for (const Weakening& weakening : weakenings(use.site)) {
      MatrixRow row = judge(hardened, use.scenarios, weakening, {.bound = 1, .iterations = 0});
      if (row.killed) return row;
    }
  }
  return {};
}

TEST(Audit, AKillCountsIfItsSearchFindsNothingWithoutTheWeakening) {
  const Subject& hardened = *find_subject("hardened");
  const MatrixRow kill = first_kill(hardened);
  ASSERT_TRUE(kill.killed);
  EXPECT_EQ(kill.search.search, Search::kBounded);
  EXPECT_EQ(violated_as_it_is(hardened, {kill}, 1), std::nullopt);
}

TEST(Audit, AKillThatNeedsNoWeakeningIsNone) {
  const auto mutant = std::ranges::find_if(subjects(), &Subject::is_mutant);
  ASSERT_NE(mutant, subjects().end());
  // What an audit of this subject would hold against some weakening or other.
  MatrixRow kill{.weakening = {}};
  kill.killed = true;
  kill.scenario = mutant->caught_by;
  for (const Budget& search : {Budget{.search = Search::kBounded, .bound = 3},
                               Budget{.search = Search::kRandom, .iterations = 200'000}}) {
    kill.search = search;
    const auto why = violated_as_it_is(*mutant, {kill}, 1);
    ASSERT_TRUE(why);
    EXPECT_THAT(*why, testing::HasSubstr(mutant->caught_property));
    EXPECT_THAT(*why, testing::HasSubstr("as it is: " + mutant->name + "/" + mutant->caught_by));
  }
}

}  // namespace
}  // namespace fsqlshm::relacy

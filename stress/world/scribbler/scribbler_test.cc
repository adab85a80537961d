#include "stress/world/scribbler/scribbler.h"

#include <gtest/gtest.h>

namespace fsqlshm::world {
namespace {

TEST(Scribbler, FindsNothingAndIsSeen) {
  harness::Result result("world", "hardened");
  run_scribbler({.seconds = 2, .quiet = true}, result);
  EXPECT_FALSE(result.could_not_run);
  for (const auto& finding : result.findings) {
    ADD_FAILURE() << finding.property << ": " << finding.title << "\n" << finding.detail;
  }
  // The limit of the format: this is not a finding.
  EXPECT_GT(result.counts["accepted_unpublished"], 0);
  EXPECT_GT(result.counts["reads"], result.counts["accepted_unpublished"]);
  for (const auto& row : result.details["scribbler"]) EXPECT_GT(row["times"], 0) << row;
}

}  // namespace
}  // namespace fsqlshm::world

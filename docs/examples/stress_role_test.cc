// The example of a stress role: it takes part in a run, and what it finds is reported.

#include "docs/examples/stress_role.h"

#include <gtest/gtest.h>

#include "stress/runner.h"

namespace fsqlshm::stress {
namespace {

harness::Result run_with(const Role& role) {
  harness::Result result("stress", "hardened");
  RunConfig config;
  config.seconds = 2;
  config.quiet = true;
  config.worker.seed = 7;
  config.worker.roles.push_back(role);
  run_stress(config, result);
  return result;
}

TEST(StressRoleExample, TakesPartAndFindsNothing) {
  EXPECT_EQ(kHorizonWatcher.option(), "--horizon-watchers");
  const harness::Result result = run_with(kHorizonWatcher);
  // On a busy machine so short a run may be vacuous in something else.
  for (const auto& finding : result.findings) {
    EXPECT_NE(finding.severity, "violation") << finding.property << ": " << finding.title;
  }
  EXPECT_GT(result.counts["horizon_looks"], 0);
  EXPECT_GT(result.counts["gc_moves"], 0);
  EXPECT_EQ(result.details["roles"]["horizon watcher"], 2);
}

// As if another process had moved the horizon past everything.
struct MovesTheHorizon {
  void operator()(auto& me) {
    me.layout.store_gc_horizon(CommitSeq(~std::uint64_t{0} >> 1));
    HorizonWatcher()(me);
  }
};

TEST(StressRoleExample, WhatItFindsIsReported) {
  const harness::Result result = run_with(role<MovesTheHorizon>(kHorizonWatcher));
  EXPECT_EQ(result.exit_code(), harness::kExitFound);
  bool reported = false;
  for (const auto& finding : result.findings) {
    if (finding.property != kHorizonAhead.property) continue;
    reported = true;
    EXPECT_EQ(finding.title, kHorizonAhead.title);
    EXPECT_NE(finding.detail.find("(horizon watcher)"), std::string::npos) << finding.detail;
    EXPECT_NE(finding.detail.find("horizon: 9223372036854775807"), std::string::npos);
  }
  EXPECT_TRUE(reported) << result.to_json().dump(1);
}

TEST(StressRoleExample, TooManyThreadsAreRefused) {
  Role role = kHorizonWatcher;
  role.threads = kMaxThreads;
  const harness::Result result = run_with(role);
  EXPECT_EQ(result.exit_code(), harness::kExitCouldNotRun);
}

}  // namespace
}  // namespace fsqlshm::stress

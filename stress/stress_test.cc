// The engines as a whole: hardened is clean, the reference is found guilty, and whatever is planted
// is found. Runs end by what they did, not by the clock, wherever that is possible.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fsqlshm/wire_format.h"
#include "harness/child.h"
#include "harness/result.h"
#include "stress/findings.h"
#include "stress/litmus.h"
#include "stress/recovery.h"
#include "stress/run_dir.h"
#include "stress/runner.h"
#include "stress/worker.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;
using testing::HasSubstr;
namespace fs = std::filesystem;

std::string dump(const Result& result) {
  const auto json = result.to_json();
  return json.at("findings").dump(1).substr(0, 4000) + '\n' + json.at("counts").dump();
}

RunConfig short_run() {
  RunConfig config;
  config.seconds = 2;
  config.worker.seed = 7;
  config.quiet = true;
  return config;
}

// A finding that says so is there.
bool found(const Result& result, std::string_view property, std::string_view title) {
  return std::ranges::any_of(result.findings, [&](const harness::Finding& finding) {
    return finding.property.contains(property) && finding.title.contains(title);
  });
}
bool found_defect(const Result& result, std::string_view defect, std::string_view property) {
  return std::ranges::any_of(result.findings, [&](const harness::Finding& finding) {
    return finding.defect == defect && finding.property.contains(property);
  });
}

// --- Runs ----------------------------------------------------------------------------------------

TEST(Run, HardenedSurvivesChaosInAllRoles) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 3;
  config.chaos_rate = 60;
  run_stress(config, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
  EXPECT_GT(result.counts["kills"], 0);
  EXPECT_GT(result.counts["execs"], 0);
  EXPECT_GT(result.counts["stops"], 0);
  EXPECT_GT(result.counts["unwinds_in_children"], 0);
  EXPECT_GT(result.counts["acquires"], 0);
}

TEST(Run, HardenedWithoutPerturbationOrChaos) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 60;
  config.until = Until::kReached;
  config.kill = config.exec = config.stop = false;
  config.worker.perturb = 0;
  config.worker.publish_rate = 0;
  run_stress(config, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
  EXPECT_EQ(result.counts["kills"], 0);
}

TEST(Run, EndsAfterTheWantedKills) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 60;
  config.kills = 20;
  config.exec = config.stop = false;
  config.chaos_rate = 20;  // so that workers live long enough to do what a run has to reach
  run_stress(config, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
  EXPECT_GE(result.counts["kills"], 20);
}

TEST(Run, ReferenceLosesItsLease) {
  Result result("stress", "reference");
  RunConfig config = short_run();
  config.seconds = 30;                // it takes a fraction of a second
  config.kill = config.exec = false;  // a death may lock all writers out first: D2
  config.worker.reference = true;
  run_stress(config, result);
  ASSERT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_TRUE(found_defect(result, "D3", "P") || found_defect(result, "D5", "P")) << dump(result);
  const auto& finding = result.findings.front();
  EXPECT_THAT(finding.detail, HasSubstr("seed 7"));
  EXPECT_THAT(finding.detail, HasSubstr("serialized_writer_lease_expiry"));
  EXPECT_THAT(finding.detail, HasSubstr("last events"));
  EXPECT_THAT(finding.detail, HasSubstr("acquired"));
}

TEST(Run, OneRoleAlone) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 0.05;
  config.worker.only({{"inspector", 1}});  // nothing to reach but inspections
  config.kill = config.exec = config.stop = false;
  run_stress(config, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
}

TEST(Run, AReaderWithoutAPublishToMeetIsVacuous) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 0.3;
  config.kill = config.exec = config.stop = false;
  config.worker.only({{"publisher", 1}, {"reader", 1}});
  config.worker.publish_rate = 1;  // the first is due after the end
  run_stress(config, result);
  ASSERT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_EQ(result.findings.front().severity, "vacuous");
}

TEST(Run, AFolderThatCannotBeUsedIsNoResult) {
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.dir = "/proc/self/fd/none";
  run_stress(config, result);
  EXPECT_EQ(result.exit_code(), harness::kExitCouldNotRun);
}

// --- What is planted is found --------------------------------------------------------------------

RunConfig planted(Plant plant) {
  RunConfig config = short_run();
  config.seconds = 30;
  config.kill = config.exec = config.stop = false;
  config.workers = 1;
  config.worker.plant = plant;
  return config;
}

TEST(Plant, AViolationInAWorker) {
  Result result("stress", "hardened");
  run_stress(planted(Plant::kViolation), result);
  EXPECT_TRUE(found(result, "self-test", "planted")) << dump(result);
}

TEST(Plant, ACrashOfAWorker) {
  Result result("stress", "hardened");
  run_stress(planted(Plant::kCrash), result);
  EXPECT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_TRUE(found(result, "workers live", "signal 11") ||
              found(result, "no data race", "ThreadSanitizer ended") ||
              found(result, "workers live", "status"))  // AddressSanitizer
      << dump(result);
}

TEST(Plant, AWorkerThatHangs) {
  Result result("stress", "hardened");
  RunConfig config = planted(Plant::kHang);
  config.workers = 2;
  config.seconds = 0.5;
  config.patience = 0.5;
  run_stress(config, result);
  EXPECT_TRUE(found(result, "P6 progress", "worker 0, 1")) << dump(result);
}

TEST(Plant, ARaceInAWorkerUnderTsan) {
  if (!under_tsan()) GTEST_SKIP() << "not built with TSan";
  Result result("stress", "hardened");
  run_stress(planted(Plant::kDataRace), result);
  ASSERT_TRUE(found(result, "no data race", "data race")) << dump(result);
  EXPECT_THAT(result.findings.front().detail, HasSubstr("worker.cc"));
}

// A run ends at the first violation. Now and then that is another consequence: the second thread
// took the lock amid a publish, and said its name after it.
TEST(Plant, ThreadsThatDoNotWaitForTheirTurn) {
  RunConfig config = planted(Plant::kNoTurn);
  config.worker.only({{"publisher", WorkerConfig().role("publisher").threads}, {"reader", 1}});
  bool named = false;
  for (int run = 0; run < 10 && !named; ++run) {
    Result result("stress", "hardened");
    run_stress(config, result);
    ASSERT_EQ(result.exit_code(), harness::kExitFound) << dump(result);
    named = found(result, "publication lock", "two live publishers");
  }
  EXPECT_TRUE(named);
}

TEST(Plant, AReconcileAlthoughNobodyDied) {
  Result result("stress", "hardened");
  run_stress(planted(Plant::kReconcile), result);
  EXPECT_TRUE(found(result, "P4 crash", "needs a reconcile")) << dump(result);
}

TEST(Plant, APublisherThatKeepsTheLock) {
  Result result("stress", "hardened");
  RunConfig config = planted(Plant::kKeepsLock);
  config.locked_out = 0.5;
  run_stress(config, result);
  EXPECT_TRUE(found(result, "P4 crash", "no publisher got the publication lock for 0.5 s"))
      << dump(result);
}

// A publisher that ignores the lock on a file that stress works on: a stranger that tears triples.
TEST(Plant, AStrangerThatTearsTriples) {
  const auto dir = RunDir::make({});
  ASSERT_TRUE(dir);
  RunConfig config = short_run();
  config.seconds = 30;
  config.kill = config.exec = config.stop = false;
  config.dir = dir->path();
  const harness::Child stranger([&] {
    // Waits for the run's file to appear, and then writes one word of the triple.
    for (int turn = 0; turn < 10'000; ++turn) {
      for (const auto& entry : fs::recursive_directory_iterator(dir->path())) {
        if (entry.path().extension() != ".fsqlite-shm") continue;
        std::array<std::byte, 8> word{std::byte{9}};
        const int fd = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC);
        ::usleep(100'000);
        const bool done = ::pwrite(fd, word.data(), 8, offsets::kEcsEpoch) == 8;
        ::usleep(10'000);
        if (!done) return 1;
      }
      ::usleep(1000);
    }
    return 0;
  });
  Result result("stress", "hardened");
  run_stress(config, result);
  EXPECT_TRUE(found(result, "snapshot integrity", "torn")) << dump(result);
}

// --- What a run makes of its findings -------------------------------------------------------------

TEST(ExpectDefects, MissingOnesAreFindings) {
  Result result("stress", "reference");
  result.findings.push_back({.severity = "violation", .defect = "D2", .title = "x"});
  result.findings.push_back({.severity = "violation", .defect = "D2", .title = "y"});
  expect_defects(result, {"D2"}, {"D5"});
  EXPECT_EQ(result.exit_code(), harness::kExitClean);
  EXPECT_EQ(result.findings.size(), 1U);
  result.findings.push_back({.severity = "violation", .title = "something else"});
  expect_defects(result, {"D2", "D3"});
  EXPECT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_TRUE(found(result, "finds the known defects", "D3"));
  EXPECT_TRUE(found(result, "", "something else"));
}

TEST(FoldFindings, KeepsTheFirstOfEachKind) {
  Result result("stress", "hardened");
  for (const char* const title : {"a", "b", "a", "a"}) {
    result.findings.push_back({.severity = "violation", .property = "P", .title = title});
  }
  fold_findings(result);
  ASSERT_EQ(result.findings.size(), 2U);
  EXPECT_EQ(result.findings[0].detail, "and at 2 other points\n");
  EXPECT_EQ(result.findings[1].detail, "");
}

// --- Outcomes and recovery -----------------------------------------------------------------------

TEST(Outcomes, HardenedShowsNoForbiddenOne) {
  Result result("stress", "hardened");
  run_litmus({.quiet = true}, {.iterations = 40'000, .race_seconds = 0.5}, result);
  // On a busy machine two threads may never meet: that is vacuous, and a campaign says so.
  for (const auto& finding : result.findings) {
    EXPECT_EQ(finding.severity, "vacuous") << finding.title << '\n' << finding.detail;
  }
  EXPECT_EQ(result.details["outcomes"].size(), 9U);
}

TEST(Outcomes, ReferenceShowsForbiddenOnes) {
  Result result("stress", "reference");
  run_litmus({.reference = true, .quiet = true}, {.iterations = 1'000'000, .race_seconds = 0.7},
             result);
  EXPECT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_TRUE(found_defect(result, "D1", "outcomes") || found_defect(result, "D3", "outcomes"))
      << dump(result);
}

TEST(Recovery, ReadersGetOnAfterDeaths) {
  Result result("stress", "hardened");
  run_recovery({.quiet = true}, 20, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
  EXPECT_EQ(result.counts["deaths"], 20);
}

// --- Nothing stays behind ------------------------------------------------------------------------

std::size_t children() {
  std::size_t count = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "children");
    std::string pid;
    while (in >> pid) ++count;
  }
  return count;
}

TEST(CleanUp, NoProcessAndNoFileAfterARun) {
  const auto dir = RunDir::make({});
  ASSERT_TRUE(dir);
  Result result("stress", "hardened");
  RunConfig config = short_run();
  config.seconds = 0.5;
  config.chaos_rate = 100;
  config.dir = dir->path();
  run_stress(config, result);
  EXPECT_EQ(children(), 0U);
  EXPECT_TRUE(fs::is_empty(dir->path()));
}

TEST(CleanUp, AKilledParentTakesItsChildrenAlong) {
  const auto dir = RunDir::make({});
  ASSERT_TRUE(dir);
  harness::Child parent([&] {
    Result result("stress", "hardened");
    RunConfig config = short_run();
    config.seconds = 60;
    config.chaos_rate = 200;  // many are stopped at any time
    config.dir = dir->path();
    run_stress(config, result);
    return 0;
  });
  const std::string path = "/proc/" + std::to_string(parent.pid()) + "/task/" +
                           std::to_string(parent.pid()) + "/children";
  std::vector<pid_t> workers;
  for (int turn = 0; turn < 10'000 && workers.size() < 3; ++turn) {
    workers.clear();
    std::ifstream in(path);
    pid_t pid = 0;
    while (in >> pid) workers.push_back(pid);
    ::usleep(1000);
  }
  ASSERT_GE(workers.size(), 3U);
  parent.end();
  // Their new parent reaps them when it likes: until then they are zombies.
  for (const pid_t worker : workers) {
    bool gone = false;
    for (int turn = 0; turn < 10'000 && !gone; ++turn) {
      std::ifstream in("/proc/" + std::to_string(worker) + "/stat");
      std::string text((std::istreambuf_iterator<char>(in)), {});
      const auto stat = parse_proc_stat(text);
      gone = !stat || stat->state == 'Z' || stat->state == 'X';
      ::usleep(1000);
    }
    EXPECT_TRUE(gone);
  }
  // The next run in the same place removes what the one that was killed left.
  {
    EXPECT_TRUE(RunDir::make(dir->path()));
  }
  EXPECT_TRUE(fs::is_empty(dir->path()));
}

}  // namespace
}  // namespace fsqlshm::stress

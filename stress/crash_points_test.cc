// Deaths and standstills at every step. The processes have one thread each and take turns, so that neither idle
// cores nor a race detector make a difference.

#include "stress/crash_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <string>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/result.h"
#include "stress/moments.h"
#include "stress/operations.h"
#include "stress/run_dir.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;
using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
namespace fs = std::filesystem;

std::string dump(const Result& result) {
  return result.to_json().at("findings").dump(1).substr(0, 4000);
}

auto shows(std::string_view defect, std::string_view property) {
  return AllOf(Field(&harness::Finding::defect, defect),
               Field(&harness::Finding::property, HasSubstr(std::string(property))));
}

TEST(CrashPoints, HardenedIsRepairedAfterEveryOne) {
  Result result("stress", "hardened");
  run_crash_points({.quiet = true}, result);
  EXPECT_EQ(result.exit_code(), harness::kExitClean) << dump(result);
  EXPECT_EQ(result.counts["crash_points"], result.counts["atomic_steps"]);
  EXPECT_EQ(result.counts["creation_points"], result.counts["system_calls"]);
  EXPECT_GT(result.counts["crash_points"], 150);
  EXPECT_GT(result.counts["creation_points"], 100);
  EXPECT_GT(result.counts["stop_points"], 100);
}

TEST(CrashPoints, ReferenceHasItsDefects) {
  Result result("stress", "reference");
  run_crash_points({.reference = true, .quiet = true}, result);
  ASSERT_EQ(result.exit_code(), harness::kExitFound);
  EXPECT_THAT(result.findings, Contains(shows("D2", "P4"))) << dump(result);
  EXPECT_THAT(result.findings, Contains(shows("D3", "P2"))) << dump(result);
  EXPECT_THAT(result.findings, Contains(shows("D5", "P1"))) << dump(result);
  EXPECT_THAT(result.findings, Contains(shows("D6", "check is linearizable"))) << dump(result);
}

// What a process did before an event at step `at` of three stores.
class Moment : public testing::Test {
 protected:
  harness::ChildState strike(std::uint64_t at, const Event& event) {
    done_->store(0);
    StruckProcess process(
        [this](const fs::path&) {
          HeaderBlock block{};
          MomentWords words{MappedWords(block.data(), {})};
          words.store(fsqlshm::Field::kGcHorizon, 0, std::memory_order_release);  // does not count
          Moments::begin();
          for (std::uint64_t i = 1; i <= 3; ++i) {
            words.store(fsqlshm::Field::kCommitSeq, i, std::memory_order_release);
            done_->store(i);
          }
          return Kept();
        },
        {}, at, event);
    const harness::ChildState state = process.wait();
    log_ = process.log();
    return state;
  }

  harness::Shared<std::atomic<std::uint64_t>> done_;
  MomentLog log_;
};

TEST_F(Moment, DeathsComeExactlyThere) {
  for (std::uint64_t at = 1; at <= 3; ++at) {
    EXPECT_TRUE(strike(at, sends_itself(SIGKILL)).died_of(SIGKILL));
    EXPECT_EQ(done_->load(), at - 1);
    EXPECT_FALSE(log_.ended);
  }
}

TEST_F(Moment, AreCountedAndNamed) {
  EXPECT_TRUE(strike(0, {}).exited());
  EXPECT_EQ(log_.count, 3U);
  EXPECT_EQ(log_.names[2], "commit_seq");
  EXPECT_TRUE(log_.ended);
  EXPECT_TRUE(strike(4, sends_itself(SIGKILL)).exited()) << "after the last one";
}

TEST(Newcomer, SeesWhatItCannotUse) {
  const auto dir = RunDir::make({});
  ASSERT_TRUE(dir);
  const fs::path path = dir->path() / "x.db.fsqlite-shm";
  EXPECT_EQ(newcomer_trouble<HardenedProtocol>(path), "") << "a file that is not there is made";
  EXPECT_EQ(newcomer_trouble<HardenedProtocol>(path), "") << "what a newcomer did is undone";
  auto file = ShmFile::open(path, trusting());
  ASSERT_TRUE(file);
  {
    const auto guard = file->lock_publication();
    EXPECT_EQ(newcomer_trouble<HardenedProtocol>(path), "the publication lock is not free");
  }
  ASSERT_TRUE(acquire(*file, 5, 0));  // by a process that lives
  EXPECT_EQ(newcomer_trouble<HardenedProtocol>(path), kBusyForEver);
  ASSERT_TRUE(file->layout().release_serialized_writer(id_of(5)));
  fs::resize_file(path, 100);
  EXPECT_THAT(newcomer_trouble<HardenedProtocol>(path), HasSubstr("cannot be opened"));
}

}  // namespace
}  // namespace fsqlshm::stress

#include "stress/world/power_loss/power_loss.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "harness/child.h"
#include "stress/world/power_loss/newcomer.h"

namespace fsqlshm::world::power_loss {
namespace {

using testing::HasSubstr;

const FileSystem& ext4() { return file_systems().front(); }

class PowerLossTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string obstacle = obstacle_to_power_loss(); !obstacle.empty()) {
      GTEST_SKIP() << obstacle;
    }
    if (!ext4().can_be_made()) GTEST_SKIP() << ext4().make.front() << " is not installed";
  }
  static harness::Result run(const Options& options) {
    harness::Result result("world", "hardened");
    run_power_loss(options, result);
    EXPECT_FALSE(result.could_not_run) << *result.could_not_run;
    return result;
  }
};

std::size_t flushes(const DiskLog& log) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < log.size(); ++i) count += log[i].flush ? 1 : 0;
  return count;
}

TEST_F(PowerLossTest, TheDiskRecordsWhatIsWrittenAndWhen) {
  const auto start = make_start(ext4(), Found::kNothing);
  DiskImage disk(ext4().size);
  disk.copy_from(start->disk);
  const RecordingDisk recorder(disk);
  const Mount mount = ext4().mount(recorder.device());
  const std::string text = "what a user was promised";
  std::ofstream(mount.path() / "file") << text;
  const auto logged = [&] {
    const DiskLog& log = recorder.log();
    for (std::size_t i = 0; i < log.size(); ++i) {
      const auto bytes = log.bytes_of(log[i]);
      const std::string_view block(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (block.starts_with(text)) return true;
    }
    return false;
  };
  EXPECT_FALSE(logged());  // in memory yet
  const std::size_t before = flushes(recorder.log());
  const OwnedFd file(::open((mount.path() / "file").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fsync(file.get()), 0);
  EXPECT_TRUE(logged());
  EXPECT_GT(flushes(recorder.log()), before);
}

TEST_F(PowerLossTest, NothingIsFound) {
  const harness::Result result = run({.quick = true, .quiet = true});
  for (const auto& finding : result.findings) {
    ADD_FAILURE() << finding.property << ": " << finding.title << "\n" << finding.detail;
  }
  EXPECT_EQ(result.details["power_loss"].size(), operations().size());
  std::uint64_t missing = 0;
  for (const auto& row : result.details["power_loss"]) {
    EXPECT_GT(row["moments"], 10) << row;
    EXPECT_GT(row["images"], 10) << row;
    EXPECT_GT(row["blocks_lost"], 0) << row;
    if (row["operation"] == "create") missing = row["file_missing"];
  }
  EXPECT_GT(missing, 0U);  // else every cut came after the creation
}

// The files' space was reserved when they were made.
TEST_F(PowerLossTest, AFullDiskKillsNobodyWhoWritesToAMapping) {
  // With block groups for data alone, which ask for a larger disk.
  const FileSystem btrfs = {"btrfs", {"mkfs.btrfs", "-q", "-f"}, std::uint64_t{128} << 20, {}};
  for (const FileSystem& type : {file_systems()[0], file_systems()[1], btrfs}) {
    if (!type.can_be_made()) continue;
    SCOPED_TRACE(type.name);
    const auto start = make_start(type, Found::kUsed);
    const LoopDevice device(start->disk.fd());
    const Mount mount = type.mount(device.path());
    const auto ended = harness::run_in_child([&] {
      Promises promises;
      Database database(mount.path(), promises);
      database.open();
      database.sync();
      const OwnedFd filler(
          ::open((mount.path() / "filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      const std::string block(65536, 'x');
      for (const std::size_t size : {block.size(), kBlockSize}) {
        while (::write(filler.get(), block.data(), size) > 0) {
        }
        ::fsync(filler.get());
      }
      for (int i = 0; i < 20; ++i) {
        std::ranges::fill(database.file().regions(), std::byte(i));
        if (!database.file().sync()) return 1;
      }
      return 0;
    });
    EXPECT_TRUE(ended.exited()) << ended.text();
  }
}

struct MutantFinding {
  Mutant mutant;
  const char* operation;
  const char* title;
};

// The second and third are rows 3 and 4 of what was measured on the file layer before it had a first
// opener: a file of zeros under the name; ids and commits of the time before.
constexpr MutantFinding kMutantFindings[] = {
    {Mutant::kDirectoryNotSynced, "create", "a file that was made is not there"},
    {Mutant::kDraftNotSynced, "create", "the file is not whole"},
    {Mutant::kTrustsFoundState, "publish", "a stale triple is accepted"},
    {Mutant::kForgetsIds, "allocate", "an id is handed out again"},
};

TEST_F(PowerLossTest, EveryMutantIsFoundAndFoundAgain) {
  EXPECT_EQ(std::size(kMutantFindings), mutants().size());
  for (const MutantFinding& expected : kMutantFindings) {
    SCOPED_TRACE(name_of(expected.mutant));
    Options options{.quick = true,
                    .operations = {expected.operation},
                    .mutant = expected.mutant,
                    .quiet = true};
    const harness::Result result = run(options);
    ASSERT_FALSE(result.findings.empty());
    const harness::Finding& found = result.findings.front();
    EXPECT_EQ(found.severity, "violation");
    EXPECT_EQ(found.property, "W4 first opener");
    EXPECT_EQ(found.title, expected.title);
    EXPECT_THAT(found.detail, HasSubstr("the power goes off"));

    const std::string image = found.detail.substr(0, found.detail.find('\n'));
    EXPECT_EQ(found.replay, fmt::format("fsqlshm-world power-loss --mutant {} --image '{}'",
                                        name_of(expected.mutant), image));
    harness::Result again("world", "hardened");
    replay_power_loss(image, options, again);
    ASSERT_EQ(again.findings.size(), 1U) << image;
    EXPECT_EQ(again.findings.front().title, expected.title);
    EXPECT_EQ(again.findings.front().replay, found.replay);
    options.mutant = Mutant::kNone;
    EXPECT_TRUE(run(options).findings.empty());
  }
}

TEST_F(PowerLossTest, ShardsAreTheWhole) {
  Options options{.quick = true, .operations = {"first open"}, .quiet = true};
  const std::uint64_t whole = run(options).counts["power_loss_images"];
  std::uint64_t parts = 0;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    options.shard = {i, 3};
    parts += run(options).counts["power_loss_images"].get<std::uint64_t>();
  }
  EXPECT_EQ(parts, whole);
}

TEST_F(PowerLossTest, AFileSystemThatIsBrokenIsNoFindingAboutTheFileLayer) {
  const DiskImage nothing(ext4().size);
  const AfterPowerLoss after =
      judge_after_power_loss(ext4(), nothing, {}, false, Database::Faith::kRecovers);
  ASSERT_TRUE(after.problem);
  EXPECT_TRUE(after.problem->of_the_harness);
  EXPECT_EQ(after.problem->title, "the file system cannot be mounted");
}

TEST(PowerLossNames, ThatNameNothingAreRefused) {
  harness::Result result("world", "hardened");
  for (const char* name :
       {"", "ext4", "ext4/create/late@0/cut 1", "ext5/create/late@0/cut 1/drop 0",
        "ext4/make tea/late@0/cut 1/drop 0", "ext4/create/never@0/cut 1/drop 0",
        "ext4/create/late/cut 1/drop 0", "ext4/create/late@0/cut x/drop 0"}) {
    EXPECT_THROW(replay_power_loss(name, {}, result), std::exception) << name;
  }
}

TEST(PowerLossSkips, WithASentence) {
  struct Seen {
    bool skipped = false;
    bool says_why = false;
  };
  const harness::Shared<Seen> seen;
  ASSERT_TRUE(harness::run_in_child([&] {
                if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
                harness::Result result("world", "hardened");
                run_power_loss({.quick = true, .quiet = true}, result);
                seen->skipped =
                    result.counts["skipped"] == 1 && !result.counts.contains("power_loss_images");
                const std::string why = result.details["skipped"]["power loss"];
                seen->says_why = why.find("needs root") != why.npos;
                return 0;
              }).exited());
  EXPECT_TRUE(seen->skipped);
  EXPECT_TRUE(seen->says_why);
}

}  // namespace
}  // namespace fsqlshm::world::power_loss

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

TEST(Shard, PartsAreDisjointAndTogetherEverything) {
  for (const std::uint64_t total : {0ULL, 1ULL, 7ULL, 1000ULL, ~0ULL}) {
    for (const std::uint64_t count : {1ULL, 2ULL, 3ULL, 16ULL}) {
      std::uint64_t next = 0;
      for (std::uint64_t index = 1; index <= count; ++index) {
        const Shard::Range range = Shard{index, count}.range(total);
        EXPECT_EQ(range.first, next);
        EXPECT_LE(range.first, range.last);
        next = range.last;
      }
      EXPECT_EQ(next, total);
    }
  }
}

TEST(Shard, RefusesWhatIsNoShard) {
  for (const char* text : {"", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", " 1/2", "1/2 "}) {
    EXPECT_FALSE(Shard::parse(text)) << text;
  }
  EXPECT_EQ(Shard::parse("2/8")->index, 2U);
  EXPECT_EQ(Shard::parse("2/8")->count, 8U);
}

TEST(Result, AnyFindingButAnExpectedOneIsFound) {
  Result result("relacy", "hardened");
  EXPECT_EQ(result.exit_code(), kExitClean);
  result.findings.push_back({.severity = "expected", .title = "D1"});
  EXPECT_EQ(result.exit_code(), kExitClean);
  result.could_not_run = "no relacy";
  EXPECT_EQ(result.exit_code(), kExitCouldNotRun);
  EXPECT_EQ(result.to_json()["status"], "could_not_run");
  EXPECT_EQ(result.to_json()["reason"], "no relacy");
  result.findings.push_back({.severity = "vacuous", .title = "never retried"});
  EXPECT_EQ(result.exit_code(), kExitFound);
  EXPECT_EQ(result.to_json()["status"], "found");
}

TEST(Result, JunitEscapesAndCounts) {
  Result result("stress", "hardened");
  EXPECT_NE(result.to_junit().find("tests=\"1\" failures=\"0\""), std::string::npos);
  result.findings.push_back({.severity = "violation", .title = "a<b", .detail = "x & \"y\"\x01"});
  const std::string junit = result.to_junit();
  EXPECT_NE(junit.find("failures=\"1\""), std::string::npos);
  EXPECT_NE(junit.find("a&lt;b"), std::string::npos);
  EXPECT_NE(junit.find("x &amp; &quot;y&quot;?"), std::string::npos);
}

TEST(Result, WritesWholeOrNotAtAll) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("fsqlshm_harness_test." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const auto path = folder / "result.json";
  EXPECT_TRUE(Result("golden", "both").write_json(path));
  std::ifstream in(path);
  EXPECT_EQ(nlohmann::json::parse(in)["schema"], kResultSchema);
  EXPECT_FALSE(Result("golden", "both").write_json(folder / "missing" / "result.json"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder),
                          std::filesystem::directory_iterator()),
            1);
  std::filesystem::remove_all(folder);
}

TEST(Result, WriteLeavesSpecialFilesAlone) {
  const std::filesystem::path pipe = std::filesystem::temp_directory_path() /
                                     ("fsqlshm_harness_pipe." + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(write_file(pipe, "text"));
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::filesystem::remove(pipe);
}

TEST(Result, WriteFailsOnAFullDisk) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const auto error = write_file("/dev/full/x", "text");
  ASSERT_FALSE(error);
  EXPECT_NE(error.error().find("/dev/full"), std::string::npos);
}

TEST(Result, WriteFailsAtALimitForFiles) {
  const std::string path = ::testing::TempDir() + "fsqlshm_limited." + std::to_string(::getpid());
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{.rlim_cur = 10, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = write_file(path, "more than ten bytes");
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().find("File too large"), std::string::npos) << written.error();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + "." + std::to_string(::getpid()) + ".tmp"));
}

TEST(Options, TakeNumbersThatAreNumbers) {
  const Check time = number(0, 3600);
  for (const char* text : {"0", "0.5", "3600", "1e3"}) EXPECT_EQ(time(text), "") << text;
  for (const char* text : {"", "nan", "-nan", "inf", "-1", "3601", "1 s", "0x", "1e999"}) {
    EXPECT_NE(time(text), "") << text;
  }
  const Check count = whole_number(1);
  for (const char* text : {"1", "18446744073709551615"}) EXPECT_EQ(count(text), "") << text;
  for (const char* text : {"", "0", "-1", "1.5", "1e3", "18446744073709551616"}) {
    EXPECT_NE(count(text), "") << text;
  }
}

int run_with(const std::vector<const char*>& arguments, const std::function<ExitCode()>& body) {
  Program program("test", "a test");
  program.add_documents();
  std::vector<char*> argv;
  for (const char* argument : arguments) argv.push_back(const_cast<char*>(argument));
  return program.run(static_cast<int>(argv.size()), argv.data(), body);
}

TEST(Program, EndsWithWhatItsBodySays) {
  EXPECT_EQ(run_with({"test"}, [] { return kExitClean; }), kExitClean);
  EXPECT_EQ(run_with({"test"}, [] { return kExitFound; }), kExitFound);
}

TEST(Program, CouldNotRunAfterABadCommandLineOrAnException) {
  bool ran = false;
  const auto body = [&] {
    ran = true;
    return kExitClean;
  };
  for (const char* option : {"--nonsense", "--json=", "--json=/nowhere/x", "--junit=/dev/null"}) {
    EXPECT_EQ(run_with({"test", option}, body), kExitCouldNotRun) << option;
    EXPECT_FALSE(ran) << option;
  }
  EXPECT_EQ(run_with({"test"}, []() -> ExitCode { throw std::runtime_error("no"); }),
            kExitCouldNotRun);
}

TEST(Program, HelpNamesADefaultOnce) {
  std::uint64_t drawn = 987654;
  std::uint64_t fixed = 1234;
  Program program("test", "a test");
  program.add({"--seed", &drawn, "what every choice follows from (default: drawn)"});
  program.add({"--rate", &fixed, "acts a second"});
  char name[] = "test";
  char option[] = "--help";
  char* argv[] = {name, option};
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(program.run(2, argv, [] { return kExitFound; }), kExitClean);
  const std::string help = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(help.find("987654"), std::string::npos) << help;
  EXPECT_NE(help.find("UINT=1234"), std::string::npos) << help;
}

TEST(Human, UsesThreeDigits) {
  EXPECT_EQ(human(0), "0");
  EXPECT_EQ(human(999), "999");
  EXPECT_EQ(human(1234567), "1.23 M");
  EXPECT_EQ(human(2e9), "2 G");
}

TEST(Run, AWordIsQuotedForAShell) {
  EXPECT_EQ(quoted("a/b-c_1.so"), "a/b-c_1.so");
  EXPECT_EQ(quoted(""), "''");
  EXPECT_EQ(quoted("it is"), "'it is'");
  EXPECT_EQ(quoted("it's"), "'it'\\''s'");
}

}  // namespace
}  // namespace fsqlshm::harness

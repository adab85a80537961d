// A long search is done in parts: what they come to does not depend on the processes that do them.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/program.h"
#include "harness/scenarios/exploration.h"
#include "relacy/audit.h"
#include "relacy/rc11/report.h"

namespace fsqlshm::rc11 {
namespace {

using harness::ScenarioReport;
using harness::Status;

constexpr std::uint64_t kLong = 10'000;  // executions until a search is called long
constexpr std::uint64_t kOfAPart = 100;

// A search of 100 executions in each part, with what a test adds to a part.
class PartsTest : public testing::TestWithParam<unsigned> {
 protected:
  using Part = std::function<void(std::uint64_t index, ScenarioReport& report)>;

  // The document of a search of all scenarios, of which one is long.
  nlohmann::json explore(const Part& part) {
    const harness::Explorer explorer{
        .engine = "rc11",
        .subject = "hardened",
        .search =
            [&](const Scenario& scenario, const Budget& budget, const Watch&) {
              ScenarioReport report;
              report.summary.reached.assign(scenario.outcomes.size(), 1);
              report.summary.complete = scenario.name != "look" || budget.shard.count > 1;
              report.summary.executions = kOfAPart;
              report.summary.seconds = 0;
              report.counts = {{"visits", 7}};
              if (!report.summary.complete) report.summary.executions = kLong;
              if (scenario.name == "look" && report.summary.complete) {
                part(budget.shard.index, report);
              }
              return report;
            },
        .divisible = [](const Scenario&) { return true; },
        .judge =
            [](const Scenario& scenario, const Budget& budget, ScenarioReport& report) {
              judge_clean(*find_subject("hardened"), scenario, budget, report);
            }};
    harness::ExplorationOptions options{.search = "full", .jobs = GetParam(), .quiet = true};
    harness::Program program("fsqlshm-rc11", "");
    program.add_documents();
    // Tests of this file run side by side, each in a process of its own.
    std::string file = testing::TempDir() + "parts-" + std::to_string(::getpid()) + ".json";
    std::string words[] = {"fsqlshm-rc11", "--json", file};
    char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    status_ =
        program.run(3, arguments, [&] { return harness::explore(program, options, explorer); });
    const nlohmann::json document = nlohmann::json::parse(std::ifstream(file));
    std::filesystem::remove(file);
    return document;
  }

  static nlohmann::json look(const nlohmann::json& document) {
    for (const auto& row : document["details"]["scenarios"]) {
      if (row["name"] == "look") return row;
    }
    return nullptr;
  }

  int status_ = -1;
};

TEST_P(PartsTest, AddUp) {
  const nlohmann::json document = explore([](std::uint64_t, ScenarioReport&) {});
  const nlohmann::json row = look(document);
  EXPECT_EQ(status_, harness::kExitClean);
  EXPECT_EQ(row["status"], "clean");
  EXPECT_EQ(row["executions"], 16 * kOfAPart);
  EXPECT_EQ(row["visits"], 16 * 7);
  EXPECT_EQ(row["complete"], true);
  for (const auto& [outcome, count] : row["outcomes"].items()) EXPECT_EQ(count, 16) << outcome;
  EXPECT_EQ(document["details"]["scenarios"].size(), harness::scenarios().size());
}

TEST_P(PartsTest, AreJudgedTogether) {
  // Each outcome but the last is reached in one part alone.
  const auto one_each = [](std::uint64_t index, ScenarioReport& report) {
    auto& reached = report.summary.reached;
    for (std::size_t i = 0; i < reached.size(); ++i) reached[i] = i + 2 == index ? 1 : 0;
    reached.back() = 0;
  };
  const nlohmann::json row = look(explore(one_each));
  EXPECT_EQ(status_, harness::kExitFound);
  EXPECT_EQ(row["status"], "vacuous");
  EXPECT_EQ(std::count(row["outcomes"].begin(), row["outcomes"].end(), 0), 1);
}

TEST_P(PartsTest, EndWithTheFirstThatHasAViolation) {
  const nlohmann::json document = explore([](std::uint64_t index, ScenarioReport& report) {
    if (index != 5 && index != 9) return;
    report.status = Status::kViolated;
    report.summary.complete = false;
    report.finding = harness::Finding{.severity = "violation",
                                      .property = "P1 exclusion",
                                      .title = "part " + std::to_string(index)};
  });
  const nlohmann::json row = look(document);
  EXPECT_EQ(status_, harness::kExitFound);
  EXPECT_EQ(row["status"], "violated");
  EXPECT_EQ(row["executions"], 5 * kOfAPart);
  ASSERT_EQ(document["findings"].size(), 1U);
  EXPECT_EQ(document["findings"][0]["title"], "part 5");
}

TEST_P(PartsTest, AreNotCleanWithoutOneOfThem) {
  const nlohmann::json cut = look(explore(
      [](std::uint64_t index, ScenarioReport& report) { report.summary.complete = index != 3; }));
  EXPECT_EQ(cut["complete"], false);

  const nlohmann::json document = explore([](std::uint64_t index, ScenarioReport& report) {
    if (index == 3) report.refusal = "no";
  });
  EXPECT_EQ(status_, harness::kExitCouldNotRun);
  EXPECT_EQ(document["reason"], "look: no");
  EXPECT_EQ(look(document), nullptr);
  EXPECT_EQ(document["details"]["scenarios"].size(), harness::scenarios().size() - 1);
}

class AuditJobsTest : public testing::TestWithParam<unsigned> {
 protected:
  // Each weakening has the executions of its place in the order; what `disturb` does is done in its process.
  std::expected<void, std::string> audit(const std::function<void(std::size_t place)>& disturb) {
    const auto place_of = [this](const Weakening& weakening) {
      const std::string text = relacy::to_text(weakening);
      return static_cast<std::size_t>(std::ranges::find(order_, text) - order_.begin());
    };
    for (const relacy::SiteUse& use : uses_) {
      for (const Weakening& one : relacy::weakenings(use.site)) {
        order_.push_back(relacy::to_text(one));
      }
    }
    return relacy::audit(
        uses_, GetParam(),
        {.judge =
             [&](const relacy::SiteUse&, const Weakening& weakening) {
               const std::size_t place = place_of(weakening);
               disturb(place);
               return relacy::Verdicts{{.weakening = weakening,
                                        .killed = true,
                                        .scenario = "look",
                                        .property = "P1",
                                        .executions = place,
                                        .replay = "x"}};
             },
         .done = [&](const relacy::Verdicts& verdicts) { rows_.push_back(verdicts.at(0)); },
         .go_on = [](std::size_t) {}});
  }

  std::vector<relacy::SiteUse> uses_ = relacy::discover_sites(*relacy::find_subject("hardened"));
  std::vector<std::string> order_;
  std::vector<relacy::MatrixRow> rows_;
};

TEST_P(AuditJobsTest, MakeAllRowsInOrder) {
  ASSERT_TRUE(audit([](std::size_t) {}));
  ASSERT_GE(rows_.size(), 25U);
  ASSERT_EQ(rows_.size(), order_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    EXPECT_EQ(relacy::to_text(rows_[i].weakening), order_[i]);
    EXPECT_EQ(rows_[i].executions, i);
    EXPECT_TRUE(rows_[i].killed);
    EXPECT_EQ(rows_[i].scenario + rows_[i].property + rows_[i].replay, "lookP1x");
  }
}

TEST_P(AuditJobsTest, AreNotCompleteWithoutOneThatDied) {
  const auto complete = audit([](std::size_t place) {
    if (place == 3) ::raise(SIGKILL);
  });
  ASSERT_FALSE(complete);
  EXPECT_EQ(complete.error(), order_[3] + ": the process died of signal 9");
}

INSTANTIATE_TEST_SUITE_P(Jobs, AuditJobsTest, testing::Values(1, 3),
                         testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Jobs, PartsTest, testing::Values(1, 2, 8),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fsqlshm::rc11

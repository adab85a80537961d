// The explorer against the literature and against brute force.

#include "relacy/rc11/explorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "relacy/rc11/brute_force.h"
#include "relacy/rc11/litmus.h"
#include "relacy/rc11/random_program.h"

namespace fsqlshm::rc11 {
namespace {

constexpr std::memory_order kRelaxed = std::memory_order::relaxed;
constexpr std::memory_order kAcquire = std::memory_order::acquire;

std::vector<std::string> explored(const Program& program, Part part = {}) {
  std::vector<std::string> keys;
  Explorer explorer(program, part);
  while (explorer.next()) keys.push_back(explorer.graph().key());
  return keys;
}

// Every graph that brute force finds, each once.
void expect_all_once(const Program& program, const std::string& name) {
  const std::vector<std::string> keys = explored(program);
  const std::set<std::string> visited(keys.begin(), keys.end());
  EXPECT_EQ(visited.size(), keys.size()) << name << ": a graph is visited twice";
  const std::set<std::string> all = all_graphs(program);
  EXPECT_EQ(visited.size(), all.size()) << name;
  EXPECT_TRUE(visited == all) << name;
}

TEST(Litmus, VerdictsAndNumbersAreTheKnownOnes) {
  const std::vector<LitmusResult> results = run_litmus();
  EXPECT_GE(results.size(), 24U);
  for (const LitmusResult& result : results) EXPECT_EQ(result.wrong, "") << result.name;
}

TEST(Litmus, BruteForceFindsTheSameGraphs) {
  for (const LitmusTest& test : litmus_tests()) {
    const auto all = test.combinations();
    // Of many combinations some; the first is relaxed and the last seq_cst.
    const std::size_t stride = all.size() > 100 ? 26 : all.size() > 30 ? 5 : 1;
    for (std::size_t i = 0; i < all.size(); i += stride) {
      expect_all_once(test.program(all[i]), test.name);
    }
    expect_all_once(test.program(all.back()), test.name);
  }
}

class RandomPrograms : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomPrograms, BruteForceFindsTheSameGraphs) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + 100; ++seed) {
    expect_all_once(random_program(seed), "seed " + std::to_string(seed));
  }
}

INSTANTIATE_TEST_SUITE_P(All, RandomPrograms, testing::Values(1, 101, 201));

TEST(Shards, AreTogetherTheWhole) {
  for (const std::uint64_t seed : {3U, 15U, 23U, 40U, 77U}) {
    const Program program = random_program(seed);
    const std::vector<std::string> whole = explored(program);
    std::multiset<std::string> parts;
    for (std::uint64_t index = 0; index < 3; ++index) {
      for (std::string& key : explored(program, {.index = index, .count = 3})) {
        parts.insert(std::move(key));
      }
    }
    EXPECT_EQ(parts, std::multiset<std::string>(whole.begin(), whole.end())) << seed;
  }
}

// --- Waiting ------------------------------------------------------------------------------------------

TEST(Waiting, EndsWhenTheStoreIsThere) {
  const Program program{.first = {0},
                        .threads = {{[](Memory& memory) {
                                      while (memory.load(0, kAcquire) == 0) memory.pause();
                                    }},
                                    {[](Memory& memory) { memory.store(0, 1, kRelaxed); }}}};
  Explorer explorer(program);
  std::uint64_t graphs = 0;
  while (explorer.next()) {
    EXPECT_EQ(explorer.end(), Explorer::End::kComplete);
    ++graphs;
  }
  // At once, and after one turn; two turns alike are one too many.
  EXPECT_EQ(graphs, 2U);
  EXPECT_EQ(explorer.unfair(), 1U);
}

TEST(Waiting, InVainIsSeen) {
  const Program program{.first = {0},
                        .threads = {{[](Memory& memory) {
                                      while (memory.load(0, kAcquire) != 2) memory.pause();
                                    }},
                                    {[](Memory& memory) { memory.store(0, 1, kRelaxed); }}}};
  Explorer explorer(program);
  std::uint64_t stuck = 0;
  while (explorer.next()) stuck += explorer.end() == Explorer::End::kStuck ? 1 : 0;
  EXPECT_GT(stuck, 0U);
}

TEST(Waiting, ALoopThatNeverEndsIsSeen) {
  const Program program{.first = {0}, .threads = {{[](Memory& memory) {
                                        while (true) memory.store(0, 1, kRelaxed);
                                      }}}};
  Explorer explorer(program);
  ASSERT_TRUE(explorer.next());
  EXPECT_EQ(explorer.end(), Explorer::End::kEndless);
}

}  // namespace
}  // namespace fsqlshm::rc11

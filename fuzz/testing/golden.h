// Reads the golden vectors of the original, for tests.

#ifndef FSQLSHM_FUZZ_TESTING_GOLDEN_H_
#define FSQLSHM_FUZZ_TESTING_GOLDEN_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/calls.h"

namespace fsqlshm::fuzz {

/// Every line of corpus/golden/NAME.
inline std::vector<nlohmann::json> golden(const std::string& name) {
  std::ifstream file(std::string(FSQLSHM_CORPUS_DIR) + "/golden/" + name);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  EXPECT_GE(lines.size(), 100U) << name;
  return lines;
}

inline std::vector<std::uint8_t> unhex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// One operation of a golden trace.
inline Step golden_step(const nlohmann::json& op) {
  Step step;
  const std::string name = op["op"];
  while (to_string(step.call) != name) {
    if (step.call == Call::kLoadCounters) throw std::runtime_error(name);
    step.call = static_cast<Call>(static_cast<int>(step.call) + 1);
  }
  auto args = op["args"];
  if (step.call == Call::kCheckExclusion) {
    step.dead = args.back().get<bool>() ? Dead::kNone : Dead::kAll;
    args.erase(1);
  } else if (step.call == Call::kAcquire) {
    step.pid = args[1];
    args.erase(1);
  }
  std::uint64_t* const values[] = {&step.a, &step.b, &step.c};
  for (std::size_t i = 0; i < args.size(); ++i) *values[i] = args[i];
  return step;
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TESTING_GOLDEN_H_

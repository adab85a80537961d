// Reads the golden vectors for tests.

#ifndef FSQLSHM_FUZZ_TESTING_GOLDEN_H_
#define FSQLSHM_FUZZ_TESTING_GOLDEN_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TESTING_GOLDEN_H_

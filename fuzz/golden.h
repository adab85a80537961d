// Reads the golden vectors of the original.

#ifndef FSQLSHM_FUZZ_GOLDEN_H_
#define FSQLSHM_FUZZ_GOLDEN_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/program.h"

namespace fsqlshm::fuzz {

/// Every line of a file of golden vectors. Throws std::runtime_error if it is not a whole one.
[[nodiscard]] std::vector<nlohmann::json> golden_lines(const std::filesystem::path& file);

[[nodiscard]] std::vector<std::uint8_t> unhex(const std::string& text);

/// One operation of a golden trace.
[[nodiscard]] Step golden_step(const nlohmann::json& op);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_GOLDEN_H_

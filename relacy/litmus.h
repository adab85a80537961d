// What the model checker itself can and cannot produce, as small programs with a known answer.
// Whatever is allowed in C++ and never produced is a limit of it: no scenario can find what
// needs that.

#ifndef FSQLSHM_RELACY_LITMUS_H_
#define FSQLSHM_RELACY_LITMUS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace fsqlshm::relacy {

struct LitmusResult {
  std::string name;
  std::string outcome;            ///< the outcome in question
  bool allowed = false;           ///< by C++20
  bool expected_random = false;   ///< what random search is known to produce
  bool expected_bounded = false;  ///< what bounded and full search are known to produce
  std::uint64_t random = 0;       ///< how often random search did, of kLitmusExecutions
  std::uint64_t bounded = 0;      ///< how often bounded search with 4 preemptions did

  [[nodiscard]] bool as_expected() const {
    return (random > 0) == expected_random && (bounded > 0) == expected_bounded;
  }
  [[nodiscard]] bool is_limit() const { return allowed && random == 0 && bounded == 0; }
};

inline constexpr std::uint64_t kLitmusExecutions = 50'000;

[[nodiscard]] std::vector<LitmusResult> run_litmus();

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_LITMUS_H_

// Litmus tests in the manner of jcstress: two actors run one operation each on a fresh header, many
// times, on real hardware. An arbiter names the outcome; every outcome that is possible has a
// verdict, and what was seen is counted.

#ifndef FSQLSHM_STRESS_LITMUS_H_
#define FSQLSHM_STRESS_LITMUS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"
#include "harness/result.h"
#include "stress/setting.h"

namespace fsqlshm::stress {

enum class Expect : std::uint8_t { kAcceptable, kInteresting, kForbidden };

struct LitmusOutcome {
  std::string_view name;
  Expect expect;
  std::string_view meaning;
  std::string_view defect{};  ///< the known defect of `reference` that it shows
};

/// One race. An outcome that is not in the list is forbidden.
template <class Protocol>
struct LitmusTest {
  using Layout = OwnedSharedMemoryLayout<Protocol>;

  std::string_view name;
  void (*prepare)(Layout&);
  std::uint64_t (*first)(Layout&);  ///< what an actor returns is for the arbiter
  std::uint64_t (*second)(Layout&);
  std::string (*arbiter)(const Layout&, std::uint64_t first, std::uint64_t second);
  std::vector<LitmusOutcome> outcomes;
};

template <class Protocol>
[[nodiscard]] std::vector<LitmusTest<Protocol>> litmus_tests();

struct LitmusConfig {
  std::uint64_t iterations = 200'000;  ///< of each race
  double race_seconds = 3;             ///< a race also ends after this time, if it was one
};

/// Prints the tables, and adds to `result`:
///   counts.iterations
///   details.outcomes  list of {race, outcomes: [{outcome, verdict, meaning, count}]}
/// A forbidden outcome that was seen is a violation. A race of which no interesting outcome was
/// ever seen did not race: that is a vacuous finding.
void run_litmus(const Setting& setting, const LitmusConfig& config, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_LITMUS_H_

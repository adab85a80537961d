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
  std::string_view defect{};  ///< the known defect of the published protocol that it shows
  std::string_view
      property{};  ///< of a subject, what it violates; empty: none that could be kept back
};

/// One race. An outcome that is not in the list is forbidden.
template <class Layout>
struct LitmusTest {
  std::string_view name;
  void (*prepare)(Layout&);
  std::uint64_t (*first)(Layout&);  ///< what an actor returns is for the arbiter
  std::uint64_t (*second)(Layout&);
  std::string (*arbiter)(const Layout&, std::uint64_t first, std::uint64_t second);
  std::vector<LitmusOutcome> outcomes;
};

/// For OwnedSharedMemoryLayout of each protocol, and for SubjectLayout. `unlocked`: also two publishes at the same
/// time, which only the published protocol is thought to take.
template <class Layout>
[[nodiscard]] std::vector<LitmusTest<Layout>> litmus_tests(bool unlocked);

struct LitmusConfig {
  std::uint64_t iterations = 200'000;  ///< of each race
  double race_seconds = 3;  ///< a race also ends after this time, if it was one; if not, after ten
                            ///< times as long, or 15 s if that is more
};

/// Prints the tables, and adds to `result`:
///   counts.iterations
///   details.outcomes  list of {race, outcomes: [{outcome, verdict, meaning, count}]}
/// A forbidden outcome that was seen is a violation. A race of which no interesting outcome was
/// ever seen did not race: that is a vacuous finding. The races of a subject run in a child each; a call that does
/// not return is a finding.
void run_litmus(const Setting& setting, const LitmusConfig& config, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_LITMUS_H_

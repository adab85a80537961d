// The header as scenarios use it: the operations of the core with the oracles around them, first
// values, and the outcomes that bodies reach.

#ifndef FSQLSHM_HARNESS_SCENARIOS_HEADER_H_
#define FSQLSHM_HARNESS_SCENARIOS_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/properties/judged_header.h"
#include "harness/scenarios/execution.h"

namespace fsqlshm::harness {

/// Leases and times, in seconds. kSoon runs out at kThen, to the second, kLater only by kEnd.
inline constexpr std::uint64_t kNow = 50;
inline constexpr std::uint64_t kSoon = 100;
inline constexpr std::uint64_t kThen = kSoon;
inline constexpr std::uint64_t kLater = 500;
inline constexpr std::uint64_t kEnd = 1'000'000;

enum class Refusal : std::uint8_t { kNone, kOdd, kChanged, kTorn };

class Header : public JudgedHeader {
 public:
  /// `strict`: see WriterOracle::Rules. Mutants are not, so that it is the consequences of
  /// what is wrong that are noticed. `outcomes`: those that the scenario declares.
  /// `fence_before_lock`: a mutant that looks at the fence too early.
  Header(ScenarioExecution& execution, bool strict, bool has_states, bool fence_before_lock,
         const std::vector<std::string>& outcomes)
      : JudgedHeader(execution),
        execution_(execution),
        strict_(strict),
        has_states_(has_states),
        fence_before_lock_(fence_before_lock),
        outcomes_(outcomes),
        reached_(outcomes.size()) {}

  /// The scenario came by this outcome; its declaration names it.
  void reach(std::string_view outcome);
  /// How often each outcome was reached.
  [[nodiscard]] const std::vector<std::uint64_t>& reached() const noexcept { return reached_; }
  [[nodiscard]] ScenarioExecution& execution() const noexcept { return execution_; }
  /// Whether the protocol has states (CLAIMING, CLEANING) that a check can take over.
  [[nodiscard]] bool has_states() const noexcept { return has_states_; }
  /// Whether it is `reference`, which has neither `clear` nor an idea of certainty.
  [[nodiscard]] bool is_published() const noexcept { return !has_states_; }

  // --- For `before` ---------------------------------------------------------------------------

  /// `honest_busy`: a check may answer busy only for a live writer, also under `reference`: D6.
  void init_writer(bool honest_busy = false);
  /// Version 0, or what a publisher of version 1 left behind that died after its first store.
  void init_snapshot(bool whole = true, bool in_turn = true);
  void init_ids(std::uint64_t next);
  void init_horizon();
  /// For publish_fenced. The lock has the word of the gc horizon, which such scenarios do not use.
  void init_publication_lock();

  // --- Operations, in addition to those of JudgedHeader -----------------------------------------

  bool acquire(std::uint64_t id, std::uint64_t lease, Named named = Named::kWhole) {
    return acquire_as(execution_.process(), id, lease, named);
  }
  bool acquire_as(int process, std::uint64_t id, std::uint64_t lease, Named named = Named::kWhole);
  /// A check that ended an owner's tenure.
  bool check_evicts(std::uint64_t now);
  /// What a PublicationGuard does for a writer: takes the lock, publishes if `writer` is still the
  /// one, gives the lock back. False if it was not. Spins.
  bool publish_fenced(unsigned version, std::uint64_t writer);
  struct Attempt {
    std::optional<ShmSnapshot> snapshot;
    Refusal refusal = Refusal::kNone;
  };
  /// One attempt to load the snapshot, and why it failed.
  Attempt try_load();
  /// Ends a writer scenario: at rest all is zero, and a check at the end of time repairs the rest.
  void finish_writer();

 private:
  ScenarioExecution& execution_;
  bool strict_;
  bool has_states_;
  bool fence_before_lock_;
  const std::vector<std::string>& outcomes_;
  std::vector<std::uint64_t> reached_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_HEADER_H_

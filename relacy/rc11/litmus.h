// The classical litmus tests under RC11, at every combination of memory orders: how many consistent
// executions each has, and whether the weak outcome is among them. The verdicts are those of the
// literature (Sarkar et al., PLDI 2011; Maranget, Sarkar, Sewell, "A Tutorial Introduction to the ARM and
// POWER Relaxed Memory Models"; Lahav et al., PLDI 2017; release sequences as in C++20, P0982); for the
// combinations that it does not mention they follow from its axioms.

#ifndef FSQLSHM_RELACY_RC11_LITMUS_H_
#define FSQLSHM_RELACY_RC11_LITMUS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "relacy/rc11/graph.h"

namespace fsqlshm::rc11 {

using Orders = std::span<const std::memory_order>;

struct LitmusTest {
  /// A load, by its thread and number, that found `value`; or a location that holds it in the end.
  struct Fact {
    int thread = -1;  ///< -1: a location
    std::size_t index = 0;
    std::uint64_t value = 0;
  };

  std::string name;
  std::string outcome;  ///< the weak one, in words
  std::vector<std::vector<Operation>> threads;
  std::vector<Fact> facts;  ///< the weak outcome
  /// Whether it is. An order for each operation, those of the first thread first.
  bool (*forbidden)(Orders orders);
  std::uint64_t relaxed_executions;       ///< if every order is relaxed
  std::uint64_t synchronized_executions;  ///< if they are those of synchronized()
  std::uint64_t strongest_executions;     ///< if every order is seq_cst

  /// Every combination of orders: relaxed, acquire or release or both, and seq_cst.
  [[nodiscard]] std::vector<std::vector<std::memory_order>> combinations() const;
  /// Loads acquire, stores release, read-modify-writes do both.
  [[nodiscard]] std::vector<std::memory_order> synchronized() const;
  [[nodiscard]] Program program(Orders orders) const;
  [[nodiscard]] bool shows(const Graph& graph) const;
};

[[nodiscard]] const std::vector<LitmusTest>& litmus_tests();

struct LitmusResult {
  std::string name;
  std::string outcome;
  std::uint64_t combinations = 0;
  std::uint64_t forbidden = 0;  ///< combinations that never show the outcome
  std::uint64_t relaxed_executions = 0;
  std::uint64_t synchronized_executions = 0;
  std::uint64_t strongest_executions = 0;
  /// The combination whose verdict or number of executions is not the known one; empty: none.
  std::string wrong;
};

[[nodiscard]] std::vector<LitmusResult> run_litmus();

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_LITMUS_H_

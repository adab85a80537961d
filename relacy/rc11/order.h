// Orders of steps in which a graph can be told: extensions of po, rf and, where they allow it, of the
// modification orders.
//
// The oracles judge step by step, so a graph needs an order to be judged in. Whatever they ask by
// happens-before, the graph answers, and the order does not matter. Where they go by the moment (is the
// indicator held when a word changes?), it can: so a graph is judged in several orders, one for each order
// of preference among the threads, in which each thread is as early as it can be. Within each,
//   - a load comes before the stores that are newer than what it reads, if that is possible, so that a
//     stale read is one in every order;
//   - a death comes as late as it can: what an oracle excuses by a death that nobody has seen is not
//     excused. A graph with deaths is judged again with each as early as its thread can be.

#ifndef FSQLSHM_RELACY_RC11_ORDER_H_
#define FSQLSHM_RELACY_RC11_ORDER_H_

#include <array>
#include <vector>

#include "relacy/rc11/graph.h"

namespace fsqlshm::rc11 {

/// One step a read-modify-write: its read.
using Steps = std::vector<EventId>;
using Preference = std::array<int, kMaxThreads>;

struct Manner {
  bool stay = false;          ///< a thread goes on as long as it can, for few context switches
  bool early_deaths = false;  ///< see above
};
[[nodiscard]] Steps order_steps(const Graph& graph, const Preference& preference, Manner manner);

/// Those to judge.
[[nodiscard]] std::vector<Steps> orders_of(const Graph& graph);
/// Those with few context switches.
[[nodiscard]] std::vector<Steps> calm_orders_of(const Graph& graph);
[[nodiscard]] unsigned context_switches(const Steps& steps);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_ORDER_H_

// The smallest counter-example: fewest steps, then fewest context switches.

#ifndef FSQLSHM_RELACY_RC11_SMALLEST_H_
#define FSQLSHM_RELACY_RC11_SMALLEST_H_

#include <memory>
#include <string>
#include <utility>

#include "relacy/rc11/execution.h"

namespace fsqlshm::rc11 {

class Smallest {
 public:
  /// A violation of a property that begins like this, which shows this defect; empty: any.
  struct Wanted {
    std::string property{};
    std::string defect{};
  };
  /// What is wanted comes before all others.
  Smallest(GraphExecution& execution, Wanted wanted)
      : execution_(execution), wanted_(std::move(wanted)) {}

  /// The execution that was just judged.
  void consider(const Graph& graph, const Steps& order, Extent extent, const Violation& violation);
  /// Leaves out what the violation does not need. A violation that only shows when all threads have ended
  /// needs all steps.
  void shrink();

  [[nodiscard]] bool found() const noexcept { return best_ != nullptr; }
  [[nodiscard]] bool is_wanted() const { return found() && is_wanted(best_->violation); }
  // REQUIRES: found().
  [[nodiscard]] const Violation& violation() const { return best_->violation; }
  [[nodiscard]] const Graph& graph() const { return best_->graph; }
  [[nodiscard]] const Steps& order() const { return best_->order; }

 private:
  struct Example {
    Graph graph;
    Steps order;  // of a part: up to the violation
    Extent extent;
    Violation violation;

    [[nodiscard]] std::pair<std::size_t, unsigned> size() const {
      return {order.size(), context_switches(order)};
    }
  };

  [[nodiscard]] bool is_wanted(const Violation& violation) const {
    return violation.property.starts_with(wanted_.property) &&
           (wanted_.defect.empty() || violation.defect == wanted_.defect);
  }
  bool drop_one();
  bool try_example(const Graph& graph, Steps order);

  GraphExecution& execution_;
  Wanted wanted_;
  std::unique_ptr<Example> best_;
};

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_SMALLEST_H_

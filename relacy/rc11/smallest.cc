#include "relacy/rc11/smallest.h"

#include <algorithm>

namespace fsqlshm::rc11 {
namespace {

// The part of the graph that `order` has.
Graph part_of(const Graph& graph, const Steps& order) {
  Clock kept;
  for (const EventId id : order) {
    const Event& event = graph.event(id);
    std::uint8_t& count = kept.events[static_cast<std::size_t>(id.thread)];
    count = static_cast<std::uint8_t>(id.index + (event.exclusive && !event.is_write ? 2 : 1));
  }
  Graph part = graph;
  part.cut(kept);
  return part;
}

// Whether a step of another thread reads what this one stores.
bool is_read(const Graph& graph, EventId step) {
  const Event& event = graph.event(step);
  const EventId write{step.thread, static_cast<std::uint8_t>(
                                       step.index + (event.exclusive && !event.is_write ? 1 : 0))};
  for (int thread = 0; thread < graph.threads(); ++thread) {
    for (const Event& other : graph.events(thread)) {
      if (!other.is_write && other.from == write) return true;
    }
  }
  return false;
}

}  // namespace

void Smallest::consider(const Graph& graph, const Steps& order, Extent extent,
                        const Violation& violation) {
  const std::size_t steps = execution_.judged_steps();
  if (best_) {
    const bool better = is_wanted(violation) && !is_wanted(best_->violation);
    const bool worse = !is_wanted(violation) && is_wanted(best_->violation);
    if (worse || (!better && steps > best_->order.size())) return;
  }
  // Right at the last step it may be what comes after the last thread has ended.
  const bool part = steps < order.size();
  Steps up_to(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(steps));
  Example example{part ? part_of(graph, up_to) : graph, std::move(up_to),
                  part ? Extent::kPart : extent, violation};
  if (!best_ || is_wanted(violation) != is_wanted(best_->violation) ||
      example.size() < best_->size()) {
    best_ = std::make_unique<Example>(std::move(example));
  }
}

void Smallest::shrink() {
  while (drop_one()) {
  }
  const auto orders = calm_orders_of(best_->graph);
  for (const Steps& order : orders) try_example(best_->graph, order);
}

// Leaves out the last step of a thread, if the violation stays.
bool Smallest::drop_one() {
  for (int thread = 0; thread < best_->graph.threads(); ++thread) {
    Steps order = best_->order;
    const auto last =
        std::find_if(order.rbegin(), order.rend(), [&](EventId id) { return id.thread == thread; });
    if (last == order.rend() || is_read(best_->graph, *last)) continue;
    order.erase(std::next(last).base());
    const Graph part = part_of(best_->graph, order);
    if (try_example(part, std::move(order))) return true;
  }
  return false;
}

bool Smallest::try_example(const Graph& graph, Steps order) {
  const bool whole = order.size() == best_->order.size();
  const Extent extent = whole ? best_->extent : Extent::kPart;
  const auto violation = execution_.judge(graph, order, extent);
  if (!violation || violation->property != best_->violation.property ||
      violation->defect != best_->violation.defect) {
    return false;
  }
  const bool part = execution_.judged_steps() < order.size();
  order.resize(execution_.judged_steps());
  Example example{part_of(graph, order), order, part ? Extent::kPart : extent, *violation};
  if (example.size() >= best_->size()) return false;
  best_ = std::make_unique<Example>(std::move(example));
  return true;
}

}  // namespace fsqlshm::rc11

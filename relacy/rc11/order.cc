#include "relacy/rc11/order.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>

namespace fsqlshm::rc11 {
namespace {

class Ordering {
 public:
  Ordering(const Graph& graph, const Preference& preference, Manner manner)
      : graph_(graph), preference_(preference), manner_(manner) {}

  Steps run() {
    Steps steps;
    const std::size_t all = graph_.size();
    for (std::size_t done = 0; done < all;) {
      const EventId id = choose();
      steps.push_back(id);
      done += take(id);
    }
    return steps;
  }

 private:
  // How a step may come next; lower is better.
  enum Rank : std::uint8_t { kFits, kMakesStale, kDeath, kAgainstModificationOrder, kImpossible };

  [[nodiscard]] std::optional<EventId> next_of(int thread) const {
    const std::uint8_t index = done_.events[static_cast<std::size_t>(thread)];
    if (index == graph_.events(thread).size()) return std::nullopt;
    return EventId{static_cast<std::int16_t>(thread), index};
  }

  // The write of a step; none if it only reads.
  [[nodiscard]] const Event* write_of(EventId id) const {
    const Event& event = graph_.event(id);
    if (event.is_write) return &event;
    const auto& events = graph_.events(id.thread);
    const std::size_t second = id.index + 1U;
    return event.exclusive && second < events.size() ? &events[second] : nullptr;
  }

  [[nodiscard]] Rank rank(EventId id) const {
    const Event& event = graph_.event(id);
    if (!event.is_write && !done_.has(event.from)) return kImpossible;
    const Event* const write = write_of(id);
    if (write == nullptr) return kFits;
    const auto& order = graph_.stores(event.location());
    for (std::size_t i = 0; i + 1 < write->position; ++i) {
      if (!done_.has(order[i])) return kAgainstModificationOrder;
    }
    if (event.is_death() && !manner_.early_deaths) return kDeath;
    return makes_stale(id, *write) ? kMakesStale : kFits;
  }

  // Whether a load that is still to come reads an older store.
  [[nodiscard]] bool makes_stale(EventId id, const Event& write) const {
    for (int thread = 0; thread < graph_.threads(); ++thread) {
      const auto& events = graph_.events(thread);
      if (thread == id.thread) continue;
      for (std::size_t i = done_.events[static_cast<std::size_t>(thread)]; i < events.size(); ++i) {
        if (!events[i].is_write && events[i].location() == write.location() &&
            graph_.position(events[i].from) < write.position) {
          return true;
        }
      }
    }
    return false;
  }

  EventId choose() {
    EventId best;
    Rank best_rank = kImpossible;
    const auto consider = [&](int thread) {
      const auto id = thread < graph_.threads() ? next_of(thread) : std::nullopt;
      if (!id) return;
      const Rank its = rank(*id);
      if (its >= best_rank) return;
      best = *id;
      best_rank = its;
    };
    if (manner_.stay && last_ >= 0) consider(last_);
    for (const int thread : preference_) consider(thread);
    return best;
  }

  std::size_t take(EventId id) {
    const std::size_t events = !graph_.event(id).is_write && write_of(id) != nullptr ? 2 : 1;
    done_.events[static_cast<std::size_t>(id.thread)] += static_cast<std::uint8_t>(events);
    last_ = id.thread;
    return events;
  }

  const Graph& graph_;
  Preference preference_;
  Manner manner_;
  Clock done_;
  int last_ = -1;
};

bool has_deaths(const Graph& graph) {
  for (int thread = 0; thread < graph.threads(); ++thread) {
    const auto& events = graph.events(thread);
    if (!events.empty() && events.back().is_death()) return true;
  }
  return false;
}

void add_orders(const Graph& graph, Manner manner, std::vector<Steps>& all) {
  Preference preference{};
  std::iota(preference.begin(), preference.end(), 0);
  const auto end = preference.begin() + graph.threads();
  do {
    Steps steps = order_steps(graph, preference, manner);
    if (std::ranges::find(all, steps) == all.end()) all.push_back(std::move(steps));
  } while (std::next_permutation(preference.begin(), end));
}

std::vector<Steps> all_orders(const Graph& graph, bool stay) {
  std::vector<Steps> all;
  add_orders(graph, {.stay = stay}, all);
  if (has_deaths(graph)) add_orders(graph, {.stay = stay, .early_deaths = true}, all);
  return all;
}

}  // namespace

Steps order_steps(const Graph& graph, const Preference& preference, Manner manner) {
  return Ordering(graph, preference, manner).run();
}

std::vector<Steps> orders_of(const Graph& graph) { return all_orders(graph, false); }
std::vector<Steps> calm_orders_of(const Graph& graph) { return all_orders(graph, true); }

unsigned context_switches(const Steps& steps) {
  unsigned switches = 0;
  for (std::size_t i = 1; i < steps.size(); ++i) {
    switches += steps[i].thread == steps[i - 1].thread ? 0 : 1;
  }
  return switches;
}

}  // namespace fsqlshm::rc11

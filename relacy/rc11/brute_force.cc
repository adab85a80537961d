#include "relacy/rc11/brute_force.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <unordered_set>
#include <utility>
#include <vector>

namespace fsqlshm::rc11 {
namespace {

constexpr std::memory_order kSc = std::memory_order::seq_cst;

struct Node {
  int thread = -1;  // -1: a first value
  int index = 0;
  Operation operation{};
  bool is_write = true;
  bool exclusive = false;
  std::memory_order order = std::memory_order::relaxed;
  std::uint64_t value = 0;
  std::size_t from = 0;  // a read: its store
};

// Node l is the first value of location l. `mo` has the stores of a location, the first value first.
struct Execution {
  std::vector<Node> nodes;
  std::vector<std::vector<std::size_t>> mo;
};

// --- Relations ----------------------------------------------------------------------------------------

using Row = std::uint64_t;

struct Relation {
  std::array<Row, 64> rows{};

  void add(std::size_t a, std::size_t b) { rows[a] |= Row{1} << b; }
  [[nodiscard]] bool has(std::size_t a, std::size_t b) const { return (rows[a] >> b & 1U) != 0; }
  [[nodiscard]] bool irreflexive() const {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (has(i, i)) return false;
    }
    return true;
  }
  [[nodiscard]] Relation plus() const {
    Relation all = *this;
    for (std::size_t middle = 0; middle < rows.size(); ++middle) {
      for (Row& row : all.rows) {
        if ((row >> middle & 1U) != 0) row |= all.rows[middle];
      }
    }
    return all;
  }
  friend Relation operator|(Relation a, const Relation& b) {
    for (std::size_t i = 0; i < a.rows.size(); ++i) a.rows[i] |= b.rows[i];
    return a;
  }
  friend Relation operator*(const Relation& a, const Relation& b) {  // a ; b
    Relation out;
    for (std::size_t i = 0; i < a.rows.size(); ++i) {
      for (Row left = a.rows[i]; left != 0; left &= left - 1) {
        out.rows[i] |= b.rows[static_cast<std::size_t>(std::countr_zero(left))];
      }
    }
    return out;
  }
  [[nodiscard]] Relation only(auto&& keep) const {
    Relation out;
    for (std::size_t a = 0; a < rows.size(); ++a) {
      for (std::size_t b = 0; b < rows.size(); ++b) {
        if (has(a, b) && keep(a, b)) out.add(a, b);
      }
    }
    return out;
  }
};

struct Relations {
  Relation po, rf, mo, fr, rmw, hb;
};

Relations relations(const Execution& execution) {
  const auto& nodes = execution.nodes;
  Relations r;
  for (std::size_t a = 0; a < nodes.size(); ++a) {
    for (std::size_t b = 0; b < nodes.size(); ++b) {
      const bool first = nodes[a].thread < 0 && nodes[b].thread >= 0;
      const bool same = nodes[a].thread >= 0 && nodes[a].thread == nodes[b].thread;
      if (first || (same && nodes[a].index < nodes[b].index)) r.po.add(a, b);
      if (same && nodes[a].index + 1 == nodes[b].index && nodes[a].exclusive &&
          !nodes[a].is_write) {
        r.rmw.add(a, b);
      }
    }
    if (!nodes[a].is_write) r.rf.add(nodes[a].from, a);
  }
  for (const auto& order : execution.mo) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::size_t j = i + 1; j < order.size(); ++j) r.mo.add(order[i], order[j]);
    }
  }
  for (std::size_t read = 0; read < nodes.size(); ++read) {
    if (!nodes[read].is_write) r.fr.rows[read] = r.mo.rows[nodes[read].from];
  }
  // sw = [release] ; (rf ; rmw)* ; rf ; [acquire].
  Relation sequence = (r.rf * r.rmw).plus();
  for (std::size_t i = 0; i < nodes.size(); ++i) sequence.add(i, i);
  const Relation sw = (sequence * r.rf).only([&](std::size_t a, std::size_t b) {
    return nodes[a].is_write && releases(nodes[a].order) && acquires(nodes[b].order);
  });
  r.hb = (r.po | sw).plus();
  return r;
}

bool consistent(const Execution& execution) {
  const auto& nodes = execution.nodes;
  const Relations r = relations(execution);
  const Relation eco = (r.rf | r.mo | r.fr).plus();
  if (!r.hb.irreflexive() || !(r.hb * eco).irreflexive()) return false;
  const Relation between = r.fr * r.mo;
  if (!(r.po | r.rf).plus().irreflexive()) return false;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if ((r.rmw.rows[i] & between.rows[i]) != 0) return false;
  }
  const auto same_place = [&](std::size_t a, std::size_t b) {
    return nodes[a].operation.location == nodes[b].operation.location;
  };
  const Relation away = r.po.only([&](auto a, auto b) { return !same_place(a, b); });
  const Relation scb = r.po | away * r.hb * away | r.hb.only(same_place) | r.mo | r.fr;
  return scb.only([&](auto a, auto b) { return nodes[a].order == kSc && nodes[b].order == kSc; })
      .plus()
      .irreflexive();
}

// --- Threads ------------------------------------------------------------------------------------------

struct NewOperation {
  Operation operation;
};
struct Waits {};
struct Stops {};

// Runs a thread through the nodes that it has; throws at what comes next.
class Thread final : public Memory {
 public:
  Thread(const Execution& execution, int thread, unsigned spins) : spins_(spins) {
    for (const Node& node : execution.nodes) {
      if (node.thread == thread) mine_.push_back(&node);
    }
    std::ranges::sort(mine_, {}, &Node::index);
  }

  std::uint64_t perform(const Operation& operation) override {
    if (at_ == mine_.size()) throw NewOperation{operation};
    const Node& node = *mine_[at_++];
    if (!node.is_write && node.exclusive) ++at_;
    turn_.push_back(&node);
    return node.is_write ? 0 : node.value;
  }
  void pause() override {
    const bool same = std::ranges::equal(turn_, previous_, [](const Node* a, const Node* b) {
      return !a->is_write && !a->exclusive && !b->is_write && !b->exclusive &&
             a->operation == b->operation && a->from == b->from;
    });
    repeats_ = ++pauses_ > 1 && same ? repeats_ + 1 : 0;
    if (repeats_ > spins_) throw Waits{};
    previous_ = std::exchange(turn_, {});
  }
  void stop() override { throw Stops{}; }
  [[nodiscard]] const std::vector<const Node*>& turn() const { return turn_; }
  [[nodiscard]] bool is_dead() const {
    return !mine_.empty() && mine_.back()->operation.access == Access::kDie;
  }

 private:
  unsigned spins_;
  std::vector<const Node*> mine_;
  std::vector<const Node*> turn_;
  std::vector<const Node*> previous_;
  std::size_t at_ = 0;
  unsigned repeats_ = 0;
  unsigned pauses_ = 0;
};

// --- The search -----------------------------------------------------------------------------------------

class Enumeration {
 public:
  explicit Enumeration(const Program& program) : program_(program) {
    Execution empty;
    for (const std::uint64_t value : program.first) {
      empty.mo.push_back({empty.nodes.size()});
      empty.nodes.push_back({.operation = {.access = Access::kStore,
                                           .location = static_cast<Location>(empty.mo.size() - 1)},
                             .value = value});
    }
    add(std::move(empty));
  }

  std::set<std::string> run() {
    while (!open_.empty()) {
      const Execution execution = std::move(open_.front());
      open_.pop_front();
      bool over = true;
      for (int thread = 0; thread < static_cast<int>(program_.threads.size()); ++thread) {
        over = extend(execution, thread) && over;
      }
      if (over) done_.insert(key(execution));
    }
    return std::move(done_);
  }

 private:
  // Whether the thread is at its end, or waits in vain.
  bool extend(const Execution& execution, int index) {
    const Program::Thread& program = program_.threads[static_cast<std::size_t>(index)];
    Thread thread(execution, index, program_.spins);
    if (thread.is_dead()) return true;
    try {
      program.body(thread);
    } catch (const Waits&) {
      return std::ranges::all_of(thread.turn(), [&](const Node* node) {
        return execution.mo[node->operation.location].back() == node->from;
      });
    } catch (const Stops&) {
      return true;
    } catch (const NewOperation& next) {
      if (program.alive >= 0) add_write(execution, index, death_of(program));
      if (next.operation.reads()) {
        add_reads(execution, index, next.operation);
      } else {
        add_write(execution, index, next.operation);
      }
      return false;
    }
    return true;
  }

  static Node node_of(const Execution& execution, int thread, const Operation& operation) {
    const auto index = std::ranges::count(execution.nodes, thread, &Node::thread);
    return {.thread = thread,
            .index = static_cast<int>(index),
            .operation = operation,
            .order = operation.order};
  }

  void add_reads(const Execution& execution, int thread, const Operation& operation) {
    for (const std::size_t from : execution.mo[operation.location]) {
      Execution longer = execution;
      Node read = node_of(execution, thread, operation);
      read.is_write = false;
      read.from = from;
      read.value = execution.nodes[from].value;
      read.order = operation.order_of(read.value);
      read.exclusive = operation.access != Access::kLoad && operation.writes(read.value);
      longer.nodes.push_back(read);
      if (read.exclusive) {
        add_write(longer, thread, operation);
      } else {
        add(std::move(longer));
      }
    }
  }

  // Of the read that was added last, if the operation reads.
  void add_write(const Execution& execution, int thread, const Operation& operation) {
    Node write = node_of(execution, thread, operation);
    write.exclusive = operation.reads() && operation.access != Access::kDie;
    write.value = operation.result(write.exclusive ? execution.nodes.back().value : 0);
    for (std::size_t place = 1; place <= execution.mo[operation.location].size(); ++place) {
      Execution longer = execution;
      auto& order = longer.mo[operation.location];
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), longer.nodes.size());
      longer.nodes.push_back(write);
      add(std::move(longer));
    }
  }

  void add(Execution execution) {
    if (!consistent(execution) || !seen_.insert(key(execution)).second) return;
    open_.push_back(std::move(execution));
  }

  // As Graph::key has it.
  [[nodiscard]] std::string key(const Execution& execution) const {
    const auto& nodes = execution.nodes;
    std::string out;
    const auto add = [&out](std::size_t number) { out.push_back(static_cast<char>(number)); };
    const auto add_id = [&](std::size_t node) {
      add(static_cast<std::size_t>(nodes[node].thread) + 1);
      add(static_cast<std::size_t>(nodes[node].thread < 0 ? 0 : nodes[node].index));
    };
    for (int thread = 0; thread < static_cast<int>(program_.threads.size()); ++thread) {
      std::vector<const Node*> mine;
      for (const Node& node : nodes) {
        if (node.thread == thread) mine.push_back(&node);
      }
      std::ranges::sort(mine, {}, &Node::index);
      for (const Node* const node : mine) {
        add(1U + node->operation.location + (node->is_write ? 64U : 0U) +
            (node->operation.access == Access::kDie ? 128U : 0U));
        if (!node->is_write) add_id(node->from);
      }
      add(0);
    }
    for (std::size_t location = 0; location < kMaxLocations; ++location) {
      if (location < execution.mo.size()) {
        const auto& order = execution.mo[location];
        for (std::size_t i = 1; i < order.size(); ++i) add_id(order[i]);
      }
      add(255);
    }
    return out;
  }

  const Program& program_;
  std::deque<Execution> open_;
  std::unordered_set<std::string> seen_;
  std::set<std::string> done_;
};

}  // namespace

std::set<std::string> all_graphs(const Program& program) { return Enumeration(program).run(); }

}  // namespace fsqlshm::rc11

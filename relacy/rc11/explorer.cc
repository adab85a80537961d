#include "relacy/rc11/explorer.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

namespace fsqlshm::rc11 {
namespace {

// A part is each count-th of so many subtrees, the same for every count: so the parts of a part are parts, too. They are
// many, because the largest are a hundred times as large as most.
constexpr std::size_t kSubtrees = 1024;

}  // namespace

Explorer::Explorer(const Program& program, Part part)
    : program_(program), replayer_(program), graph_(program) {
  stack_.emplace_back(program);
  if (part.count > 1) keep_part(part);
}

// Breadth first, so that a large subtree is taken apart again while small ones come to their end.
void Explorer::keep_part(Part part) {
  std::deque<Graph> inner(1, stack_.front());
  std::vector<Graph> all;  // at first only those that have no children
  while (!inner.empty() && inner.size() + all.size() < kSubtrees) {
    Graph graph = std::move(inner.front());
    inner.pop_front();
    if (graph.half_done() < 0 && schedule(graph) < 0) {
      all.push_back(std::move(graph));
      continue;
    }
    stack_.clear();
    static_cast<void>(visit(std::move(graph)));
    std::ranges::move(stack_, std::back_inserter(inner));
  }
  std::ranges::move(inner, std::back_inserter(all));
  stack_.clear();
  for (std::uint64_t i = part.index; i < all.size(); i += part.count) {
    stack_.push_back(std::move(all[i]));
  }
  visits_ = 0;
}

bool Explorer::next() {
  while (!stack_.empty()) {
    Graph graph = std::move(stack_.back());
    stack_.pop_back();
    if (visit(std::move(graph))) return true;
  }
  return false;
}

// The first thread that can go on; -1 if none can, or one is endless.
int Explorer::schedule(Graph& graph) {
  for (int thread = 0; thread < graph.threads(); ++thread) {
    Next& next = graph.next(thread);
    if (next.kind == Next::Kind::kUnknown) next = replayer_.next(graph, thread);
    if (next.kind == Next::Kind::kOperation) return thread;
    if (next.kind == Next::Kind::kEndless) return -1;
  }
  return -1;
}

// True if the graph is one to show. Otherwise what follows it is on the stack.
bool Explorer::visit(Graph graph) {
  ++visits_;
  children_.clear();
  if (const int half = graph.half_done(); half >= 0) {
    const Operation operation = graph.events(half).back().operation;
    add_write(std::move(graph), half, operation);
  } else if (const int thread = schedule(graph); thread >= 0) {
    const Operation operation = graph.next(thread).operation;
    const Program::Thread& program = program_.threads[static_cast<std::size_t>(thread)];
    if (program.alive >= 0) add_write(graph, thread, death_of(program));
    if (operation.reads()) {
      add_reads(graph, thread, operation);
    } else {
      add_write(std::move(graph), thread, operation);
    }
  } else {
    if (!finish(graph)) return false;
    graph_ = std::move(graph);
    return true;
  }
  std::ranges::move(children_, std::back_inserter(stack_));
  return false;
}

bool Explorer::finish(const Graph& graph) {
  end_ = End::kComplete;
  for (int thread = 0; thread < graph.threads(); ++thread) {
    const Next& next = graph.next(thread);
    if (next.kind == Next::Kind::kEndless) {
      end_ = End::kEndless;
      return true;
    }
    if (next.kind != Next::Kind::kWaits) continue;
    const auto& theirs = graph.events(thread);
    for (std::size_t i = next.turn; i < theirs.size(); ++i) {
      if (graph.position(theirs[i].from) == graph.stores(theirs[i].location()).size()) continue;
      ++unfair_;
      return false;
    }
    end_ = End::kStuck;
  }
  return true;
}

void Explorer::add_reads(const Graph& graph, int thread, const Operation& operation) {
  const auto& mine = graph.events(thread);
  const std::size_t newest = graph.stores(operation.location).size();
  std::size_t position =
      graph.floor(operation.location, mine.empty() ? Clock{} : mine.back().known);
  for (; position <= newest; ++position) {
    Graph child = graph;
    if (child.add_read(thread, operation, position)) children_.push_back(std::move(child));
  }
}

void Explorer::add_write(Graph graph, int thread, const Operation& operation) {
  const EventId write = graph.append_write(thread, operation);
  const Clock prefix = graph.event(write).prefix;
  for (int other = 0; other < graph.threads(); ++other) {
    const auto& theirs = graph.events(other);
    for (std::size_t i = prefix.events[static_cast<std::size_t>(other)]; i < theirs.size(); ++i) {
      if (theirs[i].is_write || theirs[i].location() != operation.location) continue;
      revisit(graph, write, {static_cast<std::int16_t>(other), static_cast<std::uint8_t>(i)});
    }
  }
  place(graph, write, nullptr);
}

// In every place in modification order; `reader` reads it then.
void Explorer::place(const Graph& graph, EventId write, const EventId* reader) {
  const Event& event = graph.event(write);
  const Location location = event.location();
  std::size_t first = 0;
  std::size_t last = graph.stores(location).size() + 1;
  if (event.exclusive) {
    const EventId read{write.thread, static_cast<std::uint8_t>(write.index - 1)};
    first = last = graph.position(graph.event(read).from) + 1;
  } else {
    Clock before = event.known;
    --before.events[static_cast<std::size_t>(write.thread)];
    first = graph.floor(location, before) + 1;
  }
  for (std::size_t position = first; position <= last; ++position) {
    Graph child = graph;
    if (child.place(write, position) && (reader == nullptr || child.reread(*reader, write)) &&
        child.consistent_sc()) {
      children_.push_back(std::move(child));
    }
  }
}

// Forgets what was added after `read` and is not before `write`, if it was the newest.
void Explorer::revisit(const Graph& graph, EventId write, EventId read) {
  const Clock& prefix = graph.event(write).prefix;
  const std::uint32_t stamp = graph.event(read).stamp;
  Clock kept = prefix;
  for (int thread = 0; thread < graph.threads(); ++thread) {
    const auto& theirs = graph.events(thread);
    std::uint8_t& count = kept.events[static_cast<std::size_t>(thread)];
    while (count < theirs.size() && theirs[count].stamp <= stamp) ++count;
    for (std::size_t i = count; i < theirs.size(); ++i) {
      const EventId gone{static_cast<std::int16_t>(thread), static_cast<std::uint8_t>(i)};
      if (!is_newest(graph, gone, prefix)) return;
    }
  }
  if (!is_newest(graph, read, prefix)) return;
  Graph child = graph;
  child.cut(kept);
  place(child, write, &read);
}

// "Maximally added": among what was there when it was added and what is in `prefix`, the event wrote or read
// what is newest, and nobody had been revisited to read it.
bool Explorer::is_newest(const Graph& graph, EventId id, const Clock& prefix) {
  const Event& event = graph.event(id);
  if (event.is_death()) return false;
  const auto there = [&](EventId other) {
    return prefix.has(other) || graph.event(other).stamp <= event.stamp;
  };
  const EventId store = event.is_write ? id : event.from;
  if (!there(store)) return false;
  const auto& order = graph.stores(event.location());
  for (std::size_t i = graph.position(store); i < order.size(); ++i) {
    if (there(order[i])) return false;
  }
  if (!event.is_write) return true;
  for (int thread = 0; thread < graph.threads(); ++thread) {
    const auto& theirs = graph.events(thread);
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      if (theirs[i].is_write || theirs[i].from != id) continue;
      if (there({static_cast<std::int16_t>(thread), static_cast<std::uint8_t>(i)})) return false;
    }
  }
  return true;
}

}  // namespace fsqlshm::rc11

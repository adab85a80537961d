#include "relacy/rc11/graph.h"

#include <algorithm>

namespace fsqlshm::rc11 {
namespace {

constexpr std::memory_order kSc = std::memory_order::seq_cst;

constexpr std::size_t index_of(int thread) { return static_cast<std::size_t>(thread); }

}  // namespace

Graph::Graph(const Program& program)
    : first_(program.first), threads_(static_cast<int>(program.threads.size())) {}

std::size_t Graph::size() const noexcept {
  std::size_t all = 0;
  for (const Thread& thread : of_) all += thread.events.size();
  return all;
}

int Graph::half_done() const noexcept {
  for (int thread = 0; thread < threads_; ++thread) {
    const auto& mine = events(thread);
    if (!mine.empty() && mine.back().exclusive && !mine.back().is_write) return thread;
  }
  return -1;
}

std::size_t Graph::floor(Location location, const Clock& known) const noexcept {
  std::size_t lowest = 0;
  for (int thread = 0; thread < threads_; ++thread) {
    const auto& theirs = events(thread);
    for (std::size_t i = 0; i < known.events[index_of(thread)]; ++i) {
      const Event& it = theirs[i];
      if (it.location() != location) continue;
      lowest = std::max(lowest, it.is_write ? it.position : position(it.from));
    }
  }
  return lowest;
}

Event& Graph::append(int thread, const Operation& operation, bool is_write) {
  Thread& mine = of_[index_of(thread)];
  Event added{.operation = operation, .is_write = is_write};
  if (!mine.events.empty()) {
    added.prefix = mine.events.back().prefix;
    added.known = mine.events.back().known;
  }
  added.stamp = ++stamp_;
  ++added.prefix.events[index_of(thread)];
  ++added.known.events[index_of(thread)];
  mine.next.kind = Next::Kind::kUnknown;
  if (operation.order == kSc || operation.failure == kSc) ++sc_events_;
  return mine.events.emplace_back(added);
}

// `from` is the store that the read reads, whatever it read before.
void Graph::set_from(Event& read, EventId id, EventId from) {
  const Operation& operation = read.operation;
  read.from = from;
  read.value = value_of(read.location(), from);
  read.exclusive = operation.access != Access::kLoad && operation.writes(read.value);
  read.order = operation.order_of(read.value);
  read.prefix = {};
  read.known = {};
  if (id.index > 0) {
    const Event& before = event(EventId{id.thread, static_cast<std::uint8_t>(id.index - 1)});
    read.prefix = before.prefix;
    read.known = before.known;
  }
  ++read.prefix.events[index_of(id.thread)];
  ++read.known.events[index_of(id.thread)];
  if (from == kFirstValue) return;
  read.prefix.join(event(from).prefix);
  if (acquires(read.order)) read.known.join(event(from).message);
}

bool Graph::add_read(int thread, const Operation& operation, std::size_t position) {
  const EventId id{static_cast<std::int16_t>(thread),
                   static_cast<std::uint8_t>(events(thread).size())};
  Event& read = append(thread, operation, false);
  set_from(read, id, store_at(operation.location, position));
  return coherent(id) && consistent_sc();
}

EventId Graph::append_write(int thread, const Operation& operation) {
  const auto& mine = events(thread);
  const EventId id{static_cast<std::int16_t>(thread), static_cast<std::uint8_t>(mine.size())};
  const bool exclusive = !mine.empty() && mine.back().exclusive && !mine.back().is_write;
  const std::uint64_t found = exclusive ? mine.back().value : 0;
  const EventId from = exclusive ? mine.back().from : kFirstValue;
  Event& write = append(thread, operation, true);
  write.exclusive = exclusive;
  write.order = operation.order;
  write.value = operation.result(found);
  if (releases(write.order)) write.message = write.known;
  if (from != kFirstValue) write.message.join(event(from).message);
  return id;
}

bool Graph::place(EventId write, std::size_t position) {
  Event& placed = at(write);
  auto& order = stores_[placed.location()];
  // The store that is there now goes after it, and must not be a read-modify-write of the one before.
  if (position <= order.size() && event(order[position - 1]).exclusive) return false;
  order.insert(order.begin() + static_cast<std::ptrdiff_t>(position) - 1, write);
  for (std::size_t i = position; i <= order.size(); ++i) {
    at(order[i - 1]).position = static_cast<std::uint16_t>(i);
  }
  return coherent(write);
}

bool Graph::reread(EventId read, EventId write) {
  set_from(at(read), read, write);
  of_[index_of(read.thread)].next.kind = Next::Kind::kUnknown;
  return coherent(read);
}

void Graph::cut(const Clock& kept) {
  for (int thread = 0; thread < threads_; ++thread) {
    Thread& it = of_[index_of(thread)];
    if (it.events.size() <= kept.events[index_of(thread)]) continue;
    it.events.resize(kept.events[index_of(thread)]);
    it.next.kind = Next::Kind::kUnknown;
  }
  for (auto& order : stores_) {
    std::erase_if(order, [&](EventId store) { return !kept.has(store); });
    for (std::size_t i = 0; i < order.size(); ++i) {
      at(order[i]).position = static_cast<std::uint16_t>(i + 1);
    }
  }
}

// Nothing that happens-before the event, which has nothing after it, contradicts it.
bool Graph::coherent(EventId id) const noexcept {
  const Event& it = event(id);
  Clock before = it.known;
  --before.events[index_of(id.thread)];
  const std::size_t lowest = floor(it.location(), before);
  return it.is_write ? lowest < it.position : lowest <= position(it.from);
}

// --- seq_cst -------------------------------------------------------------------------------------

// po to another location; hb; po from another location.
bool Graph::detour(EventId a, EventId b) const noexcept {
  const auto& of_a = events(a.thread);
  const auto& of_b = events(b.thread);
  for (std::size_t i = a.index + 1U; i < of_a.size(); ++i) {
    if (of_a[i].location() == event(a).location()) continue;
    const EventId first{a.thread, static_cast<std::uint8_t>(i)};
    for (std::size_t j = 0; j < b.index; ++j) {
      if (of_b[j].location() == event(b).location() || !of_b[j].known.has(first)) continue;
      if (first != EventId{b.thread, static_cast<std::uint8_t>(j)}) return true;
    }
  }
  return false;
}

bool Graph::before_in_scb(EventId a, EventId b) const noexcept {
  const Event& x = event(a);
  const Event& y = event(b);
  if (a.thread == b.thread && a.index < b.index) return true;
  if (x.location() == y.location()) {
    if (y.known.has(a)) return true;
    // mo, and fr.
    const bool placed = y.is_write && y.position > 0;
    if (placed &&
        (x.is_write ? x.position > 0 && x.position < y.position : position(x.from) < y.position)) {
      return true;
    }
  }
  return detour(a, b);
}

bool Graph::consistent_sc() const {
  if (sc_events_ < 2) return true;
  std::vector<EventId> all;
  for (int thread = 0; thread < threads_; ++thread) {
    for (std::size_t i = 0; i < events(thread).size(); ++i) {
      const EventId id{static_cast<std::int16_t>(thread), static_cast<std::uint8_t>(i)};
      if (event(id).order == kSc) all.push_back(id);
    }
  }
  // Whatever has nothing before it goes; what is left when nothing goes any more is cyclic.
  while (!all.empty()) {
    const auto first = std::ranges::find_if(all, [&](EventId candidate) {
      return std::ranges::none_of(all, [&](EventId other) {
        return other != candidate && before_in_scb(other, candidate);
      });
    });
    if (first == all.end()) return false;
    all.erase(first);
  }
  return true;
}

std::string Graph::key() const {
  std::string out;
  const auto add = [&out](std::size_t number) { out.push_back(static_cast<char>(number)); };
  for (int thread = 0; thread < threads_; ++thread) {
    for (const Event& it : events(thread)) {
      add(1U + it.location() + (it.is_write ? 64U : 0U) + (it.is_death() ? 128U : 0U));
      if (it.is_write) continue;
      add(static_cast<std::size_t>(it.from.thread + 1));
      add(it.from.index);
    }
    add(0);
  }
  for (const auto& order : stores_) {
    for (const EventId store : order) {
      add(static_cast<std::size_t>(store.thread + 1));
      add(store.index);
    }
    add(255);
  }
  return out;
}

}  // namespace fsqlshm::rc11

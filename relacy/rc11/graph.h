// Execution graphs: events, program order, which store each load reads, and the modification order of
// each location. A graph is built event by event, and every step keeps it consistent under RC11 (Lahav,
// Vafeiadis, Kang, Hur, Dreyer: "Repairing Sequential Consistency in C/C++11", PLDI 2017), with the
// release sequences of C++20: only read-modify-writes continue one.
//
// What is checked, in the terms of the paper:
//   coherence   hb ; eco? is irreflexive
//   atomicity   no store comes between a read-modify-write and the store that it reads
//   SC          psc is acyclic (there are no fences)
//   no out of thin air   po and rf together are acyclic
// An event that is added has nothing after it in hb, so coherence needs a look at what happens-before
// the new event alone. po and rf are acyclic by construction: an event reads what is there.

#ifndef FSQLSHM_RELACY_RC11_GRAPH_H_
#define FSQLSHM_RELACY_RC11_GRAPH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "relacy/rc11/program.h"

namespace fsqlshm::rc11 {

/// An event by its place in program order. Thread -1: the first value of a location.
struct EventId {
  std::int16_t thread = -1;
  std::uint8_t index = 0;
  friend bool operator==(EventId, EventId) = default;
};
inline constexpr EventId kFirstValue{};

/// How many events of each thread: a set that is closed under program order.
struct Clock {
  std::array<std::uint8_t, kMaxThreads> events{};

  [[nodiscard]] bool has(EventId event) const noexcept {
    return event.thread < 0 || events[static_cast<std::size_t>(event.thread)] > event.index;
  }
  void join(const Clock& other) noexcept {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (other.events[i] > events[i]) events[i] = other.events[i];
    }
  }
  friend bool operator==(const Clock&, const Clock&) = default;
};

/// A read or a write. A read-modify-write is two events, which are never apart.
struct Event {
  Operation operation{};
  bool is_write = false;
  bool exclusive = false;      ///< of a read-modify-write
  std::memory_order order{};   ///< a compare_exchange that fails has that of its failure
  std::uint64_t value = 0;     ///< read or written
  EventId from{};              ///< a read: the store
  std::uint16_t position = 0;  ///< a write: in modification order, from 1
  std::uint32_t stamp = 0;     ///< events were added in this order
  Clock prefix{};              ///< before it by (po | rf)+, and itself
  Clock known{};               ///< before it by hb, and itself
  Clock message{};             ///< a write: what an acquire that reads it gets to know

  [[nodiscard]] Location location() const noexcept { return operation.location; }
  [[nodiscard]] bool is_death() const noexcept { return operation.access == Access::kDie; }
};

class Graph {
 public:
  explicit Graph(const Program& program);

  [[nodiscard]] int threads() const noexcept { return threads_; }
  [[nodiscard]] const std::vector<Event>& events(int thread) const noexcept {
    return of_[static_cast<std::size_t>(thread)].events;
  }
  [[nodiscard]] const Event& event(EventId id) const noexcept {
    return of_[static_cast<std::size_t>(id.thread)].events[id.index];
  }
  [[nodiscard]] std::size_t size() const noexcept;
  /// The stores to a location in modification order, without its first value.
  [[nodiscard]] const std::vector<EventId>& stores(Location location) const noexcept {
    return stores_[location];
  }
  /// The store at `position`; 0 is the first value.
  [[nodiscard]] EventId store_at(Location location, std::size_t position) const noexcept {
    return position == 0 ? kFirstValue : stores_[location][position - 1];
  }
  [[nodiscard]] std::size_t position(EventId store) const noexcept {
    return store == kFirstValue ? 0 : event(store).position;
  }
  [[nodiscard]] std::uint64_t value_of(Location location, EventId store) const noexcept {
    return store == kFirstValue ? first_[location] : event(store).value;
  }
  [[nodiscard]] std::uint64_t newest(Location location) const noexcept {
    return value_of(location, store_at(location, stores_[location].size()));
  }

  /// The thread whose read-modify-write lacks its write; -1: none.
  [[nodiscard]] int half_done() const noexcept;

  /// Where in modification order a store may be put that knows of `known`: from this position on.
  [[nodiscard]] std::size_t floor(Location location, const Clock& known) const noexcept;

  // --- Building. Each function is false if no consistent graph comes of it; then this one is spoilt.

  /// A read of the store at `position`.
  [[nodiscard]] bool add_read(int thread, const Operation& operation, std::size_t position);
  /// The store, or the write of the read-modify-write that is half done; not in modification order yet.
  EventId append_write(int thread, const Operation& operation);
  [[nodiscard]] bool place(EventId write, std::size_t position);
  /// The read, which is the last of its thread, reads `write` from now on, which has been placed.
  [[nodiscard]] bool reread(EventId read, EventId write);
  /// To be asked when a write has been placed and reread.
  [[nodiscard]] bool consistent_sc() const;
  /// Keeps, of each thread, so many events.
  void cut(const Clock& kept);

  /// What the thread does next, if that is known: for the explorer.
  [[nodiscard]] Next& next(int thread) noexcept {
    return of_[static_cast<std::size_t>(thread)].next;
  }
  [[nodiscard]] const Next& next(int thread) const noexcept {
    return of_[static_cast<std::size_t>(thread)].next;
  }

  /// Equal for equal graphs, and only for these: events, what each reads, modification order.
  [[nodiscard]] std::string key() const;

 private:
  struct Thread {
    std::vector<Event> events;
    Next next;
  };

  Event& at(EventId id) noexcept {
    return of_[static_cast<std::size_t>(id.thread)].events[id.index];
  }
  Event& append(int thread, const Operation& operation, bool is_write);
  void set_from(Event& read, EventId id, EventId from);
  [[nodiscard]] bool coherent(EventId id) const noexcept;
  [[nodiscard]] bool before_in_scb(EventId a, EventId b) const noexcept;
  [[nodiscard]] bool detour(EventId a, EventId b) const noexcept;

  std::array<Thread, kMaxThreads> of_{};
  std::array<std::vector<EventId>, kMaxLocations> stores_{};
  std::vector<std::uint64_t> first_;
  int threads_;
  std::uint32_t stamp_ = 0;
  unsigned sc_events_ = 0;
};

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_GRAPH_H_

// Visits every consistent execution graph of a program once, without interleavings and without a memory
// of what was visited: the algorithm of Kokologiannakis, Marmanis, Gladstein and Vafeiadis, "Truly
// Stateless, Optimal Dynamic Partial Order Reduction" (POPL 2022).
//
// A graph grows by the next event of the first thread that has one. A read reads from each store that is
// there; a store takes each place in modification order, and is offered to the reads that are there and
// are not before it by po and rf: such a read is revisited, and what was added after it and is not before
// the store is forgotten. To meet the result only once, that is done only where all that is forgotten,
// and what the read read until then, is what a program would do that always reads and writes what is
// newest.
//
// The death of a thread is a choice in the place of an operation; the operation counts as the newest.

#ifndef FSQLSHM_RELACY_RC11_EXPLORER_H_
#define FSQLSHM_RELACY_RC11_EXPLORER_H_

#include <cstdint>
#include <vector>

#include "relacy/rc11/graph.h"

namespace fsqlshm::rc11 {

/// Which part of the graphs.
struct Part {
  std::uint64_t index = 0;
  std::uint64_t count = 1;
};

class Explorer {
 public:
  explicit Explorer(const Program& program, Part part = {});

  enum class End : std::uint8_t {
    kComplete,  ///< all threads have ended
    kStuck,     ///< the others wait, and the newest stores do not end that
    kEndless,   ///< a thread runs on and on
  };

  /// Moves on to the next graph; false if there is none.
  [[nodiscard]] bool next();
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  [[nodiscard]] End end() const noexcept { return end_; }

  /// Steps so far, and graphs that are no execution: a thread waits although newer stores are there, which
  /// it would come to read.
  [[nodiscard]] std::uint64_t visits() const noexcept { return visits_; }
  [[nodiscard]] std::uint64_t unfair() const noexcept { return unfair_; }

 private:
  void keep_part(Part part);
  bool visit(Graph graph);
  [[nodiscard]] bool finish(const Graph& graph);
  [[nodiscard]] int schedule(Graph& graph);
  void add_reads(const Graph& graph, int thread, const Operation& operation);
  void add_write(Graph graph, int thread, const Operation& operation);
  void place(const Graph& graph, EventId write, const EventId* reader);
  void revisit(const Graph& graph, EventId write, EventId read);
  [[nodiscard]] static bool is_newest(const Graph& graph, EventId id, const Clock& prefix);

  const Program& program_;
  Replayer replayer_;
  Graph graph_;
  End end_ = End::kComplete;
  std::vector<Graph> stack_;  // subtrees to go
  std::vector<Graph> children_;
  std::uint64_t visits_ = 0;
  std::uint64_t unfair_ = 0;
};

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_EXPLORER_H_

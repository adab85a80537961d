#include "relacy/rc11/program.h"

#include <cstdlib>

#include "relacy/rc11/graph.h"

namespace fsqlshm::rc11 {

Next Replayer::next(const Graph& graph, int thread) {
  const auto& mine = graph.events(thread);
  if (!mine.empty() && mine.back().is_death()) return {.kind = Next::Kind::kEnded};
  graph_ = &graph;
  thread_ = thread;
  index_ = 0;
  turn_ = 0;
  previous_ = 0;
  pauses_ = 0;
  repeats_ = 0;
  next_ = {.kind = Next::Kind::kEnded};
  // No exception and no stack of its own: a thread is left at every new event, and nothing on the way
  // has a destructor.
  // NOLINTNEXTLINE(cert-err52-cpp): the same
  if (setjmp(end_) == 0) program_.threads[static_cast<std::size_t>(thread)].body(*this);
  return next_;
}

void Replayer::stop() { leave(Next::Kind::kEnded); }

void Replayer::leave(Next::Kind kind) {
  next_.kind = kind;
  // NOLINTNEXTLINE(cert-err52-cpp): see next
  std::longjmp(end_, 1);
}

std::uint64_t Replayer::perform(const Operation& operation) {
  const auto& mine = graph_->events(thread_);
  if (index_ == mine.size()) {
    next_.operation = operation;
    leave(index_ + 2 > kMaxEvents ? Next::Kind::kEndless : Next::Kind::kOperation);
  }
  const Event& event = mine[index_++];
  if (event.operation != operation) std::abort();  // a body must be a function of what it reads
  if (!event.is_write && event.exclusive && index_ < mine.size()) ++index_;
  return event.is_write ? 0 : event.value;
}

// Whether the turn that ends here only read, and what the turn before read.
bool Replayer::turn_repeats() const {
  const auto& mine = graph_->events(thread_);
  if (pauses_ < 2 || index_ - turn_ != turn_ - previous_) return false;
  for (std::size_t i = turn_; i < index_; ++i) {
    const Event& now = mine[i];
    const Event& then = mine[i - (turn_ - previous_)];
    if (now.is_write || then.is_write || now.operation != then.operation || now.from != then.from) {
      return false;
    }
  }
  return true;
}

void Replayer::pause() {
  ++pauses_;
  repeats_ = turn_repeats() ? repeats_ + 1 : 0;
  if (repeats_ > program_.spins) {
    next_.turn = turn_;
    leave(Next::Kind::kWaits);
  }
  previous_ = turn_;
  turn_ = index_;
}

}  // namespace fsqlshm::rc11

#include "relacy/rc11/random_program.h"

#include <array>

#include "harness/random.h"

namespace fsqlshm::rc11 {
namespace {

using Order = std::memory_order;

class Drawing {
 public:
  explicit Drawing(std::uint64_t seed)
      : random_(seed), threads_(2 + below(2)), locations_(1 + below(3)) {
    with_sc_ = below(3) == 0;
    with_death_ = below(4) == 0;
  }

  Program program() {
    Program drawn{.first = std::vector<std::uint64_t>(locations_)};
    if (with_death_) drawn.first.push_back(1);
    drawn.threads.reserve(threads_);
    for (unsigned index = 0; index < threads_; ++index) drawn.threads.push_back(thread(index));
    drawn.spins = below(3) == 0 ? 1 : 0;
    return drawn;
  }

 private:
  unsigned below(unsigned limit) { return static_cast<unsigned>((random_.next() >> 32U) % limit); }

  Program::Thread thread(unsigned index) {
    const unsigned steps = 1 + below(threads_ == 2 ? 4 : 2);
    std::vector<Operation> operations;
    operations.reserve(steps);
    for (unsigned i = 0; i < steps; ++i) operations.push_back(operation(index));
    const bool waits = below(6) == 0;
    const auto waits_for = static_cast<Location>(below(locations_));
    const bool mortal = with_death_ && index == 0;
    return {.body =
                [=](Memory& memory) {
                  for (const Operation& each : operations) memory.perform(each);
                  while (waits && memory.load(waits_for, Order::acquire) == 0) memory.pause();
                },
            .alive = mortal ? static_cast<int>(locations_) : -1};
  }

  // The first thread may die; the others sometimes ask whether it lives.
  Operation operation(unsigned thread) {
    Operation drawn;
    drawn.location = static_cast<Location>(below(locations_ + (with_death_ && thread > 0 ? 1 : 0)));
    const unsigned kind = drawn.location == locations_ ? 0 : below(8);
    if (kind < 3) {
      drawn.order = load_order();
    } else if (kind < 6) {
      drawn.access = Access::kStore;
      drawn.order = load_order() == Order::acquire ? Order::release : last_;
      drawn.operand = ++value_;
    } else {
      constexpr std::array kOrders = {Order::relaxed, Order::acquire, Order::release,
                                      Order::acq_rel, Order::seq_cst};
      drawn.access = kind == 6 ? Access::kCompareExchange : Access::kFetchAdd;
      drawn.order = kOrders[below(with_sc_ ? 5 : 4)];
      drawn.operand = kind == 6 ? ++value_ : 1;
      if (kind == 6) drawn.failure = load_order();
      if (kind == 6) drawn.expected = below(2) == 0 ? 0 : 1 + below(4);
    }
    return drawn;
  }

  Order load_order() {
    constexpr std::array kOrders = {Order::relaxed, Order::acquire, Order::seq_cst};
    last_ = kOrders[below(with_sc_ ? 3 : 2)];
    return last_;
  }

  harness::Random random_;
  unsigned threads_;
  unsigned locations_;
  bool with_sc_ = false;
  bool with_death_ = false;
  std::uint64_t value_ = 0;
  Order last_ = Order::relaxed;
};

}  // namespace

Program random_program(std::uint64_t seed) { return Drawing(seed).program(); }

}  // namespace fsqlshm::rc11

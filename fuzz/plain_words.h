// The seam on ten plain words, for one thread: counts steps and refuses impossible memory orders.

#ifndef FSQLSHM_FUZZ_PLAIN_WORDS_H_
#define FSQLSHM_FUZZ_PLAIN_WORDS_H_

#include <atomic>
#include <cstdint>
#include <source_location>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"
#include "fsqlshm/words.h"
#include "fuzz/memory_orders.h"
#include "fuzz/program.h"

namespace fsqlshm::fuzz {

/// Thrown out of an operation that does what no operation may.
struct Misuse {
  const char* what;
  std::source_location where;
};

class PlainWords {
 public:
  /// No operation needs nearly as many atomic steps when nobody interferes.
  static constexpr int kStepLimit = 600;

  PlainWords(const State& state, ProcessIdentity self) : state_(state), self_(self) {}

  std::uint64_t load(Field field, std::memory_order order,
                     std::source_location where = std::source_location::current()) const {
    step(where);
    if (!legal_for_load(order)) {
      throw Misuse{"a load with a release order", where};
    }
    return state_[atomic_index(field)];
  }

  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    step(where);
    if (!legal_for_store(order)) {
      throw Misuse{"a store with an acquire order", where};
    }
    state_[atomic_index(field)] = value;
  }

  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order /*success*/, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    step(where);
    if (!legal_for_load(failure)) {
      throw Misuse{"a failed compare_exchange with a release order", where};
    }
    std::uint64_t& word = state_[atomic_index(field)];
    if (word != expected) {
      expected = word;
      return false;
    }
    word = desired;
    return true;
  }

  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order /*order*/,
                          std::source_location where = std::source_location::current()) {
    step(where);
    std::uint64_t& word = state_[atomic_index(field)];
    const std::uint64_t before = word;
    word += addend;
    return before;
  }

  void pause() const { step(std::source_location::current()); }
  [[nodiscard]] ProcessIdentity self() const noexcept { return self_; }

  void start_operation() noexcept { steps_ = 0; }
  [[nodiscard]] const State& state() const noexcept { return state_; }

 private:
  void step(std::source_location where) const {
    if (++steps_ > kStepLimit) throw Misuse{"more steps than any operation needs", where};
  }

  State state_;
  ProcessIdentity self_;
  mutable int steps_ = 0;
};

static_assert(Words<PlainWords>);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_PLAIN_WORDS_H_

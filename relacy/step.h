// What an execution under the model checker is made of: steps, sites, choices.

#ifndef FSQLSHM_RELACY_STEP_H_
#define FSQLSHM_RELACY_STEP_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "fsqlshm/wire_format.h"
#include "harness/describe.h"
#include "harness/scenarios/execution.h"

namespace fsqlshm::relacy {

using harness::source_name;

using harness::kMaxProcesses;
using harness::kMaxThreads;

enum class Op : std::uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd, kAskAlive, kDie, kNote };

[[nodiscard]] constexpr std::string_view op_name(Op op) noexcept {
  constexpr std::array<std::string_view, 7> kNames = {
      "load", "store", "compare_exchange", "fetch_add", "ask_alive", "die", "note"};
  return kNames[static_cast<std::size_t>(op)];
}

/// Step::thread of what happens before the threads start and after the last one ended.
inline constexpr int kAtFirst = -1;
inline constexpr int kAtLast = -2;

/// One row of a trace.
struct Step {
  int thread = 0;
  Op op = Op::kNote;
  Field field{};
  std::memory_order order{};
  std::memory_order failure_order{};
  std::uint64_t expected = 0;  ///< compare_exchange; kAskAlive: the birth
  std::uint64_t value = 0;     ///< stored, desired or added; the process for kAskAlive and kDie
  std::uint64_t found = 0;     ///< what a load, compare_exchange or fetch_add read
  bool success = false;        ///< compare_exchange; "alive" for kAskAlive
  std::uint32_t read = 0;      ///< the store that was read, 0: none
  std::uint32_t newest = 0;    ///< the word's newest store at that time
  std::uint32_t wrote = 0;     ///< the number of this store, 0: none
  std::source_location where{};
  std::array<char, 120> note{};
};

/// Where in the core an operation is, and the orders that the core asks for there.
struct Site {
  // Of the program's lifetime: sites are collected while nothing may be allocated.
  std::string_view file{};      ///< see source_name
  std::string_view function{};  ///< see function_name
  unsigned line = 0;            ///< 0 in a replay id, which outlives an edit of the lines around it
  Op op{};
  std::uint32_t fields = 0;  ///< bit atomic_index(field) for each field it was seen with
  std::memory_order order{};
  std::memory_order failure_order{};  ///< compare_exchange
  unsigned earlier = 0;  ///< sites above it in the function that do the same with the same order
};

/// One order at one site replaced by a weaker one.
struct Weakening {
  Site site{};
  bool failure = false;  ///< of a compare_exchange: the order of its failure
  std::memory_order to{};

  [[nodiscard]] std::memory_order from() const noexcept {
    return failure ? site.failure_order : site.order;
  }
};

/// Weakens that order whenever a thread comes by the site.
class OrderWeakening {
 public:
  /// `weakening`: null for none.
  explicit OrderWeakening(const Weakening* weakening = nullptr) : weakening_(weakening) {}
  void apply(const std::source_location& where, Op op, Field field, std::memory_order& order,
             std::memory_order& failure) {
    if (weakening_ != nullptr) [[unlikely]]
      weaken(where, op, field, order, failure);
  }
  /// Whether an operation was weakened, or there is none to weaken.
  [[nodiscard]] bool met() const noexcept { return met_ || weakening_ == nullptr; }

 private:
  void weaken(const std::source_location& where, Op op, Field field, std::memory_order& order,
              std::memory_order& failure);

  const Weakening* weakening_;
  bool met_ = false;
  std::array<unsigned, 4> lines_{};  // that fit, in the function's order
};

/// "acquire" of "bool fsqlshm::hardened::WriterIndicator<W>::acquire(...) [with ...]".
[[nodiscard]] std::string_view function_name(std::string_view signature) noexcept;

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_STEP_H_

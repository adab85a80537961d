// Ten plain words behind the seam, for one thread at a time: what a schedule or a sequential test
// puts its interceptors on.

#ifndef FSQLSHM_HARNESS_PLAIN_WORDS_H_
#define FSQLSHM_HARNESS_PLAIN_WORDS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <source_location>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"
#include "fsqlshm/words.h"

namespace fsqlshm::harness {

/// The values of the atomic words, in the order of the wire (see atomic_index).
using WordValues = std::array<std::uint64_t, kAtomicFields.size()>;

/// Sequentially consistent, whatever orders the operations name.
///
/// Thread safety: none.
class PlainWords {
 public:
  explicit PlainWords(const WordValues& values = {}, ProcessIdentity self = {}) noexcept
      : values_(values), self_(self) {}

  [[nodiscard]] std::uint64_t load(Field field, std::memory_order,
                                   std::source_location = std::source_location::current()) const {
    return values_[atomic_index(field)];
  }
  void store(Field field, std::uint64_t value, std::memory_order,
             std::source_location = std::source_location::current()) {
    values_[atomic_index(field)] = value;
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order, std::memory_order,
                        std::source_location = std::source_location::current()) {
    std::uint64_t& word = values_[atomic_index(field)];
    const bool equal = word == expected;
    if (equal) {
      word = desired;
    } else {
      expected = word;
    }
    return equal;
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order,
                          std::source_location = std::source_location::current()) {
    std::uint64_t& word = values_[atomic_index(field)];
    const std::uint64_t before = word;
    word += addend;
    return before;
  }
  void pause() const noexcept {}
  [[nodiscard]] ProcessIdentity self() const noexcept { return self_; }

  [[nodiscard]] const WordValues& values() const noexcept { return values_; }

 private:
  WordValues values_;
  ProcessIdentity self_;
};

static_assert(Words<PlainWords>);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PLAIN_WORDS_H_

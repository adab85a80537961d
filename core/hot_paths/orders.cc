// Prints the atomic operations of each function of code.cc with their memory orders, in turn: a line is a function,
// and what it asks for.

#include <array>
#include <cstdio>
#include <source_location>

#include "operations.h"

namespace {

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): a program about nothing else
using Order = std::memory_order;
using Where = std::source_location;

const char* name_of(Order order) {
  switch (order) {
    case Order::relaxed:
      return "relaxed";
    case Order::acquire:
      return "acquire";
    case Order::release:
      return "release";
    case Order::acq_rel:
      return "acq_rel";
    default:
      return "seq_cst";
  }
}

// One thread's words, which say what is done to them.
class RecordingWords {
 public:
  std::uint64_t load(Field field, Order order, Where = {}) const {
    std::printf(" load:%s", name_of(order));
    return words_[atomic_index(field)];
  }
  void store(Field field, std::uint64_t value, Order order, Where = {}) {
    std::printf(" store:%s", name_of(order));
    words_[atomic_index(field)] = value;
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired, Order success,
                        Order /*failure*/, Where = {}) {
    std::printf(" cas:%s", name_of(success));
    std::uint64_t& word = words_[atomic_index(field)];
    if (word != expected) {
      expected = word;
      return false;
    }
    word = desired;
    return true;
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, Order order, Where = {}) {
    std::printf(" add:%s", name_of(order));
    const std::uint64_t before = words_[atomic_index(field)];
    words_[atomic_index(field)] += addend;
    return before;
  }
  void pause() const {}
  ProcessIdentity self() const { return {.pid = 1, .birth = kKnownBirth | 1}; }

 private:
  std::array<std::uint64_t, kAtomicFields.size()> words_{1};
};
static_assert(Words<RecordingWords>);

}  // namespace

int main() {
  RecordingWords header;
  ShmSnapshot snapshot;
  const TxnId id = *TxnId::from_raw(1);
  bool done = true;
  std::printf("publish");
  hot_paths::publish(header, snapshot);
  std::printf("\nread");
  done &= hot_paths::read(header, snapshot);
  std::printf("\nalloc");
  done &= hot_paths::alloc(header) == 1;
  std::printf("\nacquire");
  done &= hot_paths::acquire(header, id, 1, kKnownBirth | 1, 0);
  std::printf("\nrelease");
  done &= hot_paths::release(header, id);
  std::printf("\n");
  return done ? 0 : 1;
}

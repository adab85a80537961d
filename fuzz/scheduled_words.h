// The seam for the schedule target: every atomic step waits for the scheduler's decision.

#ifndef FSQLSHM_FUZZ_SCHEDULED_WORDS_H_
#define FSQLSHM_FUZZ_SCHEDULED_WORDS_H_

#include <atomic>
#include <cstdint>
#include <source_location>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"
#include "fsqlshm/words.h"
#include "fuzz/memory_orders.h"
#include "fuzz/world.h"

namespace fsqlshm::fuzz {

class ScheduledWords {
 public:
  explicit ScheduledWords(World& world) noexcept : world_(&world) {}

  std::uint64_t load(Field field, std::memory_order order,
                     std::source_location where = std::source_location::current()) const {
    if (!legal_for_load(order)) world_->misuse("a load with a release order", where);
    return world_->load(field, where);
  }
  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    if (!legal_for_store(order)) world_->misuse("a store with an acquire order", where);
    world_->store(field, value, where);
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order /*success*/, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    if (!legal_for_load(failure)) world_->misuse("a failure with a release order", where);
    return world_->compare_exchange(field, expected, desired, where);
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order /*order*/,
                          std::source_location where = std::source_location::current()) {
    return world_->fetch_add(field, addend, where);
  }
  void pause() const noexcept {}  // the scheduler decides anyway
  [[nodiscard]] ProcessIdentity self() const noexcept { return world_->self(); }

 private:
  World* world_;
};

static_assert(Words<ScheduledWords>);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SCHEDULED_WORDS_H_

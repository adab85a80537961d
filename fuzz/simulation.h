// Binds a protocol to the world: the operations of a scenario on a real layout.

#ifndef FSQLSHM_FUZZ_SIMULATION_H_
#define FSQLSHM_FUZZ_SIMULATION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "fsqlshm/shared_memory_layout.h"
#include "fuzz/schedule.h"
#include "fuzz/world.h"

namespace fsqlshm::fuzz {

template <class Protocol>
class OperationsOf final : public Operations {
 public:
  explicit OperationsOf(World& world)
      : world_(world),
        layout_(Geometry{}, ScheduledWords(harness::PlainWords(World::first_values()), {&world})) {}

  bool acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) override {
    return layout_.acquire_serialized_writer(id, who.pid, who.birth, lease);
  }
  bool release(TxnId id) override { return layout_.release_serialized_writer(id); }
  std::optional<TxnId> check() override { return layout_.check_serialized_writer(); }
  Exclusion check_exclusion(std::uint64_t now) override {
    return layout_.check_serialized_writer_exclusion(
        now, [this](std::uint32_t pid, std::uint64_t birth) { return world_.alive(pid, birth); });
  }
  void publish(const ShmSnapshot& next) override {
    layout_.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  }
  std::optional<ShmSnapshot> read() override { return layout_.try_load_consistent_snapshot(2); }
  std::optional<TxnId> alloc() override { return layout_.alloc_txn_id(); }
  [[nodiscard]] const harness::PlainWords& words() const override { return layout_.words().base(); }

 private:
  World& world_;
  BasicSharedMemoryLayout<ScheduledWords, Protocol> layout_;
};

template <class Protocol>
std::optional<Failure> simulate(Bytes input, const WorldOptions& options,
                                std::string* trace = nullptr) {
  World world(decode_scenario(input), options, trace);
  OperationsOf<Protocol> header(world);
  return world.run(decisions(input), header);
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SIMULATION_H_

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
class Simulation {
 public:
  Simulation(Bytes input, const WorldOptions& options, std::string* trace)
      : decisions_(decisions(input)),
        world_(decode_scenario(input), options, trace),
        layout_(Geometry{}, ScheduledWords(harness::PlainWords(World::first_values()), {&world_})) {
    world_.attach(layout_.words().base());
  }

  std::optional<Failure> run() { return world_.run(decisions_, execute, this); }

 private:
  static void execute(void* context, std::size_t /*thread*/, Op op) {
    static_cast<Simulation*>(context)->perform(op);
  }

  void perform(Op op) {
    switch (op) {
      case Op::kNothing:
        return;
      case Op::kAcquire:
      case Op::kAcquireLeased: {
        const World::Acquire a = world_.begin_acquire(op == Op::kAcquireLeased);
        world_.end_acquire(a, layout_.acquire_serialized_writer(*TxnId::from_raw(a.id), a.who.pid,
                                                                a.who.birth, a.lease));
        return;
      }
      case Op::kRelease: {
        const auto id = TxnId::from_raw(world_.begin_release());
        if (id) world_.end_release(layout_.release_serialized_writer(*id));
        return;
      }
      case Op::kCheck:
        world_.begin_check();
        world_.end_check(layout_.check_serialized_writer());
        return;
      case Op::kCheckExclusion: {
        const std::uint64_t now = world_.begin_check_exclusion();
        world_.end_check_exclusion(layout_.check_serialized_writer_exclusion(
            now,
            [this](std::uint32_t pid, std::uint64_t birth) { return world_.alive(pid, birth); }));
        return;
      }
      case Op::kPublish: {
        const ShmSnapshot snapshot = world_.begin_publish();
        layout_.publish_snapshot(snapshot.commit_seq, snapshot.schema_epoch, snapshot.ecs_epoch);
        world_.end_publish();
        return;
      }
      case Op::kReadSnapshot:
        world_.begin_read();
        world_.end_read(layout_.try_load_consistent_snapshot(2));
        return;
      case Op::kAlloc:
        world_.begin_alloc();
        world_.end_alloc(layout_.alloc_txn_id());
        return;
    }
  }

  Bytes decisions_;
  World world_;
  BasicSharedMemoryLayout<ScheduledWords, Protocol> layout_;
};

template <class Protocol>
std::optional<Failure> simulate(Bytes input, const WorldOptions& options,
                                std::string* trace = nullptr) {
  return Simulation<Protocol>(input, options, trace).run();
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SIMULATION_H_

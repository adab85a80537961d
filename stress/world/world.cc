#include "stress/world/world.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "stress/world/tracer.h"

namespace fsqlshm::world {

void World::hand_out(TxnId id) {
  const std::uint64_t raw = id.get();
  if (raw >= handed_out.size() || handed_out[raw].exchange(true)) {
    note(fmt::format("  id {}", raw));
    blame(kW4, "an id is handed out twice, or far from the others");
  }
  std::uint64_t largest = largest_id;
  if (raw < largest) {
    note(fmt::format("  id {} after id {}", raw, largest));
    blame(kW4, "an id is handed out after a larger one");
  }
  while (largest < raw && !largest_id.compare_exchange_weak(largest, raw)) {
  }
}

void World::judge_read(const ShmSnapshot& seen, std::string_view who) {
  const std::uint64_t n = seen.commit_seq.get();
  note(fmt::format("  {} reads ({}, {}, {})", who, n, seen.schema_epoch.get(), seen.ecs_epoch));
  if (seen != triple_of(n) || n > durable) {
    blame(kW4, fmt::format("{} accepts a triple that nobody published", who));
  } else if (n < acknowledged) {
    note(fmt::format("  {} was acknowledged", acknowledged.load()));
    blame(kW4, fmt::format("{} accepts a stale triple", who));
  }
}

bool become(uid_t user) {
  if (user == 0) return true;
  return ::setgid(user) == 0 && ::setuid(user) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

ShmFileOptions options_of(World& world) {
  ShmFileOptions options;
  options.max_txn_slots = 8;
  if (const uid_t uid = world.uid; uid != 0) {
    options.access.uid = uid;
    options.access.gid = uid;
  }
  options.recover = [&world]() -> std::expected<DurableState, ShmError> {
    const ShmSnapshot state = triple_of(world.durable);
    mark(Marker::kRecover);
    ++world.recoveries;
    return DurableState{
        .commit_seq = state.commit_seq,
        .schema_epoch = state.schema_epoch,
        .ecs_epoch = state.ecs_epoch,
        .next_txn_id = *TxnId::from_raw(world.ids_durable ? world.largest_id + 1 : 1)};
  };
  return options;
}

}  // namespace fsqlshm::world

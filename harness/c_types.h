// The library's types as those of fsqlshm.h, and back. Not the core's own conversion, which is judged here.

#ifndef FSQLSHM_HARNESS_C_TYPES_H_
#define FSQLSHM_HARNESS_C_TYPES_H_

#include "fsqlshm.h"
#include "fsqlshm/process.h"
#include "fsqlshm/types.h"

namespace fsqlshm::harness {

[[nodiscard]] inline fsqlshm_process to_c(ProcessIdentity who) noexcept {
  return {.birth = who.birth, .pid = who.pid, .reserved = 0};
}

[[nodiscard]] inline fsqlshm_snapshot to_c(const ShmSnapshot& snapshot) noexcept {
  return {.commit_seq = snapshot.commit_seq.get(),
          .schema_epoch = snapshot.schema_epoch.get(),
          .ecs_epoch = snapshot.ecs_epoch};
}

[[nodiscard]] inline ShmSnapshot from_c(const fsqlshm_snapshot& snapshot) noexcept {
  return {CommitSeq(snapshot.commit_seq), SchemaEpoch(snapshot.schema_epoch), snapshot.ecs_epoch};
}

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_C_TYPES_H_

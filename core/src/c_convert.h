// Values of the library as values of C.

#ifndef FSQLSHM_SRC_C_CONVERT_H_
#define FSQLSHM_SRC_C_CONVERT_H_

#include "fsqlshm.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm::c_interface {

inline fsqlshm_snapshot to_c(const ShmSnapshot& snapshot) noexcept {
  return {.commit_seq = snapshot.commit_seq.get(),
          .schema_epoch = snapshot.schema_epoch.get(),
          .ecs_epoch = snapshot.ecs_epoch};
}

inline fsqlshm_process to_c(const ProcessIdentity& who) noexcept {
  return {.birth = who.birth, .pid = who.pid, .reserved = 0};
}

inline fsqlshm_geometry to_c(const Geometry& geometry) noexcept {
  return {.page_size = geometry.page_size.get(),
          .max_txn_slots = geometry.max_txn_slots,
          .lock_table_offset = geometry.lock_table_offset,
          .witness_offset = geometry.witness_offset,
          .txn_slot_offset = geometry.txn_slot_offset,
          .committed_readers_offset = geometry.committed_readers_offset,
          .committed_readers_bytes = geometry.committed_readers_bytes,
          .layout_checksum = geometry.layout_checksum};
}

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_CONVERT_H_

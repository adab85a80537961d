#include "c_functions.h"

#include <cctype>
#include <utility>

namespace fsqlshm::bench {

std::string fact(std::string name) {
  for (char& c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  return name;
}

harness::SubjectFunctions our_functions() {
  return {.create = ::fsqlshm_header_create,
          .open = ::fsqlshm_header_open,
          .to_bytes = ::fsqlshm_header_to_bytes,
          .geometry = ::fsqlshm_header_geometry,
          .begin_snapshot_publish = ::fsqlshm_header_begin_snapshot_publish,
          .end_snapshot_publish = ::fsqlshm_header_end_snapshot_publish,
          .publish_snapshot = ::fsqlshm_header_publish_snapshot,
          .reconcile = ::fsqlshm_header_reconcile,
          .load_consistent_snapshot = ::fsqlshm_header_load_consistent_snapshot,
          .acquire_serialized_writer = ::fsqlshm_header_acquire_serialized_writer,
          .release_serialized_writer = ::fsqlshm_header_release_serialized_writer,
          .check_serialized_writer = ::fsqlshm_header_check_serialized_writer,
          .check_serialized_writer_exclusion = ::fsqlshm_header_check_serialized_writer_exclusion,
          .alloc_txn_id = ::fsqlshm_header_alloc_txn_id,
          .load_commit_seq = ::fsqlshm_header_load_commit_seq,
          .load_schema_epoch = ::fsqlshm_header_load_schema_epoch,
          .load_ecs_epoch = ::fsqlshm_header_load_ecs_epoch,
          .load_gc_horizon = ::fsqlshm_header_load_gc_horizon,
          .store_gc_horizon = ::fsqlshm_header_store_gc_horizon,
          .try_load_consistent_snapshot = ::fsqlshm_header_try_load_consistent_snapshot,
          .clear_serialized_writer = ::fsqlshm_header_clear_serialized_writer};
}

}  // namespace fsqlshm::bench

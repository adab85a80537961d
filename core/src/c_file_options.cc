#include "c_file_options.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>

#include "c_error.h"
#include "fsqlshm/types.h"

namespace fsqlshm::c_interface {
namespace {

std::expected<DurableState, ShmError> ask(fsqlshm_recover recover, void* context) {
  fsqlshm_durable_state state = {.snapshot = {}, .next_txn_id = 1};
  const std::int32_t problem = recover(context, &state);
  if (problem != 0) {
    return std::unexpected(
        ShmError(ShmErrorCode::kRecoverFailed, static_cast<std::uint32_t>(problem)));
  }
  const auto next = TxnId::from_raw(state.next_txn_id);
  if (!next) return std::unexpected(next.error());
  return DurableState{.commit_seq = CommitSeq(state.snapshot.commit_seq),
                      .schema_epoch = SchemaEpoch(state.snapshot.schema_epoch),
                      .ecs_epoch = state.snapshot.ecs_epoch,
                      .next_txn_id = *next};
}

}  // namespace

fsqlshm_code convert(const fsqlshm_file_options* options, ShmFileOptions& converted,
                     fsqlshm_error* error) {
  if (options == nullptr) return FSQLSHM_OK;
  // The first version; a later one takes this size, too.
  if (options->size != sizeof(*options)) return report(FSQLSHM_INVALID_ARGUMENT, error);
  const auto page_size = PageSize::from_raw(options->page_size);
  if (!page_size) return report(page_size.error(), error);
  converted.page_size = *page_size;
  converted.max_txn_slots = options->max_txn_slots;
  converted.access.mode = options->mode;
  if (options->uid != FSQLSHM_KEEP_OWNER) converted.access.uid = options->uid;
  if (options->gid != FSQLSHM_KEEP_OWNER) converted.access.gid = options->gid;
  converted.trust_found_state = options->trust_found_state;
  if (options->recover != nullptr) {
    converted.recover = [recover = options->recover, context = options->recover_context] {
      return ask(recover, context);
    };
  }
  return FSQLSHM_OK;
}

#pragma GCC visibility push(default)
extern "C" {

void fsqlshm_file_options_init(fsqlshm_file_options* options, size_t size) {
  const ShmFileOptions defaults;
  fsqlshm_file_options all{};
  all.size = size;
  all.page_size = defaults.page_size.get();
  all.max_txn_slots = 0;
  all.mode = defaults.access.mode;
  all.uid = FSQLSHM_KEEP_OWNER;
  all.gid = FSQLSHM_KEEP_OWNER;
  // Of a caller that was built with another version only what both know; `size` then says so.
  std::memcpy(options, &all, std::min(size, sizeof(all)));
}

fsqlshm_code fsqlshm_file_options_access_of(fsqlshm_file_options* options, const char* database,
                                            fsqlshm_error* error) {
  if (options == nullptr || database == nullptr) return report(FSQLSHM_INVALID_ARGUMENT, error);
  return without_exceptions(error, [&] {
    const auto access = access_of(database);
    if (!access) return report(access.error(), error);
    options->mode = access->mode;
    options->uid = access->uid.value_or(FSQLSHM_KEEP_OWNER);
    options->gid = access->gid.value_or(FSQLSHM_KEEP_OWNER);
    return FSQLSHM_OK;
  });
}

}  // extern "C"
#pragma GCC visibility pop

}  // namespace fsqlshm::c_interface

// The C interface to files (fsqlshm_file.h), and to processes.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "c_convert.h"
#include "c_error.h"
#include "c_file_options.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "fsqlshm_file.h"

// NOLINTBEGIN(readability-identifier-naming): names of C

struct fsqlshm_file {
  using Reader = fsqlshm::ReadOnlyMappedLayout<fsqlshm::HardenedProtocol>;

  explicit fsqlshm_file(fsqlshm::ShmFile&& file)
      : open(std::move(file)),
        layout(writable()->layout()),
        // NOLINTNEXTLINE(cppcoreguidelines-slicing): a reader is the part of it that reads
        reader(writable()->layout()) {}
  explicit fsqlshm_file(fsqlshm::ReadOnlyShmFile&& file)
      : open(std::move(file)), reader(std::get<fsqlshm::ReadOnlyShmFile>(open).layout()) {}

  // Null if it was opened for reading.
  [[nodiscard]] const fsqlshm::ShmFile* writable() const {
    return std::get_if<fsqlshm::ShmFile>(&open);
  }
  [[nodiscard]] fsqlshm::ShmFile* writable() { return std::get_if<fsqlshm::ShmFile>(&open); }

  std::variant<fsqlshm::ShmFile, fsqlshm::ReadOnlyShmFile> open;
  std::optional<fsqlshm::ShmFile::Layout> layout;  // none if it was opened for reading
  Reader reader;
};

struct fsqlshm_publication {
  fsqlshm::ShmFile::Guard guard;
};

// NOLINTEND(readability-identifier-naming)

namespace fsqlshm::c_interface {
namespace {

// Opens with `open(path, options)`.
template <class File, class Open>
fsqlshm_code open_with(const Open& open, const char* path, const fsqlshm_file_options* options,
                       File** file, fsqlshm_error* error) {
  if (file == nullptr) return report(FSQLSHM_INVALID_ARGUMENT, error);
  *file = nullptr;
  return without_exceptions(error, [&] {
    if (path == nullptr) return report(FSQLSHM_INVALID_ARGUMENT, error);
    ShmFileOptions converted;
    const fsqlshm_code usable = convert(options, converted, error);
    if (usable != FSQLSHM_OK) return usable;
    auto opened = open(path, converted);
    if (!opened) return report(opened.error(), error);
    *file = new fsqlshm_file(std::move(*opened));
    return FSQLSHM_OK;
  });
}

// Calls `use(file)` with the file that is open for writing.
template <class File, class Use>
fsqlshm_code with_writable(File* file, fsqlshm_error* error, const Use& use) {
  if (file == nullptr || file->writable() == nullptr) {
    return report(FSQLSHM_INVALID_ARGUMENT, error);
  }
  return without_exceptions(error, [&] { return use(*file->writable()); });
}

// The outcome of a lock: the guard on the heap, or null.
fsqlshm_code hand_out(std::expected<std::optional<ShmFile::Guard>, ShmError>&& guard,
                      fsqlshm_publication** publication, fsqlshm_error* error) {
  if (!guard) return report(guard.error(), error);
  if (auto& held = *guard) *publication = new fsqlshm_publication{std::move(*held)};
  return FSQLSHM_OK;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// --- Opening and closing -------------------------------------------------------------------------

fsqlshm_code fsqlshm_file_create(const char* path, const fsqlshm_file_options* options,
                                 fsqlshm_file** file, fsqlshm_error* error) {
  return open_with(ShmFile::create, path, options, file, error);
}

fsqlshm_code fsqlshm_file_open(const char* path, const fsqlshm_file_options* options,
                               fsqlshm_file** file, fsqlshm_error* error) {
  return open_with(ShmFile::open, path, options, file, error);
}

fsqlshm_code fsqlshm_file_open_or_create(const char* path, const fsqlshm_file_options* options,
                                         fsqlshm_file** file, fsqlshm_error* error) {
  return open_with(ShmFile::open_or_create, path, options, file, error);
}

fsqlshm_code fsqlshm_file_open_read_only(const char* path, const fsqlshm_file_options* options,
                                         const fsqlshm_file** file, fsqlshm_error* error) {
  return open_with(ReadOnlyShmFile::open, path, options, file, error);
}

fsqlshm_code fsqlshm_file_close(const fsqlshm_file* file, fsqlshm_error* error) {
  return without_exceptions(error, [&] {
    // Whoever made it has it as one that can be changed.
    const std::unique_ptr<fsqlshm_file> owned(const_cast<fsqlshm_file*>(file));
    if (!owned || owned->writable() == nullptr) return FSQLSHM_OK;
    return report(owned->writable()->close(), error);
  });
}

fsqlshm_code fsqlshm_file_remove(const char* path, fsqlshm_error* error) {
  if (path == nullptr) return report(FSQLSHM_INVALID_ARGUMENT, error);
  return without_exceptions(error, [&] { return report(ShmFile::remove(path), error); });
}

// --- The file --------------------------------------------------------------------------------------

fsqlshm_code fsqlshm_file_check(const fsqlshm_file* file, fsqlshm_error* error) {
  return without_exceptions(error, [&] {
    return report(std::visit([](const auto& open) { return open.check_file(); }, file->open),
                  error);
  });
}

fsqlshm_code fsqlshm_file_sync(fsqlshm_file* file, fsqlshm_error* error) {
  return with_writable(file, error, [&](ShmFile& open) { return report(open.sync(), error); });
}

fsqlshm_code fsqlshm_file_publication_locked(const fsqlshm_file* file, bool* locked,
                                             fsqlshm_error* error) {
  return without_exceptions(error, [&] {
    const auto found =
        std::visit([](const auto& open) { return open.publication_locked(); }, file->open);
    if (!found) return report(found.error(), error);
    *locked = *found;
    return FSQLSHM_OK;
  });
}

void* fsqlshm_file_regions(fsqlshm_file* file, size_t* size) {
  const ShmFile* const open = file->writable();
  const auto regions = open != nullptr ? open->regions() : std::span<std::byte>();
  *size = regions.size();
  return regions.data();
}

fsqlshm_process fsqlshm_file_identity(const fsqlshm_file* file) {
  const ShmFile* const open = file->writable();
  return open != nullptr ? to_c(open->identity()) : fsqlshm_process{};
}

bool fsqlshm_file_alive(const fsqlshm_file* file, fsqlshm_process who) {
  const ShmFile* const open = file->writable();
  return open == nullptr || open->liveness()(who.pid, who.birth);
}

// --- Publishing --------------------------------------------------------------------------------------

fsqlshm_code fsqlshm_file_lock_publication(fsqlshm_file* file, fsqlshm_publication** publication,
                                           fsqlshm_error* error) {
  *publication = nullptr;
  return with_writable(file, error, [&](ShmFile& open) {
    auto guard = open.lock_publication();
    if (!guard) return report(guard.error(), error);
    return hand_out(std::move(*guard), publication, error);
  });
}

fsqlshm_code fsqlshm_file_try_lock_publication(fsqlshm_file* file, uint64_t patience,
                                               fsqlshm_publication** publication,
                                               fsqlshm_error* error) {
  *publication = nullptr;
  return with_writable(file, error, [&](ShmFile& open) {
    const auto most = static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
    const auto limit = static_cast<std::int64_t>(std::min(patience, most));
    return hand_out(open.try_lock_publication_for(std::chrono::nanoseconds(limit)), publication,
                    error);
  });
}

bool fsqlshm_publication_needs_reconcile(const fsqlshm_publication* publication) {
  return publication->guard.needs_reconcile();
}

fsqlshm_code fsqlshm_publication_publish(fsqlshm_publication* publication, fsqlshm_snapshot next,
                                         fsqlshm_error* error) {
  return report(publication->guard.publish_snapshot(CommitSeq(next.commit_seq),
                                                    SchemaEpoch(next.schema_epoch), next.ecs_epoch),
                error);
}

fsqlshm_code fsqlshm_publication_publish_for(fsqlshm_publication* publication,
                                             fsqlshm_snapshot next, uint64_t writer,
                                             fsqlshm_error* error) {
  const auto id = TxnId::from_raw(writer);
  if (!id) return report(id.error(), error);
  return report(
      publication->guard.publish_snapshot(CommitSeq(next.commit_seq),
                                          SchemaEpoch(next.schema_epoch), next.ecs_epoch, *id),
      error);
}

fsqlshm_code fsqlshm_publication_reconcile(fsqlshm_publication* publication,
                                           fsqlshm_snapshot durable, fsqlshm_error* error) {
  return report(publication->guard.reconcile(CommitSeq(durable.commit_seq),
                                             SchemaEpoch(durable.schema_epoch), durable.ecs_epoch),
                error);
}

void fsqlshm_publication_unlock(fsqlshm_publication* publication) { delete publication; }

// --- The header of an open file ------------------------------------------------------------------------

void fsqlshm_file_to_bytes(const fsqlshm_file* file, uint8_t bytes[FSQLSHM_HEADER_BYTES]) {
  const HeaderBytes all = file->reader.to_bytes();
  std::memcpy(bytes, all.data(), all.size());
}

void fsqlshm_file_geometry(const fsqlshm_file* file, fsqlshm_geometry* geometry) {
  *geometry = to_c(file->reader.geometry());
}

fsqlshm_snapshot fsqlshm_file_load_consistent_snapshot(const fsqlshm_file* file) {
  return to_c(file->reader.load_consistent_snapshot());
}

bool fsqlshm_file_try_load_consistent_snapshot(const fsqlshm_file* file, uint64_t attempts,
                                               fsqlshm_snapshot* snapshot) {
  const auto found = file->reader.try_load_consistent_snapshot(attempts);
  if (!found) return false;
  *snapshot = to_c(*found);
  return true;
}

uint64_t fsqlshm_file_load_commit_seq(const fsqlshm_file* file) {
  return file->reader.load_commit_seq().get();
}
uint64_t fsqlshm_file_load_schema_epoch(const fsqlshm_file* file) {
  return file->reader.load_schema_epoch().get();
}
uint64_t fsqlshm_file_load_ecs_epoch(const fsqlshm_file* file) {
  return file->reader.load_ecs_epoch();
}
uint64_t fsqlshm_file_load_gc_horizon(const fsqlshm_file* file) {
  return file->reader.load_gc_horizon().get();
}
uint64_t fsqlshm_file_check_serialized_writer(const fsqlshm_file* file) {
  const auto id = file->reader.check_serialized_writer();
  return id ? id->get() : 0;
}

uint64_t fsqlshm_file_alloc_txn_id(fsqlshm_file* file) {
  const auto id = file->layout ? file->layout->alloc_txn_id() : std::nullopt;
  return id ? id->get() : 0;
}

void fsqlshm_file_store_gc_horizon(fsqlshm_file* file, uint64_t horizon) {
  if (file->layout) file->layout->store_gc_horizon(CommitSeq(horizon));
}

bool fsqlshm_file_acquire_serialized_writer(fsqlshm_file* file, uint64_t txn_id,
                                            uint64_t lease_expiry) {
  const auto id = TxnId::from_raw(txn_id);
  return id && file->layout && file->layout->acquire_serialized_writer(*id, lease_expiry);
}

bool fsqlshm_file_release_serialized_writer(fsqlshm_file* file, uint64_t txn_id) {
  const auto id = TxnId::from_raw(txn_id);
  return id && file->layout && file->layout->release_serialized_writer(*id);
}

fsqlshm_exclusion fsqlshm_file_check_serialized_writer_exclusion(fsqlshm_file* file, uint64_t now) {
  const bool free =
      file->layout && file->layout->check_serialized_writer_exclusion(now) == Exclusion::kOk;
  return free ? FSQLSHM_NO_WRITER : FSQLSHM_BUSY;
}

bool fsqlshm_file_clear_serialized_writer(fsqlshm_file* file, uint64_t state) {
  return file->layout && file->layout->clear_serialized_writer(state);
}

// --- Processes -------------------------------------------------------------------------------------------

fsqlshm_process fsqlshm_this_process() { return to_c(this_process()); }

bool fsqlshm_process_alive(void* /*context*/, uint32_t pid, uint64_t birth) {
  return process_alive(pid, birth);
}

}  // extern "C"
#pragma GCC visibility pop

}  // namespace fsqlshm::c_interface

// The header part of the C interface (fsqlshm.h), over any protocol: one source for the library and for
// the harness's subjects. Not an ordinary header: it defines the functions, so a source includes it once,
// after it has said what it is made of:
//
//   namespace fsqlshm::c_interface {
//   using Protocol = ...;
//   constexpr const char* kImplementation = ...;
//   constexpr std::uint64_t kPromises = ...;
//   constexpr const char* kKnownDefects = ...;
//   }
//
// What c_header_clear.h adds is for protocols that can clear a writer.
//
// Thread safety, invariants: those of the protocol.

#ifndef FSQLSHM_SRC_C_HEADER_FUNCTIONS_H_
#define FSQLSHM_SRC_C_HEADER_FUNCTIONS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <type_traits>

#include "c_convert.h"
#include "c_error.h"
#include "fsqlshm.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/words.h"

/// What lies at `memory`: no pointer, nothing to destroy, the same at every address.
struct fsqlshm_header {  // NOLINT(readability-identifier-naming): a name of C
  fsqlshm::HeaderBlock words;
  fsqlshm::Geometry geometry;
};
static_assert(std::is_trivially_copyable_v<fsqlshm_header> &&
              std::is_trivially_destructible_v<fsqlshm_header>);

namespace fsqlshm::c_interface {

/// The words of a header, on behalf of the process that the caller names.
class WordsOf : public RawWords {
 public:
  explicit WordsOf(const fsqlshm_header& header, fsqlshm_process self = {}) noexcept
      : RawWords(const_cast<std::uint64_t*>(header.words.data())),
        self_{.pid = self.pid, .birth = self.birth} {}
  [[nodiscard]] ProcessIdentity self() const noexcept { return self_; }

 private:
  ProcessIdentity self_;
};
static_assert(Words<WordsOf>);

using Layout = BasicSharedMemoryLayout<WordsOf, Protocol>;

inline Layout layout_of(const fsqlshm_header* header, fsqlshm_process self = {}) noexcept {
  return Layout(header->geometry, *header, self);
}

/// The caller's liveness as the protocols want it.
template <bool certain>
struct Alive {
  static constexpr bool kCertain = certain;
  const fsqlshm_liveness& liveness;
  bool operator()(std::uint32_t pid, std::uint64_t birth) const {
    return liveness.alive(liveness.context, pid, birth);
  }
};

/// kMisaligned as an error of C; FSQLSHM_OK if the memory is aligned.
inline fsqlshm_code check_alignment(const void* memory, fsqlshm_error* error) noexcept {
  const auto off = reinterpret_cast<std::uintptr_t>(memory) % alignof(fsqlshm_header);
  if (off == 0) return FSQLSHM_OK;
  return report(ShmError(ShmErrorCode::kMisaligned, off, alignof(fsqlshm_header)), error);
}

/// With the protocol's own allocator, if it has one: a mutant may.
template <class P>
std::optional<TxnId> alloc(BasicSharedMemoryLayout<WordsOf, P> layout) {
  if constexpr (requires { typename P::template Allocator<WordsOf>; }) {
    return typename P::template Allocator<WordsOf>(layout.words()).alloc();
  } else {
    return layout.alloc_txn_id();
  }
}

// Functions of C are the same in every namespace, but for g++ their visibility is not.
#pragma GCC visibility push(default)
// NOLINTBEGIN(misc-definitions-in-headers): a source includes it once, which is what it is for
extern "C" {

uint32_t fsqlshm_interface_version() { return FSQLSHM_INTERFACE_VERSION; }
const char* fsqlshm_implementation() { return kImplementation; }
uint64_t fsqlshm_promises() { return kPromises; }
const char* fsqlshm_known_defects() { return kKnownDefects; }

size_t fsqlshm_header_size() { return sizeof(fsqlshm_header); }
size_t fsqlshm_header_alignment() { return alignof(fsqlshm_header); }

fsqlshm_code fsqlshm_header_create(void* memory, uint32_t page_size, uint32_t max_txn_slots,
                                   fsqlshm_error* error) {
  const auto size = PageSize::from_raw(page_size);
  if (!size) return report(size.error(), error);
  const fsqlshm_code aligned = check_alignment(memory, error);
  if (aligned != FSQLSHM_OK) return aligned;
  auto* const header = new (memory)
      fsqlshm_header{.words = HeaderBlock(), .geometry = Geometry::derive(*size, max_txn_slots)};
  WordsOf(*header).store(Field::kNextTxnId, 1, std::memory_order::relaxed);
  return FSQLSHM_OK;
}

fsqlshm_code fsqlshm_header_open(void* memory, const void* bytes, size_t size,
                                 fsqlshm_error* error) {
  const std::span all(static_cast<const std::byte*>(bytes), size);
  const auto opened = OwnedSharedMemoryLayout<Protocol>::open(all);
  if (!opened) return report(opened.error(), error);
  const fsqlshm_code aligned = check_alignment(memory, error);
  if (aligned != FSQLSHM_OK) return aligned;
  new (memory) fsqlshm_header{.words = HeaderBlock(all.first<kHeaderSize>()),
                              .geometry = opened->geometry()};
  return FSQLSHM_OK;
}

void fsqlshm_header_to_bytes(const fsqlshm_header* header, uint8_t bytes[FSQLSHM_HEADER_BYTES]) {
  const HeaderBytes all = layout_of(header).to_bytes();
  std::memcpy(bytes, all.data(), all.size());
}

void fsqlshm_header_geometry(const fsqlshm_header* header, fsqlshm_geometry* geometry) {
  *geometry = to_c(header->geometry);
}

void fsqlshm_header_begin_snapshot_publish(fsqlshm_header* header) {
  layout_of(header).begin_snapshot_publish();
}

void fsqlshm_header_end_snapshot_publish(fsqlshm_header* header) {
  layout_of(header).end_snapshot_publish();
}

void fsqlshm_header_publish_snapshot(fsqlshm_header* header, fsqlshm_snapshot next) {
  layout_of(header).publish_snapshot(CommitSeq(next.commit_seq), SchemaEpoch(next.schema_epoch),
                                     next.ecs_epoch);
}

void fsqlshm_header_reconcile(fsqlshm_header* header, fsqlshm_snapshot durable) {
  layout_of(header).reconcile(CommitSeq(durable.commit_seq), SchemaEpoch(durable.schema_epoch),
                              durable.ecs_epoch);
}

fsqlshm_snapshot fsqlshm_header_load_consistent_snapshot(const fsqlshm_header* header) {
  return to_c(layout_of(header).load_consistent_snapshot());
}

bool fsqlshm_header_try_load_consistent_snapshot(const fsqlshm_header* header, uint64_t attempts,
                                                 fsqlshm_snapshot* snapshot) {
  const auto found = layout_of(header).try_load_consistent_snapshot(attempts);
  if (!found) return false;
  *snapshot = to_c(*found);
  return true;
}

bool fsqlshm_header_acquire_serialized_writer(fsqlshm_header* header, uint64_t txn_id,
                                              fsqlshm_process self, uint64_t lease_expiry) {
  const auto id = TxnId::from_raw(txn_id);
  return id &&
         layout_of(header, self).acquire_serialized_writer(*id, self.pid, self.birth, lease_expiry);
}

bool fsqlshm_header_release_serialized_writer(fsqlshm_header* header, uint64_t txn_id) {
  const auto id = TxnId::from_raw(txn_id);
  return id && layout_of(header).release_serialized_writer(*id);
}

uint64_t fsqlshm_header_check_serialized_writer(const fsqlshm_header* header) {
  const auto id = layout_of(header).check_serialized_writer();
  return id ? id->get() : 0;
}

fsqlshm_exclusion fsqlshm_header_check_serialized_writer_exclusion(
    fsqlshm_header* header, uint64_t now, fsqlshm_process self, const fsqlshm_liveness* liveness) {
  Layout layout = layout_of(header, self);
  const auto answer = liveness->certain
                          ? layout.check_serialized_writer_exclusion(now, Alive<true>{*liveness})
                          : layout.check_serialized_writer_exclusion(now, Alive<false>{*liveness});
  return answer == Exclusion::kOk ? FSQLSHM_NO_WRITER : FSQLSHM_BUSY;
}

uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  const auto id = alloc<Protocol>(layout_of(header));
  return id ? id->get() : 0;
}

uint64_t fsqlshm_header_load_commit_seq(const fsqlshm_header* header) {
  return layout_of(header).load_commit_seq().get();
}

uint64_t fsqlshm_header_load_schema_epoch(const fsqlshm_header* header) {
  return layout_of(header).load_schema_epoch().get();
}

uint64_t fsqlshm_header_load_ecs_epoch(const fsqlshm_header* header) {
  return layout_of(header).load_ecs_epoch();
}

uint64_t fsqlshm_header_load_gc_horizon(const fsqlshm_header* header) {
  return layout_of(header).load_gc_horizon().get();
}

void fsqlshm_header_store_gc_horizon(fsqlshm_header* header, uint64_t horizon) {
  layout_of(header).store_gc_horizon(CommitSeq(horizon));
}

}  // extern "C"
// NOLINTEND(misc-definitions-in-headers)
#pragma GCC visibility pop

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_HEADER_FUNCTIONS_H_

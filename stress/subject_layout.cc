#include "stress/subject_layout.h"

#include <optional>

#include "fsqlshm/words.h"

namespace fsqlshm::stress {
namespace {

std::optional<TxnId> id_or_none(std::uint64_t raw) {
  const auto id = TxnId::from_raw(raw);
  return id ? std::optional(*id) : std::nullopt;
}

}  // namespace

bool SubjectLayout::create() {
  return header_.create(PageSize().get(), kDefaultMaxTxnSlots).has_value();
}

std::optional<ShmSnapshot> SubjectLayout::try_load_consistent_snapshot(
    std::uint64_t attempts) const {
  if ((*subject_)->try_load_consistent_snapshot != nullptr) {
    return header_.try_load_consistent_snapshot(attempts);
  }
  for (; word(Field::kSnapshotSeq) % 2 != 0; cpu_pause()) {
    if (attempts-- <= 1) return std::nullopt;
  }
  return header_.load_consistent_snapshot();
}

std::optional<TxnId> SubjectLayout::check_serialized_writer() const {
  return id_or_none(header_.check_serialized_writer());
}

Exclusion SubjectLayout::check_serialized_writer_exclusion(std::uint64_t now) {
  return header_.check_serialized_writer_exclusion(now, self_, liveness_) == FSQLSHM_NO_WRITER
             ? Exclusion::kOk
             : Exclusion::kBusy;
}

std::optional<TxnId> SubjectLayout::alloc_txn_id() { return id_or_none(header_.alloc_txn_id()); }

HeaderBytes wire_bytes(const harness::Subject& subject, const harness::SubjectMemory& memory) {
  SharedMemoryLayout header;
  for (const Field field : kAtomicFields) {
    header.words().store(field, memory.load(subject, field), std::memory_order::relaxed);
  }
  return header.to_bytes();
}

}  // namespace fsqlshm::stress

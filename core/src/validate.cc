#include <algorithm>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/shared_memory_layout.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm {
namespace {

using Code = ShmErrorCode;

class Findings {
 public:
  void unless(bool good, Code code, std::uint64_t found, std::uint64_t expected = 0) {
    if (!good) list_.emplace_back(code, found, expected);
  }
  void unless_equal(Code code, std::uint64_t found, std::uint64_t expected) {
    unless(found == expected, code, found, expected);
  }
  std::vector<ShmError> take() { return std::move(list_); }

 private:
  std::vector<ShmError> list_;
};

void validate_geometry(const Geometry& found, Findings& findings) {
  const Geometry expected = Geometry::derive(found.page_size, found.max_txn_slots);
  findings.unless_equal(Code::kUnderivedMaxTxnSlots, found.max_txn_slots, expected.max_txn_slots);
  findings.unless_equal(Code::kUnderivedLockTableOffset, found.lock_table_offset,
                        expected.lock_table_offset);
  findings.unless_equal(Code::kUnderivedWitnessOffset, found.witness_offset,
                        expected.witness_offset);
  findings.unless_equal(Code::kUnderivedTxnSlotOffset, found.txn_slot_offset,
                        expected.txn_slot_offset);
  findings.unless_equal(Code::kUnderivedCommittedReadersOffset, found.committed_readers_offset,
                        expected.committed_readers_offset);
  findings.unless_equal(Code::kUnderivedCommittedReadersBytes, found.committed_readers_bytes,
                        expected.committed_readers_bytes);
}

void validate_reserved(std::span<const std::byte> bytes, Findings& findings) {
  const auto first_not_zero = [&](std::size_t offset, std::size_t size) {
    const auto range = bytes.subspan(offset, size);
    const auto it = std::ranges::find_if(range, [](std::byte b) { return b != std::byte{0}; });
    findings.unless(it == range.end(), Code::kReservedNotZero,
                    offset + static_cast<std::size_t>(it - range.begin()));
  };
  first_not_zero(offsets::kAlign0, 4);
  first_not_zero(offsets::kPadding, kHeaderSize - offsets::kPadding);
}

void validate_writer(const OwnedWords& words, Findings& findings) {
  const auto load = [&](Field field) { return words.load(field, std::memory_order::relaxed); };
  const std::uint64_t writer = load(Field::kSerializedWriterTxnId);
  const std::uint64_t pid_and_gen = load(Field::kSerializedWriterPidAndGen);
  const std::uint64_t birth = load(Field::kSerializedWriterPidBirth);
  const std::uint64_t lease = load(Field::kSerializedWriterLeaseExpiry);
  switch (hardened::writer_tag(writer)) {
    case hardened::WriterTag::kUnused:
      findings.unless(false, Code::kWriterTxnIdOutOfDomain, writer);
      return;
    case hardened::WriterTag::kClaiming:
    case hardened::WriterTag::kCleaning:  // the words are being written
      findings.unless(hardened::process_of(writer).pid != 0, Code::kWriterUnjudgeable, writer);
      return;
    case hardened::WriterTag::kFreeOrOwned:
      break;
  }
  if (writer == 0) {
    findings.unless(pid_and_gen == 0 && birth == 0 && lease == 0, Code::kWriterLeftovers,
                    pid_and_gen != 0 ? pid_and_gen : (birth != 0 ? birth : lease));
  } else {
    findings.unless(lease != 0 || (pid_of(pid_and_gen) != 0 && birth != 0),
                    Code::kWriterUnjudgeable, writer);
    findings.unless(lease <= kMaxLease, Code::kWriterLeaseUnit, lease);
  }
}

}  // namespace

std::vector<ShmError> validate(std::span<const std::byte> bytes) {
  const auto layout = SharedMemoryLayout::open(bytes);
  if (!layout) return {layout.error()};
  Findings findings;
  validate_geometry(layout->geometry(), findings);
  validate_reserved(bytes, findings);
  const OwnedWords& words = layout->words();
  const auto load = [&](Field field) { return words.load(field, std::memory_order::relaxed); };
  const std::uint64_t next_txn_id = load(Field::kNextTxnId);
  findings.unless(next_txn_id != 0 && next_txn_id <= TxnId::kMaxRaw + 1,
                  Code::kNextTxnIdOutOfDomain, next_txn_id);
  const std::uint64_t seq = load(Field::kSnapshotSeq);
  findings.unless(seq % 2 == 0, Code::kSnapshotSeqOdd, seq);
  const std::uint64_t gc_horizon = load(Field::kGcHorizon);
  const std::uint64_t commit_seq = load(Field::kCommitSeq);
  findings.unless(gc_horizon <= commit_seq, Code::kGcHorizonAhead, gc_horizon, commit_seq);
  validate_writer(words, findings);
  return findings.take();
}

}  // namespace fsqlshm

// The shared-memory header itself, in place, with either protocol.

#ifndef FSQLSHM_BENCH_SUBJECTS_HEADER_H_
#define FSQLSHM_BENCH_SUBJECTS_HEADER_H_

#include <span>

#include "fsqlshm/shared_memory_layout.h"
#include "publisher.h"
#include "subject.h"

namespace fsqlshm::bench {

/// A new header's bytes.
struct HeaderMemory : HeaderBlock {
  HeaderMemory() : HeaderBlock(SharedMemoryLayout().to_bytes()) {}
};

template <class Protocol>
class Header : public Handle<Header<Protocol>, HeaderMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = Protocol::kName,
      .source = "this library",
      .call = "load_consistent_snapshot, publish_snapshot",
      .adds = "any processes; a dead publisher's window is found and closed (reconcile)",
      .lacks = "one publisher at a time; who is dead",
      .control = false};
  using Layout = InPlaceSharedMemoryLayout<Protocol>;

  // A handle whose constructor is not inlined has an address, so it stays in memory: every access
  // would load the header's address first, which doubles the time of a read.
  [[gnu::always_inline]] explicit Header(HeaderMemory& memory)
      : Base(memory), layout_(Layout::open(std::as_writable_bytes(std::span(memory))).value()) {}
  [[gnu::always_inline]] void move_by(std::size_t bytes) noexcept {
    *this = Header(layout_.geometry(), moved(*this->memory_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const {
    return to_triple(layout_.load_consistent_snapshot());
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    const std::optional<ShmSnapshot> snapshot = layout_.try_load_consistent_snapshot(1);
    if (!snapshot) return false;
    triple = to_triple(*snapshot);
    return true;
  }
  [[gnu::always_inline]] void publish(const Triple& triple) {
    layout_.publish_snapshot(CommitSeq(triple.commit_seq), SchemaEpoch(triple.schema_epoch),
                             triple.ecs_epoch);
  }

  void die_within_publish() {
    layout_.begin_snapshot_publish();
    die();
  }
  void recover(const Triple& triple) {
    layout_.reconcile(CommitSeq(triple.commit_seq), SchemaEpoch(triple.schema_epoch),
                      triple.ecs_epoch);
  }

  [[nodiscard]] Layout& layout() noexcept { return layout_; }

 private:
  using Base = Handle<Header, HeaderMemory>;
  Header(const Geometry& geometry, HeaderMemory& memory)
      : Base(memory), layout_(geometry, RawWords(memory.data())) {}

  Layout layout_;
};

using Hardened = Header<HardenedProtocol>;
using Reference = Header<ReferenceProtocol>;

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_HEADER_H_

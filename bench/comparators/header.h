// The shared-memory header itself, in place, with either protocol.

#ifndef FSQLSHM_BENCH_COMPARATORS_HEADER_H_
#define FSQLSHM_BENCH_COMPARATORS_HEADER_H_

#include <span>

#include "fsqlshm/shared_memory_layout.h"
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
      .name = Protocol::kName, .source = "this library", .control = false};
  using Layout = InPlaceSharedMemoryLayout<Protocol>;

  // A handle whose constructor is not inlined has an address, so it stays in memory: every access
  // would load the header's address first, which doubles the time of a read.
  [[gnu::always_inline]] explicit Header(HeaderMemory& memory)
      : Base(memory), layout_(Layout::open(std::as_writable_bytes(std::span(memory))).value()) {}
  [[nodiscard]] Header moved_by(std::size_t bytes) const noexcept {
    return Header(layout_.geometry(), moved(*this->memory_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const {
    return plain(layout_.load_consistent_snapshot());
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    const std::optional<ShmSnapshot> snapshot = layout_.try_load_consistent_snapshot(1);
    if (!snapshot) return false;
    triple = plain(*snapshot);
    return true;
  }
  [[gnu::always_inline]] void publish(const Triple& triple) {
    layout_.publish_snapshot(CommitSeq(triple.commit_seq), SchemaEpoch(triple.schema_epoch),
                             triple.ecs_epoch);
  }

  [[nodiscard]] Layout& layout() noexcept { return layout_; }

 private:
  using Base = Handle<Header, HeaderMemory>;
  Header(const Geometry& geometry, HeaderMemory& memory)
      : Base(memory), layout_(geometry, RawWords(memory.data())) {}

  static Triple plain(const ShmSnapshot& snapshot) noexcept {
    return {snapshot.commit_seq.get(), snapshot.schema_epoch.get(), snapshot.ecs_epoch};
  }

  Layout layout_;
};

using Hardened = Header<HardenedProtocol>;
using Reference = Header<ReferenceProtocol>;

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_HEADER_H_

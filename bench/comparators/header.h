// The shared-memory header itself, in place, with either protocol.

#ifndef FSQLSHM_BENCH_COMPARATORS_HEADER_H_
#define FSQLSHM_BENCH_COMPARATORS_HEADER_H_

#include <span>
#include <string_view>

#include "fsqlshm/shared_memory_layout.h"
#include "subject.h"

namespace fsqlshm::bench {

template <class Protocol>
class Header {
 public:
  static constexpr std::string_view kName = Protocol::kName;
  static constexpr std::string_view kSource = "this library";
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = true;
  using Layout = InPlaceSharedMemoryLayout<Protocol>;

  /// A new header's bytes.
  struct Shared : HeaderBlock {
    Shared() : HeaderBlock(SharedMemoryLayout().to_bytes()) {}
  };

  explicit Header(Shared& shared)
      : layout_(Layout::open(std::as_writable_bytes(std::span(shared))).value()),
        shared_(&shared) {}
  [[nodiscard]] Header moved_by(std::size_t bytes) const noexcept {
    return Header(layout_.geometry(), moved(*shared_, bytes));
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
  Header(const Geometry& geometry, Shared& shared)
      : layout_(geometry, RawWords(shared.data())), shared_(&shared) {}

  static Triple plain(const ShmSnapshot& snapshot) noexcept {
    return {snapshot.commit_seq.get(), snapshot.schema_epoch.get(), snapshot.ecs_epoch};
  }

  Layout layout_;
  Shared* shared_;
};

using Hardened = Header<HardenedProtocol>;
using Reference = Header<ReferenceProtocol>;

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_HEADER_H_

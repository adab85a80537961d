// What the tests of the original share.

#ifndef FSQLSHM_CORE_ORIGINAL_TEST_H_
#define FSQLSHM_CORE_ORIGINAL_TEST_H_

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm {

// How many cases a property is tried on, unless the environment says otherwise.
inline const int kManyCases = ::setenv("RC_PARAMS", "max_success=5000", /*overwrite=*/0);

constexpr auto kRelaxed = std::memory_order::relaxed;

inline TxnId txn(std::uint64_t raw) { return TxnId::from_raw(raw).value(); }
inline PageSize page(std::uint32_t bytes) { return PageSize::from_raw(bytes).value(); }

inline bool nobody_lives(std::uint32_t, std::uint64_t) { return false; }
inline bool everybody_lives(std::uint32_t, std::uint64_t) { return true; }

inline std::uint32_t read_u32(const HeaderBytes& bytes, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
inline std::uint64_t read_u64(const HeaderBytes& bytes, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
inline void write_u32(HeaderBytes& bytes, std::size_t offset, std::uint32_t value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

// Runs a hook before each compare-and-swap: what the original's own test hook was for.
class HookedWords : public RawWords {
 public:
  using RawWords::RawWords;
  std::function<void(Field, std::uint64_t)> before_compare_exchange;

  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    if (before_compare_exchange) before_compare_exchange(field, expected);
    return RawWords::compare_exchange(field, expected, desired, success, failure, where);
  }
};
static_assert(Words<HookedWords>);

template <class Protocol>
class Original : public testing::Test {
 public:
  using Layout = OwnedSharedMemoryLayout<Protocol>;

  static std::uint64_t peek(const Layout& layout, Field field) {
    return layout.words().load(field, kRelaxed);
  }
  static std::uint64_t seq(const Layout& layout) { return peek(layout, Field::kSnapshotSeq); }
  static std::uint32_t writer_pid(const Layout& layout) {
    return pid_of(peek(layout, Field::kSerializedWriterPidAndGen));
  }
  static std::uint64_t writer_birth(const Layout& layout) {
    return peek(layout, Field::kSerializedWriterPidBirth);
  }
  static std::uint64_t writer_lease(const Layout& layout) {
    return peek(layout, Field::kSerializedWriterLeaseExpiry);
  }
};

struct ProtocolName {
  template <class Protocol>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming): GoogleTest's name
    return std::string(Protocol::kName);
  }
};
using Protocols = testing::Types<ReferenceProtocol, HardenedProtocol>;
TYPED_TEST_SUITE(Original, Protocols, ProtocolName);

// A writer publishes (i, 2i, 3i); a reader must never see anything else.
template <class Layout>
void publish_and_read(std::uint64_t publishes, std::uint64_t reads) {
  Layout layout(PageSize(), 64);
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= publishes; ++i) {
      layout.publish_snapshot(CommitSeq(i), SchemaEpoch(i * 2), i * 3);
    }
  });
  std::thread reader([&] {
    for (std::uint64_t i = 0; i < reads; ++i) {
      const ShmSnapshot snapshot = layout.load_consistent_snapshot();
      const std::uint64_t commit_seq = snapshot.commit_seq.get();
      ASSERT_EQ(snapshot.schema_epoch.get(), commit_seq * 2);
      ASSERT_EQ(snapshot.ecs_epoch, commit_seq * 3);
    }
  });
  writer.join();
  reader.join();
  EXPECT_EQ(layout.load_consistent_snapshot().commit_seq, CommitSeq(publishes));
}

}  // namespace fsqlshm

#endif  // FSQLSHM_CORE_ORIGINAL_TEST_H_

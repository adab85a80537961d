// What the edge tests share: headers with one word changed, and the protocols they run on.

#ifndef FSQLSHM_CORE_EDGE_TEST_H_
#define FSQLSHM_CORE_EDGE_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <set>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm {

using testing::HasSubstr;

inline const int kManyCases = ::setenv("RC_PARAMS", "max_success=5000", /*overwrite=*/0);

constexpr auto kRelaxed = std::memory_order::relaxed;
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

inline TxnId txn(std::uint64_t raw) { return TxnId::from_raw(raw).value(); }
inline bool nobody_lives(std::uint32_t, std::uint64_t) { return false; }
inline bool everybody_lives(std::uint32_t, std::uint64_t) { return true; }

template <class T>
inline void put(HeaderBytes& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

// Makes the stored checksum that of the stored fields, whatever these are.
inline void seal(HeaderBytes& bytes) {
  put(bytes, offsets::kLayoutChecksum, std::uint64_t{0});
  const auto refused = SharedMemoryLayout::open(bytes);
  if (!refused && refused.error() == ShmErrorCode::kChecksumMismatch) {
    put(bytes, offsets::kLayoutChecksum, refused.error().expected());
  }
}

inline HeaderBytes fresh() { return SharedMemoryLayout(PageSize(), 64).to_bytes(); }

inline HeaderBytes with_word(Field field, std::uint64_t value) {
  HeaderBytes bytes = fresh();
  put(bytes, offset_of(field), value);
  return bytes;
}

template <class Protocol>
class Edge : public testing::Test {
 public:
  using Layout = OwnedSharedMemoryLayout<Protocol>;
  static Layout layout_with(Field field, std::uint64_t value) {
    return Layout::open(with_word(field, value)).value();
  }
  static std::uint64_t peek(const Layout& layout, Field field) {
    return layout.words().load(field, kRelaxed);
  }
};
struct ProtocolName {
  template <class Protocol>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming): GoogleTest's name
    return std::string(Protocol::kName);
  }
};
using Protocols = testing::Types<ReferenceProtocol, HardenedProtocol>;
TYPED_TEST_SUITE(Edge, Protocols, ProtocolName);

}  // namespace fsqlshm

#endif  // FSQLSHM_CORE_EDGE_TEST_H_

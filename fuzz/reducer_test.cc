#include "fuzz/reducer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "fuzz/calls.h"
#include "fuzz/check_open.h"
#include "fuzz/oracle.h"
#include "harness/mutants/layout.h"

namespace fsqlshm::fuzz {
namespace {

TEST(Reducer, ResetsEveryFieldThatDoesNotMatter) {
  static constexpr Target kSealed =
      sealed_target<harness::mutants::PageSizeUnchecked, SharedMemoryLayoutView>("test");
  std::vector<std::uint8_t> input(400, 0x77);
  std::ranges::copy(wire::fresh_header(4096, 5), input.begin());
  for (std::size_t i = 24; i < 144; ++i) input[i] = 0x99;
  wire::put32(input, wire::kPageSize, 1234567);
  wire::put32(input, wire::kSlots, 0xffffffff);
  const auto fails = [](Bytes bytes) { return kSealed.run(bytes).has_value(); };
  ASSERT_TRUE(fails(input));
  const std::vector<std::uint8_t> reduced = reduce(kSealed, input, fails);
  EXPECT_TRUE(fails(reduced));
  ASSERT_EQ(reduced.size(), wire::kSize);
  auto expected = wire::fresh_header(4096, 128);
  wire::put32(expected, wire::kPageSize, 1234567);
  wire::put32(expected, wire::kSlots, 0xffffffff);
  wire::seal(expected);
  EXPECT_TRUE(std::ranges::equal(reduced, expected));
}

TEST(Reducer, DropsRecordsThatDoNotMatter) {
  static constexpr Target kRecords = {.name = "test",
                                      .max_size = 2000,
                                      .run = nullptr,
                                      .units = call_units,
                                      .records = kCallsShape};
  std::vector<std::uint8_t> input(kCallsShape.head_size + 20 * kCallsShape.record_size, 3);
  input[kCallsShape.head_size + 13 * kCallsShape.record_size + 8] = 42;
  // Fails while any record has a 42 as the first byte of its argument.
  const auto fails = [](Bytes bytes) {
    for (std::size_t i = kCallsShape.head_size; i + kCallsShape.record_size <= bytes.size();
         i += kCallsShape.record_size) {
      if (bytes[i + 8] == 42) return true;
    }
    return false;
  };
  const std::vector<std::uint8_t> reduced = reduce(kRecords, input, fails);
  ASSERT_EQ(reduced.size(), kCallsShape.head_size + kCallsShape.record_size);
  EXPECT_EQ(std::ranges::count(reduced, 3), 7);  // the other bytes of that argument
}

TEST(Reducer, LeavesAnInputThatCannotBeSmallerAlone) {
  static constexpr Target kSealed = {.name = "test", .max_size = 512, .units = header_units};
  const std::vector<std::uint8_t> input = {1, 2, 3};
  EXPECT_EQ(reduce(kSealed, input, [&](Bytes bytes) { return std::ranges::equal(bytes, input); }),
            input);
}

}  // namespace
}  // namespace fsqlshm::fuzz

#include "fuzz/mutator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "fuzz/calls.h"
#include "fuzz/oracle.h"
#include "fuzz/schedule.h"

namespace fsqlshm::fuzz {
namespace {

int g_engine_calls = 0;

// A stand-in for LLVMFuzzerMutate that fills what it is given.
std::size_t fill(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  ++g_engine_calls;
  if (size == 0) size = std::min<std::size_t>(1, max_size);
  std::fill_n(data, size, std::uint8_t{0x5a});
  return size;
}

std::size_t grow(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  std::fill(data + size, data + max_size, std::uint8_t{0xee});
  return max_size;
}

// Mutates one input `count` times over, as an engine does with a corpus of one, and gives every
// result to `look`.
template <class Mutation, class Look>
void mutate_often(Mutation mutation, std::size_t max_size, int count, Look look) {
  std::vector<std::uint8_t> buffer(max_size);
  std::size_t size = 0;
  for (int seed = 0; seed < count; ++seed) {
    size = mutation(MutableBytes(buffer), size, static_cast<std::uint32_t>(seed), fill);
    ASSERT_LE(size, max_size);
    look(Bytes(buffer).first(size));
  }
}

TEST(HeaderMutator, LeavesAboutOneInSixteenUnsealedAndAcceptsMost) {
  int whole = 0;
  int sealed = 0;
  int accepted = 0;
  constexpr int kCount = 40000;
  mutate_often(mutate_header, 512, kCount, [&](Bytes bytes) {
    if (judge(bytes) == Judgement::kAccept) ++accepted;
    if (bytes.size() < wire::kSize) return;
    ++whole;
    if (wire::get64(bytes, wire::kChecksum) == wire::checksum(bytes)) ++sealed;
  });
  const double unsealed = 1 - static_cast<double>(sealed) / whole;
  EXPECT_GT(unsealed, 0.03);
  EXPECT_LT(unsealed, 0.10);
  EXPECT_GT(accepted, kCount * 80 / 100);
}

TEST(HeaderMutator, ReachesEveryVerdict) {
  std::set<Judgement> seen;
  mutate_often(mutate_header, 512, 20000, [&](Bytes bytes) { seen.insert(judge(bytes)); });
  EXPECT_EQ(seen.size(), kJudgements);
}

TEST(HeaderMutator, ChangesEveryField) {
  std::set<std::string_view> changed;
  const auto fresh = wire::fresh_header(4096, 128);
  std::vector<std::uint8_t> buffer(512);
  for (std::uint32_t seed = 0; seed < 5000; ++seed) {
    std::ranges::copy(fresh, buffer.begin());
    const std::size_t size = mutate_header(buffer, fresh.size(), seed, fill);
    for (const wire::FieldInfo& field : wire::kTable) {
      if (field.offset + field.size <= size &&
          !std::equal(fresh.begin() + static_cast<std::ptrdiff_t>(field.offset),
                      fresh.begin() + static_cast<std::ptrdiff_t>(field.offset + field.size),
                      buffer.begin() + static_cast<std::ptrdiff_t>(field.offset))) {
        changed.insert(field.name);
      }
    }
  }
  EXPECT_EQ(changed.size(), wire::kTable.size());
}

TEST(HeaderMutator, HonoursEverySizeLimit) {
  for (std::size_t limit = 1; limit < 300; ++limit) {
    std::vector<std::uint8_t> buffer(limit);
    std::size_t size = 0;
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
      size = mutate_header(buffer, size, seed, seed % 2 == 0 ? grow : fill);
      ASSERT_LE(size, limit);
    }
  }
}

TEST(HeaderMutator, IsAFunctionOfItsSeed) {
  std::vector<std::uint8_t> first(512);
  std::vector<std::uint8_t> second(512);
  const std::size_t size = mutate_header(first, 0, 7, fill);
  EXPECT_EQ(mutate_header(second, 0, 7, fill), size);
  EXPECT_EQ(first, second);
}

TEST(HeaderCrossover, DoesNotSpreadWhatIsRefused) {
  auto bad = wire::fresh_header(512, 1);
  wire::put32(bad, wire::kPageSize, 513);
  bad[0] = 'X';
  const auto good = wire::fresh_header(4096, 2);
  std::vector<std::uint8_t> out(512);
  int accepted = 0;
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    const std::size_t size = cross_headers(bad, good, out, seed);
    if (judge(Bytes(out).first(size)) == Judgement::kAccept) ++accepted;
  }
  EXPECT_GT(accepted, 800);
  EXPECT_LT(accepted, 1000);
}

TEST(HeaderCrossover, TakesWholeFieldsFromBoth) {
  const auto zero = wire::fresh_header(512, 1);
  auto other = wire::fresh_header(65536, 77);
  for (std::size_t i = 24; i < 104; ++i) other[i] = 0xee;
  std::vector<std::uint8_t> out(512);
  std::set<std::string_view> from_other;
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    const std::size_t size = cross_headers(zero, other, out, seed);
    ASSERT_EQ(size, wire::kSize);
    for (const wire::FieldInfo& field : wire::kTable) {
      if (field.name == "layout_checksum") continue;
      const auto is = [&](const auto& source) {
        return std::equal(source.begin() + static_cast<std::ptrdiff_t>(field.offset),
                          source.begin() + static_cast<std::ptrdiff_t>(field.offset + field.size),
                          out.begin() + static_cast<std::ptrdiff_t>(field.offset));
      };
      ASSERT_TRUE(is(zero) || is(other)) << field.name;
      if (!is(zero)) from_other.insert(field.name);
    }
  }
  EXPECT_GE(from_other.size(), 16U);  // all that differ
  EXPECT_LE(cross_headers(zero, other, MutableBytes(out).first(100), 1), 100U);
}

template <class Shape>
void expect_records_stay_in_shape(const Shape& shape) {
  std::set<std::size_t> counts;
  const std::size_t max_size = shape.head_size + shape.record_size * shape.max_records;
  const auto mutation = [&](MutableBytes buffer, std::size_t size, std::uint32_t seed,
                            ByteMutator engine) {
    return mutate_records(shape, buffer, size, seed, engine);
  };
  g_engine_calls = 0;
  mutate_often(mutation, max_size, 3000, [&](Bytes bytes) {
    if (bytes.size() >= shape.head_size) {
      counts.insert((bytes.size() - shape.head_size) / shape.record_size);
    }
  });
  EXPECT_GE(counts.size(), 5U);
  // About a third of the work is the engine's own.
  EXPECT_GT(g_engine_calls, 500);
}

TEST(RecordMutator, KeepsTheShape) {
  expect_records_stay_in_shape(kCallsShape);
  expect_records_stay_in_shape(kScheduleShape);
}

TEST(RecordMutator, HonoursEverySizeLimit) {
  for (std::size_t limit = 1; limit < 400; ++limit) {
    std::vector<std::uint8_t> buffer(limit);
    std::size_t size = 0;
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
      size = mutate_records(kCallsShape, buffer, size, seed, seed % 8 == 0 ? grow : fill);
      ASSERT_LE(size, limit);
    }
  }
}

TEST(RecordCrossover, ConcatenatesRecordsWithinTheLimit) {
  std::vector<std::uint8_t> first(kCallsShape.head_size + 10 * kCallsShape.record_size, 1);
  std::vector<std::uint8_t> second(kCallsShape.head_size + 10 * kCallsShape.record_size, 2);
  std::vector<std::uint8_t> out(kCallsShape.head_size + 12 * kCallsShape.record_size);
  bool mixed = false;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const std::size_t size = cross_records(kCallsShape, first, second, out, seed);
    ASSERT_LE(size, out.size());
    ASSERT_EQ((size - kCallsShape.head_size) % kCallsShape.record_size, 0U);
    const Bytes records = Bytes(out).first(size).subspan(kCallsShape.head_size);
    mixed |= std::ranges::count(records, 1) != 0 && std::ranges::count(records, 2) != 0;
  }
  EXPECT_TRUE(mixed);
  EXPECT_EQ(cross_records(kCallsShape, {}, second, out, 1), 0U);
}

TEST(HeaderMutator, UsesTheEngine) {
  g_engine_calls = 0;
  mutate_often(mutate_header, 512, 1000, [](Bytes) {});
  EXPECT_GT(g_engine_calls, 200);
}

}  // namespace
}  // namespace fsqlshm::fuzz

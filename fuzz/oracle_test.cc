// The oracle against the golden vectors, and mutants against the oracle.

#include "fuzz/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include "fuzz/check_open.h"
#include "fuzz/mutator.h"
#include "fuzz/testing/golden.h"
#include "harness/mutants/layout.h"

namespace fsqlshm::fuzz {
namespace {

TEST(Oracle, AgreesWithTheGoldenVectors) {
  std::map<std::string, int> seen;
  for (const auto& entry : golden("open.jsonl")) {
    const std::vector<std::uint8_t> bytes = unhex(entry["bytes"]);
    const std::string expected = entry["result"] == "ok" ? "accept" : std::string(entry["result"]);
    ++seen[expected];
    ASSERT_EQ(to_string(judge(bytes)), expected) << entry["id"];
    if (expected != "accept") continue;
    const std::vector<std::uint8_t> reserialised = unhex(entry["reserialized"]);
    ASSERT_TRUE(std::ranges::equal(canonical(bytes), reserialised)) << entry["id"];
    ASSERT_TRUE(is_canonical(bytes, reserialised)) << entry["id"];
    for (std::size_t i = 0; seen[expected] == 1 && i < wire::kSize; ++i) {
      std::vector<std::uint8_t> other = reserialised;
      other[i] ^= 1;
      ASSERT_FALSE(is_canonical(bytes, other)) << entry["id"] << " byte " << i;
    }
  }
  EXPECT_EQ(seen.size(), kJudgements);
}

TEST(Oracle, MakesTheGoldenHeaders) {
  for (const auto& entry : golden("headers.jsonl")) {
    const std::vector<std::uint8_t> expected = unhex(entry["bytes"]);
    const auto made = wire::fresh_header(entry["page_size"], entry["max_txn_slots"]);
    ASSERT_TRUE(std::ranges::equal(made, expected)) << entry["page_size"];
  }
}

TEST(Oracle, TheTableHasNoGaps) {
  std::size_t end = 0;
  for (const wire::FieldInfo& field : wire::kTable) {
    EXPECT_EQ(field.offset, end) << field.name;
    end += field.size;
  }
  EXPECT_EQ(end, wire::kSize);
}

TEST(Oracle, ReportsTheFirstRefusalThatApplies) {
  std::vector<std::uint8_t> bytes(wire::kSize, 0xaa);
  EXPECT_EQ(judge(Bytes(bytes).first(215)), Judgement::kTooSmall);
  EXPECT_EQ(judge(bytes), Judgement::kBadMagic);
  std::ranges::copy(wire::kMagic, bytes.begin());
  EXPECT_EQ(judge(bytes), Judgement::kVersionMismatch);
  wire::put32(bytes, wire::kVersion, 1);
  EXPECT_EQ(judge(bytes), Judgement::kInvalidPageSize);
  wire::put32(bytes, wire::kPageSize, 1024);
  EXPECT_EQ(judge(bytes), Judgement::kChecksumMismatch);
  wire::seal(bytes);
  EXPECT_EQ(judge(bytes), Judgement::kAccept);
}

TEST(Oracle, PageSizesAreTheEightPowersOfTwo) {
  int accepted = 0;
  for (std::uint32_t size = 0; size <= 140000; ++size) {
    auto header = wire::fresh_header(size, 1);
    if (judge(header) == Judgement::kAccept) ++accepted;
  }
  EXPECT_EQ(accepted, 8);
}

TEST(Oracle, FindsNothingInAFreshHeaderAndEveryRuleWhereItIsBroken) {
  const auto fresh = wire::fresh_header(4096, 128);
  EXPECT_EQ(complaints(fresh).size(), 0U);
  struct Break {
    const char* code;
    std::size_t offset;
    std::uint64_t value;
  };
  const Break breaks[] = {
      {"underived_lock_table_offset", 104, 217},
      {"underived_witness_offset", 112, 0},
      {"underived_txn_slot_offset", 120, 0},
      {"underived_committed_readers_offset", 128, 0},
      {"underived_committed_readers_bytes", 136, 17},
      {"reserved_not_zero", 208, 1},
      {"next_txn_id_out_of_domain", 24, 0},
      {"snapshot_seq_odd", 32, 1},
      {"gc_horizon_ahead", 64, 1},
      {"writer_leftovers", 88, 1},
      {"writer_unjudgeable", 72, 1},
      {"writer_txn_id_out_of_domain", 72, std::uint64_t{3} << 62},
  };
  for (const Break& b : breaks) {
    auto header = fresh;
    wire::put64(header, b.offset, b.value);
    const std::vector<Complaint>& found = complaints(header);
    ASSERT_EQ(found.size(), 1U) << b.code;
    EXPECT_EQ(found[0].code, b.code);
  }
}

// --- mutants -------------------------------------------------------------------------------------

// How many of `count` mutated inputs make `run` fail, and the first failure's property.
std::pair<int, std::string> attack(const std::function<std::optional<Failure>(Bytes)>& run,
                                   int count = 20000) {
  std::vector<std::uint8_t> buffer(512);
  std::size_t size = 0;
  int failed = 0;
  std::string first;
  for (int seed = 0; seed < count; ++seed) {
    const auto keep = [](std::uint8_t*, std::size_t n, std::size_t) { return n; };
    size = mutate_header(buffer, size, static_cast<std::uint32_t>(seed), keep);
    if (const auto failure = run(Bytes(buffer).first(size))) {
      if (failed++ == 0) first = failure->property;
    }
  }
  return {failed, first};
}

TEST(CheckOpen, FindsNothingInTheLibrary) {
  EXPECT_EQ(attack(run_open<SharedMemoryLayout, SharedMemoryLayoutView>).first, 0);
  EXPECT_EQ(attack(run_open<SharedMemoryLayout, SharedMemoryLayoutView, true>).first, 0);
}

TEST(CheckOpen, FindsAWrongAccept) {
  const auto [failed, first] =
      attack(run_open<harness::mutants::PageSizeUnchecked, SharedMemoryLayoutView, true>);
  EXPECT_GT(failed, 0);
  EXPECT_EQ(first, "open: expected invalid_page_size, found accept");
}

using Result = std::expected<SharedMemoryLayout, ShmError>;

// Refuses a header for being long.
struct RefusesTrailingBytes : SharedMemoryLayout {
  static Result open(std::span<const std::byte> bytes) {
    if (bytes.size() > kHeaderSize) return std::unexpected(ShmError(ShmErrorCode::kTooSmall));
    return SharedMemoryLayout::open(bytes);
  }
};

// Looks at the version before the magic.
struct WrongOrder : SharedMemoryLayout {
  static Result open(std::span<const std::byte> bytes) {
    auto opened = SharedMemoryLayout::open(bytes);
    if (!opened && opened.error() == ShmErrorCode::kBadMagic && bytes[8] != std::byte{1}) {
      return std::unexpected(ShmError(ShmErrorCode::kVersionMismatch));
    }
    return opened;
  }
};

// Loses a word.
struct ForgetsTheHorizon : SharedMemoryLayout {
  static Result open(std::span<const std::byte> bytes) {
    auto opened = SharedMemoryLayout::open(bytes);
    if (opened) opened->store_gc_horizon(CommitSeq(0));
    return opened;
  }
};

// Derives what it should read.
struct DerivesOffsets : SharedMemoryLayout {
  static Result open(std::span<const std::byte> bytes) {
    auto opened = SharedMemoryLayout::open(bytes);
    if (!opened) return opened;
    Geometry geometry = opened->geometry();
    geometry.witness_offset =
        Geometry::derive(geometry.page_size, geometry.max_txn_slots).witness_offset;
    return Result(std::in_place, geometry, bytes.first<kHeaderSize>());
  }
};

template <class Bad>
void expect_caught() {
  const auto [failed, first] = attack(run_open<Bad, SharedMemoryLayoutView>);
  EXPECT_GT(failed, 0);
}

TEST(CheckOpen, FindsARefusalOfTrailingBytes) { expect_caught<RefusesTrailingBytes>(); }
TEST(CheckOpen, FindsAWrongOrderOfChecks) { expect_caught<WrongOrder>(); }
TEST(CheckOpen, FindsALostWord) { expect_caught<ForgetsTheHorizon>(); }
TEST(CheckOpen, FindsDerivedOffsets) { expect_caught<DerivesOffsets>(); }

TEST(CheckOpen, FindsAnAccessorThatLies) {
  const auto header = wire::fresh_header(4096, 128);
  const Accessed honest = access(SharedMemoryLayout(*PageSize::from_raw(4096), 128));
  EXPECT_FALSE(
      check_answer({.way = "open", .accessed = &honest}, expect(Judgement::kAccept), header));
  for (std::size_t i = 0; i < honest.values.size(); ++i) {
    Accessed lying = honest;
    lying.values[i] ^= 1;
    const auto failure =
        check_answer({.way = "open", .accessed = &lying}, expect(Judgement::kAccept), header);
    ASSERT_TRUE(failure) << i;
    EXPECT_THAT(failure->property, testing::EndsWith("() differs from the bytes"));
  }
}

TEST(CheckOpen, NamesTheWrongAnswer) {
  const auto header = wire::fresh_header(4096, 128);
  const ShmError error(ShmErrorCode::kBadMagic);
  const auto property = [&](const Opened& answer, Judgement judgement) {
    const auto failure = check_answer(answer, expect(judgement), header);
    return failure ? failure->property : std::string();
  };
  EXPECT_EQ(property({.way = "open", .error = &error}, Judgement::kBadMagic), "");
  EXPECT_EQ(property({.way = "open"}, Judgement::kAccept), "");
  EXPECT_EQ(property({.way = "open", .error = &error}, Judgement::kAccept),
            "open: expected accept, found bad_magic");
  EXPECT_EQ(property({.way = "open", .error = &error}, Judgement::kTooSmall),
            "open: expected too_small, found bad_magic");
  EXPECT_EQ(property({.way = "open"}, Judgement::kVersionMismatch),
            "open: expected version_mismatch, found accept");
}

TEST(CheckOpen, ComparesWhatValidateSays) {
  auto header = wire::fresh_header(4096, 128);
  wire::put64(header, 32, 1);
  EXPECT_FALSE(check_validate(header, {ShmError(ShmErrorCode::kSnapshotSeqOdd, 1)}));
  EXPECT_TRUE(check_validate(header, {}));
  EXPECT_TRUE(check_validate(header, {ShmError(ShmErrorCode::kSnapshotSeqOdd, 3)}));
  EXPECT_TRUE(check_validate(header, {ShmError(ShmErrorCode::kGcHorizonAhead, 1)}));
}

}  // namespace
}  // namespace fsqlshm::fuzz

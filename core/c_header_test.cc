// The header part of the C interface, linked statically. What the protocol does is tested elsewhere;
// here it is that each function reaches it and converts what goes in and comes out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fsqlshm.h"
#include "fsqlshm/error.h"
#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm {
namespace {

constexpr fsqlshm_process kMe = {.birth = kKnownBirth | 1001, .pid = 101, .reserved = 0};
constexpr fsqlshm_process kOther = {.birth = kKnownBirth | 1002, .pid = 102, .reserved = 0};

// Liveness of one process: what it is asked, and what it answers.
struct Asked {
  bool answer = true;
  std::vector<ProcessIdentity> who{};

  [[nodiscard]] fsqlshm_liveness liveness(bool certain = false) {
    return {.alive = [](void* context, std::uint32_t pid, std::uint64_t birth) -> bool {
              auto& asked = *static_cast<Asked*>(context);
              asked.who.push_back({.pid = pid, .birth = birth});
              return asked.answer;
            },
            .context = this,
            .certain = certain};
  }
};

class CHeader : public testing::Test {
 protected:
  CHeader() {
    EXPECT_LE(fsqlshm_header_size(), sizeof(memory_));
    EXPECT_EQ(fsqlshm_header_create(memory_.data(), 4096, 0, nullptr), FSQLSHM_OK);
  }

  // The header as the library sees the bytes that it gives.
  [[nodiscard]] SharedMemoryLayout decoded() const {
    std::array<std::uint8_t, FSQLSHM_HEADER_BYTES> bytes{};
    fsqlshm_header_to_bytes(header_, bytes.data());
    return *SharedMemoryLayout::open(std::as_bytes(std::span(bytes)));
  }
  [[nodiscard]] std::uint64_t word(Field field) const {
    return decoded().words().load(field, std::memory_order::relaxed);
  }
  void open_with(Field field, std::uint64_t value) {
    SharedMemoryLayout other;
    other.words().store(field, value, std::memory_order::relaxed);
    const HeaderBytes bytes = other.to_bytes();
    ASSERT_EQ(fsqlshm_header_open(header_, bytes.data(), bytes.size(), nullptr), FSQLSHM_OK);
  }
  fsqlshm_exclusion check(std::uint64_t now, const fsqlshm_liveness& liveness) {
    return fsqlshm_header_check_serialized_writer_exclusion(header_, now, kOther, &liveness);
  }

  alignas(4096) std::array<std::byte, 4096> memory_{};
  fsqlshm_header* header_ = reinterpret_cast<fsqlshm_header*>(memory_.data());
};

TEST_F(CHeader, SaysWhatItIs) {
  EXPECT_EQ(fsqlshm_interface_version(), FSQLSHM_INTERFACE_VERSION);
  EXPECT_THAT(fsqlshm_implementation(), testing::MatchesRegex("fsqlshm [0-9.]+, hardened"));
  EXPECT_EQ(fsqlshm_promises(), std::uint64_t{FSQLSHM_PROMISES_ALL});
  EXPECT_STREQ(fsqlshm_known_defects(), "");
  EXPECT_LE(fsqlshm_header_alignment(), 4096U);
}

TEST_F(CHeader, CreationGivesTheBytesOfTheLibrary) {
  EXPECT_EQ(decoded().to_bytes(), SharedMemoryLayout().to_bytes());
  ASSERT_EQ(fsqlshm_header_create(memory_.data(), 512, 7, nullptr), FSQLSHM_OK);
  const SharedMemoryLayout expected(*PageSize::from_raw(512), 7);
  EXPECT_EQ(decoded().to_bytes(), expected.to_bytes());
  fsqlshm_geometry found{};
  fsqlshm_header_geometry(header_, &found);
  EXPECT_EQ(found.page_size, 512U);
  EXPECT_EQ(found.max_txn_slots, 7U);
  EXPECT_EQ(found.lock_table_offset, expected.lock_table_offset());
  EXPECT_EQ(found.witness_offset, expected.witness_offset());
  EXPECT_EQ(found.txn_slot_offset, expected.txn_slot_offset());
  EXPECT_EQ(found.committed_readers_offset, expected.committed_readers_offset());
  EXPECT_EQ(found.committed_readers_bytes, expected.committed_readers_bytes());
  EXPECT_EQ(found.layout_checksum, expected.layout_checksum());
}

TEST_F(CHeader, ErrorsSayWhatWasFound) {
  fsqlshm_error error{};
  EXPECT_EQ(fsqlshm_header_create(memory_.data(), 1000, 0, &error), FSQLSHM_INVALID_PAGE_SIZE);
  EXPECT_EQ(error.code, FSQLSHM_INVALID_PAGE_SIZE);
  EXPECT_EQ(error.found, 1000U);
  EXPECT_EQ(fsqlshm_header_create(memory_.data() + 8, 512, 0, &error), FSQLSHM_MISALIGNED);
  EXPECT_EQ(error.found, 8U);
  EXPECT_EQ(error.expected, fsqlshm_header_alignment());
  EXPECT_EQ(decoded().to_bytes(), SharedMemoryLayout().to_bytes());  // as it was

  HeaderBytes bytes = SharedMemoryLayout().to_bytes();
  EXPECT_EQ(fsqlshm_header_open(header_, bytes.data(), 215, &error), FSQLSHM_TOO_SMALL);
  EXPECT_EQ(error.found, 215U);
  EXPECT_EQ(error.expected, 216U);
  EXPECT_EQ(fsqlshm_header_open(memory_.data() + 8, bytes.data(), bytes.size(), &error),
            FSQLSHM_MISALIGNED);
  bytes[offsets::kLayoutChecksum] ^= std::byte{1};
  EXPECT_EQ(fsqlshm_header_open(header_, bytes.data(), bytes.size(), nullptr),
            FSQLSHM_CHECKSUM_MISMATCH);
}

TEST_F(CHeader, OpensAtAnyAlignmentWithTrailingBytes) {
  SharedMemoryLayout other(*PageSize::from_raw(8192), 5);
  other.publish_snapshot(CommitSeq(7), SchemaEpoch(8), 9);
  std::array<std::byte, kHeaderSize + 9> bytes{};
  const HeaderBytes header = other.to_bytes();
  std::memcpy(bytes.data() + 1, header.data(), header.size());
  ASSERT_EQ(fsqlshm_header_open(header_, bytes.data() + 1, bytes.size() - 1, nullptr), FSQLSHM_OK);
  EXPECT_EQ(decoded().to_bytes(), header);
}

TEST_F(CHeader, PublishesAndLoads) {
  fsqlshm_snapshot found{};
  fsqlshm_header_publish_snapshot(header_, {.commit_seq = 1, .schema_epoch = 2, .ecs_epoch = 3});
  found = fsqlshm_header_load_consistent_snapshot(header_);
  EXPECT_EQ(found.commit_seq, 1U);
  EXPECT_EQ(found.schema_epoch, 2U);
  EXPECT_EQ(found.ecs_epoch, 3U);
  EXPECT_EQ(fsqlshm_header_load_commit_seq(header_), 1U);
  EXPECT_EQ(fsqlshm_header_load_schema_epoch(header_), 2U);
  EXPECT_EQ(fsqlshm_header_load_ecs_epoch(header_), 3U);

  fsqlshm_header_begin_snapshot_publish(header_);
  EXPECT_EQ(word(Field::kSnapshotSeq), 3U);
  EXPECT_FALSE(fsqlshm_header_try_load_consistent_snapshot(header_, 5, &found));
  fsqlshm_header_end_snapshot_publish(header_);
  EXPECT_EQ(word(Field::kSnapshotSeq), 4U);
  fsqlshm_header_begin_snapshot_publish(header_);
  fsqlshm_header_reconcile(header_, {.commit_seq = 4, .schema_epoch = 5, .ecs_epoch = 6});
  ASSERT_TRUE(fsqlshm_header_try_load_consistent_snapshot(header_, 0, &found));
  EXPECT_EQ(found.commit_seq, 4U);
  EXPECT_EQ(found.schema_epoch, 5U);
  EXPECT_EQ(found.ecs_epoch, 6U);
}

TEST_F(CHeader, AcquiresChecksAndReleases) {
  Asked asked;
  EXPECT_EQ(fsqlshm_header_check_serialized_writer(header_), 0U);
  EXPECT_FALSE(fsqlshm_header_acquire_serialized_writer(header_, 0, kMe, 0));
  EXPECT_FALSE(fsqlshm_header_acquire_serialized_writer(header_, TxnId::kMaxRaw + 1, kMe, 0));
  ASSERT_TRUE(fsqlshm_header_acquire_serialized_writer(header_, 7, kMe, 500));
  EXPECT_FALSE(fsqlshm_header_acquire_serialized_writer(header_, 8, kOther, 500));
  EXPECT_EQ(fsqlshm_header_check_serialized_writer(header_), 7U);
  EXPECT_EQ(word(Field::kSerializedWriterPidAndGen), kMe.pid | (std::uint64_t{1} << 32));
  EXPECT_EQ(word(Field::kSerializedWriterPidBirth), kMe.birth);
  EXPECT_EQ(word(Field::kSerializedWriterLeaseExpiry), 500U);
  EXPECT_EQ(check(499, asked.liveness()), FSQLSHM_BUSY);
  EXPECT_FALSE(fsqlshm_header_release_serialized_writer(header_, 8));
  EXPECT_FALSE(fsqlshm_header_release_serialized_writer(header_, 0));
  EXPECT_TRUE(fsqlshm_header_release_serialized_writer(header_, 7));
  EXPECT_EQ(check(499, asked.liveness()), FSQLSHM_NO_WRITER);
  EXPECT_TRUE(asked.who.empty());
}

TEST_F(CHeader, ALeaseProtectsFromAGuessAndNotFromCertainty) {
  Asked asked{.answer = false};
  ASSERT_TRUE(fsqlshm_header_acquire_serialized_writer(header_, 7, kMe, 500));
  EXPECT_EQ(check(499, asked.liveness()), FSQLSHM_BUSY);
  EXPECT_TRUE(asked.who.empty());
  EXPECT_EQ(check(499, asked.liveness(true)), FSQLSHM_NO_WRITER);
  EXPECT_THAT(asked.who, testing::Contains(ProcessIdentity{.pid = 101, .birth = kMe.birth}));
  ASSERT_TRUE(fsqlshm_header_acquire_serialized_writer(header_, 8, kMe, 500));
  EXPECT_EQ(check(500, asked.liveness()), FSQLSHM_NO_WRITER);
}

TEST_F(CHeader, AsksWhetherAClaimerLives) {
  const std::uint64_t claim =
      hardened::state_word(hardened::WriterTag::kClaiming, {.pid = kMe.pid, .birth = kMe.birth});
  open_with(Field::kSerializedWriterTxnId, claim);
  Asked asked{.answer = false};
  EXPECT_EQ(check(0, asked.liveness()), FSQLSHM_NO_WRITER);
  EXPECT_THAT(asked.who, testing::ElementsAre(ProcessIdentity{.pid = 101, .birth = kMe.birth}));
  EXPECT_EQ(word(Field::kSerializedWriterTxnId), 0U);
}

TEST_F(CHeader, ClearsWhatNothingCanJudge) {
  open_with(Field::kSerializedWriterTxnId, std::uint64_t{3} << 62);
  EXPECT_FALSE(fsqlshm_header_clear_serialized_writer(header_, 1, kOther));
  EXPECT_FALSE(fsqlshm_header_clear_serialized_writer(header_, 0, kOther));
  EXPECT_TRUE(fsqlshm_header_clear_serialized_writer(header_, std::uint64_t{3} << 62, kOther));
  EXPECT_EQ(word(Field::kSerializedWriterTxnId), 0U);
}

TEST_F(CHeader, Counts) {
  EXPECT_EQ(fsqlshm_header_alloc_txn_id(header_), 1U);
  EXPECT_EQ(fsqlshm_header_alloc_txn_id(header_), 2U);
  open_with(Field::kNextTxnId, TxnId::kMaxRaw);
  EXPECT_EQ(fsqlshm_header_alloc_txn_id(header_), TxnId::kMaxRaw);
  EXPECT_EQ(fsqlshm_header_alloc_txn_id(header_), 0U);
  fsqlshm_header_store_gc_horizon(header_, 77);
  EXPECT_EQ(fsqlshm_header_load_gc_horizon(header_), 77U);
  EXPECT_EQ(word(Field::kGcHorizon), 77U);
}

TEST(CError, HasNameAndSentence) {
  EXPECT_STREQ(fsqlshm_code_text(FSQLSHM_OK), "ok");
  EXPECT_STREQ(fsqlshm_code_text(FSQLSHM_BAD_MAGIC), "bad_magic");
  EXPECT_STREQ(fsqlshm_code_text(FSQLSHM_FENCED), "fenced");
  EXPECT_STREQ(fsqlshm_code_text(FSQLSHM_NO_MEMORY), "no_memory");
  for (const std::int32_t code : {-1, FSQLSHM_FENCED + 1, 1 << 20}) {
    EXPECT_STREQ(fsqlshm_code_text(code), "unknown") << code;
  }
  const fsqlshm_error error = {
      .code = FSQLSHM_VERSION_MISMATCH, .reserved = 0, .found = 2, .expected = 1};
  const std::string expected = ShmError(ShmErrorCode::kVersionMismatch, 2, 1).message();
  std::array<char, 256> text{};
  EXPECT_EQ(fsqlshm_error_message(&error, text.data(), text.size()), expected.size());
  EXPECT_EQ(text.data(), expected);
}

TEST(CError, SentencesAreCutLikeThoseOfSnprintf) {
  const fsqlshm_error error = {.code = FSQLSHM_NO_MEMORY, .reserved = 0, .found = 0, .expected = 0};
  const std::string whole = "memory ran out";
  EXPECT_EQ(fsqlshm_error_message(&error, nullptr, 0), whole.size());
  std::array<char, 8> text{};
  text.fill('x');
  EXPECT_EQ(fsqlshm_error_message(&error, text.data(), 4), whole.size());
  EXPECT_STREQ(text.data(), "mem");
  EXPECT_EQ(text[4], 'x');
}

}  // namespace
}  // namespace fsqlshm

// Bytes that are no header, error messages, and the strict check.

#include "edge_test.h"

namespace fsqlshm {
namespace {

// --- Bytes that are no header -----------------------------------------------------------------

TEST(OpenBytes, EveryLengthAtEveryAlignment) {
  std::vector<std::byte> storage(512 + 16);
  const HeaderBytes header = fresh();
  for (std::size_t shift = 0; shift < 16; ++shift) {
    for (std::size_t size = 0; size <= 512; ++size) {
      const std::span<std::byte> bytes = std::span(storage).subspan(shift, size);
      std::ranges::fill(bytes, std::byte{0xa5});
      std::memcpy(bytes.data(), header.data(), std::min(size, header.size()));
      const auto layout = SharedMemoryLayout::open(bytes);
      if (size < kHeaderSize) {
        ASSERT_FALSE(layout);
        ASSERT_EQ(layout.error(), ShmError(ShmErrorCode::kTooSmall, size, kHeaderSize));
      } else {
        ASSERT_TRUE(layout) << size;
        ASSERT_EQ(layout->to_bytes(), header);
      }
    }
  }
  EXPECT_EQ(SharedMemoryLayout::open({}).error(), ShmErrorCode::kTooSmall);
}

TEST(OpenBytes, TheFirstErrorIsReported) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kLayoutChecksum, std::uint64_t{1});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kChecksumMismatch);
  put(bytes, offsets::kPageSize, std::uint32_t{1000});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kInvalidPageSize);
  put(bytes, offsets::kVersion, std::uint32_t{2});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kVersionMismatch);
  put(bytes, offsets::kMagic, std::uint64_t{0});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kBadMagic);
  EXPECT_EQ(SharedMemoryLayout::open(std::span(bytes).first(215)).error(), ShmErrorCode::kTooSmall);
}

TEST(OpenBytes, EveryFlippedBitOfAnImmutableFieldIsRefused) {
  const HeaderBytes header = fresh();
  for (std::size_t bit = 0; bit < kHeaderSize * 8; ++bit) {
    HeaderBytes bytes = header;
    bytes[bit / 8] ^= std::byte(1U << (bit % 8));
    const std::size_t offset = bit / 8;
    const bool immutable = offset < offsets::kAlign0 ||
                           (offset >= offsets::kLockTableOffset && offset < offsets::kPadding);
    EXPECT_EQ(SharedMemoryLayout::open(bytes).has_value(), !immutable) << "bit " << bit;
  }
}

TEST(OpenBytes, ArbitraryBytesAreRefusedOrSurviveUnchanged) {
  EXPECT_TRUE(rc::check("a header with a random stretch", [] {
    const auto noise = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    HeaderBytes bytes = fresh();
    const auto start = *rc::gen::inRange<std::size_t>(0, kHeaderSize);
    const std::size_t size = std::min(noise.size(), kHeaderSize - start);
    std::ranges::copy(std::as_bytes(std::span(noise)).first(size),
                      bytes.begin() + static_cast<std::ptrdiff_t>(start));
    if (*rc::gen::arbitrary<bool>()) seal(bytes);
    const auto layout = SharedMemoryLayout::open(bytes);
    RC_ASSERT(layout || validate(bytes) == std::vector{layout.error()});
    if (!layout) return;
    put(bytes, offsets::kAlign0, std::uint32_t{0});
    std::fill(bytes.begin() + offsets::kPadding, bytes.end(), std::byte{0});
    RC_ASSERT(layout->to_bytes() == bytes);
  }));
}

TEST(OpenInPlace, WorksOnTheBytesThemselves) {
  HeaderBlock block{};
  const auto bytes = std::as_writable_bytes(std::span(block)).first(kHeaderSize);
  std::ranges::copy(fresh(), bytes.begin());
  auto a = SharedMemoryLayoutView::open(bytes);
  auto b = SharedMemoryLayoutView::open(bytes);
  ASSERT_TRUE(a && b);
  a->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  EXPECT_EQ(b->load_consistent_snapshot(), a->load_consistent_snapshot());
  EXPECT_EQ(b->load_commit_seq(), CommitSeq(1));
  EXPECT_EQ(a->alloc_txn_id(), txn(1));
  EXPECT_EQ(b->alloc_txn_id(), txn(2));
  EXPECT_EQ(SharedMemoryLayout::open(bytes)->to_bytes(), a->to_bytes());
}

TEST(OpenInPlace, RefusesMisalignedShortAndForeignBytes) {
  HeaderBlock block{};
  const auto bytes = std::as_writable_bytes(std::span(block));
  EXPECT_EQ(SharedMemoryLayoutView::open(bytes.first(215)).error(), ShmErrorCode::kTooSmall);
  EXPECT_EQ(SharedMemoryLayoutView::open(bytes).error(), ShmErrorCode::kBadMagic);
  std::vector<std::byte> storage(kHeaderSize + 16);
  for (std::size_t shift = 1; shift < 8; ++shift) {
    const auto error =
        SharedMemoryLayoutView::open(std::span(storage).subspan(shift, kHeaderSize)).error();
    EXPECT_EQ(error, ShmErrorCode::kMisaligned);
  }
}

// --- Errors and validation --------------------------------------------------------------------

TEST(Messages, NameTheFieldWhatWasFoundAndWhatWasExpected) {
  const auto message_of = [](std::size_t offset, auto value) {
    HeaderBytes bytes = fresh();
    put(bytes, offset, value);
    return SharedMemoryLayout::open(bytes).error().message();
  };
  EXPECT_EQ(SharedMemoryLayout::open({}).error().message(),
            "header: found 0 bytes, expected at least 216");
  EXPECT_EQ(message_of(0, 'X'),
            "magic (offset 0): found 58 53 51 4c 53 48 4d 00, expected 46 53 51 4c 53 48 4d 00 "
            "(\"FSQLSHM\\0\")");
  EXPECT_EQ(message_of(8, std::uint32_t{99}), "version (offset 8): found 99, expected 1");
  EXPECT_EQ(message_of(12, std::uint32_t{1000}),
            "page_size (offset 12): found 1000, expected a power of two from 512 to 65536");
  EXPECT_THAT(message_of(144, std::uint64_t{5}),
              HasSubstr("layout_checksum (offset 144): found 0x0000000000000005, expected 0x"));
  EXPECT_EQ(TxnId::from_raw(0).error().message(), "transaction id: found 0, expected 1 to 2^62-1");
}

TEST(Messages, EveryCodeHasANameAndAMessageOfItsOwn) {
  std::set<std::string> names;
  std::set<std::string> messages;
  int codes = 0;
  for (int raw = 0; raw < 256; ++raw) {
    const auto code = static_cast<ShmErrorCode>(raw);
    if (to_string(code) == "unknown") continue;
    ++codes;
    names.emplace(to_string(code));
    const std::string message = ShmError(code, 3, 4).message();
    if (code < ShmErrorCode::kFileOpen) {  // about a header; those of files quote the system
      EXPECT_THAT(message, HasSubstr("found")) << to_string(code);
      EXPECT_THAT(message, HasSubstr("expected")) << to_string(code);
    }
    messages.insert(message);
  }
  EXPECT_EQ(codes, static_cast<int>(ShmErrorCode::kFenced) + 1);
  EXPECT_EQ(names.size(), static_cast<std::size_t>(codes));
  EXPECT_EQ(messages.size(), static_cast<std::size_t>(codes));
}

TEST(Validate, AFreshHeaderIsGood) {
  for (const std::uint32_t slots : {0U, 1U, 7U, 8U, 9U, 0xffffffffU}) {
    EXPECT_TRUE(validate(SharedMemoryLayout(PageSize(), slots).to_bytes()).empty());
  }
  EXPECT_TRUE(validate(with_word(Field::kNextTxnId, TxnId::kMaxRaw + 1)).empty()) << "used up";
  SharedMemoryLayout used;
  used.publish_snapshot(CommitSeq(9), SchemaEpoch(2), 3);
  used.store_gc_horizon(CommitSeq(9));
  ASSERT_TRUE(used.acquire_serialized_writer(txn(1), 7, kKnownBirth | 9, 0));
  EXPECT_TRUE(validate(used.to_bytes()).empty());
}

TEST(Validate, FindsEachFaultAndNothingElse) {
  struct Fault {
    std::size_t offset;
    std::uint64_t value;
    std::size_t size;
    ShmErrorCode expected;
  };
  using Code = ShmErrorCode;
  for (const Fault& fault : {
           Fault{offsets::kLockTableOffset, 0, 8, Code::kUnderivedLockTableOffset},
           Fault{offsets::kWitnessOffset, 0, 8, Code::kUnderivedWitnessOffset},
           Fault{offsets::kTxnSlotOffset, 0, 8, Code::kUnderivedTxnSlotOffset},
           Fault{offsets::kCommittedReadersOffset, 0, 8, Code::kUnderivedCommittedReadersOffset},
           Fault{offsets::kCommittedReadersBytes, 0, 8, Code::kUnderivedCommittedReadersBytes},
           Fault{offsets::kAlign0, 1, 4, Code::kReservedNotZero},
           Fault{offsets::kPadding, 1, 1, Code::kReservedNotZero},
           Fault{kHeaderSize - 1, 1, 1, Code::kReservedNotZero},
           Fault{offsets::kNextTxnId, 0, 8, Code::kNextTxnIdOutOfDomain},
           Fault{offsets::kNextTxnId, TxnId::kMaxRaw + 2, 8, Code::kNextTxnIdOutOfDomain},
           Fault{offsets::kSnapshotSeq, 1, 8, Code::kSnapshotSeqOdd},
           Fault{offsets::kGcHorizon, 1, 8, Code::kGcHorizonAhead},
           Fault{offsets::kSerializedWriterTxnId, kMax64, 8, Code::kWriterTxnIdOutOfDomain},
           Fault{offsets::kSerializedWriterTxnId, 5, 8, Code::kWriterUnjudgeable},
           Fault{offsets::kSerializedWriterTxnId, 1ULL << 62, 8, Code::kWriterUnjudgeable},
           Fault{offsets::kSerializedWriterTxnId, 2ULL << 62, 8, Code::kWriterUnjudgeable},
           Fault{offsets::kSerializedWriterPidAndGen, 5, 8, Code::kWriterLeftovers},
           Fault{offsets::kSerializedWriterPidBirth, 5, 8, Code::kWriterLeftovers},
           Fault{offsets::kSerializedWriterLeaseExpiry, 5, 8, Code::kWriterLeftovers},
       }) {
    HeaderBytes bytes = fresh();
    std::memcpy(bytes.data() + fault.offset, &fault.value, fault.size);
    seal(bytes);
    const std::vector<ShmError> found = validate(bytes);
    ASSERT_EQ(found.size(), 1U) << "offset " << fault.offset;
    EXPECT_EQ(found[0], fault.expected) << found[0].message();
  }
}

TEST(Validate, SaysWhatEachFieldIsAndWhatItShouldBe) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kLockTableOffset, std::uint64_t{1});
  put(bytes, offsets::kWitnessOffset, std::uint64_t{2});
  put(bytes, offsets::kTxnSlotOffset, std::uint64_t{3});
  put(bytes, offsets::kCommittedReadersOffset, std::uint64_t{4});
  put(bytes, offsets::kCommittedReadersBytes, std::uint64_t{5});
  seal(bytes);
  using Code = ShmErrorCode;
  const Geometry good = SharedMemoryLayout::open(fresh())->geometry();
  EXPECT_EQ(validate(bytes),
            (std::vector{
                ShmError(Code::kUnderivedLockTableOffset, 1, good.lock_table_offset),
                ShmError(Code::kUnderivedWitnessOffset, 2, good.witness_offset),
                ShmError(Code::kUnderivedTxnSlotOffset, 3, good.txn_slot_offset),
                ShmError(Code::kUnderivedCommittedReadersOffset, 4, good.committed_readers_offset),
                ShmError(Code::kUnderivedCommittedReadersBytes, 5, good.committed_readers_bytes),
            }));
}

TEST(Validate, ALeaseIsInSeconds) {
  const auto with_lease = [](std::uint64_t lease) {
    SharedMemoryLayout layout;
    EXPECT_TRUE(layout.acquire_serialized_writer(txn(1), 7, kKnownBirth | 9, lease));
    return validate(layout.to_bytes());
  };
  constexpr std::uint64_t kYear9999 = 253'402'300'799;
  EXPECT_TRUE(with_lease(kYear9999).empty());
  for (const std::uint64_t lease : {kYear9999 + 1, std::uint64_t{1'795'000'000'000}, kMax64}) {
    EXPECT_EQ(with_lease(lease),
              std::vector<ShmError>{ShmError(ShmErrorCode::kWriterLeaseUnit, lease)});
  }
}

TEST(Validate, ZeroSlotsAreReportedWithWhatFollowsFromThem) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kMaxTxnSlots, std::uint32_t{0});
  seal(bytes);
  std::set<ShmErrorCode> codes;
  for (const ShmError& error : validate(bytes)) codes.insert(error.code());
  EXPECT_TRUE(codes.contains(ShmErrorCode::kUnderivedMaxTxnSlots));
}

}  // namespace
}  // namespace fsqlshm
